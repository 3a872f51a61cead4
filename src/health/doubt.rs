//! Whether it is us.
//!
//! When every endpoint of every pool fails at once, after they have passed, the daemon is more likely to
//! be cut off from them than all of them to be broken. Then no failure counts until something passes
//! again: verdicts stay, and no release goes back because of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use crate::model::{ServiceName, Timestamp};

/// Fewer endpoints than this tell nothing about us.
const ENDPOINTS_MIN: usize = 2;

/// What is known of all endpoints together.
#[derive(Clone, Debug, Default)]
pub struct Doubt {
    /// Every endpoint that is probed, and whether its last try failed.
    failed: BTreeMap<ServiceName, BTreeMap<IpAddr, bool>>,
    probed: usize,
    failing: usize,
    has_passed: bool,
    since: Option<Timestamp>,
}

impl Doubt {
    /// These endpoints of a service are probed from now on, and no others of it.
    pub fn assign(&mut self, service: &ServiceName, addresses: &BTreeSet<IpAddr>) {
        let before = self.failed.remove(service).unwrap_or_default();
        let after: BTreeMap<IpAddr, bool> = addresses
            .iter()
            .map(|address| (*address, before.get(address).copied().unwrap_or_default()))
            .collect();
        let failing = |endpoints: &BTreeMap<IpAddr, bool>| {
            endpoints.values().filter(|has_failed| **has_failed).count()
        };
        self.probed = self.probed - before.len() + after.len();
        self.failing = self.failing - failing(&before) + failing(&after);
        if !after.is_empty() {
            self.failed.insert(service.clone(), after);
        }
    }

    /// An endpoint was tried.
    pub fn tried(
        &mut self,
        now: Timestamp,
        service: &ServiceName,
        address: IpAddr,
        has_passed: bool,
    ) {
        let endpoints = self.failed.get_mut(service);
        let Some(has_failed) = endpoints.and_then(|it| it.get_mut(&address)) else { return };
        match (std::mem::replace(has_failed, !has_passed), has_passed) {
            (false, false) => self.failing += 1,
            (true, true) => self.failing -= 1,
            _ => {}
        }
        self.has_passed |= has_passed;
        let is_doubted =
            self.has_passed && self.failing == self.probed && self.probed >= ENDPOINTS_MIN;
        self.since = is_doubted.then(|| self.since.unwrap_or(now));
    }

    /// Since when every endpoint fails, if they do: then a failure is no verdict.
    pub fn since(&self) -> Option<Timestamp> {
        self.since
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64) -> Timestamp {
        Timestamp::from_unix_micros(second * 1_000_000)
    }

    fn host(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    struct Scene(Doubt, u64);

    impl Scene {
        /// `api` has hosts 1 and 2, `web` has host 3.
        fn new() -> Self {
            let mut scene = Self(Doubt::default(), 0);
            scene.assign("api", &[1, 2]);
            scene.assign("web", &[3]);
            scene
        }

        fn assign(&mut self, service: &str, hosts: &[u8]) {
            let addresses = hosts.iter().map(|last| host(*last)).collect();
            self.0.assign(&service.parse().expect("a name"), &addresses);
        }

        /// One second later; since when there is doubt, in seconds.
        fn tried(&mut self, service: &str, last: u8, passed: bool) -> Option<u64> {
            self.1 += 1;
            self.0.tried(at(self.1), &service.parse().expect("a name"), host(last), passed);
            self.0.since().map(|since| since.since_epoch().as_secs())
        }
    }

    #[test]
    fn it_is_us_only_when_everything_fails_that_has_passed_before() {
        let mut scene = Scene::new();
        for (service, last) in [("api", 1), ("api", 2), ("web", 3)] {
            assert_eq!(scene.tried(service, last, false), None, "nothing has ever passed");
        }
        assert_eq!(scene.tried("api", 1, true), None);
        assert_eq!(scene.tried("api", 1, false), Some(5));
        assert_eq!(scene.tried("web", 3, false), Some(5), "it lasts");
        assert_eq!(scene.tried("web", 3, true), None, "somebody answers");
        assert_eq!(scene.tried("api", 2, false), None);
        assert_eq!(scene.tried("web", 3, false), Some(9));
    }

    #[test]
    fn what_is_no_longer_probed_is_no_witness() {
        let mut scene = Scene::new();
        assert_eq!(scene.tried("web", 3, true), None);
        for last in [1, 2] {
            assert_eq!(scene.tried("api", last, false), None);
        }
        scene.assign("web", &[]);
        assert_eq!(scene.tried("api", 1, false), Some(4));
        scene.assign("api", &[1, 4]);
        assert_eq!(scene.tried("api", 1, false), None, "4 has not been tried yet");
        scene.assign("api", &[1]);
        assert_eq!(scene.tried("api", 1, false), None, "one alone tells nothing");
        assert_eq!(scene.tried("api", 9, false), None, "it is not probed");
    }
}
