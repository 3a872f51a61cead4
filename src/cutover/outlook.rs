//! What lies ahead of a service, for people: what happens next and when, and what a rollback would do.
//! Nothing is decided by it.

use std::sync::Arc;

use humantime::format_duration;

use super::{
    Cutover, Horizons,
    phase::{Baking, Draining, Failed, Phase, Probing, Release, Shifting},
    ramp::{Judging, Settling},
    rolling_back::RollingBack,
    side::{Side, gone},
    waiting::Waiting,
};
use crate::{
    health::{Count, ServiceHealth},
    model::{Percent, Pool, Timestamp},
};

/// What happens next, if nothing breaks and nobody says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// In words.
    pub what: String,
    /// When, if the clock decides it.
    pub at: Option<Timestamp>,
}

/// What a rollback would do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WayBack {
    /// Who would answer.
    pub to: Side,
    /// Until when caches that keep to the TTL would hold what was answered before.
    pub clears_at: Timestamp,
    /// Why it would be refused.
    pub refused: Option<String>,
}

impl Cutover {
    /// What happens next, if anything does by itself.
    pub fn next(&self) -> Option<Next> {
        let what = self.what_is_next()?;
        let is_ready = self.waits.as_ref().is_some_and(|waits| waits.is_ready);
        Some(Next { what, at: self.phase.until().filter(|_| !is_ready) })
    }

    fn what_is_next(&self) -> Option<String> {
        let policy = &self.spec.release;
        Some(match &self.phase {
            Phase::Probing(Probing { release, deadline }) => {
                match release.schedule.ahead().filter(|instant| instant < deadline) {
                    Some(_) => self.step_after(release, None),
                    None => format!("the release fails, unless {} has passed by then", release.to),
                }
            }
            Phase::Waiting(Waiting { release, share, .. }) => self.step_after(release, *share),
            Phase::Shifting(Shifting { release, share }) => self.step_to(release, *share),
            Phase::Settling(Settling { share, .. }) => {
                let bake = format_duration(policy.bake_at(*share));
                format!("caches hold nothing from before {share}; then that is watched for {bake}")
            }
            Phase::Judging(Judging { release, share, .. }) => {
                self.step_after(release, Some(*share))
            }
            Phase::Baking(Baking { release, .. }) => {
                format!("the release to {} is done", release.to)
            }
            Phase::Draining(Draining { release, .. }) => match gone(&release.from, &release.to) {
                Some(pools) => format!("no cache holds {pools} any longer"),
                None => format!("the release to {} is over", release.to),
            },
            Phase::RollingBack(RollingBack { release, .. }) => {
                match gone(&release.to, &release.safe) {
                    Some(pools) => format!("no cache holds {pools} any longer"),
                    None => "caches hold nothing from before the rollback".to_owned(),
                }
            }
            Phase::Steady(_) | Phase::Paused(_) | Phase::Failed(_) => return None,
        })
    }

    fn step_after(&self, release: &Release, share: Option<Percent>) -> String {
        self.step_to(release, release.share_after(&self.spec.release, share))
    }

    fn step_to(&self, release: &Release, share: Percent) -> String {
        let ramp = &self.spec.release.ramp;
        let (to, steps) = (&release.to, ramp.len() + 1);
        let step = ramp.iter().filter(|step| step.share < share).count() + 1;
        match (share, steps) {
            (Percent::ALL, 1) => format!("all clients move to {to}"),
            (Percent::ALL, _) => format!("step {step} of {steps}: all clients move to {to}"),
            _ => format!("step {step} of {steps}: {share} of the clients have {to}"),
        }
    }

    /// What a rollback would do now, if it would move anybody.
    pub fn way_back(&self, health: &ServiceHealth, horizons: &Horizons) -> Option<WayBack> {
        let release = self.phase.left_by_rollback()?;
        let clears_at = release.left().map(|pool| horizons.of(&pool.name)).max();
        let refused = none_up(&release.safe, health);
        Some(WayBack { to: release.safe, clears_at: clears_at.unwrap_or_default(), refused })
    }
}

impl Phase {
    /// The release from which a rollback would go back, if clients have its new side.
    fn left_by_rollback(&self) -> Option<Release> {
        match self {
            Self::Paused(paused) => paused.phase.left_by_rollback(),
            Self::Failed(Failed { release, serving, .. }) => {
                let is_left = serving.split() != release.safe.split();
                is_left.then(|| release.clone().left_answering(serving.clone()))
            }
            Self::Draining(Draining { release, .. }) => Some(release.clone()),
            phase if phase.is_on_trial() => phase.release().cloned(),
            _ => None,
        }
    }
}

impl Release {
    /// The pools that a rollback leaves, or leaves with fewer clients.
    fn left(&self) -> impl Iterator<Item = &Arc<Pool>> {
        let Self { from, to, safe, .. } = self;
        [from, to].into_iter().flat_map(|side| side.left_for(safe)).chain(self.relieved())
    }
}

/// Why nobody can be moved to a side, if it is so.
pub(super) fn none_up(side: &Side, health: &ServiceHealth) -> Option<String> {
    let Count { eligible, total, .. } = side.tally(health).all;
    (eligible == 0).then(|| format!("none of the {total} endpoints of {side} are up"))
}
