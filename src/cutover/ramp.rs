//! The steps of a ramp before its last: a part of the clients is answered with the new side.
//!
//! Each step is shift, settle, judge. Caches make a new share true only when the answers from
//! before have left them; whatever is seen earlier is the share before. The last step, all clients,
//! is [`Baking`](super::phase::Baking).

use std::time::Duration;

use humantime::format_duration;

use super::{
    answering::able,
    edge::{Context, Edge},
    phase::{Phase, Release},
    proof::{self, Over},
    rolling_back::RollingBack,
    waiting,
    watch::{Held, Watched, watch},
};
use crate::model::{Percent, Timestamp};

/// A share of the clients is answered with the new side, and caches hold answers from before.
#[derive(Clone, Debug)]
pub struct Settling {
    pub(super) release: Release,
    pub(super) share: Percent,
    /// The horizon of what was answered before, as far as it is known.
    pub(super) until: Timestamp,
    /// Tables from before may still be answered from.
    pub(super) is_open: bool,
    /// Nothing of the new pool can be answered, or could for a while: nobody was given the share.
    pub(super) is_withheld: bool,
    /// Why it should be rolled back but cannot be.
    pub(super) held: Option<Held>,
}

/// The share is true in caches too, and is being watched.
#[derive(Clone, Debug)]
pub struct Judging {
    pub(super) release: Release,
    pub(super) share: Percent,
    pub(super) since: Timestamp,
    /// How long in all; follows the file.
    pub(super) bake: Duration,
    /// Why it is not over although its time is.
    pub(super) lacks: Option<String>,
    /// As in [`Settling`].
    pub(super) is_withheld: bool,
    /// Why it should be rolled back but cannot be.
    pub(super) held: Option<Held>,
}

impl Settling {
    pub(super) fn begin(release: Release, share: Percent, cx: &Context<'_>) -> Self {
        // Of any pool: one that was just rolled back is in caches too.
        let (until, is_open) = (cx.horizons.latest(), cx.horizons.are_unsettled());
        Self { release, share, until, is_open, is_withheld: false, held: None }
    }

    /// When it ends by itself, if it does.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        (self.held.is_none() && !self.is_withheld).then_some(self.until)
    }

    pub(super) fn published(self, cx: &Context<'_>) -> Edge {
        let anew = given_anew(self.is_withheld, &self.release, self.share, cx);
        anew.unwrap_or(Edge::Stay(Phase::Settling(self)))
    }

    pub(super) fn advance(mut self, cx: &Context<'_>) -> Edge {
        self.is_withheld |= able(&self.release.to, cx.health).is_none();
        if self.is_open {
            (self.until, self.is_open) = (cx.horizons.latest(), cx.horizons.are_unsettled());
        }
        match watch(&self.release, self.share, &mut self.held, cx) {
            Watched::Back(trouble) => RollingBack::after(trouble, self.release, cx),
            Watched::Healthy(_) if !self.is_withheld && cx.is_past(self.until) => {
                let why = format!("caches hold no answer from before {}", self.share);
                Edge::Go(Phase::Judging(Judging::begin(self.release, self.share, cx)), why)
            }
            Watched::Held(news) | Watched::Healthy(news) => Edge::told(Phase::Settling(self), news),
        }
    }
}

impl Judging {
    pub(super) fn begin(release: Release, share: Percent, cx: &Context<'_>) -> Self {
        let bake = cx.spec.release.bake_at(share);
        let since = cx.now;
        Self { release, share, since, bake, lacks: None, is_withheld: false, held: None }
    }

    /// When it ends by itself, if it does.
    pub(super) fn deadline(&self) -> Option<Timestamp> {
        let is_clocked = self.held.is_none() && self.lacks.is_none() && !self.is_withheld;
        is_clocked.then_some(self.since + self.bake)
    }

    pub(super) fn published(self, cx: &Context<'_>) -> Edge {
        let anew = given_anew(self.is_withheld, &self.release, self.share, cx);
        anew.unwrap_or(Edge::Stay(Phase::Judging(self)))
    }

    pub(super) fn advance(mut self, cx: &Context<'_>) -> Edge {
        self.is_withheld |= able(&self.release.to, cx.health).is_none();
        match watch(&self.release, self.share, &mut self.held, cx) {
            Watched::Back(trouble) => RollingBack::after(trouble, self.release, cx),
            Watched::Healthy(news) if !self.is_withheld => {
                let (to, share, bake) = (&self.release.to, self.share, format_duration(self.bake));
                let good = format!("{to} was good at {share} for {bake}");
                let watched = (self.since, self.bake, &mut self.lacks);
                match proof::over(&self.release, share, watched, &good, cx) {
                    Over::Yes => waiting::step(self.release, Some(share), good, cx),
                    Over::Not(lack) => Edge::told(Phase::Judging(self), news.or(lack)),
                }
            }
            Watched::Held(news) | Watched::Healthy(news) => Edge::told(Phase::Judging(self), news),
        }
    }
}

/// A table was stored. Caches hold the answers of the time in which the share was withheld: from when
/// it is given again, it settles anew.
fn given_anew(
    is_withheld: bool,
    release: &Release,
    share: Percent,
    cx: &Context<'_>,
) -> Option<Edge> {
    if !is_withheld || able(&release.to, cx.health).is_none() {
        return None;
    }
    let why = format!("{} can be answered again: it is given its {share} anew", release.to);
    Some(Edge::Go(Phase::Settling(Settling::begin(release.clone(), share, cx)), why))
}
