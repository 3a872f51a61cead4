//! Groups: services that are released together are looked at together, after whatever happened to
//! some of them, and before that is kept and published.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
};

use tracing::info;

use super::{Conductor, Service};
use crate::{
    cutover::{
        Cutover, Order, Refusal, Verb,
        group::{self, Member, Told},
    },
    model::{Freeze, GroupName, ServiceName, Timestamp},
};

/// Who is released with whom.
#[derive(Default)]
pub(super) struct Groups {
    members: BTreeMap<GroupName, BTreeSet<ServiceName>>,
    /// Groups to members of which something has happened.
    marked: BTreeSet<GroupName>,
}

impl Groups {
    pub(super) fn mark(&mut self, service: &Service) {
        self.marked.extend(service.cutover.group().cloned());
    }

    /// Of all groups.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(GroupName::as_str)
    }

    /// The group that has this name, which no service has.
    pub(super) fn named(&self, name: &ServiceName) -> Option<GroupName> {
        self.members.keys().find(|group| group.as_str() == name.as_str()).cloned()
    }

    pub(super) fn members_of(&self, group: &GroupName) -> BTreeSet<ServiceName> {
        self.members.get(group).cloned().unwrap_or_default()
    }
}

impl Conductor {
    /// The file says anew who is released with whom. Who is in a release stays in it.
    pub(super) fn regroup(&mut self) {
        self.groups.members.clear();
        for (name, service) in &self.services {
            let asked = service.cutover.spec().release.group.as_ref();
            for group in service.cutover.group().into_iter().chain(asked) {
                self.groups.members.entry(group.clone()).or_default().insert(name.clone());
                self.groups.marked.insert(group.clone());
            }
        }
    }

    /// Lets the groups go on to which something has happened.
    pub(super) fn go_on_together(&mut self) {
        let now = self.deciding_for();
        for group in mem::take(&mut self.groups.marked) {
            let told = self.with_members(now, &group, |members, freeze| {
                Ok::<_, Refusal>(group::go_on(now, members, freeze))
            });
            self.note_told(now, told.unwrap_or_default());
        }
    }

    /// Does what a person asks of a service, or of all that are released together. Nothing, if neither
    /// has that name.
    pub(super) fn ask(
        &mut self,
        now: Timestamp,
        name: &ServiceName,
        order: &Order,
    ) -> Option<Result<Told, Refusal>> {
        let service = self.services.get_mut(name);
        let named = service.is_some().then_some(name);
        let group = match service {
            Some(service) => match service.cutover.group() {
                Some(group) => group.clone(),
                None => {
                    let told = service.ask(now, order, &self.around);
                    self.touched.insert(name.clone());
                    self.keep(now, name, Vec::new());
                    let by_name = |transition| (name.clone(), transition);
                    return Some(told.map(|told| told.into_iter().map(by_name).collect()));
                }
            },
            None => self.groups.named(name)?,
        };
        Some(self.with_members(now, &group, |members, freeze| {
            group::ask(now, order, members, freeze, named)
        }))
    }

    /// The verbs that a service, or all that are released with it, would do now.
    pub(super) fn possible(&self, name: &ServiceName, service: &Service) -> Vec<Verb> {
        let now = self.now();
        let Some(group) = service.cutover.group() else {
            return service.possible(now, &self.around);
        };
        let names = self.groups.members_of(group);
        let services = names.iter().filter_map(|name| self.services.get(name));
        let services = services.filter(|service| service.cutover.group() == Some(group));
        let mut copies: Vec<(Cutover, &Service)> =
            services.map(|service| (service.cutover.clone(), service)).collect();
        let mut members = Vec::with_capacity(copies.len());
        for (cutover, service) in &mut copies {
            let horizons = self.around.caches.horizons(now, service);
            members.push(Member { cutover, health: &service.health, horizons });
        }
        group::possible(now, &members, self.around.freeze.as_ref(), Some(name))
    }

    fn with_members(
        &mut self,
        now: Timestamp,
        group: &GroupName,
        act: impl FnOnce(&mut [Member<'_>], Option<&Freeze>) -> Result<Told, Refusal>,
    ) -> Result<Told, Refusal> {
        let names = self.groups.members_of(group);
        let is_member = |name: &ServiceName, service: &Service| {
            names.contains(name) && service.cutover.group() == Some(group)
        };
        let mut services: Vec<(ServiceName, Service)> = Vec::with_capacity(names.len());
        for name in &names {
            let taken = self.services.remove_entry(name);
            services.extend(taken);
        }
        let waited = |service: &Service| service.cutover.waits().cloned();
        let before: Vec<_> = services.iter().map(|(_, service)| waited(service)).collect();
        let mut members: Vec<Member<'_>> = Vec::with_capacity(names.len());
        for (name, service) in &mut services {
            if is_member(name, service) {
                let horizons = self.around.caches.horizons(now, service);
                members.push(service.member(horizons));
            }
        }
        let done = act(&mut members, self.around.freeze.as_ref());
        drop(members);
        for ((name, mut service), before) in services.into_iter().zip(before) {
            service.retarget(now);
            let waits = service.cutover.waits();
            if waits != before.as_ref() {
                if let Some(waits) = waits {
                    info!(service = %name, %group, why = waits.why, "waits");
                }
                self.touched.insert(name.clone());
            }
            self.services.insert(name.clone(), service);
            // What has changed without a word is kept too.
            self.keep(now, &name, Vec::new());
        }
        done
    }

    pub(super) fn note_told(&mut self, now: Timestamp, told: Told) {
        for (name, transition) in told {
            self.touched.insert(name.clone());
            self.keep(now, &name, vec![transition]);
        }
    }
}
