//! What the limiter promises: octets, rates, and that nobody pays for another. Whatever the lengths and
//! the settings: `properties`.

mod properties;

use std::net::{IpAddr, Ipv4Addr};

use hickory_proto::op::ResponseCode;

use super::*;
use crate::model::mapped;

const KEY: (u64, u64) = (0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210);
const PLAIN: Lengths = Lengths { asked: 40, answer: 100, truncated: 40 };
/// As long as its question: nothing is ever owed.
const EVEN: Lengths = Lengths { asked: 40, answer: 40, truncated: 40 };

fn limiter(change: impl FnOnce(&mut RrlSettings)) -> Limiter {
    workers_limiter(1, change)
}

fn workers_limiter(workers: usize, change: impl FnOnce(&mut RrlSettings)) -> Limiter {
    let mut settings = RrlSettings {
        responses_per_second: 100,
        window: Duration::from_secs(1),
        table_entries: 1_024,
        ..RrlSettings::default()
    };
    change(&mut settings);
    Limiter::new(&settings, workers, KEY).expect("enabled")
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// One host in each /24.
fn host(network: u32) -> IpAddr {
    Ipv4Addr::from_bits(network << 8 | 1).into()
}

/// What became of some answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u64,
    truncated: u64,
    dropped: u64,
    octets_in: u64,
    octets_out: u64,
}

impl Tally {
    fn add(&mut self, limited: Limited, lengths: Lengths) {
        self.octets_in += u64::from(lengths.asked);
        match limited {
            Limited::Pass => {
                self.passed += 1;
                self.octets_out += u64::from(lengths.answer);
            }
            Limited::Truncate => {
                self.truncated += 1;
                self.octets_out += u64::from(lengths.truncated);
            }
            Limited::Drop => self.dropped += 1,
        }
    }
}

/// Asks `per_milli` times in each of these milliseconds.
fn flood(
    limiter: &mut Limiter,
    client: IpAddr,
    millis: std::ops::Range<u32>,
    per_milli: u32,
    lengths: Lengths,
) -> Tally {
    let mut tally = Tally::default();
    for now in millis {
        for _ in 0..per_milli {
            tally.add(check(limiter, now, client, Class::Positive, lengths), lengths);
        }
    }
    tally
}

/// Counts an answer to a client, found as it is in a batch.
fn check(
    limiter: &mut Limiter,
    now: u32,
    client: IpAddr,
    class: Class,
    lengths: Lengths,
) -> Limited {
    let client = mapped(client);
    let network = limiter.prefetch(client);
    limiter.check(now, (client, network), class, lengths)
}

fn positive(limiter: &mut Limiter, now: u32, client: IpAddr) -> Limited {
    check(limiter, now, client, Class::Positive, EVEN)
}

/// Asks until something is limited, all at once; how often something passed.
fn passes_at_once(limiter: &mut Limiter, now: u32, client: IpAddr, class: Class) -> u32 {
    (0..).take_while(|_| check(limiter, now, client, class, EVEN) == Limited::Pass).count() as u32
}

#[test]
fn a_flood_gets_its_rate_and_no_more_octets_than_it_sends() {
    let mut limiter = limiter(|_| {});
    let tally = flood(&mut limiter, ip("192.0.2.1"), 0..10_000, 10, PLAIN);
    // A full bucket, and 100 per second, but for the last millisecond.
    assert_eq!(tally.passed, 100 + 999);
    assert!(tally.octets_out <= tally.octets_in, "{tally:?}");
    // 60 octets are owed for each that passed, and each drop pays 40.
    let needed = (tally.passed * 60).div_ceil(40);
    assert!(tally.dropped <= needed, "{tally:?}");
    assert_eq!(tally.truncated + tally.dropped, 100_000 - tally.passed);
}

#[test]
fn what_costs_no_octets_is_never_dropped() {
    let tally = flood(&mut limiter(|_| {}), ip("192.0.2.1"), 0..1_000, 10, EVEN);
    assert_eq!((tally.dropped, tally.truncated), (0, 10_000 - tally.passed));
}

#[test]
fn truncated_replies_that_are_longer_than_their_question_are_paid_for_too() {
    let lengths = Lengths { asked: 60, answer: 76, truncated: 76 };
    let tally = flood(&mut limiter(|_| {}), ip("192.0.2.1"), 0..10_000, 10, lengths);
    assert!(tally.octets_out <= tally.octets_in, "{tally:?}");
    // 76 octets go out for 76 that came in: no more is dropped than that takes.
    assert!(tally.octets_out >= tally.octets_in * 99 / 100, "{tally:?}");
}

