//! One service as the conductor holds it: its machine, its verdicts, and what was last told of
//! them to the table and to the prober.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use super::{caches::Caches, examiner::Job, told::Told};
use crate::{
    cutover::{
        Answering, CACHE_CLOCK, Cutover, Event, Facts, Horizons, Order, Record, Refusal,
        Transition, Verb, group::Member,
    },
    health::{Evidence, Outcome, ServiceHealth, Verdict},
    model::{DnsName, Freeze, Pool, PoolName, Resolution, ServiceSpec, Timestamp, Ttl},
    probe::Assignment,
    store::Kept,
};

/// No horizon is further away: where one seems to be, the time of day has been set back.
const HORIZON_MAX: Duration = Duration::from_secs(7 * 86_400);

/// What surrounds a service: what is known of caches, and whether everything is frozen.
pub(super) struct Around {
    pub(super) caches: Caches,
    pub(super) freeze: Option<Freeze>,
}

pub(super) struct Service {
    pub(super) cutover: Cutover,
    pub(super) health: ServiceHealth,
    /// Until when nothing is known of what caches hold.
    pub(super) unknown_until: Timestamp,
    /// What the stored table answers.
    pub(super) published: Option<Answering>,
    /// Whether all of that is to be said again, because names are free that it has waited for.
    pub(super) is_anew: bool,
    /// What it tells of the release, if it does.
    pub(super) told: Option<Told>,
    /// The deadline that the conductor keeps for it.
    pub(super) scheduled: Option<Timestamp>,
    /// The horizons of answers that were given before we started, where they are known.
    pub(super) remembered: BTreeMap<PoolName, Timestamp>,
    /// When pools were last answered that are no longer, as far as that was while we ran.
    pub(super) left: BTreeMap<PoolName, Timestamp>,
    /// The pools that are, or may still be, answered from some table, and for how long.
    given: BTreeMap<PoolName, Ttl>,
    /// What is kept of it, if anything is.
    pub(super) kept: Option<Kept>,
    /// Its machine as it was when it was last kept, if something has happened since.
    pub(super) before: Option<Cutover>,
    /// What was known of its release then.
    known_before: Option<Evidence>,
    /// Its last release.
    pub(super) record: Option<Record>,
    /// What the prober was last told.
    assigned: Option<Assignment>,
    /// What the examiner was last told, if that is something.
    job: Option<Job>,
}

impl Service {
    /// A service that is answered from now on; until `unknown_until` caches may hold answers that
    /// were given before we started.
    pub(super) fn adopt(now: Timestamp, spec: Arc<ServiceSpec>, unknown_until: Timestamp) -> Self {
        let mut health = ServiceHealth::default();
        let live: Vec<IpAddr> = spec.live_pools().flat_map(|pool| pool.addresses()).collect();
        health.retarget(now, &spec.probe, live, Verdict::Presumed);
        Self::new(now, Cutover::adopt(spec), health, unknown_until)
    }

    /// A service as it was kept, and what is to be told of it.
    pub(super) fn restore(
        now: Timestamp,
        kept: Kept,
        record: Option<Record>,
    ) -> (Self, Option<Transition>) {
        let Kept { snapshot, given, horizons } = kept.clone();
        let mut health = ServiceHealth::default();
        health.retarget(now, &snapshot.spec.probe, snapshot.presumed(), Verdict::Presumed);
        let horizons = horizons.into_iter().map(|(pool, at)| (pool, at.min(now + HORIZON_MAX)));
        let mut remembered: BTreeMap<PoolName, Timestamp> = horizons.collect();
        remember(&mut remembered, &given, now);
        let horizons = Horizons::new(remembered.clone(), Timestamp::default());
        let facts = Facts { health: &health, horizons: &horizons, freeze: None };
        let (cutover, told) = Cutover::restore(now, snapshot, facts);
        let service = Self::new(now, cutover, health, Timestamp::default());
        (Self { remembered, kept: Some(kept), record, ..service }, told)
    }

    fn new(
        now: Timestamp,
        cutover: Cutover,
        health: ServiceHealth,
        unknown_until: Timestamp,
    ) -> Self {
        let mut service = Self {
            cutover,
            health,
            unknown_until,
            published: None,
            is_anew: false,
            told: None,
            scheduled: None,
            remembered: BTreeMap::new(),
            left: BTreeMap::new(),
            given: BTreeMap::new(),
            kept: None,
            before: None,
            known_before: None,
            record: None,
            assigned: None,
            job: None,
        };
        service.retarget(now);
        service
    }

