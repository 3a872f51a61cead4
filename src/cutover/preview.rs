//! What is answered of pools beside their shares: at names of their own, and to clients who are shown
//! the new side before their time.

use std::sync::Arc;

use super::{
    Cutover,
    answered::{Answered, alike, best, eligible},
    answering::Shown,
};
use crate::{
    health::{ServiceHealth, Verdict},
    model::{Endpoint, Pool, Ttl, Weight},
};

/// For how long caches may keep an answer that shows a pool before its time: what is being tested
/// changes.
pub const PREVIEW_TTL: Ttl = Ttl::from_secs_const(5);

impl Cutover {
    /// The pools of the file that are reachable by themselves: whatever is the best of each.
    pub(super) fn by_name(&self, health: &ServiceHealth) -> Vec<Answered> {
        let names = &self.spec.kinds.previews;
        let pools = self.spec.pools.values().filter(|pool| names.contains_key(&pool.name));
        let rank = |endpoint: &Endpoint| match health.verdict(endpoint.address()) {
            Verdict::Down => 0,
            Verdict::Unproven => 1,
            Verdict::Up | Verdict::Presumed | Verdict::Unprobed => 2,
        };
        pools.map(|pool| Answered::new(pool, Weight::ONE, best(pool, rank))).collect()
    }

    /// The pools of which load balancers are told each endpoint, and those of which they may have been.
    pub(super) fn named(&self) -> Vec<Arc<Pool>> {
        if self.spec.kinds.srv.is_empty() {
            return Vec::new();
        }
        let mut named: Vec<Arc<Pool>> = self.spec.pools.values().cloned().collect();
        for held in self.phase.pools() {
            if !named.contains(held) {
                named.push(held.clone());
            }
        }
        named
    }

    /// Those who are shown the new side, from when anything of it is up until everyone has it.
    pub(super) fn shown(&self, health: &ServiceHealth) -> Option<Shown> {
        let networks = &self.spec.release.preview;
        let release = self.phase.release().filter(|_| !networks.is_empty())?;
        if !self.phase.is_before_all() {
            return None;
        }
        let shown = release
            .to
            .parts()
            .map(|(pool, weight)| (pool, Answered::new(pool, weight, eligible(pool, health))));
        let parts = alike(shown.filter(|(_, part)| !part.endpoints.is_empty()));
        let networks = networks.clone();
        (!parts.is_empty()).then_some(Shown { networks, parts })
    }
}
