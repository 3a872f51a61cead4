//! What a service answers with, given its phase and the verdicts.
//!
//! A pool of a split that is down (all of it, or of one address family) has its clients taken over by
//! the others of that split, as far as they are up and have what it has; nobody else's clients are
//! moved by that. Only when nothing of the split is up, or the rest lacks a family, does the fail
//! policy say what is answered instead.

use std::{collections::BTreeMap, sync::Arc};

use siphasher::sip::SipHasher13;

use super::{
    Cutover, Side,
    answered::{Answered, alike, are_alike, eligible, lost, open},
    phase::Release,
    shares,
};
use crate::{
    health::ServiceHealth,
    model::{
        DnsName, Endpoint, FailPolicy, Kinds, Network, Percent, Pool, PoolName, Split, Spread,
        Timestamp, Timing, Ttl, Weight,
    },
};

/// What is answered: for one client all of one pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answering {
    /// The split that answers whoever has not been moved.
    pub split: Split,
    /// Those of its pools that do, at least one.
    pub parts: Vec<Answered>,
    /// The TTL of the answers.
    pub ttl: Ttl,
    /// Why these.
    pub basis: Basis,
    /// Clients that a ramp has moved already.
    pub moved: Option<Moved>,
    /// How clients are told apart.
    pub spread: Spread,
    /// Clients whose answers are known to change at an instant, or have changed at one.
    pub timed: Option<Timed>,
    /// Clients who are shown the new side before their time.
    pub shown: Option<Shown>,
    /// What is answered beside addresses.
    pub kinds: Arc<Kinds>,
    /// The pools that are answered at names of their own.
    pub by_name: Vec<Answered>,
    /// The pools whose endpoints have names.
    pub named: Vec<Arc<Pool>>,
}

/// An instant, and those whose answers it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timed {
    /// The instant.
    pub timing: Timing,
    /// How many of the clients: those that the first step moves. If some have been moved already,
    /// they alone.
    pub share: Percent,
    /// Which of them, as in [`Moved`].
    pub salt: u64,
}

/// Some networks, and what clients in them are answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The networks.
    pub networks: Vec<Network>,
    /// The new pools, as far as they are up; at least one.
    pub parts: Vec<Answered>,
}

/// A share of the clients, and what they are answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The new pools, as far as they are up; at least one.
    pub parts: Vec<Answered>,
    /// How many of the clients.
    pub share: Percent,
    /// Which of them: drawn for each release anew, and by every name server of the zone alike.
    pub salt: u64,
}

impl Answering {
    /// The percentage of the clients that each pool answers, in whole numbers; at least 1 for one
    /// that has clients.
    pub fn shares(&self) -> BTreeMap<PoolName, u8> {
        let moved = self.moved.as_ref().map_or(0, |moved| moved.share.get());
        let main = (split_of(&self.parts), 100 - moved);
        let to = self.moved.iter().map(|moved| (split_of(&moved.parts), moved.share.get()));
        shares::whole_percents([main].into_iter().chain(to))
    }

    /// The percentage of the clients that a pool answers; likewise.
    pub fn share_of(&self, pool: &PoolName) -> u8 {
        self.shares().get(pool).copied().unwrap_or_default()
    }

    /// The longest TTL of an answer that is sent now.
    pub fn ttl_max(&self, now: Timestamp) -> Ttl {
        match self.timed {
            Some(timed) if timed.share == Percent::ALL => timed.timing.ttl_max(self.ttl, now),
            _ => self.ttl,
        }
    }

    /// The pools that answer at the service's own name, each once; also those that only some are shown.
    pub fn pools(&self) -> impl Iterator<Item = &PoolName> {
        let moved = self.moved.iter().flat_map(|moved| &moved.parts);
        let shown = self.shown.iter().flat_map(|shown| &shown.parts);
        let mut pools: Vec<&PoolName> = Vec::new();
        for part in self.parts.iter().chain(moved).chain(shown) {
            if !pools.contains(&&part.pool) {
                pools.push(&part.pool);
            }
        }
        pools.into_iter()
    }

