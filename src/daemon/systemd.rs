//! What systemd is told: readiness, one line of state, and signs of life that are true.
//!
//! Without systemd every call here does nothing.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use hickory_proto::{op::ResponseCode, rr::RecordType};
use sd_notify::NotifyState;
use tracing::warn;

use super::Daemon;
use crate::{admin::status::Pulse, dns::client, model::DnsName};

const STATUS_EVERY: Duration = Duration::from_secs(5);
const ASK_PATIENCE: Duration = Duration::from_secs(1);

/// Says that questions are being answered.
pub fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Says that the daemon is ending.
pub fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Keeps systemd informed until dropped. The watchdog is fed only when a question to our own
/// socket was answered and the control plane said how things are.
pub async fn keep_informed(daemon: &Daemon, apex: &DnsName) {
    let pace = sd_notify::watchdog_enabled().map_or(STATUS_EVERY, |limit| limit / 3);
    let mut ticks = tokio::time::interval(pace.min(STATUS_EVERY));
    loop {
        ticks.tick().await;
        let Some(pulse) = daemon.inquiry().pulse().await else {
            warn!("the control plane does not tick: the watchdog is not fed");
            continue;
        };
        tell(&[NotifyState::Status(&line(&pulse))]);
        match self_query(daemon, apex).await {
            Ok(()) => tell(&[NotifyState::Watchdog]),
            Err(why) => warn!(why, "the self-query failed: the watchdog is not fed"),
        }
    }
}

/// Asks our own sockets until one answers: an address that is to come up later, as with VRRP,
/// does not.
async fn self_query(daemon: &Daemon, apex: &DnsName) -> Result<(), String> {
    let mut why = "there is no socket to ask".to_owned();
    for server in daemon.dns() {
        match client::ask(reachable(*server), apex, RecordType::SOA, ASK_PATIENCE).await {
            Ok(answered) if answered.code == ResponseCode::NoError => return Ok(()),
            Ok(answered) => why = format!("{server} answered {}", answered.code),
            Err(error) => why = error.to_string(),
        }
    }
    Err(why)
}

/// `services: 3, generation 7; api: Baking; the release file on disk is refused`.
fn line(pulse: &Pulse) -> String {
    let mut line = format!("services: {}, generation {}", pulse.services, pulse.generation);
    for (name, phase) in &pulse.busy {
        line.push_str(&format!("; {name}: {phase}"));
    }
    if !pulse.ready {
        line.push_str("; waiting for a valid release file");
    } else if !pulse.file_accepted {
        line.push_str("; the release file on disk is refused");
    }
    if !pulse.is_kept {
        line.push_str("; the state cannot be written");
    }
    line
}

/// An address that a socket bound to `bound` is reached at from here.
fn reachable(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, bound.port())
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        warn!(%error, "systemd cannot be told");
    }
}
