//! The last answers that one worker gave: of which pool, and to whom. From these it is estimated how
//! many clients stand behind a share.
//!
//! A ring that is written over: whoever looks too seldom misses some, and nothing waits for them.

use std::{
    array,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::{model::ClientNetwork, table::Tally};

/// How many are there: little memory, as each answer writes there.
const LEN: usize = 1_024;

pub(super) struct Recent {
    /// How many have been noted in all.
    noted: AtomicU64,
    /// The pool's number above, a hash of the client's network below.
    slots: Box<[AtomicU64; LEN]>,
}

impl Recent {
    pub(super) fn new() -> Self {
        Self { noted: AtomicU64::new(0), slots: Box::new(array::from_fn(|_| AtomicU64::new(0))) }
    }

    /// Notes an answer; where several threads do that, `IS_SHARED`.
    #[inline]
    pub(super) fn note<const IS_SHARED: bool>(&self, tally: Tally, client: ClientNetwork) {
        let at = if IS_SHARED {
            self.noted.fetch_add(1, Relaxed)
        } else {
            let at = self.noted.load(Relaxed);
            self.noted.store(at.wrapping_add(1), Relaxed);
            at
        };
        let noted = u64::from(tally.0) << 32 | u64::from(hash(client));
        self.slots[at as usize % LEN].store(noted, Relaxed);
    }

    /// Shows what has been noted since `seen`, as far as it is still there. What is noted meanwhile may
    /// be shown in place of something older.
    pub(super) fn look(&self, seen: &mut u64, mut show: impl FnMut(Tally, u32)) {
        let noted = self.noted.load(Relaxed);
        let first = (*seen).max(noted.saturating_sub(LEN as u64));
        for at in first..noted {
            let slot = self.slots[at as usize % LEN].load(Relaxed);
            show(Tally((slot >> 32) as u32), slot as u32);
        }
        *seen = noted;
    }
}

/// Enough to tell some thousand networks apart; who has two that are the same is counted as one.
fn hash(client: ClientNetwork) -> u32 {
    let (len, octets) = client.octets();
    let mixed = (octets ^ (len as u64) << 56).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(number: u32) -> ClientNetwork {
        let [_, a, b, c] = number.to_be_bytes();
        ClientNetwork::v4([a, b, c])
    }

    fn seen(recent: &Recent, at: &mut u64) -> Vec<(u32, u32)> {
        let mut seen = Vec::new();
        recent.look(at, |tally, client| seen.push((tally.0, client)));
        seen
    }

    #[test]
    fn each_answer_is_shown_once() {
        let (recent, mut at) = (Recent::new(), 0);
        recent.note::<false>(Tally(7), client(1));
        recent.note::<true>(Tally(8), client(2));
        assert_eq!(seen(&recent, &mut at), [(7, hash(client(1))), (8, hash(client(2)))]);
        assert_eq!(seen(&recent, &mut at), []);
        recent.note::<false>(Tally(7), client(1));
        assert_eq!(seen(&recent, &mut at), [(7, hash(client(1)))]);
    }

    #[test]
    fn what_was_written_over_is_gone() {
        let (recent, mut at) = (Recent::new(), 0);
        for number in 0..LEN as u32 + 5 {
            recent.note::<false>(Tally(number), client(number));
        }
        let tallies: Vec<u32> =
            seen(&recent, &mut at).into_iter().map(|(tally, _)| tally).collect();
        assert_eq!(tallies, (5..LEN as u32 + 5).collect::<Vec<_>>());
    }

    #[test]
    fn networks_are_told_apart() {
        let mut hashes: Vec<u32> = (0..10_000).map(|number| hash(client(number * 7))).collect();
        hashes.push(hash(ClientNetwork::v6([0, 0, 7, 0, 0, 0])));
        hashes.sort_unstable();
        hashes.dedup();
        assert!(hashes.len() > 9_990, "{}", hashes.len());
    }
}
