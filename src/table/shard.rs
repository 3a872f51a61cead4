//! Names that lie together.
//!
//! A lookup waits for memory twice at most: for a group of the index, and for the node, where the
//! name and its records lie side by side. Nodes lie in the order of their groups. Those of a shard
//! are one piece of memory, which is copied when one of its names changes; the indices of the
//! shards of a branch are one, and near even where nodes are not.

use std::{array, ops::Range, sync::Arc};

use super::{
    index::{Group, LINES_MEAN, Tag},
    names::{FANOUT, PLACE_BITS},
    node::{LINE_LEN, Node, NodeParts, same, whole_lines},
    octets::u32_of,
};

/// Some shards, and their index.
#[derive(Clone, Debug)]
pub(super) struct Branch {
    /// Of each shard its groups, and one more, which says where the last one ends.
    index: Vec<Group>,
    shards: [Shard; FANOUT],
}

#[derive(Clone, Debug)]
struct Shard {
    /// Nodes, once a line begins.
    octets: Arc<[u8]>,
    /// Where in `octets` the first line begins.
    begin: u32,
    /// How many groups it has.
    groups: u32,
    /// Which one is the first.
    first_group: u32,
}

/// A name whose node is made, made anew, or gone.
pub(super) struct Changed {
    pub(super) hash: u64,
    pub(super) prefix: Box<[u8]>,
    pub(super) parts: Option<NodeParts>,
}

/// Nodes to be laid out.
#[derive(Default)]
struct Nodes {
    octets: Vec<u8>,
    /// The hash of each, and where it lies.
    places: Vec<(u64, Range<usize>)>,
}

impl Nodes {
    fn add(&mut self, hash: u64, pack: impl FnOnce(&mut Vec<u8>)) {
        let begin = self.octets.len();
        pack(&mut self.octets);
        self.places.push((hash, begin..self.octets.len()));
    }
}

/// A search for one name, in steps: each asks for the memory that the next one reads, so that for
/// many names all waits are one.
#[derive(Clone, Copy)]
pub(super) struct Search<'t> {
    tag: Tag,
    lines: &'t [u8],
    /// The group that the name is in, if it is there, and the one behind it.
    groups: &'t [Group; 2],
    /// What it has come to: where the node may be.
    line: Option<u32>,
}

impl Branch {
    pub(super) fn empty() -> Self {
        let (shard, index) = Shard::lay_out(Nodes::default());
        Self {
            index: array::from_fn::<_, FANOUT, _>(|_| index[0]).to_vec(),
            shards: array::from_fn(|at| Shard { first_group: u32_of(at), ..shard.clone() }),
        }
    }

    /// Changes one shard: without the nodes of `changed`, and with those that have parts.
    pub(super) fn change(&mut self, at: usize, changed: &[Changed]) {
        let (shard, index) = self.shards[at].with(changed);
        let before = self.shards[at].index();
        self.shards[at] = shard;
        self.index.splice(before, index);
        let mut first_group = 0;
        for shard in &mut self.shards {
            shard.first_group = first_group;
            first_group = u32_of(shard.index().end);
        }
    }

    /// Every node.
    pub(super) fn nodes(&self) -> impl Iterator<Item = Node<'_>> {
        self.shards.iter().flat_map(|shard| nodes_of(shard.lines())).map(|(node, _)| node)
    }

    /// Begins to look for a name in one shard; nothing is read there yet.
    #[inline]
    pub(super) fn search(&self, at: usize, hash: u64) -> Search<'_> {
        let shard = &self.shards[at];
        let group = shard.first_group + group_of(hash, shard.groups);
        // A shard without groups has only the one behind them, and so has the last one of all.
        let groups = self.index[group as usize..].first_chunk().unwrap_or(&NOWHERE);
        let lines = shard.lines();
        Search { tag: Tag::of(hash), lines, groups, line: None }
    }
}

