//! Which endpoints of a pool one client is given.
//!
//! With equal weights: all of them. With unequal weights an answer that names all endpoints would
//! give each the same share, because clients spread evenly over the addresses of an answer. So
//! each client is given `k` of them, `k` fixed, each endpoint with probability `k·w/W`: then the
//! expected shares are exactly the weights. `k = ⌊W/max w⌋` is the largest that allows it. The
//! `k` are drawn by systematic sampling (Madow 1949, "On the theory of systematic sampling, II"):
//! points at distance `W/k` on the line of cumulative weights, shifted by the client's `u`.

use super::octets::u64_at;

/// Items with unequal weights, packed: a salt, the sum of the weights, and behind them each item
/// with where it ends on a line that is as long as the sum times how many are picked. On this line
/// the points are one sum apart, so that whole numbers are enough to find what is under them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Weighted<'t> {
    head: &'t [u8; HEAD_LEN],
    items: &'t [u8],
}

const TOTAL: usize = 8;
const HEAD_LEN: usize = 16;
/// Of the end of an item, before it.
pub(super) const END_LEN: usize = 8;

impl<'t> Weighted<'t> {
    /// Packs items, which are all of one length, and says how many of them are picked. Nothing
    /// when the weights make no difference: then all are picked.
    pub(super) fn pack<I>(salt: u64, items: &[(u32, I)]) -> Option<(Vec<u8>, usize)>
    where
        I: AsRef<[u8]>,
    {
        let greatest = items.iter().map(|(weight, _)| *weight).max()?;
        if items.iter().all(|(weight, _)| *weight == greatest) {
            return None;
        }
        let total: u64 = items.iter().map(|(weight, _)| u64::from(*weight)).sum();
        let picked = total / u64::from(greatest);
        let mut packed = [salt, total].map(u64::to_le_bytes).concat();
        let mut sum = 0;
        for (weight, item) in items {
            sum += u64::from(*weight);
            // Below 2^64: a pool has fewer than 2^22 items, each at most 10^6 heavy.
            packed.extend((sum * picked).to_le_bytes());
            packed.extend(item.as_ref());
        }
        Some((packed, usize::try_from(picked).expect("invariant: at most all are picked")))
    }

    /// What was packed.
    #[inline]
    pub(super) fn unpack(octets: &'t [u8]) -> Option<Self> {
        let (head, items) = octets.split_first_chunk()?;
        Some(Self { head, items })
    }

    /// Keeps the picks of one service unrelated to those of another.
    pub(super) fn salt(&self) -> u64 {
        u64_at(self.head, 0)
    }

    /// Where the first point of the client at `u` lies; `u` is a fraction of 2^64.
    #[inline]
    pub(super) fn first_point(&self, u: u64) -> u64 {
        // Ends are whole, so what is behind the point's whole part makes no difference.
        ((u128::from(u) * u128::from(u64_at(self.head, TOTAL))) >> 64) as u64
    }

    /// The items under the points, the first of which lies at `first_point`, each with its end
    /// before it. No item has two: so one walk along the line meets them all.
    #[inline]
    pub(super) fn under<const LEN: usize>(
        &self,
        first_point: u64,
    ) -> impl Iterator<Item = &'t [u8; LEN]> + use<'t, LEN> {
        let total = u64_at(self.head, TOTAL);
        let mut point = first_point;
        let is_under = move |item: &&[u8; LEN]| {
            let is_under = u64_at(*item, 0) > point;
            point += if is_under { total } else { 0 };
            is_under
        };
        self.items.as_chunks().0.iter().filter(is_under)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::octets::u32_at, *};
    use proptest::prelude::*;

    /// The items for the client at `u`; everything when the weights make no difference.
    fn chosen(weights: &[u32], u: u64) -> Vec<usize> {
        let numbered: Vec<_> =
            weights.iter().zip(0_u32..).map(|(&w, number)| (w, number.to_le_bytes())).collect();
        let Some((packed, picked)) = Weighted::pack(1, &numbered) else {
            return (0..weights.len()).collect();
        };
        let weighted = Weighted::unpack(&packed).expect("what was packed");
        let number = |item: &[u8; END_LEN + 4]| u32_at(item, END_LEN) as usize;
        let items: Vec<usize> = weighted.under(weighted.first_point(u)).map(number).collect();
        assert_eq!(items.len(), picked);
        items
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
        assert_eq!(Weighted::pack(1, &[(7, [0]), (7, [1]), (7, [2])]), None);
        assert_eq!(Weighted::pack(1, &[(7, [0])]), None);
        assert_eq!(Weighted::pack::<[u8; 1]>(1, &[]), None);
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
