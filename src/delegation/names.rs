//! The names of our name servers: enough of them, at addresses of their own, and no aliases.

use std::collections::{BTreeMap, BTreeSet};

use hickory_proto::rr::Name;

use super::{Level, Referral, Seen, finding::Findings, own_addresses, text};
use crate::{model::ZoneSpec, table::to_hickory};

pub(super) fn judge(zone: &ZoneSpec, referrals: &[Referral], seen: &Seen, findings: &mut Findings) {
    let own = zone.nameservers.iter().map(to_hickory);
    let delegated = referrals.iter().flat_map(|referral| referral.nameservers.iter().cloned());
    let names: BTreeSet<Name> = own.chain(delegated).collect();
    if names.len() == 1 {
        let what = format!("{} has a single name server", zone.apex);
        let advice =
            "a second daemon on another network answers while the first does not (RFC 2182)";
        findings.add(Level::Warning, "one-name-server", None, what, advice);
    }
    let mut at: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for name in &names {
        let lookup = seen.elsewhere.get(name);
        let found = lookup.map(|it| it.addresses.clone()).unwrap_or_default();
        for address in own_addresses(zone, name).into_iter().chain(found) {
            at.entry(address).or_default().push(text(name));
        }
    }
    for (address, names) in at.iter().filter(|(_, names)| names.len() > 1) {
        let what = format!("{} have the same address {address}", names.join(" and "));
        let advice = "they are one name server: give each an address of its own, or name one";
        findings.add(Level::Warning, "same-address", None, what, advice);
    }
    for (name, lookup) in &seen.elsewhere {
        looked_up(name, lookup, findings);
    }
}

fn looked_up(name: &Name, lookup: &super::Lookup, findings: &mut Findings) {
    let name = text(name);
    if let Some(alias) = &lookup.alias {
        let what = format!("the name server {name} is an alias for {}", text(alias));
        let advice = "name its real name: NS records must not lead to a CNAME (RFC 2181 §10.3)";
        findings.add(Level::Error, "ns-alias", None, what, advice);
    }
    match &lookup.failure {
        Some(why) if lookup.addresses.is_empty() => {
            let what = format!("the address of the name server {name} cannot be looked up: {why}");
            let advice = "name a resolver with --resolver ADDRESS; until then it is not checked";
            findings.add(Level::Warning, "ns-not-looked-up", None, what, advice);
        }
        None if lookup.addresses.is_empty() => {
            let what = format!("the name server {name} has no address");
            let advice = format!("add an A or AAAA record for {name} in the zone of that name");
            findings.add(Level::Error, "ns-without-address", None, what, advice);
        }
        _ => {}
    }
}
