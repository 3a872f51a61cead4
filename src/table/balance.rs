//! What load balancers are told: records of type SRV (RFC 2782) over all pools that answer, because a
//! balancer holds every target at once, and shares out its requests by their weights.
//!
//! Who is answered has its pool's share of the weight, so that a share of the clients and a share of
//! the weight are the same thing. Targets are names of single endpoints below the service; their
//! addresses are for the additional section.

use std::{net::IpAddr, num::NonZeroU16};

use hickory_proto::rr::RecordType;

use super::{
    NamedRecords, ServiceRecords, Tally,
    bindings::{of_part, parts},
    packed::Parts,
    ready::{Writer, Written},
    service::{kind_of, octets, salt_of_service},
    split::{Part, Shares, Shift},
    weights::srv_weights,
};
use crate::model::{
    DnsName, Endpoint, Family, Pool, PoolName, Share, SrvAnswers, SrvSetting, Target, Timing, Ttl,
    Weight, endpoint_label,
};

/// A pool and its share of the weight.
type Weighed<'s, 'p> = (f64, &'s Part<'p>);

/// Packs the records at a name below the service's.
pub(super) fn pack(
    (owner, name): (&DnsName, &DnsName),
    setting: &SrvSetting,
    split: &Shares<'_>,
    together: &impl Fn(&[&PoolName]) -> Option<Tally>,
    out: &mut Vec<u8>,
) {
    let written = |pools: &[Weighed<'_, '_>], ttl| records((owner, name), setting, pools, ttl);
    match setting.answers {
        SrvAnswers::One => {
            let rrset = |part: &Part<'_>| {
                let is_lost = part.endpoints.is_empty() && !part.lost.is_empty();
                of_part(RecordType::SRV, part, written(&[(1.0, part)], part.ttl.secs()), is_lost)
            };
            split.pack_into(RecordType::SRV, salt_of_service(owner), rrset, out);
        }
        SrvAnswers::All => {
            let all = |pools: &[Weighed<'_, '_>]| {
                let ttl = pools.iter().map(|(_, part)| part.ttl.secs()).min().unwrap_or(0);
                of_all(pools, written(pools, ttl), ttl, together)
            };
            let shown = split.preview.map(|preview| all(&side(preview.to, 1.0)));
            split.pack_alike(RecordType::SRV, shown, all(&union(split)), out);
        }
    }
}

fn of_all(
    pools: &[Weighed<'_, '_>],
    written: Option<Written>,
    ttl: u32,
    together: impl Fn(&[&PoolName]) -> Option<Tally>,
) -> Parts {
    let names: Vec<&PoolName> = pools.iter().map(|(_, part)| part.pool).collect();
    let mut parts = parts(RecordType::SRV, ttl, written);
    parts.is_lost |= parts.count == 0 && pools.iter().any(|(_, part)| !part.lost.is_empty());
    parts.tally = together(&names);
    // When the answer of some clients changes, this one does.
    let timings = pools.iter().map(|(_, part)| part.timing);
    let timing = timings.into_iter().find(|timing| *timing != Timing::Lasting);
    parts.timing = timing.filter(|_| parts.count > 0).unwrap_or_default();
    parts
}

/// Every pool that answers, by its share of all clients.
fn union<'p>(split: &Shares<'p>) -> Vec<Weighed<'p, 'p>> {
    let Some(Shift { to, share, .. }) = split.shift else { return side(split.parts, 1.0) };
    let moved = f64::from(share.millionths()) / f64::from(Share::ALL.millionths());
    let mut union = side(to, moved);
    for (share, part) in side(split.parts, 1.0 - moved) {
        match union.iter_mut().find(|(_, known)| known.pool == part.pool) {
            Some((known, _)) => *known += share,
            None => union.push((share, part)),
        }
    }
    union.retain(|(share, _)| *share > 0.0);
    union
}

