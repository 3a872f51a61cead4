//! Names that lie together: an open-addressed index and the names' nodes in one piece of memory.
//!
//! A lookup waits for memory twice at most: for the slot, and for the node, where the name and
//! its records lie side by side. Changing a name copies the shard, which is small.

use std::{ops::Range, sync::Arc};

use super::{
    node::{LINE_LEN, Node, NodeParts, same, whole_lines},
    octets::{u32_at, u32_of},
};

/// Some bits of the hash, whether the node goes on behind its first line, and the line on which it
/// begins, which is never 0. Small, so that the slots of a million names stay in a cache that their
/// nodes do not fit.
type Slot = u32;
const SLOT_LEN: usize = 4;
const FREE: Slot = 0;
const LINE_BITS: u32 = 20;
const GOES_ON: Slot = 1 << LINE_BITS;
const TAG_SHIFT: u32 = LINE_BITS + 1;
/// How many slots are looked at together; they are filled from the first one.
const GROUP: usize = 4;
const GROUP_LEN: usize = GROUP * SLOT_LEN;
type Group = [u8; GROUP_LEN];
#[derive(Clone, Debug)]
pub(super) struct Shard {
    /// Slots, then nodes, once lines begin.
    octets: Arc<[u8]>,
    /// Where in `octets` the first line of memory begins.
    begin: u32,
    /// One less than the number of groups, which is a power of two.
    mask: u32,
}

/// A name whose node is made, made anew, or gone.
pub(super) struct Changed {
    pub(super) hash: u64,
    pub(super) prefix: Box<[u8]>,
    pub(super) parts: Option<NodeParts>,
}

/// Nodes to be laid out, each from the end of the one before it.
struct Nodes {
    octets: Vec<u8>,
    /// The hash of each, and where it ends.
    ends: Vec<(u64, usize)>,
}

impl Nodes {
    fn add(&mut self, hash: u64, pack: impl FnOnce(&mut Vec<u8>)) {
        pack(&mut self.octets);
        self.ends.push((hash, self.octets.len()));
    }
}

/// A search for one name, in steps: before each, what it reads can be brought near, for many names
/// at the same time.
#[derive(Clone, Copy)]
pub(super) struct Search<'t> {
    hash: u64,
    lines: &'t [u8],
    mask: u32,
    /// What it has come to.
    slot: Slot,
    /// Where it begins.
    group: &'t Group,
    /// One octet of each of the first lines of the node.
    first_lines: [&'t u8; 2],
}

impl Shard {
    pub(super) fn empty() -> Self {
        Self { octets: Arc::new([0; LINE_LEN]), begin: 0, mask: 0 }
    }

    /// The next shard: this one without the nodes of `changed`, and with those that have parts.
    pub(super) fn with(&self, changed: &[Changed]) -> Self {
        let is_changed = |node: &Node<'_>| {
            changed.iter().any(|it| it.hash == node.hash() && *it.prefix == *node.prefix)
        };
        let mut nodes = Nodes { octets: Vec::with_capacity(self.octets.len()), ends: Vec::new() };
        for (node, octets) in self.nodes().filter(|(node, _)| !is_changed(node)) {
            nodes.add(node.hash(), |out| out.extend_from_slice(octets));
        }
        for Changed { hash, parts, .. } in changed {
            if let Some(parts) = parts {
                nodes.add(*hash, |out| parts.pack_into(*hash, out));
            }
        }
        Self::lay_out(&nodes)
    }

    /// Half of the slots stay free, so that a search ends soon.
    fn lay_out(nodes: &Nodes) -> Self {
        let groups = (2 * nodes.ends.len()).div_ceil(GROUP).next_power_of_two();
        let slots_len = whole_lines(groups * GROUP_LEN);
        let len = slots_len + nodes.octets.len();
        let mut octets: Arc<[u8]> = std::iter::repeat_n(0, len + LINE_LEN - 1).collect();
        let begin = octets.as_ptr().align_offset(LINE_LEN).min(LINE_LEN - 1);
        let shared = Arc::get_mut(&mut octets).expect("invariant: it was made here");
        let (slots_at, nodes_at) = shared[begin..][..len].split_at_mut(slots_len);
        nodes_at.copy_from_slice(&nodes.octets);
        let mask = u32_of(groups - 1);
        let slots_at = slots_at.as_chunks_mut().0;
        let mut begin_of_node = slots_len;
        for &(hash, end) in &nodes.ends {
            let end_of_node = slots_len + end;
            let mut at = first_group(hash, mask) as usize * GROUP;
            while slots_at[at] != FREE.to_le_bytes() {
                at = (at + 1) % (groups * GROUP);
            }
            slots_at[at] = slot(hash, begin_of_node..end_of_node).to_le_bytes();
            begin_of_node = end_of_node;
        }
        Self { octets, begin: u32_of(begin), mask }
    }

    pub(super) fn get(&self, hash: u64, prefix: &[u8]) -> Option<Node<'_>> {
        let mut search = self.search(hash);
        search.find_slot();
        search.node(prefix)
    }

    /// Begins to look for a name; nothing is read there yet.
    #[inline]
    pub(super) fn search(&self, hash: u64) -> Search<'_> {
        let (lines, mask) = (self.lines(), self.mask);
        let group = group(lines, first_group(hash, mask));
        Search { hash, lines, mask, group, slot: FREE, first_lines: [&group[0]; 2] }
    }

    #[inline]
    fn lines(&self) -> &[u8] {
        &self.octets[self.begin as usize..]
    }

    /// Every node, and its octets.
    fn nodes(&self) -> impl Iterator<Item = (Node<'_>, &[u8])> {
        let mut rest = &self.lines()[whole_lines((self.mask as usize + 1) * GROUP_LEN)..];
        std::iter::from_fn(move || {
            let (node, len) = (rest.len() >= LINE_LEN).then(|| Node::first(rest))?;
            let (octets, after) = rest.split_at(whole_lines(len));
            rest = after;
            Some((node, octets))
        })
    }
}

