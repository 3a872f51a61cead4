//! Numbers in packed octets, in little endian. Offsets come from our own packing, never from the
//! network.

const WITHIN: &str = "invariant: packed octets hold what their offsets say";

pub(super) fn u16_at(octets: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(*octets[at..].first_chunk().expect(WITHIN))
}

pub(super) fn u32_at(octets: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*octets[at..].first_chunk().expect(WITHIN))
}

pub(super) fn u64_at(octets: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*octets[at..].first_chunk().expect(WITHIN))
}

pub(super) fn u32_of(len: usize) -> u32 {
    u32::try_from(len).expect("invariant: a part of the table is smaller than 4 GiB")
}
