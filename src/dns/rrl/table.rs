//! The memory of the limiter: buckets in sets of four, one set to a cache line.
//!
//! A set is found by the network, a bucket in it by network and class; so one line holds all of a
//! network, and can be fetched before it is known what the answer will be. When a set is full, a
//! newcomer takes over the bucket with the most tokens left, as it is. A bucket that is full again
//! is worth nothing and is taken first, so a limited network stays known, however many others come
//! by once; and no number of networks gets more out of a set than its four buckets hold.

use std::net::Ipv6Addr;

use super::Class;

/// Buckets in a set.
const WAYS: usize = 4;
/// The low bits of a label count limited answers, up to this many.
pub(super) const COUNT_MAX: u32 = 0x0f;
/// Above them stands the class, and above that a part of the network's hash.
const CLASS_SHIFT: u32 = 4;
const HASH_MASK: u32 = !0x3f;

/// The most octets that a network can owe.
const DEBT_MAX: i32 = 1 << 30;
/// The most that it can have paid in advance: about one answer.
const CREDIT_MAX: i32 = 1_232;

/// How fast buckets fill, and what they hold, in one unit.
pub(super) struct Pace {
    /// Of one answer.
    pub(super) cost: u32,
    /// Per millisecond.
    pub(super) refill: u32,
    /// Of a bucket; at least `cost`.
    pub(super) capacity: u32,
}

/// A bucket, and the account beside it. All zero is a full bucket.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    /// Hash, class, and count of limited answers.
    label: u32,
    at_millis: u32,
    /// What is missing from the bucket.
    spent: u32,
    /// Octets sent beyond those received, since the bucket was full.
    debt: i32,
}

impl Entry {
    const EMPTY: Self = Self { label: 0, at_millis: 0, spent: 0, debt: 0 };

    /// Takes one answer out of the bucket, if there is one.
    pub(super) const fn take(&mut self, pace: &Pace) -> bool {
        let enough = pace.capacity - self.spent >= pace.cost;
        if enough {
            self.spent += pace.cost;
        }
        enough
    }

    pub(super) const fn owes(&self) -> bool {
        self.debt > 0
    }

    /// Adds to the debt, or pays for it when negative.
    pub(super) fn owe(&mut self, octets: i32) {
        self.debt = (self.debt + octets).clamp(-CREDIT_MAX, DEBT_MAX);
    }

    /// Counts a limited answer; whether it is at least the `slip`th since the count began.
    pub(super) const fn count_to(&mut self, slip: u32) -> bool {
        let count = self.label & COUNT_MAX;
        if count < slip {
            self.label += 1;
        }
        slip > 0 && count + 1 >= slip
    }

    pub(super) const fn begin_count(&mut self) {
        self.label &= !COUNT_MAX;
    }

    /// What is missing at this time. A clock that goes back gives nothing.
    const fn spent_at(&self, now_millis: u32, refill: u32) -> u32 {
        let elapsed = now_millis.wrapping_sub(self.at_millis);
        let elapsed = if elapsed.cast_signed() < 0 { 0 } else { elapsed };
        let refilled = elapsed as u64 * refill as u64;
        (self.spent as u64).saturating_sub(refilled) as u32
    }

    /// Fills the bucket up to this time. A full one owes nothing: what is over is over.
    const fn refill(&mut self, now_millis: u32, refill: u32) {
        self.spent = self.spent_at(now_millis, refill);
        self.at_millis = now_millis;
        if self.spent == 0 {
            self.debt = 0;
        }
    }
}

#[derive(Clone, Copy)]
#[repr(align(64))]
struct Set([Entry; WAYS]);

/// A number of a client's network that nobody can foresee.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::dns) struct NetworkHash(u64);

/// The buckets; as many as there were at first.
pub(super) struct Table {
    key: Key,
    sets: Box<[Set]>,
}

