//! What an instant at which an answer changes makes of its TTL.
//!
//! Before it: a cache that keeps to the TTL holds no old answer from one second after it on. After
//! it: caches that have all asked at the same time do not all ask again at the same time.

use std::time::Duration;

use super::{Timestamp, Ttl};

/// How long a reply may be under way.
const UNDER_WAY_MAX: Duration = Duration::from_millis(250);

/// Whether it is known when an answer changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Timing {
    /// It is not.
    #[default]
    Lasting,
    /// It holds until then.
    Until(Timestamp),
    /// It holds since then, and many caches have asked for it at once.
    Since(Timestamp),
}

impl Timing {
    /// For how many seconds caches may keep an answer that is sent now, and that they might keep for
    /// `whole` seconds if nothing were known. `chance()` is a fraction of 2^64, another one for each
    /// cache.
    pub fn secs(self, whole: u32, now: Timestamp, chance: impl FnOnce() -> u64) -> u32 {
        match self {
            Self::Lasting => whole,
            Self::Until(instant) => secs_until(instant, whole, now),
            Self::Since(instant) => {
                let end = instant + Duration::from_secs(whole.into());
                if instant <= now && now < end { jittered(whole, chance()) } else { whole }
            }
        }
    }

    /// The longest TTL that an answer which is sent now can have.
    pub fn ttl_max(self, whole: Ttl, now: Timestamp) -> Ttl {
        let secs = self.secs(whole.secs(), now, || 0);
        Ttl::new(Duration::from_secs(secs.into())).unwrap_or(whole)
    }
}

/// Caches count whole seconds. An answer that comes in second `r` with a TTL of `t` is used until
/// second `r + t` begins (BIND, dnsmasq) or until it ends (unbound, Knot Resolver). So `r + t` is to
/// be the second of the instant: then the first ask at the instant, the others one second later,
/// when the answer has changed for certain. `r` is ours, or the next one if the reply is under way
/// while ours ends.
///
/// Never 0: what is sent within the last second, or after the instant because the table that has
/// changed is some milliseconds late, is kept for one.
fn secs_until(instant: Timestamp, whole: u32, now: Timestamp) -> u32 {
    let received = (now + UNDER_WAY_MAX).unix_secs();
    let left = instant.unix_secs().saturating_sub(received);
    let secs = match u64::from(whole) + 1 {
        // Those of the second kind would ask at the instant, and might be too early.
        next if left == next => whole - 1,
        _ => u32::try_from(left).map_or(whole, |left| left.min(whole)),
    };
    secs.max(1)
}

/// From half of it to the whole.
fn jittered(whole: u32, chance: u64) -> u32 {
    let spread = u128::from(whole / 2) + 1;
    whole - ((u128::from(chance) * spread) >> u64::BITS) as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INSTANT_SECS: u64 = 1_800_000_000;
    const SECOND: u64 = 1_000_000;

    fn instant() -> Timestamp {
        Timestamp::from_unix_micros(INSTANT_SECS * SECOND)
    }

    fn before(micros: u64) -> Timestamp {
        Timestamp::from_unix_micros(INSTANT_SECS * SECOND - micros)
    }

    fn until(whole: u32, now: Timestamp) -> u32 {
        Timing::Until(instant()).secs(whole, now, || 0)
    }

    #[test]
    fn the_last_seconds_before_an_instant() {
        let ttl = |millis: u64| until(300, before(millis * 1_000));
        assert_eq!(ttl(400_000), 300);
        assert_eq!(ttl(301_000), 299, "who counts the last second too asks before the instant");
        assert_eq!((ttl(300_000), ttl(299_300), ttl(299_000)), (300, 300, 299));
        assert_eq!(ttl(299_200), 299, "it may come one second later");
        assert_eq!((ttl(3_000), ttl(2_900), ttl(2_100)), (3, 3, 2));
        assert_eq!((ttl(1_000), ttl(300), ttl(1)), (1, 1, 1));
        assert_eq!(until(300, instant()), 1);
        assert_eq!(until(300, instant() + Duration::from_secs(9)), 1);
        assert_eq!((until(1, before(2 * SECOND)), until(1, before(9 * SECOND))), (1, 1));
    }

    #[test]
    fn an_answer_that_lasts_keeps_its_ttl() {
        assert_eq!(Timing::Lasting.secs(60, instant(), || u64::MAX), 60);
        let since = |second, chance| {
            let now = instant() + Duration::from_secs(second);
            Timing::Since(instant()).secs(60, now, || chance)
        };
        assert_eq!((since(0, 0), since(0, u64::MAX)), (60, 30));
        assert_eq!((since(59, u64::MAX), since(60, u64::MAX)), (30, 60), "for one TTL");
        assert_eq!(Timing::Since(instant()).secs(60, before(1), || u64::MAX), 60);
        assert_eq!(Timing::Since(instant()).secs(1, instant(), || u64::MAX), 1);
    }

    #[test]
    fn the_longest_ttl_is_without_chance() {
        let whole = Ttl::from_secs_const(60);
        assert_eq!(Timing::Since(instant()).ttl_max(whole, instant()), whole);
        assert_eq!(Timing::Until(instant()).ttl_max(whole, before(7 * SECOND)).secs(), 7);
    }

    /// The second until whose begin or end a cache uses an answer that it received then.
    fn last_second(received: Timestamp, ttl: u32) -> u64 {
        received.unix_secs() + u64::from(ttl)
    }

    proptest! {
        #[test]
        fn no_cache_holds_an_old_answer_one_second_after_the_instant(
            whole in 1..=604_800_u32,
            ahead_micros in prop_oneof![0..4 * SECOND, 0..700_000 * SECOND],
            way_micros in 0..250_000_u64,
        ) {
            let sent = before(ahead_micros);
            let ttl = until(whole, sent);
            prop_assert!(1 <= ttl && ttl <= whole);
            let received = sent + Duration::from_micros(way_micros);
            if received < instant() {
                prop_assert!(last_second(received, ttl) <= INSTANT_SECS);
            }
            let (end, second) = (sent + Duration::from_secs(ttl.into()), Duration::from_secs(1));
            prop_assert!(end <= instant() + second);
            let base_end = sent + Duration::from_secs(whole.into());
            prop_assert!(end + second >= base_end.min(instant()));
        }

        /// At the instant itself only those ask whose clock begins a second with it: with a TTL of
        /// 1 they ask again one second later.
        #[test]
        fn who_counts_the_last_second_too_does_not_ask_at_the_instant(
            whole in 1..=400_u32,
            ahead_secs in 1..800_u64,
            after_micros in 0..750_000_u64,
        ) {
            let sent = before(ahead_secs * SECOND) + Duration::from_micros(after_micros);
            let end = last_second(sent, until(whole, sent)) + 1;
            prop_assert!(end != INSTANT_SECS || whole == 1 && ahead_secs == 2, "{end}");
        }

        #[test]
        fn jitter_is_from_half_to_the_whole(whole in 1..=604_800_u32, chance: u64) {
            let ttl = Timing::Since(instant()).secs(whole, instant(), || chance);
            prop_assert!(whole.div_ceil(2) <= ttl && ttl <= whole);
        }
    }
}