impl Shard {
    fn with(&self, changed: &[Changed]) -> (Self, Vec<Group>) {
        let is_changed = |node: &Node<'_>| {
            changed.iter().any(|it| it.hash == node.hash() && *it.prefix == *node.prefix)
        };
        let mut nodes = Nodes { octets: Vec::with_capacity(self.octets.len()), ..Nodes::default() };
        for (node, octets) in nodes_of(self.lines()).filter(|(node, _)| !is_changed(node)) {
            nodes.add(node.hash(), |out| out.extend_from_slice(octets));
        }
        for Changed { hash, parts, .. } in changed {
            if let Some(parts) = parts {
                nodes.add(*hash, |out| parts.pack_into(*hash, out));
            }
        }
        Self::lay_out(nodes)
    }

    fn lay_out(Nodes { octets: nodes, mut places }: Nodes) -> (Self, Vec<Group>) {
        let groups = u32_of((nodes.len() / LINE_LEN).div_ceil(LINES_MEAN));
        places.sort_by_key(|(hash, _)| group_of(*hash, groups));
        let mut octets: Arc<[u8]> = std::iter::repeat_n(0, nodes.len() + LINE_LEN - 1).collect();
        let begin = octets.as_ptr().align_offset(LINE_LEN).min(LINE_LEN - 1);
        let lines = &mut Arc::get_mut(&mut octets).expect("invariant: it was made here")[begin..];
        let mut index = Vec::with_capacity(groups as usize + 1);
        let mut end = 0;
        let mut places = places.into_iter().peekable();
        for number in 0..=groups {
            let mut group = Group::begin(end / LINE_LEN);
            while let Some((hash, node)) =
                places.next_if(|(hash, _)| group_of(*hash, groups) == number)
            {
                group.add(Tag::of(hash), node.len() / LINE_LEN);
                lines[end..][..node.len()].copy_from_slice(&nodes[node.clone()]);
                end += node.len();
            }
            index.push(group);
        }
        (Self { octets, begin: u32_of(begin), groups, first_group: 0 }, index)
    }

    /// Where its groups are, and the one behind them.
    fn index(&self) -> Range<usize> {
        let first = self.first_group as usize;
        first..first + self.groups as usize + 1
    }

    #[inline]
    fn lines(&self) -> &[u8] {
        &self.octets[self.begin as usize..]
    }
}

impl<'t> Search<'t> {
    /// What [`Search::find_line`] reads.
    #[inline]
    pub(super) fn group(&self) -> &'t u8 {
        self.groups[0].octet()
    }

    /// Finds the first line that may be the name's; what [`Search::node`] reads is then shown.
    #[inline]
    pub(super) fn find_line(&mut self, near: impl Fn(&u8)) {
        let group = &self.groups[0];
        let behind_tags = || group.has_more().then(|| group.first_line());
        self.line = group.first_with(self.tag).or_else(behind_tags);
        if let Some(line) = self.line {
            let begin = line as usize * LINE_LEN;
            near(&self.lines[begin]);
            near(&self.lines[begin + if group.goes_on(line) { LINE_LEN } else { 0 }]);
        }
    }

    /// The node, if it has this name's labels before those of the apex.
    #[inline(always)] // Or else it goes through memory.
    pub(super) fn node(&self, prefix: &[u8]) -> Option<Node<'t>> {
        let node = Node::first(&self.lines[self.line? as usize * LINE_LEN..]);
        if same(node.prefix, prefix) { Some(node) } else { self.node_further(prefix) }
    }

    /// The same, past the node of another name with the same tag, or without tags.
    #[cold]
    fn node_further(&self, prefix: &[u8]) -> Option<Node<'t>> {
        let [group, next] = self.groups;
        let node_at = |line: u32| Node::first(&self.lines[line as usize * LINE_LEN..]);
        let mut tagged = group.all_with(self.tag).map(node_at);
        if let Some(node) = tagged.find(|node| node.prefix == prefix) {
            return Some(node);
        }
        if !group.has_more() {
            return None;
        }
        let [begin, end] = [group, next].map(|group| group.first_line() as usize * LINE_LEN);
        let mut nodes = nodes_of(&self.lines[begin..end]).map(|(node, _)| node);
        nodes.find(|node| node.prefix == prefix)
    }
}

/// Two groups without nodes.
static NOWHERE: [Group; 2] = [Group::NONE; 2];

/// Every node of some lines, and its octets.
fn nodes_of(mut lines: &[u8]) -> impl Iterator<Item = (Node<'_>, &[u8])> {
    std::iter::from_fn(move || {
        let node = (lines.len() >= LINE_LEN).then(|| Node::first(lines))?;
        let (octets, after) = lines.split_at(whole_lines(node.len()));
        lines = after;
        Some((node, octets))
    })
}

/// By multiplication and not by remainder (Lemire, Fast random integer generation in an interval,
/// 2019), so that there can be any number of groups.
#[inline]
fn group_of(hash: u64, groups: u32) -> u32 {
    let bits = u64::from((hash >> PLACE_BITS) as u32);
    ((bits * u64::from(groups)) >> u32::BITS) as u32
}
