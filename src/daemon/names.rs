//! Which service has which names in the table.
//!
//! A service has more names than its own: of its pools, of its endpoints, and of records below it. The
//! release file gives no name twice; but one that is held on to though the file has dropped it may be
//! in the way of a new one. Of two whose own name it is, the one that the file names has it; a service's
//! own name goes before what another one calls its pools; and else who has a name keeps it. Whoever
//! does not get one waits for it, and is to be answered anew when it is free.

use std::collections::{BTreeMap, BTreeSet};

use tracing::warn;

use crate::{
    model::{DnsName, ServiceName},
    table::{Change, NamedRecords, ServiceRecords},
};

/// All names, and who has them.
#[derive(Default)]
pub(super) struct Names {
    owners: BTreeMap<DnsName, ServiceName>,
    /// What is answered at the names of each service beside its own.
    others: BTreeMap<ServiceName, NamedRecords>,
    /// Who else would have a name.
    waiting: BTreeMap<DnsName, BTreeSet<ServiceName>>,
    /// The same by who waits.
    waits: BTreeMap<ServiceName, BTreeSet<DnsName>>,
}

/// A service, its own name, and what is to be answered at that and at its other names.
pub(super) struct Named {
    pub(super) service: ServiceName,
    pub(super) owner: DnsName,
    pub(super) records: NamedRecords,
}

impl Names {
    /// Notes in `change` what is to be answered at the names of some services from now on; gives the
    /// services that are to be answered anew because names are free now. `is_held` says who is only
    /// held on to.
    pub(super) fn answer(
        &mut self,
        all: Vec<Named>,
        is_held: impl Fn(&ServiceName) -> bool,
        change: &mut Change,
    ) -> BTreeSet<ServiceName> {
        let mut again = BTreeSet::new();
        for Named { service, owner, records } in &all {
            for name in self.take(service, |name| !records.contains_key(name)) {
                again.extend(self.free(&name));
                change.removed.push(name);
            }
            self.wait_no_longer(service, |name| !records.contains_key(name));
            self.own(service, owner, &is_held);
        }
        for Named { service, owner, records } in all {
            for (name, records) in records {
                let other = self.owners.get(&name).filter(|it| **it != service);
                if let Some(other) = other.cloned() {
                    self.wait(&service, &name, &other);
                } else if name == owner {
                    change.set.push((name, records));
                } else {
                    self.set(&service, name, records, change);
                }
            }
        }
        again
    }

    /// Takes from a service those of its other names that are gone.
    fn take(&mut self, service: &ServiceName, is_gone: impl Fn(&DnsName) -> bool) -> Vec<DnsName> {
        let Some(names) = self.others.get_mut(service) else { return Vec::new() };
        let gone = names.keys().filter(|name| is_gone(name)).cloned().collect();
        names.retain(|name, _| !is_gone(name));
        if names.is_empty() {
            self.others.remove(service);
        }
        gone
    }

    /// Every name, and whose it is.
    pub(super) fn all(&self) -> impl Iterator<Item = (&DnsName, &ServiceName)> {
        self.owners.iter()
    }

    /// The names that services would have, and whose they are instead.
    pub(super) fn taken(&self) -> BTreeMap<&ServiceName, Vec<(&DnsName, &ServiceName)>> {
        let mut taken: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (name, waiting) in &self.waiting {
            let Some(other) = self.owners.get(name) else { continue };
            waiting
                .iter()
                .for_each(|service| taken.entry(service).or_default().push((name, other)));
        }
        taken
    }

    /// Gives a service its own name, unless it is another one's own who goes before it.
    fn own(
        &mut self,
        service: &ServiceName,
        owner: &DnsName,
        is_held: &impl Fn(&ServiceName) -> bool,
    ) {
        if let Some(other) = self.owners.get(owner).filter(|it| *it != service).cloned() {
            let is_its_own =
                !self.others.get(&other).is_some_and(|names| names.contains_key(owner));
            if is_its_own && (!is_held(&other) || is_held(service)) {
                return;
            }
            // Whoever has it otherwise is not asked.
            self.take(&other, |name| name == owner);
            self.wait(&other, owner, service);
        }
        self.give(service, owner);
    }

