//! What a service answers with, given its phase and the verdicts.

use std::sync::Arc;

use super::Cutover;
use crate::{
    health::{ServiceHealth, Verdict},
    model::{Endpoint, FailPolicy, Family, Pool, PoolName, Ttl},
};

/// The endpoints to answer with, all of one pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answering {
    /// The pool they belong to.
    pub pool: PoolName,
    /// They themselves.
    pub endpoints: Vec<Endpoint>,
    /// Families that the pool has and that nothing can be said of; only under [`Basis::Closed`].
    pub lost: Vec<Family>,
    /// The TTL of the answers.
    pub ttl: Ttl,
    /// Why these.
    pub basis: Basis,
}

/// Why a service answers with what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// What is up of the serving pool.
    Live,
    /// Nothing of it (or of one of its families) is up: what is up of the pool before.
    Previous,
    /// Nor of that: all of the serving pool, or of the family, as if it were up, but for endpoints
    /// that have never passed (unless there are no others).
    Open,
    /// The policy is to say so: SERVFAIL, where nothing is up.
    Closed,
}

impl Basis {
    /// The word for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Previous => "previous",
            Self::Open => "open",
            Self::Closed => "closed",
        }
    }
}

impl Cutover {
    /// What is to be answered now.
    pub fn answering(&self, health: &ServiceHealth) -> Answering {
        let serving = self.phase.serving();
        let policy = self.spec.fail_policy;
        let answer = |pool: &Pool, endpoints, lost, basis| Answering {
            pool: pool.name.clone(),
            endpoints,
            lost,
            ttl: self.spec.ttl,
            basis,
        };
        if health.tally(serving).can_answer() {
            return answer(serving, eligible(serving, health), Vec::new(), Basis::Live);
        }
        if policy == FailPolicy::Closed {
            let lost = lost(serving, health);
            return answer(serving, eligible(serving, health), lost, Basis::Closed);
        }
        if let Some(pool) = self.stand_in(health) {
            return answer(pool, eligible(pool, health), Vec::new(), Basis::Previous);
        }
        answer(serving, open(serving, health), Vec::new(), Basis::Open)
    }

    /// The pool that answers in place of the serving one: the one before, else one whose release
    /// failed and that would pass its gate by now.
    fn stand_in(&self, health: &ServiceHealth) -> Option<&Arc<Pool>> {
        let min_up = self.spec.release.min_up;
        let mended = self.phase.failed_pool().filter(|pool| health.tally(pool).is_ready(min_up));
        let mut candidates = self.phase.fallback().into_iter().chain(mended);
        let (serving, policy) = (self.phase.serving(), self.spec.fail_policy);
        candidates.find(|pool| stands_in(pool, serving, policy, health))
    }

    /// The pool that is answered as it is held, whatever the file says of it.
    pub fn answered_pool(&self, health: &ServiceHealth) -> &Arc<Pool> {
        let cannot = !health.tally(self.phase.serving()).can_answer();
        let stand_in = self.stand_in(health).filter(|_| cannot);
        stand_in.unwrap_or_else(|| self.phase.serving())
    }
}

/// Whether `pool` answers in place of `serving`.
fn stands_in(pool: &Pool, serving: &Pool, policy: FailPolicy, health: &ServiceHealth) -> bool {
    let tally = health.tally(serving);
    policy == FailPolicy::Previous && !tally.can_answer() && health.tally(pool).covers(&tally)
}

fn lost(pool: &Pool, health: &ServiceHealth) -> Vec<Family> {
    let tally = health.tally(pool);
    let is_lost = |family: &Family| tally.of(*family).total > 0 && tally.of(*family).eligible == 0;
    Family::ALL.into_iter().filter(is_lost).collect()
}

fn eligible(pool: &Pool, health: &ServiceHealth) -> Vec<Endpoint> {
    let mut endpoints = pool.endpoints.clone();
    endpoints.retain(|endpoint| health.verdict(endpoint.address()).is_eligible());
    endpoints
}

/// Family by family the best there is: what may be answered, else what has passed once, else all.
fn open(pool: &Pool, health: &ServiceHealth) -> Vec<Endpoint> {
    let rank = |endpoint: &Endpoint| match health.verdict(endpoint.address()) {
        Verdict::Unproven => 0,
        Verdict::Down => 1,
        Verdict::Up | Verdict::Presumed | Verdict::Unprobed => 2,
    };
    let best_of = |family| {
        let of_family = pool.endpoints.iter().filter(|e| Family::of(e.address()) == family);
        of_family.map(rank).max().unwrap_or(0)
    };
    let best = Family::ALL.map(|family| (family, best_of(family)));
    let is_best =
        |endpoint: &&Endpoint| best.contains(&(Family::of(endpoint.address()), rank(endpoint)));
    pool.endpoints.iter().filter(is_best).copied().collect()
}
