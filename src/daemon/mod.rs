//! Floor 3: the wiring of the running daemon; the only place that spawns tasks, owns channels and
//! stores the table.
//!
//! [`conductor`] is the one writer: it takes events from one bounded channel, lets the pure
//! machines decide, has [`keeper`] make that durable, and stores the next table. [`lookups`] looks
//! names up, [`examiner`] finds out what releases must prove, [`events`] tells hooks of them. [`report`]
//! shows its state to people, whom [`mod@site`] lets ask, and [`systemd`] to the service manager.
//! [`failpoint`] is for tests that kill it. [`handover`] lets a new process take the place of a running
//! one. [`wiring`] connects all of these. Everything below can be tested without it.

mod caches;
mod conductor;
mod courses;
mod drafts;
mod drift;
mod error;
mod events;
mod examiner;
pub mod failpoint;
mod file;
mod handover;
mod keeper;
mod lookups;
mod metrics;
mod names;
mod place;
mod report;
mod sample;
mod secrets;
mod service;
mod shares;
mod site;
mod sockets;
mod state;
pub mod systemd;
mod targets;
mod told;
mod wiring;
mod zones;

use std::{io, mem, net::SocketAddr, path::PathBuf, sync::Arc, thread, time::Duration};

use prometheus::Registry;
use tokio::{
    net::UnixListener,
    sync::{Notify, mpsc, oneshot, watch},
    task::{AbortHandle, JoinHandle},
};
use tracing::{error, warn};

use crate::{
    admin::{Inquiry, Site, server::LAST_WORDS},
    config::{Settings, watch::ReleaseWatch},
    dns::{Listener, Serving, encrypted::Running},
};
use conductor::{Event, Handing};
pub use drafts::mistakes;
pub use error::StartError;
pub use handover::HandoverError;
use handover::{Offer, Succession};
use place::Draft;
use sockets::Sockets;

/// How long the state may take to be closed: then it is left as after a crash.
const CLOSE_PATIENCE: Duration = Duration::from_secs(3);
/// How long the first look at the release file may take before answers begin without it. Where
/// something was kept, nothing waits for it.
const FIRST_LOOK_PATIENCE: Duration = Duration::from_secs(5);
/// The same while a predecessor answers; less than the time that it waits.
const FIRST_LOOK_PATIENCE_OF_A_SUCCESSOR: Duration = Duration::from_secs(20);

/// A running daemon; dropping it ends it.
pub struct Daemon {
    dns: Vec<SocketAddr>,
    http: SocketAddr,
    inquiry: Inquiry,
    site: Site,
    /// Told when pages and the API end.
    over: watch::Sender<bool>,
    events: mpsc::Sender<Event>,
    watch: ReleaseWatch,
    serving: Option<Serving>,
    encrypted: Option<Running>,
    secrets_asked: Arc<Notify>,
    zones_asked: Arc<Notify>,
    control_plane: Vec<AbortHandle>,
    pages: Vec<JoinHandle<()>>,
    offering: Option<JoinHandle<()>>,
    succeeded: watch::Receiver<bool>,
}

impl Daemon {
    /// Starts to watch, to probe and to answer: what was answered before at once, or else what the
    /// release file names, once it has been looked at; until then questions wait in the sockets.
    /// Sockets passed by systemd take the place of the settings' DNS addresses. Where the settings
    /// have a handover socket and a daemon is behind it, that one's sockets are taken over; it goes
    /// on answering until this one does, and for good if this one fails.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        let registry = Registry::new();
        let passed = Listener::passed()?;
        let place = handover_place(&settings, &passed);
        let mut succession = match &place {
            Some(path) => handover::seek(path).await?,
            None => None,
        };
        let state = state::open(&settings, succession.is_some()).await?;
        let place_error = |error| HandoverError::Socket(place.clone().unwrap_or_default(), error);
        let draft = place.as_deref().map(Draft::new).transpose().map_err(place_error)?;
        let admin = settings.admin.as_deref().map(place::for_admin).transpose()?;
        let inherited = succession.as_mut().map(|them| mem::take(&mut them.sockets));
        let workers = settings.workers.unwrap_or_else(cores);
        let inherited = inherited.unwrap_or_default();
        let mut sockets = Sockets::open(&settings, workers, passed, inherited, &registry)?;
        let secrets = match (&settings.cookie_secret_file, &mut succession) {
            (None, Some(Succession { secrets: Some(theirs), .. })) => theirs.clone(),
            (file, _) => secrets::first(file.as_deref()).map_err(StartError::Secrets)?,
        };
        let to_offer = draft.map(|draft| {
            let secrets = settings.cookie_secret_file.is_none().then(|| secrets.clone());
            Ok::<_, StartError>((draft, sockets.lend().map_err(StartError::Lend)?, secrets))
        });
        let to_offer = to_offer.transpose()?;

