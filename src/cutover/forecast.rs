//! Runs copies of machines ahead, on a clock of their own: of one service, or of all that are released
//! together.
//!
//! It is assumed that every endpoint passes its probes from now on, and whatever else a release must
//! prove, that each table is stored at
//! once, that clients ask without a pause, and that a freeze lasts: so the gate opens at the earliest,
//! and caches let go at the latest.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc, time::Duration};

use super::{
    CACHE_CLOCK, Cutover, Event, Facts, Horizons, Order, Refusal, Transition,
    group::{self, Member, Told},
    phase::Phase,
    plan::{Of, Shares, Step, Subject, shares},
};
use crate::{
    health::{Outcome, ServiceHealth, Verdict},
    model::{Freeze, GroupName, Pool, ReleasePolicy, Timestamp},
};

/// The first tries of new endpoints are made within this.
const FIRST_TRY_WITHIN: Duration = Duration::from_secs(1);
/// More than any release needs: each try of a probe, each step of a ramp.
const LOOKS_MAX: usize = 1_000;

/// What is assumed of the world, and the services in it.
pub(super) struct Forecast<'f> {
    pub(super) services: Vec<Foreseen>,
    now: Timestamp,
    freeze: Option<&'f Freeze>,
}

/// A copy of a machine, and what is assumed to be known of its service.
#[derive(Clone)]
pub(super) struct Foreseen {
    pub(super) cutover: Cutover,
    pub(super) health: ServiceHealth,
    pub(super) horizons: Horizons,
    /// What has happened so far.
    pub(super) steps: Vec<Step>,
    next_try: Option<Timestamp>,
    /// Since when it has lacked proof, and when that is given.
    proof_due: Option<(Timestamp, Timestamp)>,
    /// How it stood when something was last noted.
    noted: (Shares, bool),
}

impl<'f> Forecast<'f> {
    pub(super) fn new(now: Timestamp, subjects: &[Subject], freeze: Option<&'f Freeze>) -> Self {
        Self { services: subjects.iter().map(Foreseen::new).collect(), now, freeze }
    }

    /// The file is saved.
    pub(super) fn save(&mut self, subjects: &[Subject]) {
        for (at, subject) in subjects.iter().enumerate() {
            if let Some(wanted) = &subject.wanted {
                self.handle(at, Event::Desired(wanted.clone()));
                self.handle(at, Event::Observed);
            }
        }
        self.begin();
    }

    /// A person asks something of them, and they do it or say why not.
    pub(super) fn ask(&mut self, order: &Order, of: &Of<'_>) -> Result<(), Refusal> {
        let (now, freeze) = (self.now, self.freeze);
        let (group, named) = match *of {
            Of::Group(group) => (Some(group.clone()), None),
            Of::Service(name) => {
                let is_it = |service: &&Foreseen| service.cutover.spec.name == *name;
                let service = self.services.iter().find(is_it);
                (service.and_then(|service| service.cutover.group().cloned()), Some(name))
            }
        };
        match group {
            Some(group) => {
                let told = {
                    let mut members = self.members(&group);
                    group::ask(now, order, &mut members, freeze, named)?
                };
                self.note_told(&told);
            }
            None => {
                let is_it = |service: &&mut Foreseen| Some(&service.cutover.spec.name) == named;
                let Some(service) = self.services.iter_mut().find(is_it) else { return Ok(()) };
                service.answer(now);
                let Foreseen { cutover, health, horizons, .. } = &mut *service;
                let told = cutover.ask(now, order, Facts { health, horizons, freeze })?;
                service.note(now, told);
            }
        }
        self.begin();
        Ok(())
    }

    /// From now on endpoints are tried.
    fn begin(&mut self) {
        let first = |interval| self.now + FIRST_TRY_WITHIN.min(interval);
        for service in &mut self.services {
            service.next_try = service.interval().map(first);
        }
        self.go_on_together();
    }

    fn members(&mut self, group: &GroupName) -> Vec<Member<'_>> {
        let is_member = |service: &&mut Foreseen| service.cutover.group() == Some(group);
        self.services.iter_mut().filter(is_member).map(Foreseen::member).collect()
    }

    fn note_told(&mut self, told: &Told) {
        for service in &mut self.services {
            let name = &service.cutover.spec.name;
            let told = told.iter().filter(|(told_of, _)| told_of == name);
            let told = told.map(|(_, transition)| transition.clone()).collect();
            service.note(self.now, told);
        }
    }

    /// Goes on until nothing would happen any more.
    pub(super) fn run(&mut self) {
        for at in 0..self.services.len() {
            if self.services[at].suppose_lookups() {
                self.handle(at, Event::Observed);
            }
        }
        self.go_on_together();
        for _ in 0..LOOKS_MAX * self.services.len() {
            let next = self.services.iter().filter_map(Foreseen::next).min();
            let Some(next) = next else { return };
            self.now = next.max(self.now);
            for at in 0..self.services.len() {
                self.services[at].try_all(self.now);
                self.services[at].prove(self.now);
                self.handle(at, Event::Observed);
            }
            self.go_on_together();
        }
    }

    fn handle(&mut self, at: usize, event: Event) {
        let (now, freeze) = (self.now, self.freeze);
        let service = &mut self.services[at];
        service.answer(now);
        let Foreseen { cutover, health, horizons, .. } = service;
        let told = cutover.handle(now, event, Facts { health, horizons, freeze });
        service.note(now, told);
    }

    /// As the conductor does it: groups go on, what they decide is stored in one table, and so on.
    fn go_on_together(&mut self) {
        loop {
            let groups: BTreeSet<_> = self
                .services
                .iter()
                .filter_map(|service| service.cutover.group().cloned())
                .collect();
            for group in groups {
                let (now, freeze) = (self.now, self.freeze);
                let told = group::go_on(now, &mut self.members(&group), freeze);
                self.note_told(&told);
            }
            let is_unpublished = |at: &usize| self.services[*at].cutover.phase.is_unpublished();
            let unpublished: Vec<usize> = (0..self.services.len()).filter(is_unpublished).collect();
            if unpublished.is_empty() {
                return;
            }
            unpublished.into_iter().for_each(|at| self.handle(at, Event::Published));
        }
    }
}

