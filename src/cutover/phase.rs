//! The phases as types: `Steady → Probing → Shifting → Baking → Draining → Steady`, on a ramp
//! `Shifting → Settling → Judging → Shifting` for each step before that, `Waiting` before a step that
//! may not be taken yet, and the way back: `RollingBack`, `Failed`.
//!
//! Edges that time and verdicts take are here, those of a ramp in `ramp`, those of a wait in
//! `waiting`, those of the way back in `rolling_back`; those that an edit of the file takes are in
//! `edit`, those that a person takes in `verbs`. What a phase shows is in `view`, what it holds on to
//! in `held`.

use std::time::Duration;

use humantime::format_duration;

use super::{
    Bond, Schedule,
    edge::{Context, Edge},
    gate::{Gate, gate},
    paused::{Paused, without_data},
    proof::{self, Over, Proof},
    ramp::{Judging, Settling},
    rolling_back::RollingBack,
    schedule::missed_instant,
    side::{Side, can_take_over, cleared, trouble},
    waiting::{self, Waiting},
    watch::{Held, Watched, watch},
};
use crate::model::{Percent, ReleasePolicy, Timestamp};

/// One release: where it started, where it goes, and where a rollback goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Its number within the service.
    pub id: u64,
    /// What answered when it began.
    pub from: Side,
    /// What is to answer.
    pub to: Side,
    /// The last that finished its bake: `from`, unless this release replaces one that was still
    /// baking.
    pub safe: Side,
    /// What answered before `safe`, as far as it is still there.
    pub fallback: Option<Side>,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it was paused, or waited: that is no lack of progress.
    pub stood: Duration,
    /// When its first step is to be taken.
    pub schedule: Schedule,
    /// What makes it one of several that are released together.
    pub bond: Option<Bond>,
    /// Whether a person has broken the rule `health` for a step of it: no guard undoes that, and what
    /// fails stands still.
    pub is_forced: bool,
}

impl Release {
    /// Whether it leads to what a rollback would lead to: that was down when the file asked for it.
    pub(super) fn is_way_back(&self) -> bool {
        self.to.split() == self.safe.split()
    }

    /// The share that comes after one, or the first one. Between pools that are answered by name and
    /// others there is none but all: a name holds for every type, addresses for one each, so caches
    /// would not keep to the share.
    pub(super) fn share_after(&self, policy: &ReleasePolicy, share: Option<Percent>) -> Percent {
        if self.is_of_two_kinds() { Percent::ALL } else { policy.share_after(share) }
    }

    /// Whether one side is answered by name and the other one is not.
    pub(super) fn is_of_two_kinds(&self) -> bool {
        self.from.is_by_name() != self.to.is_by_name()
    }

    /// What is to be given up when it has failed, and left a side answering that it was to replace.
    pub(super) fn left_answering(self, serving: Side) -> Self {
        Self { from: self.safe.clone(), to: serving, ..self }
    }
}

/// Nothing is being released.
#[derive(Clone, Debug)]
pub struct Steady {
    pub(super) serving: Side,
    pub(super) previous: Option<Side>,
}

/// The new side has no clients yet; enough of each pool that will have more must be up by the deadline.
#[derive(Clone, Debug)]
pub struct Probing {
    pub(super) release: Release,
    pub(super) deadline: Timestamp,
}

/// The new side may answer a share of the clients; the table that says so is not stored yet.
#[derive(Clone, Debug)]
pub struct Shifting {
    pub(super) release: Release,
    pub(super) share: Percent,
}

/// The new side answers everyone and is being watched.
#[derive(Clone, Debug)]
pub struct Baking {
    pub(super) release: Release,
    pub(super) since: Timestamp,
    /// How long in all; follows the file.
    pub(super) bake: Duration,
    /// Why it is not over although its time is.
    pub(super) lacks: Option<String>,
    /// Why it should be rolled back but cannot be.
    pub(super) held: Option<Held>,
}

/// The release is done; caches may still hold the pools that were left.
#[derive(Clone, Debug)]
pub struct Draining {
    pub(super) release: Release,
    /// The horizon of the pools that were left, as far as it is known. As long as these stand in for
    /// the new ones (fail policy `previous`), caches go on learning them.
    pub(super) until: Timestamp,
}

