//! The time within which a release has to be done, from its beginning to the end of its bake.
//!
//! While it waits or is paused, it is not expected to make progress.

use humantime::format_duration;

use super::{
    edge::Context,
    phase::{Phase, Release},
};
use crate::model::{ReleasePolicy, Timestamp};

impl Release {
    /// When it has made too little progress, as the file says. Only time in which it neither waits
    /// nor is paused counts.
    pub(super) fn due(&self, policy: &ReleasePolicy) -> Option<Timestamp> {
        policy.progress_deadline.map(|allowed| self.started_at + self.stood + allowed)
    }

    /// That it has, if it has.
    pub(super) fn overdue(&self, cx: &Context<'_>) -> Option<String> {
        let policy = &cx.spec.release;
        let is_overdue = self.due(policy).is_some_and(|due| cx.is_past(due));
        let allowed = policy.progress_deadline.filter(|_| is_overdue)?;
        Some(format!("not done within {} (progress_deadline)", format_duration(allowed)))
    }
}

impl Phase {
    /// When the release has made too little progress, if time is running out for it.
    pub(super) fn progress_due(&self, policy: &ReleasePolicy) -> Option<Timestamp> {
        let (release, held) = match self {
            Self::Probing(probing) => (&probing.release, &None),
            Self::Settling(settling) => (&settling.release, &settling.held),
            Self::Judging(judging) => (&judging.release, &judging.held),
            Self::Baking(baking) => (&baking.release, &baking.held),
            _ => return None,
        };
        // Held, it waits for a verdict and not for the clock.
        release.due(policy).filter(|_| held.is_none())
    }
}
