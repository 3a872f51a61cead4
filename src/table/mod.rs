//! Floor 1: the record table and its answers.
//!
//! A [`Table`] is immutable. A release makes a new one that shares all but the changed nodes with
//! the one before, so its cost does not grow with the zone ([`names`]). [`Table::answer`] is the
//! one function that decides an answer, for every transport: a question goes in, a view of
//! records comes out. Neither the wire nor the clock is known here.

mod names;
mod selection;
mod service;

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use hickory_proto::rr::{
    Name, RData, RecordType,
    rdata::{HINFO, NS, SOA},
};

pub use names::NameKey;
use names::{Names, Node};
pub use service::ServiceRecords;

use crate::model::{DnsName, NEGATIVE_TTL, StaticRecord, Ttl, ZoneSpec};

/// SOA timers (RIPE-203); no secondary of ours uses them, but tools look at them.
const REFRESH_SECS: i32 = 3_600;
const RETRY_SECS: i32 = 600;
const EXPIRE_SECS: i32 = 604_800;
const APEX_TTL: Ttl = Ttl::from_secs_const(3_600);

/// What an answer needs, all of one generation.
#[derive(Clone, Debug)]
pub struct Table {
    generation: u64,
    serial: u32,
    apex: DnsName,
    soa: Rrset,
    negative_soa: Rrset,
    names: Names,
    complete: bool,
}

/// Records of one type of one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Rrset {
    /// Their type.
    pub kind: RecordType,
    /// Their TTL, in seconds.
    pub ttl: u32,
    /// Their data, at least one.
    pub data: Vec<RData>,
}

/// What is answered to one question.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer<'t> {
    /// Records of the name asked for.
    Static(&'t Rrset),
    /// Addresses of a service, chosen for this client.
    Service(Rrset),
    /// The name exists, but not with this type: the SOA record says for how long that is known.
    NoData(&'t Rrset),
    /// The name does not exist: likewise.
    NxDomain(&'t Rrset),
    /// The name is not in the zone.
    Refused,
    /// The zone has the name, but nothing can be said of it now.
    ServFail,
}

/// Changes that become visible in one store; removals are made first.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Owners of services and what they answer from now on.
    pub set: Vec<(DnsName, ServiceRecords)>,
    /// Services that are to go.
    pub removed: Vec<DnsName>,
}

impl Table {
    /// A table with the zone's own records and no service yet. Until the first [`Table::with`]
    /// a name that it does not know is not said to be absent: nobody knows that yet.
    ///
    /// `key` makes the name index unpredictable for those who choose names; `unix_secs` is the
    /// first serial.
    pub fn new(zone: &ZoneSpec, key: NameKey, unix_secs: u64) -> Self {
        let serial = serial_of(unix_secs);
        let (soa, negative_soa) = soa_rrsets(zone, serial);
        let mut names = Names::new(key);
        names.ensure(&zone.apex, &zone.apex);
        names.add_static(&zone.apex, &zone.apex, apex_ns(zone));
        for record in &zone.records {
            names.add_static(&record.owner, &zone.apex, record.into());
        }
        Self {
            generation: 1,
            serial,
            apex: zone.apex.clone(),
            soa,
            negative_soa,
            names,
            complete: false,
        }
    }

    /// The next table: this one with `change` made. Shares with this one all that stays.
    pub fn with(&self, change: Change, unix_secs: u64) -> Self {
        let mut next = self.clone();
        next.generation += 1;
        next.complete = true;
        next.serial = serial_after(self.serial, unix_secs);
        for soa in [&mut next.soa, &mut next.negative_soa] {
            set_serial(soa, next.serial);
        }
        for owner in change.removed {
            next.names.remove_service(&owner, &next.apex);
        }
        for (owner, records) in change.set {
            next.names.set_service(&owner, &next.apex, records);
        }
        next
    }

    /// The number of this table; only grows.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The SOA serial; only grows (RFC 1982).
    pub fn serial(&self) -> u32 {
        self.serial
    }

    /// The name at which the zone begins.
    pub fn apex(&self) -> &DnsName {
        &self.apex
    }

    /// Decides the answer. `name` is in wire form and lower case; `client` is the address that
    /// asked.
    pub fn answer(&self, name: &[u8], kind: RecordType, client: IpAddr) -> Answer<'_> {
        let Some(node) = self.names.get(name) else {
            return self.absent(name);
        };
        if kind == RecordType::ANY {
            return self.minimal_any(node);
        }
        if kind == RecordType::SOA && name == self.apex.wire() {
            return Answer::Static(&self.soa);
        }
        // An alias stands for every type (RFC 1034 §3.6.2); the resolver follows it.
        let of_kind = |kind| node.rrsets.iter().find(|rrset| rrset.kind == kind);
        if let Some(rrset) = of_kind(kind).or_else(|| of_kind(RecordType::CNAME)) {
            return Answer::Static(rrset);
        }
        match &node.service {
            Some(records) => match records.choose(kind, client) {
                service::Choice::Rrset(rrset) => Answer::Service(rrset),
                service::Choice::NoData => Answer::NoData(&self.negative_soa),
                service::Choice::Unavailable => Answer::ServFail,
            },
            None => Answer::NoData(&self.negative_soa),
        }
    }

    /// Whether anything is ever asked of this table for `name`: the apex is its suffix.
    fn covers(&self, name: &[u8]) -> bool {
        let apex = self.apex.wire();
        let mut rest = name;
        while rest.len() > apex.len() {
            rest = &rest[1 + usize::from(rest[0])..];
        }
        rest == apex
    }

    fn absent(&self, name: &[u8]) -> Answer<'_> {
        match (self.covers(name), self.complete) {
            (false, _) => Answer::Refused,
            (true, false) => Answer::ServFail,
            (true, true) => Answer::NxDomain(&self.negative_soa),
        }
    }

    /// RFC 8482 §4.2: ANY is answered with one small record that no amplifier can use.
    fn minimal_any(&self, node: &Node) -> Answer<'_> {
        if node.rrsets.is_empty() && node.service.is_none() {
            return Answer::NoData(&self.negative_soa);
        }
        let hinfo = HINFO::new("RFC8482".to_owned(), String::new());
        Answer::Service(Rrset {
            kind: RecordType::HINFO,
            ttl: NEGATIVE_TTL.secs(),
            data: vec![RData::HINFO(hinfo)],
        })
    }
}

