//! What is promised of caches: whatever is said to be out of them, is.
//!
//! Of caches that keep to the TTL. Those that stretch it hold answers for longer, and browsers for a
//! minute more: that is counted apart.

use cutover::{
    cutover::{Answering, Basis, CACHE_CLOCK, Timed, Transition, phase::Release},
    model::{Spread, Timestamp, Timing},
};

use super::{
    answers::picked,
    caches::{Browser, Cache, Held, Keeping, PINNED},
    conductor::Conductor,
    promises::{Cause, Checked, Stand},
    seen::Seen,
    wanted::number_of,
};

/// All that hold answers, beside what is known of them.
pub(crate) struct Caches<'w> {
    pub(crate) conductor: &'w Conductor,
    pub(crate) caches: &'w [Cache],
    pub(crate) browsers: &'w [Browser],
}

impl Caches<'_> {
    /// Looks at all of them after an event.
    pub(crate) fn check(
        &self,
        now: Timestamp,
        cause: Cause,
        before: &Stand,
        told: &[Transition],
        seen: &mut Seen,
    ) -> Checked {
        self.are_within_horizons(now)?;
        for transition in told {
            match (transition.from, transition.to) {
                ("Settling", "Judging") => self.are_settled(now, before)?,
                ("Judging", "Shifting" | "Waiting") if cause == Cause::Clock => {
                    self.are_settled(now, before)?;
                }
                ("Waiting", "Shifting") if cause == Cause::Clock => {
                    self.have_expired_at_the_instant(before)?;
                }
                ("Draining", "Steady") | ("RollingBack", "Steady" | "Failed") => {
                    // Of a release that an edit has just made another one of, nothing is said.
                    let is_same = cause != Cause::Edit || before.phase == transition.from;
                    let is_its = |it: &&Release| is_same && Some(it.id) == transition.release;
                    if let Some(release) = before.release.as_ref().filter(is_its) {
                        self.are_drained(now, before, release, seen)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// None holds a pool for longer than the horizon that is shown of it; and a browser behind it for
    /// no more than the pin allowance beyond.
    fn are_within_horizons(&self, now: Timestamp) -> Checked {
        let horizons = self.conductor.horizons(now);
        for held in self.by_the_standard(now) {
            let pool = self.conductor.pool_of(held.pool);
            let horizon = horizons.of(pool);
            if held.expires > horizon && self.conductor.cutover.holds(pool) {
                let late = held.expires.since(horizon);
                return Err(format!("{pool} is in a cache for {late:?} after its horizon"));
            }
        }
        for browser in self.browsers {
            let Some(held) = browser.holds(now) else { continue };
            let pool = self.conductor.pool_of(held.pool);
            let allowed = horizons.of(pool) + PINNED;
            let counts = self.caches[browser.behind].keeping.is_by_the_standard();
            if counts && held.expires > allowed && self.conductor.cutover.holds(pool) {
                return Err(format!("{pool} is in a browser after its pin allowance"));
            }
        }
        Ok(())
    }

    /// What caches hold is from tables with the share that is to be judged, and with no other; or it
    /// was given in place of a pool that was down.
    fn are_settled(&self, now: Timestamp, before: &Stand) -> Checked {
        for held in self.by_the_standard(now) {
            let made_of = self.conductor.answered(held.generation);
            let moved = made_of.and_then(|table| table.moved.as_ref());
            let is_of_share = moved.is_some_and(|moved| {
                moved.share == before.share && before.salt.is_none_or(|salt| salt == moved.salt)
            });
            let stood_in = made_of.is_some_and(|table| table.basis != Basis::Live);
            if !is_of_share && !stood_in {
                let late = held.expires.since(now);
                return Err(format!(
                    "{} is being judged, and for {late:?} a cache holds what it was given by {made_of:?}",
                    before.share
                ));
            }
        }
        Ok(())
    }

    /// The first step was taken at an instant. What those whom it moved were given while it lay ahead
    /// ends at it, within a second.
    fn have_expired_at_the_instant(&self, before: &Stand) -> Checked {
        let Some(Timed { timing: Timing::Until(instant), .. }) = before.timed else {
            return Ok(());
        };
        // Where others stand in for a pool, these are given something new when that begins or ends.
        let is_plain = |it: &&Answering| {
            (it.spread, it.basis) == (Spread::Sticky, Basis::Live) && it.out().next().is_none()
        };
        if self.conductor.published.as_ref().filter(is_plain).is_none() {
            return Ok(());
        }
        for cache in self.caches.iter().filter(|cache| cache.keeping == Keeping::Exactly) {
            let Some(held) = cache.holds(instant + CACHE_CLOCK) else { continue };
            let made_of = self.conductor.answered(held.generation).filter(is_plain);
            let was_known = made_of.and_then(|table| table.timed) == before.timed;
            let number = number_of(self.conductor.pool_of(held.pool));
            let is_old = picked(self.conductor, cache.network)? != Some(number);
            if was_known && is_old {
                let late = held.expires.since(instant);
                return Err(format!("a cache holds v{number} for {late:?} after the instant"));
            }
        }
        Ok(())
    }

    /// None holds a pool of the release but those that answer.
    fn are_drained(
        &self,
        now: Timestamp,
        before: &Stand,
        release: &Release,
        seen: &mut Seen,
    ) -> Checked {
        let serving = self.conductor.cutover.phase().serving().split();
        // Of a release that had failed, what it did not reach is not what was left.
        let to = if before.phase == "Failed" { &before.serving } else { release.to.split() };
        let left = [release.from.split(), to, release.safe.split()];
        let is_left = |held: &Held| {
            let pool = self.conductor.pool_of(held.pool);
            !serving.has(pool) && left.iter().any(|split| split.has(pool))
        };
        if let Some(held) = self.by_the_standard(now).find(is_left) {
            let (pool, late) = (self.conductor.pool_of(held.pool), held.expires.since(now));
            return Err(format!("{pool} is said to be drained, and is in a cache for {late:?}"));
        }
        let all = self.caches.iter().filter_map(|cache| cache.holds(now));
        seen.stretched += all.filter(is_left).count() as u64;
        let pinned = self.browsers.iter().filter_map(|browser| browser.holds(now));
        seen.pinned += pinned.filter(is_left).count() as u64;
        Ok(())
    }

    fn by_the_standard(&self, now: Timestamp) -> impl Iterator<Item = Held> {
        let caches = self.caches.iter().filter(|cache| cache.keeping.is_by_the_standard());
        caches.filter_map(move |cache| cache.holds(now))
    }
}