/// The release failed and stays failed until the service is edited.
#[derive(Clone, Debug)]
pub struct Failed {
    pub(super) release: Release,
    pub(super) serving: Side,
    pub(super) reason: String,
}

/// The phase of one service.
#[derive(Clone, Debug)]
pub enum Phase {
    #[allow(missing_docs)]
    Steady(Steady),
    #[allow(missing_docs)]
    Probing(Probing),
    #[allow(missing_docs)]
    Waiting(Waiting),
    #[allow(missing_docs)]
    Shifting(Shifting),
    #[allow(missing_docs)]
    Settling(Settling),
    #[allow(missing_docs)]
    Judging(Judging),
    #[allow(missing_docs)]
    Paused(Paused),
    #[allow(missing_docs)]
    Baking(Baking),
    #[allow(missing_docs)]
    Draining(Draining),
    #[allow(missing_docs)]
    RollingBack(RollingBack),
    #[allow(missing_docs)]
    Failed(Failed),
}

impl Probing {
    fn advance(mut self, cx: &Context<'_>) -> Edge {
        if let Some(why) = give_up_replaced(&mut self.release, cx) {
            if self.release.is_way_back() {
                return RollingBack::instead(self.release, why, cx);
            }
            let why = format!("{why}; {} is still being probed", self.release.to);
            return Edge::Go(Phase::Probing(self), why);
        }
        let overdue = self.release.overdue(cx);
        let (only, missing) =
            match (gate(&self.release, cx), proof::before_first(&self.release, cx)) {
                (_, Proof::Refuted(why)) => return Failed::unmoved(self.release, why),
                (Gate::Open(why), Proof::Given(more)) => {
                    let why = if more.is_empty() { why } else { format!("{why}; {more}") };
                    if cx.stands_still {
                        return self.watch_instant(&why, cx);
                    }
                    return waiting::step(self.release, None, why, cx);
                }
                (Gate::Closed(missing), _) => ("only ", missing),
                (Gate::Open(_), Proof::Missing(missing)) => ("", missing),
            };
        if !cx.is_past(self.deadline) && overdue.is_none() {
            return self.watch_instant(&missing, cx);
        }
        let late = match overdue {
            Some(overdue) => format!("{overdue}:"),
            None => format!("after {}", format_duration(cx.spec.release.deadline)),
        };
        Failed::unmoved(self.release, format!("{late} {only}{missing}"))
    }
}

impl Probing {
    /// Goes on probing; with whole TTLs again when the gate is not passed in time.
    fn watch_instant(mut self, count: &str, cx: &Context<'_>) -> Edge {
        match self.release.schedule.miss(cx.now) {
            Some(instant) => {
                let why = format!("{}{count}; whole TTLs again", missed_instant(instant));
                Edge::Go(Phase::Probing(self), why)
            }
            None => Edge::Stay(Phase::Probing(self)),
        }
    }
}

impl Shifting {
    fn published(self, cx: &Context<'_>) -> Edge {
        let Self { release, share } = self;
        let (from, to) = (&release.from, &release.to);
        if share == Percent::ALL {
            let why = format!("answers moved from {from} to {to}");
            return Edge::Go(Phase::Baking(Baking::begin(release, cx)), why);
        }
        let why = format!("{share} of the clients moved from {from} to {to}");
        Edge::Go(Phase::Settling(Settling::begin(release, share, cx)), why)
    }
}

impl Baking {
    pub(super) fn begin(release: Release, cx: &Context<'_>) -> Self {
        let (since, bake) = (cx.now, cx.spec.release.bake);
        Self { release, since, bake, lacks: None, held: None }
    }