    fn give(&mut self, service: &ServiceName, name: &DnsName) {
        self.owners.insert(name.clone(), service.clone());
        self.wait_no_longer(service, |it| it == name);
    }

    fn wait(&mut self, service: &ServiceName, name: &DnsName, other: &ServiceName) {
        self.waits.entry(service.clone()).or_default().insert(name.clone());
        if self.waiting.entry(name.clone()).or_default().insert(service.clone()) {
            warn!(
                %service, %name, %other,
                "this name is taken: it is answered as that of the other service, until that has it \
                 no longer"
            );
        }
    }

    fn wait_no_longer(&mut self, service: &ServiceName, is_gone: impl Fn(&DnsName) -> bool) {
        let Some(names) = self.waits.get_mut(service) else { return };
        names.retain(|name| {
            let is_gone = is_gone(name);
            if is_gone && let Some(waiting) = self.waiting.get_mut(name) {
                waiting.remove(service);
                if waiting.is_empty() {
                    self.waiting.remove(name);
                }
            }
            !is_gone
        });
        if names.is_empty() {
            self.waits.remove(service);
        }
    }

    /// Nobody has this name; gives those who wait for it.
    fn free(&mut self, name: &DnsName) -> BTreeSet<ServiceName> {
        self.owners.remove(name);
        self.waiting.get(name).cloned().unwrap_or_default()
    }

    fn set(
        &mut self,
        service: &ServiceName,
        name: DnsName,
        records: ServiceRecords,
        change: &mut Change,
    ) {
        self.give(service, &name);
        let known = self.others.entry(service.clone()).or_default();
        if known.get(&name) != Some(&records) {
            known.insert(name.clone(), records.clone());
            change.set.push((name, records));
        }
    }

