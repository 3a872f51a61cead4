//! When the next try of each endpoint is due. Pure: time is an offset from the start of the
//! prober, chance a number from 0 to 1.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::model::Percent;

/// The first tries of many new endpoints are spread over this, so that they do not come at once,
/// and yet a new pool is known soon.
const FIRST_WITHIN: Duration = Duration::from_secs(1);

/// The pace of one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    pub(super) interval: Duration,
    pub(super) jitter: Percent,
}

/// The due times of all endpoints; each has one, or is being tried.
#[derive(Debug)]
pub(super) struct Schedule<K> {
    due: BTreeSet<(Duration, K)>,
    entries: BTreeMap<K, Entry>,
}

#[derive(Debug)]
struct Entry {
    pace: Pace,
    /// When the running try began or the waiting one is due.
    at: Duration,
    running: bool,
}

impl<K: Ord + Clone> Schedule<K> {
    pub(super) fn new() -> Self {
        Self { due: BTreeSet::new(), entries: BTreeMap::new() }
    }

    /// Adds an endpoint, or changes the pace of one that is known; another pace begins soon.
    pub(super) fn set(&mut self, now: Duration, key: K, pace: Pace, chance: f64) {
        let at = now + FIRST_WITHIN.min(pace.interval).mul_f64(chance);
        if let Some(entry) = self.entries.get_mut(&key) {
            let sooner = entry.pace != pace && !entry.running && at < entry.at;
            entry.pace = pace;
            if sooner {
                self.due.remove(&(entry.at, key.clone()));
                entry.at = at;
                self.due.insert((at, key));
            }
            return;
        }
        self.due.insert((at, key.clone()));
        self.entries.insert(key, Entry { pace, at, running: false });
    }

    pub(super) fn remove(&mut self, key: &K) {
        if let Some(entry) = self.entries.remove(key)
            && !entry.running
        {
            self.due.remove(&(entry.at, key.clone()));
        }
    }

    /// The known endpoints from `first` on, as long as `like` holds.
    pub(super) fn keys_from(&self, first: K, like: impl Fn(&K) -> bool) -> Vec<K> {
        self.entries.range(first..).map(|(key, _)| key.clone()).take_while(like).collect()
    }

    /// When something is due next.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.due.first().map(|(at, _)| *at)
    }

    /// One endpoint that is due; its try counts as running until [`Self::ended`].
    pub(super) fn begin(&mut self, now: Duration) -> Option<K> {
        if self.next_due()? > now {
            return None;
        }
        let (_, key) = self.due.pop_first()?;
        let entry = self.entries.get_mut(&key)?;
        entry.at = now;
        entry.running = true;
        Some(key)
    }

    /// The try of `key` has ended; false when nobody waits for it any more. The next is due one
    /// interval, give or take the jitter, after this one began: after a stall nothing is made up
    /// for.
    pub(super) fn ended(&mut self, now: Duration, key: &K, chance: f64) -> bool {
        let Some(entry) = self.entries.get_mut(key).filter(|entry| entry.running) else {
            return false;
        };
        let jitter = f64::from(entry.pace.jitter.get()) / 100.0;
        let interval = entry.pace.interval.mul_f64(1.0 + jitter * (2.0 * chance - 1.0));
        entry.at = (entry.at + interval).max(now);
        entry.running = false;
        self.due.insert((entry.at, key.clone()));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { interval: Duration::from_secs(5), jitter: Percent::new_const(10) };

    fn secs(secs: f64) -> Duration {
        Duration::from_secs_f64(secs)
    }

    #[test]
    fn the_first_try_comes_soon_and_the_next_an_interval_after_its_beginning() {
        let mut schedule = Schedule::new();
        schedule.set(secs(10.0), "a", PACE, 0.5);
        assert_eq!(schedule.next_due(), Some(secs(10.5)));
        assert_eq!(schedule.begin(secs(10.4)), None);
        assert_eq!(schedule.begin(secs(10.5)), Some("a"));
        assert_eq!(schedule.begin(secs(99.0)), None, "one try at a time");
        schedule.ended(secs(12.0), &"a", 0.5);
        assert_eq!(schedule.next_due(), Some(secs(15.5)));
    }

    #[test]
    fn jitter_stays_within_its_limits() {
        for (chance, expected) in [(0.0, 4.5), (1.0, 5.5)] {
            let mut schedule = Schedule::new();
            schedule.set(secs(0.0), "a", PACE, 0.0);
            schedule.begin(secs(0.0));
            schedule.ended(secs(1.0), &"a", chance);
            assert_eq!(schedule.next_due(), Some(secs(expected)));
        }
    }

    #[test]
    fn after_a_stall_each_endpoint_is_tried_once() {
        let mut schedule = Schedule::new();
        schedule.set(secs(0.0), "a", PACE, 0.0);
        schedule.begin(secs(0.0));
        schedule.ended(secs(100.0), &"a", 0.5);
        assert_eq!(schedule.begin(secs(100.0)), Some("a"));
        schedule.ended(secs(100.0), &"a", 0.5);
        assert_eq!(schedule.next_due(), Some(secs(105.0)));
    }

    #[test]
    fn a_shorter_interval_does_not_wait_for_the_longer_one() {
        let mut schedule = Schedule::new();
        let slow = Pace { interval: Duration::from_secs(3_600), ..PACE };
        schedule.set(secs(0.0), "a", slow, 0.0);
        schedule.begin(secs(0.0));
        schedule.ended(secs(1.0), &"a", 0.5);
        schedule.set(secs(10.0), "a", PACE, 0.5);
        assert_eq!(schedule.next_due(), Some(secs(10.5)));
        schedule.set(secs(10.0), "a", PACE, 0.9);
        assert_eq!(schedule.next_due(), Some(secs(10.5)), "the same pace changes nothing");
        assert_eq!(schedule.begin(secs(10.5)), Some("a"));
        assert_eq!(schedule.begin(secs(4_000.0)), None, "nothing of the old pace is left");
    }

    #[test]
    fn a_removed_endpoint_is_not_tried_again() {
        let mut schedule = Schedule::new();
        schedule.set(secs(0.0), "a", PACE, 0.0);
        schedule.set(secs(0.0), "b", PACE, 0.0);
        schedule.remove(&"b");
        assert_eq!(schedule.begin(secs(1.0)), Some("a"));
        schedule.remove(&"a");
        assert!(!schedule.ended(secs(1.0), &"a", 0.5));
        assert_eq!(schedule.next_due(), None);
    }
}
