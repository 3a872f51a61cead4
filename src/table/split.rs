//! Which of several pools one client is given.
//!
//! Between two splits, while a release moves clients from one to the other: those whose place
//! among all clients lies below the share have moved. Their place is a hash salted by the release,
//! so a share that grows moves clients one way only, and a share that falls moves back those who
//! moved last.
//!
//! Within a split: weighted rendezvous hashing (Thaler and Ravishankar 1998; with weights as in
//! Schindelhauer and Schomaker 2005, "Weighted distributed hash tables"). Each pool draws a number
//! `u` from 0 to 1 for the client, and the least `−ln(u)/w` wins: a pool wins with the probability
//! that its weight says. Draws hang on the service, the name of the pool and the client alone: so
//! a changed weight moves clients to or from that pool only, and no release shuffles the others.
//!
//! Which pool it is does not hang on the type that is asked for. All of this where clients are to keep
//! their pool; else the number that is hashed is not the client's but one of chance, and each question
//! is given a pool of its own.

use std::hash::Hasher;

use hickory_proto::rr::RecordType;
use siphasher::sip::SipHasher13;

use super::{
    logarithm::minus_log2,
    octets::{u32_at, u32_of, u64_at},
    packed::{Audience, Body, Packed, Parts, Tally, Within},
    service::{client_fraction, random_fraction, salt_of_service},
};
use crate::model::{
    ClientNetwork, ClientRange, DnsName, Endpoint, Family, PoolName, Share, Spread, Target,
    TextRecord, Timing, Ttl, Weight,
};

/// How the clients of a service are shared out among its pools, and where they are moving.
#[derive(Clone, Copy, Debug)]
pub struct Shares<'p> {
    /// What each pool gives; at least one, no pool twice.
    pub parts: &'p [Part<'p>],
    /// A release that is under way.
    pub shift: Option<Shift<'p>>,
    /// Clients who are given something else before all others.
    pub preview: Option<Preview<'p>>,
    /// Whether a client is given the same each time.
    pub spread: Spread,
}

/// From one split to another.
#[derive(Clone, Copy, Debug)]
pub struct Shift<'p> {
    /// What each pool gives to those who have moved; at least one, no pool twice.
    pub to: &'p [Part<'p>],
    /// How many of the clients have moved.
    pub share: Share,
    /// Of the release: another one moves others first.
    pub salt: u64,
}

/// Clients who are shown what others are not given yet.
#[derive(Clone, Copy, Debug)]
pub struct Preview<'p> {
    /// Who they are.
    pub clients: &'p [ClientRange],
    /// What each pool gives to them; at least one, no pool twice.
    pub to: &'p [Part<'p>],
}

impl Preview<'_> {
    fn has(&self, client: ClientNetwork) -> bool {
        self.clients.iter().any(|range| range.has(client))
    }
}

/// What one pool gives.
#[derive(Clone, Copy, Debug)]
pub struct Part<'p> {
    /// The pool.
    pub pool: &'p PoolName,
    /// Among the pools of the split.
    pub weight: Weight,
    /// Of its records.
    pub ttl: Ttl,
    /// They themselves, by address.
    pub endpoints: &'p [Endpoint],
    /// The name that is answered instead of them.
    pub cname: Option<&'p Target>,
    /// Its texts.
    pub texts: &'p [TextRecord],
    /// What is asked of these families is answered with SERVFAIL; one that is merely absent has no
    /// data.
    pub lost: &'p [Family],
    /// What its answers count for.
    pub tally: Option<Tally>,
    /// Whether it is known when they change; also answers that there is none of a family.
    pub timing: Timing,
}

impl<'p> Part<'p> {
    /// A part of weight 1 that has lost nothing, counts for nothing, and is not known to change.
    pub const fn new(pool: &'p PoolName, ttl: Ttl, endpoints: &'p [Endpoint]) -> Self {
        let (weight, timing) = (Weight::ONE, Timing::Lasting);
        let (cname, tally) = (None, None);
        Self { pool, weight, ttl, endpoints, cname, texts: &[], lost: &[], tally, timing }
    }

    fn draw(&self, salt_of_service: u64) -> Draw {
        // Another second key than where clients are hashed.
        let mut hasher = SipHasher13::new_with_keys(salt_of_service, 1);
        hasher.write(self.pool.as_str().as_bytes());
        Draw { salt: hasher.finish(), weight: self.weight.get() }
    }
}