    /// The names of a service that is answered no longer, and the services that are to be answered anew
    /// because these are free; it has none from now on.
    pub(super) fn forget(
        &mut self,
        service: &ServiceName,
        owner: &DnsName,
    ) -> (Vec<DnsName>, BTreeSet<ServiceName>) {
        let others = self.others.remove(service).unwrap_or_default().into_keys();
        let mut gone: Vec<DnsName> = others.chain([owner.clone()]).collect();
        gone.retain(|name| self.owners.get(name) == Some(service));
        self.wait_no_longer(service, |_| true);
        let again = gone.iter().flat_map(|name| self.free(name)).collect();
        (gone, again)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> DnsName {
        format!("{text}.zone.test").parse().expect("a name")
    }

    fn records(text: &str, content: &str) -> (DnsName, ServiceRecords) {
        (name(text), ServiceRecords::text(&name(text), 5, &[content.to_owned()]))
    }

    /// Which names are set and which go when a service has these.
    fn answer(names: &mut Names, service: &str, of: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
        let mut change = Change::default();
        let id: ServiceName = service.parse().expect("a service");
        let records = of.iter().map(|(text, content)| records(text, content)).collect();
        let owner = name(of[0].0);
        let is_held = |service: &ServiceName| service.as_str().starts_with("held");
        let again = names.answer(vec![Named { service: id, owner, records }], is_held, &mut change);
        assert!(again.is_empty() || !change.removed.is_empty());
        let set = change.set.iter().map(|(name, _)| name.to_string()).collect();
        (set, change.removed.iter().map(ToString::to_string).collect())
    }

    /// Which names go, and who is to be answered anew.
    fn forget(names: &mut Names, service: &str, own: &str) -> (Vec<DnsName>, Vec<String>) {
        let (gone, again) = names.forget(&service.parse().expect("a service"), &name(own));
        (gone, again.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn only_what_has_changed_is_set_and_what_is_gone_goes() {
        let mut names = Names::default();
        let (set, removed) = answer(&mut names, "api", &[("api", "a"), ("v1.api", "1")]);
        assert_eq!((set.len(), removed.len()), (2, 0));
        let (set, removed) =
            answer(&mut names, "api", &[("api", "a"), ("v1.api", "1"), ("v2.api", "2")]);
        assert_eq!(
            (set, removed.len()),
            (vec!["v2.api.zone.test".into(), "api.zone.test".into()], 0)
        );
        let (set, removed) = answer(&mut names, "api", &[("api", "a"), ("v2.api", "3")]);
        assert_eq!((set.len(), removed.concat()), (2, "v1.api.zone.test".to_owned()));
        assert_eq!(forget(&mut names, "api", "api"), (vec![name("v2.api"), name("api")], vec![]));
    }

    #[test]
    fn a_services_own_name_goes_before_what_another_calls_its_pool() {
        let mut names = Names::default();
        answer(&mut names, "api", &[("api", "a"), ("v1.api", "1")]);
        let (set, _) = answer(&mut names, "v1.api", &[("v1.api", "own")]);
        assert_eq!(set, ["v1.api.zone.test"]);
        let (set, removed) = answer(&mut names, "api", &[("api", "a"), ("v1.api", "1")]);
        assert_eq!((set, removed.len()), (vec!["api.zone.test".to_owned()], 0));
        // It is the pool's again when the service goes.
        let again = vec!["api".to_owned()];
        assert_eq!(forget(&mut names, "v1.api", "v1.api"), (vec![name("v1.api")], again));
        let (set, _) = answer(&mut names, "api", &[("api", "a"), ("v1.api", "1")]);
        assert_eq!(set, ["v1.api.zone.test", "api.zone.test"]);
        assert_eq!(forget(&mut names, "api", "api").0, [name("v1.api"), name("api")]);
        assert!(names.owners.is_empty() && names.others.is_empty());
        assert!(names.waiting.is_empty() && names.waits.is_empty());
    }

    #[test]
    fn of_two_services_of_one_name_the_one_that_is_not_only_held_has_it() {
        let mut names = Names::default();
        answer(&mut names, "held", &[("shop", "old"), ("v1.shop", "1")]);
        // A new key has the name, but not what the other one calls its pools.
        let (set, _) = answer(&mut names, "store", &[("shop", "new"), ("v1.shop", "2")]);
        assert_eq!(set, ["shop.zone.test"]);
        let (set, removed) = answer(&mut names, "held", &[("shop", "old"), ("v1.shop", "1")]);
        assert_eq!((set.len(), removed.len()), (0, 0));
        let [shop, v1] = ["shop", "v1.shop"].map(name);
        let [held, store] =
            ["held", "store"].map(|it| it.parse::<ServiceName>().expect("a service"));
        let taken = [(&held, vec![(&shop, &store)]), (&store, vec![(&v1, &held)])];
        assert_eq!(names.taken(), taken.into());
        // What was the new one's stays, and what it has waited for is its.
        let again = vec!["store".to_owned()];
        assert_eq!(forget(&mut names, "held", "shop"), (vec![name("v1.shop")], again));
        let (set, _) = answer(&mut names, "store", &[("shop", "new"), ("v1.shop", "2")]);
        assert_eq!(set, ["v1.shop.zone.test", "shop.zone.test"]);
        // The other way around: it had waited, and comes back.
        answer(&mut names, "held", &[("shop", "old")]);
        let (gone, again) = forget(&mut names, "store", "shop");
        assert_eq!((gone.len(), again), (2, vec!["held".to_owned()]));
        let (set, _) = answer(&mut names, "held", &[("shop", "old")]);
        assert_eq!(set, ["shop.zone.test"]);
    }

    #[test]
    fn a_name_that_a_service_no_longer_has_is_for_whoever_waits() {
        let mut names = Names::default();
        answer(&mut names, "one", &[("one", "1"), ("shared", "1")]);
        answer(&mut names, "two", &[("two", "2"), ("shared", "2")]);
        let mut change = Change::default();
        let records = [records("one", "1")].into();
        let one = Named { service: "one".parse().expect("a service"), owner: name("one"), records };
        let again = names.answer(vec![one], |_| false, &mut change);
        assert_eq!(again.iter().map(ServiceName::as_str).collect::<Vec<_>>(), ["two"]);
        let (set, _) = answer(&mut names, "two", &[("two", "2"), ("shared", "2")]);
        assert_eq!(set, ["two.zone.test", "shared.zone.test"]);
    }
}
