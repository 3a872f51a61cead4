//! What one worker counts, or all streams together.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use crate::{
    dns::{
        DropCause, Transport, cookie::CookieState, recent::Recent, responder::Outcome,
        response::Given, rrl::Limited, tallies::TallyCounts,
    },
    model::{ClientNetwork, Timestamp},
};

/// Room for each RCODE that we send: BADVERS is the highest.
const CODES: usize = 17;
/// What becomes of answers over the limit.
pub(super) const LIMITED: [(Limited, &str); 2] =
    [(Limited::Truncate, "truncated"), (Limited::Drop, "dropped")];
/// Upper bounds of the sizes of batches.
pub(super) const BATCH_BOUNDS: [(usize, &str); 6] =
    [(1, "1"), (2, "2"), (4, "4"), (8, "8"), (16, "16"), (32, "32")];

/// Of one worker: nobody else writes here, so nothing has to be locked.
pub(in crate::dns) type WorkerBlock = Block<false>;
/// Of all streams: several threads count here, and each count is locked for as long as it is
/// written.
pub(in crate::dns) type StreamBlock = Block<true>;

#[repr(align(128))]
pub(in crate::dns) struct Block<const IS_SHARED: bool>(Counts);

pub(super) struct Counts {
    /// By [`Transport`] and number of the RCODE.
    pub(super) queries: [[AtomicU64; CODES]; Transport::ALL.len()],
    pub(super) dropped: [AtomicU64; DropCause::ALL.len()],
    /// All other replies are to questions without a cookie.
    pub(super) cookies: [AtomicU64; CookieState::ALL.len()],
    /// By [`Limited`]; what passes is not counted.
    pub(super) limited: [AtomicU64; 1 + LIMITED.len()],
    pub(super) batches: [AtomicU64; BATCH_BOUNDS.len()],
    pub(super) truncated: AtomicU64,
    pub(super) general: AtomicU64,
    pub(super) unsent: AtomicU64,
    pub(super) generation: AtomicU64,
    pub(super) tallies: TallyCounts,
    pub(super) recent: Recent,
}

impl<const IS_SHARED: bool> Block<IS_SHARED> {
    pub(super) fn new() -> Self {
        let zero = |_| AtomicU64::new(0);
        Self(Counts {
            queries: std::array::from_fn(|_| std::array::from_fn(zero)),
            dropped: std::array::from_fn(zero),
            cookies: std::array::from_fn(zero),
            limited: std::array::from_fn(zero),
            batches: std::array::from_fn(zero),
            truncated: AtomicU64::new(0),
            general: AtomicU64::new(0),
            unsent: AtomicU64::new(0),
            generation: AtomicU64::new(0),
            tallies: TallyCounts::new(),
            recent: Recent::new(),
        })
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.0
    }

    /// Counts what became of one packet.
    #[inline]
    pub(in crate::dns) fn count(&self, outcome: &Outcome, transport: Transport) {
        match outcome {
            Outcome::Dropped(cause) => Self::add(&self.0.dropped[*cause as usize], 1),
            Outcome::Replied(replied) => {
                let code = usize::from(replied.code.0).min(CODES - 1);
                Self::add(&self.0.queries[transport as usize][code], 1);
                if replied.cookie_state != CookieState::Absent {
                    Self::add(&self.0.cookies[replied.cookie_state as usize], 1);
                }
                if replied.truncated {
                    Self::add(&self.0.truncated, 1);
                }
            }
        }
    }

    /// Counts an answer for its pool, and notes until when caches may hold it, given now to a client.
    #[inline]
    pub(in crate::dns) fn given(&self, (given, client): (Given, ClientNetwork), now: Timestamp) {
        let Some(count) = self.0.tallies.count(given.tally) else { return };
        Self::add(&count.answers, 1);
        self.0.recent.note::<IS_SHARED>(given.tally, client);
        let horizon = (now + Duration::from_secs(given.ttl.into())).unix_micros();
        if IS_SHARED {
            count.horizon.fetch_max(horizon, Relaxed);
        } else if horizon > count.horizon.load(Relaxed) {
            count.horizon.store(horizon, Relaxed);
        }
    }

    /// Counts a packet that took the general path.
    pub(in crate::dns) fn general(&self) {
        Self::add(&self.0.general, 1);
    }

    /// Counts what the limit says of an answer.
    pub(in crate::dns) fn limited(&self, limited: Limited) {
        Self::add(&self.0.limited[limited as usize], 1);
    }

    /// Counts a batch of datagrams: how many came, how many replies the system did not take, and
    /// which table answered them.
    pub(in crate::dns) fn batch(&self, received: usize, unsent: usize, generation: u64) {
        let at = BATCH_BOUNDS.iter().position(|(bound, _)| received <= *bound);
        Self::add(&self.0.batches[at.unwrap_or(BATCH_BOUNDS.len() - 1)], 1);
        if unsent > 0 {
            Self::add(&self.0.unsent, unsent as u64);
        }
        self.0.generation.store(generation, Relaxed);
    }

    #[inline]
    fn add(count: &AtomicU64, by: u64) {
        if IS_SHARED {
            count.fetch_add(by, Relaxed);
        } else {
            count.store(count.load(Relaxed).wrapping_add(by), Relaxed);
        }
    }
}

impl Counts {
    pub(super) fn replied(&self) -> u64 {
        let counts = self.queries.iter().flatten().map(|count| count.load(Relaxed));
        counts.fold(0, u64::wrapping_add)
    }
}