    /// Goes on from what was kept, which somebody else has gone on giving until an instant.
    pub(super) fn take_over(&mut self, now: Timestamp, until: Timestamp) {
        let Some(kept) = &self.kept else { return };
        remember(&mut self.remembered, &kept.given, until);
        let horizons = Horizons::new(self.remembered.clone(), Timestamp::default());
        let facts = Facts { health: &self.health, horizons: &horizons, freeze: None };
        (self.cutover, _) = Cutover::restore(now, kept.snapshot.clone(), facts);
        self.retarget(now);
    }

    /// What is to be kept of it, when what it answers now and next is taken together.
    pub(super) fn take_stock(&mut self, caches: &Caches) -> Kept {
        if !caches.is_leaving(&self.cutover.spec().name) {
            self.given.clear();
        }
        let next = self.cutover.answering(&self.health);
        for answering in self.published.iter().chain([&next]) {
            for pool in answering.pools() {
                let ttl = self.given.entry(pool.clone()).or_insert(answering.ttl);
                *ttl = answering.ttl.max(*ttl);
            }
        }
        let mut horizons = caches.known(self);
        if self.unknown_until > Timestamp::default() {
            for pool in self.cutover.spec().pools.keys() {
                let horizon = horizons.entry(pool.clone()).or_default();
                *horizon = self.unknown_until.max(*horizon);
            }
        }
        horizons.retain(|pool, _| !self.given.contains_key(pool));
        let (snapshot, given) = (self.cutover.snapshot(), self.given.clone());
        Kept { snapshot, given, horizons }
    }

    /// The stored table answers this of it from now on; says what the one before did.
    pub(super) fn publish(&mut self, now: Timestamp, answering: Answering) -> Option<Answering> {
        self.is_anew = false;
        let before = self.published.replace(answering);
        let pools: BTreeSet<&PoolName> = self.published.iter().flat_map(Answering::pools).collect();
        self.left.retain(|pool, _| !pools.contains(pool));
        let gone = before.iter().flat_map(Answering::pools).filter(|pool| !pools.contains(pool));
        self.left.extend(gone.map(|pool| (pool.clone(), now)));
        before
    }

    /// Whether the stored table answers this of it, and tells of its release what is to be told.
    pub(super) fn is_published(&self, answering: &Answering, tells: bool) -> bool {
        let is_told = || self.told == Some(Told::of(self.cutover.phase(), answering));
        !self.is_anew && self.published.as_ref() == Some(answering) && (!tells || is_told())
    }

    /// Whether its machine stands elsewhere than is kept.
    pub(super) fn is_ahead(&self) -> bool {
        let kept = self.kept.as_ref().map(|kept| &kept.snapshot);
        kept != Some(&self.cutover.snapshot())
    }

    /// What has happened to the machine since it was kept has not.
    pub(super) fn put_back(&mut self, now: Timestamp, before: Cutover) {
        self.cutover = before;
        self.health.evidence = self.known_before.take().unwrap_or_default();
        self.retarget(now);
    }

    pub(super) fn desire(
        &mut self,
        now: Timestamp,
        spec: Arc<ServiceSpec>,
        around: &Around,
    ) -> Vec<Transition> {
        let mut told = self.handle(now, Event::Desired(spec), around);
        told.extend(self.observe(now, around));
        told
    }

    pub(super) fn vanish(&mut self, now: Timestamp, around: &Around) -> Vec<Transition> {
        self.handle(now, Event::Vanished, around)
    }

    /// Counts a try. True when it changed a verdict; none does while it is doubted that failures are
    /// the endpoints'.
    pub(super) fn tried(
        &mut self,
        now: Timestamp,
        address: IpAddr,
        outcome: Outcome,
        is_doubted: bool,
    ) -> bool {
        if is_doubted {
            self.health.doubt(address, outcome);
            return false;
        }
        self.health.observe(now, address, outcome)
    }

    /// A name was looked up that some of its pools point to.
    pub(super) fn resolve(
        &mut self,
        now: Timestamp,
        name: &DnsName,
        resolution: &Resolution,
        around: &Around,
    ) -> Vec<Transition> {
        self.presume(now, name, resolution);
        self.handle(now, Event::Resolved(name.clone(), resolution.clone()), around)
    }

    /// Its pools have what was found, and nothing is decided.
    pub(super) fn follow(
        &mut self,
        now: Timestamp,
        name: &DnsName,
        resolution: &Resolution,
        around: &Around,
    ) {
        self.presume(now, name, resolution);
        let horizons = around.caches.horizons(now, self);
        let (health, freeze) = (&self.health, around.freeze.as_ref());
        self.cutover.follow(name, resolution, Facts { health, horizons: &horizons, freeze });
        self.retarget(now);
    }

