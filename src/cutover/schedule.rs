//! The instant of a release: when its first step is to be taken, and what has become of that.
//!
//! While it lies ahead, the answers of those whom the first step moves end at it, so that caches ask
//! again when it has been taken. That holds from the moment on at which the release is known: what
//! caches were given before, they keep for its whole TTL. If that ends later than the instant, the
//! change smears until then; with `clean` the instant is put off instead.
//!
//! The gate goes first. If it has not been passed at the instant, the instant is missed: answers have
//! their whole TTL again, and the release goes on as one without an instant; it moves the answers as
//! soon as the gate is passed, or fails at its deadline. It is missed likewise when the new pool goes
//! down while it waits and is not up again by then.

use std::{sync::Arc, time::Duration};

use super::{
    CACHE_CLOCK, Horizons, Side,
    edge::Context,
    phase::{Phase, Probing, Release},
    waiting::Waiting,
};
use crate::model::{Pool, Split, Timestamp, Timing};

/// What ends at an instant is in no cache so much later.
const CLEAN_WITHIN: Duration = CACHE_CLOCK.saturating_add(Duration::from_secs(1));

/// When the first step of a release is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// As the file says.
    pub asked: Option<Timestamp>,
    /// Whether it may be put off.
    pub clean: bool,
    /// Until when caches may hold what was answered before it was known.
    pub in_caches: Timestamp,
    /// What has become of it.
    pub state: InstantState,
}

/// What has become of the instant of a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstantState {
    /// There is none: the first step is taken when the gate is passed.
    None,
    /// It is to come.
    Ahead(Timestamp),
    /// It came before the gate was passed.
    Missed(Timestamp),
    /// The first step was taken at it.
    Met(Timestamp),
}

impl Schedule {
    /// What the file asks for, of a release that begins now where `from` answers. Caches hold answers
    /// naming pools of `held`.
    pub(super) fn new<'p>(
        held: impl IntoIterator<Item = &'p Arc<Pool>>,
        from: &Side,
        cx: &Context<'_>,
    ) -> Self {
        let in_caches = horizon(held, from.split(), &cx.spec.live, cx.horizons);
        Self::made(in_caches.rounded_up(), cx)
    }

    fn made(in_caches: Timestamp, cx: &Context<'_>) -> Self {
        let policy = &cx.spec.release;
        let put_off = |at: Timestamp| if policy.clean { at.max(in_caches) } else { at };
        let instant = policy.at.map(put_off).filter(|instant| *instant > cx.now);
        let state = instant.map_or(InstantState::None, InstantState::Ahead);
        Self { asked: policy.at, clean: policy.clean, in_caches, state }
    }

    /// The same, unless the file asks for something else by now.
    pub(super) fn renewed(release: &Release, cx: &Context<'_>) -> Self {
        let (before, policy) = (release.schedule, &cx.spec.release);
        if (before.asked, before.clean) == (policy.at, policy.clean) {
            return before;
        }
        Self::made(release.horizon(cx.horizons).rounded_up().max(before.in_caches), cx)
    }

    /// The instant, if it is to come.
    pub(super) fn ahead(&self) -> Option<Timestamp> {
        match self.state {
            InstantState::Ahead(instant) => Some(instant),
            _ => None,
        }
    }

    /// The instant for which the file asks, if it was put off.
    pub fn put_off_from(&self) -> Option<Timestamp> {
        self.asked.filter(|asked| self.ahead().is_some_and(|instant| instant > *asked))
    }

    /// Another release that is to begin with it may have to wait longer for caches.
    pub(super) fn put_off(&mut self, instant: Option<Timestamp>, in_caches: Timestamp) {
        self.in_caches = in_caches;
        if let (InstantState::Ahead(_), Some(instant)) = (self.state, instant) {
            self.state = InstantState::Ahead(instant);
        }
    }

    /// The gate is not passed: says which instant is missed by that, if it has come.
    pub(super) fn miss(&mut self, now: Timestamp) -> Option<Timestamp> {
        let missed = self.ahead().filter(|instant| *instant <= now)?;
        self.state = InstantState::Missed(missed);
        Some(missed)
    }

    /// The first step is taken at the instant for which it has waited.
    pub(super) fn meet(&mut self, instant: Timestamp) {
        self.state = InstantState::Met(instant);
    }

    /// What it makes of the answers that it changes.
    const fn timing(&self) -> Timing {
        match self.state {
            InstantState::None => Timing::Lasting,
            InstantState::Ahead(instant) => Timing::Until(instant),
            // Caches have asked at it, and got what they had.
            InstantState::Missed(instant) | InstantState::Met(instant) => Timing::Since(instant),
        }
    }
}

