//! Simulated caches: who asks, how often, and for how long they keep what they were answered.
//!
//! Clients ask for a name in a Poisson process; a cache asks us only when it holds nothing. From the
//! moment at which its answer has expired, the wait for the next client has no memory, so what is
//! asked in between need not be simulated: one event per answer given, whatever the load.

use std::time::Duration;

use cutover::{
    model::{ClientNetwork, Family, Timestamp},
    table::Tally,
};

use super::chance::Chance;

/// Chromium and Firefox hold an address for a minute, whatever its TTL.
pub(crate) const PINNED: Duration = Duration::from_secs(60);
/// Nine of a hundred resolvers stretch TTLs.
const STRETCHERS_PERCENT: u64 = 9;
const STRETCHED: Duration = Duration::from_secs(300);

/// For how long a cache keeps an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeping {
    /// Its TTL, from when it was received.
    Exactly,
    /// The same on a clock of whole seconds, which tick so long after ours: until the second in
    /// which it ends is over.
    WholeSeconds(Duration),
    /// At least so long: not by the standard, and counted apart.
    Stretched(Duration),
}

/// An answer in a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// Whose.
    pub(crate) pool: Tally,
    /// The table that it was made from.
    pub(crate) generation: u64,
    /// Usable before this instant.
    pub(crate) expires: Timestamp,
}

/// One resolver, asking for one type.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    pub(crate) network: ClientNetwork,
    pub(crate) family: Family,
    /// How many clients ask it in a second.
    pub(crate) per_second: f64,
    pub(crate) keeping: Keeping,
    pub(crate) held: Option<Held>,
}

/// Browsers behind a cache: what they take from it they hold for a minute.
#[derive(Clone, Debug)]
pub(crate) struct Browser {
    /// Which cache.
    pub(crate) behind: usize,
    pub(crate) per_second: f64,
    pub(crate) held: Option<Held>,
}

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Population {
    /// How many caches.
    pub(crate) caches: usize,
    /// The most popular of them is asked so often.
    pub(crate) most_per_second: f64,
    /// Zipf's: the cache of rank `k` is asked `k^-exponent` times as often.
    pub(crate) exponent: f64,
    /// Whether A or AAAA is asked for, each with even odds; else A alone.
    pub(crate) both_families: bool,
    /// Whether some caches keep whole seconds, and some share a network.
    pub(crate) mixed: bool,
    pub(crate) stretchers: bool,
    pub(crate) browsers: usize,
}

impl Population {
    /// Caches that keep exactly to the TTL, each in a network of its own.
    pub(crate) const fn exact(caches: usize, most_per_second: f64, exponent: f64) -> Self {
        let (both_families, mixed, stretchers, browsers) = (false, false, false, 0);
        Self { caches, most_per_second, exponent, both_families, mixed, stretchers, browsers }
    }

    /// The caches, all empty.
    pub(crate) fn caches(&self, chance: &mut Chance) -> Vec<Cache> {
        (1..=self.caches).map(|rank| self.cache(rank, chance)).collect()
    }

    fn cache(&self, rank: usize, chance: &mut Chance) -> Cache {
        let network = match self.mixed {
            true => chance.below(self.caches as u64) as usize,
            false => rank,
        };
        let family = if self.both_families { chance.pick(&Family::ALL) } else { Family::V4 };
        let keeping = match (self.stretchers, self.mixed) {
            (true, _) if chance.below(100) < STRETCHERS_PERCENT => Keeping::Stretched(STRETCHED),
            (_, true) if chance.once_in(2) => {
                Keeping::WholeSeconds(chance.within(Duration::from_micros(999_999)))
            }
            _ => Keeping::Exactly,
        };
        let per_second = self.most_per_second * (rank as f64).powf(-self.exponent);
        Cache { network: network_of(network), family, per_second, keeping, held: None }
    }

    /// The browsers, behind any of the caches.
    pub(crate) fn browsers(&self, chance: &mut Chance) -> Vec<Browser> {
        let browser = |_| Browser {
            behind: chance.below(self.caches as u64) as usize,
            per_second: self.most_per_second,
            held: None,
        };
        (0..self.browsers).map(browser).collect()
    }
}

/// A /24 for a number.
fn network_of(number: usize) -> ClientNetwork {
    let [.., a, b, c] = (number as u64 + 0x0a_0000).to_be_bytes();
    ClientNetwork::v4([a, b, c])
}

impl Keeping {
    /// Until when it keeps an answer that it is given now.
    pub(crate) fn expiry(self, now: Timestamp, ttl: Duration) -> Timestamp {
        match self {
            Self::Exactly => now + ttl,
            Self::WholeSeconds(ticks_after) => {
                let second = Duration::from_secs(1);
                let into = (now.since_epoch() + second - ticks_after).subsec_micros();
                now + (ttl + second - Duration::from_micros(into.into()))
            }
            Self::Stretched(least) => now + ttl.max(least),
        }
    }

    /// Whether what is promised of caches is promised of this one.
    pub(crate) fn is_by_the_standard(self) -> bool {
        !matches!(self, Self::Stretched(_))
    }
}

impl Cache {
    /// What it answers its clients with now, if it need not ask.
    pub(crate) fn holds(&self, now: Timestamp) -> Option<Held> {
        self.held.filter(|held| now < held.expires)
    }

    /// The share of its clients that it need not ask for: hits of all, where answers are kept for
    /// `ttl`.
    pub(crate) fn hit_ratio(&self, ttl: Duration) -> f64 {
        let while_held = self.per_second * ttl.as_secs_f64();
        while_held / (1.0 + while_held)
    }

    /// When one that has been asked for ever asks us next.
    pub(crate) fn first_wait(&self, ttl: Duration, chance: &mut Chance) -> Duration {
        let is_held = chance.unit() <= self.hit_ratio(ttl);
        let left = if is_held { ttl.mul_f64(chance.unit()) } else { Duration::ZERO };
        left + chance.wait(self.per_second)
    }
}

impl Browser {
    /// What it uses now without asking its resolver.
    pub(crate) fn holds(&self, now: Timestamp) -> Option<Held> {
        self.held.filter(|held| now < held.expires)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_unix_micros(1_000_000_000_000_000 + millis * 1_000)
    }

    #[test]
    fn whole_seconds_end_with_the_second() {
        let ttl = Duration::from_secs(5);
        assert_eq!(Keeping::Exactly.expiry(at(250), ttl), at(5_250));
        assert_eq!(Keeping::WholeSeconds(Duration::ZERO).expiry(at(250), ttl), at(6_000));
        assert_eq!(Keeping::WholeSeconds(Duration::ZERO).expiry(at(0), ttl), at(6_000));
        let late = Keeping::WholeSeconds(Duration::from_millis(300));
        assert_eq!(late.expiry(at(250), ttl), at(5_300));
        assert_eq!(late.expiry(at(350), ttl), at(6_300));
        assert_eq!(Keeping::Stretched(STRETCHED).expiry(at(250), ttl), at(300_250));
    }
}
