//! What a phase shows of itself.

use super::{
    phase::{Baking, Draining, Failed, Phase, Probing, Release, RollingBack, Shifting},
    ramp::{Judging, Settling},
    side::Side,
};
use crate::model::{Percent, Timestamp};

impl Phase {
    /// The word for people, logs and metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Steady(_) => "Steady",
            Self::Probing(_) => "Probing",
            Self::Shifting(_) => "Shifting",
            Self::Settling(_) => "Settling",
            Self::Judging(_) => "Judging",
            Self::Baking(_) => "Baking",
            Self::Draining(_) => "Draining",
            Self::RollingBack(_) => "RollingBack",
            Self::Failed(_) => "Failed",
        }
    }

    /// Every name that [`Phase::name`] can give.
    pub const NAMES: [&str; 9] = [
        "Steady",
        "Probing",
        "Shifting",
        "Settling",
        "Judging",
        "Baking",
        "Draining",
        "RollingBack",
        "Failed",
    ];

    /// The share of the clients that [`Phase::serving`] is to answer; the others are answered with
    /// what the release started from.
    pub const fn share(&self) -> Percent {
        match self {
            Self::Shifting(Shifting { share, .. })
            | Self::Settling(Settling { share, .. })
            | Self::Judging(Judging { share, .. }) => *share,
            _ => Percent::ALL,
        }
    }

    /// What is to answer in this phase, or a share of the clients.
    pub fn serving(&self) -> &Side {
        match self {
            Self::Steady(steady) => &steady.serving,
            Self::Probing(probing) => &probing.release.from,
            Self::Shifting(Shifting { release, .. })
            | Self::Settling(Settling { release, .. })
            | Self::Judging(Judging { release, .. })
            | Self::Baking(Baking { release, .. })
            | Self::Draining(Draining { release, .. }) => &release.to,
            Self::RollingBack(back) => &back.release.safe,
            Self::Failed(failed) => &failed.serving,
        }
    }

    /// What answers whoever is not in [`Phase::share`], or everyone.
    pub fn main(&self) -> &Side {
        match self.release() {
            Some(release) if self.share() < Percent::ALL => &release.from,
            _ => self.serving(),
        }
    }

    /// Whether a new side has clients, and has not finished its bake.
    pub(super) const fn is_on_trial(&self) -> bool {
        matches!(self, Self::Shifting(_) | Self::Settling(_) | Self::Judging(_) | Self::Baking(_))
    }

    /// What the release that failed went to. It may have been mended since.
    pub(super) fn failed_side(&self) -> Option<&Side> {
        match self {
            Self::Failed(failed) => Some(&failed.release.to),
            _ => None,
        }
    }

    /// What was good before [`Phase::serving`].
    pub fn fallback(&self) -> Option<&Side> {
        let fallback = match self {
            Self::Steady(steady) => steady.previous.as_ref(),
            Self::Shifting(Shifting { release, .. })
            | Self::Settling(Settling { release, .. })
            | Self::Judging(Judging { release, .. })
            | Self::Baking(Baking { release, .. })
            | Self::Draining(Draining { release, .. }) => Some(&release.safe),
            Self::Probing(Probing { release, .. })
            | Self::RollingBack(RollingBack { release, .. })
            | Self::Failed(Failed { release, .. }) => {
                let serves_safe = release.safe.split() == self.serving().split();
                if serves_safe { release.fallback.as_ref() } else { Some(&release.safe) }
            }
        };
        fallback.filter(|side| side.split() != self.serving().split())
    }

    /// The release that this phase belongs to.
    pub fn release(&self) -> Option<&Release> {
        match self {
            Self::Steady(_) => None,
            Self::Probing(Probing { release, .. })
            | Self::Shifting(Shifting { release, .. })
            | Self::Settling(Settling { release, .. })
            | Self::Judging(Judging { release, .. })
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
            Self::Settling(settling) => settling.held.is_none().then_some(settling.until),
            Self::Judging(judging) => {
                judging.held.is_none().then_some(judging.since + judging.bake)
            }
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
            Self::Settling(settling) => settling.held.as_deref(),
            Self::Judging(judging) => judging.held.as_deref(),
            Self::Baking(baking) => baking.held.as_deref(),
            Self::RollingBack(back) => back.failure.as_deref(),
            Self::Failed(failed) => Some(&failed.reason),
            _ => None,
        }
    }
}
