//! The logarithm in whole numbers: the same on every machine and after every upgrade, which no
//! one promises of floating-point ones (IEEE 754 leaves their rounding open).
//!
//! By a table of segments and a polynomial within each, as in Ceph's straw2 (`crush_ln`), though
//! of all 64 bits.

/// How many units are one.
const UNIT_BITS: u32 = 48;
/// How many segments there are from one power of two to the next.
const SEGMENT_BITS: u32 = 7;
const SEGMENTS: usize = 1 << SEGMENT_BITS;
/// Within a segment fractions are counted of this.
const ONE_BITS: u32 = 62;
const ONE: u64 = 1 << ONE_BITS;
/// The binary logarithm of e.
const LOG2_E: u64 = 0x5c55_1d94_ae0b_f85d;

/// The binary logarithm of (`value` + 1) / 2^64, without its sign, in units of 2^-48: from 0 to
/// 2^54. Right to 2^-36, and never grows when `value` does.
#[inline]
pub(super) fn minus_log2(value: u64) -> u64 {
    let Some(number) = value.checked_add(1) else { return 0 };
    let leading_zeros = number.leading_zeros();
    let mantissa = number << leading_zeros;
    // The first bit is always set; those behind it choose the segment, the others lead into it.
    let behind_first = mantissa << 1;
    let segment = &TABLE[(behind_first >> (u64::BITS - SEGMENT_BITS)) as usize];
    let into = behind_first << SEGMENT_BITS >> (SEGMENT_BITS + 1);
    let fraction = segment.log + times(log1p(high(into, segment.reciprocal)), LOG2_E);
    (u64::from(leading_zeros + 1) << UNIT_BITS) - (fraction >> (ONE_BITS - UNIT_BITS))
}

/// The natural logarithm of 1 + `x`, for an `x` below 1/128: the first four terms of its series.
#[inline]
fn log1p(x: u64) -> u64 {
    times(x, ONE - times(x, ONE / 2 - times(x, ONE / 3 - (x >> 2))))
}

/// The product of two fractions.
#[inline]
fn times(one: u64, other: u64) -> u64 {
    ((u128::from(one) * u128::from(other)) >> ONE_BITS) as u64
}

/// The high half of a product.
#[inline]
fn high(one: u64, other: u64) -> u64 {
    ((u128::from(one) * u128::from(other)) >> u64::BITS) as u64
}

/// What is known of where a segment begins: a number from 1 to 2.
#[derive(Clone, Copy)]
struct Segment {
    /// Its reciprocal, of 2^63.
    reciprocal: u64,
    /// Its binary logarithm.
    log: u64,
}

static TABLE: [Segment; SEGMENTS] = table();

const fn table() -> [Segment; SEGMENTS] {
    let mut table = [Segment { reciprocal: 0, log: 0 }; SEGMENTS];
    let mut index = 0;
    while index < SEGMENTS {
        // Of 2^63.
        let begin = (1 << 63) | (index as u64) << (63 - SEGMENT_BITS);
        let reciprocal = ((1 << 126) / begin as u128) as u64;
        table[index] = Segment { reciprocal, log: log2_bit_by_bit(begin) };
        index += 1;
    }
    table
}

/// The binary logarithm of a number from 1 to 2, which is of 2^63: squaring doubles it, and so
/// tells its next bit.
const fn log2_bit_by_bit(mut number: u64) -> u64 {
    let (mut log, mut bit) = (0, ONE >> 1);
    while bit > 0 {
        let square = number as u128 * number as u128;
        let is_two_or_more = square >> 127 == 1;
        number = (square >> if is_two_or_more { 64 } else { 63 }) as u64;
        log |= if is_two_or_more { bit } else { 0 };
        bit >>= 1;
    }
    log
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Computed by another program, with ninety digits.
    const GOLDEN: [(u64, u64); 8] = [
        (0x0000_0000_0000_0001, 0x003f_0000_0000_0000),
        (0x0000_0000_0000_0002, 0x003e_6a3f_e5c6_0429),
        (0x002b_dc54_5d6b_4b87, 0x000a_8b8e_93ce_03f2),
        (0x0123_4567_89ab_cdef, 0x0007_d053_f6d2_6089),
        (0x80ff_ffff_ffff_ffff, 0x0000_fd20_35e9_221e),
        (0xc0ff_ee00_0000_0000, 0x0000_6854_dec2_a567),
        (0xdead_beef_dead_beef, 0x0000_3380_8cfd_1486),
        (0xffff_ffff_ffff_0000, 0x0000_0000_0000_0001),
    ];

    #[test]
    fn it_is_the_logarithm() {
        for (value, expected) in GOLDEN {
            let logarithm = minus_log2(value);
            assert!(logarithm.abs_diff(expected) <= 1 << 12, "{value:#x}: {logarithm:#x}");
        }
    }

    #[test]
    fn its_ends_are_exact() {
        assert_eq!(minus_log2(u64::MAX), 0);
        assert_eq!(minus_log2(0), 64 << UNIT_BITS);
        for power in 0..64 {
            assert_eq!(minus_log2((1 << power) - 1), (64 - power) << UNIT_BITS, "2^{power}");
        }
    }

    /// Where a segment ends an error would show as a step in the wrong direction.
    #[test]
    fn it_never_grows_where_segments_meet() {
        for begin in (0..=u64::MAX >> 56).map(|index| index << 56) {
            let around = [2, 1, 0].map(|less| minus_log2(begin.saturating_sub(less)));
            assert!(around.is_sorted_by(|one, next| one >= next), "{begin:#x}: {around:?}");
        }
    }

    proptest! {
        #[test]
        fn it_never_grows(one: u64, other: u64) {
            let (less, more) = (one.min(other), one.max(other));
            prop_assert!(minus_log2(less) >= minus_log2(more));
        }

        #[test]
        fn it_is_what_floats_say(value: u64) {
            let expected = -((value as f64 + 1.0) / 2_f64.powi(64)).log2();
            let logarithm = minus_log2(value) as f64 / 2_f64.powi(48);
            prop_assert!((logarithm - expected).abs() < 2_f64.powi(-36), "{} {}", logarithm, expected);
        }
    }
}
