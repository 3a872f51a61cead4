//! Until when caches can hold what was answered.
//!
//! The horizon of a pool is the latest instant at which a cache that keeps to the TTL can hold an
//! answer that names it: of all answers that did, the latest time of sending plus TTL. It is
//! observed where answers are sent, and here only asked for. Caches that stretch TTLs, browsers
//! that pin addresses and connections that stay open are not covered by it.

use std::{collections::BTreeMap, time::Duration};

use super::Side;
use crate::model::{PoolName, Timestamp};

/// Caches count whole seconds: an answer may be used until the second in which it ends is over.
pub const CACHE_CLOCK: Duration = Duration::from_secs(1);

/// The horizons of one service's pools.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Horizons {
    known: BTreeMap<PoolName, Timestamp>,
    floor: Timestamp,
    unsettled: bool,
}

impl Horizons {
    /// Of the pools that have been answered. No pool's is before `floor`: until then caches may
    /// hold answers that are not known of.
    pub fn new(known: impl IntoIterator<Item = (PoolName, Timestamp)>, floor: Timestamp) -> Self {
        Self { known: known.into_iter().collect(), floor, unsettled: false }
    }

    /// While tables that were replaced are still answered from: nothing that is known of what they
    /// answer is the last word.
    pub fn unsettled(self, unsettled: bool) -> Self {
        Self { unsettled, ..self }
    }

    pub(super) fn are_unsettled(&self) -> bool {
        self.unsettled
    }

    /// The latest of all pools, whichever they are.
    pub(super) fn latest(&self) -> Timestamp {
        self.known.values().copied().max().unwrap_or_default().max(self.floor)
    }

    /// The horizon of a pool; an instant that has passed when none of its answers is in a cache.
    pub fn of(&self, pool: &PoolName) -> Timestamp {
        self.known.get(pool).copied().unwrap_or_default().max(self.floor)
    }

    /// An answer that names the pool may be kept until then.
    pub(super) fn give(&mut self, pool: PoolName, until: Timestamp) {
        let known = self.known.entry(pool).or_default();
        *known = until.max(*known);
    }

    /// The latest horizon of the pools that are left for `serving`. One that only answers fewer
    /// clients there is not left.
    pub(super) fn of_left<'s>(
        &self,
        sides: impl IntoIterator<Item = &'s Side>,
        serving: &'s Side,
    ) -> Timestamp {
        let left = sides.into_iter().flat_map(|side| side.left_for(serving));
        left.map(|pool| self.of(&pool.name)).max().unwrap_or_default()
    }
}
