//! Which endpoints of a pool one client is given.
//!
//! With equal weights: all of them. With unequal weights an answer that names all endpoints would
//! give each the same share, because clients spread evenly over the addresses of an answer. So
//! each client is given `k` of them, `k` fixed, each endpoint with probability `k·w/W`: then the
//! expected shares are exactly the weights. `k = ⌊W/max w⌋` is the largest that allows it. The
//! `k` are drawn by systematic sampling (Madow 1949, "On the theory of systematic sampling, II"):
//! points at distance `W/k` on the line of cumulative weights, shifted by the client's `u`.

use super::octets::u64_at;

/// Unequal weights, packed: a salt, the sum of the weights, how many are picked, and for each
/// item the sum of the weights up to and with it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Weights<'t>(&'t [u8]);

const TOTAL: usize = 8;
const PICKED: usize = 16;
const ENDS: usize = 24;
const END_LEN: usize = 8;

impl<'t> Weights<'t> {
    /// Packs weights, if they make a difference.
    pub(super) fn pack(salt: u64, weights: &[u32]) -> Vec<u8> {
        let greatest = weights.iter().copied().max().unwrap_or(1);
        if weights.iter().all(|&weight| weight == greatest) {
            return Vec::new();
        }
        let sum = |sum: &mut u64, weight: &u32| {
            *sum += u64::from(*weight);
            Some(*sum)
        };
        let ends: Vec<u64> = weights.iter().scan(0, sum).collect();
        let total = ends.last().copied().unwrap_or(0);
        let head = [salt, total, total / u64::from(greatest)];
        head.iter().chain(&ends).flat_map(|number| number.to_le_bytes()).collect()
    }

    pub(super) fn unpack(octets: &'t [u8]) -> Self {
        Self(octets)
    }

    /// Keeps the picks of one service unrelated to those of another.
    pub(super) fn salt(&self) -> u64 {
        u64_at(self.0, 0)
    }

    /// How many items an answer has.
    pub(super) fn picked(&self) -> usize {
        // At most the number of items, which a machine can count.
        u64_at(self.0, PICKED) as usize
    }

    /// The item under the point `(index + u) · W/k`; `u` is a fraction of 2^64.
    pub(super) fn item_under(&self, index: usize, u: u64) -> usize {
        let total = u64_at(self.0, TOTAL);
        let point = ((index as u128) << 64 | u128::from(u)) * u128::from(total);
        // Compare k·2^64·end with point, so that nothing is rounded.
        let scale = u128::from(u64_at(self.0, PICKED)) << 64;
        let end = |item: usize| u128::from(u64_at(self.0, ENDS + item * END_LEN));
        let (mut low, mut high) = (0, (self.0.len() - ENDS) / END_LEN);
        while low < high {
            let middle = low.midpoint(high);
            if end(middle) * scale <= point {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The items for the client at `u`; everything when the weights make no difference.
    fn chosen(weights: &[u32], u: u64) -> Vec<usize> {
        let packed = Weights::pack(1, weights);
        if packed.is_empty() {
            return (0..weights.len()).collect();
        }
        let weights = Weights::unpack(&packed);
        (0..weights.picked()).map(|index| weights.item_under(index, u)).collect()
    }

    fn shares(weights: &[u32], clients: u64) -> Vec<f64> {
        let mut shares = vec![0.0; weights.len()];
        for client in 0..clients {
            let chosen = chosen(weights, client.wrapping_mul(u64::MAX / clients));
            for &item in &chosen {
                shares[item] += 1.0 / chosen.len() as f64 / clients as f64;
            }
        }
        shares
    }

    #[test]
    fn equal_weights_make_no_difference() {
        assert!(Weights::pack(1, &[7, 7, 7]).is_empty());
        assert!(Weights::pack(1, &[7]).is_empty());
        assert!(Weights::pack(1, &[]).is_empty());
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
            let mut chosen = chosen(&weights, u);
            let given = chosen.len();
            prop_assert!(given >= 1);
            prop_assert!(chosen.iter().all(|&item| item < weights.len()));
            chosen.dedup();
            prop_assert_eq!(chosen.len(), given);
        }
    }
}
