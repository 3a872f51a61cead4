//! When the conductor looks at a service although nothing has happened to it.
//!
//! A step at an instant is decided and kept a moment before it, so that when it comes only the table has
//! to be stored: whoever asks between the instant and the store is given the old answer for a second
//! more, and caches ask just then.

use std::{thread, time::Duration};

use super::Conductor;
use crate::{
    daemon::metrics::Cause,
    model::{ServiceName, Timestamp},
};

/// How soon to look again whether a table that was replaced is still answered from.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// How long to sleep when no deadline is set.
const NO_DEADLINE: Duration = Duration::from_secs(3_600);
/// Longer than it takes to keep a step, on a disk that is not busy.
const LEAD: Duration = Duration::from_millis(100);
/// The runtime's clock goes on by the millisecond, and may be late by one.
const TICK: Duration = Duration::from_millis(2);

/// When a service is to be looked at whose machine has this deadline, and may step at an instant.
pub(super) fn look_at(deadline: Timestamp, steps_at: Option<Timestamp>) -> Timestamp {
    match steps_at {
        Some(instant) if instant == deadline => {
            Timestamp::default() + deadline.since_epoch().saturating_sub(LEAD)
        }
        _ => deadline,
    }
}

impl Conductor {
    pub(super) fn until_next_deadline(&self) -> Duration {
        let next = self.deadlines.first().map(|(at, _)| *at).into_iter();
        let next = next.chain(self.keeper.next_try()).chain(self.outbox.next_deadline());
        let next = next.chain(self.courses.next_deadline());
        let next = next.min().map_or(NO_DEADLINE, |at| at.since(self.now()));
        if self.around.caches.is_unsettled() { next.min(LOOK_AGAIN) } else { next }
    }

    pub(super) fn meet_deadlines(&mut self) {
        let now = self.now();
        self.courses.tick(now, &self.services);
        while let Some((at, name)) = self.deadlines.first().cloned()
            && at <= now
        {
            self.deadlines.pop_first();
            self.cause = Cause::Clock;
            self.look_ahead(&name);
            self.observe(self.deciding_for(), name);
        }
        for name in self.around.caches.settled() {
            self.cause = Cause::Clock;
            self.observe(now, name);
        }
    }

    /// A service is due: perhaps for a step at an instant that is about to come.
    fn look_ahead(&mut self, name: &ServiceName) {
        let service = self.services.get(name);
        let steps_at = service.and_then(|service| service.cutover.steps_at());
        let soon = steps_at.filter(|instant| *instant <= self.now() + LEAD);
        self.ahead = self.ahead.max(soon);
    }

    /// The time for which is being decided.
    pub(super) fn deciding_for(&self) -> Timestamp {
        self.ahead.unwrap_or_default().max(self.now())
    }

    /// What has been decided for an instant is not shown before it comes.
    pub(super) async fn wait_for_instant(&mut self) {
        let Some(instant) = self.ahead.take() else { return };
        tokio::time::sleep(instant.since(self.now()).saturating_sub(TICK)).await;
        thread::sleep(instant.since(self.now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_step_at_an_instant_is_looked_at_before_it_is_due() {
        let at = |millis: u64| Timestamp::from_unix_micros(millis * 1_000);
        assert_eq!(look_at(at(5_000), None), at(5_000));
        assert_eq!(look_at(at(5_000), Some(at(9_000))), at(5_000), "a deadline before it");
        assert_eq!(look_at(at(5_000), Some(at(5_000))), at(4_900));
        assert_eq!(look_at(at(50), Some(at(50))), at(0));
    }
}