impl<'p> Shares<'p> {
    /// Sticky, and no release moves clients.
    pub const fn new(parts: &'p [Part<'p>]) -> Self {
        Self { parts, shift: None, preview: None, spread: Spread::Sticky }
    }

    /// Whether clients are given names instead of addresses. Both beside each other do not keep to
    /// shares, so of a split that has both the names are given to nobody.
    pub(super) fn is_by_name(&self) -> bool {
        let to = self.shift.iter().flat_map(|shift| shift.to);
        let shown = self.preview.iter().flat_map(|preview| preview.to);
        self.parts.iter().chain(to).chain(shown).all(|part| part.cname.is_some())
    }

    /// What a client of the service at `owner` is given; nothing only if there are no parts. `chance`
    /// is asked for only if it makes a difference.
    pub fn picked(
        &self,
        owner: &DnsName,
        client: ClientNetwork,
        chance: impl FnOnce() -> u64,
    ) -> Option<&'p Part<'p>> {
        let chance = (self.spread == Spread::Random).then(chance);
        let u = |salt| match chance {
            Some(chance) => random_fraction(salt, chance),
            None => client_fraction(salt, client),
        };
        let parts = match self.shift {
            _ if self.preview.is_some_and(|preview| preview.has(client)) => self.preview?.to,
            Some(Shift { to, share, salt }) if has_moved(share.millionths(), u(salt)) => to,
            _ => self.parts,
        };
        let salt = salt_of_service(owner);
        pick(parts.iter().map(|part| (part.draw(salt), part)), u)
    }

    /// Packs what clients are given of one type, if any is given something: `rrset` says what of
    /// one part.
    pub(super) fn pack_into(
        &self,
        kind: RecordType,
        salt_of_service: u64,
        rrset: impl Fn(&Part<'_>) -> Parts,
        out: &mut Vec<u8>,
    ) {
        let of_part = |part: &Part<'_>| (part.draw(salt_of_service), rrset(part));
        let side = |parts: &[Part<'_>]| parts.iter().map(of_part).collect::<Side>();
        let main = match self.shift {
            Some(Shift { to, share: Share::ALL, .. }) => vec![side(to)],
            Some(Shift { to, share, .. }) if share > Share::NONE => {
                vec![side(to), side(self.parts)]
            }
            _ => vec![side(self.parts)],
        };
        let shown = self.preview.map(|preview| side(preview.to));
        self.pack(kind, shown, main, out);
    }

    /// The same of what does not hang on the client, but for those who are shown something else.
    pub(super) fn pack_alike(
        &self,
        kind: RecordType,
        shown: Option<Parts>,
        all: Parts,
        out: &mut Vec<u8>,
    ) {
        let alone = |rrset| vec![(Draw { salt: 0, weight: 1 }, rrset)];
        self.pack(kind, shown.map(alone), vec![alone(all)], out);
    }

    /// Packs what those give who are shown something else, and one side or two for the others, unless
    /// none of them gives anything.
    fn pack(&self, kind: RecordType, shown: Option<Side>, main: Vec<Side>, out: &mut Vec<u8>) {
        let is_drawn = self.spread == Spread::Random && shown.is_none();
        let mut sides: Vec<Side> = shown.into_iter().chain(main).collect();
        let rrsets = || sides.iter().flatten().map(|(_, rrset)| rrset);
        if rrsets().all(Parts::is_nothing) {
            return;
        }
        let are_alike =
            rrsets().zip(rrsets().skip(1)).all(|(one, next)| one.is_answered_like(next));
        // What is drawn hangs on no client.
        let is_for_all = are_alike && !sides.iter().any(Vec::is_empty) || is_drawn;
        if !is_for_all {
            let rrsets = sides.iter_mut().flatten().map(|(_, rrset)| rrset);
            rrsets.for_each(|rrset| rrset.audience = Audience::Some);
        }
        let sides = sides.iter().map(|side| packed_side(kind, self.spread, side)).collect();
        out.extend(self.joined(kind, sides));
    }

    fn joined(&self, kind: RecordType, mut sides: Vec<Vec<u8>>) -> Vec<u8> {
        let shown = self.preview.map(|preview| (preview, sides.remove(0)));
        let main = match (sides.as_slice(), self.shift) {
            ([_, _], Some(Shift { share, salt, .. })) => {
                let place = [&salt.to_le_bytes()[..], &share.millionths().to_le_bytes()].concat();
                let body = Body::Shift([place, sides.concat()].concat());
                packed_split(kind, self.spread, body)
            }
            _ => sides.concat(),
        };
        let Some((preview, shown)) = shown else { return main };
        let clients = preview.clients.iter().flat_map(|range| range.to_octets());
        let mut body = u32_of(preview.clients.len()).to_le_bytes().to_vec();
        body.extend(clients);
        packed_split(kind, self.spread, Body::Preview([body, shown, main].concat()))
    }
}

/// What each pool of a split gives of one type.
type Side = Vec<(Draw, Parts)>;

fn packed_side(kind: RecordType, spread: Spread, side: &[(Draw, Parts)]) -> Vec<u8> {
    let mut packed = Vec::new();
    match side {
        [(_, rrset)] => rrset.pack_into(&mut packed),
        side => {
            for (draw, rrset) in side {
                packed.extend(draw.salt.to_le_bytes());
                packed.extend(draw.weight.to_le_bytes());
                rrset.pack_into(&mut packed);
            }
            packed = packed_split(kind, spread, Body::Split(packed));
        }
    }
    packed
}

fn packed_split(kind: RecordType, spread: Spread, body: Body) -> Vec<u8> {
    let mut packed = Vec::new();
    let (audience, timing) = (Audience::Everyone, Timing::Lasting);
    let (is_lost, tally) = (false, None);
    let count = usize::from(matches!(body, Body::Preview(_)));
    let parts = Parts { kind, ttl: 0, count, body, is_lost, spread, tally, audience, timing };
    parts.pack_into(&mut packed);
    packed
}

/// Lengths of what stands before the two sides of a shift, a salt and a share, and before each
/// packed rrset of a split, a salt and a weight.
const SHIFT_LEN: usize = 12;
const DRAW_LEN: usize = 12;
const BEHIND_SALT: usize = 8;

impl<'t> Packed<'t> {
    /// What of it the client is given who stands at `u()` for each salt: one part, or all if it is
    /// no split. Nothing if the side has no part.
    #[inline]
    pub(super) fn part_for(self, client: ClientNetwork, u: impl Fn(u64) -> u64) -> Option<Self> {
        let shown = match self.within() {
            Within::Preview(octets) => shown_to(client, octets)?,
            _ => self,
        };
        let side = match shown.within() {
            Within::Shift(octets) => {
                let (head, sides) = octets.split_first_chunk::<SHIFT_LEN>()?;
                let (moved, others) = Self::split_first(sides)?;
                match has_moved(u32_at(head, BEHIND_SALT), u(u64_at(head, 0))) {
                    true => moved,
                    false => Self::split_first(others)?.0,
                }
            }
            _ => shown,
        };
        match side.within() {
            Within::Split(octets) => pick(draws(octets), u),
            _ => Some(side),
        }
    }
}

/// What those of some networks are given, or the others.
#[cold]
fn shown_to<'t>(client: ClientNetwork, octets: &'t [u8]) -> Option<Packed<'t>> {
    let (count, rest) = octets.split_first_chunk()?;
    let count = u32::from_le_bytes(*count) as usize;
    let (ranges, rest) = rest.split_at_checked(count * ClientRange::LEN)?;
    let (shown, others) = Packed::split_first(rest)?;
    let mut ranges = ranges.as_chunks().0.iter().map(|range| ClientRange::from_octets(*range));
    match ranges.any(|range| range.has(client)) {
        true => Some(shown),
        false => Some(Packed::split_first(others)?.0),
    }
}

