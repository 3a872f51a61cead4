//! Names that collide, in every way in which two names can.

use super::super::{
    node::{LINE_LEN, NodeParts},
    shard::{Changed, Shard},
};

/// A node of which only its prefix is asked for here, with `len` octets of other things.
fn made(hash: u64, prefix: &[u8], len: usize) -> Changed {
    let mut parts = NodeParts::new(prefix);
    parts.fixed = vec![0; len];
    Changed { hash, prefix: prefix.into(), parts: Some(parts) }
}

fn gone(hash: u64, prefix: &[u8]) -> Changed {
    Changed { hash, prefix: prefix.into(), parts: None }
}

fn has(shard: &Shard, hash: u64, prefix: &[u8]) -> bool {
    shard.get(hash, prefix).is_some_and(|node| node.prefix == prefix)
}

#[test]
fn names_with_one_hash_are_told_apart() {
    let prefixes: Vec<[u8; 3]> = (0..40).map(|number| [2, b'n', number]).collect();
    for hash in [0, 7, u64::MAX] {
        let all: Vec<Changed> = prefixes.iter().map(|prefix| made(hash, prefix, 9)).collect();
        let shard = Shard::empty().with(&all);
        assert!(prefixes.iter().all(|prefix| has(&shard, hash, prefix)));
        assert!(shard.get(hash, &[2, b'x', 0]).is_none());
        let shard = shard.with(&[gone(hash, &prefixes[3])]);
        for (number, prefix) in prefixes.iter().enumerate() {
            assert_eq!(has(&shard, hash, prefix), number != 3, "{number}");
        }
    }
}

#[test]
fn every_length_of_a_node_is_found_and_touched_within_its_shard() {
    for len in 0..4 * LINE_LEN {
        let prefix = [1, b'a'];
        let shard = Shard::empty().with(&[made(5, &prefix, len), made(1 << 60, &[1, b'b'], len)]);
        assert!(has(&shard, 5, &prefix) && has(&shard, 1 << 60, &[1, b'b']), "{len}");
        assert_eq!(shard.get(5, &prefix).map(|node| node.rrsets().len()), Some(len));
        let mut search = shard.search(5);
        search.find_slot();
        search.touch_node();
        assert!(search.node(&prefix).is_some(), "{len}");
    }
}

#[test]
fn an_empty_shard_has_nothing() {
    let shard = Shard::empty();
    for hash in [0, 1, u64::MAX] {
        assert!(shard.get(hash, &[]).is_none());
        assert!(shard.with(&[gone(hash, &[])]).get(hash, &[]).is_none());
    }
}
