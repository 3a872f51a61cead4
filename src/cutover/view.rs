//! What a phase shows of itself.

use std::borrow::Cow;

use super::{
    phase::{Baking, Draining, Failed, Phase, Probing, Release, Shifting},
    ramp::{Judging, Settling},
    rolling_back::{Relieved, RollingBack},
    side::Side,
    waiting::Waiting,
    watch::Held,
};
use crate::model::{Percent, PoolName, Timestamp};

impl Phase {
    /// The word for people, logs and metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Steady(_) => "Steady",
            Self::Probing(_) => "Probing",
            Self::Waiting(_) => "Waiting",
            Self::Shifting(_) => "Shifting",
            Self::Settling(_) => "Settling",
            Self::Judging(_) => "Judging",
            Self::Paused(_) => "Paused",
            Self::Baking(_) => "Baking",
            Self::Draining(_) => "Draining",
            Self::RollingBack(_) => "RollingBack",
            Self::Failed(_) => "Failed",
        }
    }

    /// Every name that [`Phase::name`] can give.
    pub const NAMES: [&str; 11] = [
        "Steady",
        "Probing",
        "Waiting",
        "Shifting",
        "Settling",
        "Judging",
        "Paused",
        "Baking",
        "Draining",
        "RollingBack",
        "Failed",
    ];

    /// The share of the clients that [`Phase::serving`] is to answer; the others are answered with
    /// what the release started from.
    pub fn share(&self) -> Percent {
        match self {
            Self::Shifting(Shifting { share, .. })
            | Self::Settling(Settling { share, .. })
            | Self::Judging(Judging { share, .. })
            | Self::Waiting(Waiting { share: Some(share), .. }) => *share,
            Self::Paused(paused) => paused.phase.share(),
            _ => Percent::ALL,
        }
    }

    /// What is to answer in this phase, or a share of the clients.
    pub fn serving(&self) -> &Side {
        match self {
            Self::Steady(steady) => &steady.serving,
            Self::Probing(Probing { release, .. })
            | Self::Waiting(Waiting { release, share: None, .. }) => &release.from,
            Self::Waiting(Waiting { release, share: Some(_), .. })
            | Self::Shifting(Shifting { release, .. })
            | Self::Settling(Settling { release, .. })
            | Self::Judging(Judging { release, .. })
            | Self::Baking(Baking { release, .. })
            | Self::Draining(Draining { release, .. }) => &release.to,
            Self::Paused(paused) => paused.phase.serving(),
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
    pub(super) fn is_on_trial(&self) -> bool {
        match self {
            Self::Shifting(_) | Self::Settling(_) | Self::Judging(_) | Self::Baking(_) => true,
            Self::Waiting(waiting) => waiting.share.is_some(),
            Self::Paused(paused) => paused.phase.is_on_trial(),
            _ => false,
        }
    }

    /// Whether a pool has clients, or may be given some: by the release that is under way, or by the
    /// way back from it. Such a one is not to be switched off, whatever caches hold.
    pub fn needs(&self, pool: &PoolName) -> bool {
        let release = self.release();
        let is_under_way = release.filter(|_| self.is_on_trial() || self.is_ahead());
        let on_the_way = is_under_way.map(|release| [&release.from, &release.to]);
        let back = release.filter(|_| !matches!(self, Self::Draining(_))).map(|it| &it.safe);
        let now = [self.serving(), self.main()].into_iter();
        now.chain(on_the_way.into_iter().flatten()).chain(back).any(|side| side.split().has(pool))
    }

    /// Whether a new side has no clients yet.
    fn is_ahead(&self) -> bool {
        match self {
            Self::Probing(_) => true,
            Self::Waiting(waiting) => waiting.share.is_none(),
            Self::Paused(paused) => paused.phase.is_ahead(),
            _ => false,
        }
    }

    /// Whether a new side is to have all clients, and does not have them yet.
    pub(super) fn is_before_all(&self) -> bool {
        self.is_ahead() || (self.is_on_trial() && self.share() < Percent::ALL)
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
            Self::Paused(paused) => paused.phase.fallback(),
            Self::Shifting(Shifting { release, .. })
            | Self::Settling(Settling { release, .. })
            | Self::Judging(Judging { release, .. })
            | Self::Waiting(Waiting { release, share: Some(_), .. })
            | Self::Baking(Baking { release, .. })
            | Self::Draining(Draining { release, .. }) => Some(&release.safe),
            Self::Probing(Probing { release, .. })
            | Self::Waiting(Waiting { release, share: None, .. })
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
            Self::Paused(paused) => paused.phase.release(),
            Self::Probing(Probing { release, .. })
            | Self::Waiting(Waiting { release, .. })
            | Self::Shifting(Shifting { release, .. })
            | Self::Settling(Settling { release, .. })
            | Self::Judging(Judging { release, .. })
            | Self::Baking(Baking { release, .. })
            | Self::Draining(Draining { release, .. })
            | Self::RollingBack(RollingBack { release, .. })
            | Self::Failed(Failed { release, .. }) => Some(release),
        }
    }

    /// When this phase ends by itself, if nothing but the clock has to pass.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Waiting(waiting) if !waiting.is_only_clock => None,
            phase => phase.deadline(),
        }
    }

    /// Whether it goes on only when a table has been stored.
    pub(super) fn is_unpublished(&self) -> bool {
        match self {
            Self::Shifting(_) => true,
            Self::RollingBack(back) => back.relieved == Relieved::Unpublished,
            _ => false,
        }
    }

    /// When the clock next changes something about this phase, if it does.
    pub fn deadline(&self) -> Option<Timestamp> {
        match self {
            Self::Probing(Probing { release, deadline }) => {
                Some(release.schedule.ahead().map_or(*deadline, |at| at.min(*deadline)))
            }
            Self::Waiting(waiting) => waiting.clock.filter(|_| waiting.held.is_none()),
            Self::Settling(settling) => settling.deadline(),
            Self::Judging(judging) => judging.deadline(),
            // Held past its bake, it waits for a verdict and not for the clock.
            Self::Baking(baking) => {
                let is_clocked = baking.held.is_none() && baking.lacks.is_none();
                is_clocked.then_some(baking.since + baking.bake)
            }
            Self::Draining(draining) => Some(draining.until),
            Self::RollingBack(back) => back.deadline(),
            Self::Paused(paused) => paused.phase.instant_ahead(),
            Self::Steady(_) | Self::Shifting(_) | Self::Failed(_) => None,
        }
    }

    /// Why the release failed, waits or is held, if it does.
    pub fn trouble(&self) -> Option<Cow<'_, str>> {
        let trouble = match self {
            Self::Paused(paused) => return Some(paused.why().into()),
            Self::Waiting(waiting) => why_held(&waiting.held).or(Some(&waiting.reason)),
            Self::Settling(settling) => why_held(&settling.held),
            Self::Judging(judging) => why_held(&judging.held).or(judging.lacks.as_deref()),
            Self::Baking(baking) => why_held(&baking.held).or(baking.lacks.as_deref()),
            Self::RollingBack(back) => back.failure.as_deref(),
            Self::Failed(failed) => Some(failed.reason.as_str()),
            _ => None,
        };
        trouble.map(Cow::Borrowed)
    }
}

fn why_held(held: &Option<Held>) -> Option<&str> {
    held.as_ref().map(|held| held.why.as_str())
}
