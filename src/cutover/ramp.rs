//! The steps of a ramp before its last: a part of the clients is answered with the new side.
//!
//! Each step is shift, settle, judge. Caches make a new share true only when the answers from
//! before have left them; whatever is seen earlier is the share before. The last step, all clients,
//! is [`Baking`](super::phase::Baking).

use std::time::Duration;

use humantime::format_duration;

use super::{
    edge::{Context, Edge},
    phase::{Phase, Release, RollingBack, Watched, watch},
    waiting,
};
use crate::model::{Percent, Timestamp};

/// A share of the clients is answered with the new side, and caches hold answers from before.
#[derive(Clone, Debug)]
pub struct Settling {
    pub(super) release: Release,
    pub(super) share: Percent,
    /// The horizon of what was answered before.
    pub(super) until: Timestamp,
    /// Why it should be rolled back but cannot be.
    pub(super) held: Option<String>,
}

/// The share is true in caches too, and is being watched.
#[derive(Clone, Debug)]
pub struct Judging {
    pub(super) release: Release,
    pub(super) share: Percent,
    pub(super) since: Timestamp,
    /// How long in all; follows the file.
    pub(super) bake: Duration,
    /// Why it should be rolled back but cannot be.
    pub(super) held: Option<String>,
}

impl Settling {
    pub(super) fn begin(release: Release, share: Percent, cx: &Context<'_>) -> Self {
        let sides = [&release.from, &release.to, &release.safe];
        let pools = sides.into_iter().flat_map(|side| side.pools());
        let until = pools.map(|pool| cx.horizons.of(&pool.name)).max();
        Self { release, share, until: until.unwrap_or_default(), held: None }
    }

    pub(super) fn advance(mut self, cx: &Context<'_>) -> Edge {
        match watch(&self.release, &mut self.held, cx) {
            Watched::Back(trouble) => RollingBack::after(trouble, self.release, cx),
            Watched::Healthy(_) if cx.is_past(self.until) => {
                let why = format!("caches hold no answer from before {}", self.share);
                Edge::Go(Phase::Judging(Judging::begin(self.release, self.share, cx)), why)
            }
            Watched::Held(Some(why)) | Watched::Healthy(Some(why)) => {
                Edge::Go(Phase::Settling(self), why)
            }
            Watched::Healthy(None) | Watched::Held(None) => Edge::Stay(Phase::Settling(self)),
        }
    }
}

impl Judging {
    pub(super) fn begin(release: Release, share: Percent, cx: &Context<'_>) -> Self {
        let bake = cx.spec.release.bake_at(share);
        Self { release, share, since: cx.now, bake, held: None }
    }

    pub(super) fn advance(mut self, cx: &Context<'_>) -> Edge {
        match watch(&self.release, &mut self.held, cx) {
            Watched::Back(trouble) => RollingBack::after(trouble, self.release, cx),
            Watched::Healthy(_) if cx.is_past(self.since + self.bake) => {
                let Self { release, share, bake, .. } = self;
                let to = &release.to;
                let why = format!("{to} was good at {share} for {}", format_duration(bake));
                waiting::step(release, Some(share), why, cx)
            }
            Watched::Held(Some(why)) | Watched::Healthy(Some(why)) => {
                Edge::Go(Phase::Judging(self), why)
            }
            Watched::Healthy(None) | Watched::Held(None) => Edge::Stay(Phase::Judging(self)),
        }
    }
}
