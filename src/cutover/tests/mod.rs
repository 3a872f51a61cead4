//! Whole releases on a simulated clock: the harness. What happens is in the files below, by phase.
//!
//! Hosts are numbers: host 3 is 192.0.2.3, host 103 is 2001:db8::103. Pool `v1` is hosts 1 and 2, `v2` 3 and 4, `v3` 5 and 6.

mod back;
mod bake;
mod edges;
mod edits;
mod failed;
mod fallback;
mod families;
mod foretold;
mod groups;
mod instants;
mod limits;
mod machine;
mod outlook;
mod paused;
mod plan;
mod pools;
mod previews;
mod probes;
mod proof;
mod ramp;
mod release;
mod restore;
mod rules;
mod settle;
mod split;
mod supersede;
mod targets;
mod verbs;
mod waiting;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use super::{
    Answering, Basis, Cutover, Event, Facts, Horizons, Next, Order, Refusal, Rule, Transition, Verb,
};
use crate::{
    health::{Outcome, ServiceHealth, Verdict},
    model::{
        Endpoint, FailPolicy, Freeze, Pass, Percent, Pool, PoolName, ProbeKind, ProbeSetting,
        ProbeSpec, RampStep, ReleasePolicy, ServiceSpec, Split, Spread, TcpProbe, Timestamp, Ttl,
        Weight,
    },
};

/// When every simulation starts, in seconds since 1970.
const START_SECS: u64 = 1_000_000_000;
/// Passes that make a host up, failures that make it down.
const RISE: u32 = 3;
const FALL: u32 = 2;

fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// So many seconds after the start.
fn at(second: u64) -> Timestamp {
    Timestamp::from_unix_micros(START_SECS * 1_000_000) + secs(second)
}

fn address(host: u8) -> IpAddr {
    match host {
        0..100 => Ipv4Addr::new(192, 0, 2, host).into(),
        100.. => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host.into()).into(),
    }
}

fn pool_name(text: &str) -> PoolName {
    text.parse().expect("a pool name")
}

/// `v1`, or `v1:90+v2:10`.
fn split(text: &str) -> Split {
    let part = |part: &str| {
        let (pool, weight) = part.split_once(':').unwrap_or((part, "1"));
        let weight = weight.parse().ok().and_then(|weight| Weight::new(weight).ok());
        (pool_name(pool), weight.expect("a weight"))
    };
    Split::new(text.split('+').map(part).collect()).expect("a pool")
}

fn probe() -> ProbeSetting {
    probe_of(80)
}

fn probe_of(port: u16) -> ProbeSetting {
    ProbeSetting::On(Arc::new(ProbeSpec {
        checks: vec![ProbeKind::Tcp(TcpProbe { port }).into()],
        pass: Pass::All,
        interval: ProbeSpec::INTERVAL,
        timeout: ProbeSpec::TIMEOUT,
        rise: RISE,
        fall: FALL,
        jitter: ProbeSpec::JITTER,
    }))
}

/// What the release file says of the one service.
#[derive(Clone)]
struct Wanted(ServiceSpec);

/// Three pools, TTL 60 s, bake 300 s, deadline 600 s, everything must be up.
fn file(live: &str) -> Wanted {
    let spec = ServiceSpec {
        name: "api".parse().expect("a service name"),
        owner: "api.svc.example.test".parse().expect("a name"),
        live: split(live),
        spread: Spread::default(),
        ttl: ServiceSpec::TTL,
        pools: Default::default(),
        kinds: Default::default(),
        probe: probe(),
        fail_policy: FailPolicy::default(),
        release: ReleasePolicy::default(),
    };
    Wanted(spec).pool("v1", &[1, 2]).pool("v2", &[3, 4]).pool("v3", &[5, 6])
}

impl Wanted {
    fn pool(self, name: &str, hosts: &[u8]) -> Self {
        let weighted: Vec<(u8, u64)> = hosts.iter().map(|&host| (host, 1)).collect();
        self.weights(name, &weighted)
    }

    fn without(mut self, name: &str) -> Self {
        self.0.pools.remove(&pool_name(name));
        self
    }

    fn ttl(mut self, count: u64) -> Self {
        self.0.ttl = Ttl::new(secs(count)).expect("a TTL");
        self
    }

    fn bake(mut self, count: u64) -> Self {
        self.0.release.bake = secs(count);
        self
    }

    /// Shares and how many seconds they bake.
    fn ramp(mut self, steps: &[(u8, u64)]) -> Self {
        let step = |&(share, bake)| RampStep { share: Percent::new_const(share), bake: secs(bake) };
        self.0.release.ramp = steps.iter().map(step).collect();
        self
    }

