//! Made-up clients, to see which pool each would be given.
//!
//! They are spread evenly over what there is: a step of the golden ratio leaves no gap larger than
//! need be, however many are taken, and takes none twice.

use super::{ClientNetwork, Family};

/// The /24 networks of IPv4 unicast: from 1.0.0.0 to 223.255.255.0.
const V4_FIRST: u64 = 0x01_0000;
const V4_COUNT: u64 = 223 << 16;
/// About the golden part of them, and of one measure with their number only by 1.
const V4_STEP: u64 = 9_032_275;
/// The /48 networks of 2000::/3, which is all that IPv6 routes: likewise.
const V6_FIRST: u64 = 0x2000_0000_0000;
const V6_COUNT: u64 = 1 << 45;
const V6_STEP: u64 = 21_745_137_823_721;

/// Client `number` of those that `seed` stands for: IPv4 and IPv6 in turn.
pub fn synthetic_client(seed: u64, number: u32) -> (Family, ClientNetwork) {
    let (nth, first) = (u128::from(number / 2), seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let place = |step: u64, count: u64| {
        let place = (nth * u128::from(step) + u128::from(first)) % u128::from(count);
        place as u64
    };
    if number.is_multiple_of(2) {
        let [.., a, b, c] = (V4_FIRST + place(V4_STEP, V4_COUNT)).to_be_bytes();
        return (Family::V4, ClientNetwork::v4([a, b, c]));
    }
    let [_, _, a, b, c, d, e, f] = (V6_FIRST + place(V6_STEP, V6_COUNT)).to_be_bytes();
    (Family::V6, ClientNetwork::v6([a, b, c, d, e, f]))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const CLIENTS: u32 = 100_000;

    #[test]
    fn no_client_is_taken_twice_and_a_seed_gives_the_same_ones() {
        let all = |seed| (0..CLIENTS).map(move |number| synthetic_client(seed, number));
        let distinct: BTreeSet<ClientNetwork> = all(7).map(|(_, client)| client).collect();
        assert_eq!(distinct.len(), CLIENTS as usize);
        assert!(all(7).eq(all(7)));
        assert!(!all(7).eq(all(8)));
    }

    #[test]
    fn they_are_spread_evenly() {
        for (family, buckets) in [(Family::V4, 223), (Family::V6, 64)] {
            let of_family = (0..CLIENTS).map(|number| synthetic_client(1, number));
            let mut counts = vec![0_i64; buckets];
            for (_, client) in of_family.filter(|(of, _)| *of == family) {
                let (octets, number) = client.octets();
                let octet = |at: usize| (number >> (8 * at)) as u8;
                counts[match octets {
                    3 => usize::from(octet(0)) - 1,
                    _ => usize::from(octet(0) & 0x1f) * 2 + usize::from(octet(1) >> 7),
                }] += 1;
            }
            let even = i64::from(CLIENTS / 2) / buckets as i64;
            let far = counts.iter().filter(|&&count| (count - even).abs() > 4).count();
            assert_eq!(far, 0, "{family:?}: {counts:?} instead of {even} each");
        }
    }
}
