//! The name index: a hash trie of fixed shape whose parts are shared between generations.
//!
//! 64 branches of 64 shards ([`super::shard`]), each part behind an `Arc`. Changing one name
//! copies one branch (64 pointers, and a small index) and one shard (a 4,096th of the names). The
//! hash is keyed (SipHash-1-3, Aumasson and Bernstein 2012), so nobody who chooses names can make
//! them collide. Many names are looked up at once ([`Names::find`]), so that the waits for memory
//! overlap.
//!
//! Every name between a known one and the apex of its zone has a node too, though an empty one: it
//! exists (RFC 8020), and asking for it is NODATA, not NXDOMAIN. All zones are in one index.

use std::{array, collections::BTreeMap, sync::Arc};

use siphasher::sip::SipHasher13;

use super::{
    Asks, Question, ServiceRecords,
    node::{Node, NodeParts, same},
    shard::{Branch, Changed, Search},
};
use crate::model::DnsName;

const FANOUT_BITS: u32 = 6;
pub(super) const FANOUT: usize = 1 << FANOUT_BITS;
/// How many low bits of a hash choose the branch and the shard.
pub(super) const PLACE_BITS: u32 = 2 * FANOUT_BITS;

/// The key of the index; to be drawn at random at each start.
pub type NameKey = (u64, u64);

/// How many names are looked up at once at most.
pub const LOOKUPS_MAX: usize = 32;

#[derive(Clone, Debug)]
pub(super) struct Names {
    /// At or below it are all names, so that nodes need not have it.
    base: DnsName,
    /// Where the zones begin; nothing leads from there to the names above.
    apexes: Arc<[DnsName]>,
    /// With the key, before any name.
    hasher: SipHasher13,
    root: [Arc<Branch>; FANOUT],
}

/// Names that are being changed together.
pub(super) struct Edit<'n> {
    names: &'n mut Names,
    /// By hash in the order of the shards, and name; `None` goes.
    nodes: BTreeMap<(u64, DnsName), Option<NodeParts>>,
}

impl Names {
    pub(super) fn new(apexes: Vec<DnsName>, key: NameKey) -> Self {
        let branch = Arc::new(Branch::empty());
        let hasher = SipHasher13::new_with_keys(key.0, key.1);
        let root = array::from_fn(|_| branch.clone());
        Self { base: nearest_above(&apexes), apexes: apexes.into(), hasher, root }
    }

    /// Without names, with other zones.
    pub(super) fn emptied(&self, apexes: Vec<DnsName>) -> Self {
        let branch = Arc::new(Branch::empty());
        let root = array::from_fn(|_| branch.clone());
        Self { base: nearest_above(&apexes), apexes: apexes.into(), root, ..*self }
    }

    /// Every service.
    pub(super) fn services(&self) -> impl Iterator<Item = (DnsName, ServiceRecords)> {
        let nodes = self.root.iter().flat_map(|branch| branch.nodes());
        nodes.filter_map(|node| {
            let owner = [node.prefix, self.base.wire()].concat();
            let owner = DnsName::from_octets(&owner).expect("invariant: it was a name before");
            Some((owner, node.parts().service?))
        })
    }

    /// The node of a name in wire form and lower case.
    pub(super) fn get(&self, name: &[u8]) -> Option<Node<'_>> {
        let prefix = self.prefix(name)?;
        let mut search = self.search(self.hash(prefix));
        search.find_line(|_| {});
        search.node(prefix)
    }

    /// Shows the nodes of the names of up to [`LOOKUPS_MAX`] questions, one after the other. In
    /// steps, each of which has brought near what the next one reads of all names.
    #[inline]
    pub(super) fn find<'t, 'q, A: Asks>(
        &'t self,
        asked: &'q [A],
        near: impl Fn(&u8),
        mut show: impl FnMut(usize, Question<'q>, Option<Node<'t>>),
    ) {
        let nowhere = self.root[0].search(0, 0);
        let mut searches: [_; LOOKUPS_MAX] = array::from_fn(|index| {
            let prefix = asked.get(index).and_then(|asked| self.prefix(asked.question().name));
            let search = prefix.map_or(nowhere, |prefix| self.search(self.hash(prefix)));
            near(search.group());
            (search, prefix)
        });
        let searches = &mut searches[..asked.len().min(LOOKUPS_MAX)];
        searches.iter_mut().for_each(|(search, _)| search.find_line(&near));
        for (index, ((search, prefix), asked)) in searches.iter().zip(asked).enumerate() {
            show(index, asked.question(), prefix.and_then(|prefix| search.node(prefix)));
        }
    }

    /// Begins a change of names.
    pub(super) fn edit(&mut self) -> Edit<'_> {
        Edit { names: self, nodes: BTreeMap::new() }
    }

    /// The labels before those of the base.
    #[inline]
    fn prefix<'n>(&self, name: &'n [u8]) -> Option<&'n [u8]> {
        let base = self.base.wire();
        let (prefix, rest) = name.split_at_checked(name.len().wrapping_sub(base.len()))?;
        same(rest, base).then_some(prefix)
    }

    fn prefix_of<'n>(&self, owner: &'n DnsName) -> &'n [u8] {
        self.prefix(owner.wire()).expect("invariant: owners are in a zone")
    }

    #[inline]
    fn search(&self, hash: u64) -> Search<'_> {
        let (branch, shard) = place(hash);
        self.root[branch].search(shard, hash)
    }

    #[inline]
    fn hash(&self, prefix: &[u8]) -> u64 {
        self.hasher.hash(prefix)
    }
}

