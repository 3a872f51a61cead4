//! Which endpoints of a pool one client is given.
//!
//! With equal weights: all of them. With unequal weights an answer that names all endpoints would
//! give each the same share, because clients spread evenly over the addresses of an answer. So
//! each client is given `k` of them, `k` fixed, each endpoint with probability `k·w/W`: then the
//! expected shares are exactly the weights. `k = ⌊W/max w⌋` is the largest that allows it. The
//! `k` are drawn by systematic sampling (Madow 1949, "On the theory of systematic sampling, II"):
//! points at distance `W/k` on the line of cumulative weights, shifted by the client's `u`.

use smallvec::SmallVec;

/// Endpoints of one address family with their cumulative weights.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Weighted<T, const NEAR: usize> {
    /// Up to `NEAR` lie here and not elsewhere, so that answering with them fetches no further
    /// memory.
    items: SmallVec<[T; NEAR]>,
    /// How the items differ, if they do.
    unequal: Option<Box<Unequal>>,
}

#[derive(Clone, Debug, PartialEq)]
struct Unequal {
    /// `ends[i]` is the sum of the weights up to and with item `i`.
    ends: Vec<u64>,
    total: u64,
    /// How many items an answer has.
    count: usize,
}

impl<T: Copy, const NEAR: usize> Weighted<T, NEAR> {
    pub(super) fn new(weighted: impl IntoIterator<Item = (T, u32)>) -> Self {
        let (items, weights): (SmallVec<[T; NEAR]>, Vec<u32>) = weighted.into_iter().unzip();
        let equal = weights.iter().all(|&weight| weight == weights[0]);
        Self { items, unequal: (!equal).then(|| Box::new(Unequal::new(&weights))) }
    }

    /// The items for the client at `u()`, a number uniform over clients: a fraction of 2^64.
    pub(super) fn choose(&self, u: impl FnOnce() -> u64) -> impl Iterator<Item = T> {
        let unequal = self.unequal.as_deref().map(|unequal| (unequal, u()));
        let count = unequal.map_or(self.items.len(), |(unequal, _)| unequal.count);
        (0..count).map(move |index| {
            self.items[unequal.map_or(index, |(unequal, u)| unequal.item_under(index, u))]
        })
    }
}

impl Unequal {
    fn new(weights: &[u32]) -> Self {
        let sum = |sum: &mut u64, weight: &u32| {
            *sum += u64::from(*weight);
            Some(*sum)
        };
        let ends: Vec<u64> = weights.iter().scan(0, sum).collect();
        let total = ends.last().copied().unwrap_or(0);
        let greatest = weights.iter().copied().max().unwrap_or(1);
        let count = usize::try_from(total / u64::from(greatest)).unwrap_or(weights.len());
        Self { ends, total, count }
    }

    /// The item under the point `(index + u) · W/k`.
    fn item_under(&self, index: usize, u: u64) -> usize {
        let point = ((index as u128) << 64 | u128::from(u)) * u128::from(self.total);
        // Compare k·2^64·end with point, so that nothing is rounded.
        let scale = (self.count as u128) << 64;
        self.ends.partition_point(|&end| u128::from(end) * scale <= point)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shares(weights: &[u32], clients: u64) -> Vec<f64> {
        let weighted = Weighted::<_, 4>::new(weights.iter().copied().enumerate());
        let mut shares = vec![0.0; weights.len()];
        for client in 0..clients {
            let u = client.wrapping_mul(u64::MAX / clients);
            let chosen: Vec<usize> = weighted.choose(|| u).collect();
            for &item in &chosen {
                shares[item] += 1.0 / chosen.len() as f64 / clients as f64;
            }
        }
        shares
    }

    #[test]
    fn equal_weights_give_everything_to_everyone() {
        let weighted = Weighted::<_, 2>::new([("a", 7), ("b", 7), ("c", 7)]);
        assert_eq!(weighted.choose(|| 42).collect::<Vec<_>>(), ["a", "b", "c"]);
    }

    #[test]
    fn no_items_no_answer() {
        assert_eq!(Weighted::<u8, 1>::new([]).choose(|| 1).count(), 0);
    }

    #[test]
    fn one_to_two_is_a_third_and_two_thirds() {
        let shares = shares(&[1, 2], 3_000);
        assert!((shares[0] - 1.0 / 3.0).abs() < 1e-3, "{shares:?}");
    }

    proptest! {
        #[test]
        fn shares_are_the_weights(weights in prop::collection::vec(1u32..1000, 1..12)) {
            let total: u32 = weights.iter().sum();
            for (share, weight) in shares(&weights, 4_000).iter().zip(&weights) {
                let expected = f64::from(*weight) / f64::from(total);
                prop_assert!((share - expected).abs() < 0.002, "{} instead of {}", share, expected);
            }
        }

        #[test]
        fn a_client_is_given_no_endpoint_twice(weights in prop::collection::vec(1u32..=1_000_000, 1..40), u: u64) {
            let mut chosen: Vec<_> = Weighted::<_, 4>::new(weights.iter().copied().enumerate()).choose(|| u).collect();
            let given = chosen.len();
            prop_assert!(given >= 1);
            chosen.dedup();
            prop_assert_eq!(chosen.len(), given);
        }
    }
}
