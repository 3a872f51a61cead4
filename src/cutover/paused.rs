//! `Paused`: a person looks, or a guard has nothing to look at. No step is taken and no time runs
//! out; the guards go on watching, and an edit, `rollback` and `promote` do what they do in the phase
//! that was paused. What lacks data is neither good nor bad: it goes on by itself when there is some
//! again.
//!
//! What was left of a deadline is left when it resumes. Caches do not stand still: what a step waits
//! for until they have dropped it may be over by then.

use std::fmt;

use super::{
    edge::{Context, Edge},
    phase::Phase,
};
use crate::model::Timestamp;

/// A phase that stands still.
#[derive(Clone, Debug)]
pub struct Paused {
    pub(super) phase: Box<Phase>,
    pub(super) since: Timestamp,
    pub(super) reason: PauseReason,
}

/// Why a phase stands still.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PauseReason {
    /// This person wants it to.
    Person(String),
    /// A guard has no data, because of this.
    Guard(String),
}

impl fmt::Display for PauseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(by) => write!(f, "paused by {by}"),
            Self::Guard(why) => write!(f, "paused without data ({why})"),
        }
    }
}

impl Phase {
    pub(super) fn can_pause(&self) -> bool {
        matches!(
            self,
            Self::Probing(_)
                | Self::Waiting(_)
                | Self::Settling(_)
                | Self::Judging(_)
                | Self::Baking(_)
        )
    }

    /// Pauses what can be paused, and leaves everything else as it is.
    pub(super) fn paused(self, reason: PauseReason, now: Timestamp) -> Self {
        match self.can_pause() {
            true => Self::Paused(Paused { phase: Box::new(self), since: now, reason }),
            false => self,
        }
    }
}

/// Looks at a phase whose guard has no data: it goes back if there is another reason for that, and
/// forward it does not go.
pub(super) fn without_data(phase: Phase, why: String, cx: &Context<'_>) -> Edge {
    match phase.look(&cx.standing_still()) {
        Edge::Stay(phase) => {
            let reason = PauseReason::Guard(why);
            let told = reason.to_string();
            Edge::Go(phase.paused(reason, cx.now), told)
        }
        edge @ Edge::Go(..) => edge,
    }
}

impl Phase {
    /// The phase, or the one that is paused.
    pub(super) fn awake(&self) -> &Self {
        match self {
            Self::Paused(paused) => &paused.phase,
            phase => phase,
        }
    }

    pub(super) fn awake_mut(&mut self) -> &mut Self {
        match self {
            Self::Paused(paused) => &mut paused.phase,
            phase => phase,
        }
    }
}

impl Paused {
    /// Whether it goes on by itself.
    pub(super) fn lacks_data(&self) -> bool {
        matches!(self.reason, PauseReason::Guard(_))
    }

    /// Only the guards move it, and only back; or on, where one of them had no data.
    pub(super) fn advance(self, cx: &Context<'_>) -> Edge {
        // After a restart there is none at first, whatever it was that lacked it before.
        let is_probed = cx.health.lacks_data().is_none() && cx.health.has_data();
        let has_data = is_probed && self.phase.lacks_data(cx).is_none() && self.phase.has_data(cx);
        if self.lacks_data() && has_data {
            return Edge::Go(self.resumed(cx.now), "there is data again".to_owned());
        }
        let Self { phase, since, reason } = self;
        phase.look(&cx.standing_still()).map(|phase| phase.paused(reason, since))
    }

    /// What happens to the phase that was paused; where that can be paused, it goes on to be.
    pub(super) fn within(self, now: Timestamp, happens: impl FnOnce(Phase) -> Edge) -> Edge {
        let reason = self.reason.clone();
        happens(self.resumed(now)).map(|phase| phase.paused(reason, now))
    }

    /// The phase that was paused, with what was left of its time.
    pub(super) fn resumed(self, now: Timestamp) -> Phase {
        let stood = now.since(self.since);
        let mut phase = *self.phase;
        match &mut phase {
            Phase::Probing(probing) => probing.deadline = probing.deadline + stood,
            Phase::Waiting(waiting) => waiting.since = waiting.since + stood,
            Phase::Judging(judging) => judging.since = judging.since + stood,
            Phase::Baking(baking) => baking.since = baking.since + stood,
            _ => {}
        }
        if let Some(release) = phase.release_mut() {
            release.stood += stood;
        }
        phase
    }

    /// Why it stands still, in which phase, and what is wrong there, if something is.
    pub(super) fn why(&self) -> String {
        let (reason, phase, since) = (&self.reason, self.phase.name(), self.since);
        let why = format!("{reason} in {phase} since {since}");
        match self.phase.trouble() {
            Some(trouble) => format!("{why}; {trouble}"),
            None => why,
        }
    }
}
