//! Whether it is us.
//!
//! When every endpoint of every pool fails at once, after some have passed, the daemon is more likely to
//! be cut off from them than all of them to be broken. Then no failure counts until something passes
//! again: verdicts stay, and no release goes back because of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use crate::model::{ProbeSpec, ServiceName, Timestamp};

/// Fewer endpoints than this tell nothing about us.
const ENDPOINTS_MIN: usize = 2;

/// What is known of all endpoints together.
#[derive(Clone, Debug, Default)]
pub struct Doubt {
    services: BTreeMap<ServiceName, Witnesses>,
    probed: usize,
    failing: usize,
    /// Those of the failing that have passed the same probe before: a probe that nothing has ever
    /// passed is more likely wrong than cut off.
    fallen: usize,
    since: Option<Timestamp>,
}

/// The endpoints of a service, and by which probe they are tried.
#[derive(Clone, Debug)]
struct Witnesses {
    probe: Arc<ProbeSpec>,
    endpoints: BTreeMap<IpAddr, Witness>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Witness {
    /// Whether the last try failed; nothing before the first one, and when none can be made.
    has_failed: Option<bool>,
    /// Some try did.
    has_passed: bool,
}

impl Doubt {
    /// These endpoints of a service are probed from now on, and no others of it; none without a probe.
    pub fn assign(
        &mut self,
        service: &ServiceName,
        probe: Option<&Arc<ProbeSpec>>,
        addresses: &BTreeSet<IpAddr>,
    ) {
        let before = self.services.remove(service);
        before.iter().flat_map(|it| it.endpoints.values()).for_each(|it| self.forget(*it));
        // What is looked at on this host says nothing about the network.
        let is_remote = |probe: &ProbeSpec| probe.checks.iter().any(|it| it.kind.is_remote());
        let Some(probe) = probe.filter(|probe| is_remote(probe) && !addresses.is_empty()) else {
            return;
        };
        let before = before.filter(|it| it.probe.looks_like(probe)).map(|it| it.endpoints);
        let before = before.unwrap_or_default();
        let known = |address: &IpAddr| before.get(address).copied().unwrap_or_default();
        let endpoints: BTreeMap<_, _> = addresses.iter().map(|it| (*it, known(it))).collect();
        endpoints.values().for_each(|it| self.count(*it));
        self.services.insert(service.clone(), Witnesses { probe: probe.clone(), endpoints });
    }

    /// An endpoint was tried, and passed or not; or it could not be tried.
    pub fn tried(
        &mut self,
        now: Timestamp,
        service: &ServiceName,
        address: IpAddr,
        has_passed: Option<bool>,
    ) {
        let endpoints = self.services.get_mut(service).map(|it| &mut it.endpoints);
        let Some(witness) = endpoints.and_then(|it| it.get_mut(&address)) else { return };
        let before = *witness;
        witness.has_failed = has_passed.map(|has_passed| !has_passed);
        witness.has_passed |= has_passed == Some(true);
        let after = *witness;
        self.forget(before);
        self.count(after);
        let is_doubted =
            self.fallen > 0 && self.failing == self.probed && self.probed >= ENDPOINTS_MIN;
        self.since = is_doubted.then(|| self.since.unwrap_or(now));
    }

    /// Since when every endpoint fails, if they do: then a failure is no verdict.
    pub fn since(&self) -> Option<Timestamp> {
        self.since
    }

    fn count(&mut self, witness: Witness) {
        let [probed, failing, fallen] = witness.counts();
        self.probed += probed;
        self.failing += failing;
        self.fallen += fallen;
    }

