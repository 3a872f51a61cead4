//! What a service answers with, given its phase and the verdicts.

use std::sync::Arc;

use siphasher::sip::SipHasher13;

use super::Cutover;
use crate::{
    health::{ServiceHealth, Verdict},
    model::{DnsName, Endpoint, FailPolicy, Family, Percent, Pool, PoolName, Ttl},
};

/// The endpoints to answer with, all of one pool for one client.
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
    /// Clients that a ramp has moved already.
    pub moved: Option<Moved>,
}

/// A share of the clients, and what they are answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The new pool.
    pub pool: PoolName,
    /// What is up of it.
    pub endpoints: Vec<Endpoint>,
    /// How many of the clients.
    pub share: Percent,
    /// Which of them: drawn for each release anew, and by every name server of the zone alike.
    pub salt: u64,
}

impl Answering {
    /// The percentage of the clients that a pool answers.
    pub fn share_of(&self, pool: &PoolName) -> u8 {
        let moved = self.moved.as_ref().map_or(0, |moved| moved.share.get());
        let main = if *pool == self.pool { 100 - moved } else { 0 };
        let is_moved_to = self.moved.as_ref().is_some_and(|moved| moved.pool == *pool);
        main + if is_moved_to { moved } else { 0 }
    }

    /// The pools that answer.
    pub fn pools(&self) -> impl Iterator<Item = &PoolName> {
        [&self.pool].into_iter().chain(self.moved.as_ref().map(|moved| &moved.pool))
    }
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
        let serving = self.phase.main();
        let policy = self.spec.fail_policy;
        let moved = self.moved(health);
        let answer = |pool: &Pool, endpoints, lost, basis| Answering {
            pool: pool.name.clone(),
            endpoints,
            lost,
            ttl: self.ttl(),
            basis,
            moved: moved.filter(|moved| moved.pool != pool.name),
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

    /// Short for as long as a rollback is likely: caches keep its time.
    fn ttl(&self) -> Ttl {
        let short = self.spec.release.ttl.filter(|_| self.phase.is_on_trial());
        short.map_or(self.spec.ttl, |short| short.min(self.spec.ttl))
    }

    /// What the clients are answered with that a ramp has moved. If nothing can be, they are answered
    /// as the others until the release is rolled back.
    fn moved(&self, health: &ServiceHealth) -> Option<Moved> {
        let (share, pool) = (self.phase.share(), self.phase.serving());
        let release = self.phase.release().filter(|_| share < Percent::ALL)?;
        health.tally(pool).can_answer().then(|| Moved {
            pool: pool.name.clone(),
            endpoints: eligible(pool, health),
            share,
            salt: salt(&self.spec.owner, &release.from.name, &pool.name),
        })
    }

    /// The pool that answers in place of the main one: the one before, else one whose release failed
    /// or is under way and that would pass its gate by now.
    fn stand_in(&self, health: &ServiceHealth) -> Option<&Arc<Pool>> {
        let min_up = self.spec.release.min_up;
        let moved_to = Some(self.phase.serving()).filter(|_| self.phase.share() < Percent::ALL);
        let newer = self.phase.failed_pool().into_iter().chain(moved_to);
        let mended = newer.filter(|pool| health.tally(pool).is_ready(min_up));
        let mut candidates = self.phase.fallback().into_iter().chain(mended);
        let (serving, policy) = (self.phase.main(), self.spec.fail_policy);
        candidates.find(|pool| stands_in(pool, serving, policy, health))
    }

    /// The pool that is answered as it is held, whatever the file says of it.
    pub fn answered_pool(&self, health: &ServiceHealth) -> &Arc<Pool> {
        let cannot = !health.tally(self.phase.main()).can_answer();
        let stand_in = self.stand_in(health).filter(|_| cannot);
        stand_in.unwrap_or_else(|| self.phase.main())
    }
}

/// Of a release between two pools; the same on each name server and after each restart.
fn salt(owner: &DnsName, from: &PoolName, to: &PoolName) -> u64 {
    let release = [owner.wire(), from.as_str().as_bytes(), &[0], to.as_str().as_bytes()].concat();
    SipHasher13::new_with_keys(0, 2).hash(&release)
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