impl Release {
    /// Until when caches that keep to the TTL hold what was answered before the instant was known,
    /// if that is later than it.
    pub fn smears_until(&self, horizons: &Horizons) -> Option<Timestamp> {
        let instant = self.schedule.ahead()?;
        // Of those who stay, answers do not end at the instant.
        let horizon = self.horizon(horizons).min(self.schedule.in_caches);
        (horizon > instant + CLEAN_WITHIN).then(|| horizon.rounded_up())
    }

    /// Until when caches can hold what was answered before it.
    fn horizon(&self, horizons: &Horizons) -> Timestamp {
        let sides = [&self.from, &self.safe].into_iter().chain(&self.fallback);
        horizon(sides.flat_map(Side::pools), self.from.split(), self.to.split(), horizons)
    }

    /// What is to be said of the instant when it comes to be known.
    pub(super) fn tell_instant(&self, cx: &Context<'_>) -> String {
        let Self { from, schedule, .. } = self;
        let Some(instant) = schedule.ahead() else { return String::new() };
        if let Some(asked) = schedule.put_off_from() {
            return format!("; put off from {asked} to {instant}: until then caches hold {}", from);
        }
        match self.smears_until(cx.horizons) {
            Some(end) => format!(
                "; the instant {instant} is nearer than what caches may hold: it smears until {end}"
            ),
            None => format!("; caches are made to expire at {instant}"),
        }
    }
}

/// The latest horizon of those pools of which an answer is no longer right when `to` answers. A pool
/// that goes on answering other clients is one of them.
fn horizon<'p>(
    pools: impl IntoIterator<Item = &'p Arc<Pool>>,
    from: &Split,
    to: &Split,
    horizons: &Horizons,
) -> Timestamp {
    let is_left = |pool: &&Arc<Pool>| from.has(&pool.name) || !to.has(&pool.name);
    let left = pools.into_iter().filter(is_left);
    left.map(|pool| horizons.of(&pool.name)).max().unwrap_or_default()
}

/// What is told of an instant that has passed by.
pub(super) fn missed_instant(instant: Timestamp) -> String {
    format!("{instant}, the instant of the release, is missed: ")
}

impl Phase {
    /// What is known of when the answers change that its first step changes.
    pub(super) fn timing(&self) -> Timing {
        match self {
            Self::Probing(Probing { release, .. }) => release.schedule.timing(),
            // Also for what else the clock holds it back.
            Self::Waiting(Waiting { share: None, clock: Some(clock), .. }) => Timing::Until(*clock),
            // It may be resumed in time.
            Self::Paused(paused) => paused.phase.timing(),
            Self::Steady(_) | Self::RollingBack(_) | Self::Failed(_) => Timing::Lasting,
            phase => match phase.release().map(|release| release.schedule.timing()) {
                Some(since @ Timing::Since(_)) => since,
                // A person did not wait for it.
                None | Some(Timing::Lasting | Timing::Until(_)) => Timing::Lasting,
            },
        }
    }

    /// Whether its first step is still to come.
    pub(super) fn is_before_first_step(&self) -> bool {
        match self {
            Self::Probing(_) | Self::Waiting(Waiting { share: None, .. }) => true,
            Self::Paused(paused) => paused.phase.is_before_first_step(),
            _ => false,
        }
    }

    /// The instant at which its answers end.
    pub(super) fn instant_ahead(&self) -> Option<Timestamp> {
        match self.timing() {
            Timing::Until(instant) => Some(instant),
            Timing::Lasting | Timing::Since(_) => None,
        }
    }
}
