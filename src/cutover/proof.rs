//! What a release has to prove besides that its pools are up: smoke tests and performance before the
//! first step, performance and guards in each step, and that somebody says yes before each.
//!
//! What is found out is of one step: of another one nothing is known.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc, time::Duration};

use super::{
    Cutover, Facts, Horizons,
    edge::Context,
    gate::{Gate, gate},
    phase::{Baking, Phase, Probing, Release},
    ramp::{Judging, Settling},
    waiting::Waiting,
};
use crate::{
    health::{Evidence, Scope, ServiceHealth, Subject, Trouble},
    model::{Percent, Pool, PoolName, ReleasePolicy, Timestamp},
};

/// Whether the new pools have proven what they must before they have any clients.
pub(super) enum Proof {
    /// They have; with what is to be said of it.
    Given(String),
    /// Not yet.
    Missing(String),
    /// They never will.
    Refuted(String),
}

/// What is to be found out about a release now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Of what.
    pub scope: Scope,
    /// The pools that are to have more clients, and those of their endpoints that may be answered.
    pub new: Targets,
    /// Those that they are compared with.
    pub old: Targets,
    /// When the old ones had clients, if they have none any more.
    pub old_at: Option<Timestamp>,
    /// Tests that have to be made.
    pub tests: BTreeSet<Subject>,
    /// Whether their performance is to be measured.
    pub performance: bool,
    /// Whether the guards are to be looked at.
    pub guards: bool,
    /// Whether those are to be asked who must say yes.
    pub confirm: bool,
}

/// Pools of which something is found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    /// The heaviest first.
    pub pools: Vec<PoolName>,
    /// Endpoints that may be answered.
    pub addresses: Vec<IpAddr>,
    /// All endpoints.
    pub members: BTreeSet<IpAddr>,
}

impl Targets {
    fn of<'p>(pools: impl Iterator<Item = &'p Arc<Pool>>, health: &ServiceHealth) -> Self {
        let mut targets = Self::default();
        for pool in pools {
            targets.pools.push(pool.name.clone());
            targets.members.extend(pool.addresses());
            let addresses = pool.addresses();
            targets.addresses.extend(addresses.filter(|it| health.verdict(*it).is_eligible()));
        }
        targets
    }

    /// For people.
    pub fn name(&self) -> String {
        let names: Vec<&str> = self.pools.iter().map(PoolName::as_str).collect();
        names.join(" and ")
    }
}

impl Release {
    fn scope(&self, share: Option<Percent>) -> Scope {
        Scope { release: self.id, share }
    }

    /// Whether a pool will have more clients than before.
    fn gains(&self) -> bool {
        self.to.gaining(&self.from).next().is_some()
    }

    /// The pools that are compared with those that are to have more clients, the heaviest first.
    fn compared(&self) -> impl Iterator<Item = &Arc<Pool>> {
        let is_gaining =
            |pool: &Arc<Pool>| self.to.gaining(&self.from).any(|it| it.name == pool.name);
        let mut others: Vec<_> = self.from.parts().filter(|(pool, _)| !is_gaining(pool)).collect();
        others.sort_by_key(|(_, weight)| std::cmp::Reverse(weight.get()));
        others.into_iter().map(|(pool, _)| pool)
    }
}

/// What is known of a step; nothing, if what is known is of another one.
fn known<'c>(release: &Release, share: Option<Percent>, cx: &Context<'c>) -> Option<&'c Evidence> {
    let evidence = &cx.health.evidence;
    evidence.scope().filter(|scope| *scope == release.scope(share)).map(|_| evidence)
}

/// What has been proven before the first step.
pub(super) fn before_first(release: &Release, cx: &Context<'_>) -> Proof {
    let policy = &cx.spec.release;
    let asks_nothing = policy.tests.is_empty() && policy.performance.is_none();
    // Where no pool will have more clients than before, there is nothing to be proven.
    if asks_nothing || !release.gains() {
        return Proof::Given(String::new());
    }
    let new = Targets::of(release.to.gaining(&release.from), cx.health);
    let (names, count) = (new.name(), policy.tests.len());
    let Some(evidence) = known(release, None, cx) else {
        return Proof::Missing(format!("nothing of {names} has been tested yet"));
    };
    let pools: Vec<&PoolName> = new.pools.iter().collect();
    if let Some(failure) = evidence.tests.failure(&pools) {
        return Proof::Refuted(failure);
    }
    let is_of_others = !evidence.performance.is_of(&new.members);
    if let Some(trouble) = evidence.performance.trouble().filter(|_| !is_of_others) {
        return Proof::Refuted(trouble);
    }
    let missing = missing_tests(release, cx.health);
    if let Some(Subject { pool, address, number }) = missing.first() {
        let (number, passed) = (number + 1, evidence.tests.passed(&pools));
        let all = passed + missing.len();
        let next = format!("number {number} has not on {address} of {pool}");
        return Proof::Missing(format!("{passed} of {all} smoke tests have passed: {next}"));
    }
    if !evidence.performance.is_good() || is_of_others {
        let why = evidence.lacks_data();
        let why = why.unwrap_or_else(|| format!("the performance of {names} is not measured yet"));
        return Proof::Missing(why);
    }
    let tests = (count > 0).then(|| "its smoke tests passed".to_owned());
    let measured = evidence.performance.last().map(|last| last.finding.to_string());
    let given = tests.into_iter().chain(measured.filter(|why| !why.is_empty()));
    let given: Vec<String> = given.collect();
    Proof::Given(given.join("; "))
}