        let (mut daemon, begin) = Self::prepare(settings, &sockets, secrets, state, registry)?;
        let first_look = match succession {
            // Somebody answers meanwhile, so there is time for a slow disk and a large file.
            Some(_) => FIRST_LOOK_PATIENCE_OF_A_SUCCESSOR,
            None => FIRST_LOOK_PATIENCE,
        };
        // A file system that hangs must not keep the static records from being answered.
        let _ = tokio::time::timeout(first_look, begin.first_look).await;
        if succession.is_some() && !daemon.is_ready().await {
            return Err(HandoverError::NotReady.into());
        }
        let serving = Serving::start(sockets.dns, workers, &begin.plane);
        daemon.serving = Some(serving.map_err(StartError::Threads)?);
        daemon.encrypted = sockets.encrypted.map(|bound| bound.serve(&begin.plane));
        let is_successor = succession.is_some();
        if let Some(succession) = succession
            && let Err(error) = succession.answers().await
        {
            // The predecessor goes on with the same sockets.
            daemon.end(true).await;
            return Err(error.into());
        }
        if is_successor {
            // Its end is never far.
            let _ = daemon.events.send(Event::Handing(Handing::Begin)).await;
        }
        let pages = daemon.site.clone().serve(sockets.pages, daemon.over.subscribe());
        daemon.pages.push(tokio::spawn(pages));
        if let Some((path, draft)) = admin {
            let listener = draft.publish().map_err(|error| StartError::Admin(path, error))?;
            daemon.take_orders(listener);
        }
        if let Some((draft, sockets, secrets)) = to_offer {
            let offer = Offer { sockets, secrets, events: daemon.events.clone() };
            match daemon.offer(draft, offer).map_err(place_error) {
                // Nobody else answers any more.
                Err(error) if is_successor => error!(%error, "nobody can succeed this daemon"),
                offered => offered?,
            }
        }
        Ok(daemon)
    }

    /// Whether the release file is being carried out.
    async fn is_ready(&self) -> bool {
        self.inquiry.pulse().await.is_some_and(|pulse| pulse.file_accepted)
    }

    fn take_orders(&mut self, listener: UnixListener) {
        let taking = self.site.clone().take_orders(listener, self.over.subscribe());
        self.pages.push(tokio::spawn(taking));
    }

    /// Whoever is being answered is, and those who listen know that it is over.
    async fn end_pages(&mut self) {
        self.over.send_replace(true);
        for mut pages in mem::take(&mut self.pages) {
            if tokio::time::timeout(2 * LAST_WORDS, &mut pages).await.is_err() {
                pages.abort();
            }
        }
    }

    /// Lets a successor take our place.
    fn offer(&mut self, draft: Draft, offer: Offer) -> io::Result<()> {
        let listener = draft.publish()?;
        let (succeed, succeeded) = watch::channel(false);
        self.succeeded = succeeded;
        self.offering = Some(tokio::spawn(async move {
            offer.stand(listener).await;
            succeed.send_replace(true);
        }));
        Ok(())
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

    /// Reads the zone files, the release file, the certificate and the secrets of cookies again, even
    /// if they have not changed.
    pub fn reload(&self) {
        self.zones_asked.notify_one();
        self.watch.look();
        self.secrets_asked.notify_one();
        self.encrypted.iter().for_each(Running::reload);
    }

    /// Waits until a successor answers in our place.
    pub async fn succeeded(&self) {
        let mut succeeded = self.succeeded.clone();
        if succeeded.wait_for(|succeeded| *succeeded).await.is_err() {
            // Nobody can succeed us.
            std::future::pending().await
        }
    }

    /// Ends everything and gives the sockets back: whoever has been heard is answered first.
    pub async fn stop(mut self) {
        let succeeded = *self.succeeded.borrow();
        self.end(succeeded).await;
    }

    async fn end(&mut self, succeeded: bool) {
        if let Some(offering) = self.offering.take() {
            // Its holds on the sockets would keep them open.
            offering.abort();
            let _ = offering.await;
        }
        if succeeded {
            self.over.send_replace(true);
        }
        let encrypted = self.encrypted.take();
        let encrypted = async {
            if let Some(encrypted) = encrypted {
                encrypted.stop().await;
            }
        };
        match self.serving.take() {
            Some(serving) if succeeded => {
                tokio::join!(serving.hand_over(), encrypted);
            }
            Some(serving) => serving.drain(encrypted).await,
            None => encrypted.await,
        }
        self.end_pages().await;
        self.close_state().await;
    }

    /// Whoever starts next has it at once.
    async fn close_state(&self) {
        let (told, closed) = oneshot::channel();
        let closing = async {
            if self.events.send(Event::Handing(Handing::Close(told))).await.is_ok() {
                let _ = closed.await;
            }
        };
        let _ = tokio::time::timeout(CLOSE_PATIENCE, closing).await;
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.control_plane.iter().for_each(AbortHandle::abort);
        self.pages.iter().chain(&self.offering).for_each(JoinHandle::abort);
    }
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Where to hand over, unless systemd does it: it keeps the sockets that it has passed.
fn handover_place(settings: &Settings, passed: &[Listener]) -> Option<PathBuf> {
    let path = settings.handover.clone()?;
    if !passed.is_empty() {
        warn!("`handover` is not used: systemd has passed the sockets, and keeps them");
        return None;
    }
    Some(path)
}
