//! `RollingBack`: the safe side answers again, in one swap, and caches may still hold what was answered
//! before. What a rollback ends in is known when they do not.

use std::sync::Arc;

use super::{
    edge::{Context, Edge},
    phase::{Failed, Phase, Release},
    side::cleared,
};
use crate::model::{Pool, Timestamp};

/// The safe side answers again; caches may still hold what was answered before.
#[derive(Clone, Debug)]
pub struct RollingBack {
    pub(super) release: Release,
    /// The horizon of the pools that were left, as far as it is known.
    pub(super) until: Timestamp,
    /// That of those that only have fewer clients again.
    pub(super) relieved: Relieved,
    /// Why the release failed; `None` when a person went back.
    pub(super) failure: Option<String>,
}

/// What is known of the pools that go on answering after a rollback, with fewer clients than before. What
/// they answer then is like what they answered before: their horizon is looked at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relieved {
    /// The table that says so is not stored yet.
    Unpublished,
    /// Tables from before may still be answered from.
    Open,
    /// Their horizon; an instant that has passed if there are no such pools.
    Until(Timestamp),
}

impl RollingBack {
    pub(super) fn begin(release: Release, failure: Option<String>, cx: &Context<'_>) -> Self {
        // When that is what the file asks for, nothing is left to try again.
        let failure = failure.filter(|_| cx.spec.live != *release.safe.split());
        let relieved = match release.relieved().next() {
            Some(_) => Relieved::Unpublished,
            None => Relieved::Until(Timestamp::default()),
        };
        Self { until: release.left_until(cx), release, relieved, failure }
    }

    /// A rollback after which the release counts as failed.
    pub(super) fn after(trouble: String, release: Release, cx: &Context<'_>) -> Edge {
        let why = format!("{trouble}: rolled back to {}", release.safe);
        Edge::Go(Phase::RollingBack(Self::begin(release, Some(trouble), cx)), why)
    }

    /// The rollback that a release is, whose end what it replaces has not lasted to see.
    pub(super) fn instead(release: Release, why: String, cx: &Context<'_>) -> Edge {
        let to = release.from.clone();
        let release = Release { to, ..release };
        Edge::Go(Phase::RollingBack(Self::begin(release, None, cx)), why)
    }

    pub(super) fn published(mut self, cx: &Context<'_>) -> Edge {
        if self.relieved == Relieved::Unpublished {
            self.relieved = Relieved::Open;
        }
        self.look(cx);
        Edge::Stay(Phase::RollingBack(self))
    }

    fn look(&mut self, cx: &Context<'_>) {
        let release = &self.release;
        if self.relieved == Relieved::Open && !cx.horizons.are_unsettled() {
            let horizons = release.relieved().map(|pool| cx.horizons.of(&pool.name));
            self.relieved = Relieved::Until(horizons.max().unwrap_or_default());
        }
        self.until = release.left_until(cx);
        if let Relieved::Until(until) = self.relieved {
            self.until = self.until.max(until);
        }
    }

    /// When it ends by itself, if that is known.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        matches!(self.relieved, Relieved::Until(_)).then_some(self.until)
    }

    pub(super) fn advance(mut self, cx: &Context<'_>) -> Edge {
        self.failure = self.failure.filter(|_| cx.spec.live != *self.release.safe.split());
        self.look(cx);
        if self.deadline().is_none_or(|end| cx.now < end) {
            return Edge::Stay(Phase::RollingBack(self));
        }
        let Self { release, failure, .. } = self;
        let cleared = match release.relieved().next() {
            Some(_) => {
                "no cache that keeps to the TTL holds an answer from before any longer".into()
            }
            None => cleared(&release.to, &release.safe),
        };
        let serving = release.safe.clone();
        match failure {
            None => Edge::Go(Phase::steady(serving, release.fallback), cleared),
            Some(reason) => {
                let why = format!("{reason}; {cleared}");
                Edge::Go(Phase::Failed(Failed { release, serving, reason }), why)
            }
        }
    }
}

impl Release {
    /// Until when caches hold pools that a rollback leaves, as far as it is known.
    fn left_until(&self, cx: &Context<'_>) -> Timestamp {
        cx.horizons.of_left([&self.from, &self.to], &self.safe)
    }

    /// The pools that a rollback leaves with fewer clients.
    pub(super) fn relieved(&self) -> impl Iterator<Item = &Arc<Pool>> {
        let Self { from, to, safe, .. } = self;
        let more = to.gaining(safe).chain(from.gaining(safe));
        more.filter(|pool| safe.split().has(&pool.name))
    }
}
