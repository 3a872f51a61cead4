//! Floor 1: the release machine of one service.
//!
//! Pure: events and the time go in, transitions come out, and between them the machine can be
//! asked what is to be answered ([`Cutover::answering`]) and when it wants to be looked at again
//! ([`Cutover::next_deadline`]). It moves nothing itself: the conductor builds and stores the
//! record table, then says so with [`Event::Published`].
//!
//! Read [`phase`] first: each phase is a type that holds just what that phase needs, and each
//! edge consumes one and makes the next.

mod answered;
mod answering;
mod back;
pub mod course;
mod edge;
mod edit;
mod following;
mod forecast;
mod gate;
pub mod group;
mod held;
mod history;
mod horizons;
mod outlook;
mod paused;
pub mod phase;
pub mod plan;
mod preview;
mod progress;
mod proof;
mod ramp;
mod rolling_back;
mod rules;
mod schedule;
mod shares;
mod side;
mod snapshot;
mod verbs;
mod view;
mod waiting;
mod watch;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

pub use answered::Answered;
pub use answering::{Answering, Basis, Moved, Shown, Timed};
pub use group::{Bond, Waits};
pub use history::{Ending, Record, STEPS_MAX, Step};
pub use horizons::{CACHE_CLOCK, Horizons};
pub use outlook::{Next, WayBack};
pub use paused::PauseReason;
pub use preview::PREVIEW_TTL;
pub use proof::{Targets, Wanted};
pub use rules::{Rule, UnknownRule};
pub use schedule::{InstantState, Schedule};
pub use side::Side;
pub use snapshot::{Snapshot, Stage};
pub use verbs::{Order, Refusal, Verb};

use crate::{
    health::ServiceHealth,
    model::{
        DnsName, Freeze, GroupName, Percent, Pool, PoolName, ProbeSetting, Resolution, ServiceSpec,
        Timestamp,
    },
};
use edge::{Context, Edge};
use following::Strays;
use phase::Phase;

/// What can happen to a service.
#[derive(Clone, Debug)]
pub enum Event {
    /// A valid release file asks for this.
    Desired(Arc<ServiceSpec>),
    /// A valid release file no longer names the service.
    Vanished,
    /// A name that pools point to has been looked up.
    Resolved(DnsName, Resolution),
    /// A verdict changed, a horizon is known better, or a deadline came.
    Observed,
    /// The table that answers as the machine last asked for has been stored.
    Published,
}

/// What the machine looks at when something happens.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'f> {
    /// The verdicts on endpoints.
    pub health: &'f ServiceHealth,
    /// What caches may hold.
    pub horizons: &'f Horizons,
    /// The global stop, if it is in force. Its beginning and its end are [`Event::Observed`].
    pub freeze: Option<&'f Freeze>,
}

/// A change of phase, told once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The phase that was left.
    pub from: &'static str,
    /// The phase that was entered; the same one when only its reason changed.
    pub to: &'static str,
    /// One sentence for the person who asks why.
    pub why: String,
    /// The number of the release, if there is one.
    pub release: Option<u64>,
}

/// The machine of one service.
#[derive(Clone, Debug)]
pub struct Cutover {
    spec: Arc<ServiceSpec>,
    phase: Phase,
    orphaned: bool,
    /// How many releases this service has seen; the last one's number.
    releases: u64,
    /// When the last step was taken, of whichever release.
    last_step: Option<Timestamp>,
    /// When all clients were last given a new side: from then on the one before had none.
    last_swap: Option<Timestamp>,
    /// Why it does not go on, where others of its group keep it from that.
    waits: Option<Waits>,
    /// What pools are by now that point to names and that the file no longer has so.
    strays: Strays,
}

impl Cutover {
    /// A service seen for the first time: its live split answers at once, for there is nothing
    /// else to answer with.
    pub fn adopt(spec: Arc<ServiceSpec>) -> Self {
        let phase = Phase::steady(Side::live(&spec), None);
        Self {
            spec,
            phase,
            orphaned: false,
            releases: 0,
            last_step: None,
            last_swap: None,
            waits: None,
            strays: Strays::default(),
        }
    }

