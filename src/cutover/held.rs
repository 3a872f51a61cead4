//! The pools that a phase holds on to, and how they follow the file.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use super::{
    following::Strays,
    phase::{Baking, Draining, Failed, Phase, Probing, Release, Shifting},
    ramp::{Judging, Settling},
    rolling_back::RollingBack,
    side::Side,
    waiting::Waiting,
    watch::Held,
};
use crate::{
    health::ServiceHealth,
    model::{Pool, PoolName, ServiceSpec},
};

/// What held pools follow.
#[derive(Clone, Copy)]
pub(super) struct Renewal<'a> {
    pub(super) spec: &'a ServiceSpec,
    /// Pools that the file no longer has so, as the names that they point to have them.
    pub(super) strays: &'a Strays,
    pub(super) health: &'a ServiceHealth,
    pub(super) is_frozen: bool,
}

impl Phase {
    /// Every pool that is held, wherever the file has gone since.
    pub(super) fn pools(&self) -> Vec<&Arc<Pool>> {
        let mut sides = vec![self.serving()];
        if let Self::Steady(steady) = self {
            sides.extend(&steady.previous);
        }
        if let Some(release) = self.release() {
            sides.extend([&release.from, &release.to, &release.safe]);
            sides.extend(&release.fallback);
        }
        sides.into_iter().flat_map(Side::pools).collect()
    }

    /// Lets the held pools follow the file, and the names that they point to. Those that are being
    /// probed and have no clients follow at once; those that clients have, or may be given, follow when
    /// that takes no capacity away, and the file not while everything is frozen. Where the file lets a
    /// pool point elsewhere, it follows its own name until then.
    pub(super) fn renew(&mut self, cx: &Renewal<'_>) {
        let Renewal { spec, strays, health, is_frozen } = *cx;
        let probed = self.probed();
        self.for_each_pool(|held| {
            let may_be = |wanted: &&Arc<Pool>| {
                let is_free = !is_frozen || held.points_like(wanted);
                probed.contains(&held.name) || (is_free && may_replace(held, wanted, spec, health))
            };
            let of_file = spec.pools.get(&held.name).filter(may_be);
            if let Some(wanted) = of_file.or_else(|| strays.latest(held).filter(may_be)) {
                *held = wanted.clone();
            }
        });
    }

    /// The pools of a release that have no clients yet.
    fn probed(&self) -> BTreeSet<PoolName> {
        match self {
            Self::Probing(Probing { release, .. })
            | Self::Waiting(Waiting { release, share: None, .. }) => {
                release.to.left_for(&release.from).map(|pool| pool.name.clone()).collect()
            }
            Self::Paused(paused) => paused.phase.probed(),
            _ => BTreeSet::new(),
        }
    }

    /// A pool that is only kept as the one before is forgotten with the file.
    pub(super) fn forget(&mut self, spec: &ServiceSpec) {
        let known = |pool: &PoolName| spec.pools.contains_key(pool);
        if let Self::Steady(steady) = self {
            steady.previous = steady.previous.take().and_then(|side| side.kept(known));
        }
        if let Some(release) = self.release_mut() {
            release.fallback = release.fallback.take().and_then(|side| side.kept(known));
        }
    }

    fn for_each_pool(&mut self, mut visit: impl FnMut(&mut Arc<Pool>)) {
        let mut visit_all = |side: &mut Side| side.pools_mut().for_each(&mut visit);
        match self {
            Self::Steady(steady) => {
                visit_all(&mut steady.serving);
                steady.previous.iter_mut().for_each(&mut visit_all);
            }
            Self::Failed(failed) => visit_all(&mut failed.serving),
            _ => {}
        }
        if let Some(release) = self.release_mut() {
            [&mut release.from, &mut release.to, &mut release.safe]
                .into_iter()
                .for_each(&mut visit_all);
            release.fallback.iter_mut().for_each(visit_all);
        }
    }

    /// Where it is noted why it should be rolled back but cannot be.
    pub(super) fn held_mut(&mut self) -> Option<&mut Option<Held>> {
        match self.awake_mut() {
            Self::Waiting(waiting) => Some(&mut waiting.held),
            Self::Settling(settling) => Some(&mut settling.held),
            Self::Judging(judging) => Some(&mut judging.held),
            Self::Baking(baking) => Some(&mut baking.held),
            _ => None,
        }
    }

    pub(super) fn release_mut(&mut self) -> Option<&mut Release> {
        match self {
            Self::Steady(_) => None,
            Self::Paused(paused) => paused.phase.release_mut(),
            Self::Probing(Probing { release, .. })
            | Self::Waiting(Waiting { release, .. })
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
        || after.is_ready(&spec.release)
        || before.all.eligible + before.all.down == 0
}
