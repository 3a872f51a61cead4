//! One service as the conductor holds it: its machine, its verdicts, and what was last told of
//! them to the table and to the prober.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use super::caches::Caches;
use crate::{
    cutover::{Answering, Cutover, Event, Facts, Order, Refusal, Transition},
    health::{Outcome, ServiceHealth, Verdict},
    model::{ProbeSpec, ServiceSpec, Timestamp},
    probe::Assignment,
};

pub(super) struct Service {
    pub(super) cutover: Cutover,
    pub(super) health: ServiceHealth,
    /// Until when nothing is known of what caches hold.
    pub(super) unknown_until: Timestamp,
    /// What the stored table answers.
    pub(super) published: Option<Answering>,
    /// The deadline that the conductor keeps for it.
    pub(super) scheduled: Option<Timestamp>,
    /// What the prober was last told.
    assigned: Option<(Option<Arc<ProbeSpec>>, BTreeSet<IpAddr>)>,
}

impl Service {
    /// A service that is answered from now on; until `unknown_until` caches may hold answers that
    /// were given before we started.
    pub(super) fn adopt(now: Timestamp, spec: Arc<ServiceSpec>, unknown_until: Timestamp) -> Self {
        let mut health = ServiceHealth::default();
        let live: Vec<IpAddr> = spec.live_pools().flat_map(|pool| pool.addresses()).collect();
        health.retarget(now, &spec.probe, live, Verdict::Presumed);
        let cutover = Cutover::adopt(spec);
        let (published, scheduled, assigned) = (None, None, None);
        let mut service = Self { cutover, health, unknown_until, published, scheduled, assigned };
        service.retarget(now);
        service
    }

    pub(super) fn desire(
        &mut self,
        now: Timestamp,
        spec: Arc<ServiceSpec>,
        caches: &Caches,
    ) -> Vec<Transition> {
        let mut told = self.handle(now, Event::Desired(spec), caches);
        told.extend(self.observe(now, caches));
        told
    }

    pub(super) fn vanish(&mut self, now: Timestamp, caches: &Caches) -> Vec<Transition> {
        self.handle(now, Event::Vanished, caches)
    }

    /// Counts a try; true when it changed a verdict.
    pub(super) fn tried(&mut self, now: Timestamp, address: IpAddr, outcome: Outcome) -> bool {
        self.health.observe(now, address, outcome)
    }

    pub(super) fn observe(&mut self, now: Timestamp, caches: &Caches) -> Vec<Transition> {
        self.handle(now, Event::Observed, caches)
    }

    pub(super) fn published(&mut self, now: Timestamp, caches: &Caches) -> Vec<Transition> {
        self.handle(now, Event::Published, caches)
    }

    /// Does what a person asks, or says why not.
    pub(super) fn ask(
        &mut self,
        now: Timestamp,
        order: &Order,
        caches: &Caches,
    ) -> Result<Vec<Transition>, Refusal> {
        let horizons = caches.horizons(now, self);
        let facts = Facts { health: &self.health, horizons: &horizons };
        let told = self.cutover.ask(now, order, facts)?;
        self.retarget(now);
        Ok(told)
    }

    fn handle(&mut self, now: Timestamp, event: Event, caches: &Caches) -> Vec<Transition> {
        let horizons = caches.horizons(now, self);
        let facts = Facts { health: &self.health, horizons: &horizons };
        let told = self.cutover.handle(now, event, facts);
        self.retarget(now);
        told
    }

    /// What the prober must be told, if it does not know it yet.
    pub(super) fn assignment(&mut self) -> Option<Assignment> {
        let spec = self.cutover.spec();
        let wanted = (spec.probe.spec().cloned(), self.cutover.addresses());
        if self.assigned.as_ref() == Some(&wanted) {
            return None;
        }
        self.assigned = Some(wanted.clone());
        let (probe, addresses) = wanted;
        Some(Assignment { service: spec.name.clone(), spec: probe, addresses })
    }

    fn retarget(&mut self, now: Timestamp) {
        let addresses = self.cutover.addresses();
        self.health.retarget(now, &self.cutover.spec().probe, addresses, Verdict::Unproven);
    }
}
