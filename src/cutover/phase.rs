//! The phases as types: `Steady → Probing → Shifting → Baking → Draining → Steady`, and the way
//! back: `RollingBack`, `Failed`.
//!
//! Edges that time and verdicts take are here; those that an edit of the file takes are in
//! `edit`.

use std::sync::Arc;

use humantime::format_duration;

use crate::{
    health::ServiceHealth,
    model::{FailPolicy, Pool, ServiceSpec, Timestamp},
};

/// What an edge may look at.
pub(super) struct Context<'a> {
    pub(super) now: Timestamp,
    pub(super) spec: &'a ServiceSpec,
    pub(super) health: &'a ServiceHealth,
    pub(super) outstanding: Timestamp,
}

impl Context<'_> {
    /// When a cache that was last answered now has dropped that answer.
    fn caches_clear_at(&self) -> Timestamp {
        self.outstanding.max(self.now + self.spec.ttl.duration())
    }
}

/// The result of looking at a phase.
pub(super) enum Step {
    Stay(Phase),
    Go(Phase, String),
}

/// One release: where it started, where it goes, and where a rollback goes.
#[derive(Clone, Debug)]
pub struct Release {
    /// Its number within the service.
    pub id: u64,
    /// The pool that answered when it began.
    pub from: Arc<Pool>,
    /// The pool that is to answer.
    pub to: Arc<Pool>,
    /// The last pool that finished its bake: `from`, unless this release replaces one that was
    /// still baking.
    pub safe: Arc<Pool>,
    /// The pool that answered before `safe`, if it is still there.
    pub fallback: Option<Arc<Pool>>,
    /// When it began.
    pub started_at: Timestamp,
}

/// Nothing is being released.
#[derive(Clone, Debug)]
pub struct Steady {
    pool: Arc<Pool>,
    previous: Option<Arc<Pool>>,
}

/// The new pool has no clients yet; enough of it must be up by the deadline.
#[derive(Clone, Debug)]
pub struct Probing {
    pub(super) release: Release,
    pub(super) deadline: Timestamp,
}

/// The new pool may answer; the table that says so is not stored yet.
#[derive(Clone, Debug)]
pub struct Shifting {
    pub(super) release: Release,
}

/// The new pool answers everyone and is being watched.
#[derive(Clone, Debug)]
pub struct Baking {
    pub(super) release: Release,
    pub(super) until: Timestamp,
    /// When the caches have dropped the old pool.
    pub(super) clear_at: Timestamp,
    /// Why it should be rolled back but cannot be.
    pub(super) held: Option<String>,
}

/// The release is done; caches may still hold the old pool.
#[derive(Clone, Debug)]
pub struct Draining {
    pub(super) release: Release,
    pub(super) until: Timestamp,
    /// Whether the old pool answers in place of the new one (fail policy `previous`).
    stands_in: bool,
}

/// The safe pool answers again; caches may still hold the one that was left.
#[derive(Clone, Debug)]
pub struct RollingBack {
    pub(super) release: Release,
    pub(super) until: Timestamp,
    /// Why the release failed; `None` when a person went back.
    pub(super) failure: Option<String>,
}

/// The release failed and stays failed until the service is edited.
#[derive(Clone, Debug)]
pub struct Failed {
    pub(super) release: Release,
    pub(super) serving: Arc<Pool>,
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
    Shifting(Shifting),
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
    fn advance(self, cx: &Context<'_>) -> Step {
        let policy = &cx.spec.release;
        let tally = cx.health.tally(&self.release.to);
        let count = format!(
            "{} of {} endpoints of {} are up ({} needed)",
            tally.proven, tally.total, self.release.to.name, policy.min_up
        );
        if policy.min_up.reached_by(tally.proven, tally.total) {
            return Step::Go(Phase::Shifting(Shifting { release: self.release }), count);
        }
        if cx.now < self.deadline {
            return Step::Stay(Phase::Probing(self));
        }
        let allowed = format_duration(policy.deadline);
        let reason = format!("after {allowed} only {count}; nothing was moved");
        let serving = self.release.from.clone();
        let failed = Failed { release: self.release, serving, reason: reason.clone() };
        Step::Go(Phase::Failed(failed), reason)
    }
}

impl Shifting {
    fn published(self, cx: &Context<'_>) -> Step {
        let why =
            format!("answers moved from {} to {}", self.release.from.name, self.release.to.name);
        Step::Go(Phase::Baking(Baking::begin(self.release, cx)), why)
    }
}

impl Baking {
    pub(super) fn begin(release: Release, cx: &Context<'_>) -> Self {
        let until = cx.now + cx.spec.release.bake;
        Self { release, until, clear_at: cx.caches_clear_at(), held: None }
    }

    fn advance(mut self, cx: &Context<'_>) -> Step {
        let Some(trouble) = self.trouble(cx) else {
            return self.advance_healthy(cx);
        };
        let safe = &self.release.safe;
        if cx.health.tally(safe).eligible > 0 {
            let why = format!("{trouble}: rolled back to {}", safe.name);
            let back = RollingBack::begin(self.release, Some(trouble), cx);
            return Step::Go(Phase::RollingBack(back), why);
        }
        let held = format!("{trouble}, and no endpoint of {} is up: not rolled back", safe.name);
        if self.held.as_ref() == Some(&held) {
            return Step::Stay(Phase::Baking(self));
        }
        self.held = Some(held.clone());
        Step::Go(Phase::Baking(self), held)
    }

