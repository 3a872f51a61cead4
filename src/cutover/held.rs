//! The pools that a phase holds on to, and how they follow the file.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use super::{
    phase::{Baking, Draining, Failed, Phase, Probing, Release, RollingBack, Shifting},
    ramp::{Judging, Settling},
};
use crate::{
    health::ServiceHealth,
    model::{Pool, ServiceSpec},
};

impl Phase {
    /// Every pool that is held, wherever the file has gone since.
    pub(super) fn pools(&self) -> Vec<&Arc<Pool>> {
        let mut pools = vec![self.serving()];
        if let Self::Steady(steady) = self {
            pools.extend(&steady.previous);
        }
        if let Some(release) = self.release() {
            pools.extend([&release.from, &release.to, &release.safe]);
            pools.extend(&release.fallback);
        }
        pools
    }

    /// Lets the held pools follow the file. The one that is being probed follows at once; those
    /// that clients have, or may be given, follow when that takes no capacity away.
    pub(super) fn renew(&mut self, spec: &ServiceSpec, health: &ServiceHealth) {
        let probed = match self {
            Self::Probing(probing) => Some(probing.release.to.name.clone()),
            _ => None,
        };
        self.for_each_pool(|held| match spec.pools.get(&held.name) {
            Some(wanted)
                if Some(&held.name) == probed.as_ref()
                    || may_replace(held, wanted, spec, health) =>
            {
                *held = wanted.clone();
            }
            _ => {}
        });
    }

    /// A pool that is only kept as the one before is forgotten with the file.
    pub(super) fn forget(&mut self, spec: &ServiceSpec) {
        let known = |pool: &Arc<Pool>| spec.pools.contains_key(&pool.name);
        if let Self::Steady(steady) = self {
            steady.previous = steady.previous.take().filter(known);
        }
        if let Some(release) = self.release_mut() {
            release.fallback = release.fallback.take().filter(known);
        }
    }

    fn for_each_pool(&mut self, mut visit: impl FnMut(&mut Arc<Pool>)) {
        match self {
            Self::Steady(steady) => {
                visit(&mut steady.pool);
                steady.previous.iter_mut().for_each(&mut visit);
            }
            Self::Failed(failed) => visit(&mut failed.serving),
            _ => {}
        }
        if let Some(release) = self.release_mut() {
            [&mut release.from, &mut release.to, &mut release.safe]
                .into_iter()
                .for_each(&mut visit);
            release.fallback.iter_mut().for_each(visit);
        }
    }

    fn release_mut(&mut self) -> Option<&mut Release> {
        match self {
            Self::Steady(_) => None,
            Self::Probing(Probing { release, .. })
            | Self::Shifting(Shifting { release, .. })
            | Self::Settling(Settling { release, .. })
            | Self::Judging(Judging { release, .. })
            | Self::Baking(Baking { release, .. })
            | Self::Draining(Draining { release, .. })
            | Self::RollingBack(RollingBack { release, .. })
            | Self::Failed(Failed { release, .. }) => Some(release),
        }
    }
}

/// Whether clients lose nothing when a pool becomes what the file says: as many endpoints may
/// answer as before, or enough of the new ones are proven. What a person only takes out goes at
/// once, as long as something is left; a pool that never had a proven endpoint holds nothing back.
fn may_replace(held: &Pool, wanted: &Pool, spec: &ServiceSpec, health: &ServiceHealth) -> bool {
    let (before, after) = (health.tally(held), health.tally(wanted));
    let known: BTreeSet<IpAddr> = held.addresses().collect();
    let only_less = wanted.addresses().all(|address| known.contains(&address));
    let as_many = only_less || after.all.eligible >= before.all.eligible;
    (as_many && after.darkens_nothing_of(&before))
        || after.is_ready(spec.release.min_up)
        || before.all.eligible + before.all.down == 0
}
