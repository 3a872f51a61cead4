//! Which endpoints of a pool one client is given.
//!
//! With equal weights: all of them. With unequal weights an answer that names all endpoints would
//! give each the same share, because clients spread evenly over the addresses of an answer. So
//! each client is given `k` of them, `k` fixed, each endpoint with probability `k·w/W`: then the
//! expected shares are exactly the weights. `k = ⌊W/max w⌋` is the largest that allows it. The
//! `k` are drawn by systematic sampling (Madow 1949, "On the theory of systematic sampling, II"):
//! points at distance `W/k` on the line of cumulative weights, shifted by the client's `u`.

/// Endpoints of one address family with their cumulative weights.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Weighted<T> {
    items: Vec<T>,
    /// `ends[i]` is the sum of the weights up to and with item `i`; empty when all are equal.
    ends: Vec<u64>,
    /// How many items an answer has.
    count: usize,
}

impl<T: Copy> Weighted<T> {
    pub(super) fn new(weighted: impl IntoIterator<Item = (T, u32)>) -> Self {
        let (items, weights): (Vec<T>, Vec<u32>) = weighted.into_iter().unzip();
        let greatest = weights.iter().copied().max().unwrap_or(1);
        if weights.iter().all(|&weight| weight == greatest) {
            return Self { count: items.len(), items, ends: Vec::new() };
        }
        let ends: Vec<u64> = weights
            .iter()
            .scan(0, |sum, &weight| {
                *sum += u64::from(weight);
                Some(*sum)
            })
            .collect();
        let total = ends.last().copied().unwrap_or(0);
        let count = usize::try_from(total / u64::from(greatest)).unwrap_or(items.len());
        Self { items, ends, count }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The items for the client at `u`, a number uniform over clients: a fraction of 2^64.
    pub(super) fn choose(&self, u: u64) -> impl Iterator<Item = T> {
        let all = self.ends.is_empty();
        let total = self.ends.last().copied().unwrap_or(0);
        (0..self.count).map(move |index| {
            let at = if all { index } else { self.index_at(index, u, total) };
            self.items[at]
        })
    }

    /// The item under the point `(index + u) · W/k`.
    fn index_at(&self, index: usize, u: u64, total: u64) -> usize {
        let point = ((index as u128) << 64 | u128::from(u)) * u128::from(total);
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
        let weighted = Weighted::new(weights.iter().copied().enumerate());
        let mut shares = vec![0.0; weights.len()];
        for client in 0..clients {
            let u = client.wrapping_mul(u64::MAX / clients);
            let chosen: Vec<usize> = weighted.choose(u).collect();
            for &item in &chosen {
                shares[item] += 1.0 / chosen.len() as f64 / clients as f64;
            }
        }
        shares
    }

    #[test]
    fn equal_weights_give_everything_to_everyone() {
        let weighted = Weighted::new([("a", 7), ("b", 7), ("c", 7)]);
        assert_eq!(weighted.choose(42).collect::<Vec<_>>(), ["a", "b", "c"]);
    }

    #[test]
    fn no_items_no_answer() {
        assert_eq!(Weighted::<u8>::new([]).choose(1).count(), 0);
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
            let mut chosen: Vec<_> = Weighted::new(weights.iter().copied().enumerate()).choose(u).collect();
            let given = chosen.len();
            prop_assert!(given >= 1);
            chosen.dedup();
            prop_assert_eq!(chosen.len(), given);
        }
    }
}
