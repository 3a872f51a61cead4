//! What is known of the names that pools point to, and which services have pools that do.
//!
//! What was found last is kept for as long as a pool points there, whatever becomes of looking it up
//! again: an address that may be out of date is better than none.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tokio::sync::watch;
use tracing::{debug, info, warn};

use super::{
    lookups::Looked,
    service::{Around, Service},
};
use crate::{
    model::{DnsName, Pool, Resolution, ServiceName, ServiceSpec, Timestamp, Ttl},
    target::Trouble,
};

/// For how long something is known of which no more is known than that it was so.
const TTL: Ttl = Ttl::from_secs_const(1);

pub(super) struct Targets {
    known: BTreeMap<DnsName, Known>,
    users: BTreeMap<DnsName, BTreeSet<ServiceName>>,
    /// The names to which the pools of each service point, of those that have any.
    used: BTreeMap<ServiceName, BTreeSet<DnsName>>,
    /// Whoever looks names up is told which.
    wanted: watch::Sender<BTreeSet<DnsName>>,
}

/// What is known of one name.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// What was found last.
    pub(super) resolution: Option<Resolution>,
    /// When it was, if that was while we ran.
    pub(super) found_at: Option<Timestamp>,
    /// Why it cannot be looked up, since when, if it cannot.
    pub(super) trouble: Option<(Trouble, Timestamp)>,
}

impl Targets {
    pub(super) fn new(wanted: watch::Sender<BTreeSet<DnsName>>) -> Self {
        let (known, users, used) = Default::default();
        Self { known, users, used, wanted }
    }

    /// Whether what is followed for a service are the names to which its pools point now.
    pub(super) fn is_followed(&self, name: &ServiceName, service: &Service) -> bool {
        match self.used.get(name) {
            Some(used) => *used == names_of(service),
            None => names_of(service).is_empty(),
        }
    }

    /// From now on these are the services. What they have kept of a name is known of it, as long as
    /// nothing else is.
    pub(super) fn follow(&mut self, services: &mut BTreeMap<ServiceName, Service>) {
        self.users.clear();
        self.used.clear();
        let mut kept: BTreeMap<DnsName, Resolution> = BTreeMap::new();
        for (name, service) in services.iter() {
            let used = names_of(service);
            if !used.is_empty() {
                self.used.insert(name.clone(), used);
            }
            for pool in service.cutover.pools() {
                let Some(target) = &pool.target else { continue };
                self.users.entry(target.name.clone()).or_default().insert(name.clone());
                // For how long it was known is kept only where the addresses are answered.
                let is_better = pool.ttl_max.is_some()
                    && kept.get(&target.name).is_none_or(|other| other.ttl == TTL);
                if !pool.is_unresolved() && (is_better || !kept.contains_key(&target.name)) {
                    kept.insert(target.name.clone(), found(pool));
                }
            }
        }
        for name in self.users.keys() {
            let known = self.known.entry(name.clone()).or_default();
            known.resolution = known.resolution.take().or_else(|| kept.remove(name));
        }
        self.known.retain(|name, _| self.users.contains_key(name));
        for (name, users) in &self.users {
            let failure = self.of(name).and_then(Known::failure);
            for user in users {
                if let Some(service) = services.get_mut(user) {
                    service.health.lookups.note(name, failure.clone());
                }
            }
        }
        let wanted: BTreeSet<DnsName> = self.users.keys().cloned().collect();
        self.wanted.send_if_modified(|before| {
            let is_other = *before != wanted;
            *before = wanted;
            is_other
        });
    }

    /// A service as the file asks for it, with what is known of the names that its pools point to.
    pub(super) fn filled(&self, spec: &Arc<ServiceSpec>) -> Arc<ServiceSpec> {
        if spec.pools.values().all(|pool| pool.target.is_none()) {
            return spec.clone();
        }
        let mut spec = ServiceSpec::clone(spec);
        for pool in spec.pools.values_mut() {
            let target = pool.target.as_ref();
            let known = target.and_then(|target| self.of(&target.name)?.resolution.as_ref());
            if let Some(resolution) = known {
                *pool = Arc::new(pool.resolved(resolution));
            }
        }
        spec.into()
    }

    /// A name was looked up: whose pools point there.
    pub(super) fn note(&mut self, now: Timestamp, looked: &Looked) -> BTreeSet<ServiceName> {
        let Looked { name, result } = looked;
        let Some(known) = self.known.get_mut(name) else { return BTreeSet::new() };
        match result {
            Ok(resolution) => {
                let (before, ttl) = (known.resolution.replace(resolution.clone()), resolution.ttl);
                let was_known = before.as_ref().map(|it| &it.addresses);
                let addresses = &resolution.addresses;
                if known.trouble.take().is_some() || was_known.is_none() {
                    info!(%name, ?addresses, ttl = ttl.secs(), "a name that pools point to is found");
                } else if was_known != Some(addresses) {
                    debug!(%name, ?addresses, ttl = ttl.secs(), "it has other addresses");
                }
                known.found_at = Some(now);
            }
            Err(trouble) => {
                if known.trouble.as_ref().is_none_or(|(before, _)| before != trouble) {
                    match known.resolution.as_ref().map(|kept| &kept.addresses) {
                        Some(kept) => warn!(
                            %name, why = %trouble, ?kept,
                            "a name that pools point to is not found: what was found last stays"
                        ),
                        None => warn!(
                            %name, why = %trouble,
                            "a name that pools point to is not found, and never has been"
                        ),
                    }
                }
                let since = known.trouble.as_ref().map_or(now, |(_, since)| *since);
                known.trouble = Some((trouble.clone(), since));
            }
        }
        self.users.get(name).cloned().unwrap_or_default()
    }

    /// A service's pools have what is known of the names that they point to.
    pub(super) fn tell(&self, now: Timestamp, service: &mut Service, around: &Around) {
        for name in names_of(service) {
            if let Some(resolution) = self.of(&name).and_then(|known| known.resolution.as_ref()) {
                service.follow(now, &name, resolution, around);
            }
        }
    }

    /// What is known of a name.
    pub(super) fn of(&self, name: &DnsName) -> Option<&Known> {
        self.known.get(name)
    }
}

impl Known {
    pub(super) fn failure(&self) -> Option<String> {
        self.trouble.as_ref().map(|(trouble, _)| trouble.to_string())
    }
}

/// The names to which the pools of a service point.
fn names_of(service: &Service) -> BTreeSet<DnsName> {
    let names = service.cutover.pools().filter_map(|pool| Some(&pool.target.as_ref()?.name));
    names.cloned().collect()
}

/// What a pool has of its name.
fn found(pool: &Pool) -> Resolution {
    Resolution { addresses: pool.addresses().collect(), ttl: pool.ttl_max.unwrap_or(TTL) }
}