    /// From the first step to the end of the bake.
    fn short_ttl(mut self, count: u64) -> Self {
        self.0.release.ttl = Some(Ttl::new(secs(count)).expect("a TTL"));
        self
    }

    fn deadline(mut self, count: u64) -> Self {
        self.0.release.deadline = secs(count);
        self
    }

    fn min_up(mut self, percent: u8) -> Self {
        self.0.release.min_up = Percent::new_const(percent);
        self
    }

    /// Hosts and their weights.
    fn weights(mut self, name: &str, hosts: &[(u8, u64)]) -> Self {
        let name = pool_name(name);
        let endpoint = |&(host, weight)| {
            Endpoint::new(address(host), Weight::new(weight).expect("a weight")).expect("one host")
        };
        let pool = Pool::new(name.clone(), hosts.iter().map(endpoint).collect());
        self.0.pools.insert(name, Arc::new(pool));
        self
    }

    fn policy(mut self, policy: FailPolicy) -> Self {
        self.0.fail_policy = policy;
        self
    }

    fn probe(mut self, probe: ProbeSetting) -> Self {
        self.0.probe = probe;
        self
    }
}

/// One service, its verdicts, caches that ask without a pause, and a clock that only the test
/// moves. What the machine wants stored is stored at once, unless the test says otherwise.
#[derive(Clone)]
struct Sim {
    now: Timestamp,
    cutover: Cutover,
    health: ServiceHealth,
    /// Until when a cache may hold an answer that names the pool.
    horizons: BTreeMap<PoolName, Timestamp>,
    told: Vec<Transition>,
    freeze: Option<Freeze>,
    publishes: bool,
    /// What was answered when it last did not shift.
    stored: Answering,
    /// Tables that were replaced are still answered from.
    lingers: bool,
    cache_clock: Duration,
}

impl Sim {
    /// The service is seen for the first time; hosts of the live pool are presumed to be up.
    fn adopt(file: Wanted) -> Self {
        let spec = Arc::new(file.0);
        let mut health = ServiceHealth::default();
        let live = spec.live_pools().flat_map(|pool| pool.addresses());
        health.retarget(at(0), &spec.probe, live, Verdict::Presumed);
        let cutover = Cutover::adopt(spec);
        let (horizons, told, freeze) = (BTreeMap::new(), Vec::new(), None);
        let (now, publishes, lingers, cache_clock) = (at(0), true, false, Duration::ZERO);
        let stored = cutover.answering(&health);
        let mut sim = Self {
            now,
            cutover,
            health,
            horizons,
            told,
            freeze,
            publishes,
            stored,
            lingers,
            cache_clock,
        };
        sim.retarget();
        sim
    }

    /// The same, and every host has passed.
    fn proven(file: Wanted) -> Self {
        let mut sim = Self::adopt(file);
        sim.up(&[1, 2, 3, 4, 5, 6]);
        sim
    }

    /// A release from v1 to v2 that has just moved the answers, at second 0.
    fn baking(file: Wanted) -> Self {
        let mut first = file.clone();
        first.0.live = split("v1");
        let mut sim = Self::proven(first);
        sim.save(file);
        assert_eq!(sim.phase(), "Baking");
        sim.told.clear();
        sim
    }

    /// The file is saved.
    fn save(&mut self, file: Wanted) {
        self.handle(Event::Desired(Arc::new(file.0)));
        self.retarget();
        self.handle(Event::Observed);
    }

    fn retarget(&mut self) {
        let probe = self.cutover.spec().probe.clone();
        self.health.retarget(self.now, &probe, self.cutover.addresses(), Verdict::Unproven);
        self.follow();
    }

    fn follow(&mut self) {
        self.health.evidence.follow(self.cutover.scope(), &self.cutover.spec().release);
    }

    fn handle(&mut self, event: Event) {
        self.hand_over(event);
        if self.publishes && self.cutover.phase().is_unpublished() {
            self.publish();
        }
    }

    fn publish(&mut self) {
        self.hand_over(Event::Published);
    }

    fn hand_over(&mut self, event: Event) {
        self.answer();
        let horizons = self.known();
        let freeze = self.freeze.as_ref();
        let facts = Facts { health: &self.health, horizons: &horizons, freeze };
        self.told.extend(self.cutover.handle(self.now, event, facts));
        self.follow();
        self.answer();
    }

    fn known(&self) -> Horizons {
        Horizons::new(self.horizons.clone(), Timestamp::default()).unsettled(self.lingers)
    }