    /// Whether caches that have been given the one hold of each pool what they are given of it by the
    /// other. That is so whatever types are answered, and at names of pools and endpoints.
    pub fn is_held_like(&self, other: &Self) -> bool {
        let Self { split, parts, ttl, basis, moved, spread, timed, shown, .. } = self;
        *split == other.split
            && *parts == other.parts
            && *ttl == other.ttl
            && *basis == other.basis
            && *moved == other.moved
            && *spread == other.spread
            && *timed == other.timed
            && *shown == other.shown
    }

    /// All that is answered.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        let moved = self.moved.iter().flat_map(|moved| &moved.parts);
        self.parts.iter().chain(moved).flat_map(|part| &part.endpoints)
    }

    /// The pools of the split that are down: the other ones answer their clients.
    pub fn out(&self) -> impl Iterator<Item = &PoolName> {
        let is_out = |pool: &&PoolName| self.parts.iter().all(|part| part.pool != **pool);
        self.split.pools().filter(is_out)
    }
}

fn split_of(parts: &[Answered]) -> Split {
    let weights = parts.iter().map(|part| (part.pool.clone(), part.weight));
    Split::new(weights.collect()).expect("invariant: some pool answers")
}

/// Why a service answers with what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// What is up of the serving split.
    Live,
    /// Nothing of it (or of one of its families) is up: what is up of the split before.
    Previous,
    /// Nor of that: all of the serving split, or of the family, as if it were up, but for endpoints
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

/// Pools of one side, each with its weight.
pub(super) type Parts<'c> = Vec<(&'c Arc<Pool>, Weight)>;

/// What answers whoever has not been moved.
struct Chosen<'c> {
    side: &'c Side,
    parts: Parts<'c>,
    basis: Basis,
}

impl Cutover {
    /// What is to be answered now.
    pub fn answering(&self, health: &ServiceHealth) -> Answering {
        let Chosen { side, parts, basis } = self.chosen(health);
        let parts = alike(
            parts
                .into_iter()
                .map(|(pool, weight)| (pool, self.answered(pool, weight, basis, health))),
        );
        let is_alike = |others: &[Answered]| are_alike(parts.iter().chain(others));
        // What stands in for the main side may be what the others have been moved to.
        let moved = self.moved(health).filter(|_| side.split() != self.phase.serving().split());
        let moved = moved.filter(|moved| is_alike(&moved.parts));
        let shown = self.shown(health).filter(|shown| is_alike(&shown.parts));
        let given = parts.iter().chain(moved.iter().flat_map(|moved| &moved.parts));
        let ttl_max = given.filter_map(|part| part.ttl_max).min();
        let ttl = ttl_max.map_or(self.ttl(), |most| most.min(self.ttl()));
        let (split, spread) = (side.split().clone(), self.spec.spread);
        Answering {
            split,
            parts,
            ttl,
            basis,
            moved,
            spread,
            timed: self.timed(),
            shown,
            kinds: self.spec.kinds.clone(),
            by_name: self.by_name(health),
            named: self.named(),
        }
    }

    fn answered(
        &self,
        pool: &Pool,
        weight: Weight,
        basis: Basis,
        health: &ServiceHealth,
    ) -> Answered {
        let endpoints = match basis {
            Basis::Open => open(pool, health),
            Basis::Live | Basis::Previous | Basis::Closed => eligible(pool, health),
        };
        let answered = Answered::new(pool, weight, endpoints);
        match basis {
            Basis::Closed => answered.without(lost(pool, health)),
            Basis::Live | Basis::Previous | Basis::Open => answered,
        }
    }

    /// The pools that answer whoever has not been moved, as they are held, whatever the file says of
    /// them.
    pub fn answered_pools(&self, health: &ServiceHealth) -> impl Iterator<Item = &Arc<Pool>> {
        self.chosen(health).parts.into_iter().map(|(pool, _)| pool)
    }

