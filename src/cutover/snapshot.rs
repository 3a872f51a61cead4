//! What is to be kept of a machine over a restart, and the machine that comes back from it.
//!
//! It comes back to the phase in which it was, or to a safer one, and never further on: whatever
//! was being watched is watched anew, for its whole time, and a share that may or may not have been
//! given is taken as given. Clocks, verdicts and horizons are not part of it.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use super::{
    Cutover, Facts, Side, Transition,
    edge::Context,
    following::Strays,
    paused::{PauseReason, Paused},
    phase::{Baking, Draining, Failed, Phase, Probing, Release, Shifting, Steady},
    ramp::{Judging, Settling},
    rolling_back::RollingBack,
    waiting::Waiting,
};
use crate::model::{Percent, ServiceSpec, Timestamp};

/// A machine without its clocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The service as the file last asked for it.
    pub spec: Arc<ServiceSpec>,
    /// Whether the file no longer names it.
    pub orphaned: bool,
    /// How many releases it has seen.
    pub releases: u64,
    /// When the last step was taken, of whichever release.
    pub last_step: Option<Timestamp>,
    /// When all clients were last given a new side.
    pub last_swap: Option<Timestamp>,
    /// Where it stands.
    pub stage: Stage,
}

/// A phase without its clocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nothing is being released.
    Steady {
        /// What answers.
        serving: Side,
        /// What answered before.
        previous: Option<Side>,
    },
    /// The gate.
    Probing(Release),
    /// A step may not be taken yet; the share of the step before, if there was one.
    Waiting(Release, Option<Percent>),
    /// A share is being given.
    Shifting(Release, Percent),
    /// It has been given, and caches hold what was answered before.
    Settling(Release, Percent),
    /// It is being watched.
    Judging(Release, Percent),
    /// Something else, but it stands still.
    Paused(Box<Self>, PauseReason),
    /// All clients have been given, and are being watched.
    Baking(Release),
    /// The release is done, and caches hold what was left.
    Draining(Release),
    /// The safe side answers again, and caches hold what was left.
    RollingBack {
        /// The release that was rolled back.
        release: Release,
        /// Why it failed; `None` when a person went back.
        failure: Option<String>,
    },
    /// The release has failed.
    Failed {
        /// It.
        release: Release,
        /// What answers.
        serving: Side,
        /// Why.
        reason: String,
    },
}

impl Stage {
    fn of(phase: Phase) -> Self {
        match phase {
            Phase::Steady(Steady { serving, previous }) => Self::Steady { serving, previous },
            Phase::Probing(Probing { release, .. }) => Self::Probing(release),
            Phase::Waiting(Waiting { release, share, .. }) => Self::Waiting(release, share),
            Phase::Paused(Paused { phase, reason, .. }) => {
                Self::Paused(Box::new(Self::of(*phase)), reason)
            }
            Phase::Shifting(Shifting { release, share }) => Self::Shifting(release, share),
            Phase::Settling(Settling { release, share, .. }) => Self::Settling(release, share),
            Phase::Judging(Judging { release, share, .. }) => Self::Judging(release, share),
            Phase::Baking(Baking { release, .. }) => Self::Baking(release),
            Phase::Draining(Draining { release, .. }) => Self::Draining(release),
            Phase::RollingBack(RollingBack { release, failure, .. }) => {
                Self::RollingBack { release, failure }
            }
            Phase::Failed(Failed { release, serving, reason }) => {
                Self::Failed { release, serving, reason }
            }
        }
    }

    /// The name of the phase.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Steady { .. } => "Steady",
            Self::Probing(_) => "Probing",
            Self::Waiting(..) => "Waiting",
            Self::Paused(..) => "Paused",
            Self::Shifting(..) => "Shifting",
            Self::Settling(..) => "Settling",
            Self::Judging(..) => "Judging",
            Self::Baking(_) => "Baking",
            Self::Draining(_) => "Draining",
            Self::RollingBack { .. } => "RollingBack",
            Self::Failed { .. } => "Failed",
        }
    }

    /// The sides that have clients, or had them a moment ago and are there to take them back. What
    /// has been left because it was bad, and what was left long ago, is not among them.
    fn trusted(&self) -> Vec<&Side> {
        match self {
            Self::Steady { serving, .. } => vec![serving],
            Self::Probing(Release { from, safe, .. })
            | Self::Waiting(Release { from, safe, .. }, None) => vec![from, safe],
            Self::Paused(stage, _) => stage.trusted(),
            Self::Shifting(Release { from, to, safe, .. }, _)
            | Self::Waiting(Release { from, to, safe, .. }, Some(_))
            | Self::Settling(Release { from, to, safe, .. }, _)
            | Self::Judging(Release { from, to, safe, .. }, _)
            | Self::Baking(Release { from, to, safe, .. })
            | Self::Draining(Release { from, to, safe, .. }) => vec![from, to, safe],
            Self::RollingBack { release, .. } => vec![&release.safe],
            Self::Failed { release, serving, .. } => vec![serving, &release.safe],
        }
    }
}

