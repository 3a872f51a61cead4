//! What the release file asks for: services, their pools, and how they are released.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    num::NonZeroUsize,
    sync::Arc,
    time::Duration,
};

use super::{
    DnsName, Endpoint, GroupName, Guard, Kinds, Label, Network, Percent, Performance, PoolName,
    ProbeSetting, Resolution, ServiceName, SmokeTest, Split, Spread, Target, TargetKind,
    TextRecord, Timestamp, Ttl, Weight, Windows,
};

/// A named set of endpoints: one deployed version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Its name.
    pub name: PoolName,
    /// At least one, no address twice; none while it points to a name that has not been looked up.
    pub endpoints: Vec<Endpoint>,
    /// The name to which it points, if its endpoints do not stand in the file.
    pub target: Option<Target>,
    /// The longest time for which an answer may name its endpoints, if others set it.
    pub ttl_max: Option<Ttl>,
    /// What the service answers of type TXT beside its own, where this pool answers.
    pub texts: Vec<TextRecord>,
}

impl Pool {
    /// A pool of these endpoints, without texts.
    pub const fn new(name: PoolName, endpoints: Vec<Endpoint>) -> Self {
        Self { name, endpoints, target: None, ttl_max: None, texts: Vec::new() }
    }

    /// A pool that points to a name.
    pub fn pointing(name: PoolName, target: Target) -> Self {
        Self { target: Some(target), ..Self::new(name, Vec::new()) }
    }

    /// The same, if it points to a name, with what that has been found to be.
    pub fn resolved(&self, resolution: &Resolution) -> Self {
        let Some(target) = &self.target else { return self.clone() };
        let endpoint = |address: &IpAddr| {
            let endpoint = Endpoint::new(*address, Weight::ONE).ok();
            endpoint.map(|endpoint| endpoint.on_port(target.port))
        };
        let endpoints = resolution.addresses.iter().filter_map(endpoint).collect();
        // Of a name that is answered itself, resolvers keep the addresses by their own TTL.
        let ttl_max = (target.kind == TargetKind::Alias).then(|| resolution.ttl.min(Ttl::MAX));
        Self { endpoints, ttl_max, ..self.clone() }
    }

    /// Whether it points to a name that has not been looked up.
    pub fn is_unresolved(&self) -> bool {
        self.target.is_some() && self.endpoints.is_empty()
    }

    /// Whether it points to this name.
    pub fn points_to(&self, name: &DnsName) -> bool {
        self.target.as_ref().is_some_and(|target| target.name == *name)
    }

    /// The name to which it points, if clients are answered with that name itself.
    pub fn cname(&self) -> Option<&Target> {
        self.target.as_ref().filter(|target| target.kind == TargetKind::Cname)
    }

    /// Whether both point to the same name in the same way, and differ in no more than what has been
    /// found there.
    pub fn points_like(&self, other: &Self) -> bool {
        self.target.is_some() && self.target == other.target && self.texts == other.texts
    }

    /// Whether the file says the same of both, whatever has been found since.
    fn is_asked_like(&self, other: &Self) -> bool {
        self == other || (self.name == other.name && self.points_like(other))
    }

    /// The addresses of its endpoints.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.endpoints.iter().map(Endpoint::address)
    }
}

/// One service as the release file asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSpec {
    /// Its name in the file.
    pub name: ServiceName,
    /// Its name in the DNS.
    pub owner: DnsName,
    /// What is to answer: one or some of `pools`.
    pub live: Split,
    /// How its clients are spread over pools.
    pub spread: Spread,
    /// The TTL of its answers.
    pub ttl: Ttl,
    /// Its pools.
    pub pools: BTreeMap<PoolName, Arc<Pool>>,
    /// What it answers beside addresses.
    pub kinds: Arc<Kinds>,
    /// How its endpoints are probed.
    pub probe: ProbeSetting,
    /// What is answered when nothing of the serving pool is up.
    pub fail_policy: FailPolicy,
    /// How it is released.
    pub release: ReleasePolicy,
}

impl ServiceSpec {
    /// The default TTL.
    pub const TTL: Ttl = Ttl::from_secs_const(60);

    /// The pools that are to answer.
    pub fn live_pools(&self) -> impl Iterator<Item = &Arc<Pool>> {
        let pool = |name| self.pools.get(name).expect("invariant: `live` names some of the pools");
        self.live.pools().map(pool)
    }

    /// Whether it may answer something of type TXT at its own name.
    pub fn has_texts(&self) -> bool {
        !self.kinds.txt.is_empty() || self.pools.values().any(|pool| !pool.texts.is_empty())
    }

    /// Whether the file says the same in both, whatever has been found of the names that pools point to.
    pub fn asks_like(&self, other: &Self) -> bool {
        let Self { name, owner, live, spread, ttl, pools, kinds, probe, fail_policy, release } =
            self;
        let mut both = pools.values().zip(other.pools.values());
        *name == other.name
            && *owner == other.owner
            && *live == other.live
            && *spread == other.spread
            && *ttl == other.ttl
            && pools.len() == other.pools.len()
            && both.all(|(one, other)| one.is_asked_like(other))
            && *kinds == other.kinds
            && *probe == other.probe
            && *fail_policy == other.fail_policy
            && *release == other.release
    }
}