impl Edit<'_> {
    /// Makes sure that `owner` has a node, and every name from it up to the apex of its zone.
    pub(super) fn ensure(&mut self, owner: &DnsName) {
        if self.node(owner).is_some() {
            return;
        }
        *self.node(owner) = Some(NodeParts::new(self.names.prefix_of(owner)));
        if let Some(parent) = self.parent(owner) {
            self.ensure(&parent);
            self.update(&parent, |node| node.children += 1);
        }
    }

    /// Makes sure of the same for the name above the apex of a zone within a zone: the apex keeps it
    /// there.
    pub(super) fn ensure_above(&mut self, parent: &DnsName) {
        self.ensure(parent);
        self.update(parent, |node| node.children += 1);
    }

    /// Adds packed rrsets that no release changes.
    pub(super) fn add_static(&mut self, owner: &DnsName, packed: &[u8]) {
        self.ensure(owner);
        self.update(owner, |node| node.fixed.extend_from_slice(packed));
    }

    pub(super) fn set_service(&mut self, owner: &DnsName, records: ServiceRecords) {
        self.ensure(owner);
        self.update(owner, |node| node.service = Some(records));
    }

    pub(super) fn remove_service(&mut self, owner: &DnsName) {
        self.update(owner, |node| node.service = None);
        self.prune(owner);
    }

    /// Drops `owner` if nothing stands at or below it, and then the same of its parent.
    fn prune(&mut self, owner: &DnsName) {
        let is_idle = self.node(owner).as_ref().is_some_and(NodeParts::is_idle);
        let Some(parent) = self.parent(owner).filter(|_| is_idle) else {
            return;
        };
        *self.node(owner) = None;
        self.update(&parent, |node| node.children -= 1);
        self.prune(&parent);
    }

    /// The node of a name as it will be.
    fn node(&mut self, name: &DnsName) -> &mut Option<NodeParts> {
        let names = &*self.names;
        let hash = names.hash(names.prefix_of(name));
        let as_it_is = || names.get(name.wire()).map(|node| node.parts());
        self.nodes.entry((in_order_of_shards(hash), name.clone())).or_insert_with(as_it_is)
    }

    fn update(&mut self, name: &DnsName, edit: impl FnOnce(&mut NodeParts)) {
        if let Some(node) = self.node(name) {
            edit(node);
        }
    }

    /// The name directly above, unless `name` is an apex.
    fn parent(&self, name: &DnsName) -> Option<DnsName> {
        if self.names.apexes.contains(name) { None } else { name.parent() }
    }

    /// Makes the change: each shard that has a changed name is made anew, once.
    pub(super) fn finish(self) {
        let changed = |((ordered, name), parts): ((u64, DnsName), _)| Changed {
            hash: u64::rotate_left(ordered, PLACE_BITS),
            prefix: self.names.prefix_of(&name).into(),
            parts,
        };
        let changed: Vec<Changed> = self.nodes.into_iter().map(changed).collect();
        for of_shard in changed.chunk_by(|one, other| place(one.hash) == place(other.hash)) {
            let (branch, shard) = place(of_shard[0].hash);
            Arc::make_mut(&mut self.names.root[branch]).change(shard, of_shard);
        }
    }
}

/// The longest name that all of these are at or below.
fn nearest_above(names: &[DnsName]) -> DnsName {
    let first = names.first().cloned().unwrap_or_default();
    let is_above_all = |name: &DnsName| names.iter().all(|other| other.is_within(name));
    let mut above = std::iter::successors(Some(first), DnsName::parent);
    above.find(is_above_all).unwrap_or_default()
}

/// Branch and shard.
fn place(hash: u64) -> (usize, usize) {
    let low = hash as usize;
    (low % FANOUT, (low >> FANOUT_BITS) % FANOUT)
}

/// The hash with the bits that choose the shard in front.
fn in_order_of_shards(hash: u64) -> u64 {
    hash.rotate_right(PLACE_BITS)
}
