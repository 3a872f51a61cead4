//! When a hook that has failed is tried again.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LAST: Duration = Duration::from_secs(300);
/// How long one event is tried: what nobody can take is not to keep the others for ever.
pub(super) const TRIED_MAX: Duration = Duration::from_secs(24 * 3_600);

/// How long to wait after so many tries in a row have failed, the first one so long ago: from half of
/// the time to the whole, as `chance` from 0 to 1 has it, so that many do not come back at once. `None`
/// to give up.
pub(super) fn pause(tries: u32, tried_for: Duration, chance: f64) -> Option<Duration> {
    if tried_for >= TRIED_MAX {
        return None;
    }
    let doubled = 2u32.saturating_pow(tries.saturating_sub(1));
    let whole = FIRST.saturating_mul(doubled).min(LAST);
    Some(whole.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_five_minutes_and_ends_after_a_day() {
        let whole = |tries| pause(tries, Duration::ZERO, 1.0).expect("tried again").as_secs();
        let pauses: Vec<u64> = (1..=11).map(whole).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!((whole(0), whole(u32::MAX)), (1, 300));
        let half = pause(3, TRIED_MAX - FIRST, 0.0);
        assert_eq!(half, Some(Duration::from_secs(2)));
        assert_eq!(pause(1, TRIED_MAX, 0.5), None);
    }

    #[test]
    fn a_day_has_some_three_hundred_tries() {
        let (mut tried_for, mut tries) = (Duration::ZERO, 0);
        while let Some(pause) = pause(tries + 1, tried_for, 1.0) {
            tries += 1;
            tried_for += pause;
        }
        assert!((285..=305).contains(&tries), "{tries}");
    }
}
