//! Records that no release changes, packed as they are sent.

use std::collections::BTreeMap;

use hickory_proto::{
    op::{Message, MessageType, OpCode, Query},
    rr::{
        RData, Record, RecordType,
        rdata::{HINFO, NS},
    },
};

use super::{
    Audience, Rrset,
    packed::{Body, Parts, QUESTION_AT, QUESTION_FIXED_LEN},
    to_hickory,
};
use crate::model::{DnsName, NEGATIVE_TTL, Spread, Timing, ZoneSpec};

/// The zone's own rrsets but its SOA.
pub(super) fn rrsets(zone: &ZoneSpec) -> BTreeMap<(&DnsName, RecordType), Rrset> {
    let mut rrsets = BTreeMap::new();
    if !zone.nameservers.is_empty() {
        rrsets.insert((&zone.apex, RecordType::NS), apex_ns(zone));
    }
    for record in &zone.records {
        let kind = record.data.record_type();
        let empty = Rrset { kind, ttl: record.ttl.secs(), data: Vec::new() };
        let rrset = rrsets.entry((&record.owner, kind)).or_insert(empty);
        // RFC 2181 §5.2: one TTL per rrset; the least of those written.
        rrset.ttl = rrset.ttl.min(record.ttl.secs());
        rrset.data.push(record.data.clone());
    }
    rrsets
}

/// RFC 8482 §4.2: ANY is answered with one small record that no amplifier can use.
pub(super) fn minimal_any() -> Rrset {
    let hinfo = HINFO::new("RFC8482".to_owned(), String::new());
    Rrset { kind: RecordType::HINFO, ttl: NEGATIVE_TTL.secs(), data: vec![RData::HINFO(hinfo)] }
}

fn apex_ns(zone: &ZoneSpec) -> Rrset {
    let data = zone.nameservers.iter().map(|name| RData::NS(NS(to_hickory(name)))).collect();
    Rrset { kind: RecordType::NS, ttl: zone.start.nameservers_ttl.secs(), data }
}

/// Packs records, with names in their data pointing to the question's name where that makes them
/// shorter.
pub(super) fn pack_static(owner: &DnsName, rrset: &Rrset, out: &mut Vec<u8>) {
    let (records, count) = encode(owner, rrset);
    let (kind, ttl) = (rrset.kind, rrset.ttl);
    let (body, audience) = (Body::Records(records), Audience::Everyone);
    let (is_lost, spread, tally, timing) = (count == 0, Spread::Sticky, None, Timing::Lasting);
    Parts { kind, ttl, count, body, is_lost, spread, tally, audience, timing }.pack_into(out);
}

/// The note, packed, that the records of a type are put together ([`super::zone`]): an rrset that is
/// lost, and no service's.
pub(super) fn composed(kind: RecordType) -> Vec<u8> {
    let (body, audience) = (Body::Records(Vec::new()), Audience::Everyone);
    let (ttl, count, is_lost, tally) = (0, 0, true, None);
    let (spread, timing) = (Spread::Sticky, Timing::Lasting);
    let mut packed = Vec::new();
    Parts { kind, ttl, count, body, is_lost, spread, tally, audience, timing }
        .pack_into(&mut packed);
    packed
}

/// The answer section to a question for `owner`, and how many records it has.
pub(super) fn encode(owner: &DnsName, rrset: &Rrset) -> (Vec<u8>, usize) {
    let owner_len = owner.wire().len();
    let owner = to_hickory(owner);
    let mut message = Message::new(0, MessageType::Response, OpCode::Query);
    message.add_query(Query::query(owner.clone(), rrset.kind));
    let record = |data: &RData| Record::from_rdata(owner.clone(), rrset.ttl, data.clone());
    message.add_answers(rrset.data.iter().map(record));
    // What no message can hold could never be answered: SERVFAIL, not a part of it.
    let mut octets = message.to_vec().unwrap_or_default();
    let counted =
        octets.get(6..8).map_or(0, |count| usize::from(count[0]) << 8 | usize::from(count[1]));
    let count = if counted == rrset.data.len() { counted } else { 0 };
    let begin = octets.len().min(QUESTION_AT + owner_len + QUESTION_FIXED_LEN);
    let records = if count == 0 { Vec::new() } else { octets.split_off(begin) };
    (records, count)
}
