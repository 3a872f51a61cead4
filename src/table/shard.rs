//! Names that lie together: an open-addressed index and the names' nodes in one piece of memory.
//!
//! A lookup waits for memory twice at most: for the slot, and for the node, where the name and
//! its records lie side by side. Changing a name copies the shard, which is small.

use std::sync::Arc;

use super::{
    ServiceRecords,
    octets::{u32_at, u32_of, u64_at},
    packed::Packed,
};
use crate::model::DnsName;

/// A slot: 32 bits of the hash above where the node begins. No node begins at 0.
const SLOT_LEN: usize = 8;
/// Of a cache; most nodes lie in three.
const LINE_LEN: usize = 64;

/// Head of a node: its length, the length of its name.
const NODE_HEAD_LEN: usize = 5;
const NAME_LEN: usize = 4;
/// Tail of a node, which no lookup reads: how many names stand directly below it, and its hash.
const NODE_TAIL_LEN: usize = 12;

#[derive(Clone, Debug)]
pub(super) struct Shard {
    /// Slots, then nodes.
    octets: Arc<[u8]>,
    /// One less than the number of slots, which is a power of two.
    mask: usize,
}

/// A node where it lies: what one name has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'t> {
    name: &'t [u8],
    /// Packed rrsets, the static ones first.
    rrsets: &'t [u8],
    tail: &'t [u8],
}

/// A node to be made.
#[derive(Clone, Debug)]
pub(super) struct NodeParts {
    pub(super) name: DnsName,
    /// Packed.
    pub(super) fixed: Vec<u8>,
    pub(super) service: Option<ServiceRecords>,
    /// How many names stand directly below; with none, and nothing of its own, a node goes.
    pub(super) children: u32,
}

impl Shard {
    pub(super) fn empty() -> Self {
        Self { octets: Arc::new([0; SLOT_LEN]), mask: 0 }
    }

    /// The next shard: this one without the names of `changed`, and with those that have parts.
    pub(super) fn with(&self, changed: &[(u64, DnsName, Option<NodeParts>)]) -> Self {
        let is_changed = |node: &Node<'_>| {
            let is_it = |(hash, name, _): &(u64, DnsName, _)| {
                *hash == node.hash() && name.wire() == node.name
            };
            changed.iter().any(is_it)
        };
        let mut nodes = Vec::with_capacity(self.octets.len());
        let mut places: Vec<(u64, usize)> = Vec::new();
        for (node, octets) in self.nodes().filter(|(node, _)| !is_changed(node)) {
            places.push((node.hash(), nodes.len()));
            nodes.extend_from_slice(octets);
        }
        for (hash, _, parts) in changed {
            if let Some(parts) = parts {
                places.push((*hash, nodes.len()));
                parts.pack_into(*hash, &mut nodes);
            }
        }
        Self::lay_out(&places, &nodes)
    }

    /// Half of the slots stay free, so that a search ends soon.
    fn lay_out(places: &[(u64, usize)], nodes: &[u8]) -> Self {
        let slots = (2 * places.len()).next_power_of_two();
        let mask = slots - 1;
        let mut octets = vec![0; slots * SLOT_LEN + nodes.len()];
        for &(hash, offset) in places {
            let mut at = first_slot(hash, mask);
            while u64_at(&octets, at * SLOT_LEN) != 0 {
                at = (at + 1) & mask;
            }
            let begin = u64::from(u32_of(slots * SLOT_LEN + offset));
            let slot = tag(hash) << 32 | begin;
            octets[at * SLOT_LEN..][..SLOT_LEN].copy_from_slice(&slot.to_le_bytes());
        }
        octets[slots * SLOT_LEN..].copy_from_slice(nodes);
        Self { octets: octets.into(), mask }
    }

    pub(super) fn get(&self, hash: u64, name: &[u8]) -> Option<Node<'_>> {
        self.get_from(self.first_slot(hash), hash, name)
    }

    /// The same, where what stands in the first slot is known already.
    #[inline(always)] // Or else what it finds goes through memory.
    pub(super) fn get_from(&self, mut slot: u64, hash: u64, name: &[u8]) -> Option<Node<'_>> {
        let mut at = first_slot(hash, self.mask);
        while slot != 0 {
            if slot >> 32 == tag(hash) {
                let node = self.node_at(slot);
                if same(node.name, name) {
                    return Some(node);
                }
            }
            at = (at + 1) & self.mask;
            slot = self.slot(at);
        }
        None
    }

    /// The slot where the search for `hash` begins. Reading it brings it near.
    #[inline]
    pub(super) fn first_slot(&self, hash: u64) -> u64 {
        self.slot(first_slot(hash, self.mask))
    }

    /// Reads a little of each line of the node that a slot leads to, which brings it near.
    #[inline]
    pub(super) fn touch(&self, slot: u64) -> u8 {
        let begin = begin_of(slot);
        let last = self.octets.len() - 1;
        self.octets[begin]
            ^ self.octets[(begin + LINE_LEN).min(last)]
            ^ self.octets[(begin + 2 * LINE_LEN).min(last)]
    }

    fn slot(&self, at: usize) -> u64 {
        u64_at(&self.octets, at * SLOT_LEN)
    }

    fn node_at(&self, slot: u64) -> Node<'_> {
        Node::first(&self.octets[begin_of(slot)..]).0
    }

    /// Every node, and its octets.
    fn nodes(&self) -> impl Iterator<Item = (Node<'_>, &[u8])> {
        let mut rest = &self.octets[(self.mask + 1) * SLOT_LEN..];
        std::iter::from_fn(move || {
            let (node, len) = (!rest.is_empty()).then(|| Node::first(rest))?;
            let (octets, after) = rest.split_at(len);
            rest = after;
            Some((node, octets))
        })
    }
}