/// What is answered when no endpoint of the serving pool is up, nor of another one of its split.
/// Never an empty answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum FailPolicy {
    /// The pool that served before, if one of its endpoints is up; else as `Open`.
    #[default]
    Previous,
    /// Every endpoint of the serving pool that has ever passed, as if it were up.
    Open,
    /// SERVFAIL, so that resolvers try another name server and cache nothing as absent.
    Closed,
}

impl FailPolicy {
    /// The value in the release file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Previous => "previous",
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }
}

/// How a release of one service is carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleasePolicy {
    /// The services with which it is released: all of that group together, or none. They have in
    /// common what decides the time of steps.
    pub group: Option<GroupName>,
    /// The steps before the last, each with a greater share than the one before. The last one is
    /// all clients.
    pub ramp: Vec<RampStep>,
    /// When the first step is to be taken, and not before; at once, where that has passed.
    pub at: Option<Timestamp>,
    /// Rather later than [`ReleasePolicy::at`] than while caches hold what was answered before.
    pub clean: bool,
    /// The TTL of answers from the first step to the end of the bake, if it is not to be the
    /// service's own: what a rollback has to wait for. The lesser of the two counts.
    pub ttl: Option<Ttl>,
    /// How long the new pool is watched at 100 % before the release counts as done.
    pub bake: Duration,
    /// How long the new pool may take to pass its probes; after it the release has failed.
    pub deadline: Duration,
    /// The share of the new pool's endpoints that must be up before the answers move; while it
    /// bakes, fewer make it roll back.
    pub min_up: Percent,
    /// The number of them that must be up likewise.
    pub min_up_endpoints: NonZeroUsize,
    /// The share of their weight that must be up likewise, if that is asked for.
    pub min_up_weight: Option<Percent>,
    /// The time from the beginning to the end of the bake within which the release must be done,
    /// but for what it waits and is paused. If it is not, it is rolled back.
    pub progress_deadline: Option<Duration>,
    /// When steps may be taken.
    pub windows: Windows,
    /// The least time from one step of the service to the next, of whichever release.
    pub min_change_interval: Duration,
    /// How long clients may hold an address beyond its TTL, as browsers do: a pool is not to be
    /// switched off before.
    pub pin_allowance: Duration,
    /// How much longer, at the end of it, connections may take to end.
    pub drain_grace: Duration,
    /// Clients that are given the new pool while the release is under way, whatever its share is; none
    /// of them is told apart more closely than clients are.
    pub preview: Vec<Network>,
    /// What each endpoint that is to have clients must pass once before.
    pub tests: Vec<Arc<SmokeTest>>,
    /// How fast the new pool must be, before it has clients and while it has some.
    pub performance: Option<Arc<Performance>>,
    /// What must stay true while it has some; no name twice.
    pub guards: Vec<Arc<Guard>>,
    /// Who must say yes before each step.
    pub confirm: Vec<Label>,
}

impl Default for ReleasePolicy {
    fn default() -> Self {
        Self {
            group: None,
            ramp: Vec::new(),
            at: None,
            clean: false,
            ttl: None,
            bake: Duration::from_secs(300),
            deadline: Duration::from_secs(600),
            min_up: Percent::ALL,
            min_up_endpoints: NonZeroUsize::MIN,
            min_up_weight: None,
            progress_deadline: None,
            windows: Windows::default(),
            min_change_interval: Duration::ZERO,
            pin_allowance: Duration::from_secs(60),
            drain_grace: Duration::ZERO,
            preview: Vec::new(),
            tests: Vec::new(),
            performance: None,
            guards: Vec::new(),
            confirm: Vec::new(),
        }
    }
}

/// A step of a ramp: a share of the clients, and how long they are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RampStep {
    /// Of the clients, those that are answered with the new pool; not all.
    pub share: Percent,
    /// From when the share is true in caches too.
    pub bake: Duration,
}

impl ReleasePolicy {
    /// How long after the horizon of a pool it can be switched off.
    pub fn off_after(&self) -> Duration {
        self.pin_allowance + self.drain_grace
    }

    /// The share that comes after one, or the first one.
    pub fn share_after(&self, share: Option<Percent>) -> Percent {
        let shares = self.ramp.iter().map(|step| step.share);
        shares.into_iter().find(|next| Some(*next) > share).unwrap_or(Percent::ALL)
    }

    /// What must be up of a pool, in words: `50%, at least 3 and 60% of the weight`.
    pub fn needed(&self) -> String {
        let least = self.min_up_endpoints.get();
        let mut parts = vec![self.min_up.to_string()];
        parts.extend((least > 1).then(|| format!("at least {least}")));
        parts.extend(self.min_up_weight.map(|weight| format!("{weight} of the weight")));
        match parts.as_slice() {
            [first, second, third] => format!("{first}, {second} and {third}"),
            parts => parts.join(" and "),
        }
    }

    /// How long a share is watched: as its step says, or the last one before it, if the file has
    /// been edited since.
    pub fn bake_at(&self, share: Percent) -> Duration {
        let upto = self.ramp.iter().rfind(|step| step.share <= share);
        upto.map_or(self.bake, |step| step.bake)
    }
}

/// What one valid release file asks for.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Desired {
    /// The services, at least one.
    pub services: BTreeMap<ServiceName, Arc<ServiceSpec>>,
    /// The services that a person says are to go; disjoint from `services`.
    pub removed: BTreeSet<ServiceName>,
}
