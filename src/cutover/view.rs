//! What a phase shows of itself.

use std::sync::Arc;

use super::phase::{Baking, Draining, Failed, Phase, Probing, Release, RollingBack, Shifting};
use crate::model::{Pool, Timestamp};

impl Phase {
    /// The word for people, logs and metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Steady(_) => "Steady",
            Self::Probing(_) => "Probing",
            Self::Shifting(_) => "Shifting",
            Self::Baking(_) => "Baking",
            Self::Draining(_) => "Draining",
            Self::RollingBack(_) => "RollingBack",
            Self::Failed(_) => "Failed",
        }
    }

    /// Every name that [`Phase::name`] can give.
    pub const NAMES: [&str; 7] =
        ["Steady", "Probing", "Shifting", "Baking", "Draining", "RollingBack", "Failed"];

    /// The pool that is to answer in this phase.
    pub fn serving(&self) -> &Arc<Pool> {
        match self {
            Self::Steady(steady) => &steady.pool,
            Self::Probing(probing) => &probing.release.from,
            Self::Shifting(Shifting { release })
            | Self::Baking(Baking { release, .. })
            | Self::Draining(Draining { release, .. }) => &release.to,
            Self::RollingBack(back) => &back.release.safe,
            Self::Failed(failed) => &failed.serving,
        }
    }

    /// The pool whose release failed. It may have been mended since.
    pub(super) fn failed_pool(&self) -> Option<&Arc<Pool>> {
        match self {
            Self::Failed(failed) => Some(&failed.release.to),
            _ => None,
        }
    }

    /// The pool that was good before [`Phase::serving`].
    pub fn fallback(&self) -> Option<&Arc<Pool>> {
        let fallback = match self {
            Self::Steady(steady) => steady.previous.as_ref(),
            Self::Shifting(Shifting { release })
            | Self::Baking(Baking { release, .. })
            | Self::Draining(Draining { release, .. }) => Some(&release.safe),
            Self::Probing(Probing { release, .. })
            | Self::RollingBack(RollingBack { release, .. })
            | Self::Failed(Failed { release, .. }) => {
                let serves_safe = release.safe.name == self.serving().name;
                if serves_safe { release.fallback.as_ref() } else { Some(&release.safe) }
            }
        };
        fallback.filter(|pool| pool.name != self.serving().name)
    }

    /// The release that this phase belongs to.
    pub fn release(&self) -> Option<&Release> {
        match self {
            Self::Steady(_) => None,
            Self::Probing(Probing { release, .. })
            | Self::Shifting(Shifting { release })
            | Self::Baking(Baking { release, .. })
            | Self::Draining(Draining { release, .. })
            | Self::RollingBack(RollingBack { release, .. })
            | Self::Failed(Failed { release, .. }) => Some(release),
        }
    }

    /// When this phase ends by itself, if it does.
    pub fn deadline(&self) -> Option<Timestamp> {
        match self {
            Self::Probing(probing) => Some(probing.deadline),
            // Held past its bake, it waits for a verdict and not for the clock.
            Self::Baking(baking) => baking.held.is_none().then_some(baking.since + baking.bake),
            Self::Draining(draining) => Some(draining.until),
            Self::RollingBack(back) => Some(back.until),
            Self::Steady(_) | Self::Shifting(_) | Self::Failed(_) => None,
        }
    }

    /// Why the release failed or is held, if it is.
    pub fn trouble(&self) -> Option<&str> {
        match self {
            Self::Baking(baking) => baking.held.as_deref(),
            Self::RollingBack(back) => back.failure.as_deref(),
            Self::Failed(failed) => Some(&failed.reason),
            _ => None,
        }
    }
}
