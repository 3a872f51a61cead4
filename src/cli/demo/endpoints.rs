//! The demo's hosts: small HTTP servers on loopback addresses, by pool, that can be broken.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::Context;
use axum::{
    Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use tokio::{net::TcpListener, task::JoinSet};

/// How often another port is tried for all endpoints.
const PORT_TRIES: usize = 16;

/// One version of the software, running on several hosts.
pub(super) struct Version {
    pub(super) name: &'static str,
    pub(super) addresses: Vec<IpAddr>,
    healthy: Arc<AtomicBool>,
}

impl Version {
    /// Makes every host of this version fail its health check.
    pub(super) fn break_down(&self) {
        self.healthy.store(false, Ordering::Relaxed);
    }
}

/// Both versions, on one port, until dropped.
pub(super) struct Endpoints {
    pub(super) old: Version,
    pub(super) new: Version,
    pub(super) port: u16,
    _servers: JoinSet<()>,
}

impl Endpoints {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let version = |name, last_octets: [u8; 2]| Version {
            name,
            addresses: last_octets.map(|last| Ipv4Addr::new(127, 0, 0, last).into()).to_vec(),
            healthy: Arc::new(AtomicBool::new(true)),
        };
        let (old, new) = (version("v1", [11, 12]), version("v2", [21, 22]));
        let (port, listeners) = bind_all(old.addresses.iter().chain(&new.addresses)).await?;
        let mut servers = JoinSet::new();
        for (index, listener) in listeners.into_iter().enumerate() {
            let version = if index < old.addresses.len() { &old } else { &new };
            let pages = pages(version.name, version.healthy.clone());
            servers.spawn(async move {
                // Ends with the demo; a failing listener shows as a failing probe.
                let _ = axum::serve(listener, pages).await;
            });
        }
        Ok(Self { old, new, port, _servers: servers })
    }
}

fn pages(version: &'static str, healthy: Arc<AtomicBool>) -> Router {
    let health = |State(healthy): State<Arc<AtomicBool>>| async move {
        match healthy.load(Ordering::Relaxed) {
            true => (StatusCode::OK, "ok\n"),
            false => (StatusCode::SERVICE_UNAVAILABLE, "broken\n"),
        }
    };
    let turn = |to: bool| {
        post(move |State(healthy): State<Arc<AtomicBool>>| async move {
            healthy.store(to, Ordering::Relaxed);
            if to { "healed\n" } else { "broken\n" }
        })
    };
    Router::new()
        .route("/", get(move || async move { format!("hello from {version}\n") }))
        .route("/healthz", get(health))
        .route("/break", turn(false))
        .route("/heal", turn(true))
        .with_state(healthy)
}

/// Listens on all addresses with one port that is free on each.
async fn bind_all<'a>(
    addresses: impl Iterator<Item = &'a IpAddr> + Clone,
) -> anyhow::Result<(u16, Vec<TcpListener>)> {
    let mut tries = PORT_TRIES;
    loop {
        tries -= 1;
        match try_bind_all(addresses.clone()).await {
            Err(error) if tries > 0 && error.kind() == std::io::ErrorKind::AddrInUse => {}
            bound => {
                return bound.context(
                    "cannot start the demo's endpoints; they need the loopback addresses \
                     127.0.0.11, .12, .21 and .22 (on macOS: sudo ifconfig lo0 alias 127.0.0.11, \
                     and so on)",
                );
            }
        }
    }
}

async fn try_bind_all<'a>(
    addresses: impl Iterator<Item = &'a IpAddr>,
) -> std::io::Result<(u16, Vec<TcpListener>)> {
    let mut port = 0;
    let mut listeners = Vec::new();
    for address in addresses {
        let listener = TcpListener::bind((*address, port)).await?;
        port = listener.local_addr()?.port();
        listeners.push(listener);
    }
    Ok((port, listeners))
}
