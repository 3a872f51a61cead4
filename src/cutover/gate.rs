//! What must be up of the pools of a release before they are given clients.

use std::sync::Arc;

use super::{edge::Context, phase::Release};
use crate::{
    health::Count,
    model::{Pool, ReleasePolicy},
};

/// Whether a release may move clients.
pub(super) enum Gate {
    /// It may, because of this.
    Open(String),
    /// No more than this is up.
    Closed(String),
}

/// Asks the pools that will have more clients than before.
pub(super) fn gate(release: &Release, cx: &Context<'_>) -> Gate {
    let is_ready = |pool: &&Arc<Pool>| cx.health.tally(pool).is_ready(&cx.spec.release);
    let (ready, missing): (Vec<_>, Vec<_>) = release.to.gaining(&release.from).partition(is_ready);
    let told = |pools: Vec<&Arc<Pool>>| {
        let counts: Vec<String> = pools.into_iter().map(|pool| proven(pool, cx)).collect();
        counts.join(", ")
    };
    match (ready.is_empty(), missing.is_empty()) {
        (_, false) => Gate::Closed(told(missing)),
        (false, true) => Gate::Open(told(ready)),
        (true, true) => Gate::Open("no pool will have more clients than before".to_owned()),
    }
}

/// How much of a pool has passed its probes.
fn proven(pool: &Pool, cx: &Context<'_>) -> String {
    if let Some(target) = pool.target.as_ref().filter(|_| pool.is_unresolved()) {
        let failure = cx.health.lookups.failure(&target.name).unwrap_or("nobody has answered yet");
        return format!("{} points to {}, which is not known: {failure}", pool.name, target.name);
    }
    let (tally, policy) = (cx.health.tally(pool), &cx.spec.release);
    let Count { proven, total, .. } = tally.all;
    let weight = weight(policy, tally.weight_percents().0);
    let (name, needed) = (&pool.name, policy.needed());
    let count = format!("{proven} of {total} endpoints of {name}{weight} are up ({needed} needed)");
    match tally.first_without(|count| count.proven) {
        Some(family) => format!("{count}, none of them with {}", family.name()),
        None => count,
    }
}

/// How much of a pool's weight it is, where the file asks for some of it.
pub(super) fn weight(policy: &ReleasePolicy, percent: usize) -> String {
    let asked_for = policy.min_up_weight.is_some();
    if asked_for { format!(" ({percent}% of the weight)") } else { String::new() }
}
