//! The one writer of the control plane.
//!
//! Takes what has happened, lets each service's machine decide, keeps that (`persist`), stores one
//! table for everything that changed together, and tells the prober whom to probe. Answers to "how
//! are things" are given between events.

mod basis;
mod deadlines;
mod handing;
mod persist;
mod planning;
mod publishing;
mod requests;
mod rezone;
mod telling;
#[cfg(test)]
mod tests;
mod together;
mod tries;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use arc_swap::ArcSwap;
use prometheus::Registry;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, info, warn};

use super::{
    caches::Caches,
    courses::Courses,
    drift,
    events::Outbox,
    examiner::{self, Job},
    failpoint::{Place, pass},
    file::FileState,
    keeper::Keeper,
    lookups::Looked,
    metrics::{Cause, Metrics},
    names::Names,
    service::{Around, Service},
    targets::Targets,
};
use crate::{
    admin::Request,
    config::{Rejected, watch::Reading},
    cutover::{CACHE_CLOCK, Transition},
    dns::Plane,
    health::Doubt,
    model::{Desired, DnsName, ServiceName, ServiceSpec, Timestamp, Zones},
    probe::{Assignment, Tried},
    store::Found,
};

use handing::Handed;
pub(super) use handing::Handing;
pub(super) use persist::Unkept;
use together::Groups;

/// Events that are taken together, so that they change the table in one store.
const BATCH_MAX: usize = 256;

/// What can happen.
#[derive(Debug)]
pub(super) enum Event {
    /// The release file was read.
    File(Reading),
    /// An endpoint was probed.
    Tried(Tried),
    /// Something was found out about a release.
    Found(examiner::Found),
    /// A name that a pool points at was looked up.
    Looked(Looked),
    /// Another daemon takes our place, or we take another's.
    Handing(Handing),
    /// The zone files were read again.
    Zones(Result<Box<Zones>, Rejected>),
}

/// The zones without their services.
pub(super) struct ZonesKnown {
    /// Those of the moment; whoever reads release files looks here.
    pub(super) now: Arc<ArcSwap<Zones>>,
    /// Why those on disk are not what is answered from.
    pub(super) rejected: Option<String>,
    /// Those on disk, as long as only a service stands in their way.
    pub(super) held_up: Option<Box<Zones>>,
}

impl From<Tried> for Event {
    fn from(tried: Tried) -> Self {
        Self::Tried(tried)
    }
}

impl From<examiner::Found> for Event {
    fn from(found: examiner::Found) -> Self {
        Self::Found(found)
    }
}

impl From<Looked> for Event {
    fn from(looked: Looked) -> Self {
        Self::Looked(looked)
    }
}

pub(super) struct Conductor {
    plane: Arc<Plane>,
    zones: ZonesKnown,
    around: Around,
    assignments: mpsc::UnboundedSender<Assignment>,
    jobs: mpsc::UnboundedSender<Job>,
    metrics: Metrics,
    courses: Courses,
    file: FileState,
    services: BTreeMap<ServiceName, Service>,
    groups: Groups,
    targets: Targets,
    deadlines: BTreeSet<(Timestamp, ServiceName)>,
    /// Services that something happened to since the last table.
    touched: BTreeSet<ServiceName>,
    /// Transitions that are told with the generation of the table that shows them.
    told: Vec<(ServiceName, Cause, Transition)>,
    /// What sets machines going now.
    cause: Cause,
    /// What has set those going that have told something since it was last passed on.
    causes: BTreeMap<ServiceName, Cause>,
    /// The same for hooks.
    outbox: Outbox,
    /// Which service has which names in the table.
    names: Names,
    /// Whether services tell of their releases, by DNS.
    tells: bool,
    /// Owners to take out of the next table.
    removed: Vec<DnsName>,
    /// Told when there is something to answer with, or the release file has been looked at.
    first_look: Option<oneshot::Sender<()>>,
    keeper: Keeper,
    unkept: Unkept,
    /// Whether it is us when probes fail.
    doubt: Doubt,
    /// When that last changed.
    undoubted_at: Timestamp,
    /// The instant for which is being decided, before it has come.
    ahead: Option<Timestamp>,
    /// What has been asked of us by another daemon.
    handed: Handed,
}