#[test]
fn every_slipth_limited_answer_is_truncated() {
    use Limited::{Drop, Truncate};
    let next = |slip: u8| {
        let mut limiter = limiter(|settings| settings.slip = slip);
        flood(&mut limiter, ip("192.0.2.1"), 0..1, 100, EVEN);
        std::array::from_fn(|_| positive(&mut limiter, 0, ip("192.0.2.1")))
    };
    assert_eq!(next(0), [Drop; 6]);
    assert_eq!(next(1), [Truncate; 6]);
    assert_eq!(next(2), [Drop, Truncate, Drop, Truncate, Drop, Truncate]);
    assert_eq!(next(3), [Drop, Drop, Truncate, Drop, Drop, Truncate]);
}

#[test]
fn a_bucket_fills_with_time_and_a_full_one_owes_nothing() {
    let client = ip("192.0.2.1");
    // Also where the milliseconds wrap.
    for begin in [0, 5_000, u32::MAX - 100, u32::MAX / 2] {
        let mut limiter = limiter(|_| {});
        let at = |millis: u32| begin.wrapping_add(millis);
        for _ in 0..100 {
            assert_eq!(check(&mut limiter, at(0), client, Class::Positive, PLAIN), Limited::Pass);
        }
        // 6,000 octets are owed.
        assert_eq!(check(&mut limiter, at(0), client, Class::Positive, PLAIN), Limited::Drop);
        assert_eq!(positive(&mut limiter, at(9), client), Limited::Drop);
        assert_eq!(positive(&mut limiter, at(10), client), Limited::Pass);
        assert_eq!(positive(&mut limiter, at(10), client), Limited::Drop);
        assert_eq!(positive(&mut limiter, at(5), client), Limited::Drop, "a clock that goes back");
        assert_eq!(passes_at_once(&mut limiter, at(1_010), client, Class::Positive), 100);
        assert_eq!(positive(&mut limiter, at(1_010), client), Limited::Truncate, "forgotten");
        assert_eq!(passes_at_once(&mut limiter, at(3_600_000), client, Class::Positive), 100);
    }
}

#[test]
fn workers_share_the_rate() {
    let passed = |workers, rate| {
        let mut limiter = workers_limiter(workers, |settings| settings.responses_per_second = rate);
        flood(&mut limiter, ip("192.0.2.1"), 0..9_000, 1, EVEN).passed
    };
    assert_eq!(passed(1, 100), 100 + 899);
    assert_eq!(passed(4, 100), 25 + 224);
    // 100 / 3 each: the fraction counts.
    assert_eq!(passed(3, 100), 333);
    assert_eq!(passed(64, 1), 1 + 8, "at least one per second");
    assert_eq!(passed(usize::MAX, 50_000), 122);
}

#[test]
fn classes_and_networks_have_their_own_buckets() {
    let mut limiter = limiter(|_| {});
    for class in Class::ALL {
        assert_eq!(passes_at_once(&mut limiter, 0, ip("192.0.2.1"), class), 100, "{class:?}");
    }
    for (client, passes) in [
        ("192.0.2.255", 0),
        ("::ffff:192.0.2.7", 0),
        ("192.0.3.1", 100),
        ("0:0:c000:200::", 100),
        ("2001:db8:0:ff::1", 100),
        ("2001:db8::2", 0),
        ("2001:db8:0:100::1", 100),
    ] {
        let passed = passes_at_once(&mut limiter, 0, ip(client), Class::Positive);
        assert_eq!(passed, passes, "{client}");
    }
}

#[test]
fn prefixes_are_those_of_the_settings() {
    let mut limiter = limiter(|settings| (settings.ipv4_prefix, settings.ipv6_prefix) = (32, 64));
    for (client, passes) in [
        ("192.0.2.1", 100),
        ("192.0.2.0", 100),
        ("192.0.2.1", 0),
        ("2001:db8::1", 100),
        ("2001:db8:0:1::1", 100),
        ("2001:db8::2", 0),
    ] {
        let passed = passes_at_once(&mut limiter, 0, ip(client), Class::Positive);
        assert_eq!(passed, passes, "{client}");
    }
}

#[test]
fn who_is_not_limited() {
    let exempt = |settings: &mut RrlSettings| {
        settings.exempt =
            ["192.0.2.0/24", "2001:db8::/32"].map(|n| n.parse().expect("good")).into();
    };
    let mut limiter = limiter(exempt);
    for client in ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8:ffff::1"] {
        assert_eq!(flood(&mut limiter, ip(client), 0..10, 1_000, PLAIN).passed, 10_000);
    }
    assert_eq!(passes_at_once(&mut limiter, 0, ip("192.0.3.1"), Class::Positive), 100);
}

