//! `release.group`: the services that are released together have in common what decides the time of
//! their steps.

use std::{collections::BTreeMap, sync::Arc};

use super::super::document::{Table, Value, nearest};
use crate::model::{Desired, GroupName, ReleasePolicy, ServiceName, ServiceSpec, Spread};

/// A service of a group, and its table `release`.
struct Member<'a> {
    spec: &'a Arc<ServiceSpec>,
    release: Value<'a>,
}

/// Complains about groups that cannot be released together. `services` that are wrong themselves are
/// not among the `desired`.
pub(super) fn check<'a>(services: &Table<'a>, desired: &'a Desired) {
    let mut groups: BTreeMap<&GroupName, Vec<Member<'_>>> = BTreeMap::new();
    for (key, value) in services.entries() {
        let Ok(name) = key.lower_case().parse::<ServiceName>() else { continue };
        let Some(spec) = desired.services.get(&name) else { continue };
        let Some(group) = &spec.release.group else { continue };
        let release = value.table().and_then(|mut table| table.optional("release"));
        groups.entry(group).or_default().extend(release.map(|release| Member { spec, release }));
    }
    let is_whole = services.entries().count() == desired.services.len();
    let names: Vec<&GroupName> = groups.keys().copied().collect();
    for (name, members) in &groups {
        check_name(name, members, desired);
        if let [alone] = members.as_slice()
            && is_whole
        {
            let others = names.iter().filter(|other| *other != name).map(|other| other.as_str());
            let hint = match nearest(name.as_str(), &others.collect::<Vec<_>>()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "name it in another service too, or leave it out".to_owned(),
            };
            let message = format!("{} is the only service of the group {name}", alone.spec.name);
            alone.wrong("group", message, hint);
        }
        for pair in members.iter().skip(1).map(|member| (&members[0], member)) {
            check_pair(name, pair);
        }
    }
}

fn check_name(name: &GroupName, members: &[Member<'_>], desired: &Desired) {
    let is_service = desired.services.keys().any(|service| service.as_str() == name.as_str());
    for member in members {
        if is_service {
            let message = format!("there is a service {name}: a group cannot have that name");
            member.wrong("group", message, "the verbs take either: write another name");
        }
        if member.spec.spread == Spread::Random && !member.spec.release.ramp.is_empty() {
            let hint = "write spread = \"sticky\", or leave out the ramp";
            let message = "a group moves a client for all of its services at once, and `random` \
                           draws for each question";
            member.wrong("group", message, hint);
        }
    }
}

/// What must be the same, and whether it is.
fn check_pair(name: &GroupName, (first, member): (&Member<'_>, &Member<'_>)) {
    let (a, b): (&ReleasePolicy, _) = (&first.spec.release, &member.spec.release);
    let same = [
        ("ramp", a.ramp == b.ramp),
        ("at", a.at == b.at),
        ("clean", a.clean == b.clean),
        ("bake", a.bake == b.bake),
        ("deadline", a.deadline == b.deadline),
        ("progress_deadline", a.progress_deadline == b.progress_deadline),
        ("windows", a.windows.list == b.windows.list),
        ("timezone", a.windows.zone == b.windows.zone),
        ("confirm", a.confirm == b.confirm),
        ("min_change_interval", a.min_change_interval == b.min_change_interval),
    ];
    for (key, _) in same.iter().filter(|(_, is_same)| !is_same) {
        let (one, other) = (&first.spec.name, &member.spec.name);
        let message = format!("{one} and {other} are in the group {name} and differ in `{key}`");
        let hint = "the steps of a group are taken together: write the same for all of them";
        member.wrong(key, message, hint);
    }
}

impl Member<'_> {
    /// At the key, or where the group is named if it is not there.
    fn wrong(&self, key: &'static str, message: impl Into<String>, hint: impl Into<String>) {
        let Some(mut table) = self.release.table() else { return };
        if let Some(value) = table.optional(key).or_else(|| table.optional("group")) {
            value.wrong_with_hint(message, hint);
        }
    }
}