impl Conductor {
    pub(super) fn new(
        (plane, zones): (Arc<Plane>, Arc<ArcSwap<Zones>>),
        (assignments, jobs, targets): (
            mpsc::UnboundedSender<Assignment>,
            mpsc::UnboundedSender<Job>,
            watch::Sender<BTreeSet<DnsName>>,
        ),
        path: PathBuf,
        first_look: oneshot::Sender<()>,
        keeper: Keeper,
        outbox: Outbox,
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        let courses = Courses::new(plane.clone());
        Ok(Self {
            around: Around { caches: Caches::new(plane.clone()), freeze: None },
            plane,
            zones: ZonesKnown { now: zones, rejected: None, held_up: None },
            assignments,
            jobs,
            metrics: Metrics::register(registry)?,
            courses,
            file: FileState { path, ..FileState::default() },
            services: BTreeMap::new(),
            groups: Groups::default(),
            targets: Targets::new(targets),
            deadlines: BTreeSet::new(),
            touched: BTreeSet::new(),
            told: Vec::new(),
            cause: Cause::default(),
            causes: BTreeMap::new(),
            outbox,
            names: Names::default(),
            tells: false,
            removed: Vec::new(),
            first_look: Some(first_look),
            keeper,
            unkept: Unkept::default(),
            doubt: Doubt::default(),
            undoubted_at: Timestamp::default(),
            ahead: None,
            handed: Handed::default(),
        })
    }

    /// Has services tell of their releases, by DNS, or not.
    pub(super) fn telling(self, tells: bool) -> Self {
        Self { tells, ..self }
    }

    /// Answers what was `found` again, and runs until no one can send events any more.
    pub(super) async fn run(
        mut self,
        found: Found,
        mut events: mpsc::Receiver<Event>,
        mut requests: mpsc::Receiver<Request>,
    ) {
        self.restore(found);
        let mut batch = Vec::with_capacity(BATCH_MAX);
        loop {
            let mut ordered = None;
            let deadline = tokio::time::sleep(self.until_next_deadline());
            let moved = self.outbox.moved();
            tokio::select! {
                received = events.recv_many(&mut batch, BATCH_MAX) => match received {
                    0 => return,
                    _ => batch.drain(..).for_each(|event| self.take(event)),
                },
                Some(request) = requests.recv() => {
                    self.cause = Cause::Operator;
                    ordered = self.heed(request);
                }
                () = moved => self.outbox.note_moved(self.now()),
                () = deadline => self.cause = Cause::Clock,
            }
            self.meet_deadlines();
            // What a machine does once its table is stored may ask for the next one.
            loop {
                self.go_on_together();
                self.persist().await;
                self.wait_for_instant().await;
                if self.touched.is_empty() && self.removed.is_empty() && self.unkept.is_empty() {
                    break;
                }
                self.publish();
            }
            self.tell();
            self.confirm(ordered);
            self.hand().await;
            self.say_that_answers_can_begin();
        }
    }

    fn now(&self) -> Timestamp {
        self.plane.clock.now()
    }

    fn take(&mut self, event: Event) {
        let now = self.now();
        self.cause = match event {
            Event::Handing(_) | Event::Zones(_) => self.cause,
            Event::File(_) => Cause::File,
            Event::Tried(_) => Cause::Probe,
            Event::Found(_) => Cause::Proof,
            Event::Looked(_) => Cause::Lookup,
        };
        match event {
            Event::Handing(handing) => self.handed.note(handing),
            Event::Zones(read) => self.rezone(read),
            Event::File(reading) => self.note_file(now, reading),
            Event::Tried(tried) => self.weigh(now, tried),
            Event::Found(found) => self.note_found(now, found),
            Event::Looked(looked) => self.note_looked(now, looked),
        }
    }

    fn note_file(&mut self, now: Timestamp, Reading { checksum, says, beside }: Reading) {
        if !Arc::ptr_eq(&beside, &self.zones.now.load()) {
            info!("the zones are others since the release file was read: it is judged again");
            return;
        }
        self.file.checksum = checksum;
        match says {
            Ok(desired) => self.accept(now, &desired),
            Err(rejected) => self.reject(rejected),
        }
    }

