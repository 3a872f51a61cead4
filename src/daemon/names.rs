//! Which service has which names in the table.
//!
//! A service has more names than its own: of its pools, of its endpoints, and of records below it. The
//! release file gives no name twice; but one that is held on to though the file has dropped it may be
//! in the way of a new one. Then a service's own name goes before what another one calls its pools.

use std::collections::BTreeMap;

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
}

/// A service, its own name, and what is to be answered at that and at its other names.
pub(super) struct Named<'s> {
    pub(super) service: &'s ServiceName,
    pub(super) owner: DnsName,
    pub(super) records: NamedRecords,
}

impl Names {
    /// Notes in `change` what is to be answered at the names of some services from now on.
    pub(super) fn answer(&mut self, all: Vec<Named<'_>>, change: &mut Change) {
        for Named { service, owner, records } in &all {
            let known = self.others.entry((*service).clone()).or_default();
            let gone = known.keys().filter(|name| !records.contains_key(*name));
            for name in gone.cloned().collect::<Vec<_>>() {
                known.remove(&name);
                self.owners.remove(&name);
                change.removed.push(name);
            }
            // Whoever has it otherwise is not asked.
            if let Some(before) = self.owners.insert(owner.clone(), (*service).clone())
                && before != **service
            {
                self.others.entry(before).or_default().remove(owner);
            }
        }
        for Named { service, owner, records } in all {
            for (name, records) in records {
                if name == owner {
                    change.set.push((name, records));
                } else if let Some(other) = self.owners.get(&name).filter(|it| *it != service) {
                    warn!(
                        %service, %name, %other,
                        "this name is taken: it is answered as that of the other service"
                    );
                } else {
                    self.set(service, name, records, change);
                }
            }
            self.others.retain(|_, names| !names.is_empty());
        }
    }

    /// Every name, and whose it is.
    pub(super) fn all(&self) -> impl Iterator<Item = (&DnsName, &ServiceName)> {
        self.owners.iter()
    }

    fn set(
        &mut self,
        service: &ServiceName,
        name: DnsName,
        records: ServiceRecords,
        change: &mut Change,
    ) {
        self.owners.insert(name.clone(), service.clone());
        let known = self.others.entry(service.clone()).or_default();
        if known.get(&name) != Some(&records) {
            known.insert(name.clone(), records.clone());
            change.set.push((name, records));
        }
    }

    /// The names of a service that is answered no longer; it has none from now on.
    pub(super) fn forget(&mut self, service: &ServiceName, owner: &DnsName) -> Vec<DnsName> {
        let others = self.others.remove(service).unwrap_or_default().into_keys();
        let mut gone: Vec<DnsName> = others.chain([owner.clone()]).collect();
        gone.retain(|name| self.owners.get(name) == Some(service));
        for name in &gone {
            self.owners.remove(name);
        }
        gone
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
        let owner = name(service);
        names.answer(vec![Named { service: &id, owner, records }], &mut change);
        let set = change.set.iter().map(|(name, _)| name.to_string()).collect();
        (set, change.removed.iter().map(ToString::to_string).collect())
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
        let gone = names.forget(&"api".parse().expect("a service"), &name("api"));
        assert_eq!(gone, [name("v2.api"), name("api")]);
    }

    #[test]
    fn a_services_own_name_goes_before_what_another_calls_its_pool() {
        let mut names = Names::default();
        answer(&mut names, "api", &[("api", "a"), ("v1.api", "1")]);
        let (set, _) = answer(&mut names, "v1.api", &[("v1.api", "own")]);
        assert_eq!(set, ["v1.api.zone.test"]);
        let (set, removed) = answer(&mut names, "api", &[("api", "a"), ("v1.api", "1")]);
        assert_eq!((set, removed.len()), (vec!["api.zone.test".to_owned()], 0));
        let gone = names.forget(&"api".parse().expect("a service"), &name("api"));
        assert_eq!(gone, [name("api")]);
    }
}
