//! The names that services have in the zone, each of which only one can have: their own, those of their
//! pools and endpoints, and those below them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv6Addr},
    ops::Range,
};

use super::{
    super::document::Mistakes,
    Surroundings, Value,
    records::{Records, srv_octets, svcb_octets},
};
use crate::model::{DnsName, NameError, Pool, PoolName, Prefix, ServiceName, endpoint_label};

/// As many octets of records as a message holds with what stands around them.
const OCTETS_MAX: usize = 64_000;
/// The address that has the longest name.
const LONGEST: IpAddr = IpAddr::V6(Ipv6Addr::from_bits(u128::MAX));
/// Where a service tells of its releases, if the settings have it so.
const TOLD: &str = "_release";

const PREVIEWS: &str =
    "`previews` of a service says how its pools are called, or that they are not";

/// What a name is there for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Service,
    Pool,
    Endpoint,
    Below,
    Told,
}

/// A name, who wants it, and where that stands.
pub(super) struct Claim {
    name: DnsName,
    purpose: Purpose,
    /// The service, and what the name is.
    by: (ServiceName, String),
    at: Range<usize>,
}

/// All names that services want.
#[derive(Default)]
pub(super) struct Claims(Vec<Claim>);

impl Claims {
    /// A service's own name.
    pub(super) fn service(&mut self, owner: &DnsName, service: &ServiceName, at: Range<usize>) {
        let by = (service.clone(), format!("the name of the service {service}"));
        self.0.push(Claim { name: owner.clone(), purpose: Purpose::Service, by, at });
    }

    /// The names of its pools and endpoints, and those below it; says how its pools are called.
    pub(super) fn others<'p>(
        &mut self,
        (owner, service, at): (&DnsName, &ServiceName, Range<usize>),
        records: &Records<'_>,
        pools: impl Iterator<Item = (&'p Pool, Range<usize>)> + Clone,
        around: &Surroundings<'_>,
        mistakes: &Mistakes,
    ) -> BTreeMap<PoolName, DnsName> {
        let mut called = BTreeMap::new();
        let Some((apex, own)) = around.place(owner) else { return called };
        let mut claim =
            |name: Result<DnsName, NameError>, purpose, what: String, at: Range<usize>| {
                let name = name
                    .map_err(|error| mistakes.add(at.clone(), format!("{what}: {error}")))
                    .ok()?;
                if let Some(why) = around.why_not(&name, apex) {
                    let wrong = format!("{what}: {why}");
                    match purpose {
                        Purpose::Pool => mistakes.add_with_hint(at, wrong, PREVIEWS),
                        _ => mistakes.add(at, wrong),
                    }
                    return None;
                }
                let by = (service.clone(), what);
                self.0.push(Claim { name: name.clone(), purpose, by, at });
                Some(name)
            };
        // One that is too long is not told of, and that is no mistake.
        if let Ok(told) = DnsName::within(TOLD, owner) {
            let what = format!("where {service} tells of its releases");
            claim(Ok(told), Purpose::Told, what, at);
        }
        for (prefix, value) in &records.prefixes {
            let (text, at) = (prefix.as_str(), value.span());
            let what = format!("{text} of the service {service}");
            claim(DnsName::within(text, owner), Purpose::Below, what, at);
        }
        for (pool, at) in pools.clone() {
            let Some(text) = records.name_of(&own, &pool.name) else { continue };
            let name = DnsName::within(&text, apex);
            let what = format!("the name of the pool {} of {service}", pool.name);
            called
                .extend(claim(name, Purpose::Pool, what, at).map(|name| (pool.name.clone(), name)));
        }
        check_hints(records, pools.clone().map(|(pool, _)| pool), mistakes);
        let Some(srv_at) = records.srv_at.as_ref().map(Value::span) else { return called };
        for (pool, at) in pools.clone() {
            if pool.target.is_some() && pool.cname().is_none() {
                // Whatever addresses it will have: each has a name, and the longest has to fit.
                let label = format!("{}.{}", endpoint_label(LONGEST), pool.name.label());
                if let Err(error) = DnsName::within(&label, owner) {
                    let what = format!("an endpoint of the pool {} of {service}", pool.name);
                    mistakes.add(at, format!("{what}: {error}"));
                }
            }
            for endpoint in &pool.endpoints {
                let label = format!("{}.{}", endpoint_label(endpoint.address()), pool.name.label());
                let what = format!("an endpoint of the pool {} of {service}", pool.name);
                claim(DnsName::within(&label, owner), Purpose::Endpoint, what, srv_at.clone());
            }
        }
        if srv_octets(owner.wire().len(), pools.map(|(pool, _)| pool)) > OCTETS_MAX {
            let hint = "take pools out that are no longer needed, or leave out `srv`";
            let wrong = "no answer could hold the SRV records of all these endpoints";
            mistakes.add_with_hint(srv_at, wrong, hint);
        }
        called
    }

    /// Complains about each name that two want.
    pub(super) fn check(&self, mistakes: &Mistakes) {
        let mut known: BTreeMap<&DnsName, &Claim> = BTreeMap::new();
        let (own, others): (Vec<&Claim>, Vec<&Claim>) =
            self.0.iter().partition(|claim| claim.purpose == Purpose::Service);
        let owner_of: BTreeMap<&ServiceName, &DnsName> =
            own.iter().map(|claim| (&claim.by.0, &claim.name)).collect();
        for claim in own.into_iter().chain(others) {
            let Some(other) = known.get(&claim.name) else {
                known.insert(&claim.name, claim);
                continue;
            };
            let is_clash =
                claim.by.0 != other.by.0 && owner_of.get(&claim.by.0) == owner_of.get(&other.by.0);
            let is_one = claim.purpose == other.purpose && claim.by.0 == other.by.0;
            match claim.purpose {
                // Two services on one name are told of elsewhere.
                Purpose::Service => {}
                _ if is_clash => {}
                _ if claim.by == other.by => {}
                // Several types may have one name.
                Purpose::Below | Purpose::Endpoint if is_one => {}
                _ => {
                    let wrong = format!("{}, {}, is also {}", claim.name, claim.by.1, other.by.1);
                    match claim.purpose == Purpose::Pool || other.purpose == Purpose::Pool {
                        true => mistakes.add_with_hint(claim.at.clone(), wrong, PREVIEWS),
                        false => mistakes.add(claim.at.clone(), wrong),
                    }
                }
            }
        }
    }
}

/// Complains about bindings that no answer could hold with all of a pool's addresses.
fn check_hints<'p>(
    records: &Records<'_>,
    pools: impl Iterator<Item = &'p Pool> + Clone,
    mistakes: &Mistakes,
) {
    let svcb = &records.kinds.svcb;
    let mut known: BTreeSet<&Prefix> = BTreeSet::new();
    for (prefix, at) in &records.prefixes {
        let of_prefix = svcb.iter().filter(|(other, _)| other == prefix).map(|(_, it)| it);
        if known.insert(prefix) && svcb_octets(of_prefix, pools.clone()) > OCTETS_MAX {
            let hint = "write `hints = false`: clients look the addresses up";
            let wrong = "no answer could hold these bindings with the addresses of all endpoints";
            mistakes.add_with_hint(at.span(), wrong, hint);
        }
    }
}
