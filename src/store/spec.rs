//! What the release file asked of a service, as it is written.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    num::{NonZeroU16, NonZeroUsize},
    sync::Arc,
    time::Duration,
};

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::{
    kinds::{KindsRow, parsed, texts},
    probe::KindRow,
    proof::ProofsRow,
    row::{PoolList, RowError, wrong},
};
use crate::model::{
    Check, DnsName, Endpoint, FailPolicy, Pass, Percent, Pool, PoolName, ProbeSetting, ProbeSpec,
    RampStep, ReleasePolicy, ServiceName, ServiceSpec, Split, Spread, Target, TargetKind,
    Timestamp, Ttl, Weight, Window, Windows,
};

/// No duration of the release file is longer.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);

#[derive(Serialize, Deserialize)]
pub(super) struct PoolRow {
    name: String,
    /// Each with its weight and its port.
    endpoints: Vec<(IpAddr, u32, Option<NonZeroU16>)>,
    texts: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<TargetRow>,
}

/// What the pool points to, by which key of the file, on which port; and for how long its endpoints are
/// known, if that is said.
#[derive(Serialize, Deserialize)]
struct TargetRow(String, String, Option<NonZeroU16>, Option<u32>);

#[derive(Serialize, Deserialize)]
pub(super) struct SpecRow {
    owner: String,
    live: Vec<(String, u32)>,
    spread: String,
    ttl: u32,
    /// Places in the list of pools.
    pools: Vec<usize>,
    kinds: KindsRow,
    probe: ProbeRow,
    fail_policy: String,
    release: PolicyRow,
}

#[derive(Serialize, Deserialize)]
enum ProbeRow {
    Unset,
    Off,
    On(PacedRow),
}

#[derive(Serialize, Deserialize)]
struct PacedRow {
    /// Each with the latency that it may have.
    checks: Vec<(KindRow, Option<u64>)>,
    /// Whether one of them is enough.
    any: bool,
    interval: u64,
    timeout: u64,
    rise: u32,
    fall: u32,
    jitter: u8,
}

/// Durations are in microseconds.
#[derive(Serialize, Deserialize)]
struct PolicyRow {
    group: Option<String>,
    ramp: Vec<(u8, u64)>,
    at: Option<u64>,
    clean: bool,
    ttl: Option<u32>,
    bake: u64,
    deadline: u64,
    min_up: u8,
    min_up_endpoints: NonZeroUsize,
    min_up_weight: Option<u8>,
    progress_deadline: Option<u64>,
    windows: Vec<String>,
    timezone: String,
    min_change_interval: u64,
    pin_allowance: u64,
    drain_grace: u64,
    preview: Vec<String>,
    proofs: ProofsRow,
}

impl PoolRow {
    pub(super) fn of(pool: &Pool) -> Self {
        let endpoint =
            |endpoint: &Endpoint| (endpoint.address(), endpoint.weight().get(), endpoint.port());
        let endpoints = pool.endpoints.iter().map(endpoint).collect();
        let texts = pool.texts.iter().map(|text| text.as_str().to_owned()).collect();
        let target = pool.target.as_ref().map(|Target { kind, name, port }| {
            let ttl = pool.ttl_max.map(Ttl::secs);
            TargetRow(kind.name().to_owned(), name.to_string(), *port, ttl)
        });
        Self { name: pool.name.to_string(), endpoints, texts, target }
    }

    pub(super) fn read(self) -> Result<Pool, RowError> {
        let Self { name, endpoints, texts, target } = self;
        let name: PoolName = name.parse().map_err(|why| wrong("a pool's name", why))?;
        let mut seen = BTreeSet::new();
        let endpoints = endpoints.into_iter().map(|(address, weight, port)| {
            let weight = weight_of(name.as_str(), weight)?;
            if !seen.insert(address) {
                return Err(wrong(name.as_str(), format!("{address} stands in it twice")));
            }
            let endpoint = Endpoint::new(address, weight).map_err(|why| wrong(name.as_str(), why));
            Ok(endpoint?.on_port(port))
        });
        let endpoints: Vec<Endpoint> = endpoints.collect::<Result<_, _>>()?;
        let (target, ttl_max) = target.map(|row| row.read(&name)).transpose()?.unzip();
        if endpoints.is_empty() && target.is_none() {
            return Err(wrong(name.as_str(), "it has no endpoint"));
        }
        let texts = self::texts(name.as_str(), texts)?;
        Ok(Pool { name, endpoints, target, ttl_max: ttl_max.flatten(), texts })
    }
}

impl TargetRow {
    fn read(self, pool: &PoolName) -> Result<(Target, Option<Ttl>), RowError> {
        let Self(kind, name, port, secs) = self;
        let found = TargetKind::ALL.into_iter().find(|known| known.name() == kind);
        let kind = found.ok_or_else(|| wrong(pool.as_str(), kind))?;
        let name = name.parse().map_err(|why| wrong(pool.as_str(), why))?;
        let ttl_max = secs.map(|secs| ttl(pool.as_str(), secs)).transpose()?;
        Ok((Target { kind, name, port }, ttl_max))
    }
}

