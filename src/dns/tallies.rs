//! Answers by service and pool: who has which number, how often each was answered, and until when
//! caches may hold that.
//!
//! An answer that names several pools counts for a number that stands for all of them: each has its
//! horizon from it, and none its count, because no client was given one pool rather than another.
//!
//! Names are known when a table is made and when metrics are scraped. In between an answer counts
//! for a number ([`Tally`]), in memory of its worker's own.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use crate::{
    model::{PoolName, ServiceName, Timestamp},
    table::Tally,
};

/// Counts that are allocated together.
const CHUNK_LEN: usize = 4_096;
/// Numbers beyond are not counted: 4 million pools.
const CHUNKS_MAX: usize = 1_024;

/// Whose number is which.
#[derive(Default)]
pub(super) struct Tallies(Mutex<Owners>);

#[derive(Default)]
struct Owners {
    numbers: BTreeMap<ServiceName, BTreeMap<PoolName, Given>>,
    /// Those that stand for several pools, in their order.
    together: BTreeMap<ServiceName, BTreeMap<Vec<PoolName>, Given>>,
    free: Vec<Tally>,
    next: u32,
}

#[derive(Clone, Copy)]
struct Given {
    tally: Tally,
    /// What the number had been counted to when it was given: by its owners before.
    before: Sum,
}

/// What all workers together have noted of one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    pub(super) answers: u64,
    /// The latest instant at which a cache can hold one of them.
    pub(super) horizon: Timestamp,
}

impl Sum {
    pub(super) fn add(self, other: Self) -> Self {
        Self {
            answers: self.answers.wrapping_add(other.answers),
            horizon: self.horizon.max(other.horizon),
        }
    }

    /// What has come since.
    fn since(self, before: Self) -> Self {
        let horizon =
            if self.horizon > before.horizon { self.horizon } else { Timestamp::default() };
        Self { answers: self.answers.saturating_sub(before.answers), horizon }
    }
}

impl Tallies {
    /// The number of a pool; a new one if it has none. `counted` tells what a number that is given
    /// again has been counted to.
    pub(super) fn of(
        &self,
        service: &ServiceName,
        pool: &PoolName,
        counted: impl FnOnce(Tally) -> Sum,
    ) -> Tally {
        let mut owners = self.owners();
        if let Some(given) = owners.numbers.get(service).and_then(|pools| pools.get(pool)) {
            return given.tally;
        }
        let given = owners.give(counted);
        owners.numbers.entry(service.clone()).or_default().insert(pool.clone(), given);
        given.tally
    }

    /// The number that stands for several pools together.
    pub(super) fn of_all(
        &self,
        service: &ServiceName,
        pools: &[&PoolName],
        counted: impl FnOnce(Tally) -> Sum,
    ) -> Tally {
        let pools: BTreeSet<&PoolName> = pools.iter().copied().collect();
        let pools: Vec<PoolName> = pools.into_iter().cloned().collect();
        let mut owners = self.owners();
        if let Some(given) = owners.together.get(service).and_then(|known| known.get(&pools)) {
            return given.tally;
        }
        let given = owners.give(counted);
        owners.together.entry(service.clone()).or_default().insert(pools, given);
        given.tally
    }

    /// Takes the numbers from those pools of a service that are not to be kept. Where one is not,
    /// nothing that names it among others is either.
    pub(super) fn retain(&self, service: &ServiceName, keep: impl Fn(&PoolName) -> bool) {
        let mut owners = self.owners();
        let Owners { numbers, together, free, .. } = &mut *owners;
        if let Some(known) = together.get_mut(service) {
            known.retain(|pools, given| {
                let kept = pools.iter().all(&keep);
                free.extend((!kept).then_some(given.tally));
                kept
            });
            if known.is_empty() {
                together.remove(service);
            }
        }
        let Some(pools) = numbers.get_mut(service) else { return };
        pools.retain(|pool, given| {
            let kept = keep(pool);
            free.extend((!kept).then_some(given.tally));
            kept
        });
        if pools.is_empty() {
            numbers.remove(service);
        }
    }

    /// Shows what each pool has been counted to.
    pub(super) fn look(
        &self,
        counted: impl Fn(Tally) -> Sum,
        mut show: impl FnMut(&ServiceName, &PoolName, Sum),
    ) {
        for (service, pools) in &self.owners().numbers {
            for (pool, given) in pools {
                show(service, pool, counted(given.tally).since(given.before));
            }
        }
    }

    /// What each pool of one service has been counted to, and by which number.
    pub(super) fn of_service(
        &self,
        service: &ServiceName,
        counted: impl Fn(Tally) -> Sum,
    ) -> Vec<(PoolName, Tally, Sum)> {
        let owners = self.owners();
        let mut pools: BTreeMap<&PoolName, (Tally, Sum)> = BTreeMap::new();
        for (pool, given) in owners.numbers.get(service).into_iter().flatten() {
            pools.insert(pool, (given.tally, counted(given.tally).since(given.before)));
        }
        for (together, given) in owners.together.get(service).into_iter().flatten() {
            let horizon = counted(given.tally).since(given.before).horizon;
            for pool in together {
                // A pool that nobody was given alone counts for the number that it shares.
                let (_, sum) = pools.entry(pool).or_insert((given.tally, Sum::default()));
                sum.horizon = horizon.max(sum.horizon);
            }
        }
        pools.into_iter().map(|(pool, (tally, sum))| (pool.clone(), tally, sum)).collect()
    }

