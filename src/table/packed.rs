//! An rrset as it is sent: its records lie ready, each with the owner as a pointer to the
//! question, so that an answer is one copy.
//!
//! An rrset is answered whole, except for the addresses of a service with unequal weights: then
//! each client is given some of them ([`super::selection`]).

use hickory_proto::{
    op::{Message, MessageType, OpCode, Query},
    rr::{Name, RData, Record, RecordType},
    serialize::binary::{BinDecodable, BinDecoder},
};

use super::{
    Rrset,
    octets::{u16_at, u32_at, u32_of},
    selection::Weights,
    to_hickory,
};
use crate::model::DnsName;

/// Where the question's name stands in a message: behind the header.
pub(super) const QUESTION_AT: usize = 12;
/// Type and class behind the question's name.
const QUESTION_FIXED_LEN: usize = 4;
/// A pointer to the question's name (RFC 1035 §4.1.4).
pub(super) const TO_QUESTION: [u8; 2] = [0xc0, QUESTION_AT as u8];

/// Type, flags, one spare octet, how many records an answer has, length of each record (0: all
/// are answered), length of all records, TTL, tally, length of the weights.
const HEAD_LEN: usize = 24;
const FLAGS: usize = 2;
const COUNT: usize = 4;
const RECORD_LEN: usize = 6;
const RECORDS_LEN: usize = 8;
const TTL: usize = 12;
const TALLY: usize = 16;
const WEIGHTS_LEN: usize = 20;

const IS_SERVICE: u8 = 1;
const IS_LOST: u8 = 2;

/// What an answer counts for: a number that stands for one pool of one service. It stays the same
/// from one table to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tally(pub u32);

impl Tally {
    const NONE: u32 = u32::MAX;
}

/// What a packed rrset is made from.
pub(super) struct Parts<'p> {
    pub(super) kind: RecordType,
    pub(super) ttl: u32,
    /// How many an answer has.
    pub(super) count: usize,
    /// The records, one after the other, as they are sent.
    pub(super) records: &'p [u8],
    /// The packed weights; empty when every client is given everything.
    pub(super) weights: &'p [u8],
    pub(super) is_service: bool,
    /// All of it is down, and nothing may stand in: SERVFAIL.
    pub(super) is_lost: bool,
    pub(super) tally: Option<Tally>,
}

impl Parts<'_> {
    pub(super) fn pack_into(&self, out: &mut Vec<u8>) {
        let u16_of = |number: usize| u16::try_from(number).unwrap_or(u16::MAX);
        let is_weighted = !self.weights.is_empty();
        let record_len = match self.kind {
            RecordType::A if is_weighted => A_LEN,
            RecordType::AAAA if is_weighted => AAAA_LEN,
            _ => 0,
        };
        out.extend(u16::from(self.kind).to_le_bytes());
        let flag = |is_set, flag| if is_set { flag } else { 0 };
        out.extend([flag(self.is_service, IS_SERVICE) | flag(self.is_lost, IS_LOST), 0]);
        out.extend(u16_of(self.count).to_le_bytes());
        out.extend(u16_of(record_len).to_le_bytes());
        out.extend(u32_of(self.records.len()).to_le_bytes());
        out.extend(self.ttl.to_le_bytes());
        out.extend(self.tally.map_or(Tally::NONE, |tally| tally.0).to_le_bytes());
        out.extend(u32_of(self.weights.len()).to_le_bytes());
        out.extend(self.records);
        out.extend(self.weights);
    }
}

/// Packs records that no release changes, with names in their data pointing to the question's
/// name where that makes them shorter.
pub(super) fn pack_static(owner: &DnsName, rrset: &Rrset, out: &mut Vec<u8>) {
    let (records, count) = encode(owner, rrset);
    let parts = Parts {
        kind: rrset.kind,
        ttl: rrset.ttl,
        count,
        records: &records,
        weights: &[],
        is_service: false,
        is_lost: count == 0,
        tally: None,
    };
    parts.pack_into(out);
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

/// A packed rrset where it lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Packed<'t> {
    head: &'t [u8; HEAD_LEN],
    /// The records, then the weights.
    body: &'t [u8],
}

impl<'t> Packed<'t> {
    /// The first of several, and the rest.
    #[inline]
    pub(super) fn split_first(octets: &'t [u8]) -> Option<(Self, &'t [u8])> {
        let (head, rest) = octets.split_first_chunk::<HEAD_LEN>()?;
        let body_len = u32_at(head, RECORDS_LEN) as usize + u32_at(head, WEIGHTS_LEN) as usize;
        let (body, rest) = rest.split_at_checked(body_len)?;
        Some((Self { head, body }, rest))
    }

    /// The first of several of one type, or an alias, which stands for every type
    /// (RFC 1034 §3.6.2); a static one goes before one of a service.
    #[inline]
    pub(super) fn find(mut octets: &'t [u8], kind: u16) -> Option<Self> {
        while let Some((packed, rest)) = Self::split_first(octets) {
            if packed.kind() == kind || packed.kind() == CNAME {
                return Some(packed);
            }
            octets = rest;
        }
        None
    }