impl Foreseen {
    fn new(Subject { cutover, health, horizons, .. }: &Subject) -> Self {
        Self {
            cutover: cutover.clone(),
            health: health.clone(),
            // A table that was replaced is answered from for some milliseconds more.
            horizons: horizons.clone().unsettled(false),
            steps: Vec::new(),
            next_try: None,
            proof_due: None,
            noted: (shares(&cutover.phase), cutover.follows_the_file()),
        }
    }

    fn interval(&self) -> Option<Duration> {
        self.cutover.spec.probe.spec().map(|probe| probe.interval)
    }

    fn member(&mut self) -> Member<'_> {
        let Self { cutover, health, horizons, .. } = self;
        Member { cutover, health, horizons: horizons.clone() }
    }

    /// When something happens next, if nothing else does before.
    fn next(&self) -> Option<Timestamp> {
        let next_try = self.next_try.filter(|_| !self.waiting_for().is_empty());
        let proof_due = self.proof_due.map(|(_, due)| due);
        [next_try, proof_due, self.cutover.next_deadline()].into_iter().flatten().min()
    }

    /// Names that have not been looked up will be; says whether there are any.
    fn suppose_lookups(&mut self) -> bool {
        self.health.lookups.suppose();
        self.cutover.pools().any(|pool| pool.is_unresolved())
    }

    /// Endpoints that have not passed.
    fn waiting_for(&self) -> Vec<IpAddr> {
        let mut addresses = self.cutover.addresses();
        addresses.retain(|address| !self.health.verdict(*address).is_proven());
        addresses.into_iter().collect()
    }

    /// Each of them passes once, if it is tried now.
    fn try_all(&mut self, now: Timestamp) {
        if self.next_try.is_none_or(|next| next > now) {
            return;
        }
        for address in self.waiting_for() {
            let passed = Outcome { latency: Duration::ZERO, result: Ok(()), warning: None };
            self.health.observe(now, address, passed);
        }
        self.next_try = self.interval().map(|interval| now + interval);
    }

    /// What is lacking is proven, if it is time.
    fn prove(&mut self, now: Timestamp) {
        let Some((since, _)) = self.proof_due.filter(|(_, due)| *due <= now) else { return };
        self.proof_due = None;
        if let Some(wanted) = self.cutover.wanted(&self.health) {
            let subjects = (&wanted.tests, &wanted.new.members);
            self.health.evidence.suppose(since, subjects, &self.cutover.spec.release);
        }
    }

    /// Notes what was told, and looks at the rest.
    fn note(&mut self, now: Timestamp, told: Vec<Transition>) {
        let (addresses, probe) = (self.cutover.addresses(), &self.cutover.spec.probe);
        self.health.retarget(now, probe, addresses, Verdict::Unproven);
        let policy = &self.cutover.spec.release;
        self.health.evidence.follow(self.cutover.scope(), policy);
        self.proof_due = match self.cutover.is_unproven(&self.health) {
            true => self.proof_due.or(Some((now, now + proof_time(&self.cutover.phase, policy)))),
            false => None,
        };
        let after = (shares(&self.cutover.phase), self.cutover.follows_the_file());
        let (before, followed) = std::mem::replace(&mut self.noted, after.clone());
        let moves = |told: &Transition| matches!(told.to, "Shifting" | "RollingBack");
        let moved_by = told.iter().position(moves).unwrap_or_default();
        for (nth, Transition { to: phase, why, .. }) in told.into_iter().enumerate() {
            let shares = if nth < moved_by { before.clone() } else { after.0.clone() };
            self.steps.push(Step { at: now, phase, shares, why });
        }
        if !followed && after.1 {
            let (phase, shares) = (self.cutover.phase.name(), after.0);
            let why = "every pool that answers is as the file has it".to_owned();
            self.steps.push(Step { at: now, phase, shares, why });
        }
        self.answer(now);
    }

    /// What is answered now is in caches until its TTL has passed.
    fn answer(&mut self, now: Timestamp) {
        let answering = self.cutover.answering(&self.health);
        let until = now + answering.ttl_max(now).duration() + CACHE_CLOCK;
        for pool in answering.pools() {
            self.horizons.give(pool.clone(), until);
        }
    }
}

/// How long it takes to prove what a phase lacks, if all is well: who must say yes does at once, and so do
/// smoke tests.
fn proof_time(phase: &Phase, policy: &ReleasePolicy) -> Duration {
    let measured = policy.performance.iter().map(|performance| performance.expected());
    let guarded = policy.guards.iter().map(|guard| guard.interval * guard.count);
    let times = match phase.awake() {
        Phase::Waiting(_) => None,
        Phase::Judging(_) | Phase::Baking(_) => measured.chain(guarded).max(),
        _ => measured.max(),
    };
    times.unwrap_or_default()
}

impl Cutover {
    /// Whether every pool that is held is as the file has it, as far as it has it.
    fn follows_the_file(&self) -> bool {
        let is_as_wanted =
            |pool: &Arc<Pool>| self.spec.pools.get(&pool.name).is_none_or(|wanted| wanted == pool);
        self.phase.pools().into_iter().all(is_as_wanted)
    }
}