impl SpecRow {
    pub(super) fn of(spec: &ServiceSpec, list: &mut PoolList) -> Self {
        let ServiceSpec { name: _, owner, live, spread, ttl, pools, probe, .. } = spec;
        let ServiceSpec { kinds, fail_policy, release, .. } = spec;
        let live = live.weights().map(|(pool, weight)| (pool.to_string(), weight.get()));
        Self {
            owner: owner.to_string(),
            live: live.collect(),
            spread: spread.name().to_owned(),
            ttl: ttl.secs(),
            pools: pools.values().map(|pool| list.place(pool)).collect(),
            kinds: KindsRow::of(kinds),
            probe: ProbeRow::of(probe),
            fail_policy: fail_policy.name().to_owned(),
            release: PolicyRow::of(release),
        }
    }

    pub(super) fn read(self, name: &ServiceName, list: &PoolList) -> Result<ServiceSpec, RowError> {
        let pools = self.pools.into_iter().map(|place| {
            let pool = list.at(place)?;
            Ok((pool.name.clone(), pool))
        });
        let pools: BTreeMap<PoolName, Arc<Pool>> = pools.collect::<Result<_, RowError>>()?;
        let live = self.live.into_iter().map(|(pool, weight)| {
            let pool: PoolName = pool.parse().map_err(|why| wrong("live", why))?;
            if !pools.contains_key(&pool) {
                return Err(wrong("live", format!("there is no pool {pool}")));
            }
            Ok((pool, weight_of("live", weight)?))
        });
        let live = Split::new(live.collect::<Result<_, _>>()?);
        let spreads = [Spread::Sticky, Spread::Random];
        let spread = spreads.into_iter().find(|spread| spread.name() == self.spread);
        let policies = [FailPolicy::Previous, FailPolicy::Open, FailPolicy::Closed];
        let fail_policy = policies.into_iter().find(|policy| policy.name() == self.fail_policy);
        Ok(ServiceSpec {
            name: name.clone(),
            owner: self.owner.parse::<DnsName>().map_err(|why| wrong("owner", why))?,
            live: live.ok_or_else(|| wrong("live", "it has no pool"))?,
            spread: spread.ok_or_else(|| wrong("spread", self.spread))?,
            ttl: ttl("ttl", self.ttl)?,
            pools,
            kinds: Arc::new(self.kinds.read()?),
            probe: self.probe.read()?,
            fail_policy: fail_policy.ok_or_else(|| wrong("fail_policy", self.fail_policy))?,
            release: self.release.read()?,
        })
    }
}

impl ProbeRow {
    fn of(probe: &ProbeSetting) -> Self {
        match probe {
            ProbeSetting::Unset => Self::Unset,
            ProbeSetting::Off => Self::Off,
            ProbeSetting::On(spec) => Self::On(PacedRow::of(spec)),
        }
    }

    fn read(self) -> Result<ProbeSetting, RowError> {
        Ok(match self {
            Self::Unset => ProbeSetting::Unset,
            Self::Off => ProbeSetting::Off,
            Self::On(row) => ProbeSetting::On(Arc::new(row.read()?)),
        })
    }
}

impl PacedRow {
    fn of(spec: &ProbeSpec) -> Self {
        let ProbeSpec { checks, pass, interval, timeout, rise, fall, jitter } = spec;
        let checks = checks
            .iter()
            .map(|Check { kind, latency }| (KindRow::of(kind.clone()), latency.map(micros)));
        Self {
            checks: checks.collect(),
            any: *pass == Pass::Any,
            interval: micros(*interval),
            timeout: micros(*timeout),
            rise: *rise,
            fall: *fall,
            jitter: jitter.get(),
        }
    }

    fn read(self) -> Result<ProbeSpec, RowError> {
        let Self { checks, any, interval, timeout, rise, fall, jitter } = self;
        let [interval, timeout] =
            [interval, timeout].map(|count| duration("a probe's interval or timeout", count));
        let (interval, timeout) = (interval?, timeout?);
        if timeout.is_zero() || timeout > interval {
            return Err(wrong("a probe's timeout", "it is not within the interval"));
        }
        if rise == 0 || fall == 0 {
            return Err(wrong("rise or fall", "0"));
        }
        if !(1..=ProbeSpec::CHECKS_MAX).contains(&checks.len()) {
            return Err(wrong("a probe's checks", checks.len()));
        }
        let check = |(kind, latency): (KindRow, Option<u64>)| {
            let latency = latency.map(|count| duration("a check's latency", count));
            Ok::<_, RowError>(Check { kind: kind.read()?, latency: latency.transpose()? })
        };
        let checks = checks.into_iter().map(check).collect::<Result<_, _>>()?;
        let (pass, jitter) = (if any { Pass::Any } else { Pass::All }, percent("jitter", jitter)?);
        Ok(ProbeSpec { checks, pass, interval, timeout, rise, fall, jitter })
    }
}

