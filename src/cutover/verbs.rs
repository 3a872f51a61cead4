//! What a person can ask of a service, in the phases where it makes sense. Whatever is refused
//! changes nothing.

use std::{collections::BTreeSet, fmt};

use super::{
    back,
    edge::{Context, Edge},
    edit::begin,
    outlook::none_up,
    paused::PauseReason,
    phase::{Baking, Draining, Failed, Phase, Probing, Release, Shifting},
    ramp::{Judging, Settling},
    rolling_back::RollingBack,
    rules::{Rule, Sort, Way},
    side::trouble,
    waiting::{self, Waiting},
};
use crate::model::{Percent, PoolName, ServiceName, Timestamp};

/// A verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Answer everyone with what was good before.
    Rollback,
    /// Take the next step now, without waiting for what this one waits for.
    Promote,
    /// Run a release again that has failed.
    Retry,
    /// Take no step, and let no time run out, until it is resumed.
    Pause,
    /// Go on from where it was paused.
    Resume,
}

/// A verb, who says it, and which rules it may break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// What is to be done.
    pub verb: Verb,
    /// The pool that a rollback goes to; what was good before, if a person names none.
    pub to: Option<PoolName>,
    /// Who asks, for the reason that is told.
    pub by: String,
    /// The rules that are no hindrance.
    pub force: BTreeSet<Rule>,
}

/// Why a verb was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Refusal {
    why: String,
    rules: Vec<(Rule, String)>,
}

impl Refusal {
    /// One of several services refuses.
    pub(super) fn of(service: &ServiceName, refusal: Self) -> Self {
        Self { why: format!("{service}: {refusal}"), ..refusal }
    }

    /// The rules that stand in the way and may be broken, each with how things stand with it; none if
    /// it makes no sense whatever is broken.
    pub fn rules(&self) -> &[(Rule, String)] {
        &self.rules
    }
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Rollback, Self::Promote, Self::Retry, Self::Pause, Self::Resume];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rollback => "rollback",
            Self::Promote => "promote",
            Self::Retry => "retry",
            Self::Pause => "pause",
            Self::Resume => "resume",
        }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let to = self.to.as_ref().map(|to| format!(" to {to}")).unwrap_or_default();
        write!(f, "{}{to} by {}", self.verb.name(), self.by)
    }
}

impl Order {
    /// One that breaks nothing, by nobody.
    pub(super) fn plain(verb: Verb) -> Self {
        Self { verb, to: None, by: String::new(), force: BTreeSet::new() }
    }

    /// Whether what stands in the way may be passed, and how that is told: who broke which rules.
    pub(super) fn pass(&self, in_the_way: &[(Rule, String)]) -> Result<String, Refusal> {
        let is_kept = |(rule, _): &&(Rule, String)| !self.force.contains(rule);
        let kept: Vec<_> = in_the_way.iter().filter(is_kept).collect();
        if !kept.is_empty() {
            let whys: Vec<&str> = kept.iter().map(|(_, why)| why.as_str()).collect();
            let mut rules: Vec<Rule> = kept.iter().map(|(rule, _)| *rule).collect();
            rules.dedup();
            let force: Vec<String> = rules.iter().map(|rule| format!("--force {rule}")).collect();
            let why = format!("{}: only with `{}`", whys.join("; "), force.join(" "));
            return Err(Refusal { why, rules: kept.into_iter().cloned().collect() });
        }
        let broken = in_the_way.iter().map(|(rule, why)| format!("{rule} ({why})"));
        let broken: Vec<String> = broken.collect();
        Ok(match broken.as_slice() {
            [] => self.to_string(),
            broken => format!("{self}, who breaks {}", broken.join(" and ")),
        })
    }
}

/// Carries out an order, or says why not. `number` is the next release's.
pub(super) fn asked(
    phase: Phase,
    order: &Order,
    cx: &Context<'_>,
    number: u64,
) -> Result<Edge, Refusal> {
    match order.verb {
        Verb::Rollback => match &order.to {
            Some(to) => back::rollback_to(&phase, to, order, cx, number),
            None => rollback(phase, order, cx),
        },
        Verb::Promote => promote(phase, order, cx),
        Verb::Retry => retry(phase, order, cx, number),
        Verb::Pause => pause(phase, order, cx),
        Verb::Resume => resume(phase, order, cx),
    }
}

pub(super) fn refuse<T>(why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { why: why.into(), rules: Vec::new() })
}

