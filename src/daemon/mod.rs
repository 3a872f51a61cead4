//! Floor 3: the wiring of the running daemon; the only place that spawns tasks, owns channels and
//! stores the table.
//!
//! [`conductor`] is the one writer: it takes events from one bounded channel, lets the pure
//! machines decide, and stores the next table. [`report`] shows its state to people, [`systemd`]
//! to the service manager. Everything below this floor can be tested without it.

mod clock;
mod conductor;
mod file;
mod metrics;
mod report;
mod secrets;
mod service;
pub mod systemd;

use std::{io, net::SocketAddr, sync::Arc, thread, time::Duration};

use arc_swap::ArcSwap;
use prometheus::Registry;
use tokio::{
    net::TcpListener,
    sync::{Notify, mpsc, oneshot},
    task::AbortHandle,
};

use crate::{
    admin::{self, Inquiry},
    config::{Settings, secrets::LoadError, watch::ReleaseWatch},
    dns::{
        BindError, Counters, Listener, Plane, Responder, Serving, Store,
        encrypted::{Encrypted, EncryptedError, Running},
    },
    probe::Prober,
    table::Table,
};
use clock::Clock;
use conductor::{Conductor, Event};

/// Events that may wait for the conductor; senders wait beyond.
const EVENTS_MAX: usize = 1024;
const REQUESTS_MAX: usize = 16;
/// How long the first look at the release file may take before answers begin without it.
const FIRST_LOOK_PATIENCE: Duration = Duration::from_secs(5);

/// Why the daemon cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A socket for questions cannot be had.
    #[error(transparent)]
    Dns(#[from] BindError),
    /// Encrypted transports cannot be had.
    #[error(transparent)]
    Encrypted(#[from] EncryptedError),
    /// The secrets of DNS cookies cannot be had.
    #[error("the secrets of DNS cookies: {0}")]
    Secrets(LoadError),
    /// The socket for metrics and status cannot be had.
    #[error("cannot listen on {0} for metrics and status: {1}")]
    Http(SocketAddr, io::Error),
    /// The thread that watches the release file cannot be had.
    #[error("cannot watch the release file: {0}")]
    Watch(io::Error),
    /// A thread that answers cannot be had.
    #[error("cannot answer: {0}")]
    Threads(io::Error),
    /// Two metrics have one name: a fault of this program.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// A running daemon; dropping it ends it.
pub struct Daemon {
    dns: Vec<SocketAddr>,
    http: SocketAddr,
    inquiry: Inquiry,
    watch: ReleaseWatch,
    serving: Option<Serving>,
    encrypted: Option<Running>,
    secrets_asked: Arc<Notify>,
    control_plane: Vec<AbortHandle>,
}

impl Daemon {
    /// Starts to watch, to probe and, once the release file has been looked at, to answer: until
    /// then questions wait in the sockets. Sockets passed by systemd take the place of the
    /// settings' DNS addresses.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        let workers = settings.workers.unwrap_or_else(cores);
        let listeners = listeners(&settings, workers)?;
        let mut dns_at: Vec<SocketAddr> =
            listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect();
        // Each address has two sockets.
        dns_at.dedup();
        let http_error = |error| StartError::Http(settings.http, error);
        let http = TcpListener::bind(settings.http).await.map_err(http_error)?;
        let http_at = http.local_addr().map_err(http_error)?;

        let clock = Clock::start();
        let registry = Registry::new();
        let encrypted = settings.encrypted.as_ref();
        let encrypted = encrypted.map(|listen| Encrypted::bind(listen, &registry)).transpose()?;
        let key = (rand::random(), rand::random());
        let table = Table::new(&settings.zone, key, clock.now().unix_secs());
        let store: Store = Arc::new(ArcSwap::from_pointee(table));
        let secrets =
            secrets::first(settings.cookie_secret_file.as_deref()).map_err(StartError::Secrets)?;
        let plane = Arc::new(Plane {
            store: store.clone(),
            responder: Responder::new(secrets, settings.nsid.as_deref()),
            rrl: settings.rrl.clone(),
            counters: Counters::register(&registry)?,
        });

        let (events, events_in) = mpsc::channel(EVENTS_MAX);
        let (requests, requests_in) = mpsc::channel(REQUESTS_MAX);
        let (assignments, assignments_in) = mpsc::unbounded_channel();
        let (looked, first_look) = oneshot::channel();
        let prober = Prober::register(&registry)?;
        let path = settings.release_file;
        let conductor =
            Conductor::new(clock, plane.clone(), assignments, path.clone(), looked, &registry)?;
        let inquiry = Inquiry::new(requests);
        let told = events.clone();
        let secrets_asked = Arc::new(Notify::new());
        let mut control_plane = vec![
            tokio::spawn(prober.run(assignments_in, events)).abort_handle(),
            tokio::spawn(conductor.run(events_in, requests_in)).abort_handle(),
            tokio::spawn(serve_pages(http, inquiry.clone(), registry)).abort_handle(),
        ];
        if let Some(file) = settings.cookie_secret_file {
            let watched = secrets::watch(file, plane.clone(), secrets_asked.clone());
            control_plane.push(tokio::spawn(watched).abort_handle());
        }
        let watch = ReleaseWatch::start(path, settings.zone, move |reading| {
            // Fails only when the conductor has ended, and then nobody wants to know.
            let _ = told.blocking_send(Event::File(reading));
        });
        let watch = watch.map_err(StartError::Watch)?;
        // A file system that hangs must not keep the static records from being answered.
        let _ = tokio::time::timeout(FIRST_LOOK_PATIENCE, first_look).await;
        let serving = Serving::start(listeners, workers, &plane).map_err(StartError::Threads)?;
        let encrypted = encrypted.map(|bound| bound.serve(&plane));
        Ok(Self {
            dns: dns_at,
            http: http_at,
            inquiry,
            watch,
            serving: Some(serving),
            encrypted,
            secrets_asked,
            control_plane,
        })
    }

    /// Where questions are answered.
    pub fn dns(&self) -> &[SocketAddr] {
        &self.dns
    }

    /// The encrypted transports, if there are any.
    pub fn encrypted(&self) -> Option<&Running> {
        self.encrypted.as_ref()
    }

    /// Where metrics and status are shown.
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// The way to ask how things are.
    pub fn inquiry(&self) -> &Inquiry {
        &self.inquiry
    }

    /// Reads the release file, the certificate and the secrets of cookies again, even if they have
    /// not changed.
    pub fn reload(&self) {
        self.watch.look();
        self.secrets_asked.notify_one();
        self.encrypted.iter().for_each(Running::reload);
    }

    /// Ends everything and gives the sockets back: whoever has been heard is answered first.
    pub async fn stop(mut self) {
        let encrypted = async {
            if let Some(encrypted) = self.encrypted.take() {
                encrypted.stop().await;
            }
        };
        let serving = async {
            if let Some(serving) = self.serving.take() {
                serving.drain().await;
            }
        };
        tokio::join!(encrypted, serving);
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.control_plane.iter().for_each(AbortHandle::abort);
    }
}

fn listeners(settings: &Settings, workers: usize) -> Result<Vec<Listener>, BindError> {
    let mut listeners = Listener::passed()?;
    if listeners.is_empty() {
        for address in &settings.dns {
            listeners.extend(Listener::bind(*address, workers)?);
        }
    }
    Ok(listeners)
}

async fn serve_pages(listener: TcpListener, inquiry: Inquiry, registry: Registry) {
    if let Err(error) = admin::serve(listener, inquiry, registry).await {
        tracing::error!(%error, "metrics and status are no longer shown; answers go on");
    }
}
