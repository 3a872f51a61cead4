//! The SOA record of negative answers (RFC 2308), ready to be sent with any question of the zone.

use hickory_proto::rr::{Name, RData, Record};

use super::{Rrset, fixed, packed::QUESTION_AT, to_hickory};
use crate::model::DnsName;

/// The two high bits of a compression pointer (RFC 1035 §4.1.4).
const POINTER: u8 = 0xc0;
/// Type, class, TTL and data length, behind a record's owner.
const RECORD_FIXED_LEN: usize = 10;
/// Type and class.
const BEFORE_TTL_LEN: usize = 4;
const TTL_LEN: usize = 4;
/// The owner, and the two names in the data.
const NAMES: usize = 3;

/// The record as it stands behind a question for the apex; behind a longer name each pointer in it
/// leads as much further.
#[derive(Clone, Debug, PartialEq)]
pub struct Authority {
    apex: Name,
    apex_len: usize,
    rrset: Rrset,
    octets: Vec<u8>,
    /// Where its TTL stands; its minimum is the last of its data.
    ttl_at: usize,
    /// Where pointers stand, and where each leads to.
    pointers: Vec<(usize, u16)>,
}

impl Authority {
    pub(super) fn new(apex: &DnsName, rrset: Rrset) -> Self {
        let (octets, _) = fixed::encode(apex, &rrset);
        let mut pointers = Vec::with_capacity(NAMES);
        let end_of_owner = note_pointer(&octets, 0, &mut pointers);
        let ttl_at = end_of_owner + BEFORE_TTL_LEN;
        let mut at = end_of_owner + RECORD_FIXED_LEN;
        for _ in 1..NAMES {
            at = note_pointer(&octets, at, &mut pointers);
        }
        let (apex, apex_len) = (to_hickory(apex), apex.wire().len());
        Self { apex, apex_len, rrset, octets, ttl_at, pointers }
    }

    /// The records of the section.
    pub fn rrset(&self) -> &Rrset {
        &self.rrset
    }

    /// For how many seconds caches may keep what it stands for, if that is not known to change.
    pub fn ttl(&self) -> u32 {
        self.rrset.ttl
    }

    /// The same as the codec has them, with a TTL of at most `ttl`.
    pub fn records(&self, ttl: u32) -> Vec<Record> {
        let record = |data: &RData| {
            let mut data = data.clone();
            if let RData::SOA(soa) = &mut data {
                soa.minimum = soa.minimum.min(ttl);
            }
            Record::from_rdata(self.apex.clone(), self.rrset.ttl.min(ttl), data)
        };
        self.rrset.data.iter().map(record).collect()
    }

    /// How long the record is as it is sent.
    pub fn octets_len(&self) -> usize {
        self.octets.len()
    }

    /// Writes the record behind a question whose name has `name_len` octets and ends with the
    /// apex, with a TTL of at most `ttl`; says how long it is, or nothing if there is no room.
    pub fn write(&self, name_len: usize, ttl: u32, out: &mut [u8]) -> Option<usize> {
        let out = out.get_mut(..self.octets.len())?;
        out.copy_from_slice(&self.octets);
        let further = u16::try_from(name_len.checked_sub(self.apex_len)?).ok()?;
        for &(at, to) in &self.pointers {
            let to = to + further;
            out[at..at + 2].copy_from_slice(&[POINTER | (to >> 8) as u8, (to & 0xff) as u8]);
        }
        if ttl < self.rrset.ttl {
            // The lesser of the two counts (RFC 2308 §5).
            out[self.ttl_at..][..TTL_LEN].copy_from_slice(&ttl.to_be_bytes());
            *out.last_chunk_mut::<TTL_LEN>()? = ttl.to_be_bytes();
        }
        Some(out.len())
    }
}

/// Notes the pointer at the end of the name at `at`, if it has one; says where the name ends.
fn note_pointer(octets: &[u8], mut at: usize, pointers: &mut Vec<(usize, u16)>) -> usize {
    while octets[at] & POINTER != POINTER {
        let label_len = usize::from(octets[at]);
        at += 1 + label_len;
        if label_len == 0 {
            return at;
        }
    }
    let to = u16::from_be_bytes([octets[at] & !POINTER, octets[at + 1]]);
    debug_assert!(usize::from(to) >= QUESTION_AT);
    pointers.push((at, to));
    at + 2
}
