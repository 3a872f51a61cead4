//! The instant that stands before a packed rrset which changes then, or has changed then.

use super::octets::u64_at;
use crate::model::{Timestamp, Timing};

/// Microseconds, and below them whether it has changed then.
const LEN: usize = 8;
const IS_SINCE: u64 = 1;

/// The octets of what is known; none if it lasts.
pub(super) fn pack(timing: Timing) -> Vec<u8> {
    let (instant, flag) = match timing {
        Timing::Lasting => return Vec::new(),
        Timing::Until(instant) => (instant, 0),
        Timing::Since(instant) => (instant, IS_SINCE),
    };
    (instant.unix_micros() << 1 | flag).to_le_bytes().into()
}

/// What was packed, and what stands behind it.
pub(super) fn unpack(octets: &[u8]) -> Option<(Timing, &[u8])> {
    let (number, rest) = octets.split_first_chunk::<LEN>()?;
    let number = u64_at(number, 0);
    let instant = Timestamp::from_unix_micros(number >> 1);
    let is_since = number & IS_SINCE != 0;
    Some((if is_since { Timing::Since(instant) } else { Timing::Until(instant) }, rest))
}