impl PolicyRow {
    fn of(policy: &ReleasePolicy) -> Self {
        let ReleasePolicy { group, ramp, at, clean, ttl, bake, deadline, min_up, .. } = policy;
        let ReleasePolicy { min_up_endpoints, min_up_weight, progress_deadline, .. } = policy;
        let ReleasePolicy { windows, min_change_interval, pin_allowance, drain_grace, .. } = policy;
        let ReleasePolicy { preview, .. } = policy;
        Self {
            group: group.as_ref().map(ToString::to_string),
            ramp: ramp.iter().map(|step| (step.share.get(), micros(step.bake))).collect(),
            at: at.map(Timestamp::unix_micros),
            clean: *clean,
            ttl: ttl.map(Ttl::secs),
            bake: micros(*bake),
            deadline: micros(*deadline),
            min_up: min_up.get(),
            min_up_endpoints: *min_up_endpoints,
            min_up_weight: min_up_weight.map(Percent::get),
            progress_deadline: progress_deadline.map(micros),
            windows: windows.list.iter().map(ToString::to_string).collect(),
            timezone: windows.zone.iana_name().unwrap_or("UTC").to_owned(),
            min_change_interval: micros(*min_change_interval),
            pin_allowance: micros(*pin_allowance),
            drain_grace: micros(*drain_grace),
            preview: preview.iter().map(ToString::to_string).collect(),
            proofs: ProofsRow::of(policy),
        }
    }

    fn read(self) -> Result<ReleasePolicy, RowError> {
        let steps = self.ramp.into_iter().map(|(share, bake)| {
            Ok(RampStep { share: percent("a step", share)?, bake: duration("a step", bake)? })
        });
        let ramp: Vec<RampStep> = steps.collect::<Result<_, RowError>>()?;
        let rises = ramp.windows(2).all(|pair| pair[0].share < pair[1].share);
        if !rises || ramp.last().is_some_and(|last| last.share == Percent::ALL) {
            return Err(wrong("ramp", "it does not rise to less than all clients"));
        }
        let group = self.group.map(|name| name.parse().map_err(|why| wrong("group", why)));
        Ok(ReleasePolicy {
            group: group.transpose()?,
            ramp,
            at: self.at.map(Timestamp::from_unix_micros),
            clean: self.clean,
            ttl: self.ttl.map(|secs| ttl("release.ttl", secs)).transpose()?,
            bake: duration("bake", self.bake)?,
            deadline: duration("deadline", self.deadline)?,
            min_up: percent("min_up", self.min_up)?,
            min_up_endpoints: self.min_up_endpoints,
            min_up_weight: self
                .min_up_weight
                .map(|min| percent("min_up_weight", min))
                .transpose()?,
            progress_deadline: self
                .progress_deadline
                .map(|count| duration("progress_deadline", count))
                .transpose()?,
            windows: windows(self.windows, &self.timezone)?,
            min_change_interval: duration("min_change_interval", self.min_change_interval)?,
            pin_allowance: duration("pin_allowance", self.pin_allowance)?,
            drain_grace: duration("drain_grace", self.drain_grace)?,
            preview: parsed("preview", self.preview)?,
            tests: self.proofs.tests()?,
            performance: self.proofs.performance()?,
            guards: self.proofs.guards()?,
            confirm: self.proofs.confirm()?,
        })
    }
}

fn windows(list: Vec<String>, timezone: &str) -> Result<Windows, RowError> {
    let window = |text: String| text.parse::<Window>().map_err(|why| wrong(&text, why));
    let zone = match timezone {
        "UTC" => TimeZone::UTC,
        name => TimeZone::get(name).map_err(|why| wrong("timezone", why))?,
    };
    Ok(Windows { list: list.into_iter().map(window).collect::<Result<_, _>>()?, zone })
}

pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

pub(super) fn duration(what: &str, micros: u64) -> Result<Duration, RowError> {
    let duration = Duration::from_micros(micros);
    if duration > LONGEST {
        return Err(wrong(what, format!("{duration:?} is too long")));
    }
    Ok(duration)
}

pub(super) fn weight_of(what: &str, weight: u32) -> Result<Weight, RowError> {
    Weight::new(weight.into()).map_err(|why| wrong(what, why))
}

fn ttl(what: &str, secs: u32) -> Result<Ttl, RowError> {
    Ttl::new(Duration::from_secs(secs.into())).map_err(|why| wrong(what, why))
}

fn percent(what: &str, number: u8) -> Result<Percent, RowError> {
    format!("{number}%").parse().map_err(|why| wrong(what, why))
}