/// The tests of endpoints that are up, as far as they have not been made.
fn missing_tests(release: &Release, health: &ServiceHealth) -> BTreeSet<Subject> {
    let pools = release.to.gaining(&release.from);
    let missing = pools.flat_map(|pool| {
        let mut up: Vec<IpAddr> = pool.addresses().collect();
        up.retain(|address| health.verdict(*address).is_proven());
        health.evidence.tests.missing(&pool.name, &up).collect::<Vec<_>>()
    });
    missing.collect()
}

/// Why a release is to go back from a share, if it is.
pub(super) fn trouble(release: &Release, share: Percent, cx: &Context<'_>) -> Option<Trouble> {
    known(release, Some(share), cx)?.trouble()
}

/// Whether the watch of a step is over.
pub(super) enum Over {
    /// It is.
    Yes,
    /// It is not; with what is to be told, if only proof is lacking from now on.
    Not(Option<String>),
}

/// Looks at a step that has been watched since an instant and is to be for so long; what it `lacks`
/// then is noted. `done` is that it has been.
pub(super) fn over(
    release: &Release,
    share: Percent,
    (since, bake, lacks): (Timestamp, Duration, &mut Option<String>),
    done: &str,
    cx: &Context<'_>,
) -> Over {
    if !cx.is_past(since + bake) {
        *lacks = None;
        return Over::Not(None);
    }
    match lack(release, share, since, cx) {
        None => Over::Yes,
        Some(lack) => {
            let told = format!("{done}, but {lack}");
            let is_new = lacks.replace(lack).is_none();
            Over::Not(is_new.then_some(told))
        }
    }
}

/// What a step lacks that has been true since then, if it lacks something.
fn lack(release: &Release, share: Percent, since: Timestamp, cx: &Context<'_>) -> Option<String> {
    let ReleasePolicy { performance, guards, .. } = &cx.spec.release;
    let asks_nothing = performance.is_none() && guards.is_empty();
    if asks_nothing || !release.gains() {
        return None;
    }
    match known(release, Some(share), cx) {
        Some(evidence) => evidence.lacks_since(since),
        None => Some("nothing is known of this step yet".to_owned()),
    }
}

/// Who must say yes before the step after a share and has not since it is waited for, each in one
/// sentence: what was said before is of another day.
pub(super) fn unconfirmed(
    release: &Release,
    share: Option<Percent>,
    waits_since: Option<Timestamp>,
    cx: &Context<'_>,
) -> Vec<String> {
    let evidence = known(release, share, cx).zip(waits_since);
    let answer = |name| {
        let (evidence, since) = evidence?;
        evidence.answer(name).filter(|answer| answer.at >= since)
    };
    let why = |name| match answer(name) {
        None => Some(format!("{name} has not said yes yet")),
        Some(answer) => answer.result.as_ref().err().map(|why| format!("{name} holds: {why}")),
    };
    cx.spec.release.confirm.iter().filter_map(why).collect()
}

impl Phase {
    /// The release, and the share that clients have of it, while something can be found out of that.
    fn examined(&self) -> Option<(&Release, Option<Percent>)> {
        match self.awake() {
            Self::Probing(Probing { release, .. }) => Some((release, None)),
            Self::Waiting(Waiting { release, share, .. }) => Some((release, *share)),
            Self::Settling(Settling { release, share, .. })
            | Self::Judging(Judging { release, share, .. }) => Some((release, Some(*share))),
            Self::Baking(Baking { release, .. }) => Some((release, Some(Percent::ALL))),
            _ => None,
        }
    }

    /// Why there is nothing to judge its step by, if there is not. While a step settles, there need
    /// not be anything yet.
    pub(super) fn lacks_data(&self, cx: &Context<'_>) -> Option<String> {
        self.judged(cx).and_then(Evidence::lacks_data)
    }

