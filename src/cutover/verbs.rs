//! What a person can ask of a service, in the phases where it makes sense. Whatever is refused
//! changes nothing.

use std::{fmt, sync::Arc};

use super::{
    edit::begin,
    phase::{
        Baking, Context, Draining, Edge, Failed, Phase, Probing, Release, RollingBack, Shifting,
        Watched, watch,
    },
    ramp::{Judging, Settling},
};
use crate::{health::Count, model::Pool};

/// A verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Answer everyone with what was good before.
    Rollback,
    /// Take the next step now, without waiting for what this one waits for.
    Promote,
    /// Run a release again that has failed.
    Retry,
}

/// A verb, who says it, and whether it is to be done although something speaks against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// What is to be done.
    pub verb: Verb,
    /// Who asks, for the reason that is told.
    pub by: String,
    /// Endpoints that are down, or not judged yet, are no hindrance.
    pub force: bool,
}

/// Why a verb was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(String);

impl Verb {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Rollback, Self::Promote, Self::Retry];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rollback => "rollback",
            Self::Promote => "promote",
            Self::Retry => "retry",
        }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let force = if self.force { " by force" } else { "" };
        write!(f, "{}{force} by {}", self.verb.name(), self.by)
    }
}

/// Carries out an order, or says why not. `number` is the next release's.
pub(super) fn asked(
    phase: Phase,
    order: &Order,
    cx: &Context<'_>,
    number: u64,
) -> Result<Edge, Refusal> {
    match order.verb {
        Verb::Rollback => rollback(phase, order, cx),
        Verb::Promote => promote(phase, order, cx),
        Verb::Retry => retry(phase, order, cx, number),
    }
}

fn refuse<T>(why: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal(why.into()))
}

/// The release stays failed: the file still asks for it, and it is not to begin again by itself.
fn rollback(phase: Phase, order: &Order, cx: &Context<'_>) -> Result<Edge, Refusal> {
    let release = match phase {
        Phase::Probing(Probing { release, .. }) => {
            let (serving, reason) = (release.from.clone(), order.to_string());
            let why = format!("{reason}: nothing was moved");
            return Ok(Edge::Go(Phase::Failed(Failed { release, serving, reason }), why));
        }
        Phase::Shifting(Shifting { release, .. })
        | Phase::Settling(Settling { release, .. })
        | Phase::Judging(Judging { release, .. })
        | Phase::Baking(Baking { release, .. })
        | Phase::Draining(Draining { release, .. }) => release,
        Phase::Steady(_) => return refuse("nothing is being released: there is no way back"),
        Phase::RollingBack(RollingBack { release, .. }) => {
            return refuse(format!("{} answers everyone already", release.safe));
        }
        Phase::Failed(Failed { release, serving, .. })
            if serving.split() == release.safe.split() =>
        {
            return refuse(format!("{serving} answers everyone already"));
        }
        Phase::Failed(Failed { mut release, serving, .. }) => {
            release.to = serving;
            release
        }
    };
    let Count { eligible, total, .. } = release.safe.tally(cx.health).all;
    if eligible == 0 && !order.force {
        return refuse(format!(
            "none of the {total} endpoints of {} are up: only by force",
            release.safe
        ));
    }
    Ok(RollingBack::after(order.to_string(), release, cx))
}

/// The next step, now.
fn promote(phase: Phase, order: &Order, cx: &Context<'_>) -> Result<Edge, Refusal> {
    let (release, share) = match phase {
        Phase::Probing(Probing { release, .. }) => {
            if !order.force {
                return refuse(unproven(&release, cx));
            }
            (release, cx.spec.release.share_after(None))
        }
        Phase::Settling(Settling { release, share, mut held, .. })
        | Phase::Judging(Judging { release, share, mut held, .. }) => {
            if let Watched::Back(why) | Watched::Held(Some(why)) = watch(&release, &mut held, cx)
                && !order.force
            {
                return refuse(format!("{why}: only by force"));
            }
            (release, cx.spec.release.share_after(Some(share)))
        }
        Phase::Baking(Baking { held: Some(why), .. }) if !order.force => {
            return refuse(format!("{why}: only by force"));
        }
        Phase::Baking(Baking { release, .. }) => {
            return Ok(Edge::Go(Phase::Draining(Draining::begin(release, cx)), order.to_string()));
        }
        Phase::Failed(_) => return refuse("the release has failed: `retry` begins it again"),
        Phase::Shifting(_) => return refuse("the next step is being taken"),
        Phase::Steady(_) | Phase::Draining(_) | Phase::RollingBack(_) => {
            return refuse("no step is waiting");
        }
    };
    Ok(Edge::Go(Phase::Shifting(Shifting { release, share }), order.to_string()))
}

fn unproven(release: &Release, cx: &Context<'_>) -> String {
    let min_up = cx.spec.release.min_up;
    let asked = release.to.gaining(&release.from);
    let unready = asked.filter(|pool| !cx.health.tally(pool).is_ready(min_up));
    let count = |pool: &Arc<Pool>| {
        let Count { proven, total, .. } = cx.health.tally(pool).all;
        format!("{proven} of {total} endpoints of {}", pool.name)
    };
    let counts: Vec<String> = unready.map(count).collect();
    format!("only {} have passed their probes: only by force", counts.join(" and "))
}

fn retry(phase: Phase, order: &Order, cx: &Context<'_>, number: u64) -> Result<Edge, Refusal> {
    match &phase {
        Phase::Failed(_) => {}
        _ => return refuse("no release has failed"),
    }
    match begin(phase, cx, number) {
        Edge::Go(phase, _) => Ok(Edge::Go(phase, order.to_string())),
        stay @ Edge::Stay(_) => Ok(stay),
    }
}
