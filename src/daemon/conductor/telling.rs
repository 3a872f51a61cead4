//! What machines have told: it is kept with what it tells of, and then told to people, in the log, and to
//! hooks.

use tracing::{info, warn};

use super::Conductor;
use crate::{
    cutover::Transition,
    model::{DnsName, ServiceName, Timestamp},
};

impl Conductor {
    /// What a machine told when it was given this as the time.
    pub(super) fn keep(&mut self, now: Timestamp, name: &ServiceName, told: Vec<Transition>) {
        self.unkept.note(now, name, &told);
        if told.is_empty() {
            return;
        }
        self.outbox.note(now, (&self.zone_of(name), name), &told);
        if self.tells {
            self.touched.insert(name.clone());
        }
        // What follows from a change has its cause.
        let cause = *self.causes.entry(name.clone()).or_insert(self.cause);
        self.told.extend(told.into_iter().map(|transition| (name.clone(), cause, transition)));
    }

    /// The apex of the zone that a service is in.
    pub(super) fn zone_of(&self, name: &ServiceName) -> DnsName {
        let (zones, service) = (self.zones.now.load(), self.services.get(name));
        let zone = service.and_then(|service| zones.of(&service.cutover.spec().owner));
        zone.unwrap_or(zones.first()).apex.clone()
    }

    pub(super) fn tell(&mut self) {
        self.outbox.publish();
        self.causes.clear();
        let generation = self.plane.store.load().generation();
        for (name, cause, transition) in self.told.drain(..) {
            self.metrics.transition(&name, cause, &transition);
            let Transition { from, to, why, release } = transition;
            match to {
                "RollingBack" | "Failed" | "Paused" => {
                    warn!(service = %name, from, to, why, release, generation, "transition");
                }
                // Entered anew by what is answered already: held, or rolled back on the way.
                _ if from == to => {
                    warn!(service = %name, from, to, why, release, generation, "transition");
                }
                _ => info!(service = %name, from, to, why, release, generation, "transition"),
            }
        }
    }
}
