//! An rrset as it lies in memory: small, and so that an answer is one pass over it.
//!
//! Static records lie ready as they are sent, and so do those of a service that are more than an
//! address each ([`super::ready`]). Of its A and AAAA records only the addresses differ, so only these
//! are kept. In all of them the owner is a pointer to the question. An rrset is answered
//! whole, except for the addresses of a service with unequal weights: then each client is given
//! some of them ([`super::selection`]). Where a service answers with more than one pool, each
//! pool's rrset is packed within one that says which clients are given it ([`super::split`]).

use hickory_proto::rr::RecordType;

use super::{
    instant,
    node::LINE_LEN,
    octets::{u16_at, u32_at, u32_of},
    ready::Ready,
    records::Records,
    selection::Weighted,
};
use crate::model::{Spread, Timing};

/// Where the question's name stands in a message: behind the header.
pub(super) const QUESTION_AT: usize = 12;
/// Type and class behind the question's name.
pub(super) const QUESTION_FIXED_LEN: usize = 4;
/// A pointer to the question's name (RFC 1035 §4.1.4).
pub(super) const TO_QUESTION: [u8; 2] = [0xc0, QUESTION_AT as u8];

/// Type, how many records an answer has, TTL, tally, length of what follows with the flags above
/// it.
pub(super) const HEAD_LEN: usize = 16;
pub(super) const COUNT: usize = 2;
const TTL: usize = 4;
pub(super) const TALLY: usize = 8;
const LEN: usize = 12;

/// Of a service.
const IS_SERVICE: u32 = 1 << 31;
/// Some of the addresses for each client.
pub(super) const IS_WEIGHTED: u32 = 1 << 30;
/// All of it is down, and nothing may stand in: SERVFAIL.
const IS_LOST: u32 = 1 << 29;
/// Not addresses but packed rrsets, one of which a client is given: those who have moved and the
/// others, or, if also weighted, any number; or, if it counts one, those of some networks and the
/// others.
const IS_SPLIT: u32 = 1 << 28;
/// One of those, and there is another one that differs.
pub(super) const IS_FOR_SOME: u32 = 1 << 27;
/// A split of which not the client but chance chooses.
const IS_RANDOM: u32 = 1 << 26;
/// The same bit of what is no split: addresses and not records.
const IS_ADDRESSES: u32 = 1 << 26;
/// Before it stands the instant at which it changes, or has changed.
pub(super) const IS_TIMED: u32 = 1 << 25;
const LEN_MASK: u32 = IS_TIMED - 1;

/// How much of a body is brought near: no more than a datagram that need not be fragmented.
const NEAR_MAX: usize = 1_232;

/// What an answer counts for: a number that stands for one pool of one service. It stays the same
/// from one table to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tally(pub u32);

impl Tally {
    pub(super) const NONE: u32 = u32::MAX;
}

/// For whom an answer holds. A whole word, because in an answer a smaller one would have to be
/// copied in several pieces with what surrounds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Audience {
    /// Every client is answered this.
    Everyone,
    /// Other clients are answered something else.
    Some,
}

/// What a packed rrset is made from.
pub(super) struct Parts {
    pub(super) kind: RecordType,
    pub(super) ttl: u32,
    /// How many an answer has.
    pub(super) count: usize,
    pub(super) body: Body,
    pub(super) is_lost: bool,
    /// If it is a split, who chooses.
    pub(super) spread: Spread,
    pub(super) tally: Option<Tally>,
    /// For whom, if it is one of a split.
    pub(super) audience: Audience,
    pub(super) timing: Timing,
}

/// What is packed.
#[derive(PartialEq)]
pub(super) enum Body {
    /// Records one after the other, as they are sent.
    Records(Vec<u8>),
    /// Addresses of a service, one after the other.
    Addresses(Vec<u8>),
    /// The same with their weights ([`Weighted`]).
    Weighted(Vec<u8>),
    /// Records of a service that are not of the types of addresses ([`Ready`]).
    Ready(Vec<u8>),
    /// The same, of which each client is given some of the addresses.
    ReadyWeighted(Vec<u8>),
    /// What those of some networks are given, and the others.
    Preview(Vec<u8>),
    /// What those who have moved are given, and the others.
    Shift(Vec<u8>),
    /// What each pool of a split gives.
    Split(Vec<u8>),
}

impl Parts {
    /// Whether there is nothing to be said of its type.
    pub(super) fn is_nothing(&self) -> bool {
        self.count == 0 && !self.is_lost && self.timing == Timing::Lasting
    }

