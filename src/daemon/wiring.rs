//! The wiring: who tells whom what, over which channels, and the tasks of the control plane.

use std::{collections::BTreeSet, sync::Arc};

use arc_swap::ArcSwap;
use prometheus::Registry;
use tokio::sync::{Notify, mpsc, oneshot, watch};

use super::{
    Daemon,
    conductor::{Conductor, Event},
    drafts,
    error::StartError,
    events,
    examiner::{Examiner, Tools},
    lookups, secrets,
    site::{self, Facts},
    sockets::Sockets,
    state::State,
    zones,
};
use crate::{
    admin::Inquiry,
    config::{Settings, watch::ReleaseWatch},
    dns::{Clock, Counters, Plane, Responder, Store},
    model::CookieSecrets,
    probe::{Means, Prober},
    table::Table,
};

/// Events that may wait for the conductor; senders wait beyond.
const EVENTS_MAX: usize = 1024;
const REQUESTS_MAX: usize = 16;

/// What is needed to begin answering.
pub(super) struct Begin {
    pub(super) plane: Arc<Plane>,
    pub(super) first_look: oneshot::Receiver<()>,
}

impl Daemon {
    /// Everything but answering.
    pub(super) fn prepare(
        settings: Settings,
        sockets: &Sockets,
        secrets: CookieSecrets,
        State { keeper, mut found }: State,
        registry: Registry,
    ) -> Result<(Self, Begin), StartError> {
        let http_error = |error| StartError::Http(settings.http, error);
        let http = sockets.pages.local_addr().map_err(http_error)?;
        let plane = Arc::new(plane(&settings, secrets, &registry)?);
        let clock = plane.clock;

        let (events, events_in) = mpsc::channel(EVENTS_MAX);
        let (requests, requests_in) = mpsc::channel(REQUESTS_MAX);
        let (assignments, assignments_in) = mpsc::unbounded_channel();
        let (jobs, jobs_in) = mpsc::unbounded_channel();
        let (looked, first_look) = oneshot::channel();
        let means = Arc::new(Means::new(settings.permit.clone()));
        let apart = Arc::new(Means::new(settings.permit));
        let apex = settings.zones.first().apex.clone();
        let zones = Arc::new(ArcSwap::from_pointee(settings.zones));
        let tools = Tools::new(settings.outside.clone(), zones.clone(), apart, clock);
        let examiner = Examiner::new(tools);
        let prober = Prober::register(means, &registry)?;
        let path = settings.release_file;
        let kept = found.events.take();
        let events::Started { outbox, told, tasks: mut control_plane } =
            events::start(settings.events, &apex, kept, clock, &registry)?;
        let own = zones.load().all().iter().map(|zone| zone.apex.clone()).collect();
        let (targets, targets_in) = watch::channel(BTreeSet::new());
        let lookups = lookups::run(settings.resolvers, own, clock, targets_in, events.clone());
        let conductor = Conductor::new(
            (plane.clone(), zones.clone()),
            (assignments, jobs, targets),
            path.clone(),
            looked,
            keeper,
            outbox,
            &registry,
        )?
        .telling(settings.inside.releases.unwrap_or_else(|| sockets.are_of_this_host()));
        let (readings, handed) = (events.clone(), events.clone());
        let secrets_asked = Arc::new(Notify::new());
        control_plane.extend([
            tokio::spawn(lookups).abort_handle(),
            tokio::spawn(examiner.run(jobs_in, events.clone())).abort_handle(),
            tokio::spawn(prober.run(assignments_in, events)).abort_handle(),
            tokio::spawn(conductor.run(found, events_in, requests_in)).abort_handle(),
        ]);
        if let Some(file) = settings.cookie_secret_file {
            let watched = secrets::watch(file, plane.clone(), secrets_asked.clone());
            control_plane.push(tokio::spawn(watched).abort_handle());
        }
        let zones_asked = Arc::new(Notify::new());
        if settings.sources.iter().any(|source| source.file.is_some()) {
            let (started_with, asked) = (zones.clone(), zones_asked.clone());
            let watched = zones::watch(settings.sources, started_with, handed.clone(), asked);
            control_plane.push(tokio::spawn(watched).abort_handle());
        }
        let drafts = drafts::drafts(zones.clone(), settings.outside.clone());
        let around = (zones, settings.outside);
        let (inquiry, (over, ended)) = (Inquiry::new(requests), watch::channel(false));
        let facts = Facts { inquiry: inquiry.clone(), drafts, told };
        let site = site::site(settings.access, facts, registry, ended)?;
        let watch = ReleaseWatch::start(path, around, move |reading| {
            // Fails only when the conductor has ended, and then nobody wants to know.
            let _ = readings.blocking_send(Event::File(reading));
        });
        let daemon = Self {
            dns: sockets.dns_at(),
            http,
            inquiry,
            site,
            over,
            events: handed,
            watch: watch.map_err(StartError::Watch)?,
            serving: None,
            encrypted: None,
            secrets_asked,
            zones_asked,
            control_plane,
            pages: Vec::new(),
            offering: None,
            succeeded: watch::channel(false).1,
        };
        Ok((daemon, Begin { plane, first_look }))
    }
}

fn plane(
    settings: &Settings,
    secrets: CookieSecrets,
    registry: &Registry,
) -> Result<Plane, StartError> {
    let clock = Clock::start();
    let key = (rand::random(), rand::random());
    let table = Table::of_zones(settings.zones.all(), key, clock.now().unix_secs());
    let store: Store = Arc::new(ArcSwap::from_pointee(table));
    Ok(Plane {
        store,
        responder: Responder::new(secrets, settings.nsid.as_deref())
            .telling(settings.inside.id.as_deref(), settings.inside.version.as_deref()),
        rrl: settings.rrl.clone(),
        counters: Counters::register(registry)?,
        clock,
    })
}
