//! Connections, counted: how many are open, and how the others ended.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(in crate::dns) enum Cause {
    /// It was silent for too long.
    Idle,
    /// Another one needed its place.
    Limit,
    /// A message, or the taking of its reply, took too long.
    Slow,
    /// The client closed it, or it broke.
    Client,
    /// A frame came that no DNS message fits into.
    Frame,
    /// We are ending.
    Drain,
}

impl Cause {
    pub(in crate::dns) const ALL: [Self; 6] =
        [Self::Idle, Self::Limit, Self::Slow, Self::Client, Self::Frame, Self::Drain];

    /// The word in the metric.
    pub(in crate::dns) const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Limit => "limit",
            Self::Slow => "slow",
            Self::Client => "client",
            Self::Frame => "frame",
            Self::Drain => "drain",
        }
    }
}

/// What has happened so far, over all threads.
#[derive(Debug, Default)]
pub(in crate::dns) struct Count {
    accepted: AtomicU64,
    closed: [AtomicU64; Cause::ALL.len()],
}

/// One look at a [`Count`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dns) struct Snapshot {
    pub(in crate::dns) accepted: u64,
    pub(in crate::dns) open: u64,
    /// In the order of [`Cause::ALL`].
    pub(in crate::dns) closed: [(Cause, u64); Cause::ALL.len()],
}

impl Count {
    pub(in crate::dns) fn accepted(&self) {
        self.accepted.fetch_add(1, Relaxed);
    }

    pub(in crate::dns) fn closed(&self, cause: Cause) {
        self.closed[cause as usize].fetch_add(1, Relaxed);
    }

    pub(in crate::dns) fn snapshot(&self) -> Snapshot {
        // The closed ones first: each of them has been accepted before.
        let closed = Cause::ALL.map(|cause| (cause, self.closed[cause as usize].load(Relaxed)));
        let accepted = self.accepted.load(Relaxed);
        let ended: u64 = closed.iter().map(|(_, count)| count).sum();
        Snapshot { accepted, open: accepted.saturating_sub(ended), closed }
    }
}
