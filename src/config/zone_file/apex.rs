//! What a zone file says at the apex: the SOA record and the name servers, beside what `cutover.toml` says
//! of them.

use std::ops::Range;

use hickory_proto::rr::RData;

use super::super::document::Mistakes;
use crate::{
    model::{Start, StaticRecord, Ttl, ZoneSpec},
    table::from_hickory,
};

/// What the SOA record of a file says; the serial is ours, and only grows.
pub(super) fn start(zone: &mut ZoneSpec, record: &StaticRecord) {
    let RData::SOA(soa) = &record.data else { return };
    let Start { nameservers_ttl, .. } = zone.start;
    zone.start = Start {
        primary: Some(from_hickory(&soa.mname)),
        ttl: record.ttl,
        nameservers_ttl,
        refresh_secs: soa.refresh,
        retry_secs: soa.retry,
        expire_secs: soa.expire,
        minimum: Ttl::of_record(soa.minimum),
    };
    zone.hostmaster = from_hickory(&soa.rname);
}

/// The name servers of a file; if `cutover.toml` has some too, they are the same.
pub(super) fn nameservers(
    zone: &mut ZoneSpec,
    servers: &[(Range<usize>, StaticRecord)],
    mistakes: &Mistakes,
) {
    let mut names = Vec::new();
    for (span, record) in servers {
        let RData::NS(ns) = &record.data else { continue };
        let name = from_hickory(&ns.0);
        if !zone.nameservers.is_empty() && !zone.nameservers.contains(&name) {
            let hint = "take them out of one of the two files, or make them the same";
            let message = format!("{name} is not one of `nameservers` in cutover.toml");
            mistakes.add_with_hint(span.clone(), message, hint);
        }
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let (Some((span, record)), false) = (servers.first(), names.is_empty()) else { return };
    if let Some(missing) = zone.nameservers.iter().find(|name| !names.contains(name)) {
        let hint = "take them out of one of the two files, or make them the same";
        let message = format!("{missing} is one of `nameservers` in cutover.toml, but not here");
        mistakes.add_with_hint(span.clone(), message, hint);
    }
    let ttls = servers.iter().map(|(_, record)| record.ttl);
    zone.start.nameservers_ttl = ttls.min().unwrap_or(record.ttl);
    zone.nameservers = names;
}

/// A name server inside the zone is found only if the zone itself knows its address.
pub(super) fn no_addresses(
    zone: &ZoneSpec,
    servers: &[(Range<usize>, StaticRecord)],
    mistakes: &Mistakes,
) {
    let hint = "add a record with its name, type A or AAAA, and its address";
    for name in super::super::settings::without_address(zone) {
        let is_it = |record: &StaticRecord| matches!(&record.data, RData::NS(ns) if from_hickory(&ns.0) == *name);
        let span = servers.iter().find(|(_, record)| is_it(record)).map(|(span, _)| span.clone());
        let message = format!("the name server {name} is inside the zone but has no address there");
        mistakes.add_with_hint(span.unwrap_or(0..0), message, hint);
    }
    if zone.nameservers.is_empty() {
        let hint = "write them here, at the apex, or as `nameservers` in cutover.toml";
        mistakes.add_with_hint(0..0, "the zone has no name server", hint);
    }
}
