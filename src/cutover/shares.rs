//! Shares of clients in whole percent, for people.

use std::collections::BTreeMap;

use crate::model::{PoolName, Split};

/// What each pool has of splits that have percentages of the clients. Rounded so that the sum stays;
/// but a pool that has clients is never said to have none: it would be taken for one that can be
/// switched off.
pub(super) fn whole_percents(
    splits: impl IntoIterator<Item = (Split, u8)>,
) -> BTreeMap<PoolName, u8> {
    let mut exact: BTreeMap<PoolName, f64> = BTreeMap::new();
    for (split, percent) in splits {
        let total = split.total() as f64;
        for (pool, weight) in split.weights() {
            let share = f64::from(percent) * f64::from(weight.get()) / total;
            *exact.entry(pool.clone()).or_default() += share;
        }
    }
    let wanted: f64 = exact.values().sum();
    let mut whole: BTreeMap<PoolName, u8> =
        exact.iter().map(|(pool, share)| (pool.clone(), (share.floor() as u8).max(1))).collect();
    let mut rest =
        wanted.round() as i64 - whole.values().map(|share| i64::from(*share)).sum::<i64>();
    while rest != 0 {
        let step = rest.signum();
        let missing = |pool: &PoolName, share: u8| (exact[pool] - f64::from(share)) * step as f64;
        let may_change = |share: u8| step > 0 || share > 1;
        let next = whole
            .iter_mut()
            .filter(|(_, share)| may_change(**share))
            .max_by(|one, other| missing(one.0, *one.1).total_cmp(&missing(other.0, *other.1)));
        let Some((_, share)) = next else { break };
        *share = share.saturating_add_signed(step as i8);
        rest -= step;
    }
    whole
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Weight;

    fn split(weights: &[u64]) -> Split {
        let weight = |(number, weight): (usize, &u64)| {
            let pool = format!("v{number}").parse().expect("a name");
            (pool, Weight::new(*weight).expect("fits"))
        };
        Split::new(weights.iter().enumerate().map(weight).collect()).expect("a pool")
    }

    fn percents(splits: &[(&[u64], u8)]) -> Vec<u8> {
        let splits = splits.iter().map(|(weights, percent)| (split(weights), *percent));
        whole_percents(splits).into_values().collect()
    }

    #[test]
    fn what_is_whole_stays_and_what_is_not_is_rounded_to_the_sum() {
        assert_eq!(percents(&[(&[90, 10], 100)]), [90, 10]);
        assert_eq!(percents(&[(&[9, 1], 100)]), [90, 10]);
        let thirds = percents(&[(&[1, 1, 1], 100)]);
        assert_eq!(thirds.iter().map(|share| u32::from(*share)).sum::<u32>(), 100);
        assert_eq!(percents(&[(&[90, 10], 50), (&[50, 50], 50)]), [70, 30]);
    }

    #[test]
    fn a_pool_with_hardly_any_clients_is_not_said_to_have_none() {
        assert_eq!(percents(&[(&[999_999, 1], 100)]), [99, 1]);
        assert_eq!(percents(&[(&[1], 1), (&[1], 99)]), [100]);
    }

    proptest! {
        #[test]
        fn the_sum_stays_and_nobody_is_off_by_a_percent_unless_small(
            weights in prop::collection::vec(1..=1_000_000_u64, 1..30),
        ) {
            let whole = percents(&[(&weights, 100)]);
            prop_assert_eq!(whole.iter().map(|share| u32::from(*share)).sum::<u32>(), 100);
            prop_assert!(whole.iter().all(|share| *share >= 1));
        }
    }
}
