//! The name index: a hash trie of fixed shape whose parts are shared between generations.
//!
//! 64 branches of 64 shards of small hash tables, each part behind an `Arc`. Changing one name
//! copies one branch (64 pointers) and one shard (a 4,096th of the names); a lookup follows three
//! pointers. `Names::clone` copies 64 pointers. The hash is keyed (SipHash-1-3,
//! Aumasson and Bernstein 2012), so nobody who chooses names can make them collide.
//!
//! Every name between a known one and the apex has a node too, though an empty one: it exists
//! (RFC 8020), and asking for it is NODATA, not NXDOMAIN.

use std::{hash::Hasher, sync::Arc};

use hashbrown::HashTable;
use siphasher::sip::SipHasher13;
use smallvec::SmallVec;

use super::{Rrset, ServiceRecords};
use crate::model::DnsName;

const FANOUT: usize = 64;

/// The key of the index; to be drawn at random at each start.
pub type NameKey = (u64, u64);

/// What one name has. A usual name, its service and its addresses lie side by side, so that an
/// answer waits for as little memory as it can.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// In wire form and lower case.
    name: SmallVec<[u8; 40]>,
    pub(super) service: Option<ServiceRecords>,
    pub(super) rrsets: Vec<Rrset>,
    /// How many names stand directly below; with none, and nothing of its own, a node goes.
    children: u32,
}

type Shard = HashTable<Node>;
type Branch = [Arc<Shard>; FANOUT];

#[derive(Clone, Debug)]
pub(super) struct Names {
    key: NameKey,
    root: [Arc<Branch>; FANOUT],
}

impl Names {
    pub(super) fn new(key: NameKey) -> Self {
        let shard = Arc::new(Shard::new());
        let branch: Arc<Branch> = Arc::new(std::array::from_fn(|_| shard.clone()));
        Self { key, root: std::array::from_fn(|_| branch.clone()) }
    }

    /// The node of a name in wire form and lower case.
    pub(super) fn get(&self, name: &[u8]) -> Option<&Node> {
        let hash = self.hash(name);
        let (branch, shard) = place(hash);
        self.root[branch][shard].find(hash, |node| *node.name == *name)
    }

    /// Makes sure that `owner` has a node, and every name from it up to `apex`.
    pub(super) fn ensure(&mut self, owner: &DnsName, apex: &DnsName) {
        if self.get(owner.wire()).is_some() {
            return;
        }
        let name = SmallVec::from_slice(owner.wire());
        self.insert(Node { name, service: None, rrsets: Vec::new(), children: 0 });
        if let Some(parent) = parent_within(owner, apex) {
            self.ensure(&parent, apex);
            self.update(parent.wire(), |node| node.children += 1);
        }
    }

    pub(super) fn add_static(&mut self, owner: &DnsName, apex: &DnsName, rrset: Rrset) {
        self.ensure(owner, apex);
        self.update(owner.wire(), |node| {
            match node.rrsets.iter_mut().find(|known| known.kind == rrset.kind) {
                // RFC 2181 §5.2: one TTL per rrset; the least of those written.
                Some(known) => {
                    known.ttl = known.ttl.min(rrset.ttl);
                    known.data.extend(rrset.data);
                }
                None => node.rrsets.push(rrset),
            }
        });
    }

    pub(super) fn set_service(&mut self, owner: &DnsName, apex: &DnsName, records: ServiceRecords) {
        self.ensure(owner, apex);
        self.update(owner.wire(), |node| node.service = Some(records));
    }

    pub(super) fn remove_service(&mut self, owner: &DnsName, apex: &DnsName) {
        self.update(owner.wire(), |node| node.service = None);
        self.prune(owner, apex);
    }

    /// Drops `owner` if nothing stands at or below it, and then the same of its parent.
    fn prune(&mut self, owner: &DnsName, apex: &DnsName) {
        let idle = self.get(owner.wire()).is_some_and(|node| {
            node.children == 0 && node.rrsets.is_empty() && node.service.is_none()
        });
        let Some(parent) = parent_within(owner, apex).filter(|_| idle) else {
            return;
        };
        let hash = self.hash(owner.wire());
        let found = self.shard_mut(hash).find_entry(hash, |node| *node.name == *owner.wire());
        if let Ok(entry) = found {
            entry.remove();
        }
        self.update(parent.wire(), |node| node.children -= 1);
        self.prune(&parent, apex);
    }

    fn insert(&mut self, node: Node) {
        let hash = self.hash(&node.name);
        let key = self.key;
        self.shard_mut(hash).insert_unique(hash, node, |node| hash_of(key, &node.name));
    }

    fn update(&mut self, name: &[u8], edit: impl FnOnce(&mut Node)) {
        let hash = self.hash(name);
        if let Some(node) = self.shard_mut(hash).find_mut(hash, |node| *node.name == *name) {
            edit(node);
        }
    }

    /// The shard of a hash, copied first if another generation shares it.
    fn shard_mut(&mut self, hash: u64) -> &mut Shard {
        let (branch, shard) = place(hash);
        Arc::make_mut(&mut Arc::make_mut(&mut self.root[branch])[shard])
    }

    fn hash(&self, name: &[u8]) -> u64 {
        hash_of(self.key, name)
    }
}

/// Branch and shard by bits that the shard's own table does not use for its groups or its tags.
fn place(hash: u64) -> (usize, usize) {
    ((hash >> 44) as usize % FANOUT, (hash >> 50) as usize % FANOUT)
}

fn hash_of((k0, k1): NameKey, name: &[u8]) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(k0, k1);
    hasher.write(name);
    hasher.finish()
}

/// The name directly above, unless `name` is the apex.
fn parent_within(name: &DnsName, apex: &DnsName) -> Option<DnsName> {
    if name == apex { None } else { name.parent() }
}
