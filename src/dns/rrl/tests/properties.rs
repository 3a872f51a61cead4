//! Promises that hold whatever the lengths of messages and the settings.

use proptest::prelude::*;

use super::*;

fn lengths() -> impl Strategy<Value = Lengths> {
    (17u16..200, 0u16..1_200, 0u16..40).prop_map(|(asked, more, cookie)| Lengths {
        asked,
        answer: (asked + more).min(1_232),
        truncated: asked + cookie,
    })
}

/// What has gone out and come in when too much had gone out, if it had, in a flood from one network
/// for some seconds more than a window.
fn flood_is_amplified(
    limiter: &mut Limiter,
    lengths: Lengths,
    rate: u32,
    window_secs: u64,
) -> Option<Tally> {
    let Lengths { asked, answer, truncated } = lengths;
    let bucket = u64::from(rate) * window_secs * u64::from(answer - asked);
    // In octets twice as fast as the bucket lets answers out, so that the bucket is empty before it
    // has let out twice what it holds.
    let out_per_sec = u64::from(rate) * u64::from(answer);
    let per_milli = (2 * out_per_sec).div_ceil(u64::from(asked) * 1_000) as u32;
    // A reply goes out while no more has gone out than came in, and may then be the longer one of the
    // two, truncated or not.
    let last_excess = u64::from(answer.max(truncated) - asked);
    let mut sum = Tally::default();
    for second in 0..window_secs as u32 + 3 {
        let millis = second * 1_000..(second + 1) * 1_000;
        let tally = flood(limiter, ip("192.0.2.1"), millis, per_milli, lengths);
        sum.octets_in += tally.octets_in;
        sum.octets_out += tally.octets_out;
        if sum.octets_out > sum.octets_in + 2 * bucket + last_excess {
            return Some(sum);
        }
    }
    let last_reply = u64::from(answer.max(truncated));
    (sum.octets_out > sum.octets_in + last_reply).then_some(sum)
}

/// Without a bucket to draw on, the one truncated reply is all that can be too much.
#[test]
fn a_truncated_reply_may_be_longer_than_its_question_and_its_answer() {
    let mut limiter = limiter(|settings| {
        settings.responses_per_second = 1;
        settings.window = Duration::from_secs(2);
        settings.slip = 1;
    });
    let lengths = Lengths { asked: 17, answer: 17, truncated: 20 };
    let amplified = flood_is_amplified(&mut limiter, lengths, 1, 2);
    assert!(amplified.is_none(), "{amplified:?}");
}

proptest! {
    /// One spoofed network at full rate: whatever the lengths and the settings, soon no more has
    /// gone out than came in, and before never much more than a full bucket's worth.
    #[test]
    fn a_full_flood_is_never_amplified(
        lengths in lengths(),
        rate in 1u32..500,
        window_secs in 1u64..5,
        slip in 0u8..=10,
    ) {
        let mut limiter = limiter(|settings| {
            settings.responses_per_second = rate;
            settings.window = Duration::from_secs(window_secs);
            settings.slip = slip;
        });
        prop_assert_eq!(flood_is_amplified(&mut limiter, lengths, rate, window_secs), None);
    }

    /// In any order of questions: a truncated reply is sent only to a network that has sent as
    /// much as it got since it was last idle, and never more passes than the bucket lets out.
    #[test]
    fn nothing_is_truncated_on_credit(
        asks in prop::collection::vec((0u32..30, 1u32..60, lengths()), 1..200),
        rate in 1u32..300,
        slip in 0u8..=10,
    ) {
        let mut limiter = limiter(|settings| {
            (settings.responses_per_second, settings.slip) = (rate, slip);
        });
        let capacity = u64::from(rate) * 1_000;
        let (mut now, mut spent, mut excess) = (0, 0u64, 0i64);
        for (pause, times, lengths) in asks {
            now += pause;
            spent = spent.saturating_sub(u64::from(pause) * u64::from(rate));
            if spent == 0 {
                excess = 0;
            }
            for _ in 0..times {
                let limited = check(&mut limiter, now, ip("192.0.2.1"), Class::NoData, lengths);
                excess -= i64::from(lengths.asked);
                prop_assert_eq!(limited == Limited::Pass, spent + 1_000 <= capacity);
                match limited {
                    Limited::Pass => {
                        spent += 1_000;
                        excess += i64::from(lengths.answer);
                    }
                    Limited::Truncate => {
                        prop_assert!(excess + i64::from(lengths.asked) <= 0);
                        excess += i64::from(lengths.truncated);
                    }
                    Limited::Drop => {}
                }
            }
        }
    }

    /// Networks that keep to the rate lose nothing, whoever else floods.
    #[test]
    fn who_keeps_to_the_rate_loses_nothing(
        quiet in prop::collection::hash_set(0u32..1 << 24, 1..20),
        flooded in 0u32..1 << 24,
        rate in 2u32..200,
    ) {
        let mut limiter = limiter(|settings| settings.responses_per_second = rate);
        let every_millis = 1_000 / rate + 1;
        for now in 0..3_000 {
            for _ in 0..3 {
                check(&mut limiter, now, host(flooded), Class::Positive, PLAIN);
            }
            for network in quiet.iter().filter(|network| **network != flooded) {
                if (now + network) % every_millis == 0 {
                    let limited = check(&mut limiter, now, host(*network), Class::Positive, PLAIN);
                    prop_assert_eq!(limited, Limited::Pass);
                }
            }
        }
    }
}