fn side<'p>(parts: &'p [Part<'p>], share: f64) -> Vec<Weighed<'p, 'p>> {
    let total: f64 = parts.iter().map(|part| f64::from(part.weight.get())).sum();
    let weighed = |part: &'p Part<'p>| (share * f64::from(part.weight.get()) / total, part);
    parts.iter().map(weighed).filter(|(share, _)| *share > 0.0).collect()
}

/// Nothing if no message can hold them.
fn records(
    (owner, name): (&DnsName, &DnsName),
    setting: &SrvSetting,
    pools: &[Weighed<'_, '_>],
    ttl: u32,
) -> Option<Written> {
    let pools: Vec<(f64, Vec<Goal>)> = pools
        .iter()
        .map(|(share, part)| (*share, goals(owner, part)))
        .filter(|(_, goals)| !goals.is_empty())
        .collect();
    let shares: Vec<_> = pools
        .iter()
        .map(|(share, goals)| (*share, goals.iter().map(|goal| goal.weight).collect()))
        .collect();
    let mut writer = Writer::new(name.wire().len());
    let mut targets = Vec::new();
    for ((_, goals), weights) in pools.iter().zip(srv_weights(&shares)) {
        for (Goal { name, port, address, .. }, weight) in goals.iter().zip(weights) {
            writer.answer(RecordType::SRV.into(), ttl);
            let numbers = [setting.priority, weight, port.get()].map(u16::to_be_bytes);
            writer.data(numbers.as_flattened());
            targets.extend(address.map(|address| (writer.len(), address)));
            writer.data(name.wire());
        }
    }
    for (at, address) in targets {
        writer.add(at, kind_of(Family::of(address)).into(), ttl, &octets(address));
    }
    writer.finish()
}

/// Where a record sends its share of the requests.
struct Goal {
    name: DnsName,
    port: NonZeroU16,
    weight: Weight,
    address: Option<IpAddr>,
}

/// Those of a pool that have a port: its endpoints, or the name to which it points. That is what the
/// service's own name would be an alias for, and a target must be none (RFC 2782).
fn goals(owner: &DnsName, part: &Part<'_>) -> Vec<Goal> {
    if let Some(Target { name, port, .. }) = part.cname {
        let goal = |port| Goal { name: name.clone(), port, weight: Weight::ONE, address: None };
        return port.map(goal).into_iter().collect();
    }
    let goal = |endpoint: &Endpoint| {
        let (port, weight) = (endpoint.port()?, endpoint.weight());
        let name = target(owner, part.pool, endpoint)?;
        Some(Goal { name, port, weight, address: Some(endpoint.address()) })
    };
    part.endpoints.iter().filter_map(goal).collect()
}

/// The name of an endpoint; nothing if it would be too long, which the release file does not allow.
fn target(owner: &DnsName, pool: &PoolName, endpoint: &Endpoint) -> Option<DnsName> {
    let label = endpoint_label(endpoint.address());
    DnsName::within(&format!("{label}.{}", pool.label()), owner).ok()
}

/// The names of all endpoints of these pools, each with its address, which is kept for `ttl` and no longer
/// than what is found where the pool points to.
pub fn targets<'p>(
    owner: &DnsName,
    pools: impl IntoIterator<Item = &'p Pool>,
    ttl: Ttl,
) -> NamedRecords {
    let mut names = NamedRecords::new();
    for pool in pools {
        // Balancers are sent to the name itself.
        let named = pool.endpoints.iter().filter(|_| pool.cname().is_none());
        for endpoint in named.filter(|endpoint| endpoint.port().is_some()) {
            let Some(name) = target(owner, &pool.name, endpoint) else { continue };
            let ttl = pool.ttl_max.map_or(ttl, |most| most.min(ttl));
            let part = [Part::new(&pool.name, ttl, std::slice::from_ref(endpoint))];
            let records = ServiceRecords::new(&name, &Shares::new(&part));
            names.insert(name, records);
        }
    }
    names
}
