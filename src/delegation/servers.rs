//! What the name servers of our zone answer: each with authority, by UDP and TCP, and all the same.

use std::{collections::BTreeSet, net::SocketAddr};

use hickory_proto::{
    op::{Message, ResponseCode},
    rr::{Name, RData, rdata::SOA},
};

use super::{Level, Reply, Seen, ServerSeen, finding::Findings, list, nameservers, text};
use crate::{
    model::{DnsProbe, ZoneSpec},
    table::to_hickory,
};

pub(super) fn judge(zone: &ZoneSpec, apex: &Name, seen: &Seen, findings: &mut Findings) {
    for server in &seen.servers {
        transports(server, findings);
        let Some(reply) = whole(server) else { continue };
        if let Some(soa) = authoritative(zone, apex, server, reply, findings) {
            same_settings(zone, apex, server, soa, findings);
            edns(server, reply, findings);
        }
    }
    serials(apex, &seen.servers, findings);
}

fn transports(ServerSeen { name, server, udp, tcp, .. }: &ServerSeen, findings: &mut Findings) {
    let name = text(name);
    let (code, what, advice) = match (udp, tcp) {
        (Ok(_), Ok(_)) => return,
        (Err(udp), Err(tcp)) => (
            "server-silent",
            format!("{name} answers neither by UDP ({udp}) nor by TCP ({tcp})"),
            "start the daemon there, have it listen on this address, and open port 53 for UDP and TCP",
        ),
        (Err(udp), Ok(_)) => (
            "server-no-udp",
            format!("{name} answers by TCP, but not by UDP: {udp}"),
            "open port 53 for UDP, both ways",
        ),
        (Ok(_), Err(tcp)) => (
            "server-no-tcp",
            format!("{name} answers by UDP, but not by TCP: {tcp}"),
            "open port 53 for TCP (RFC 9210): what does not fit into a datagram is asked for by TCP",
        ),
    };
    findings.add(Level::Error, code, *server, what, advice);
}

/// The SOA record, if it answers for the zone.
fn authoritative<'r>(
    zone: &ZoneSpec,
    apex: &Name,
    seen: &ServerSeen,
    reply: &'r Reply,
    findings: &mut Findings,
) -> Option<&'r SOA> {
    let (name, zone, at) = (text(&seen.name), &zone.apex, seen.server);
    let serves = format!(
        "see that a daemon with zone = \"{zone}\" runs there, and that the address is right"
    );
    let metadata = &reply.message.metadata;
    if metadata.response_code != ResponseCode::NoError {
        let what = format!(
            "{name} does not answer for {zone}: it says {}",
            DnsProbe::word(metadata.response_code)
        );
        findings.add(Level::Error, "server-refuses", at, what, serves);
        return None;
    }
    if !metadata.authoritative {
        let what = format!("{name} answers for {zone} without authority, as a resolver does");
        findings.add(Level::Error, "server-not-authoritative", at, what, serves);
        return None;
    }
    let soa = soa(&reply.message, apex);
    if soa.is_none() {
        let what = format!("{name} has no zone {zone}: there is no SOA record in its answer");
        findings.add(Level::Error, "server-no-soa", at, what, serves);
    }
    soa
}

/// Whether it runs with the settings that are checked.
fn same_settings(
    zone: &ZoneSpec,
    apex: &Name,
    seen: &ServerSeen,
    soa: &SOA,
    findings: &mut Findings,
) {
    let name = text(&seen.name);
    let advice = "give all name servers of the zone the same settings, and restart those that have \
                  read others";
    let primary = zone.nameservers.first().unwrap_or(&zone.apex);
    if soa.mname != to_hickory(primary) || soa.rname != to_hickory(&zone.hostmaster) {
        let what = format!(
            "the SOA record of {name} has {} and {}, and these settings make it {primary} and {}",
            text(&soa.mname),
            text(&soa.rname),
            zone.hostmaster
        );
        findings.add(Level::Warning, "server-other-soa", seen.server, what, advice);
    }
    let Ok(reply) = &seen.ns else { return };
    let has = nameservers(&reply.message.answers, apex);
    let wanted: BTreeSet<Name> = zone.nameservers.iter().map(to_hickory).collect();
    if has != wanted {
        let what = format!(
            "{name} names {} as name servers of {}, and `nameservers` has {}",
            if has.is_empty() { "nobody".to_owned() } else { list(has.iter().map(text)) },
            zone.apex,
            list(&zone.nameservers)
        );
        findings.add(Level::Warning, "server-other-ns", seen.server, what, advice);
    }
}

fn edns(seen: &ServerSeen, reply: &Reply, findings: &mut Findings) {
    let name = text(&seen.name);
    if reply.message.edns.is_none() {
        let what =
            format!("{name} does not know EDNS (RFC 6891): large answers and cookies do not pass");
        let advice =
            "see whether something between here and there, such as a firewall, takes it away";
        findings.add(Level::Warning, "no-edns", seen.server, what, advice);
    }
    let is_large = |answer: &super::Answer| answer.as_ref().is_ok_and(|reply| reply.truncated);
    if is_large(&seen.udp) || is_large(&seen.ns) {
        let what = format!(
            "what {name} says of the zone does not fit into a datagram: each resolver has to ask again by TCP"
        );
        let advice = "have fewer name servers, or shorter names";
        findings.add(Level::Warning, "server-large", seen.server, what, advice);
    }
}

/// Each daemon counts by itself, from the time of day; but which is newer has to be clear (RFC 1982).
fn serials(apex: &Name, servers: &[ServerSeen], findings: &mut Findings) {
    let serial = |seen: &ServerSeen| serial(seen, apex);
    let known: Vec<(SocketAddr, u32)> =
        servers.iter().filter_map(|seen| Some((seen.server, serial(seen)?))).collect();
    let Some(&(_, first)) = known.first() else { return };
    for &(at, other) in known.iter().filter(|(_, it)| first.wrapping_sub(*it) == 1 << 31) {
        let what = format!(
            "the serials {first} and {other} cannot be compared: neither is the later one (RFC 1982)"
        );
        let advice = "set the clock of that host, and restart the daemon there";
        findings.add(Level::Warning, "serials", at, what, advice);
    }
}

/// What a name server says: by UDP, unless there was no room for it there.
fn whole(seen: &ServerSeen) -> Option<&Reply> {
    let udp = seen.udp.as_ref().ok();
    let fits = udp.filter(|reply| !reply.message.metadata.truncation);
    fits.or(seen.tcp.as_ref().ok()).or(udp)
}

/// The serial that a name server has for the zone.
pub fn serial(seen: &ServerSeen, apex: &Name) -> Option<u32> {
    let reply = whole(seen)?;
    soa(&reply.message, apex).map(|soa| soa.serial)
}

fn soa<'m>(message: &'m Message, apex: &Name) -> Option<&'m SOA> {
    message.answers.iter().find_map(|record| match &record.data {
        RData::SOA(soa) if record.name == *apex => Some(soa),
        _ => None,
    })
}
