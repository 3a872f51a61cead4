//! Runs a copy of the machine ahead, on a clock of its own.
//!
//! It is assumed that every endpoint passes its probes from now on, that each table is stored at
//! once, that clients ask without a pause, and that a freeze lasts: so the gate opens at the earliest,
//! and caches let go at the latest. Of a group, it is assumed that nobody waits for the others.

use std::{net::IpAddr, sync::Arc, time::Duration};

use super::{
    CACHE_CLOCK, Cutover, Event, Facts, Horizons, Transition,
    group::{self, Member},
    plan,
};
use crate::{
    health::{Outcome, ServiceHealth, Verdict},
    model::{Freeze, Pool, ServiceSpec, Timestamp},
};
use plan::{Shares, Step};

/// The first tries of new endpoints are made within this.
const FIRST_TRY_WITHIN: Duration = Duration::from_secs(1);
/// More than any release needs: each try of a probe, each step of a ramp.
const LOOKS_MAX: usize = 1_000;

/// A copy of the machine, and the world as is assumed.
pub(super) struct Forecast {
    pub(super) cutover: Cutover,
    pub(super) health: ServiceHealth,
    pub(super) horizons: Horizons,
    /// What has happened so far.
    pub(super) steps: Vec<Step>,
    now: Timestamp,
    next_try: Option<Timestamp>,
    freeze: Option<Freeze>,
}

impl Forecast {
    pub(super) fn new(now: Timestamp, cutover: &Cutover, facts: Facts<'_>) -> Self {
        Self {
            cutover: cutover.clone(),
            health: facts.health.clone(),
            // A table that was replaced is answered from for some milliseconds more.
            horizons: facts.horizons.clone().unsettled(false),
            freeze: facts.freeze.cloned(),
            steps: Vec::new(),
            now,
            next_try: None,
        }
    }

    /// The file is saved.
    pub(super) fn save(&mut self, spec: Arc<ServiceSpec>) {
        self.handle(Event::Desired(spec));
        self.handle(Event::Observed);
        let interval = self.cutover.spec.probe.spec().map(|probe| probe.interval);
        self.next_try = interval.map(|interval| self.now + FIRST_TRY_WITHIN.min(interval));
    }

    /// Goes on until nothing would happen any more.
    pub(super) fn run(&mut self) {
        for _ in 0..LOOKS_MAX {
            let next_try = self.next_try.filter(|_| !self.waiting_for().is_empty());
            let deadline = self.cutover.next_deadline();
            let Some(next) = [next_try, deadline].into_iter().flatten().min() else { return };
            self.now = next.max(self.now);
            if next_try == Some(next) {
                self.pass();
            }
            self.handle(Event::Observed);
        }
    }

    /// Endpoints that have not passed.
    fn waiting_for(&self) -> Vec<IpAddr> {
        let mut addresses = self.cutover.addresses();
        addresses.retain(|address| !self.health.verdict(*address).is_proven());
        addresses.into_iter().collect()
    }

    /// Each of them passes once.
    fn pass(&mut self) {
        for address in self.waiting_for() {
            let passed = Outcome { latency: Duration::ZERO, result: Ok(()) };
            self.health.observe(self.now, address, passed);
        }
        let interval = self.cutover.spec.probe.spec().map(|probe| probe.interval);
        self.next_try = interval.map(|interval| self.now + interval);
    }

    fn handle(&mut self, event: Event) {
        self.answer();
        let before = self.shares();
        let was_following = self.cutover.follows_the_file();
        let freeze = self.freeze.as_ref();
        let facts = Facts { health: &self.health, horizons: &self.horizons, freeze };
        let is_edit = matches!(event, Event::Desired(_));
        let mut told = self.cutover.handle(self.now, event, facts);
        if self.cutover.group().is_some() && !is_edit {
            let (health, horizons) = (&self.health, self.horizons.clone());
            let mut alone = [Member { cutover: &mut self.cutover, health, horizons }];
            let news = group::go_on(self.now, &mut alone, freeze);
            told.extend(news.into_iter().map(|(_, transition)| transition));
        }
        let (addresses, probe) = (self.cutover.addresses(), &self.cutover.spec.probe);
        self.health.retarget(self.now, probe, addresses, Verdict::Unproven);
        let moves = |told: &Transition| matches!(told.to, "Shifting" | "RollingBack");
        let moved_by = told.iter().position(moves).unwrap_or_default();
        for (nth, transition) in told.into_iter().enumerate() {
            let shares = if nth < moved_by { before.clone() } else { self.shares() };
            self.happens(transition.to, shares, transition.why);
        }
        if !was_following && self.cutover.follows_the_file() {
            let why = "every pool that answers is as the file has it".to_owned();
            self.happens(self.cutover.phase.name(), self.shares(), why);
        }
        self.answer();
        if self.cutover.phase.name() == "Shifting" {
            self.handle(Event::Published);
        }
    }

    fn shares(&self) -> Shares {
        plan::shares(&self.cutover.phase)
    }

    fn happens(&mut self, phase: &'static str, shares: Shares, why: String) {
        self.steps.push(Step { at: self.now, phase, shares, why });
    }

    /// What is answered now is in caches until its TTL has passed.
    fn answer(&mut self) {
        let answering = self.cutover.answering(&self.health);
        let until = self.now + answering.ttl_max(self.now).duration() + CACHE_CLOCK;
        for pool in answering.pools() {
            self.horizons.give(pool.clone(), until);
        }
    }
}

impl Cutover {
    /// Whether every pool that is held is as the file has it, as far as it has it.
    fn follows_the_file(&self) -> bool {
        let is_as_wanted =
            |pool: &Arc<Pool>| self.spec.pools.get(&pool.name).is_none_or(|wanted| wanted == pool);
        self.phase.pools().into_iter().all(is_as_wanted)
    }
}
