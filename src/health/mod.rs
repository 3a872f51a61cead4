//! Floor 1: verdicts. Outcomes of probes go in, `up` and `down` come out after `rise` and `fall`.
//!
//! Pure: what a try was and when it ended are arguments. Which endpoints are probed, and how, is
//! decided elsewhere.

mod tracker;

use std::{collections::BTreeMap, net::IpAddr};

pub use tracker::{Outcome, Tracker, Verdict};

use crate::model::{Pool, ProbeSetting, Timestamp};

/// The verdicts on all endpoints of one service, by address.
///
/// An address that stands in two pools has one verdict: the probe is the same.
#[derive(Clone, Debug, Default)]
pub struct ServiceHealth {
    /// `None` when the service has no probe: then everything counts as up.
    thresholds: Option<Thresholds>,
    trackers: BTreeMap<IpAddr, Tracker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Thresholds {
    rise: u32,
    fall: u32,
}

impl ServiceHealth {
    /// Follows a changed file: new addresses begin as `first`, gone ones are forgotten, the
    /// others keep their verdict and their count. Where there was no probe until now, everything
    /// has counted as up, so each known address is presumed to be up until it is judged.
    pub fn retarget(
        &mut self,
        now: Timestamp,
        probe: &ProbeSetting,
        addresses: impl IntoIterator<Item = IpAddr>,
        first: Verdict,
    ) {
        let begins = self.thresholds.is_none() && probe.spec().is_some();
        match probe {
            ProbeSetting::On(spec) => {
                self.thresholds = Some(Thresholds { rise: spec.rise, fall: spec.fall });
            }
            ProbeSetting::Off => self.thresholds = None,
            ProbeSetting::Unset => {}
        }
        let mut before = std::mem::take(&mut self.trackers);
        for address in addresses {
            let tracker = match before.remove(&address) {
                Some(_) if begins => Tracker::new(now, Verdict::Presumed),
                Some(tracker) => tracker,
                None => Tracker::new(now, first),
            };
            self.trackers.entry(address).or_insert(tracker);
        }
    }

    /// Counts one try that ended at `now`; true when it changed the verdict. A try of an address
    /// that is no longer in the file changes nothing.
    pub fn observe(&mut self, now: Timestamp, address: IpAddr, outcome: Outcome) -> bool {
        match (self.thresholds, self.trackers.get_mut(&address)) {
            (Some(t), Some(tracker)) => tracker.observe(now, outcome, t.rise, t.fall),
            _ => false,
        }
    }

    /// The verdict on one address.
    pub fn verdict(&self, address: IpAddr) -> Verdict {
        match (self.thresholds, self.trackers.get(&address)) {
            (None, _) => Verdict::Unprobed,
            (Some(_), Some(tracker)) => tracker.verdict(),
            (Some(_), None) => Verdict::Unproven,
        }
    }

    /// What is known of one address, if it is being probed.
    pub fn tracker(&self, address: IpAddr) -> Option<&Tracker> {
        self.thresholds.and(self.trackers.get(&address))
    }

    /// Counts the endpoints of `pool` by what may be done with them.
    pub fn tally(&self, pool: &Pool) -> Tally {
        let mut tally = Tally { total: pool.endpoints.len(), ..Tally::default() };
        for verdict in pool.addresses().map(|address| self.verdict(address)) {
            tally.proven += usize::from(verdict.is_proven());
            tally.eligible += usize::from(verdict.is_eligible());
            tally.down += usize::from(verdict == Verdict::Down);
        }
        tally
    }
}

/// How many endpoints of a pool are what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// All of them.
    pub total: usize,
    /// Those that have passed their probes (or need none).
    pub proven: usize,
    /// Those that may be answered.
    pub eligible: usize,
    /// Those that have failed their probes.
    pub down: usize,
}
