//! The rules that the records of one zone keep to among each other, each by its RFC.
//!
//! Left out: what is wrong with one record by itself, and what has to do with services.

use std::collections::{BTreeMap, BTreeSet};

use hickory_proto::rr::{RData, RecordType};

use super::{DnsName, StaticRecord, ZoneSpec};

/// A rule that a record breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// An alias has nothing else.
    #[error("{0} has a CNAME record, and so must have no other data (RFC 1034 §3.6.2)")]
    BesideAlias(DnsName),
    /// An alias has one target.
    #[error("{0} has more than one {1} record (RFC 2181 §10.1, RFC 6672 §2.4)")]
    Several(DnsName, RecordType),
    /// Names below a DNAME record are somewhere else.
    #[error("{0} is below {1}, which has a DNAME record, and so must not be there (RFC 6672 §2.4)")]
    BelowDname(DnsName, DnsName),
    /// Below the apex, delegations and DNAME records exclude each other.
    #[error("{0} has a DNAME record and is delegated; only an apex may have both (RFC 6672 §2.3)")]
    DnameBesideNs(DnsName),
    /// Wildcards of these types mean nothing.
    #[error("a wildcard cannot have {1} records: {0} (RFC 4592 §4)")]
    Wildcard(DnsName, RecordType),
    /// They are data of the zone above.
    #[error(
        "{0} is the apex of this zone, and its DS records stand in the zone above (RFC 4035 §2.4)"
    )]
    DsAtApex(DnsName),
    /// A server that nobody can find.
    #[error(
        "the name server {1} of {0} is inside the zone but has no address there (RFC 1034 §4.2.1)"
    )]
    NoGlue(DnsName, DnsName),
    /// What these records name must not be an alias.
    #[error("the {1} record of {0} names {2}, which has a CNAME record (RFC 2181 §10.3)")]
    TargetIsAlias(DnsName, RecordType, DnsName),
    /// What no message can hold at all.
    #[error("the data of the {1} record of {0} cannot be sent: a part of it is too long")]
    NotSendable(DnsName, RecordType),
    /// More than a message can hold.
    #[error(
        "the {1} records of {0} do not fit into a message: {2} octets of 65,535 (RFC 1035 §4.2.2)"
    )]
    TooLarge(DnsName, RecordType, usize),
}

/// Octets that a message has beside the records of one answer: header, question, OPT.
const MESSAGE_ROOM: usize = 64_000;
/// What a record has beside its data, with an owner that points to the question.
const RECORD_LEN: usize = 12;

/// Every rule that is broken, with the number of a record that breaks it.
pub fn broken_rules(zone: &ZoneSpec) -> Vec<(usize, RuleError)> {
    let around = Around::new(zone);
    let mut broken = Vec::new();
    let mut sizes: BTreeMap<(&DnsName, RecordType), usize> = BTreeMap::new();
    for (index, record) in zone.records.iter().enumerate() {
        broken.extend(around.broken(record).map(|rule| (index, rule)));
        let kind = record.data.record_type();
        let Some(len) = len_of(&record.data) else {
            broken.push((index, RuleError::NotSendable(record.owner.clone(), kind)));
            continue;
        };
        let size = sizes.entry((&record.owner, kind)).or_default();
        let before = *size;
        *size += RECORD_LEN + len;
        if before <= MESSAGE_ROOM && *size > MESSAGE_ROOM {
            broken.push((index, RuleError::TooLarge(record.owner.clone(), kind, *size)));
        }
    }
    broken
}

/// The names that rules ask for.
struct Around<'z> {
    zone: &'z ZoneSpec,
    aliases: BTreeMap<&'z DnsName, usize>,
    renamed: BTreeMap<&'z DnsName, usize>,
    delegated: BTreeSet<&'z DnsName>,
    with_addresses: BTreeSet<&'z DnsName>,
}

