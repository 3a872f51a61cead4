//! Floor 1: verdicts. Outcomes of probes go in, `up` and `down` come out after `rise` and `fall`.
//!
//! [`Doubt`] is about all of them together: whether it is the endpoints that fail, or us. [`Evidence`]
//! is what is found out about a release beside them.
//!
//! Pure: what a try was and when it ended are arguments. Which endpoints are probed, and how, is
//! decided elsewhere.

mod doubt;
mod evidence;
mod tally;
mod tracker;

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

pub use doubt::Doubt;
pub use evidence::{
    Answer, Asked, Evidence, Finding, Measured, Reading, Sample, Scope, Subject, TestRecord,
    Tested, Trouble, Watched, judged_samples, judged_value,
};
pub use tally::{Count, Tally};
pub use tracker::{Outcome, Tracker, Verdict};

use crate::model::{DnsName, Pool, ProbeSetting, ProbeSpec, Timestamp};

/// The verdicts on all endpoints of one service, by address.
///
/// An address that stands in two pools has one verdict: the probe is the same.
#[derive(Clone, Debug, Default)]
pub struct ServiceHealth {
    /// `None` when the service has no probe: then everything counts as up.
    probe: Option<Arc<ProbeSpec>>,
    trackers: BTreeMap<IpAddr, Tracker>,
    /// Since when it is doubted that failures are the endpoints' doing.
    doubted_since: Option<Timestamp>,
    /// What is known of its release besides.
    pub evidence: Evidence,
    /// Why names that pools point to cannot be looked up, if they cannot.
    pub lookups: Lookups,
}

/// What has come of looking up the names that pools point to.
#[derive(Clone, Debug, Default)]
pub struct Lookups {
    failed: BTreeMap<DnsName, String>,
    /// Whether those that have not been looked up are taken to have an address that can serve.
    are_supposed: bool,
}

impl Lookups {
    /// The last try of a name failed for this reason, or it did not.
    pub fn note(&mut self, name: &DnsName, failure: Option<String>) {
        match failure {
            Some(why) => drop(self.failed.insert(name.clone(), why)),
            None => drop(self.failed.remove(name)),
        }
    }

    /// Why the last try of a name failed, if it did.
    pub fn failure(&self, name: &DnsName) -> Option<&str> {
        self.failed.get(name).map(String::as_str)
    }

    /// From now on each name is taken to be found.
    pub fn suppose(&mut self) {
        self.are_supposed = true;
    }
}

impl ServiceHealth {
    /// Follows a changed file: new addresses begin as `first`, gone ones are forgotten, the
    /// others keep their verdict and their count. Where the probe is another one than before,
    /// nothing is proven any more: what could be answered is presumed to be up until the new
    /// probe has judged it, everything else begins anew.
    pub fn retarget(
        &mut self,
        now: Timestamp,
        probe: &ProbeSetting,
        addresses: impl IntoIterator<Item = IpAddr>,
        first: Verdict,
    ) {
        let judged_otherwise = !self.is_judged_by(probe);
        let eligible = |tracker: &Tracker| match self.probe {
            Some(_) => tracker.verdict().is_eligible(),
            None => true,
        };
        let mut after = BTreeMap::new();
        for address in addresses {
            let tracker = match self.trackers.get(&address) {
                None => Tracker::new(now, first),
                Some(known) if !judged_otherwise => known.clone(),
                Some(known) if eligible(known) => Tracker::new(now, Verdict::Presumed),
                Some(_) => Tracker::new(now, Verdict::Unproven),
            };
            after.insert(address, tracker);
        }
        self.trackers = after;
        match probe {
            ProbeSetting::On(spec) => self.probe = Some(spec.clone()),
            ProbeSetting::Off => self.probe = None,
            ProbeSetting::Unset => {}
        }
    }

    /// Whether the verdicts are those of this probe, whatever its pace.
    pub fn is_judged_by(&self, probe: &ProbeSetting) -> bool {
        match (probe, &self.probe) {
            (ProbeSetting::On(wanted), Some(known)) => wanted.looks_like(known),
            (ProbeSetting::On(_), None) => false,
            (ProbeSetting::Off | ProbeSetting::Unset, _) => true,
        }
    }

    /// Counts one try that ended at `now`; true when it changed the verdict. A try of an address
    /// that is no longer in the file changes nothing.
    pub fn observe(&mut self, now: Timestamp, address: IpAddr, outcome: Outcome) -> bool {
        match (&self.probe, self.trackers.get_mut(&address)) {
            (Some(probe), Some(tracker)) => tracker.observe(now, outcome, probe.rise, probe.fall),
            _ => false,
        }
    }

    /// Notes one try that failed while there is doubt whether that is the endpoint's doing: one more,
    /// without doubt, is then needed for a verdict.
    pub fn doubt(&mut self, address: IpAddr, outcome: Outcome) {
        if let (Some(probe), Some(tracker)) = (&self.probe, self.trackers.get_mut(&address)) {
            tracker.doubt(outcome, probe.fall);
        }
    }

    /// A try of an address could not be made, for a reason of our own: its verdict stays.
    pub fn hindered(&mut self, address: IpAddr, why: String) {
        if let Some(tracker) = self.trackers.get_mut(&address) {
            tracker.hindered(why);
        }
    }

    /// Failures are doubted since then, or no longer.
    pub fn set_doubted(&mut self, since: Option<Timestamp>) {
        self.doubted_since = since;
    }

    /// Why the probes can say neither that a pool is good nor that it is not, if they cannot.
    pub fn lacks_data(&self) -> Option<String> {
        let since = self.probe.as_ref().and(self.doubted_since)?;
        Some(format!("every probe of every pool fails since {since}: this daemon may be cut off"))
    }

    /// Whether the probes have said something since we started, good or bad: a pass, or that all is
    /// down.
    pub fn has_data(&self) -> bool {
        let passes = |it: &Tracker| it.last().is_some_and(|last| last.result.is_ok());
        let mut all = self.trackers.values();
        self.probe.is_none()
            || all.clone().any(passes)
            || all.all(|it| it.verdict() == Verdict::Down)
    }

    /// The verdict on one address.
    pub fn verdict(&self, address: IpAddr) -> Verdict {
        match (&self.probe, self.trackers.get(&address)) {
            (None, _) => Verdict::Unprobed,
            (Some(_), Some(tracker)) => tracker.verdict(),
            (Some(_), None) => Verdict::Unproven,
        }
    }

    /// What is known of one address, if it is being probed.
    pub fn tracker(&self, address: IpAddr) -> Option<&Tracker> {
        self.probe.as_ref().and(self.trackers.get(&address))
    }

    /// Counts the endpoints of `pool` by what may be done with them.
    pub fn tally(&self, pool: &Pool) -> Tally {
        let mut tally = Tally::of(pool);
        if pool.is_unresolved() && self.lookups.are_supposed {
            tally.add_unknown();
        }
        for endpoint in &pool.endpoints {
            tally.add(endpoint, self.verdict(endpoint.address()));
        }
        tally
    }
}
