//! The general path's first look at a packet: raw octets only, nothing allocated.
//!
//! What passes has one question with an uncompressed name, counts that its length can hold, and
//! at most one OPT record, with options that keep to their format; so the codec behind it is never
//! asked to make room for what is not there.

use hickory_proto::op::ResponseCode;

use super::edns::{ClientEdns, OPT};

pub(super) const HEADER_LEN: usize = 12;
/// Type and class.
pub(super) const QUESTION_FIXED_LEN: usize = 4;
/// Type, class, TTL, data length.
const RECORD_FIXED_LEN: usize = 10;
/// A root name, type, class, TTL, data length.
const RECORD_LEN_MIN: usize = 11;
const NAME_LEN_MAX: usize = 255;
const LABEL_LEN_MAX: u8 = 63;

/// Why a packet gets no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropCause {
    /// Shorter than a header: there is no ID to reply to.
    Short,
    /// A response: replying to it could make two servers talk for ever.
    Response,
    /// The sender's port is 0: nobody can receive there.
    PortZero,
    /// Over the response rate limit.
    Limited,
    /// The reply could not be made.
    Internal,
}

impl DropCause {
    pub(super) const ALL: [Self; 5] =
        [Self::Short, Self::Response, Self::PortZero, Self::Limited, Self::Internal];

    /// The word in the metric.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Response => "response",
            Self::PortZero => "port_zero",
            Self::Limited => "limited",
            Self::Internal => "internal",
        }
    }
}

/// What to do with a packet.
#[derive(Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "lives on the stack for one packet; boxing would allocate"
)]
pub(super) enum Sifted {
    Drop(DropCause),
    /// Reply with this code and the header alone.
    Reject(ResponseCode),
    /// Decode it.
    Pass(LowerName, Option<ClientEdns>),
}

/// Octets of a name that are copied and lowered at once; the processor has registers for these.
const STEP: usize = 16;

/// The question's name in wire form and lower case.
#[derive(Clone, Copy, Debug)]
pub(super) struct LowerName {
    /// What is behind the name means nothing.
    octets: [[u8; STEP]; (NAME_LEN_MAX + 1) / STEP],
    len: usize,
}

impl PartialEq for LowerName {
    fn eq(&self, other: &Self) -> bool {
        self.wire() == other.wire()
    }
}

impl Eq for LowerName {}

impl LowerName {
    /// No name yet.
    pub(super) const fn empty() -> Self {
        Self { octets: [[0; STEP]; (NAME_LEN_MAX + 1) / STEP], len: 0 }
    }

    /// A name without compression (nothing stands before it that it could point to), and what
    /// follows.
    pub(super) fn read(octets: &[u8]) -> Option<(Self, &[u8])> {
        let mut name = Self::empty();
        let rest = name.read_from(octets)?;
        Some((name, rest))
    }

    /// The same into a place that is there already: for many names, this is cheaper.
    #[inline(always)]
    pub(super) fn read_from<'o>(&mut self, octets: &'o [u8]) -> Option<&'o [u8]> {
        let mut len = 0;
        loop {
            let label_len = *octets.get(len)?;
            if label_len > LABEL_LEN_MAX {
                return None;
            }
            len += 1 + usize::from(label_len);
            if label_len == 0 {
                break;
            }
        }
        if len > NAME_LEN_MAX {
            return None;
        }
        let (name, rest) = octets.split_at_checked(len)?;
        self.len = len;
        // Mostly there is more in the packet than the name, and no step ends early.
        match octets.get(..len.next_multiple_of(STEP)) {
            Some(steps) => {
                for (lower, step) in self.octets.iter_mut().zip(steps.as_chunks().0) {
                    *lower = *step;
                    // Length octets are at most 63 and so are never taken for letters.
                    lower.make_ascii_lowercase();
                }
            }
            None => self.copy_last(name),
        }
        Some(rest)
    }

    /// Copies a name that ends where the packet does, or almost.
    #[inline(never)]
    fn copy_last(&mut self, name: &[u8]) {
        let lower = &mut self.octets.as_flattened_mut()[..name.len()];
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
    }

    #[inline]
    pub(super) fn wire(&self) -> &[u8] {
        &self.octets.as_flattened()[..self.len]
    }
}

pub(super) fn sift(packet: &[u8]) -> Sifted {
    let Some((header, rest)) = packet.split_first_chunk::<HEADER_LEN>() else {
        return Sifted::Drop(DropCause::Short);
    };
    if header[2] & 0x80 != 0 {
        return Sifted::Drop(DropCause::Response);
    }
    let opcode = (header[2] >> 3) & 0x0f;
    if opcode != 0 {
        return Sifted::Reject(ResponseCode::NotImp);
    }
    let [questions, records @ ..] =
        [4, 6, 8, 10].map(|at| usize::from(u16::from_be_bytes([header[at], header[at + 1]])));
    if questions != 1 {
        return Sifted::Reject(ResponseCode::FormErr);
    }
    let passed = || {
        let (name, rest) = LowerName::read(rest)?;
        let (_, rest) = rest.split_first_chunk::<QUESTION_FIXED_LEN>()?;
        let least = RECORD_LEN_MIN * records.iter().sum::<usize>();
        let edns = edns(rest.get(..least).and(Some(rest))?, records)?;
        Some(Sifted::Pass(name, edns))
    };
    passed().unwrap_or(Sifted::Reject(ResponseCode::FormErr))
}