    fn advance(mut self, cx: &Context<'_>) -> Edge {
        match watch(&self.release, Percent::ALL, &mut self.held, cx) {
            Watched::Back(trouble) => RollingBack::after(trouble, self.release, cx),
            Watched::Held(news) => Edge::told(Phase::Baking(self), news),
            Watched::Healthy(news) => {
                let baked = format!("{} baked for {}", self.release.to, format_duration(self.bake));
                let watched = (self.since, self.bake, &mut self.lacks);
                match proof::over(&self.release, Percent::ALL, watched, &baked, cx) {
                    Over::Yes => {
                        Edge::Go(Phase::Draining(Draining::begin(self.release, cx)), baked)
                    }
                    Over::Not(lack) => Edge::told(Phase::Baking(self), news.or(lack)),
                }
            }
        }
    }
}

/// A release that replaces one that was still baking, before it has any clients: the one that is
/// replaced turns out bad, and the last good one answers again.
pub(super) fn give_up_replaced(release: &mut Release, cx: &Context<'_>) -> Option<String> {
    let Release { from, safe, .. } = &*release;
    if from.split() == safe.split() || !can_take_over(safe, from, cx) {
        return None;
    }
    let why = format!("{}: rolled back to {safe}", trouble(from, safe, cx)?);
    if !release.is_way_back() {
        release.from = release.safe.clone();
    }
    Some(why)
}

impl Draining {
    pub(super) fn begin(release: Release, cx: &Context<'_>) -> Self {
        let Release { from, to, safe, .. } = &release;
        let until = cx.horizons.of_left([from, safe], to);
        Self { release, until }
    }

    fn advance(self, cx: &Context<'_>) -> Edge {
        let draining = Self::begin(self.release, cx);
        if cx.now < draining.until {
            return Edge::Stay(Phase::Draining(draining));
        }
        let Release { from, to, safe, .. } = draining.release;
        let why = cleared(&from, &to);
        Edge::Go(Phase::steady(to, Some(safe)), why)
    }
}

impl Failed {
    /// A release that has failed before its first step.
    pub(super) fn unmoved(release: Release, why: String) -> Edge {
        let (serving, reason) = (release.from.clone(), format!("{why}; nothing was moved"));
        let failed = Self { release, serving, reason: reason.clone() };
        Edge::Go(Phase::Failed(failed), reason)
    }

    /// Stays, unless what it left answering had not finished its bake either and turns out bad.
    fn advance(self, cx: &Context<'_>) -> Edge {
        let safe = &self.release.safe;
        if self.serving.split() != safe.split()
            && let Some(trouble) = trouble(&self.serving, safe, cx)
            && can_take_over(safe, &self.serving, cx)
        {
            return RollingBack::after(trouble, self.release.left_answering(self.serving), cx);
        }
        Edge::Stay(Phase::Failed(self))
    }
}

impl Phase {
    pub(super) fn steady(serving: Side, previous: Option<Side>) -> Self {
        Self::Steady(Steady { serving, previous })
    }

    pub(super) fn advance(self, cx: &Context<'_>) -> Edge {
        match cx.health.lacks_data().or_else(|| self.lacks_data(cx)) {
            Some(why) if self.can_pause() => without_data(self, why, cx),
            _ => self.look(cx),
        }
    }

    /// The edge that time and verdicts take.
    pub(super) fn look(self, cx: &Context<'_>) -> Edge {
        match self {
            Self::Probing(probing) => probing.advance(cx),
            Self::Waiting(waiting) => waiting.advance(cx),
            Self::Settling(settling) => settling.advance(cx),
            Self::Judging(judging) => judging.advance(cx),
            Self::Paused(paused) => paused.advance(cx),
            Self::Baking(baking) => baking.advance(cx),
            Self::Draining(draining) => draining.advance(cx),
            Self::RollingBack(back) => back.advance(cx),
            Self::Failed(failed) => failed.advance(cx),
            rest @ (Self::Steady(_) | Self::Shifting(_)) => Edge::Stay(rest),
        }
    }

    pub(super) fn published(self, cx: &Context<'_>) -> Edge {
        match self {
            Self::Shifting(shifting) => shifting.published(cx),
            Self::Settling(settling) => settling.published(cx),
            Self::Judging(judging) => judging.published(cx),
            Self::RollingBack(back) => back.published(cx),
            rest => Edge::Stay(rest),
        }
    }
}