    /// What answers although nothing of it was known is presumed to be up, as at the start.
    fn presume(&mut self, now: Timestamp, name: &DnsName, resolution: &Resolution) {
        let is_new = |pool: &Arc<Pool>| pool.is_unresolved() && pool.points_to(name);
        if self.cutover.answered_pools(&self.health).any(is_new) {
            let addresses =
                self.cutover.addresses().into_iter().chain(resolution.addresses.clone());
            let probe = &self.cutover.spec().probe;
            self.health.retarget(now, probe, addresses, Verdict::Presumed);
        }
    }

    pub(super) fn observe(&mut self, now: Timestamp, around: &Around) -> Vec<Transition> {
        self.handle(now, Event::Observed, around)
    }

    pub(super) fn published(&mut self, now: Timestamp, around: &Around) -> Vec<Transition> {
        self.handle(now, Event::Published, around)
    }

    /// Does what a person asks, or says why not.
    pub(super) fn ask(
        &mut self,
        now: Timestamp,
        order: &Order,
        around: &Around,
    ) -> Result<Vec<Transition>, Refusal> {
        let horizons = around.caches.horizons(now, self);
        let (health, freeze) = (&self.health, around.freeze.as_ref());
        let facts = Facts { health, horizons: &horizons, freeze };
        let before = self.cutover.clone();
        let told = self.cutover.ask(now, order, facts)?;
        if self.before.is_none() {
            self.known_before = Some(self.health.evidence.clone());
            self.before = Some(before);
        }
        self.retarget(now);
        Ok(told)
    }

    /// The verbs that would be done now.
    pub(super) fn possible(&self, now: Timestamp, around: &Around) -> Vec<Verb> {
        let horizons = around.caches.horizons(now, self);
        let (health, freeze) = (&self.health, around.freeze.as_ref());
        self.cutover.possible(now, Facts { health, horizons: &horizons, freeze })
    }

    /// It as a member of its group, which is about to change it.
    pub(super) fn member(&mut self, horizons: Horizons) -> Member<'_> {
        self.remember();
        Member { cutover: &mut self.cutover, health: &self.health, horizons }
    }

    fn handle(&mut self, now: Timestamp, event: Event, around: &Around) -> Vec<Transition> {
        self.remember();
        let horizons = around.caches.horizons(now, self);
        let (health, freeze) = (&self.health, around.freeze.as_ref());
        let facts = Facts { health, horizons: &horizons, freeze };
        let told = self.cutover.handle(now, event, facts);
        self.retarget(now);
        told
    }

    /// How it stood, if nothing has happened since it was last kept.
    fn remember(&mut self) {
        if self.before.is_none() {
            self.known_before = Some(self.health.evidence.clone());
            self.before = Some(self.cutover.clone());
        }
    }

    /// What the prober must be told, if it does not know it yet.
    pub(super) fn assignment(&mut self) -> Option<Assignment> {
        let spec = self.cutover.spec();
        let wanted = Assignment {
            service: spec.name.clone(),
            spec: spec.probe.spec().cloned(),
            addresses: self.cutover.addresses(),
            awaited: self.cutover.awaited(&self.health),
        };
        if self.assigned.as_ref() == Some(&wanted) {
            return None;
        }
        self.assigned = Some(wanted.clone());
        Some(wanted)
    }

    /// What the examiner must be told, if it does not know it yet.
    pub(super) fn job(&mut self) -> Option<Job> {
        let (spec, wanted) = (self.cutover.spec().clone(), self.cutover.wanted(&self.health));
        let job = wanted.map(|wanted| Job {
            service: spec.name.clone(),
            step: self.cutover.step_ahead(),
            wanted: Some(wanted),
            spec: spec.clone(),
        });
        if self.job == job {
            return None;
        }
        self.job.clone_from(&job);
        Some(job.unwrap_or_else(|| Job::none(spec)))
    }

    pub(super) fn retarget(&mut self, now: Timestamp) {
        let addresses = self.cutover.addresses();
        let spec = self.cutover.spec();
        self.health.retarget(now, &spec.probe, addresses, Verdict::Unproven);
        self.health.evidence.follow(self.cutover.scope(), &spec.release);
    }
}

/// What was being given at an instant may be in caches from then on.
fn remember(
    horizons: &mut BTreeMap<PoolName, Timestamp>,
    given: &BTreeMap<PoolName, Ttl>,
    now: Timestamp,
) {
    for (pool, ttl) in given {
        let horizon = horizons.entry(pool.clone()).or_default();
        *horizon = (now + ttl.duration() + CACHE_CLOCK).max(*horizon);
    }
}