    fn forget(&mut self, witness: Witness) {
        let [probed, failing, fallen] = witness.counts();
        self.probed -= probed;
        self.failing -= failing;
        self.fallen -= fallen;
    }
}

impl Witness {
    /// What it adds to those that say something, that fail, and that have passed before.
    fn counts(self) -> [usize; 3] {
        let has_failed = self.has_failed == Some(true);
        [self.has_failed.is_some(), has_failed, has_failed && self.has_passed].map(usize::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Pass, ProbeKind, TcpProbe};

    fn at(second: u64) -> Timestamp {
        Timestamp::from_unix_micros(second * 1_000_000)
    }

    fn host(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    struct Scene(Doubt, u64);

    /// What looks at this port.
    fn probe(port: u16) -> Arc<ProbeSpec> {
        Arc::new(ProbeSpec {
            checks: vec![ProbeKind::Tcp(TcpProbe { port }).into()],
            pass: Pass::All,
            interval: ProbeSpec::INTERVAL,
            timeout: ProbeSpec::TIMEOUT,
            rise: 1,
            fall: 1,
            jitter: ProbeSpec::JITTER,
        })
    }

    impl Scene {
        /// `api` has hosts 1 and 2, `web` has host 3.
        fn new() -> Self {
            let mut scene = Self(Doubt::default(), 0);
            scene.assign("api", &[1, 2]);
            scene.assign("web", &[3]);
            scene
        }

        fn assign(&mut self, service: &str, hosts: &[u8]) {
            self.assign_by(80, service, hosts);
        }

        fn assign_by(&mut self, port: u16, service: &str, hosts: &[u8]) {
            let addresses = hosts.iter().map(|last| host(*last)).collect();
            let service = service.parse().expect("a name");
            self.0.assign(&service, Some(&probe(port)), &addresses);
        }

        /// One second later; since when there is doubt, in seconds.
        fn tried(&mut self, service: &str, last: u8, passed: bool) -> Option<u64> {
            self.1 += 1;
            self.0.tried(at(self.1), &service.parse().expect("a name"), host(last), Some(passed));
            self.0.since().map(|since| since.since_epoch().as_secs())
        }

        fn hindered(&mut self, service: &str, last: u8) -> bool {
            self.1 += 1;
            let service = service.parse().expect("a name");
            self.0.tried(at(self.1), &service, host(last), None);
            self.0.since().is_some()
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
            assert_eq!(scene.tried("api", last, true), None);
            assert_eq!(scene.tried("api", last, false), None);
        }
        scene.assign("web", &[]);
        assert_eq!(scene.tried("api", 1, false), Some(6));
        scene.assign("api", &[1, 4]);
        assert_eq!(scene.tried("api", 1, false), None, "one alone tells nothing");
        assert_eq!(
            scene.tried("api", 4, false),
            Some(8),
            "a new one is none of the witnesses at first"
        );
        scene.assign("api", &[1]);
        assert_eq!(scene.tried("api", 1, false), None, "one alone tells nothing");
        assert_eq!(scene.tried("api", 9, false), None, "it is not probed");
    }

    #[test]
    fn a_probe_that_nothing_has_passed_is_no_witness_either() {
        let mut scene = Scene::new();
        scene.assign("web", &[]);
        assert_eq!(scene.tried("api", 1, true), None);
        assert_eq!(scene.tried("api", 2, true), None);
        scene.assign_by(81, "api", &[1, 2]);
        assert_eq!(scene.tried("api", 1, false), None);
        assert_eq!(scene.tried("api", 2, false), None, "the new probe may be wrong");
        scene.assign_by(81, "api", &[1, 2]);
        assert_eq!(scene.tried("api", 2, true), None);
        assert_eq!(scene.tried("api", 2, false), Some(6), "the same one as before");
    }

    #[test]
    fn what_cannot_be_tried_says_nothing() {
        let mut scene = Scene::new();
        assert_eq!(scene.tried("api", 1, true), None);
        assert_eq!(scene.tried("api", 1, false), None);
        assert_eq!(scene.tried("api", 2, true), None);
        assert!(!scene.hindered("web", 3));
        assert_eq!(scene.tried("api", 2, false), Some(5), "though web could not be tried");
        assert!(scene.hindered("web", 3));
    }
}
