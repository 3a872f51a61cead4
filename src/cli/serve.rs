//! `cutover serve`: the daemon, until it is told to end.

use std::{path::Path, process::ExitCode};

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

use crate::{
    config,
    daemon::{Daemon, systemd},
    model::DnsName,
};

pub(super) async fn run(path: &Path) -> anyhow::Result<ExitCode> {
    let settings = config::load_settings(path)?;
    let apex = settings.zone.apex.clone();
    let daemon = Daemon::start(settings).await?;
    info!(zone = %apex, dns = ?daemon.dns(), http = %daemon.http(), "answering");
    systemd::ready();
    until_told(&daemon, &apex).await?;
    info!("ending");
    systemd::stopping();
    daemon.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Obeys signals until one says to end.
async fn until_told(daemon: &Daemon, apex: &DnsName) -> anyhow::Result<()> {
    let mut hangup = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let informing = systemd::keep_informed(daemon, apex);
    tokio::pin!(informing);
    loop {
        tokio::select! {
            _ = hangup.recv() => {
                info!("SIGHUP: reading the release file again");
                daemon.reload();
            }
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            () = &mut informing => {}
        }
    }
}