    /// Whether a client cannot tell which of the two it was given.
    pub(super) fn is_answered_like(&self, other: &Self) -> bool {
        match (self.is_lost, other.is_lost) {
            (false, false) if self.timing != other.timing => false,
            (false, false) if self.count == 0 => other.count == 0,
            (false, false) => self.ttl == other.ttl && self.body == other.body,
            (lost, other_lost) => lost == other_lost,
        }
    }

    pub(super) fn pack_into(&self, out: &mut Vec<u8>) {
        let random = if self.spread == Spread::Random { IS_RANDOM } else { 0 };
        let (body, flags) = match &self.body {
            Body::Records(records) => (records, 0),
            Body::Addresses(addresses) => (addresses, IS_SERVICE | IS_ADDRESSES),
            Body::Weighted(weighted) => (weighted, IS_SERVICE | IS_ADDRESSES | IS_WEIGHTED),
            Body::Ready(ready) => (ready, IS_SERVICE),
            Body::ReadyWeighted(ready) => (ready, IS_SERVICE | IS_WEIGHTED),
            Body::Preview(sides) => (sides, IS_SERVICE | IS_SPLIT | random),
            Body::Shift(sides) => (sides, IS_SERVICE | IS_SPLIT | random),
            Body::Split(pools) => (pools, IS_SERVICE | IS_SPLIT | IS_WEIGHTED | random),
        };
        let instant = instant::pack(self.timing);
        let len = u32_of(instant.len() + body.len());
        assert!(len <= LEN_MASK, "invariant: an rrset is smaller than 32 MiB");
        let lost = if self.is_lost { IS_LOST } else { 0 };
        let for_some = if self.audience == Audience::Some { IS_FOR_SOME } else { 0 };
        let timed = if instant.is_empty() { 0 } else { IS_TIMED };
        out.extend(u16::from(self.kind).to_le_bytes());
        // More than a message holds is never sent, but cut.
        out.extend(u16::try_from(self.count).unwrap_or(u16::MAX).to_le_bytes());
        out.extend(self.ttl.to_le_bytes());
        out.extend(self.tally.map_or(Tally::NONE, |tally| tally.0).to_le_bytes());
        out.extend((len | flags | lost | for_some | timed).to_le_bytes());
        out.extend(instant);
        out.extend(body);
    }
}

/// A packed rrset where it lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Packed<'t> {
    pub(super) head: &'t [u8; HEAD_LEN],
    pub(super) body: &'t [u8],
}

impl<'t> Packed<'t> {
    /// The first of several, and the rest.
    #[inline]
    pub(super) fn split_first(octets: &'t [u8]) -> Option<(Self, &'t [u8])> {
        let (head, rest) = octets.split_first_chunk()?;
        Self::with_head(head, rest)
    }

    /// All of several.
    pub(super) fn all(mut octets: &'t [u8]) -> impl Iterator<Item = Self> {
        std::iter::from_fn(move || {
            let (packed, rest) = Self::split_first(octets)?;
            octets = rest;
            Some(packed)
        })
    }

    /// The one with a head whose body comes first, and what is behind that.
    pub(super) fn with_head(
        head: &'t [u8; HEAD_LEN],
        bodies: &'t [u8],
    ) -> Option<(Self, &'t [u8])> {
        let (body, rest) = bodies.split_at_checked(Self::kind_and_len(head).1 as usize)?;
        Some((Self { head, body }, rest))
    }

    /// The number of the type that a head says, and how long the body is.
    #[inline]
    pub(super) fn kind_and_len(head: &[u8; HEAD_LEN]) -> (u16, u32) {
        (u16_at(head, 0), u32_at(head, LEN) & LEN_MASK)
    }

    /// As it was packed.
    pub(super) fn pack_into(&self, out: &mut Vec<u8>) {
        out.extend(self.head);
        out.extend(self.body);
    }

    #[inline]
    pub(super) fn kind(&self) -> u16 {
        u16_at(self.head, 0)
    }

    pub(super) fn is_service(&self) -> bool {
        self.has(IS_SERVICE)
    }

    /// Whether it is not what is answered: a split, of which each client is given a part, or lost,
    /// or its TTL is not always the same.
    pub(super) fn is_special(&self) -> bool {
        self.has(IS_SPLIT | IS_LOST | IS_TIMED)
    }

    /// The TTL of what is always answered with the same, in seconds.
    #[inline]
    pub(super) fn ttl(&self) -> u32 {
        u32_at(self.head, TTL)
    }

    /// When it changes, and what it is without that.
    pub(super) fn timed(self) -> (Timing, Self) {
        match instant::unpack(self.body).filter(|_| self.has(IS_TIMED)) {
            Some((timing, body)) => (timing, Self { body, ..self }),
            None => (Timing::Lasting, self),
        }
    }

    pub(super) fn is_lost(&self) -> bool {
        self.has(IS_LOST)
    }

