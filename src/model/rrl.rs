//! What response rate limiting is told to do. Doing it is `dns`'s business.

use std::{ops::RangeInclusive, time::Duration};

use super::Network;

/// The settings of response rate limiting. Each number has a range beside its default.
///
/// The defaults lie where other servers have theirs. NSD limits a /24 to 200 answers per second
/// and kind of answer. Knot limits one address to 50 and a /24 to 1,600, of any kind, lets 2.5
/// seconds' worth pass at once, and truncates every limited answer. BIND has no limit unless it is
/// given one, counts identical answers alone, and groups by /24 and /56. Two seconds' worth are
/// enough here: a resolver caches what it was answered, and the next one is truncated, not lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RrlSettings {
    /// Whether anything is limited or counted at all.
    pub enabled: bool,
    /// Count what would be limited, and limit nothing.
    pub log_only: bool,
    /// Answers of one class per second to one network; all workers together.
    pub responses_per_second: u32,
    /// An idle network may be given so many seconds' worth at once; whole seconds.
    pub window: Duration,
    /// Every so-manyth limited answer is sent truncated, the others are dropped; 0 drops all.
    pub slip: u8,
    /// How many leading bits of an IPv4 address make a network.
    pub ipv4_prefix: u8,
    /// The same of an IPv6 address.
    pub ipv6_prefix: u8,
    /// Networks and classes that each worker can remember, 16 octets each; a power of two.
    pub table_entries: u32,
    /// Networks that are never limited.
    pub exempt: Vec<Network>,
}

impl RrlSettings {
    /// Of `responses_per_second`.
    pub const RESPONSES_PER_SECOND: RangeInclusive<u64> = 1..=50_000;
    /// Of `window`.
    pub const WINDOW: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);
    /// Of `slip`.
    pub const SLIP: RangeInclusive<u64> = 0..=10;
    /// Of `ipv4_prefix`: wider networks would punish strangers for each other.
    pub const IPV4_PREFIX: RangeInclusive<u64> = 8..=32;
    /// Of `ipv6_prefix`: whoever has one /64 has all its addresses.
    pub const IPV6_PREFIX: RangeInclusive<u64> = 16..=64;
    /// Of `table_entries`: 16 KiB to 256 MiB for each worker.
    pub const TABLE_ENTRIES: RangeInclusive<u64> = 1 << 10..=1 << 24;
    /// The most networks in `exempt`: each is looked at for each limited answer.
    pub const EXEMPT_MAX: usize = 256;
}

impl Default for RrlSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            log_only: false,
            responses_per_second: 200,
            window: Duration::from_secs(2),
            slip: 1,
            ipv4_prefix: 24,
            ipv6_prefix: 56,
            // 2 MiB for each worker: one huge page.
            table_entries: 1 << 17,
            exempt: Vec::new(),
        }
    }
}