impl<'z> Around<'z> {
    fn new(zone: &'z ZoneSpec) -> Self {
        let (aliases, renamed, delegated, with_addresses) = Default::default();
        let mut around = Self { zone, aliases, renamed, delegated, with_addresses };
        for StaticRecord { owner, data, .. } in &zone.records {
            match data.record_type() {
                RecordType::CNAME => *around.aliases.entry(owner).or_default() += 1,
                RecordType::DNAME => *around.renamed.entry(owner).or_default() += 1,
                RecordType::NS if *owner != zone.apex => drop(around.delegated.insert(owner)),
                RecordType::A | RecordType::AAAA => drop(around.with_addresses.insert(owner)),
                _ => {}
            }
        }
        around
    }

    fn broken(&self, record: &StaticRecord) -> Option<RuleError> {
        let (owner, kind) = (&record.owner, record.data.record_type());
        let is_wildcard = owner.wire().starts_with(b"\x01*");
        match (kind, self.aliases.get(owner)) {
            // The apex has an SOA record at least.
            (RecordType::CNAME, Some(_)) if *owner == self.zone.apex => {
                return Some(RuleError::BesideAlias(owner.clone()));
            }
            (RecordType::CNAME, Some(2..)) => {
                return Some(RuleError::Several(owner.clone(), kind));
            }
            (RecordType::CNAME, _) | (_, None) => {}
            (_, Some(_)) => return Some(RuleError::BesideAlias(owner.clone())),
        }
        if kind == RecordType::DNAME {
            match self.renamed.get(owner) {
                Some(2..) => return Some(RuleError::Several(owner.clone(), kind)),
                _ if self.delegated.contains(owner) => {
                    return Some(RuleError::DnameBesideNs(owner.clone()));
                }
                _ => {}
            }
        }
        if is_wildcard && matches!(kind, RecordType::NS | RecordType::DNAME | RecordType::SOA) {
            return Some(RuleError::Wildcard(owner.clone(), kind));
        }
        if kind == RecordType::DS && *owner == self.zone.apex {
            return Some(RuleError::DsAtApex(owner.clone()));
        }
        let above = owner.ancestors().skip(1).map(DnsName::from_octets);
        let mut renamed = above.flatten().filter(|name| self.renamed.contains_key(name));
        if let Some(above) = renamed.next() {
            return Some(RuleError::BelowDname(owner.clone(), above));
        }
        self.broken_target(owner, &record.data)
    }

    /// What NS and MX records name.
    fn broken_target(&self, owner: &DnsName, data: &RData) -> Option<RuleError> {
        let (name, is_server) = match data {
            RData::NS(ns) => (&ns.0, true),
            RData::MX(mx) => (&mx.exchange, false),
            _ => return None,
        };
        let name: DnsName = name_of(name)?;
        if self.aliases.contains_key(&name) {
            return Some(RuleError::TargetIsAlias(owner.clone(), data.record_type(), name));
        }
        // Others know the addresses of servers that are elsewhere.
        let is_lost = is_server && name.is_within(owner) && !self.with_addresses.contains(&name);
        is_lost.then(|| RuleError::NoGlue(owner.clone(), name))
    }
}

fn name_of(name: &hickory_proto::rr::Name) -> Option<DnsName> {
    let mut wire = Vec::new();
    for label in name.iter() {
        wire.push(u8::try_from(label.len()).ok()?);
        wire.extend(label);
    }
    wire.push(0);
    DnsName::from_octets(&wire).ok()
}

/// How long the data of a record is without compression, if it can be sent.
fn len_of(data: &RData) -> Option<usize> {
    use hickory_proto::serialize::binary::BinEncodable;
    data.to_bytes().ok().map(|octets| octets.len())
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::rdata::TXT;

    use super::*;
    use crate::model::{Start, Ttl};

    #[test]
    fn data_that_cannot_be_sent_is_not_taken_for_large_data() {
        let apex: DnsName = "zone.test".parse().expect("a name");
        let data = RData::TXT(TXT::new(vec!["x".repeat(256)]));
        let ttl = Ttl::from_secs_const(60);
        let records = vec![StaticRecord { owner: apex.clone(), ttl, data }];
        let (nameservers, hostmaster, start) = (Vec::new(), apex.clone(), Start::default());
        let zone = ZoneSpec { apex: apex.clone(), nameservers, hostmaster, start, records };
        let expected = RuleError::NotSendable(apex, RecordType::TXT);
        assert_eq!(broken_rules(&zone), [(0, expected)]);
    }
}