/// The release stays failed: the file still asks for it, and it is not to begin again by itself.
fn rollback(phase: Phase, order: &Order, cx: &Context<'_>) -> Result<Edge, Refusal> {
    let release = match phase {
        Phase::Probing(Probing { release, .. })
        | Phase::Waiting(Waiting { release, share: None, .. }) => {
            let (serving, reason) = (release.from.clone(), order.to_string());
            let why = format!("{reason}: nothing was moved");
            return Ok(Edge::Go(Phase::Failed(Failed { release, serving, reason }), why));
        }
        Phase::Shifting(Shifting { release, .. })
        | Phase::Settling(Settling { release, .. })
        | Phase::Judging(Judging { release, .. })
        | Phase::Waiting(Waiting { release, .. })
        | Phase::Baking(Baking { release, .. })
        | Phase::Draining(Draining { release, .. }) => release,
        Phase::Steady(_) => return refuse("nothing is being released: there is no way back"),
        Phase::RollingBack(RollingBack { release, .. }) => {
            return refuse(format!("{} answers everyone already", release.safe));
        }
        Phase::Failed(Failed { release, serving, .. })
            if serving.split() == release.safe.split() =>
        {
            return refuse(format!("{serving} answers everyone already"));
        }
        Phase::Failed(Failed { release, serving, .. }) => release.left_answering(serving),
        Phase::Paused(paused) => return rollback(paused.resumed(cx.now), order, cx),
    };
    let in_the_way = none_up(&release.safe, cx.health).map(|why| (Rule::Health, why));
    let why = order.pass(in_the_way.as_slice())?;
    Ok(RollingBack::after(why, release, cx))
}

/// The next step, now: without waiting for caches, the bake or the release's instant.
fn promote(phase: Phase, order: &Order, cx: &Context<'_>) -> Result<Edge, Refusal> {
    match phase {
        Phase::Probing(Probing { release, .. }) => step(release, None, None, order, cx),
        Phase::Waiting(waiting) => {
            let since = waiting.since;
            let (release, share) = waiting.over(cx.now);
            step(release, share, Some(since), order, cx)
        }
        Phase::Settling(Settling { release, share, .. })
        | Phase::Judging(Judging { release, share, .. }) => {
            step(release, Some(share), None, order, cx)
        }
        Phase::Baking(Baking { release, held, .. }) => {
            let in_the_way = held.map(|held| (Rule::Health, held.why));
            let why = order.pass(in_the_way.as_slice())?;
            Ok(Edge::Go(Phase::Draining(Draining::begin(release, cx)), why))
        }
        Phase::Paused(paused) => promote(paused.resumed(cx.now), order, cx),
        Phase::Failed(_) => refuse("the release has failed: `retry` begins it again"),
        Phase::Shifting(_) => refuse("the next step is being taken"),
        Phase::Steady(_) | Phase::Draining(_) | Phase::RollingBack(_) => {
            refuse("no step is waiting")
        }
    }
}

fn step(
    mut release: Release,
    share: Option<Percent>,
    waits_since: Option<Timestamp>,
    order: &Order,
    cx: &Context<'_>,
) -> Result<Edge, Refusal> {
    let obstacles = Way::at_once(&release, share, waits_since, cx).obstacles;
    let is_bad = obstacles.iter().any(|obstacle| obstacle.sort == Sort::Bad);
    let obstacles = obstacles.into_iter();
    let mut in_the_way: Vec<(Rule, String)> =
        obstacles.filter_map(|obstacle| Some((obstacle.rule?, obstacle.why))).collect();
    let is_told = in_the_way.iter().any(|(rule, _)| *rule == Rule::Health);
    // Of a split, a pool that will have no more clients than before may be what is wrong.
    let trouble = share.and_then(|_| trouble(&release.to, &release.safe, cx));
    in_the_way.extend(trouble.filter(|_| !is_told).map(|trouble| (Rule::Health, trouble)));
    let why = order.pass(&in_the_way)?;
    // That somebody has not said yes, or that something is not known yet, is no reason to go back later.
    release.is_forced |= is_bad || in_the_way.iter().any(|(rule, _)| *rule == Rule::Health);
    Ok(waiting::take(release, share, why, cx))
}

fn retry(phase: Phase, order: &Order, cx: &Context<'_>, number: u64) -> Result<Edge, Refusal> {
    match &phase {
        Phase::Failed(_) => {}
        _ => return refuse("no release has failed"),
    }
    match begin(phase, cx, number) {
        Edge::Go(phase, _) => Ok(Edge::Go(phase, order.to_string())),
        stay @ Edge::Stay(_) => Ok(stay),
    }
}

fn pause(phase: Phase, order: &Order, cx: &Context<'_>) -> Result<Edge, Refusal> {
    match phase {
        // What a person pauses does not go on by itself.
        Phase::Paused(paused) if paused.lacks_data() => pause(paused.resumed(cx.now), order, cx),
        Phase::Paused(paused) => refuse(paused.why()),
        Phase::Steady(_) => refuse("nothing is being released: there is nothing to pause"),
        Phase::Shifting(_) => refuse("a step is being taken: pause what comes after it"),
        Phase::Draining(_) => refuse("the release is done, and caches cannot be paused"),
        Phase::RollingBack(_) => refuse("a way back is not paused"),
        Phase::Failed(_) => refuse("the release has failed: it takes no step"),
        phase => {
            let why = order.to_string();
            Ok(Edge::Go(phase.paused(PauseReason::Person(order.by.clone()), cx.now), why))
        }
    }
}

fn resume(phase: Phase, order: &Order, cx: &Context<'_>) -> Result<Edge, Refusal> {
    match phase {
        Phase::Paused(paused) if paused.lacks_data() => {
            refuse(format!("{}: it goes on by itself when there is some", paused.why()))
        }
        Phase::Paused(paused) => Ok(Edge::Go(paused.resumed(cx.now), order.to_string())),
        _ => refuse("it is not paused"),
    }
}