    fn reject(&mut self, rejected: Rejected) {
        error!(
            path = %self.file.path.display(),
            why = rejected.summary(),
            served_since = self.file.loaded_at.map(tracing::field::display),
            "the release file on disk was refused and is not what is served; \
             `cutover check` shows every mistake"
        );
        self.metrics.file_rejected();
        self.file.rejected = Some(rejected);
    }

    fn accept(&mut self, now: Timestamp, desired: &Arc<Desired>) {
        pass(Place::FileRead);
        info!(
            path = %self.file.path.display(),
            services = desired.services.len(),
            was_refused = self.file.rejected.is_some(),
            "the release file was read and is being carried out"
        );
        drift::warn_of_drift(&self.plane.clock, desired);
        self.metrics.file_accepted();
        self.file.rejected = None;
        let is_first = self.file.loaded_at.replace(now).is_none();
        // What was answered before us is known if it was kept.
        let is_unknown = self.services.is_empty() || self.unkept.has_gaps;
        self.carry_out(now, desired, is_first && is_unknown);
    }

    fn carry_out(&mut self, now: Timestamp, desired: &Arc<Desired>, is_first: bool) {
        self.unkept.begin_file(desired);
        for (name, spec) in &desired.services {
            let spec = &self.targets.filled(spec);
            let told = match self.services.get_mut(name) {
                Some(service) => {
                    let before = service.cutover.spec().owner.clone();
                    // Its name may have gone to another one meanwhile, and is its again.
                    service.is_anew |= service.cutover.is_orphaned();
                    let told = service.desire(now, spec.clone(), &self.around);
                    if service.cutover.spec().owner != before {
                        // It has moved to another name, or zone.
                        service.published = None;
                        let (gone, again) = self.names.forget(name, &before);
                        self.removed.extend(gone);
                        self.answer_anew(again);
                    }
                    told
                }
                None => {
                    self.adopt(now, spec, is_first);
                    Vec::new()
                }
            };
            self.keep(now, name, told);
            self.touched.insert(name.clone());
        }
        for name in &desired.removed {
            self.remove(name);
        }
        self.note_orphans(now, desired);
        self.regroup();
        self.targets.follow(&mut self.services);
        self.go_on_together();
        self.unkept.by = None;
    }

    /// Names are free that these have waited for.
    fn answer_anew(&mut self, services: BTreeSet<ServiceName>) {
        for name in services {
            if let Some(service) = self.services.get_mut(&name) {
                service.is_anew = true;
                self.touched.insert(name);
            }
        }
    }

    fn adopt(&mut self, now: Timestamp, spec: &Arc<ServiceSpec>, is_first_file: bool) {
        let name = &spec.name;
        // At the start somebody may have answered before us, and one line says it for all services.
        let unknown_until = if is_first_file {
            now + spec.ttl.duration() + CACHE_CLOCK
        } else {
            info!(service = %name, live = %spec.live, "new service: its live pools answer");
            Timestamp::default()
        };
        let mut service = Service::adopt(now, spec.clone(), unknown_until);
        service.health.set_doubted(self.doubt.since());
        self.services.insert(name.clone(), service);
    }

    fn remove(&mut self, name: &ServiceName) {
        if let Some(service) = self.services.remove(name) {
            self.courses.forget(name);
            self.unkept.removing.insert(name.clone(), service);
        }
    }

    /// Missing is never empty: a service that the file no longer names goes on.
    fn note_orphans(&mut self, now: Timestamp, desired: &Desired) {
        let mut told = Vec::new();
        for (name, service) in &mut self.services {
            if !desired.services.contains_key(name) && !service.cutover.is_orphaned() {
                told.push((name.clone(), service.vanish(now, &self.around)));
                warn!(
                    service = %name,
                    "the file no longer names this service: it goes on being answered; \
                     to end it, name it in `removed`, or `cutover forget` it"
                );
            }
        }
        told.into_iter().for_each(|(name, told)| self.keep(now, &name, told));
    }

    fn observe(&mut self, now: Timestamp, name: ServiceName) {
        let Some(service) = self.services.get_mut(&name) else { return };
        let told = service.observe(now, &self.around);
        self.groups.mark(service);
        self.keep(now, &name, told);
        self.touched.insert(name);
    }
}
