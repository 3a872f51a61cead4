//! One side of a release: a split, with its pools as they are held.
//!
//! Within a phase one pool has one content, on whichever sides it stands.

use std::{collections::BTreeMap, fmt, sync::Arc};

use super::{edge::Context, gate::weight};
use crate::{
    health::{Count, ServiceHealth, Tally},
    model::{Pool, PoolName, ServiceSpec, Split, Weight},
};

/// A split and its pools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    split: Split,
    /// Those of the split, in its order.
    pools: Vec<Arc<Pool>>,
}

impl Side {
    /// Pools with weights, no name twice; nothing if there are none.
    pub fn new(parts: impl IntoIterator<Item = (Arc<Pool>, Weight)>) -> Option<Self> {
        let by_name = parts.into_iter().map(|(pool, weight)| (pool.name.clone(), (pool, weight)));
        let by_name: BTreeMap<PoolName, _> = by_name.collect();
        let weights = by_name.iter().map(|(name, (_, weight))| (name.clone(), *weight)).collect();
        let pools = by_name.into_values().map(|(pool, _)| pool).collect();
        Some(Self { split: Split::new(weights)?, pools })
    }

    /// One pool alone.
    pub(super) fn of(pool: Arc<Pool>) -> Self {
        Self { split: pool.name.clone().into(), pools: vec![pool] }
    }

    /// What is to answer, as the file has it.
    pub(super) fn live(spec: &ServiceSpec) -> Self {
        Self { split: spec.live.clone(), pools: spec.live_pools().cloned().collect() }
    }

    /// The same; pools that `held` has too are as they are there.
    pub(super) fn live_beside(spec: &ServiceSpec, held: &Self) -> Self {
        let mut side = Self::live(spec);
        for pool in &mut side.pools {
            *pool = held.pool(&pool.name).unwrap_or(pool).clone();
        }
        side
    }

    /// Which pools, and how heavy.
    pub fn split(&self) -> &Split {
        &self.split
    }

    /// Its pools.
    pub fn pools(&self) -> impl Iterator<Item = &Arc<Pool>> + Clone {
        self.pools.iter()
    }

    pub(super) fn pools_mut(&mut self) -> impl Iterator<Item = &mut Arc<Pool>> {
        self.pools.iter_mut()
    }

    /// Its pools with their weights.
    pub fn parts(&self) -> impl Iterator<Item = (&Arc<Pool>, Weight)> {
        self.pools.iter().zip(self.split.weights().map(|(_, weight)| weight))
    }

    /// Whether clients are answered with names; not in part.
    pub(super) fn is_by_name(&self) -> bool {
        self.pools.iter().all(|pool| pool.cname().is_some())
    }

    fn pool(&self, name: &PoolName) -> Option<&Arc<Pool>> {
        self.pools.iter().find(|pool| pool.name == *name)
    }

    /// What is left of it without the pools that are not `known`.
    pub(super) fn kept(self, known: impl Fn(&PoolName) -> bool) -> Option<Self> {
        let weights = self.split.weights().filter(|(pool, _)| known(pool));
        let split = Split::new(weights.map(|(pool, weight)| (pool.clone(), weight)).collect())?;
        let pools = self.pools.into_iter().filter(|pool| split.has(&pool.name)).collect();
        Some(Self { split, pools })
    }

    /// The pools that answer no longer where `serving` does.
    pub(super) fn left_for<'s>(&'s self, serving: &'s Self) -> impl Iterator<Item = &'s Arc<Pool>> {
        self.pools.iter().filter(|pool| !serving.split.has(&pool.name))
    }

    /// The pools that have more clients here than where `before` answers.
    pub(super) fn gaining<'s>(&'s self, before: &'s Self) -> impl Iterator<Item = &'s Arc<Pool>> {
        self.pools.iter().filter(|pool| self.split.gives_more(&pool.name, &before.split))
    }

    /// The endpoints of all of its pools.
    pub fn tally(&self, health: &ServiceHealth) -> Tally {
        self.pools.iter().map(|pool| health.tally(pool)).sum()
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.split.fmt(f)
    }
}

/// Why a side that has not finished its bake should not go on answering, if it should not: a pool
/// fails. Of several, one that `safe` gives fewer clients.
pub(super) fn trouble(side: &Side, safe: &Side, cx: &Context<'_>) -> Option<String> {
    let mut relieved =
        failing(side, cx).filter(|pool| side.split.gives_more(&pool.name, &safe.split));
    let pool = relieved.next().or_else(|| failing(side, cx).next())?;
    let tally = cx.health.tally(pool);
    let policy = &cx.spec.release;
    let Count { down, total, .. } = tally.all;
    let lost = tally.first_without(|count| count.total - count.down);
    Some(match lost {
        Some(family) if down < total => {
            format!("all {} endpoints of {} are down", family.name(), pool.name)
        }
        _ => {
            let weight = weight(policy, tally.weight_percents().1);
            let (name, needed) = (&pool.name, policy.needed());
            format!("{down} of {total} endpoints of {name}{weight} are down ({needed} must be up)")
        }
    })
}

/// Whether a rollback by itself would help.
pub(super) fn can_take_over(safe: &Side, left: &Side, cx: &Context<'_>) -> bool {
    hindrance(safe, left, cx).is_none()
}

/// Why a rollback by itself would not help, if it would not. It does when `safe` gives a pool that
/// fails fewer clients, can answer whatever the side that is left can, and has as much to answer
/// with as that one, or as much as its release asked for; or the one that is left cannot answer
/// anyway.
pub(super) fn hindrance(safe: &Side, left: &Side, cx: &Context<'_>) -> Option<String> {
    let is_relieved = |pool: &Arc<Pool>| left.split.gives_more(&pool.name, &safe.split);
    if !failing(left, cx).any(is_relieved) {
        return Some(format!("with {safe} it would answer no fewer clients"));
    }
    lack(safe, left, cx)
}

/// What `safe` lacks for taking the clients of `left`, if it lacks something.
pub(super) fn lack(safe: &Side, left: &Side, cx: &Context<'_>) -> Option<String> {
    let (after, before) = (safe.tally(cx.health), left.tally(cx.health));
    let enough = failing(safe, cx).next().is_none();
    let as_many = after.all.eligible >= before.all.eligible;
    if after.keeps_what(&before) && (enough || as_many || !before.can_answer()) {
        return None;
    }
    let Count { eligible, total, .. } = after.all;
    Some(format!("only {eligible} of {total} endpoints of {safe} are up"))
}

fn failing<'s>(side: &'s Side, cx: &Context<'_>) -> impl Iterator<Item = &'s Arc<Pool>> {
    let (health, policy) = (cx.health, &cx.spec.release);
    side.pools.iter().filter(move |pool| health.tally(pool).is_failing(policy))
}

/// What a drain or a rollback has waited for: no cache holds the pools that were left.
pub(super) fn cleared(left: &Side, serving: &Side) -> String {
    match gone(left, serving) {
        Some(pools) => format!("no cache that keeps to the TTL holds {pools} any longer"),
        None => format!("every pool of {left} goes on answering"),
    }
}

/// The pools that answer no longer, in words, if there are any.
pub(super) fn gone(left: &Side, serving: &Side) -> Option<String> {
    let names: Vec<&str> = left.left_for(serving).map(|pool| pool.name.as_str()).collect();
    (!names.is_empty()).then(|| names.join(" or "))
}