impl Table {
    /// A table of about so many entries: a power of two.
    pub(super) fn new(entries: u32, key: Key) -> Self {
        let sets = (entries as usize / WAYS).max(1).next_power_of_two();
        Self { key, sets: vec![Set([Entry::EMPTY; WAYS]); sets].into() }
    }

    /// Where the network of a client is found.
    #[inline]
    pub(super) fn hash(&self, client: Ipv6Addr) -> NetworkHash {
        NetworkHash(self.key.hash(client))
    }

    /// Loads the set of a network.
    #[inline]
    pub(super) fn touch(&self, NetworkHash(hash): NetworkHash) {
        std::hint::black_box(self.sets[self.place(hash)].0[0].label);
    }

    /// The entry of a network and a class, filled up to this time.
    #[inline]
    pub(super) fn entry(
        &mut self,
        now_millis: u32,
        NetworkHash(hash): NetworkHash,
        class: Class,
        pace: &Pace,
    ) -> &mut Entry {
        let place = self.place(hash);
        let label = hash as u32 & HASH_MASK | (class as u32) << CLASS_SHIFT;
        let set = &mut self.sets[place].0;
        let known = set.iter().position(|entry| entry.label ^ label <= COUNT_MAX);
        let entry = match known {
            Some(at) => &mut set[at],
            None => taken_over(set, label, now_millis, pace.refill),
        };
        entry.refill(now_millis, pace.refill);
        entry
    }

    /// By bits of the hash that labels do not use.
    fn place(&self, hash: u64) -> usize {
        (hash >> 32) as usize & (self.sets.len() - 1)
    }

    #[cfg(test)]
    pub(super) fn octets(&self) -> usize {
        size_of_val(&*self.sets)
    }

    #[cfg(test)]
    pub(super) fn place_of(&self, client: Ipv6Addr) -> usize {
        self.place(self.key.hash(client))
    }
}

/// The entry that is nearest to a full bucket, with a new label; of equals, the one that has been
/// idle longest.
#[cold]
fn taken_over(set: &mut [Entry; WAYS], label: u32, now_millis: u32, refill: u32) -> &mut Entry {
    let worth = |at: &usize| {
        let entry = &set[*at];
        let idle_millis = now_millis.wrapping_sub(entry.at_millis);
        (entry.spent_at(now_millis, refill), u32::MAX - idle_millis)
    };
    let at = (0..WAYS).min_by_key(worth).unwrap_or(0);
    set[at].label = label;
    &mut set[at]
}

/// What makes a network of an address, and a number of a network that nobody can foresee.
pub(super) struct Key {
    key: (u64, u64),
    /// Of the second half of a mapped address.
    mapped_mask: u64,
    /// Of the first half of an address.
    ipv6_mask: u64,
}

impl Key {
    /// Prefixes of IPv4 and IPv6 in bits; of IPv6 at most 64 count.
    pub(super) fn new(key: (u64, u64), (ipv4_prefix, ipv6_prefix): (u8, u8)) -> Self {
        let ipv4_host_bits = 32 - u32::from(ipv4_prefix.min(32));
        let ipv6_host_bits = 64 - u32::from(ipv6_prefix.min(64));
        Self {
            key,
            mapped_mask: u64::MAX << ipv4_host_bits,
            ipv6_mask: u64::MAX.checked_shl(ipv6_host_bits).unwrap_or(0),
        }
    }

    /// Two rounds of multiplying to 128 bits and folding. That is no hash to sign with, but nobody
    /// sees what comes out of it.
    #[inline]
    fn hash(&self, client: Ipv6Addr) -> u64 {
        const ODD: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03];
        let (high, low) = ((client.to_bits() >> 64) as u64, client.to_bits() as u64);
        // Of all addresses that begin with zeros only the mapped ones are in use.
        let (network, family) = match high {
            0 => (low & self.mapped_mask, 4),
            _ => (high & self.ipv6_mask, 6),
        };
        let once = folded(network ^ self.key.0, ODD[0]);
        folded(once ^ self.key.1 ^ family, ODD[1])
    }
}

const fn folded(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    (product >> 64) as u64 ^ product as u64
}
