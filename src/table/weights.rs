//! The weights of SRV records, from which load balancers take the shares of pools and endpoints.

use crate::model::Weight;

/// The weights that SRV records have at most: of 256 steps that HAProxy knows, rounding up, the last
/// but one. The others are in proportion.
const SRV_WEIGHT_MAX: f64 = 65_280.0;

/// The weights of SRV records over pools that have shares, each with the weights of its endpoints: in
/// proportion, as far as whole numbers allow. None is 0, which would mean something else (RFC 2782).
pub(super) fn srv_weights(pools: &[(f64, Vec<Weight>)]) -> Vec<Vec<u16>> {
    let of_one = |share: f64, weights: &[Weight]| {
        let total: f64 = weights.iter().map(|weight| f64::from(weight.get())).sum();
        let each = weights.iter().map(move |weight| share * f64::from(weight.get()) / total);
        each.collect::<Vec<f64>>()
    };
    let ideal: Vec<Vec<f64>> = pools.iter().map(|(share, of)| of_one(*share, of)).collect();
    let greatest = ideal.iter().flatten().copied().fold(f64::MIN_POSITIVE, f64::max);
    let scale = SRV_WEIGHT_MAX / greatest;
    ideal.iter().map(|of_pool| whole(of_pool, scale)).collect()
}

/// Whole numbers whose sum is that of `ideal`, by the largest remainders, unless they are so small that
/// each has to be 1.
fn whole(ideal: &[f64], scale: f64) -> Vec<u16> {
    let scaled: Vec<f64> = ideal.iter().map(|weight| weight * scale).collect();
    let mut whole: Vec<u16> = scaled.iter().map(|weight| (weight.floor() as u16).max(1)).collect();
    let wanted = scaled.iter().sum::<f64>().round() as i64;
    let given: i64 = whole.iter().map(|weight| i64::from(*weight)).sum();
    let mut by_remainder: Vec<usize> = (0..scaled.len()).collect();
    by_remainder.sort_by(|&a, &b| scaled[b].fract().total_cmp(&scaled[a].fract()));
    let more = usize::try_from(wanted - given).unwrap_or(0);
    for at in by_remainder.into_iter().take(more) {
        whole[at] += 1;
    }
    whole
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn weights(pools: &[(f64, &[u64])]) -> Vec<Vec<u16>> {
        let weight = |weight: &u64| Weight::new(*weight).expect("in range");
        let pools: Vec<_> =
            pools.iter().map(|(share, of)| (*share, of.iter().map(weight).collect())).collect();
        srv_weights(&pools)
    }

    #[test]
    fn shares_become_weights() {
        assert_eq!(weights(&[(1.0, &[1, 1])]), [[65_280, 65_280]]);
        assert_eq!(weights(&[(0.9, &[1, 1]), (0.1, &[1, 1])]), [[65_280; 2], [7_254, 7_253]]);
        assert_eq!(weights(&[(0.5, &[1, 3]), (0.5, &[1])]), [vec![16_320, 48_960], vec![65_280]]);
        // So small that each is 1.
        assert_eq!(weights(&[(0.999_999, &[1]), (0.000_001, &[1, 1])])[1], [1, 1]);
    }

    proptest! {
        #[test]
        fn the_sum_of_each_pool_is_its_share_and_no_weight_is_none(
            pools in prop::collection::vec(
                (1..=1_000_000_u32, prop::collection::vec(1..=1_000_u64, 1..30)), 1..6
            ),
        ) {
            let total: f64 = pools.iter().map(|(share, _)| f64::from(*share)).sum();
            let asked: Vec<(f64, &[u64])> = pools
                .iter()
                .map(|(share, of)| (f64::from(*share) / total, of.as_slice()))
                .collect();
            let given = weights(&asked);
            prop_assert!(given.iter().flatten().all(|weight| (1..=65_281).contains(weight)));
            let sum = |of: &Vec<u16>| of.iter().map(|weight| f64::from(*weight)).sum::<f64>();
            let all: f64 = given.iter().map(sum).sum();
            for ((share, _), of) in asked.iter().zip(&given) {
                // With less the weights are too few steps for it.
                if sum(of) >= 100.0 * of.len() as f64 {
                    let (is, error) = (sum(of) / all, 0.01 * share);
                    prop_assert!((is - share).abs() <= error, "{is} instead of {share}");
                }
            }
        }
    }
}
