//! Smoke tests: made once of each endpoint before it has clients.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc, time::Duration};

use super::Finding;
use crate::model::{PoolName, SmokeTest, Timestamp};

/// One test of one endpoint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// Of this pool.
    pub pool: PoolName,
    /// This endpoint.
    pub address: IpAddr,
    /// The place of the test in the file, from 0.
    pub number: usize,
}

/// What came of a test. Unjudged: it could not be made, and is made again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tested {
    /// When it had ended.
    pub at: Timestamp,
    /// How long it took.
    pub latency: Duration,
    /// Whether it passed, or what it said.
    pub finding: Finding,
}

/// A test that was made, as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestRecord {
    /// Of this pool.
    pub pool: PoolName,
    /// This endpoint.
    pub address: IpAddr,
    /// Its number, from 1, and its kind: `1 (http)`.
    pub test: String,
    /// When it had ended.
    pub at: Timestamp,
    /// How long it took.
    pub latency: Duration,
    /// What came of it.
    pub finding: Finding,
}

/// The tests of one release.
#[derive(Clone, Debug, Default)]
pub struct Tests {
    tests: Vec<Arc<SmokeTest>>,
    results: BTreeMap<Subject, Tested>,
}

impl Tests {
    pub(super) fn follow(&mut self, tests: &[Arc<SmokeTest>]) {
        if self.tests != tests {
            let before = std::mem::replace(&mut self.tests, tests.to_vec());
            let is_same = |number: usize| before.get(number) == tests.get(number);
            self.results.retain(|subject, _| is_same(subject.number));
        }
    }

    /// One has been made of what the file asks for now.
    pub fn tested(&mut self, subject: Subject, test: &SmokeTest, tested: Tested) {
        if self.tests.get(subject.number).is_some_and(|known| **known == *test) {
            self.results.insert(subject, tested);
        }
    }

    /// What came of each, first of those that have failed.
    pub fn records(&self) -> Vec<TestRecord> {
        let record = |(subject, tested): (&Subject, &Tested)| {
            let Tested { at, latency, finding } = tested.clone();
            let (pool, address) = (subject.pool.clone(), subject.address);
            TestRecord { pool, address, test: self.name(subject.number), at, latency, finding }
        };
        let mut records: Vec<TestRecord> = self.results.iter().map(record).collect();
        records.sort_by_key(|record| !matches!(record.finding, Finding::Bad(_)));
        records
    }

    fn name(&self, number: usize) -> String {
        let kind = self.tests.get(number).map_or("", |test| test.kind.name());
        format!("{} ({kind})", number + 1)
    }

    /// The tests of endpoints of a pool that have not been made.
    pub fn missing<'t>(
        &'t self,
        pool: &'t PoolName,
        addresses: &'t [IpAddr],
    ) -> impl Iterator<Item = Subject> + 't {
        let each = addresses.iter().flat_map(|address| {
            (0..self.tests.len()).map(|number| Subject {
                pool: pool.clone(),
                address: *address,
                number,
            })
        });
        each.filter(|subject| {
            let known = self.results.get(subject);
            known.is_none_or(|known| matches!(known.finding, Finding::Unjudged(_)))
        })
    }

    /// How many of these pools have passed.
    pub fn passed(&self, pools: &[&PoolName]) -> usize {
        let is_good = |(subject, tested): &(&Subject, &Tested)| {
            pools.contains(&&subject.pool) && matches!(tested.finding, Finding::Good(_))
        };
        self.results.iter().filter(is_good).count()
    }

    /// The first that has failed, in one sentence with what it said.
    pub fn failure(&self, pools: &[&PoolName]) -> Option<String> {
        let of_pools = self.results.iter().filter(|(subject, _)| pools.contains(&&subject.pool));
        let mut failed = of_pools.filter(|(_, tested)| matches!(tested.finding, Finding::Bad(_)));
        let (Subject { pool, address, number }, tested) = failed.next()?;
        let more = match failed.count() {
            0 => String::new(),
            more => format!(" (and {more} more failed)"),
        };
        let (name, said) = (self.name(*number), &tested.finding);
        Some(format!("smoke test {name} failed on {address} of {pool}: {said}{more}"))
    }
}
