//! The common question, read in place: one question, class IN, opcode QUERY, at most an OPT
//! record, and nothing behind it. Everything else is for the general path ([`super::general`]).

use super::{
    edns::{ClientEdns, OPT, OPT_LEN_MIN},
    sift::{HEADER_LEN, LowerName, QUESTION_FIXED_LEN},
};

/// The number of the class IN.
const CLASS_IN: [u8; 2] = [0, 1];
/// QDCOUNT 1, ANCOUNT 0, NSCOUNT 0, and the upper half of ARCOUNT.
const COUNTS: [u8; 7] = [0, 1, 0, 0, 0, 0, 0];
/// QR and the opcode.
const QR_AND_OPCODE: u8 = 0xf8;
/// Types that are no types of records: OPT, and all from here on but ANY (RFC 6895 §3.1).
const META_TYPES: std::ops::RangeInclusive<u16> = 128..=254;

/// A common question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) name: LowerName,
    /// The number of the type.
    pub(super) kind: u16,
    /// Where the question ends in the packet.
    pub(super) end: usize,
    pub(super) edns: Option<ClientEdns>,
}

impl Question {
    /// No question yet.
    pub(super) const fn empty() -> Self {
        Self { name: LowerName::empty(), kind: 0, end: 0, edns: None }
    }

    /// Reads a packet, if it is a common question.
    pub(super) fn read(packet: &[u8]) -> Option<Self> {
        let mut question = Self::empty();
        question.read_from(packet)?;
        Some(question)
    }

    /// The same into a place that is there already: for many questions, this is cheaper. What is
    /// read of a packet that is no common question is of no use.
    #[inline(always)]
    pub(super) fn read_from(&mut self, packet: &[u8]) -> Option<()> {
        let (header, rest) = packet.split_first_chunk::<HEADER_LEN>()?;
        if header[2] & QR_AND_OPCODE != 0 || header[4..11] != COUNTS || header[11] > 1 {
            return None;
        }
        let rest = self.name.read_from(rest)?;
        let (fixed, rest) = rest.split_first_chunk::<QUESTION_FIXED_LEN>()?;
        let [kind_high, kind_low, class @ ..] = *fixed;
        self.kind = u16::from_be_bytes([kind_high, kind_low]);
        if class != CLASS_IN || self.kind == OPT || META_TYPES.contains(&self.kind) {
            return None;
        }
        self.end = packet.len() - rest.len();
        self.edns = None;
        match header[11] {
            0 => rest.is_empty().then_some(()),
            _ => self.read_opt(rest),
        }
    }

    /// Whether there is an OPT record without options: that is the most common question of all.
    #[inline]
    pub(super) const fn is_plain(&self) -> bool {
        matches!(&self.edns, Some(edns) if edns.options.is_none())
    }

    /// Reads an OPT record that ends with the packet. It is put in its place before its options,
    /// because to move it costs more than to read it.
    #[inline(always)]
    fn read_opt(&mut self, record: &[u8]) -> Option<()> {
        let (head, options) = record.split_first_chunk::<OPT_LEN_MIN>()?;
        let [root, kind_high, kind_low, class_0, class_1, ttl_0, ttl_1, ttl_2, ttl_3, len @ ..] =
            *head;
        let is_opt = root == 0 && u16::from_be_bytes([kind_high, kind_low]) == OPT;
        if !is_opt || usize::from(u16::from_be_bytes(len)) != options.len() || ttl_1 != 0 {
            return None;
        }
        let edns = ClientEdns::without_options([class_0, class_1], [ttl_0, ttl_1, ttl_2, ttl_3]);
        self.edns.insert(edns).read_options(options).ok()
    }
}