impl<'t> Search<'t> {
    /// Reads what comes next, the slots, which brings them near.
    #[inline]
    pub(super) fn touch_slots(&self) -> u8 {
        self.group[0]
    }

    /// Finds the first slot that may lead to the name; a free one if none does.
    #[inline]
    pub(super) fn find_slot(&mut self) {
        let (group, mut found) = (slots(self.group), FREE);
        // Without a branch, which nobody could foretell. A free slot may pass for one with the tag:
        // behind it are only free ones.
        for slot in group.into_iter().rev() {
            found = if tag_of(slot) == tag(self.hash) { slot } else { found };
        }
        let ends_here = found != FREE || group[GROUP - 1] == FREE;
        self.slot = if ends_here { found } else { self.find_slot_further() };
        let begin = begin_of(self.slot);
        let second = begin + if self.slot & GOES_ON == 0 { 0 } else { LINE_LEN };
        self.first_lines = [&self.lines[begin], &self.lines[second]];
    }

    /// The same, past the first group.
    #[cold]
    fn find_slot_further(&self) -> Slot {
        self.candidates().next().unwrap_or(FREE)
    }

    /// Reads what comes next, the first lines of the node, which brings them near.
    #[inline]
    pub(super) fn touch_node(&self) -> u8 {
        self.first_lines[0] ^ self.first_lines[1]
    }

    /// The node, if it has this name's labels before those of the apex.
    #[inline(always)] // Or else it goes through memory.
    pub(super) fn node(&self, prefix: &[u8]) -> Option<Node<'t>> {
        if self.slot == FREE {
            return None;
        }
        let node = Node::first(&self.lines[begin_of(self.slot)..]).0;
        if same(node.prefix, prefix) { Some(node) } else { self.node_further(prefix) }
    }

    /// The same, past the slot of another name with the same tag.
    #[cold]
    fn node_further(&self, prefix: &[u8]) -> Option<Node<'t>> {
        let mut nodes = self.candidates().map(|slot| Node::first(&self.lines[begin_of(slot)..]).0);
        nodes.find(|node| node.prefix == prefix)
    }

    /// The slots that may lead to the name, up to the first free one.
    fn candidates(&self) -> impl Iterator<Item = Slot> {
        let first = first_group(self.hash, self.mask);
        let groups = (0..=self.mask).map(move |further| first.wrapping_add(further) & self.mask);
        groups
            .flat_map(|at| slots(group(self.lines, at)))
            .take_while(|&slot| slot != FREE)
            .filter(|&slot| tag_of(slot) == tag(self.hash))
    }
}

#[inline]
fn group(lines: &[u8], at: u32) -> &Group {
    lines[at as usize * GROUP_LEN..].first_chunk().expect("invariant: whole groups")
}

fn slot(hash: u64, node: Range<usize>) -> Slot {
    let line = u32_of(node.start / LINE_LEN);
    assert!(line >> LINE_BITS == 0, "invariant: a shard is smaller than 64 MiB");
    let goes_on = if node.len() > LINE_LEN { GOES_ON } else { 0 };
    tag(hash) << TAG_SHIFT | goes_on | line
}

fn slots(group: &Group) -> [Slot; GROUP] {
    std::array::from_fn(|at| u32_at(group, at * SLOT_LEN))
}

fn begin_of(slot: Slot) -> usize {
    (slot & ((1 << LINE_BITS) - 1)) as usize * LINE_LEN
}

fn tag_of(slot: Slot) -> u32 {
    slot >> TAG_SHIFT
}

/// Bits that choose neither the shard nor the group.
fn tag(hash: u64) -> u32 {
    (hash >> (u64::BITS - (u32::BITS - TAG_SHIFT))) as u32
}

fn first_group(hash: u64, mask: u32) -> u32 {
    (hash >> super::names::PLACE_BITS) as u32 & mask
}
