//! The zone files were read again.

use std::{collections::BTreeMap, sync::Arc};

use tracing::{error, info};

use super::Conductor;
use crate::{config::Rejected, model::Zones};

impl Conductor {
    /// Answers from these zones from now on, unless a service stands in their way.
    pub(super) fn rezone(&mut self, read: Result<Box<Zones>, Rejected>) {
        self.zones.held_up = None;
        let zones = match read {
            Ok(zones) => zones,
            Err(rejected) => {
                // There may be several of them.
                let why = format!("{}: {}", rejected.path.display(), rejected.summary());
                return self.refuse_zones(&why, Some(rejected));
            }
        };
        match self.clash(&zones) {
            Some(why) => {
                self.refuse_zones(&why, None);
                self.zones.held_up = Some(zones);
            }
            None => self.answer_from(zones),
        }
    }

    /// Looks again at zones that were refused for a service: names of services are gone.
    pub(super) fn rezone_again(&mut self) {
        let Some(zones) = self.zones.held_up.take() else { return };
        match self.clash(&zones) {
            // It has been said of the first that stood in the way.
            Some(why) => {
                self.zones.rejected = Some(why);
                self.zones.held_up = Some(zones);
            }
            None => self.answer_from(zones),
        }
    }

    fn answer_from(&mut self, zones: Box<Zones>) {
        self.zones.rejected = None;
        let known = self.zones.now.load_full();
        if *known == *zones {
            info!("the zone files were read again: nothing has changed");
            return;
        }
        let (store, now) = (&self.plane.store, self.now().unix_secs());
        let next = store.load().with_zones(known.all(), zones.all(), now);
        self.around.caches.leave(self.plane.store.swap(Arc::new(next)), BTreeMap::new());
        info!("the zone files were read again, and are being answered from");
        self.zones.now.store(zones.into());
    }

    fn refuse_zones(&mut self, why: &str, rejected: Option<Rejected>) {
        error!(
            why,
            "a zone file on disk was refused and is not what is served; \
             `cutover check` shows every mistake"
        );
        self.zones.rejected = Some(why.to_owned());
        if let Some(rejected) = rejected {
            tracing::debug!(%rejected, "what is wrong with it");
        }
    }

    /// What the zones would have beside a service of ours.
    fn clash(&self, zones: &Zones) -> Option<String> {
        let taken = crate::config::release::Taken::new(zones);
        let specs = self.services.iter().map(|(name, it)| (name, it.cutover.spec()));
        let own = specs.clone().map(|(service, spec)| (service, taken.why_not(&spec.owner)));
        let all = specs.map(|(service, spec)| (service, taken.why_not_all(spec)));
        let names = self.names.all().map(|(name, service)| (service, taken.why_not(name)));
        own.chain(all).chain(names).find_map(|(service, why)| {
            Some(format!("the service {service} is being answered, and {}", why?))
        })
    }
}