#[test]
fn off_and_log_only() {
    let off = RrlSettings { enabled: false, ..RrlSettings::default() };
    assert!(Limiter::new(&off, 1, KEY).is_none());
    let mut limiter = limiter(|settings| settings.log_only = true);
    let tally = flood(&mut limiter, ip("192.0.2.1"), 0..1, 1_000, PLAIN);
    assert_eq!(tally.passed, 100, "what would be is counted");
    for found in [Limited::Pass, Limited::Truncate, Limited::Drop] {
        assert_eq!(limiter.enforced(found), Limited::Pass);
        assert_eq!(self::limiter(|_| {}).enforced(found), found);
    }
}

#[test]
fn a_flood_of_all_classes_does_not_push_itself_out() {
    let mut limiter = limiter(|_| {});
    let mut passed = 0;
    for at in 0..100_000 {
        let class = Class::ALL[at % Class::ALL.len()];
        let limited = check(&mut limiter, at as u32 / 100, ip("192.0.2.1"), class, EVEN);
        passed += u32::from(limited == Limited::Pass);
    }
    assert_eq!(passed, 4 * (100 + 99));
}

#[test]
fn a_flood_from_everywhere_pushes_out_nobody_that_is_limited() {
    let mut limiter = limiter(|_| {});
    let octets = limiter.table.octets();
    assert_eq!(octets, 1_024 * 16);
    let victim = ip("192.0.2.1");
    assert_eq!(passes_at_once(&mut limiter, 0, victim, Class::Positive), 100);
    let (mut random, mut passed, mut lost) = (KEY.0, 0, 0);
    const SECS: u32 = 5;
    // 10,000 packets per second from as many networks, into 256 sets: 40 in each.
    for at in 0..SECS * 10_000 {
        let now = at / 10;
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let stranger = Ipv4Addr::from_bits((random >> 32) as u32);
        let limited = positive(&mut limiter, now, stranger.into());
        lost += u32::from(limited != Limited::Pass);
        // The victim has one question in a millisecond.
        if at % 10 == 0 {
            passed += u32::from(positive(&mut limiter, now, victim) == Limited::Pass);
        }
    }
    assert_eq!(passed, SECS * 100 - 1, "the rate, and never a new bucket");
    assert_eq!(lost, 0);
    assert_eq!(limiter.table.octets(), octets, "fixed memory");
}

#[test]
fn a_table_of_limited_networks_gives_no_more_than_it_has_buckets() {
    let mut limiter = limiter(|_| {});
    let mut tally = Tally::default();
    // 8,192 networks flood a table of 1,024 buckets, round and round.
    for at in 0..400_000u32 {
        let limited = check(&mut limiter, at / 400, host(at % 8_192), Class::Positive, PLAIN);
        tally.add(limited, PLAIN);
    }
    let buckets = 1_024 * (100 + 100);
    assert!(tally.passed <= buckets, "{tally:?}");
}

#[test]
fn networks_spread_over_the_sets() {
    let table = Table::new(1 << 14, Key::new(KEY, (24, 56)));
    let sets = (1 << 14) / 4;
    let neighbours = |at: u32| host(at);
    let far = |at: u32| IpAddr::from(Ipv4Addr::from_bits(at << 17));
    let v6 = |at: u32| IpAddr::from(std::net::Ipv6Addr::from_bits(u128::from(at) << 72));
    for of in [&neighbours as &dyn Fn(u32) -> IpAddr, &far, &v6] {
        let mut load = vec![0; sets];
        for at in 0..8 * sets as u32 {
            load[table.place_of(mapped(of(at)))] += 1;
        }
        let most = load.iter().max().copied().unwrap_or(0);
        let empty = load.iter().filter(|load| **load == 0).count();
        // At random: 25 at most, one or two empty.
        assert!(most < 30 && empty < 12, "{most}, {empty}");
    }
}

#[test]
fn one_set_is_one_cache_line() {
    let table = Table::new(1_024, Key::new(KEY, (24, 56)));
    assert_eq!(table.octets(), 1_024 * 16);
    limiter(|_| {}).prefetch(mapped(ip("192.0.2.1")));
}

#[test]
fn every_code_has_a_class() {
    let of = |code: ResponseCode, has_records| Class::of(code.into(), has_records);
    assert_eq!(of(ResponseCode::NoError, true), Class::Positive);
    assert_eq!(of(ResponseCode::NoError, false), Class::NoData);
    assert_eq!(of(ResponseCode::NXDomain, false), Class::NxDomain);
    for code in [ResponseCode::Refused, ResponseCode::ServFail, ResponseCode::BADVERS] {
        assert_eq!(of(code, false), Class::Error);
    }
}
