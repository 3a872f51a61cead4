//! From what machines ask for to what is answered: one table for everything that changed together.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use super::{Conductor, basis::tell_basis, deadlines};
use crate::{
    cutover::Answering,
    daemon::{
        caches::Left,
        failpoint::{Place, pass},
        names::Named,
        shares,
        told::Told,
    },
    model::{PoolName, ServiceName},
    probe::Assignment,
    table::Change,
};

impl Conductor {
    /// One store for everything that changed; then the machines that waited for it go on.
    pub(super) fn publish(&mut self) {
        let touched = std::mem::take(&mut self.touched);
        let (change, left) = self.change(&touched);
        if !change.set.is_empty() || !change.removed.is_empty() {
            let (begun, some_are_gone) = (Instant::now(), !change.removed.is_empty());
            let next = self.plane.store.load().with(change, self.now().unix_secs());
            pass(Place::BeforeStore);
            self.around.caches.leave(self.plane.store.swap(Arc::new(next)), left);
            self.metrics.table_stored(begun.elapsed());
            pass(Place::AfterStore);
            if some_are_gone {
                self.rezone_again();
            }
        }
        let now = self.now();
        let mut are_followed = true;
        for name in touched {
            let Some(service) = self.services.get_mut(&name) else { continue };
            // What could not be kept is not decided again before something else happens.
            let told = match self.unkept.is_put_back(&name) {
                true => Vec::new(),
                false => {
                    self.groups.mark(service);
                    service.published(now, &self.around)
                }
            };
            if let Some(assignment) = service.assignment() {
                let Assignment { addresses, spec, .. } = &assignment;
                self.doubt.assign(&name, spec.as_ref(), addresses);
                let _ = self.assignments.send(assignment);
            }
            if let Some(job) = service.job() {
                let _ = self.jobs.send(job);
            }
            let next = service.cutover.next_deadline();
            let next = next.map(|at| deadlines::look_at(at, service.cutover.steps_at()));
            let next = next.map(|at| at.max(self.keeper.not_before(now)));
            if let Some(before) = std::mem::replace(&mut service.scheduled, next) {
                self.deadlines.remove(&(before, name.clone()));
            }
            self.deadlines.extend(next.map(|at| (at, name.clone())));
            self.courses.follow(now, &name, service);
            are_followed &= self.targets.is_followed(&name, service);
            if !service.is_published(&service.cutover.answering(&service.health), self.tells) {
                self.touched.insert(name.clone());
            }
            self.keep(now, &name, told);
        }
        if !are_followed {
            // Pools are left without a new file too.
            self.targets.follow(&mut self.services);
        }
    }

    /// What the next table has otherwise than this one, and of which services caches keep what this
    /// one answers, for how long.
    fn change(&mut self, touched: &BTreeSet<ServiceName>) -> (Change, BTreeMap<ServiceName, Left>) {
        let mut left = BTreeMap::new();
        let mut change = Change { set: Vec::new(), removed: std::mem::take(&mut self.removed) };
        let mut names = touched.clone();
        while !names.is_empty() {
            let named = names.iter().filter_map(|name| self.named(name, &mut left)).collect();
            let services = &self.services;
            let is_held = |name: &ServiceName| {
                services.get(name).is_none_or(|service| service.cutover.is_orphaned())
            };
            // Those whose names are free now have them in the same table.
            names = self.names.answer(named, is_held, &mut change);
            for name in &names {
                let waiting = self.services.get_mut(name).into_iter();
                waiting.for_each(|service| service.is_anew = true);
            }
        }
        (change, left)
    }

    /// What is to be answered at the names of a service, if that has changed.
    fn named(
        &mut self,
        name: &ServiceName,
        left: &mut BTreeMap<ServiceName, Left>,
    ) -> Option<Named> {
        let (now, generation) = (self.now(), self.plane.store.load().generation() + 1);
        let service = self.services.get_mut(name)?;
        let answering = service.cutover.answering(&service.health);
        if service.is_published(&answering, self.tells) {
            return None;
        }
        if let Some(before) = &service.published {
            self.courses.leave(now, name, before);
        }
        tell_basis(name, service.published.as_ref(), &answering);
        let owner = service.cutover.spec().owner.clone();
        let counters = &self.plane.counters;
        let tally = |pool: &PoolName| Some(counters.tally(name, pool));
        let together = |pools: &[&PoolName]| Some(counters.tally_of_all(name, pools));
        let mut records = shares::records(&owner, &answering, tally, together);
        if self.tells {
            let told = Told::of(service.cutover.phase(), &answering);
            records.extend(told.record(&owner, generation, answering.ttl));
            service.told = Some(told);
        }
        let cutover = &service.cutover;
        let horizons = self.around.caches.horizons(now, service);
        let off_after = cutover.spec().release.off_after();
        let is_known = |pool: &PoolName| {
            let is_in_caches = horizons.of(pool) + off_after > now;
            is_in_caches || cutover.holds(pool) || answering.pools().any(|it| it == pool)
        };
        self.plane.counters.retain(name, is_known);
        service.remembered.retain(|pool, _| is_known(pool));
        service.left.retain(|pool, _| is_known(pool));
        let before = service.publish(now, answering);
        let is_alike = |before: &Answering| {
            service.published.as_ref().is_some_and(|it| it.is_held_like(before))
        };
        // Whoever is answered anew because of a name has left what it was answered with first.
        if let Some(before) = before.filter(|_| !left.contains_key(name)) {
            let of_it = Left { ttl: before.ttl_max(now), is_alike: is_alike(&before) };
            left.insert(name.clone(), of_it);
        }
        Some(Named { service: name.clone(), owner, records })
    }
}
