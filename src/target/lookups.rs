//! When each name is looked up. Time comes in as an argument.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::Trouble;
use crate::model::{DnsName, Resolution, Timestamp};

/// What changes with each question is not asked for with each.
const AGAIN_MIN: Duration = Duration::from_secs(5);
/// What is not to change for days may do so all the same.
const AGAIN_MAX: Duration = Duration::from_secs(3_600);
/// After trouble: twice as long each time (RFC 9520 §3.2, which wants from 1 s to 5 min). Also after a
/// denial: the resolver keeps that for as long as the zone says (RFC 2308 §5), and answers from there.
const BACKOFF_FIRST: Duration = Duration::from_secs(5);
const BACKOFF_LAST: Duration = Duration::from_secs(60);

/// The names that are followed; each is due at an instant, or is being looked up.
#[derive(Clone, Debug, Default)]
pub struct Lookups {
    names: BTreeMap<DnsName, Entry>,
    due: BTreeSet<(Timestamp, DnsName)>,
}

#[derive(Clone, Debug)]
struct Entry {
    /// `None` while it is being looked up.
    due: Option<Timestamp>,
    /// Not any more, if it was dropped while it was being looked up.
    is_followed: bool,
    /// Failures in a row.
    failures: u32,
}

impl Lookups {
    /// Follows these names and no others. New ones are due at once, known ones keep their time.
    pub fn follow(&mut self, now: Timestamp, names: BTreeSet<DnsName>) {
        let due = &mut self.due;
        self.names.retain(|name, entry| {
            entry.is_followed = names.contains(name);
            if !entry.is_followed
                && let Some(at) = entry.due
            {
                due.remove(&(at, name.clone()));
            }
            // One that is being looked up is remembered until that ends: it may come back before.
            entry.is_followed || entry.due.is_none()
        });
        for name in names {
            self.names.entry(name).or_insert_with_key(|name| {
                due.insert((now, name.clone()));
                Entry { due: Some(now), is_followed: true, failures: 0 }
            });
        }
    }

    /// At most so many names that are due, those that have waited longest first. They count as being
    /// looked up until [`Self::note`].
    pub fn take_due(&mut self, now: Timestamp, max: usize) -> Vec<DnsName> {
        let mut taken = Vec::new();
        while taken.len() < max
            && self.next_deadline().is_some_and(|at| at <= now)
            && let Some((_, name)) = self.due.pop_first()
        {
            if let Some(entry) = self.names.get_mut(&name) {
                entry.due = None;
            }
            taken.push(name);
        }
        taken
    }

    /// Takes what came of looking a name up: the next time is when that no longer holds. `false` if
    /// nobody waits for it any more.
    pub fn note(
        &mut self,
        now: Timestamp,
        name: &DnsName,
        result: &Result<Resolution, Trouble>,
    ) -> bool {
        let Some(entry) = self.names.get_mut(name).filter(|entry| entry.due.is_none()) else {
            return false;
        };
        if !entry.is_followed {
            self.names.remove(name);
            return false;
        }
        let pause = match result {
            Ok(resolution) => {
                entry.failures = 0;
                resolution.ttl.duration().clamp(AGAIN_MIN, AGAIN_MAX)
            }
            Err(_) => {
                entry.failures = entry.failures.saturating_add(1);
                backoff(entry.failures)
            }
        };
        let at = now + pause;
        entry.due = Some(at);
        self.due.insert((at, name.clone()));
        true
    }

    /// When something is due; `None` if nothing is, or all of it is being looked up.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }
}

fn backoff(failures: u32) -> Duration {
    let doubled = 2u32.saturating_pow(failures.saturating_sub(1));
    BACKOFF_FIRST.saturating_mul(doubled).min(BACKOFF_LAST)
}
