//! What caches out there may hold: the horizons that the data plane has noted, and what is not
//! known of them yet.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::service::Service;
use crate::{
    cutover::{CACHE_CLOCK, Horizons, PREVIEW_TTL},
    dns::Plane,
    model::{PoolName, ServiceName, Timestamp, Ttl},
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
    /// The services that it answers otherwise than the next one.
    services: BTreeMap<ServiceName, Left>,
}

/// What a table that is no longer stored answers of a service.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    /// For how long caches keep it.
    pub(super) ttl: Ttl,
    /// Whether they hold the same of each pool as by the table that is stored.
    pub(super) is_alike: bool,
}

impl Caches {
    pub(super) fn new(plane: Arc<Plane>) -> Self {
        Self { plane, leaving: Vec::new() }
    }

    /// The horizons of a service's pools.
    pub(super) fn horizons(&self, now: Timestamp, service: &Service) -> Horizons {
        let name = &service.cutover.spec().name;
        let leaving = self.leaving.iter().filter_map(|table| table.services.get(name));
        let leaving = leaving.filter(|left| !left.is_alike);
        let behind = behind(service);
        let still_answered = leaving.map(|left| now + left.ttl.duration() + behind).max();
        let is_unsettled = still_answered.is_some();
        let floor = still_answered.unwrap_or_default().max(service.unknown_until);
        let mut known = self.known(service);
        // What the stored table answers, a cache may be given now.
        if let Some(answering) = &service.published {
            for pool in answering.pools() {
                let given_now = now + answering.ttl_max(now).duration() + behind;
                let horizon = known.entry(pool.clone()).or_default();
                *horizon = given_now.max(*horizon);
            }
        }
        Horizons::new(known, floor).unsettled(is_unsettled)
    }

    /// The horizons that have been noted, and those that were noted before we started. Of a pool that
    /// is no longer answered this is the last word.
    pub(super) fn known(&self, service: &Service) -> BTreeMap<PoolName, Timestamp> {
        let noted = self.plane.counters.horizons(&service.cutover.spec().name).into_iter();
        let (mut known, behind) = (service.remembered.clone(), behind(service));
        for (pool, sent) in noted {
            let horizon = known.entry(pool).or_default();
            *horizon = (sent + behind).max(*horizon);
        }
        known
    }

    /// How often each pool of a service has been answered.
    pub(super) fn answers(&self, service: &Service) -> BTreeMap<PoolName, u64> {
        let counted = self.plane.counters.answers(&service.cutover.spec().name).into_iter();
        counted.map(|(pool, _, answers)| (pool, answers)).collect()
    }

    /// A table is no longer stored.
    pub(super) fn leave(&mut self, table: Arc<Table>, services: BTreeMap<ServiceName, Left>) {
        // What was like this one is no longer like what is stored.
        let other = |name: &ServiceName| services.get(name).is_some_and(|left| !left.is_alike);
        for (name, left) in self.leaving.iter_mut().flat_map(|leaving| &mut leaving.services) {
            left.is_alike &= !other(name);
        }
        if !services.is_empty() {
            self.leaving.push(Leaving { table, services });
        }
    }

