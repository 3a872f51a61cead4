//! What of one pool is answered: its endpoints as far as they may be, or the name to which it points.

use std::sync::Arc;

use crate::{
    health::{ServiceHealth, Verdict},
    model::{Endpoint, Family, Pool, PoolName, Target, TextRecord, Ttl, Weight},
};

/// What is answered of one pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The pool.
    pub pool: PoolName,
    /// Among the pools beside it.
    pub weight: Weight,
    /// The endpoints that are answered.
    pub endpoints: Vec<Endpoint>,
    /// The name that is answered instead of them.
    pub cname: Option<Target>,
    /// Its texts.
    pub texts: Vec<TextRecord>,
    /// The longest time for which caches may keep its endpoints, if others set it.
    pub ttl_max: Option<Ttl>,
    /// Families that the pool has, or may have, and that nothing can be said of: where nothing is up and
    /// nothing may stand in, and of a name that has not been looked up.
    pub lost: Vec<Family>,
}

impl Answered {
    /// What of a pool has lost nothing; but of a name that has not been looked up, and is not answered
    /// itself, nobody can say what it has not.
    pub fn new(pool: &Pool, weight: Weight, endpoints: Vec<Endpoint>) -> Self {
        let is_known = pool.cname().is_some() || !pool.is_unresolved();
        Self {
            pool: pool.name.clone(),
            weight,
            endpoints,
            cname: pool.cname().cloned(),
            texts: pool.texts.clone(),
            ttl_max: pool.ttl_max,
            lost: if is_known { Vec::new() } else { Family::ALL.to_vec() },
        }
    }

    /// The same, but nothing can be said of these families.
    pub(super) fn without(self, lost: Vec<Family>) -> Self {
        // A name leads clients of every family somewhere, or none.
        let cname = self.cname.filter(|_| lost.is_empty());
        Self { cname, lost, ..self }
    }
}

/// Of pools that are answered by name and others, the others, as long as they have any endpoint to
/// answer: a name that is answered to some questions and addresses to the others do not keep to any
/// shares. Of those by name, the ones that lead somewhere, as long as any does.
pub(super) fn alike<'c>(
    parts: impl IntoIterator<Item = (&'c Arc<Pool>, Answered)>,
) -> Vec<Answered> {
    let (mut by_name, mut others) = (Vec::new(), Vec::new());
    for (pool, part) in parts {
        if pool.cname().is_some() { by_name.push(part) } else { others.push(part) }
    }
    let leads = |part: &Answered| part.cname.is_some();
    let is_led = by_name.iter().any(leads);
    let is_answered = others.iter().any(|part| !part.endpoints.is_empty());
    if is_answered || (!others.is_empty() && !is_led) {
        return others;
    }
    by_name.retain(|part| leads(part) || !is_led);
    by_name
}

/// Whether all are answered by name, or none is, but for those of which nothing is answered.
pub(super) fn are_alike<'a>(parts: impl IntoIterator<Item = &'a Answered>) -> bool {
    let says_something = |part: &&Answered| part.cname.is_some() || !part.endpoints.is_empty();
    let parts = parts.into_iter().filter(says_something);
    let mut parts = parts.map(|part| part.cname.is_some());
    let first = parts.next();
    parts.all(|is_by_name| Some(is_by_name) == first)
}

pub(super) fn lost(pool: &Pool, health: &ServiceHealth) -> Vec<Family> {
    let tally = health.tally(pool);
    let is_lost = |family: &Family| match tally.family(*family) {
        _ if pool.cname().is_some() || pool.is_unresolved() => tally.all.eligible == 0,
        count => count.total > 0 && count.eligible == 0,
    };
    Family::ALL.into_iter().filter(is_lost).collect()
}

pub(super) fn eligible(pool: &Pool, health: &ServiceHealth) -> Vec<Endpoint> {
    let mut endpoints = pool.endpoints.clone();
    endpoints.retain(|endpoint| health.verdict(endpoint.address()).is_eligible());
    endpoints
}

/// Family by family the best there is: what may be answered, else what has passed once, else all.
pub(super) fn open(pool: &Pool, health: &ServiceHealth) -> Vec<Endpoint> {
    let rank = |endpoint: &Endpoint| match health.verdict(endpoint.address()) {
        Verdict::Unproven => 0,
        Verdict::Down => 1,
        Verdict::Up | Verdict::Presumed | Verdict::Unprobed => 2,
    };
    best(pool, rank)
}

/// Family by family those of the highest rank.
pub(super) fn best(pool: &Pool, rank: impl Fn(&Endpoint) -> u8) -> Vec<Endpoint> {
    let best_of = |family| {
        let of_family = pool.endpoints.iter().filter(|e| Family::of(e.address()) == family);
        of_family.map(&rank).max().unwrap_or(0)
    };
    let best = Family::ALL.map(|family| (family, best_of(family)));
    let is_best =
        |endpoint: &&Endpoint| best.contains(&(Family::of(endpoint.address()), rank(endpoint)));
    pool.endpoints.iter().filter(is_best).copied().collect()
}
