//! What caches out there may hold: the horizons that the data plane has noted, and what is not
//! known of them yet.

use std::{collections::BTreeMap, sync::Arc};

use super::service::Service;
use crate::{
    cutover::{CACHE_CLOCK, Horizons},
    dns::Plane,
    model::{ServiceName, Timestamp, Ttl},
    table::Table,
};

/// What is known of caches.
pub(super) struct Caches {
    plane: Arc<Plane>,
    leaving: Vec<Leaving>,
}

/// A table that is no longer stored. Until nobody holds it, answers may still be made from it, and
/// the horizons of what it answers are not the last word.
struct Leaving {
    table: Arc<Table>,
    /// The services that it answers otherwise than the next one, and for how long caches keep that.
    services: BTreeMap<ServiceName, Ttl>,
}

impl Caches {
    pub(super) fn new(plane: Arc<Plane>) -> Self {
        Self { plane, leaving: Vec::new() }
    }

    /// The horizons of a service's pools.
    pub(super) fn horizons(&self, now: Timestamp, service: &Service) -> Horizons {
        let name = &service.cutover.spec().name;
        let leaving = self.leaving.iter().filter_map(|table| table.services.get(name));
        let still_answered = leaving.map(|ttl| now + ttl.duration() + CACHE_CLOCK).max();
        let floor = still_answered.unwrap_or_default().max(service.unknown_until);
        let noted = self.plane.counters.horizons(name).into_iter();
        Horizons::new(noted.map(|(pool, sent)| (pool, sent + CACHE_CLOCK)), floor)
    }

    /// A table is no longer stored.
    pub(super) fn leave(&mut self, table: Arc<Table>, services: BTreeMap<ServiceName, Ttl>) {
        if !services.is_empty() {
            self.leaving.push(Leaving { table, services });
        }
    }

    /// Whether there are tables that may still be answered from.
    pub(super) fn is_unsettled(&self) -> bool {
        !self.leaving.is_empty()
    }

    /// The services of those tables that nobody answers from any longer: their horizons are known.
    pub(super) fn settled(&mut self) -> Vec<ServiceName> {
        // What others noted before they let go of the table is seen from here on.
        let gone =
            self.leaving.extract_if(.., |leaving| Arc::get_mut(&mut leaving.table).is_some());
        gone.flat_map(|leaving| leaving.services.into_keys()).collect()
    }
}