/// The packed rrsets of a split, and how each draws.
fn draws<'t>(mut octets: &'t [u8]) -> impl Iterator<Item = (Draw, Packed<'t>)> {
    std::iter::from_fn(move || {
        let (head, rest) = octets.split_first_chunk::<DRAW_LEN>()?;
        let (packed, rest) = Packed::split_first(rest)?;
        octets = rest;
        Some((Draw { salt: u64_at(head, 0), weight: u32_at(head, BEHIND_SALT) }, packed))
    })
}

/// Whether the client at `u`, a fraction of 2^64, is one of the share that has moved.
#[inline]
fn has_moved(share_millionths: u32, u: u64) -> bool {
    let place = (u128::from(u) * u128::from(Share::ALL.millionths())) >> u64::BITS;
    place < u128::from(share_millionths)
}

/// How a pool draws.
#[derive(Clone, Copy)]
struct Draw {
    salt: u64,
    weight: u32,
}

/// Weighted rendezvous: the item whose draw is the least for the client at `u()`. A single one is
/// not drawn for.
#[inline]
fn pick<I>(mut items: impl Iterator<Item = (Draw, I)>, u: impl Fn(u64) -> u64) -> Option<I> {
    let (first, mut picked) = items.next()?;
    let Some(second) = items.next() else { return Some(picked) };
    let drawn = |draw: Draw| (minus_log2(u(draw.salt)), draw);
    let mut least = drawn(first);
    for (draw, item) in std::iter::once(second).chain(items) {
        let next = drawn(draw);
        if is_less(next, least) {
            (least, picked) = (next, item);
        }
    }
    Some(picked)
}

/// Whether one logarithm is less than the other, each by its weight; without a division, which
/// would not be exact. Where they are the same the salts decide, so that their order does not.
#[inline]
fn is_less((log, draw): (u64, Draw), (other_log, other): (u64, Draw)) -> bool {
    let this = u128::from(log) * u128::from(other.weight);
    let that = u128::from(other_log) * u128::from(draw.weight);
    (this, draw.salt) < (that, other.salt)
}
