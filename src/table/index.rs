//! The index of a shard: which of its lines may begin the node of a name.
//!
//! It is small, one octet for each line and about as many free ones, so that the index of a million
//! names stays in a cache that their nodes do not fit.

use super::octets::{u32_at, u32_of, u64_at};

/// Some lines that lie together: on which one they begin (three octets), how many they are, and for
/// each of the first of them what begins there, a [`Tag`] or [`GOES_ON`].
#[derive(Clone, Copy, Debug)]
#[repr(align(16))] // So that it lies on one line itself.
pub(super) struct Group([u8; GROUP_LEN]);

const GROUP_LEN: usize = 16;
const LINES_AT: usize = 3;
const TAGS_AT: usize = 4;
const TAGS: usize = GROUP_LEN - TAGS_AT;
const LINE_BITS: u32 = 8 * LINES_AT as u32;
/// No node begins here.
const FREE: u8 = 0;
/// The node that began before is not at its end.
const GOES_ON: u8 = u8::MAX;
/// How many lines a group has on average: so few that seldom one has more lines than tags.
pub(super) const LINES_MEAN: usize = 5;

/// Bits of a hash that choose neither the shard nor the group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tag(u8);

impl Tag {
    #[inline]
    pub(super) fn of(hash: u64) -> Self {
        Self(((hash >> (u64::BITS - u8::BITS)) as u8).clamp(FREE + 1, GOES_ON - 1))
    }
}

impl Group {
    /// Without lines.
    pub(super) const NONE: Self = Self([FREE; GROUP_LEN]);

    pub(super) fn begin(line: usize) -> Self {
        assert!(line >> LINE_BITS == 0, "invariant: a shard is smaller than 1 GiB");
        let mut group = Self::NONE;
        group.0[..LINES_AT].copy_from_slice(&u32_of(line).to_le_bytes()[..LINES_AT]);
        group
    }

    /// Adds a node behind the others.
    pub(super) fn add(&mut self, tag: Tag, lines: usize) {
        let before = self.lines();
        let begun = std::iter::once(tag.0).chain(std::iter::repeat(GOES_ON)).take(lines);
        let places = self.0[TAGS_AT..].iter_mut().skip(before);
        places.zip(begun).for_each(|(place, begins)| *place = begins);
        self.0[LINES_AT] = u8::try_from(before + lines).unwrap_or(u8::MAX);
    }

    /// The line on which its first node begins.
    #[inline]
    pub(super) fn first_line(&self) -> u32 {
        u32_at(&self.0, 0) & ((1 << LINE_BITS) - 1)
    }

    /// Whether it has lines without a tag.
    #[inline]
    pub(super) fn has_more(&self) -> bool {
        self.lines() > TAGS
    }

    /// How many lines it has; for many, a lesser number that is more than there are tags.
    fn lines(&self) -> usize {
        self.0[LINES_AT].into()
    }

    /// Where the first node with this tag begins. Without a branch for each of them, which nobody
    /// could foretell: where a tag is the same there is no difference, and of the octets without a
    /// difference the lowest is the lowest one whose highest bit is only set by taking one from each
    /// (Warren, Hacker's Delight, 6-1).
    #[inline]
    pub(super) fn first_with(&self, tag: Tag) -> Option<u32> {
        const ONES: u64 = u64::MAX / 0xff;
        const FIRST_ONES: u64 = ONES << (8 * TAGS_AT);
        let same = ONES * u64::from(tag.0);
        let found = |octets: u64, ones: u64| {
            let differences = octets ^ same;
            differences.wrapping_sub(ones) & !differences & (ones << 7)
        };
        let (first, second) =
            (found(u64_at(&self.0, 0), FIRST_ONES), found(u64_at(&self.0, 8), ONES));
        let bit = if first == 0 { 64 + second.trailing_zeros() } else { first.trailing_zeros() };
        (first | second != 0).then(|| self.first_line() + bit / 8 - TAGS_AT as u32)
    }

    /// Where nodes with this tag begin.
    pub(super) fn all_with(&self, tag: Tag) -> impl Iterator<Item = u32> {
        let lines = self.0[TAGS_AT..].iter().zip(self.first_line()..);
        lines.filter(move |(begins, _)| **begins == tag.0).map(|(_, line)| line)
    }

    /// Whether a node does not end on its first line, as far as tags say it.
    #[inline]
    pub(super) fn goes_on(&self, line: u32) -> bool {
        let at = TAGS_AT + (line - self.first_line()) as usize;
        self.0.get(at + 1) == Some(&GOES_ON)
    }

    /// One of its octets.
    #[inline]
    pub(super) fn octet(&self) -> &u8 {
        &self.0[0]
    }
}
