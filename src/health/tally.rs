//! How the endpoints of one pool stand, all together and by address family.
//!
//! The families count apart because clients ask for them apart: a pool whose IPv4 hosts are all
//! down has nothing to say to a client that asks for A records, however many others are up.

use std::{iter::Sum, ops::Add};

use super::Verdict;
use crate::model::{Endpoint, Family, Pool, ReleasePolicy};

/// How many endpoints are what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// All of them.
    pub total: usize,
    /// Those that have passed their probes (or need none).
    pub proven: usize,
    /// Those that may be answered.
    pub eligible: usize,
    /// Those that have failed their probes.
    pub down: usize,
}

/// The endpoints of one pool, counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Both families together.
    pub all: Count,
    v4: Count,
    v6: Count,
    weight: Weights,
    /// Whether it is answered by name: then whatever is asked for, clients are led somewhere.
    by_name: bool,
}

/// The weights of a pool's endpoints, summed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Weights {
    total: usize,
    proven: usize,
    down: usize,
}

impl Tally {
    /// Of no endpoints yet.
    pub(super) fn of(pool: &Pool) -> Self {
        Self { by_name: pool.cname().is_some(), ..Self::default() }
    }

    /// Counts one of which no more is known than that it can answer.
    pub(super) fn add_unknown(&mut self) {
        self.all.count(Verdict::Unprobed);
        (self.weight.total, self.weight.proven) = (self.weight.total + 1, self.weight.proven + 1);
    }

    pub(super) fn add(&mut self, endpoint: &Endpoint, verdict: Verdict) {
        self.all.count(verdict);
        match Family::of(endpoint.address()) {
            Family::V4 => self.v4.count(verdict),
            Family::V6 => self.v6.count(verdict),
        }
        let weight = endpoint.weight().get() as usize;
        self.weight.total += weight;
        self.weight.proven += weight * usize::from(verdict.is_proven());
        self.weight.down += weight * usize::from(verdict == Verdict::Down);
    }

    /// Whether a release may give it clients: enough is proven, and something of each family.
    pub fn is_ready(&self, policy: &ReleasePolicy) -> bool {
        let Count { proven, total, .. } = self.all;
        let weight = (self.weight.proven, self.weight.total);
        policy.min_up.reached_by(proven, total)
            && proven >= policy.min_up_endpoints.get()
            && policy.min_up_weight.is_none_or(|min| min.reached_by(weight.0, weight.1))
            && self.first_without(|count| count.proven).is_none()
    }

    /// Whether a release should take its clients away: too much is down, or all of a family. What
    /// has not been judged yet is not held against it.
    pub fn is_failing(&self, policy: &ReleasePolicy) -> bool {
        let Count { down, total, .. } = self.all;
        let weight = (self.weight.total - self.weight.down, self.weight.total);
        // A pool that has fewer altogether was never released by this rule.
        !policy.min_up.reached_by(total - down, total)
            || total - down < policy.min_up_endpoints.get().min(total)
            || policy.min_up_weight.is_some_and(|min| !min.reached_by(weight.0, weight.1))
            || self.first_without(|count| count.total - count.down).is_some()
    }

    /// The percentage of its weight that is proven, and that is down; rounded down.
    pub fn weight_percents(&self) -> (usize, usize) {
        let Weights { total, proven, down } = self.weight;
        (proven * 100 / total.max(1), down * 100 / total.max(1))
    }

    /// Whether there is something to answer in each of its families.
    pub fn can_answer(&self) -> bool {
        self.all.eligible > 0 && self.first_without(|count| count.eligible).is_none()
    }

    /// Whether it can answer in each family that `other` has.
    pub fn covers(&self, other: &Self) -> bool {
        let mut families = Family::ALL.into_iter();
        families.all(|family| other.family(family).total == 0 || self.has(family))
    }

    /// Whether taking its place from `other` leaves no client of a family with nothing: what
    /// `other` could answer, it can.
    pub fn keeps_what(&self, other: &Self) -> bool {
        let mut families = Family::ALL.into_iter();
        let kept = families.all(|f| other.family(f).eligible == 0 || self.has(f));
        self.all.eligible > 0 && kept
    }

    /// Whether becoming this from `before` leaves no family dark that it has, unless it was dark.
    pub fn darkens_nothing_of(&self, before: &Self) -> bool {
        let was_dark = |f| before.family(f).total > 0 && before.family(f).eligible == 0;
        let is_fine = |f| self.family(f).total == 0 || self.family(f).eligible > 0 || was_dark(f);
        self.all.eligible > 0 && Family::ALL.into_iter().all(is_fine)
    }

    /// The first of its families in which nothing counts.
    pub fn first_without(&self, counted: impl Fn(&Count) -> usize) -> Option<Family> {
        let lacks =
            |family: &Family| self.family(*family).total > 0 && counted(self.family(*family)) == 0;
        Family::ALL.into_iter().find(lacks)
    }

    fn has(&self, family: Family) -> bool {
        if self.by_name { self.all.eligible > 0 } else { self.family(family).eligible > 0 }
    }

    /// One family.
    pub fn family(&self, family: Family) -> &Count {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }
}

/// Of several pools together.
impl Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), |sum, next| Self {
            all: sum.all + next.all,
            v4: sum.v4 + next.v4,
            v6: sum.v6 + next.v6,
            weight: sum.weight + next.weight,
            by_name: sum.by_name || next.by_name,
        })
    }
}

impl Add for Weights {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            total: self.total + other.total,
            proven: self.proven + other.proven,
            down: self.down + other.down,
        }
    }
}

impl Add for Count {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            total: self.total + other.total,
            proven: self.proven + other.proven,
            eligible: self.eligible + other.eligible,
            down: self.down + other.down,
        }
    }
}

impl Count {
    fn count(&mut self, verdict: Verdict) {
        self.total += 1;
        self.proven += usize::from(verdict.is_proven());
        self.eligible += usize::from(verdict.is_eligible());
        self.down += usize::from(verdict == Verdict::Down);
    }
}