    /// Why the release should not go on, if it should not. An endpoint that has not been judged
    /// yet is not held against it.
    fn trouble(&self, cx: &Context<'_>) -> Option<String> {
        let to = &self.release.to;
        let tally = cx.health.tally(to);
        let min_up = cx.spec.release.min_up;
        (!min_up.reached_by(tally.total - tally.down, tally.total)).then(|| {
            format!(
                "{} of {} endpoints of {} are down ({min_up} must be up)",
                tally.down, tally.total, to.name
            )
        })
    }

    fn advance_healthy(mut self, cx: &Context<'_>) -> Step {
        if cx.now >= self.until {
            let why = format!(
                "{} baked for {}",
                self.release.to.name,
                format_duration(cx.spec.release.bake)
            );
            let draining =
                Draining { release: self.release, until: self.clear_at, stands_in: false };
            return Step::Go(Phase::Draining(draining), why);
        }
        match self.held.take() {
            Some(_) => {
                let why = format!("{} is healthy again", self.release.to.name);
                Step::Go(Phase::Baking(self), why)
            }
            None => Step::Stay(Phase::Baking(self)),
        }
    }
}

impl Draining {
    fn advance(mut self, cx: &Context<'_>) -> Step {
        // As long as the old pool stands in, caches go on learning it.
        let stands_in = self.old_stands_in(cx);
        if stands_in || self.stands_in {
            self.until = self.until.max(cx.caches_clear_at());
        }
        self.stands_in = stands_in;
        if cx.now < self.until {
            return Step::Stay(Phase::Draining(self));
        }
        let Release { from, to, safe, .. } = self.release;
        let why = format!("no cache that keeps to the TTL holds {} any longer", from.name);
        Step::Go(Phase::steady(to, Some(safe)), why)
    }

    fn old_stands_in(&self, cx: &Context<'_>) -> bool {
        let eligible = |pool| cx.health.tally(pool).eligible;
        cx.spec.fail_policy == FailPolicy::Previous
            && eligible(&self.release.to) == 0
            && eligible(&self.release.safe) > 0
    }
}

impl RollingBack {
    pub(super) fn begin(release: Release, failure: Option<String>, cx: &Context<'_>) -> Self {
        Self { release, until: cx.caches_clear_at(), failure }
    }

    fn advance(self, cx: &Context<'_>) -> Step {
        if cx.now < self.until {
            return Step::Stay(Phase::RollingBack(self));
        }
        let serving = self.release.safe.clone();
        let cleared =
            format!("no cache that keeps to the TTL holds {} any longer", self.release.to.name);
        match self.failure {
            None => Step::Go(Phase::steady(serving, self.release.fallback), cleared),
            Some(reason) => {
                let why = format!("{reason}; {cleared}");
                Step::Go(Phase::Failed(Failed { release: self.release, serving, reason }), why)
            }
        }
    }
}

impl Phase {
    pub(super) fn steady(pool: Arc<Pool>, previous: Option<Arc<Pool>>) -> Self {
        Self::Steady(Steady { pool, previous })
    }

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

    /// The pool that answers when nothing of [`Phase::serving`] is up.
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
            Self::Baking(baking) => baking.held.is_none().then_some(baking.until),
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

    pub(super) fn advance(self, cx: &Context<'_>) -> Step {
        match self {
            Self::Probing(probing) => probing.advance(cx),
            Self::Baking(baking) => baking.advance(cx),
            Self::Draining(draining) => draining.advance(cx),
            Self::RollingBack(back) => back.advance(cx),
            rest @ (Self::Steady(_) | Self::Shifting(_) | Self::Failed(_)) => Step::Stay(rest),
        }
    }

    pub(super) fn published(self, cx: &Context<'_>) -> Step {
        match self {
            Self::Shifting(shifting) => shifting.published(cx),
            rest => Step::Stay(rest),
        }
    }

    /// Every pool that is held, wherever the file has gone since.
    pub(super) fn pools(&self) -> Vec<&Arc<Pool>> {
        let mut pools = vec![self.serving()];
        if let Self::Steady(steady) = self {
            pools.extend(&steady.previous);
        }
        if let Some(release) = self.release() {
            pools.extend([&release.from, &release.to, &release.safe]);
            pools.extend(&release.fallback);
        }
        pools
    }

    pub(super) fn for_each_pool(&mut self, mut visit: impl FnMut(&mut Arc<Pool>)) {
        match self {
            Self::Steady(steady) => {
                visit(&mut steady.pool);
                steady.previous.iter_mut().for_each(visit);
            }
            Self::Probing(Probing { release, .. })
            | Self::Shifting(Shifting { release })
            | Self::Baking(Baking { release, .. })
            | Self::Draining(Draining { release, .. })
            | Self::RollingBack(RollingBack { release, .. }) => release.for_each_pool(visit),
            Self::Failed(failed) => {
                visit(&mut failed.serving);
                failed.release.for_each_pool(visit);
            }
        }
    }

    /// A pool that is only kept as the one before is forgotten with the file.
    pub(super) fn drop_forgotten(&mut self, spec: &ServiceSpec) {
        let known = |pool: &Arc<Pool>| spec.pools.contains_key(&pool.name);
        match self {
            Self::Steady(steady) => steady.previous = steady.previous.take().filter(known),
            Self::Probing(Probing { release, .. })
            | Self::Shifting(Shifting { release })
            | Self::Baking(Baking { release, .. })
            | Self::Draining(Draining { release, .. })
            | Self::RollingBack(RollingBack { release, .. })
            | Self::Failed(Failed { release, .. }) => {
                release.fallback = release.fallback.take().filter(known);
            }
        }
    }
}

impl Release {
    fn for_each_pool(&mut self, mut visit: impl FnMut(&mut Arc<Pool>)) {
        [&mut self.from, &mut self.to, &mut self.safe].into_iter().for_each(&mut visit);
        self.fallback.iter_mut().for_each(visit);
    }
}