    /// Whether there is a table that may still be answered from, and that answers a service
    /// otherwise than the one that is stored.
    pub(super) fn is_leaving(&self, service: &ServiceName) -> bool {
        self.leaving.iter().any(|leaving| leaving.services.contains_key(service))
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

/// How long after an answer has expired by its TTL something of it may still be in caches: its SRV records
/// lead to names that are asked for by themselves, and kept for as long as they were.
fn behind(service: &Service) -> Duration {
    let has_targets = service.published.as_ref().is_some_and(|it| !it.kinds.srv.is_empty());
    if has_targets { CACHE_CLOCK + PREVIEW_TTL.duration() } else { CACHE_CLOCK }
}

#[cfg(test)]
mod tests {
    use arc_swap::ArcSwap;
    use prometheus::Registry;

    use super::*;
    use crate::{
        config::release,
        dns::{Clock, Counters, Responder},
        model::{CookieSecrets, DnsName, Outside, RrlSettings, Start, ZoneSpec},
    };

    const FILE: &str = r#"version = 1
[services.api]
live = "v1"
ttl = "60s"
probe = "none"
pools.v1.endpoints = ["192.0.2.1"]
pools.v2.endpoints = ["192.0.2.2"]
"#;

    fn name(text: &str) -> DnsName {
        text.parse().expect("a name")
    }

    /// A daemon's caches and the one service of the file, which nobody has asked for.
    fn scene(file: &str) -> (Caches, Service) {
        let zone = ZoneSpec {
            apex: name("zone.test"),
            nameservers: vec![name("ns1.zone.test")],
            hostmaster: name("hostmaster.zone.test"),
            start: Start::default(),
            records: Vec::new(),
        };
        let desired = release::parse(
            "release.toml".as_ref(),
            file,
            &zone.clone().into(),
            &Outside::default(),
        )
        .expect("good");
        let plane = Plane {
            store: Arc::new(ArcSwap::from_pointee(Table::new(&zone, (1, 2), 1))),
            responder: Responder::new(CookieSecrets::random([1; 16]), None),
            rrl: RrlSettings::default(),
            counters: Counters::register(&Registry::new()).expect("new names"),
            clock: Clock::start(),
        };
        let spec = desired.services.values().next().expect("one").clone();
        let service = Service::adopt(at(0), spec, Timestamp::default());
        (Caches::new(Arc::new(plane)), service)
    }

    fn at(second: u64) -> Timestamp {
        Timestamp::from_unix_micros(1_000_000_000) + Duration::from_secs(second)
    }

    fn horizon(caches: &Caches, service: &Service, second: u64, pool: &str) -> Timestamp {
        caches.horizons(at(second), service).of(&pool.parse().expect("a name"))
    }

    #[test]
    fn what_is_answered_may_be_given_at_any_time() {
        let (caches, mut service) = scene(FILE);
        assert_eq!(horizon(&caches, &service, 5, "v1"), Timestamp::default());
        service.published = Some(service.cutover.answering(&service.health));
        assert_eq!(horizon(&caches, &service, 5, "v1"), at(5 + 60 + 1));
        assert_eq!(horizon(&caches, &service, 5, "v2"), Timestamp::default());
    }

    /// Who asks for an endpoint's name just before the SRV records expire.
    #[test]
    fn what_balancers_are_sent_to_is_in_caches_for_longer_than_that_they_are() {
        let (caches, mut service) = scene(&FILE.replace(
            "pools.v1.endpoints = [",
            "srv = [\"_http._tcp\"]\npools.v1.port = 80\npools.v2.port = 80\npools.v1.endpoints = [",
        ));
        service.published = Some(service.cutover.answering(&service.health));
        assert_eq!(horizon(&caches, &service, 5, "v1"), at(5 + 60 + 5 + 1));
    }

    #[test]
    fn a_table_that_was_replaced_counts_until_nobody_answers_from_it() {
        let (mut caches, service) = scene(FILE);
        let table = caches.plane.store.load_full();
        let reader = table.clone();
        let api = service.cutover.spec().name.clone();
        let next = Table::clone(&table).with(crate::table::Change::default(), 2);
        caches.plane.store.store(Arc::new(next));
        let left = |is_alike| {
            BTreeMap::from([(api.clone(), Left { ttl: Ttl::from_secs_const(60), is_alike })])
        };
        caches.leave(table, left(true));
        assert!(caches.settled().is_empty() && caches.is_unsettled());
        assert_eq!(horizon(&caches, &service, 5, "v1"), Timestamp::default());
        // The one after it answers something else, and nobody has that one any longer.
        caches.leave(Arc::new(Table::clone(&reader)), left(false));
        assert_eq!(caches.settled(), std::slice::from_ref(&api));
        assert!(caches.settled().is_empty() && caches.is_unsettled());
        assert_eq!(horizon(&caches, &service, 5, "v1"), at(5 + 60 + 1));
        drop(reader);
        assert_eq!(caches.settled(), [api]);
        assert!(!caches.is_unsettled());
        assert_eq!(horizon(&caches, &service, 5, "v1"), Timestamp::default());
    }
}
