//! What a service answers with, given its phase and the verdicts.

use super::Cutover;
use crate::{
    health::{ServiceHealth, Verdict},
    model::{Endpoint, FailPolicy, Pool, PoolName, Ttl},
};

/// The endpoints to answer with, all of one pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answering {
    /// The pool they belong to.
    pub pool: PoolName,
    /// They themselves; empty only under [`Basis::Closed`].
    pub endpoints: Vec<Endpoint>,
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
    /// Nothing of it is up: what is up of the pool before.
    Previous,
    /// Nothing is up: all of the serving pool, as if it were, but for endpoints that have never
    /// passed (unless there are no others).
    Open,
    /// Nothing is up and the policy is to say so: SERVFAIL.
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
        let answer = |pool: &Pool, endpoints, basis| Answering {
            pool: pool.name.clone(),
            endpoints,
            ttl: self.spec.ttl,
            basis,
        };
        let eligible = eligible(serving, health);
        if !eligible.is_empty() {
            return answer(serving, eligible, Basis::Live);
        }
        if policy == FailPolicy::Closed {
            return answer(serving, Vec::new(), Basis::Closed);
        }
        let fallback = self.phase.fallback().filter(|_| policy == FailPolicy::Previous);
        if let Some(pool) = fallback {
            let endpoints = self::eligible(pool, health);
            if !endpoints.is_empty() {
                return answer(pool, endpoints, Basis::Previous);
            }
        }
        answer(serving, open(serving, health), Basis::Open)
    }
}

fn eligible(pool: &Pool, health: &ServiceHealth) -> Vec<Endpoint> {
    let mut endpoints = pool.endpoints.clone();
    endpoints.retain(|endpoint| health.verdict(endpoint.address()).is_eligible());
    endpoints
}

fn open(pool: &Pool, health: &ServiceHealth) -> Vec<Endpoint> {
    let mut endpoints = pool.endpoints.clone();
    endpoints.retain(|endpoint| health.verdict(endpoint.address()) != Verdict::Unproven);
    if endpoints.is_empty() { pool.endpoints.clone() } else { endpoints }
}
