//! What the release file says of the one service, and how it can be edited.
//!
//! Pools are numbers from 1: pool 2 is `v2`, its hosts are 10.2.0.1 and on, and 2001:db8:2::1 and
//! on. So an address says whose it is.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use cutover::model::{
    DnsName, Endpoint, FailPolicy, Pass, Percent, Pool, PoolName, ProbeKind, ProbeSetting,
    ProbeSpec, RampStep, ReleasePolicy, Resolution, ServiceSpec, Split, Spread, Target, TargetKind,
    TcpProbe, Timestamp, Ttl, Weight,
};

use super::{chance::Chance, proof};

/// How many pools there are.
pub(crate) const POOLS: u8 = 3;
const TTLS_SECS: [u32; 6] = [1, 2, 5, 20, 60, 300];
const SHARES: [u8; 9] = [1, 2, 5, 10, 25, 50, 75, 90, 99];
/// Of pools in a split.
const WEIGHTS: [u64; 3] = [1, 3, 9];
const MINIMA: [u8; 5] = [1, 34, 50, 67, 100];
/// Most often the one that people leave as it is.
const POLICIES: [FailPolicy; 5] = [
    FailPolicy::Previous,
    FailPolicy::Previous,
    FailPolicy::Previous,
    FailPolicy::Open,
    FailPolicy::Closed,
];
/// Bakes, in TTLs.
const BAKES: [f64; 5] = [0.0, 0.3, 1.0, 2.0, 5.0];

/// A release file with one service, all of whose pools have hosts of both families, or of IPv4.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) spec: ServiceSpec,
    has_v6: bool,
    /// What the name has to which the last pool points, if it points to one.
    found: Option<Resolution>,
}

/// The name of a pool.
pub(crate) fn pool_name(number: u8) -> PoolName {
    format!("v{number}").parse().expect("a pool name")
}

/// Its number.
pub(crate) fn number_of(name: &PoolName) -> u8 {
    name.as_str().as_bytes()[1] - b'0'
}

fn v6(pool: u8, host: u8) -> IpAddr {
    Ipv6Addr::new(0x2001, 0xdb8, pool.into(), 0, 0, 0, 0, host.into()).into()
}

fn target() -> DnsName {
    "lb.example.net".parse().expect("a name")
}

impl Wanted {
    /// `v1` is live, nothing is probed, the TTL is a minute, and a release is one swap.
    pub(crate) fn plain(owner: &str) -> Self {
        let spec = ServiceSpec {
            name: "api".parse().expect("a service name"),
            owner: format!("{owner}.svc.example.test").parse().expect("a name"),
            live: pool_name(1).into(),
            spread: Spread::default(),
            ttl: ServiceSpec::TTL,
            pools: Default::default(),
            kinds: Default::default(),
            probe: ProbeSetting::Off,
            fail_policy: FailPolicy::default(),
            release: ReleasePolicy::default(),
        };
        let mut wanted = Self { spec, has_v6: false, found: None };
        (1..=POOLS).for_each(|pool| wanted.set_pool(pool, &[1, 1]));
        wanted
    }

    /// Anything that a person may write.
    pub(crate) fn random(has_v6: bool, chance: &mut Chance) -> Self {
        let mut wanted = Self { has_v6, ..Self::plain(&format!("s{}", chance.below(1_000_000))) };
        (1..=POOLS).for_each(|pool| wanted.set_random_pool(pool, chance));
        wanted.set_random_ttl(chance);
        wanted.set_random_policy(chance);
        wanted.set_random_ramp(chance);
        proof::random_policy(&mut wanted.spec.release, chance);
        if chance.once_in(10) {
            wanted.spec.spread = Spread::Random;
        }
        let is_probed = !chance.once_in(8);
        wanted.spec.probe = if is_probed { wanted.random_probe(chance) } else { ProbeSetting::Off };
        wanted
    }

    pub(crate) fn live(mut self, pool: u8) -> Self {
        self.spec.live = pool_name(pool).into();
        self
    }

    pub(crate) fn ramp(mut self, steps: &[(u8, Duration)]) -> Self {
        let step = |&(share, bake)| RampStep { share: Percent::new_const(share), bake };
        self.spec.release.ramp = steps.iter().map(step).collect();
        self
    }

    pub(crate) fn ttl(mut self, secs: u32) -> Self {
        self.spec.ttl = Ttl::from_secs_const(secs);
        self
    }

    /// The last pool points to a name from now on, or the name has other addresses.
    pub(crate) fn look_up(&mut self, chance: &mut Chance) -> (DnsName, Resolution) {
        let mut addresses = BTreeSet::new();
        for _ in 0..=chance.below(3) {
            let host = 1 + chance.below(6) as u8;
            addresses.insert(Ipv4Addr::new(10, POOLS, 0, host).into());
            if self.has_v6 {
                addresses.insert(v6(POOLS, host));
            }
        }
        let ttl = Ttl::from_secs_const(chance.pick(&TTLS_SECS));
        let found = Resolution { addresses, ttl };
        self.found = Some(found.clone());
        if self.spec.pools.contains_key(&pool_name(POOLS)) {
            self.set_pool(POOLS, &[]);
        }
        (target(), found)
    }