impl<'t> Node<'t> {
    /// The node at the start of some octets, and its length.
    #[inline]
    fn first(octets: &'t [u8]) -> (Self, usize) {
        let len = u32_at(octets, 0) as usize;
        let name_len = usize::from(octets[NAME_LEN]);
        let (name, rest) = octets[NODE_HEAD_LEN..len].split_at(name_len);
        let (rrsets, tail) = rest.split_at(rest.len() - NODE_TAIL_LEN);
        (Self { name, rrsets, tail }, len)
    }

    /// Packed; the static ones first.
    pub(super) fn rrsets(&self) -> &'t [u8] {
        self.rrsets
    }

    fn children(&self) -> u32 {
        u32_at(self.tail, 0)
    }

    fn hash(&self) -> u64 {
        u64_at(self.tail, 4)
    }

    /// What it was made from.
    pub(super) fn parts(&self, name: DnsName) -> NodeParts {
        let mut fixed_len = 0;
        let mut rest = self.rrsets;
        while let Some((packed, after)) = Packed::split_first(rest) {
            if packed.is_service() {
                break;
            }
            fixed_len = self.rrsets.len() - after.len();
            rest = after;
        }
        let (fixed, service) = self.rrsets.split_at(fixed_len);
        let service = (!service.is_empty()).then(|| ServiceRecords { packed: service.into() });
        NodeParts { name, fixed: fixed.to_vec(), service, children: self.children() }
    }
}

impl NodeParts {
    pub(super) fn new(name: DnsName) -> Self {
        Self { name, fixed: Vec::new(), service: None, children: 0 }
    }

    /// Whether nothing stands at or below it.
    pub(super) fn is_idle(&self) -> bool {
        self.children == 0 && self.fixed.is_empty() && self.service.is_none()
    }

    fn pack_into(&self, hash: u64, out: &mut Vec<u8>) {
        let service = self.service.as_ref().map_or(&[][..], |records| &records.packed);
        let name = self.name.wire();
        let len = NODE_HEAD_LEN + name.len() + self.fixed.len() + service.len() + NODE_TAIL_LEN;
        out.extend(u32_of(len).to_le_bytes());
        out.push(u8::try_from(name.len()).expect("invariant: a name has at most 255 octets"));
        out.extend(name);
        out.extend(&self.fixed);
        out.extend(service);
        out.extend(self.children.to_le_bytes());
        out.extend(hash.to_le_bytes());
    }
}

/// Whether two names are the same; in steps of a register, which costs less than a call.
#[inline]
fn same(one: &[u8], other: &[u8]) -> bool {
    const STEP: usize = 16;
    let (steps, other_steps) = (one.as_chunks::<STEP>().0, other.as_chunks::<STEP>().0);
    match (one.last_chunk::<STEP>(), other.last_chunk::<STEP>()) {
        // The last step reaches back into the one before.
        (Some(last), Some(other_last)) if one.len() == other.len() => {
            last == other_last && steps.iter().zip(other_steps).all(|(one, other)| one == other)
        }
        _ => one == other,
    }
}

fn begin_of(slot: u64) -> usize {
    (slot & u64::from(u32::MAX)) as usize
}

fn tag(hash: u64) -> u64 {
    hash >> 32
}

/// By bits that choose neither the shard nor the tag.
fn first_slot(hash: u64, mask: usize) -> usize {
    (hash >> super::names::PLACE_BITS) as usize & mask
}