    fn chosen(&self, health: &ServiceHealth) -> Chosen<'_> {
        let side = self.phase.main();
        if let Some(parts) = able(side, health) {
            return Chosen { side, parts, basis: Basis::Live };
        }
        let basis = match self.spec.fail_policy {
            FailPolicy::Closed => Basis::Closed,
            FailPolicy::Open | FailPolicy::Previous => Basis::Open,
        };
        let all = || Chosen { side, parts: side.parts().collect(), basis };
        self.stand_in(health).unwrap_or_else(all)
    }

    /// Short for as long as a rollback is likely: caches keep its time.
    fn ttl(&self) -> Ttl {
        let short = self.spec.release.ttl.filter(|_| self.phase.is_on_trial());
        short.map_or(self.spec.ttl, |short| short.min(self.spec.ttl))
    }

    /// Those whose answers are known to change at an instant, or have changed at one.
    fn timed(&self) -> Option<Timed> {
        let timing = self.phase.timing();
        let release = self.phase.release().filter(|_| timing != Timing::Lasting)?;
        let share = match (self.phase.is_before_first_step(), self.spec.spread) {
            (true, Spread::Sticky) => release.share_after(&self.spec.release, None),
            // Whom it will move, chance says only then.
            (true, Spread::Random) => Percent::ALL,
            (false, _) => self.phase.share(),
        };
        let salt = salt(&self.spec.owner, release);
        Some(Timed { timing, share, salt })
    }

    /// What the clients are answered with that a ramp has moved. If nothing can be, they are answered
    /// as the others until the release is rolled back.
    fn moved(&self, health: &ServiceHealth) -> Option<Moved> {
        let share = self.phase.share();
        let release = self.phase.release().filter(|_| share < Percent::ALL)?;
        let parts = able(&release.to, health)?.into_iter();
        let parts = alike(
            parts.map(|(pool, weight)| (pool, Answered::new(pool, weight, eligible(pool, health)))),
        );
        let salt = salt(&self.spec.owner, release);
        Some(Moved { parts, share, salt })
    }

    /// What answers in place of the main side: the one before, else one whose release failed or is
    /// under way; of that one the pools that would pass their gate by now.
    fn stand_in(&self, health: &ServiceHealth) -> Option<Chosen<'_>> {
        if self.spec.fail_policy != FailPolicy::Previous {
            return None;
        }
        let missed = self.phase.main().tally(health);
        let moved_to = Some(self.phase.serving()).filter(|_| self.phase.share() < Percent::ALL);
        let newer = self.phase.failed_side().into_iter().chain(moved_to);
        let candidates = self.phase.fallback().into_iter().map(|side| (side, false));
        let mut candidates = candidates.chain(newer.map(|side| (side, true)));
        candidates.find_map(|(side, is_newer)| {
            let may_answer = |pool: &Pool| {
                let tally = health.tally(pool);
                // Nobody knows what a name has that has not been looked up: nothing covers that too.
                tally.all.eligible > 0
                    && tally.covers(&missed)
                    && (!is_newer || tally.is_ready(&self.spec.release))
            };
            let parts: Parts<'_> = side.parts().filter(|(pool, _)| may_answer(pool)).collect();
            (!parts.is_empty()).then_some(Chosen { side, parts, basis: Basis::Previous })
        })
    }
}

/// The pools of a side that can answer all of its clients: those that are up, if whatever the
/// others have, each of them has too. Nothing if there are none.
pub(super) fn able<'c>(side: &'c Side, health: &ServiceHealth) -> Option<Parts<'c>> {
    let is_up = |(pool, _): &(&Arc<Pool>, Weight)| health.tally(pool).can_answer();
    let (up, down): (Parts<'_>, Parts<'_>) = side.parts().partition(is_up);
    let missed = down.iter().map(|(pool, _)| health.tally(pool)).sum();
    let can_take_over = up.iter().all(|(pool, _)| health.tally(pool).covers(&missed));
    (!up.is_empty() && can_take_over).then_some(up)
}

/// Of a release between two splits, or of several together; the same on each name server and after
/// each restart.
fn salt(owner: &DnsName, release: &Release) -> u64 {
    if let Some(bond) = &release.bond {
        return bond.salt;
    }
    let (from, to) = (release.from.to_string(), release.to.to_string());
    let release = [owner.wire(), from.as_bytes(), &[0], to.as_bytes()].concat();
    SipHasher13::new_with_keys(0, 2).hash(&release)
}
