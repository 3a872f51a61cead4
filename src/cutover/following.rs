//! How the pools of a service follow the names to which they point, wherever the file has gone since.

use std::sync::Arc;

use super::{Cutover, Facts, held::Renewal, phase::Phase};
use crate::model::{DnsName, Pool, Resolution, ServiceSpec};

/// Pools that point to names and are held, though the file has dropped them or lets them point elsewhere:
/// as those names have them by now.
#[derive(Clone, Debug, Default)]
pub(super) struct Strays(Vec<Arc<Pool>>);

impl Strays {
    /// The latest of a pool that is held, if it is one of these.
    pub(super) fn latest(&self, held: &Pool) -> Option<&Arc<Pool>> {
        self.0.iter().find(|stray| is_same(stray, held))
    }

    pub(super) fn pools(&self) -> impl Iterator<Item = &Arc<Pool>> {
        self.0.iter()
    }

    fn note(&mut self, pool: Pool) {
        self.0.retain(|known| !is_same(known, &pool));
        self.0.push(pool.into());
    }

    fn forget(&mut self, spec: &ServiceSpec, phase: &Phase) {
        if !self.0.is_empty() {
            let held = phase.pools();
            let is_held = |stray: &Arc<Pool>| held.iter().any(|held| is_same(stray, held));
            self.0.retain(|stray| of_file(spec, stray).is_none() && is_held(stray));
        }
    }
}

/// Whether they are one pool, with what was found at one time or another.
fn is_same(one: &Pool, other: &Pool) -> bool {
    one.name == other.name && one.points_like(other)
}

/// The pool of the file, if it points to the same name.
fn of_file<'s>(spec: &'s ServiceSpec, held: &Pool) -> Option<&'s Arc<Pool>> {
    spec.pools.get(&held.name).filter(|pool| pool.target == held.target)
}

impl Cutover {
    /// Every pool that points to a name has the addresses of that name. Nobody has edited anything, and
    /// nothing is decided: [`Event::Resolved`](super::Event::Resolved) does that too.
    pub fn follow(&mut self, name: &DnsName, resolution: &Resolution, facts: Facts<'_>) {
        let is_there = |pool: &&Arc<Pool>| pool.points_to(name);
        let resolved = |pool: &Arc<Pool>| (pool.name.clone(), Arc::new(pool.resolved(resolution)));
        let of_spec: Vec<_> = self.spec.pools.values().filter(is_there).map(resolved).collect();
        if !of_spec.is_empty() {
            Arc::make_mut(&mut self.spec).pools.extend(of_spec);
        }
        for held in self.phase.pools().into_iter().filter(is_there) {
            if of_file(&self.spec, held).is_none() {
                self.strays.note(held.resolved(resolution));
            }
        }
        self.renew(facts);
    }

    /// Whether its pools are what following a name would make of them, or are about to be.
    pub fn follows(&self, name: &DnsName, resolution: &Resolution) -> bool {
        let is_there = |pool: &&Arc<Pool>| pool.points_to(name);
        let latest = |pool: &Arc<Pool>| {
            let known = of_file(&self.spec, pool).or_else(|| self.strays.latest(pool));
            known.is_some_and(|known| **known == known.resolved(resolution))
        };
        self.pools().filter(is_there).all(latest)
    }

    pub(super) fn renew(&mut self, Facts { health, freeze, .. }: Facts<'_>) {
        let (spec, strays, is_frozen) = (&*self.spec, &self.strays, freeze.is_some());
        self.phase.renew(&Renewal { spec, strays, health, is_frozen });
    }

    pub(super) fn forget_strays(&mut self) {
        self.strays.forget(&self.spec, &self.phase);
    }
}