impl Snapshot {
    /// The addresses that are presumed to be up until their probes say otherwise.
    pub fn presumed(&self) -> BTreeSet<IpAddr> {
        let pools = self.stage.trusted().into_iter().flat_map(Side::pools);
        pools.flat_map(|pool| pool.addresses()).collect()
    }
}

impl Cutover {
    /// What is to be kept of it.
    pub fn snapshot(&self) -> Snapshot {
        let (spec, orphaned, releases) = (self.spec.clone(), self.orphaned, self.releases);
        let (last_step, last_swap) = (self.last_step, self.last_swap);
        let stage = Stage::of(self.phase.clone());
        Snapshot { spec, orphaned, releases, last_step, last_swap, stage }
    }

    /// A machine as it was kept, with what is known of endpoints and caches now; and what is to be
    /// told of that, if it stands elsewhere than it did.
    pub fn restore(
        now: Timestamp,
        snapshot: Snapshot,
        facts: Facts<'_>,
    ) -> (Self, Option<Transition>) {
        let Snapshot { spec, orphaned, releases, mut last_step, mut last_swap, stage } = snapshot;
        if matches!(stage, Stage::Shifting(..)) {
            last_step = Some(now);
        }
        if matches!(stage, Stage::Shifting(_, Percent::ALL)) {
            last_swap = Some(now);
        }
        let from = stage.name();
        let phase = Phase::steady(Side::live(&spec), None);
        let waits = None;
        let strays = Strays::default();
        let mut cutover =
            Self { spec, phase, orphaned, releases, last_step, last_swap, waits, strays };
        cutover.phase = resumed(stage, &cutover.context(now, facts));
        let phase = &cutover.phase;
        let told = (phase.name() != from).then(|| Transition {
            from,
            to: phase.name(),
            why: "the daemon was restarted: what it was watching is watched anew".to_owned(),
            release: phase.release().map(|release| release.id),
        });
        (cutover, told)
    }

    /// Whether it has gone back since `before`: it answers everyone with what was good, or has given
    /// up.
    pub fn has_gone_back(&self, before: &Self) -> bool {
        let serves = |cutover: &Self| cutover.phase.serving().split().clone();
        let is_left = |release: &Release| release.from.split() == release.safe.split();
        match self.phase.awake() {
            Phase::RollingBack(_) | Phase::Failed(_) => {
                self.phase.name() != before.phase.name() || serves(self) != serves(before)
            }
            Phase::Probing(Probing { release, .. })
            | Phase::Waiting(Waiting { release, share: None, .. }) => {
                is_left(release) && serves(self) != serves(before)
            }
            _ => false,
        }
    }
}

/// The phase that goes on from a stage.
fn resumed(stage: Stage, cx: &Context<'_>) -> Phase {
    match stage {
        Stage::Steady { serving, previous } => Phase::steady(serving, previous),
        Stage::Paused(stage, reason) => resumed(*stage, cx).paused(reason, cx.now),
        // What stood in the way of a step stands there again once its gate is open.
        Stage::Probing(release) | Stage::Waiting(release, None) => {
            let deadline = cx.now + cx.spec.release.deadline;
            Phase::Probing(Probing { release, deadline })
        }
        Stage::Shifting(release, share)
        | Stage::Settling(release, share)
        | Stage::Judging(release, share)
        | Stage::Waiting(release, Some(share))
            if share < Percent::ALL =>
        {
            Phase::Settling(Settling::begin(release, share, cx))
        }
        Stage::Shifting(release, _)
        | Stage::Settling(release, _)
        | Stage::Judging(release, _)
        | Stage::Waiting(release, Some(_))
        | Stage::Baking(release) => Phase::Baking(Baking::begin(release, cx)),
        Stage::Draining(release) => Phase::Draining(Draining::begin(release, cx)),
        Stage::RollingBack { release, failure } => {
            Phase::RollingBack(RollingBack::begin(release, failure, cx))
        }
        Stage::Failed { release, serving, reason } => {
            Phase::Failed(Failed { release, serving, reason })
        }
    }
}
