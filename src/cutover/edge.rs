//! What the edges of the machine look at, and what they lead to.

use super::{Horizons, phase::Phase};
use crate::{
    health::ServiceHealth,
    model::{Freeze, ServiceSpec, Timestamp},
};

/// What an edge may look at.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) now: Timestamp,
    pub(super) spec: &'a ServiceSpec,
    pub(super) health: &'a ServiceHealth,
    pub(super) horizons: &'a Horizons,
    pub(super) freeze: Option<&'a Freeze>,
    /// When the last step of the service was taken, if one was.
    pub(super) last_step: Option<Timestamp>,
    /// Whether no step may be taken and no time runs out.
    pub(super) stands_still: bool,
}

impl Context<'_> {
    /// The same for a phase that stands still.
    pub(super) fn standing_still(&self) -> Self {
        Self { stands_still: true, ..*self }
    }

    /// Whether the clock ends what it was to end at `instant`.
    pub(super) fn is_past(&self, instant: Timestamp) -> bool {
        !self.stands_still && self.now >= instant
    }
}

/// The result of looking at a phase.
pub(super) enum Edge {
    Stay(Phase),
    Go(Phase, String),
}

impl Edge {
    /// A phase that is entered anew if there is something to be told of it.
    pub(super) fn told(phase: Phase, news: Option<String>) -> Self {
        match news {
            Some(why) => Self::Go(phase, why),
            None => Self::Stay(phase),
        }
    }

    /// Makes something else of the phase that it leads to.
    pub(super) fn map(self, change: impl FnOnce(Phase) -> Phase) -> Self {
        match self {
            Self::Stay(phase) => Self::Stay(change(phase)),
            Self::Go(phase, why) => Self::Go(change(phase), why),
        }
    }
}