impl From<&StaticRecord> for Rrset {
    fn from(record: &StaticRecord) -> Self {
        let data = vec![record.data.clone()];
        Self { kind: record.data.record_type(), ttl: record.ttl.secs(), data }
    }
}

/// The low 32 bits of the time are what a serial is (RFC 1982 serial arithmetic).
fn serial_of(unix_secs: u64) -> u32 {
    (unix_secs & u64::from(u32::MAX)) as u32
}

/// A serial after `before`, the time of day where that is later: so that it grows over restarts.
fn serial_after(before: u32, unix_secs: u64) -> u32 {
    let of_day = serial_of(unix_secs);
    let ahead = of_day.wrapping_sub(before);
    let grows = ahead > 0 && ahead < 1 << 31;
    if grows { of_day } else { before.wrapping_add(1) }
}

fn soa_rrsets(zone: &ZoneSpec, serial: u32) -> (Rrset, Rrset) {
    let primary = zone.nameservers.first().unwrap_or(&zone.apex);
    let minimum = NEGATIVE_TTL.secs();
    let soa = SOA::new(
        to_hickory(primary),
        to_hickory(&zone.hostmaster),
        serial,
        REFRESH_SECS,
        RETRY_SECS,
        EXPIRE_SECS,
        minimum,
    );
    let rrset = |ttl| Rrset { kind: RecordType::SOA, ttl, data: vec![RData::SOA(soa.clone())] };
    // RFC 2308 §3: in a negative answer its TTL is the lesser of its own and its minimum field.
    (rrset(APEX_TTL.secs()), rrset(APEX_TTL.secs().min(minimum)))
}

fn set_serial(rrset: &mut Rrset, serial: u32) {
    for data in &mut rrset.data {
        if let RData::SOA(soa) = data {
            soa.serial = serial;
        }
    }
}

fn apex_ns(zone: &ZoneSpec) -> Rrset {
    let data = zone.nameservers.iter().map(|name| RData::NS(NS(to_hickory(name)))).collect();
    Rrset { kind: RecordType::NS, ttl: APEX_TTL.secs(), data }
}

/// The same name as the codec writes it.
pub fn to_hickory(name: &DnsName) -> Name {
    let mut rest = name.wire();
    let mut labels = Vec::new();
    while rest[0] > 0 {
        let (label, after) = rest[1..].split_at(usize::from(rest[0]));
        labels.push(label);
        rest = after;
    }
    Name::from_labels(labels).expect("invariant: a DnsName keeps to the limits of RFC 1035")
}