/// The OPT record among the records behind the question. There is one at most, it belongs to the
/// root, and it stands in the additional section (RFC 6891 §6.1.1).
fn edns(mut rest: &[u8], records: [usize; 3]) -> Option<Option<ClientEdns>> {
    let mut edns = None;
    for (section, count) in records.into_iter().enumerate() {
        for _ in 0..count {
            let owner_len = name_len(rest)?;
            let (owner, behind) = rest.split_at_checked(owner_len)?;
            let (fixed, behind) = behind.split_first_chunk::<RECORD_FIXED_LEN>()?;
            let [kind_0, kind_1, class_0, class_1, ttl_0, ttl_1, ttl_2, ttl_3, len @ ..] = *fixed;
            let (data, behind) = behind.split_at_checked(u16::from_be_bytes(len).into())?;
            rest = behind;
            if u16::from_be_bytes([kind_0, kind_1]) != OPT {
                continue;
            }
            if edns.is_some() || section != 2 || owner != [0] {
                return None;
            }
            let ttl = [ttl_0, ttl_1, ttl_2, ttl_3];
            edns = Some(ClientEdns::read([class_0, class_1], ttl, data).ok()?);
        }
    }
    Some(edns)
}

/// How long a name is where it stands; a pointer ends it.
fn name_len(octets: &[u8]) -> Option<usize> {
    let mut len = 0;
    while len <= NAME_LEN_MAX {
        match *octets.get(len)? {
            0 => return Some(len + 1),
            label_len @ 1..=LABEL_LEN_MAX => len += 1 + usize::from(label_len),
            0xc0.. => return Some(len + 2),
            _ => return None,
        }
    }
    None
}

/// The header of a reply that has nothing else.
pub(super) fn bare_reply(packet: &[u8], code: ResponseCode) -> Vec<u8> {
    let mut reply = vec![0; HEADER_LEN];
    reply[..2].copy_from_slice(&packet[..2]);
    // QR set; opcode and RD as they came.
    reply[2] = 0x80 | packet[2] & 0x79;
    reply[3] = code.low() & 0x0f;
    reply
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const QUERY: &[u8] =
        b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03aPi\x04Test\x00\x00\x01\x00\x01";

    fn with(edit: impl FnOnce(&mut Vec<u8>)) -> Sifted {
        let mut packet = QUERY.to_vec();
        edit(&mut packet);
        sift(&packet)
    }

    #[test]
    fn a_plain_question_passes_in_lower_case() {
        let Sifted::Pass(name, None) = sift(QUERY) else { panic!("must pass") };
        assert_eq!(name.wire(), b"\x03api\x04test\x00");
    }

    #[test]
    fn what_does_not_pass() {
        let formerr = Sifted::Reject(ResponseCode::FormErr);
        assert_eq!(sift(&QUERY[..11]), Sifted::Drop(DropCause::Short));
        assert_eq!(with(|p| p[2] |= 0x80), Sifted::Drop(DropCause::Response));
        assert_eq!(with(|p| p[2] = 4 << 3), Sifted::Reject(ResponseCode::NotImp));
        assert_eq!(with(|p| p[5] = 0), formerr, "no question");
        assert_eq!(with(|p| p[4] = 0xff), formerr, "65,281 questions");
        assert_eq!(with(|p| p[10] = 0xff), formerr, "more records than octets");
        assert_eq!(with(|p| p[12] = 0xc0), formerr, "a compressed name");
        assert_eq!(with(|p| p.truncate(24)), formerr, "no class");
        assert_eq!(with(|p| p.truncate(15)), formerr, "half a name");
    }

    #[test]
    fn a_bare_reply_keeps_id_opcode_and_rd() {
        let mut packet = QUERY.to_vec();
        packet[2] = 4 << 3 | 1;
        let reply = bare_reply(&packet, ResponseCode::NotImp);
        assert_eq!(reply, b"\x12\x34\xa1\x04\0\0\0\0\0\0\0\0");
    }

    proptest! {
        #[test]
        fn any_octets_are_sifted(packet in prop::collection::vec(any::<u8>(), 0..600)) {
            if let Sifted::Pass(name, None) = sift(&packet) {
                prop_assert_eq!(packet[2] & 0xf8, 0);
                prop_assert!(name.wire().len() <= NAME_LEN_MAX);
                prop_assert_eq!(name.wire().last(), Some(&0));
            }
        }
    }
}
