//! A zone: its SOA record, and what it holds beside its services ([`tree`]). Where an answer is more
//! than the records of the name asked for, [`mod@compose`] puts it together.

mod canonical;
mod compose;
mod tree;

use std::sync::Arc;

use hickory_proto::rr::{RData, RecordType, rdata};

use super::{Authority, Rrset, fixed, serial_after, to_hickory};
use crate::model::{DnsName, ZoneSpec};
#[cfg(test)]
pub(super) use compose::CHAIN_MAX;
pub use compose::{Composition, Verdict};
pub(super) use compose::{compose, is_absent};
pub(super) use tree::{Entry, Tree, target};

/// A zone of one generation.
#[derive(Clone, Debug)]
pub(super) struct Zone {
    apex: DnsName,
    serial: u32,
    soa: rdata::SOA,
    soa_ttl: u32,
    /// The answer to a question for the SOA record, packed.
    soa_packed: Vec<u8>,
    authority: Authority,
    tree: Arc<Tree>,
}

impl Zone {
    /// A zone whose serial is `serial`; `apexes` are those of all zones that are answered for.
    pub(super) fn new(spec: &ZoneSpec, apexes: &[DnsName], serial: u32) -> Self {
        let soa = soa(spec, serial);
        let soa_ttl = spec.start.ttl.secs();
        Self {
            apex: spec.apex.clone(),
            serial,
            soa_packed: packed_soa(&spec.apex, &soa, soa_ttl),
            authority: authority(&spec.apex, &soa, soa_ttl),
            soa,
            soa_ttl,
            tree: Arc::new(Tree::new(spec, apexes)),
        }
    }

    /// Gives it the serial that comes after its own.
    pub(super) fn grow(&mut self, unix_secs: u64) {
        self.serial = serial_after(self.serial, unix_secs);
        self.soa.serial = self.serial;
        self.soa_packed = packed_soa(&self.apex, &self.soa, self.soa_ttl);
        self.authority = authority(&self.apex, &self.soa, self.soa_ttl);
    }

    pub(super) fn apex(&self) -> &DnsName {
        &self.apex
    }

    pub(super) fn serial(&self) -> u32 {
        self.serial
    }

    pub(super) fn soa_packed(&self) -> &[u8] {
        &self.soa_packed
    }

    pub(super) fn authority(&self) -> &Authority {
        &self.authority
    }

    pub(super) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Whether a name in wire form is in it, or in a zone below it.
    pub(super) fn covers(&self, name: &[u8]) -> bool {
        let apex = self.apex.wire();
        let mut rest = name;
        // Of most zones no other name ends so: no label is looked at.
        while rest.len() > apex.len() && name.ends_with(apex) {
            rest = &rest[1 + usize::from(rest[0])..];
        }
        rest == apex
    }

    /// Whether it holds the same as another one does, but for its serial and its services.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let mut soa = self.soa.clone();
        soa.serial = other.serial;
        (soa == other.soa && self.soa_ttl == other.soa_ttl) && self.tree == other.tree
    }
}

fn soa(zone: &ZoneSpec, serial: u32) -> rdata::SOA {
    let start = &zone.start;
    let first = zone.nameservers.first().unwrap_or(&zone.apex);
    let primary = to_hickory(start.primary.as_ref().unwrap_or(first));
    let hostmaster = to_hickory(&zone.hostmaster);
    let (refresh, retry, expire) = (start.refresh_secs, start.retry_secs, start.expire_secs);
    rdata::SOA::new(primary, hostmaster, serial, refresh, retry, expire, start.minimum.secs())
}

fn packed_soa(apex: &DnsName, soa: &rdata::SOA, ttl: u32) -> Vec<u8> {
    let mut packed = Vec::new();
    fixed::pack_static(apex, &soa_rrset(soa, ttl), &mut packed);
    packed
}

/// RFC 2308 §3: in a negative answer its TTL is the lesser of its own and its minimum field.
fn authority(apex: &DnsName, soa: &rdata::SOA, ttl: u32) -> Authority {
    Authority::new(apex, soa_rrset(soa, ttl.min(soa.minimum)))
}

fn soa_rrset(soa: &rdata::SOA, ttl: u32) -> Rrset {
    Rrset { kind: RecordType::SOA, ttl, data: vec![RData::SOA(soa.clone())] }
}