    /// Takes one event, with what is known of endpoints and caches, and says what changed. After
    /// [`Event::Desired`] the verdicts are to follow the new [`Cutover::spec`] and
    /// [`Cutover::addresses`], and [`Event::Observed`] is to come. A member of a [`Cutover::group`] only
    /// takes note: it is to go on with the others, by [`group::go_on`].
    pub fn handle(&mut self, now: Timestamp, event: Event, facts: Facts<'_>) -> Vec<Transition> {
        let health = facts.health;
        let mut told = Vec::new();
        match event {
            Event::Desired(spec) => {
                self.desire(now, spec, facts, &mut told);
                // The verdicts are still another probe's: they do not open this one's gate.
                if !health.is_judged_by(&self.spec.probe) {
                    return told;
                }
            }
            Event::Vanished => self.orphaned = true,
            Event::Resolved(name, resolution) => self.follow(&name, &resolution, facts),
            Event::Observed => {}
            Event::Published => {
                if let Phase::Shifting(shifting) = &self.phase {
                    self.last_step = Some(now);
                    let is_all = shifting.share == Percent::ALL;
                    self.last_swap = if is_all { Some(now) } else { self.last_swap };
                }
                self.go(&mut told, |phase, cx| phase.published(cx), now, facts);
            }
        }
        self.renew(facts);
        // Each pass takes one edge; a chain such as Baking, Draining, Steady takes several.
        while self.group().is_none() && self.go_on(&mut told, now, facts) {}
        self.phase.forget(&self.spec);
        self.forget_strays();
        told
    }

    /// Does what a person asks, or says why not; then nothing has changed.
    pub fn ask(
        &mut self,
        now: Timestamp,
        order: &Order,
        facts: Facts<'_>,
    ) -> Result<Vec<Transition>, Refusal> {
        let next_release = self.releases + 1;
        let context = self.context(now, facts);
        let edge = verbs::asked(self.phase.clone(), order, &context, next_release)?;
        let mut told = Vec::new();
        self.go(&mut told, |_, _| edge, now, facts);
        self.count_release(next_release);
        told.extend(self.handle(now, Event::Observed, facts));
        Ok(told)
    }

    /// The verbs that would be done now, without breaking any rule.
    pub fn possible(&self, now: Timestamp, facts: Facts<'_>) -> Vec<Verb> {
        let would_be_done =
            |verb: &Verb| self.clone().ask(now, &Order::plain(*verb), facts).is_ok();
        Verb::ALL.into_iter().filter(would_be_done).collect()
    }

