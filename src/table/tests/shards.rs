//! Names that collide, in every way in which two names can.

use proptest::prelude::*;

use hickory_proto::rr::RecordType;

use super::{
    super::{
        names::FANOUT,
        node::{LINE_LEN, Node, NodeParts},
        shard::{Branch, Changed},
    },
    nodes::rrset,
};

/// The shard that tests change; not the first or last.
const AT: usize = 5;

/// A node with an rrset that has so many octets.
fn made(hash: u64, prefix: &[u8], len: usize) -> Changed {
    let mut parts = NodeParts::new(prefix);
    parts.fixed = rrset(RecordType::TXT, len);
    Changed { hash, prefix: prefix.into(), parts: Some(parts) }
}

fn gone(hash: u64, prefix: &[u8]) -> Changed {
    Changed { hash, prefix: prefix.into(), parts: None }
}

fn with(changed: &[Changed]) -> Branch {
    let mut branch = Branch::empty();
    branch.change(AT, changed);
    branch
}

fn get<'b>(branch: &'b Branch, at: usize, hash: u64, prefix: &[u8]) -> Option<Node<'b>> {
    let mut search = branch.search(at, hash);
    search.find_line(|_| {});
    search.node(prefix)
}

fn has(branch: &Branch, at: usize, hash: u64, prefix: &[u8]) -> bool {
    get(branch, at, hash, prefix).is_some_and(|node| node.prefix == prefix)
}

/// How many octets the rrset has.
fn len_of(branch: &Branch, at: usize, hash: u64, prefix: &[u8]) -> Option<usize> {
    let rrset = get(branch, at, hash, prefix)?.find(RecordType::TXT.into())?;
    Some(rrset.body.len())
}

#[test]
fn names_with_one_hash_are_told_apart() {
    let prefixes: Vec<[u8; 3]> = (0..40).map(|number| [2, b'n', number]).collect();
    for hash in [0, 7, u64::MAX] {
        let all: Vec<Changed> = prefixes.iter().map(|prefix| made(hash, prefix, 9)).collect();
        let mut branch = with(&all);
        assert!(prefixes.iter().all(|prefix| has(&branch, AT, hash, prefix)));
        assert!(get(&branch, AT, hash, &[2, b'x', 0]).is_none());
        branch.change(AT, &[gone(hash, &prefixes[3])]);
        for (number, prefix) in prefixes.iter().enumerate() {
            assert_eq!(has(&branch, AT, hash, prefix), number != 3, "{number}");
        }
    }
}

#[test]
fn every_length_of_a_node_is_found_and_brought_near_within_its_shard() {
    for len in (0..4 * LINE_LEN).chain([254, 255, 256, 257].map(|lines| lines * LINE_LEN)) {
        let prefix = [1, b'a'];
        let branch = with(&[made(5, &prefix, len), made(1 << 60, &[1, b'b'], len)]);
        assert!(has(&branch, AT, 5, &prefix) && has(&branch, AT, 1 << 60, &[1, b'b']), "{len}");
        assert_eq!(len_of(&branch, AT, 5, &prefix), Some(len));
    }
}

#[test]
fn what_is_brought_near_are_the_first_lines_of_the_node() {
    for (len, lines) in [(20, 1), (LINE_LEN, 2), (5 * LINE_LEN, 2)] {
        let branch = with(&[made(5, &[1, b'a'], len)]);
        let near = std::cell::RefCell::new(std::collections::BTreeSet::new());
        let note = |octet: &u8| {
            near.borrow_mut().insert(std::ptr::from_ref(octet).addr() / LINE_LEN);
        };
        let mut search = branch.search(AT, 5);
        search.find_line(note);
        let node = search.node(&[1, b'a']).expect("it is there");
        let first = node.prefix.as_ptr().addr() / LINE_LEN;
        assert_eq!(near.take(), (first..first + lines).collect(), "{len}");
    }
}

#[test]
fn an_empty_shard_has_nothing() {
    let mut branch = Branch::empty();
    for (at, hash) in (0..FANOUT).flat_map(|at| [(at, 0), (at, 1), (at, u64::MAX)]) {
        assert!(get(&branch, at, hash, &[]).is_none());
        branch.change(at, &[gone(hash, &[])]);
        assert!(get(&branch, at, hash, &[]).is_none());
    }
}

proptest! {
    /// Shards of a branch have one index, and each change of one moves those of the others in it.
    #[test]
    fn what_changes_in_one_shard_changes_nothing_in_another(
        changes in prop::collection::vec((0..FANOUT, 0..6_u64, 0..3_u8, 0..400_usize, any::<bool>()), 1..60),
    ) {
        let (mut branch, mut known) = (Branch::empty(), std::collections::BTreeMap::new());
        for (at, hash, name, len, stays) in changes {
            // Few hashes, and few tags among them.
            let (prefix, hash) = ([hash as u8, name], hash << 43 | hash << 55);
            if stays {
                branch.change(at, &[made(hash, &prefix, len)]);
                known.insert((at, hash, prefix), len);
            } else {
                branch.change(at, &[gone(hash, &prefix)]);
                known.remove(&(at, hash, prefix));
            }
            for (&(at, hash, prefix), &len) in &known {
                prop_assert_eq!(len_of(&branch, at, hash, &prefix), Some(len));
            }
            prop_assert_eq!(has(&branch, at, hash, &prefix), stays);
        }
    }
}