    /// Whether it can be judged.
    pub(super) fn has_data(&self, cx: &Context<'_>) -> bool {
        let is_judged = !matches!(self.awake(), Self::Settling(_))
            && self.examined().is_some_and(|(_, share)| share.is_some());
        !is_judged || self.judged(cx).is_some_and(Evidence::has_data)
    }

    fn judged<'c>(&self, cx: &Context<'c>) -> Option<&'c Evidence> {
        let (release, share) = self.examined()?;
        let is_settling = matches!(self.awake(), Self::Settling(_));
        share.filter(|_| !is_settling).and_then(|share| known(release, Some(share), cx))
    }
}

impl Cutover {
    /// Of what is known what is found out: the release, however it stands, and its step.
    pub fn scope(&self) -> Option<Scope> {
        let share = (!self.phase.is_before_first_step()).then(|| self.phase.share());
        self.phase.release().map(|release| release.scope(share))
    }

    /// What the new pools lack before they can have any clients, while they are being probed.
    pub fn gate_closed(&self, now: Timestamp, health: &ServiceHealth) -> Option<String> {
        let Phase::Probing(Probing { release, .. }) = self.phase.awake() else { return None };
        let horizons = Horizons::default();
        let cx = self.context(now, Facts { health, horizons: &horizons, freeze: None });
        match (gate(release, &cx), before_first(release, &cx)) {
            (Gate::Closed(missing), _) | (_, Proof::Missing(missing)) => Some(missing),
            _ => None,
        }
    }

    /// Whether proof is all that it waits for, or part of that.
    pub(super) fn is_unproven(&self, health: &ServiceHealth) -> bool {
        let evidence = &health.evidence;
        let confirm = &self.spec.release.confirm;
        let has_said_yes = |name, since| {
            let answer = evidence.answer(name).filter(|answer| answer.at >= since);
            answer.is_some_and(|answer| answer.result.is_ok())
        };
        match self.phase.awake() {
            Phase::Judging(Judging { release, since, .. })
            | Phase::Baking(Baking { release, since, .. }) => {
                release.gains() && evidence.lacks_since(*since).is_some()
            }
            Phase::Waiting(waiting)
                if !confirm.iter().all(|name| has_said_yes(name, waiting.since)) =>
            {
                true
            }
            _ if !self.phase.is_before_first_step() => false,
            _ => self.wanted(health).is_some(),
        }
    }

    /// What answers, what is to, the percentage of the clients that this has, and the one that its next
    /// step gives it; nothing without a release.
    pub fn step_ahead(&self) -> (String, String, u8, u8) {
        let Some((release, share)) = self.phase.examined() else { return Default::default() };
        let next = release.share_after(&self.spec.release, share).get();
        let (from, to) = (release.from.to_string(), release.to.to_string());
        (from, to, share.map_or(0, Percent::get), next)
    }

    /// What is to be found out now.
    pub fn wanted(&self, health: &ServiceHealth) -> Option<Wanted> {
        let policy = &self.spec.release;
        let (release, share) = self.phase.examined()?;
        let mut gaining = release.to.gaining(&release.from);
        let is_up = gaining.all(|pool| health.tally(pool).is_ready(policy));
        let tests =
            if share.is_none() && is_up { missing_tests(release, health) } else { BTreeSet::new() };
        let new = Targets::of(release.to.gaining(&release.from), health);
        let performance = &health.evidence.performance;
        let is_measured = performance.is_good() && performance.is_of(&new.members);
        // One that has begun is not broken off for an endpoint that comes up.
        let is_under_way = performance.progress().is_some();
        let is_to_be_measured = match share {
            None => is_up && (tests.is_empty() || is_under_way) && !is_measured,
            // What waits for its next step has been measured in this one.
            Some(_) => matches!(self.phase.awake(), Phase::Judging(_) | Phase::Baking(_)),
        };
        let is_all = share == Some(Percent::ALL);
        let wanted = Wanted {
            scope: release.scope(share),
            new,
            old: Targets::of(release.compared(), health),
            old_at: self.last_swap.filter(|_| is_all),
            tests,
            performance: policy.performance.is_some() && is_to_be_measured && release.gains(),
            guards: !policy.guards.is_empty() && share.is_some() && release.gains(),
            confirm: !policy.confirm.is_empty() && matches!(self.phase.awake(), Phase::Waiting(_)),
        };
        let Wanted { tests, performance, guards, confirm, .. } = &wanted;
        let is_something = !tests.is_empty() || *performance || *guards || *confirm;
        is_something.then_some(wanted)
    }
}