    /// When the machine must next be handed [`Event::Observed`], if nothing happens before. Known
    /// horizons may come to be earlier than it was told: then that is worth an [`Event::Observed`].
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let is_ready = self.waits.as_ref().is_some_and(|waits| waits.is_ready);
        let progress = self.phase.progress_due(&self.spec.release);
        // The gate that it waits for is another one's.
        let progress = progress.filter(|_| !is_ready || !self.phase.is_before_first_step());
        self.phase.deadline().filter(|_| !is_ready).into_iter().chain(progress).min()
    }

    /// The group with which it is released: until the end of a release the one with which it began.
    pub fn group(&self) -> Option<&GroupName> {
        // One that has failed is over.
        let is_over = matches!(self.phase, Phase::Failed(_));
        let release = self.phase.release().filter(|_| !is_over);
        let bond = release.and_then(|release| release.bond.as_ref());
        bond.map(|bond| &bond.group).or(self.spec.release.group.as_ref())
    }

    /// Why it does not go on, where others of its group keep it from that.
    pub fn waits(&self) -> Option<&Waits> {
        self.waits.as_ref()
    }

    /// Whether something is held back that the end of a freeze may set going.
    pub fn waits_for_thaw(&self) -> bool {
        let differs =
            |held: &Arc<Pool>| self.spec.pools.get(&held.name).is_some_and(|wanted| wanted != held);
        !matches!(self.phase, Phase::Steady(_)) || self.phase.pools().into_iter().any(differs)
    }

    /// The service as the file last asked for it.
    pub fn spec(&self) -> &Arc<ServiceSpec> {
        &self.spec
    }

    /// The phase.
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// Whether the file no longer names the service.
    pub fn is_orphaned(&self) -> bool {
        self.orphaned
    }

    /// The percentage of the clients that each pool is to answer, as the file asks for it.
    pub fn desired(&self) -> BTreeMap<PoolName, u8> {
        shares::whole_percents([(self.spec.live.clone(), 100)])
    }

    /// Every address that must be probed: those of the file and those that are still held.
    pub fn addresses(&self) -> BTreeSet<IpAddr> {
        let pools = self.pools().chain(self.strays.pools());
        pools.flat_map(|pool| pool.addresses()).collect()
    }

    /// Those whose verdicts a release waits for: of pools that are to have more clients, what has not
    /// passed yet.
    pub fn awaited(&self, health: &ServiceHealth) -> BTreeSet<IpAddr> {
        let Phase::Probing(probing) = &self.phase else { return BTreeSet::new() };
        let pools = probing.release.to.gaining(&probing.release.from);
        let addresses = pools.flat_map(|pool| pool.addresses());
        addresses.filter(|address| !health.verdict(*address).is_proven()).collect()
    }

    /// Whether a pool is in the file, or held though the file has dropped it.
    pub fn holds(&self, pool: &PoolName) -> bool {
        let is_held = || self.phase.pools().into_iter().any(|held| held.name == *pool);
        self.spec.pools.contains_key(pool) || is_held()
    }

    /// Its pools: those of the file, and those that are held.
    pub fn pools(&self) -> impl Iterator<Item = &Arc<Pool>> {
        self.spec.pools.values().chain(self.phase.pools())
    }

    fn desire(
        &mut self,
        now: Timestamp,
        spec: Arc<ServiceSpec>,
        facts: Facts<'_>,
        told: &mut Vec<Transition>,
    ) {
        self.orphaned = false;
        let spec = self.keep_probe(spec);
        let is_edited = !self.spec.asks_like(&spec);
        // What has been found of names is taken over; it is no edit.
        self.spec = spec;
        if !is_edited {
            return;
        }
        let next_release = self.releases + 1;
        let edited = if self.group().is_some() { group::edited } else { edit::edited };
        self.go(told, |phase, cx| edited(phase, cx, next_release), now, facts);
        self.count_release(next_release);
    }

    /// A release that has begun has its number for itself.
    fn count_release(&mut self, number: u64) {
        if self.phase.release().is_some_and(|release| release.id == number) {
            self.releases = number;
        }
    }

    /// A probe goes only when the file says so: it is the gate of every release.
    fn keep_probe(&self, mut spec: Arc<ServiceSpec>) -> Arc<ServiceSpec> {
        if spec.probe == ProbeSetting::Unset {
            Arc::make_mut(&mut spec).probe = self.spec.probe.clone();
        }
        spec
    }

    fn context<'c>(&'c self, now: Timestamp, facts: Facts<'c>) -> Context<'c> {
        let Facts { health, horizons, freeze } = facts;
        let (spec, last_step) = (&self.spec, self.last_step);
        Context { now, spec, health, horizons, freeze, last_step, stands_still: false }
    }

    fn go_on(&mut self, told: &mut Vec<Transition>, now: Timestamp, facts: Facts<'_>) -> bool {
        let before = told.len();
        self.go(told, |phase, cx| phase.advance(cx), now, facts);
        told.len() > before
    }

    fn go(
        &mut self,
        told: &mut Vec<Transition>,
        edge: impl FnOnce(Phase, &Context<'_>) -> Edge,
        now: Timestamp,
        facts: Facts<'_>,
    ) {
        let context = self.context(now, facts);
        let from = self.phase.name();
        match edge(self.phase.clone(), &context) {
            Edge::Stay(phase) => self.phase = phase,
            Edge::Go(phase, why) => {
                let release = phase.release().or(self.phase.release()).map(|release| release.id);
                told.push(Transition { from, to: phase.name(), why, release });
                self.phase = phase;
            }
        }
    }
}