    pub(super) fn kind(&self) -> u16 {
        u16_at(self.head, 0)
    }

    pub(super) fn is_service(&self) -> bool {
        self.head[FLAGS] & IS_SERVICE != 0
    }

    pub(super) fn is_lost(&self) -> bool {
        self.head[FLAGS] & IS_LOST != 0
    }

    pub(super) fn is_empty(&self) -> bool {
        u32_at(self.head, RECORDS_LEN) == 0
    }

    /// What the client at `u()` is given of it; `u` is asked for only if it makes a difference.
    #[inline(always)]
    pub(super) fn records_for(self, u: impl FnOnce(u64) -> u64) -> Records<'t> {
        let (records, weights) = self.records_and_weights();
        let count = u16_at(self.head, COUNT);
        let Some(weights) = weights else {
            return Records { packed: self, first_point: 0, octets_len: u32_of(records.len()) };
        };
        Records {
            packed: self,
            first_point: weights.first_point(u(weights.salt())),
            octets_len: u32::from(count) * u32::from(u16_at(self.head, RECORD_LEN)),
        }
    }

    #[inline]
    fn records_and_weights(&self) -> (&'t [u8], Option<Weights<'t>>) {
        let (records, weights) = self.body.split_at(u32_at(self.head, RECORDS_LEN) as usize);
        (records, Weights::unpack(weights))
    }
}

/// The number of the type CNAME.
const CNAME: u16 = 5;
/// The lengths of records with an address that point to the question's name: only these have
/// weights.
const A_LEN: usize = 16;
const AAAA_LEN: usize = 28;

/// The records that one client is given: some of them where there are weights, else all. Small,
/// because it is handed on a few times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Records<'t> {
    packed: Packed<'t>,
    first_point: u64,
    octets_len: u32,
}

impl Records<'_> {
    /// The number of their type.
    pub fn kind(&self) -> u16 {
        self.packed.kind()
    }

    /// Their TTL, in seconds.
    pub fn ttl(&self) -> u32 {
        u32_at(self.packed.head, TTL)
    }

    /// How many they are.
    #[inline]
    pub fn count(&self) -> u16 {
        u16_at(self.packed.head, COUNT)
    }

    /// Whether other clients are given others.
    pub fn depends_on_client(&self) -> bool {
        self.packed.records_and_weights().1.is_some()
    }

    /// What this answer counts for.
    #[inline]
    pub fn tally(&self) -> Option<Tally> {
        let tally = u32_at(self.packed.head, TALLY);
        (tally != Tally::NONE).then_some(Tally(tally))
    }

    /// How many octets they are as they are sent.
    #[inline]
    pub fn octets_len(&self) -> usize {
        self.octets_len as usize
    }

    /// Writes them behind a question; says how long they are, or nothing if there is no room.
    #[inline(always)]
    pub fn write(&self, out: &mut [u8]) -> Option<usize> {
        let (records, weights) = self.packed.records_and_weights();
        let Some(weights) = weights else {
            out.get_mut(..records.len())?.copy_from_slice(records);
            return Some(records.len());
        };
        match u16_at(self.packed.head, RECORD_LEN).into() {
            A_LEN => self.write_picked::<A_LEN>(records, weights, out),
            _ => self.write_picked::<AAAA_LEN>(records, weights, out),
        }
    }

    /// Of a length that is known here each is copied without a call.
    #[inline]
    fn write_picked<const RECORD_LEN: usize>(
        &self,
        records: &[u8],
        weights: Weights<'_>,
        out: &mut [u8],
    ) -> Option<usize> {
        let records = records.as_chunks::<RECORD_LEN>().0;
        let mut places = out.as_chunks_mut::<RECORD_LEN>().0.iter_mut();
        for item in weights.items_under(self.first_point).take(self.count().into()) {
            *places.next()? = *records.get(item)?;
        }
        Some(self.octets_len())
    }

    /// The same as the codec has them, with `owner` written as it is here.
    pub fn decode(&self, owner: &Name) -> Vec<Record> {
        // The pointers in them count from the start of a message that asks for the owner.
        let mut message = vec![0; QUESTION_AT];
        for label in owner.iter() {
            message
                .push(u8::try_from(label.len()).expect("invariant: a label has at most 63 octets"));
            message.extend_from_slice(label);
        }
        message.extend([0; 1 + QUESTION_FIXED_LEN]);
        let begin = u16::try_from(message.len()).expect("invariant: a name has at most 255 octets");
        message.resize(usize::from(begin) + self.octets_len(), 0);
        self.write(&mut message[begin.into()..]);
        let mut decoder = BinDecoder::new(&message).clone(begin);
        let read =
            |_| Record::read(&mut decoder).expect("invariant: what we encode can be decoded");
        (0..self.count()).map(read).collect()
    }
}