    /// One edit, small or large; says which for the story.
    pub(crate) fn edit(&mut self, now: Timestamp, chance: &mut Chance) -> &'static str {
        match chance.below(16) {
            0..6 => {
                self.set_random_live(chance);
                self.spec.release.at = None;
                "another pool is live"
            }
            6 | 7 => {
                self.set_random_live(chance);
                let ahead = self.in_ttls(chance.pick(&[0.5, 2.0, 5.0]));
                self.spec.release.at = Some((now + ahead).rounded_up());
                self.spec.release.clean = chance.once_in(3);
                "another pool is live at an instant"
            }
            8 => {
                self.set_random_ttl(chance);
                "other TTLs"
            }
            9 | 10 => {
                self.set_random_ramp(chance);
                "another ramp"
            }
            11 => {
                self.set_random_policy(chance);
                "other limits"
            }
            12 => {
                self.spec.probe = self.random_probe(chance);
                "another probe"
            }
            13 => {
                self.spec.probe = ProbeSetting::Unset;
                "no word of a probe"
            }
            14 => {
                self.drop_or_add_pool(chance);
                "a pool more or less"
            }
            _ => {
                let pool = 1 + chance.below(POOLS.into()) as u8;
                self.set_random_pool(pool, chance);
                "other endpoints"
            }
        }
    }

    /// A pool, or now and then a split of two.
    fn set_random_live(&mut self, chance: &mut Chance) {
        let names: Vec<u8> = self.spec.pools.keys().map(number_of).collect();
        let mut draw = || {
            let weight = Weight::new(chance.pick(&WEIGHTS)).expect("small");
            (pool_name(chance.pick(&names)), weight)
        };
        let mut weights = vec![draw(), draw()];
        weights.truncate(if chance.once_in(3) { 2 } else { 1 });
        self.spec.live = Split::new(weights.into_iter().collect()).expect("a pool");
    }

    fn set_random_ttl(&mut self, chance: &mut Chance) {
        self.spec.ttl = Ttl::from_secs_const(chance.pick(&TTLS_SECS));
        let short = Ttl::from_secs_const(chance.pick(&TTLS_SECS));
        self.spec.release.ttl = chance.once_in(3).then_some(short);
    }

    fn set_random_policy(&mut self, chance: &mut Chance) {
        self.spec.fail_policy = chance.pick(&POLICIES);
        self.spec.release.min_up = Percent::new_const(chance.pick(&MINIMA));
        self.spec.release.deadline = self.in_ttls(chance.pick(&[1.0, 4.0, 10.0]));
        self.spec.release.bake = self.in_ttls(chance.pick(&BAKES));
        let interval = if chance.once_in(4) { 2.0 } else { 0.0 };
        self.spec.release.min_change_interval = self.in_ttls(interval);
        self.spec.release.progress_deadline = chance.once_in(6).then(|| self.in_ttls(20.0));
    }

    fn set_random_ramp(&mut self, chance: &mut Chance) {
        let mut shares: Vec<u8> = (0..chance.below(5)).map(|_| chance.pick(&SHARES)).collect();
        shares.sort_unstable();
        shares.dedup();
        let step = |share| RampStep {
            share: Percent::new_const(share),
            bake: self.in_ttls(chance.pick(&BAKES)),
        };
        let ramp = shares.into_iter().map(step).collect();
        self.spec.release.ramp = ramp;
    }

    fn random_probe(&self, chance: &mut Chance) -> ProbeSetting {
        ProbeSetting::On(Arc::new(ProbeSpec {
            // Another port is another probe: what is known of endpoints is known no longer.
            checks: vec![ProbeKind::Tcp(TcpProbe { port: chance.pick(&[80, 80, 81]) }).into()],
            pass: Pass::All,
            interval: self.in_ttls(0.125).max(Duration::from_secs(1)),
            timeout: ProbeSpec::TIMEOUT,
            rise: 1 + chance.below(3) as u32,
            fall: 1 + chance.below(3) as u32,
            jitter: ProbeSpec::JITTER,
        }))
    }

    fn drop_or_add_pool(&mut self, chance: &mut Chance) {
        let pool = 1 + chance.below(POOLS.into()) as u8;
        let name = pool_name(pool);
        if self.spec.live.has(&name) || self.spec.pools.remove(&name).is_none() {
            self.set_random_pool(pool, chance);
        }
    }

    fn set_random_pool(&mut self, pool: u8, chance: &mut Chance) {
        let weights: Vec<u64> = (0..=chance.below(3)).map(|_| 1 + chance.below(2)).collect();
        self.set_pool(pool, &weights);
    }

    /// As the conductor hands it on: what is known of names is filled in.
    fn set_pool(&mut self, pool: u8, weights: &[u64]) {
        if let Some(found) = self.found.as_ref().filter(|_| pool == POOLS) {
            let (kind, name) = (TargetKind::Alias, target());
            let pointing = Pool::pointing(pool_name(pool), Target { kind, name, port: None });
            let pool = Arc::new(pointing.resolved(found));
            self.spec.pools.insert(pool.name.clone(), pool);
            return;
        }
        let endpoint = |address, weight| {
            Endpoint::new(address, Weight::new(weight).expect("small")).expect("one host")
        };
        let mut endpoints = Vec::new();
        for (host, &weight) in (1..).zip(weights) {
            endpoints.push(endpoint(Ipv4Addr::new(10, pool, 0, host).into(), weight));
            if self.has_v6 {
                endpoints.push(endpoint(v6(pool, host), weight));
            }
        }
        let name = pool_name(pool);
        self.spec.pools.insert(name.clone(), Arc::new(Pool::new(name, endpoints)));
    }

    /// Whole seconds, as files have them.
    fn in_ttls(&self, count: f64) -> Duration {
        Duration::from_secs(self.spec.ttl.duration().mul_f64(count).as_secs())
    }
}