    /// Whether not the client but chance chooses of it.
    pub(super) fn is_random(&self) -> bool {
        self.has(IS_SPLIT) && self.has(IS_RANDOM)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.body.is_empty()
    }

    /// The packed rrsets of a split, as they were packed.
    pub(super) fn within(&self) -> Within<'t> {
        match (self.has(IS_SPLIT), self.has(IS_WEIGHTED)) {
            (false, _) => Within::Nothing,
            (true, false) if u16_at(self.head, COUNT) > 0 => Within::Preview(self.body),
            (true, false) => Within::Shift(self.body),
            (true, true) => Within::Split(self.body),
        }
    }

    /// For whom it is, if it is one of a split.
    pub(super) fn audience(&self) -> Audience {
        if self.has(IS_FOR_SOME) { Audience::Some } else { Audience::Everyone }
    }

    /// Whether it has one of these flags.
    pub(super) fn has(&self, flags: u32) -> bool {
        u32_at(self.head, LEN) & flags != 0
    }

    /// What the client at `u()` is given of it, for `ttl` seconds; `u` is asked for only if it makes
    /// a difference. Of a body nothing is read without need: `near` is given where that lies which will be
    /// when the records are written; of addresses the end, because the others are near already unless
    /// they are very many.
    #[inline(always)]
    pub(super) fn records_for(
        self,
        ttl: u32,
        near: impl Fn(&u8),
        u: impl FnOnce(u64) -> u64,
    ) -> Records<'t> {
        let count = u32::from(u16_at(self.head, COUNT));
        let octets_len = match self.form() {
            Form::V4 => count * A_LEN as u32,
            Form::V6 => count * AAAA_LEN as u32,
            Form::Ready => Records::LEN_UNREAD,
            Form::Records => u32_of(self.body.len()),
        };
        match self.form() {
            Form::V4 | Form::V6 => self.body.last().into_iter().for_each(near),
            Form::Ready | Form::Records => {
                let len = self.body.len().min(NEAR_MAX);
                (0..len).step_by(LINE_LEN).for_each(|at| near(&self.body[at]));
            }
        }
        let place = if self.has(IS_WEIGHTED) { self.place(u) } else { 0 };
        Records { packed: self, place, octets_len, ttl }
    }

    /// Where the client at `u()` stands among the addresses of which it is given some: on their line,
    /// or, where there are several lines, as a fraction of each.
    #[inline]
    fn place(&self, u: impl FnOnce(u64) -> u64) -> u64 {
        match self.form() {
            Form::Ready => u(self.ready().map_or(0, Ready::salt)),
            _ => self.weighted().map_or(0, |items| items.first_point(u(items.salt()))),
        }
    }

    #[inline]
    pub(super) fn weighted(&self) -> Option<Weighted<'t>> {
        if self.has(IS_WEIGHTED) { Weighted::unpack(self.body) } else { None }
    }

    /// What its body is, unless that is what lies [within](Self::within) it.
    #[inline]
    pub(super) fn form(&self) -> Form {
        match () {
            () if self.has(IS_ADDRESSES) && self.kind() == A => Form::V4,
            () if self.has(IS_ADDRESSES) => Form::V6,
            () if self.is_service() => Form::Ready,
            () => Form::Records,
        }
    }

    /// Its body, if it is of this form.
    #[inline]
    pub(super) fn ready(self) -> Option<Ready<'t>> {
        match self.form() {
            Form::Ready => Ready::unpack(self.body),
            _ => None,
        }
    }
}

/// What the body of a packed rrset is, where it is what clients are given.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// Addresses of IPv4, perhaps with weights.
    V4,
    /// The same of IPv6.
    V6,
    /// [`Body::Ready`], [`Body::ReadyWeighted`].
    Ready,
    /// [`Body::Records`].
    Records,
}

/// What lies within a packed rrset.
pub(super) enum Within<'t> {
    /// No other one.
    Nothing,
    /// [`Body::Shift`].
    Shift(&'t [u8]),
    /// [`Body::Split`].
    Split(&'t [u8]),
    /// [`Body::Preview`].
    Preview(&'t [u8]),
}

/// The number of the type A.
const A: u16 = 1;
/// What comes before the data of a record whose owner is a pointer (RFC 1035 §3.2.1).
pub(super) const FIXED_LEN: usize = 12;
/// Lengths of addresses and of their records (RFC 1035 §3.4.1, RFC 3596 §2.2).
pub(super) const V4_LEN: usize = 4;
pub(super) const V6_LEN: usize = 16;
pub(super) const A_LEN: usize = FIXED_LEN + V4_LEN;
pub(super) const AAAA_LEN: usize = FIXED_LEN + V6_LEN;
