//! `cutover serve`: the daemon, until it is told to end.

use std::{path::Path, process::ExitCode};

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::info;

use crate::{
    config,
    daemon::{Daemon, failpoint, systemd},
    model::DnsName,
};

pub(super) async fn run(path: &Path) -> anyhow::Result<ExitCode> {
    let settings = config::load_settings(path)?;
    let apex = settings.zones.first().apex.clone();
    // Before anything can take long: a signal without a handler ends the process.
    let mut signals = Signals::listen()?;
    failpoint::arm();
    let daemon = Daemon::start(settings).await?;
    info!(zone = %apex, dns = ?daemon.dns(), http = %daemon.http(), "answering");
    if let Some(encrypted) = daemon.encrypted() {
        let (tls, quic, https) = (encrypted.tls(), encrypted.quic(), encrypted.https());
        info!(?tls, ?quic, ?https, "answering over encrypted transports");
    }
    systemd::ready();
    match signals.obey(&daemon, &apex).await {
        End::Told => info!("ending"),
        End::Succeeded => info!("a successor answers: ending"),
    }
    systemd::stopping();
    daemon.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// Why the daemon ends.
enum End {
    Told,
    Succeeded,
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
    /// A limit on the size of files (ulimit -f) is an error of the one write that it stops.
    _file_size: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        let listen = |kind, name| signal(kind).with_context(|| format!("cannot listen for {name}"));
        Ok(Self {
            hangup: listen(SignalKind::hangup(), "SIGHUP")?,
            terminate: listen(SignalKind::terminate(), "SIGTERM")?,
            interrupt: listen(SignalKind::interrupt(), "SIGINT")?,
            _file_size: listen(SignalKind::from_raw(libc::SIGXFSZ), "SIGXFSZ")?,
        })
    }

    /// Obeys until one says to end, or a successor answers.
    async fn obey(&mut self, daemon: &Daemon, apex: &DnsName) -> End {
        let informing = systemd::keep_informed(daemon, apex);
        tokio::pin!(informing);
        loop {
            tokio::select! {
                _ = self.hangup.recv() => {
                    info!("SIGHUP: reading the release file, zone files and the certificate again");
                    daemon.reload();
                }
                _ = self.terminate.recv() => return End::Told,
                _ = self.interrupt.recv() => return End::Told,
                () = daemon.succeeded() => return End::Succeeded,
                () = &mut informing => {}
            }
        }
    }
}