    /// What is answered now is in caches until its TTL has passed. While it shifts, the table before
    /// is still answered from too.
    fn answer(&mut self) {
        let answering = self.cutover.answering(&self.health);
        if self.phase() != "Shifting" {
            self.stored = answering.clone();
        }
        for answering in [&answering, &self.stored] {
            let horizon = self.now + answering.ttl_max(self.now).duration() + self.cache_clock;
            for pool in answering.pools() {
                let known = self.horizons.entry(pool.clone()).or_default();
                *known = horizon.max(*known);
            }
        }
    }

    /// Everything is frozen, or no longer.
    fn set_frozen(&mut self, frozen: bool) {
        let freeze = Freeze { by: "bob".to_owned(), reason: None, since: self.now };
        self.freeze = frozen.then_some(freeze);
        self.handle(Event::Observed);
    }

    /// Every probe fails, or something passes again.
    fn set_doubted(&mut self, doubted: bool) {
        self.health.set_doubted(doubted.then_some(self.now));
        self.handle(Event::Observed);
    }

    fn observe(&mut self, host: u8, pass: bool) {
        let result = if pass { Ok(()) } else { Err("refused".to_owned()) };
        let outcome = Outcome { latency: Duration::from_millis(3), result, warning: None };
        if self.health.observe(self.now, address(host), outcome) {
            self.handle(Event::Observed);
        }
    }

    fn up(&mut self, hosts: &[u8]) {
        hosts.iter().for_each(|&host| (0..RISE).for_each(|_| self.observe(host, true)));
    }

    fn down(&mut self, hosts: &[u8]) {
        hosts.iter().for_each(|&host| (0..FALL).for_each(|_| self.observe(host, false)));
    }

    /// The clock goes on to `second`, stopping at each deadline on the way.
    fn run_to(&mut self, second: u64) {
        while let Some(deadline) = self.cutover.next_deadline().filter(|&d| d <= at(second)) {
            assert!(deadline > self.now, "the deadline {deadline} has passed at {}", self.now);
            self.now = deadline;
            self.handle(Event::Observed);
        }
        self.now = at(second);
        self.answer();
    }

    /// The daemon ends, however it ends, and another one takes up what was kept.
    fn restart(&mut self) {
        self.answer();
        let snapshot = self.cutover.snapshot();
        let probe = snapshot.spec.probe.clone();
        self.health = ServiceHealth::default();
        self.health.retarget(self.now, &probe, snapshot.presumed(), Verdict::Presumed);
        let horizons = Horizons::new(self.horizons.clone(), Timestamp::default());
        let freeze = self.freeze.as_ref();
        let facts = Facts { health: &self.health, horizons: &horizons, freeze };
        let (cutover, told) = Cutover::restore(self.now, snapshot, facts);
        self.cutover = cutover;
        self.told.extend(told);
        self.retarget();
        self.answer();
    }

    fn phase(&self) -> &'static str {
        self.cutover.phase().name()
    }

    /// The split and the hosts that answer whoever has not been moved, and why these.
    fn answers(&self) -> (String, Vec<u8>, Basis) {
        let answering = self.cutover.answering(&self.health);
        let host = |endpoint: &Endpoint| match endpoint.address() {
            IpAddr::V4(address) => address.octets()[3],
            IpAddr::V6(address) => address.octets()[15],
        };
        let hosts = answering.parts.iter().flat_map(|part| &part.endpoints).map(host).collect();
        (answering.split.to_string(), hosts, answering.basis)
    }

    /// The edges since this was last asked.
    fn edges(&mut self) -> Vec<(&'static str, &'static str)> {
        self.told.drain(..).map(|transition| (transition.from, transition.to)).collect()
    }

    #[track_caller]
    fn assert_answers(&self, pool: &str, hosts: &[u8], basis: Basis) {
        assert_eq!(self.answers(), (pool.to_owned(), hosts.to_vec(), basis));
    }

    /// How many percent of the clients each pool answers.
    #[track_caller]
    fn assert_shares(&self, wanted: &[(&str, u8)]) {
        let answering = self.cutover.answering(&self.health);
        let shares: Vec<_> =
            answering.pools().map(|p| (p.as_str(), answering.share_of(p))).collect();
        assert_eq!(shares, wanted);
    }

    /// All of the pool answers because it is up.
    #[track_caller]
    fn assert_live(&self, pool: &str) {
        let hosts: &[u8] = match pool {
            "v1" => &[1, 2],
            "v2" => &[3, 4],
            _ => &[5, 6],
        };
        self.assert_answers(pool, hosts, Basis::Live);
    }
}
