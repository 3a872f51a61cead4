//! Back to a pool that a person names, whatever was good before.

use std::time::Duration;

use super::{
    Bond, InstantState, Rule, Schedule, Side,
    edge::{Context, Edge},
    phase::{Phase, Release},
    rolling_back::RollingBack,
    verbs::{Order, Refusal, refuse},
};
use crate::{
    health::Count,
    model::{Percent, PoolName, Timestamp, Unknown},
};

/// Answers everyone with the pool `to`, in one swap. The file asks for another one: that release counts
/// as failed, so that it does not begin again by itself. `number` is the next release's.
pub(super) fn rollback_to(
    phase: &Phase,
    to: &PoolName,
    order: &Order,
    cx: &Context<'_>,
    number: u64,
) -> Result<Edge, Refusal> {
    let held = phase.pools().into_iter().find(|pool| pool.name == *to);
    let Some(to) = held.or_else(|| cx.spec.pools.get(to)) else {
        let known = cx.spec.pools.keys().map(PoolName::as_str);
        return refuse(Unknown::of("pool", to.as_str(), known).to_string());
    };
    let side = Side::of(to.clone());
    if phase.share() == Percent::ALL && phase.serving().split() == side.split() {
        return refuse(format!("{side} answers everyone already"));
    }
    if cx.spec.live == *side.split() {
        return refuse(format!("{side} is what the file asks for: that way leads forward"));
    }
    let (policy, tally) = (&cx.spec.release, cx.health.tally(to));
    let was_good = phase.release().is_some_and(|release| release.safe.split() == side.split());
    let is_good = tally.is_ready(policy) || (was_good && tally.all.eligible > 0);
    let Count { proven, total, .. } = tally.all;
    let needed = policy.needed();
    let why = format!("{proven} of {total} endpoints of {side} are up ({needed} needed)");
    let in_the_way = (!is_good).then_some((Rule::Health, why));
    let why = order.pass(in_the_way.as_slice())?;
    Ok(RollingBack::after(why, left(phase, side, cx, number), cx))
}

/// The release that is given up: `from` and `to` are the pools that caches may hold, `to` the one
/// that is not to come again by itself. What was done long ago is given up as if it had begun there.
fn left(phase: &Phase, safe: Side, cx: &Context<'_>, number: u64) -> Release {
    let serving = phase.serving();
    let Some(release) = phase.release().cloned() else {
        let (from, to, fallback) = (safe.clone(), serving.clone(), None);
        let (state, in_caches) = (InstantState::None, Timestamp::default());
        let schedule = Schedule { asked: None, clean: false, in_caches, state };
        let (started_at, stood) = (cx.now, Duration::ZERO);
        let bond = cx.spec.release.group.clone().map(|group| Bond { group, salt: 0 });
        return Release {
            id: number,
            from,
            to,
            safe,
            fallback,
            started_at,
            stood,
            schedule,
            bond,
            is_forced: false,
        };
    };
    let from = match phase {
        Phase::RollingBack(_) | Phase::Failed(_) => serving.clone(),
        phase if phase.is_before_first_step() => serving.clone(),
        _ => release.from.clone(),
    };
    let mut before = [Some(&release.safe), release.fallback.as_ref()].into_iter().flatten();
    let fallback = before.find(|side| side.split() != safe.split()).cloned();
    Release { from, safe, fallback, ..release }
}