    fn owners(&self) -> MutexGuard<'_, Owners> {
        // No invariant is half made when a thread panics here.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Owners {
    /// A number that nobody has.
    fn give(&mut self, counted: impl FnOnce(Tally) -> Sum) -> Given {
        let again = self.free.pop();
        let tally = again.unwrap_or(Tally(self.next));
        let before = again.map_or(Sum::default(), counted);
        self.next = self.next.max(tally.0.saturating_add(1));
        Given { tally, before }
    }
}

/// How often each number was answered by one worker, and until when caches may hold that.
pub(super) struct TallyCounts(Box<[OnceLock<Box<[TallyCount]>>]>);

/// Of one number: beside each other, so that one wait for memory is enough.
#[derive(Default)]
pub(super) struct TallyCount {
    pub(super) answers: AtomicU64,
    /// In microseconds since 1970.
    pub(super) horizon: AtomicU64,
}

impl TallyCounts {
    pub(super) fn new() -> Self {
        Self((0..CHUNKS_MAX).map(|_| OnceLock::new()).collect())
    }

    /// The count of a number, allocated with its neighbours when the first of them is answered.
    pub(super) fn count(&self, tally: Tally) -> Option<&TallyCount> {
        let at = tally.0 as usize;
        let chunk = self
            .0
            .get(at / CHUNK_LEN)?
            .get_or_init(|| (0..CHUNK_LEN).map(|_| TallyCount::default()).collect());
        chunk.get(at % CHUNK_LEN)
    }

    pub(super) fn get(&self, tally: Tally) -> Sum {
        let at = tally.0 as usize;
        let chunk = self.0.get(at / CHUNK_LEN).and_then(OnceLock::get);
        let count = chunk.and_then(|chunk| chunk.get(at % CHUNK_LEN));
        count.map_or(Sum::default(), |count| Sum {
            answers: count.answers.load(Relaxed),
            horizon: Timestamp::from_unix_micros(count.horizon.load(Relaxed)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &str) -> ServiceName {
        name.parse().expect("a service")
    }

    fn pool(name: &str) -> PoolName {
        name.parse().expect("a pool")
    }

    fn sum(number: u64) -> Sum {
        Sum { answers: number, horizon: Timestamp::from_unix_micros(number) }
    }

    fn seen(tallies: &Tallies, counted: u64) -> Vec<(String, u64, u64)> {
        let mut counts = Vec::new();
        let show = |service: &ServiceName, pool: &PoolName, sum: Sum| {
            let horizon = sum.horizon.since_epoch().as_micros() as u64;
            counts.push((format!("{service}/{pool}"), sum.answers, horizon));
        };
        tallies.look(|_| sum(counted), show);
        counts
    }

    #[test]
    fn a_pool_keeps_its_number_and_another_one_starts_at_nothing() {
        let tallies = Tallies::default();
        let of = |name: &str| tallies.of(&service("api"), &pool(name), |_| sum(7));
        let (v1, v2) = (of("v1"), of("v2"));
        assert_ne!(v1, v2);
        assert_eq!(of("v1"), v1);
        tallies.retain(&service("api"), |kept| *kept == pool("v2"));
        assert_eq!(of("v3"), v1, "a number is given again");
        assert_eq!(seen(&tallies, 9), [("api/v2".to_owned(), 9, 9), ("api/v3".to_owned(), 2, 9)]);
        let before = [("api/v2".to_owned(), 7, 7), ("api/v3".to_owned(), 0, 0)];
        assert_eq!(seen(&tallies, 7), before, "what its owner before gave is not its own");
        tallies.retain(&service("api"), |_| false);
        assert_eq!(seen(&tallies, 9), []);
    }

    #[test]
    fn an_answer_that_names_several_pools_is_in_the_horizon_of_each_and_in_no_count() {
        let tallies = Tallies::default();
        let (api, v1, v2) = (service("api"), pool("v1"), pool("v2"));
        let alone = tallies.of(&api, &v1, |_| Sum::default());
        let both = tallies.of_all(&api, &[&v2, &v1], |_| Sum::default());
        assert_eq!(tallies.of_all(&api, &[&v1, &v2], |_| Sum::default()), both);
        assert_ne!(alone, both);
        let counted = |tally| if tally == both { sum(9) } else { sum(3) };
        let seen = || {
            let pools = tallies.of_service(&api, counted).into_iter();
            pools.map(|(pool, _, sum)| (pool, sum)).collect::<Vec<_>>()
        };
        let horizon = |answers| Sum { answers, ..sum(9) };
        assert_eq!(seen(), [(v1.clone(), horizon(3)), (v2.clone(), horizon(0))]);
        tallies.retain(&api, |kept| *kept == v1);
        assert_eq!(seen(), [(v1, sum(3))], "what names a pool that is gone is over");
        assert_eq!(tallies.of_all(&api, &[&v2], |_| Sum::default()), both, "given again");
    }

    #[test]
    fn counts_are_there_when_they_are_first_needed() {
        let counts = TallyCounts::new();
        let far = Tally((CHUNK_LEN * 3 + 5) as u32);
        assert_eq!(counts.get(far), Sum::default());
        counts.count(far).expect("in range").answers.store(3, Relaxed);
        assert_eq!(counts.get(far).answers, 3);
        assert!(counts.count(Tally(u32::MAX)).is_none());
    }
}
