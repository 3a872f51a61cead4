//! `release.toml`: the file that is changed for each release.

mod groups;
mod kinds;
mod live;
mod names;
mod owner;
mod policy;
mod pools;
mod probe;
mod proof;
mod records;
mod targets;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use super::{
    Rejected,
    document::{self, Name, Table, Value},
    schema::{Notes, parts},
    settings::{absolute_path, arguments, arguments_schema, ttl},
};
use crate::model::{
    Desired, DnsName, ENDPOINTS_MAX, FailPolicy, Outside, Pool, PoolName, ProbeSetting,
    ReleasePolicy, ServiceName, ServiceSpec, Spread, Zones,
};
use names::Claims;
pub use owner::Taken;
use owner::{Surroundings, check_clashes};
use policy::policy;
use pools::{pools_of, weight, weight_schema};
use probe::setting;
use records::{Records, records};
use targets::Leading;

const FAIL_POLICIES: [FailPolicy; 3] = [FailPolicy::Previous, FailPolicy::Open, FailPolicy::Closed];

/// Reads the text of a release file for `zones`, of a daemon that may ask these outside of them.
pub fn parse(
    path: &Path,
    text: &str,
    zones: &Zones,
    outside: &Outside,
) -> Result<Desired, Rejected> {
    document::parse(path, text, |mut root| {
        root.version();
        let services = root.required("services", "{ api = { … } }, or [services.api]");
        let services = services.and_then(|value| value.table());
        let removed = root.optional("removed");
        let around = Surroundings::new(zones, outside);
        let mut owners = BTreeMap::new();
        let (mut desired, mut claims) = (Desired::default(), Claims::default());
        if let Some(table) = &services {
            for (name, value) in table.entries() {
                let Some(spec) = service(&name, &value, &around, &mut claims) else { continue };
                check_clashes(&mut owners, &name, &spec.owner);
                if let Some(other) = desired.services.insert(spec.name.clone(), Arc::new(spec))
                    && owners.get(&other.owner).is_some_and(|key| key != name.text())
                {
                    name.wrong(format!("there are two services of the key {}", other.name));
                }
            }
            groups::check(table, &desired);
            claims.check(root.mistakes);
            if table.entries().next().is_none() {
                root.mistakes.add_with_hint(
                    table.span(),
                    "the file names no service",
                    "to stop answering for a service, name it in `removed`",
                );
            }
        }
        if let Some(value) = &removed {
            desired.removed = self::removed(value, services.as_ref());
        }
        root.finish();
        Some(desired)
    })
}

fn removed(value: &Value<'_>, services: Option<&Table<'_>>) -> BTreeSet<ServiceName> {
    let keys = services.into_iter().flat_map(Table::entries);
    let asked_for: BTreeSet<String> = keys.map(|(key, _)| key.lower_case()).collect();
    let mut removed = BTreeSet::new();
    for item in value.array().unwrap_or_default() {
        let Some(name) = item.parse::<ServiceName>() else { continue };
        if asked_for.contains(name.as_str()) {
            let hint = format!("delete [services.{name}], or take `{name}` out of this list");
            item.wrong_with_hint("a service cannot be removed and asked for at once", hint);
        }
        removed.insert(name);
    }
    removed
}

fn service(
    key: &Name<'_>,
    value: &Value<'_>,
    around: &Surroundings<'_>,
    claims: &mut Claims,
) -> Option<ServiceSpec> {
    let name = key.parse::<ServiceName>();
    let mut table = value.table()?;
    let owner = around.owner(key, name.as_ref(), &mut table);
    let live = table.required("live", r#""v1""#);
    let pools_at = table.required("pools", r#"{ v1 = { endpoints = ["192.0.2.1"] } }"#);
    let records = records(&mut table);
    let need_ports = records.as_ref().is_some_and(Records::need_ports);
    let leading = Leading::new(around, owner.as_ref());
    let pools = pools_at.as_ref().and_then(|value| pools_of(value, need_ports, &leading));
    let spread = table.optional("spread");
    let spread = spread.map_or(Some(Spread::default()), |value| {
        let has_texts = records.as_ref().is_none_or(|records| !records.kinds.txt.is_empty());
        live::spread(&value, pools.as_ref(), has_texts)
    });
    let ttl = table.optional("ttl").map_or(Some(ServiceSpec::TTL), |value| ttl(&value));
    let fail_policy = table.optional("fail_policy");
    let fail_policy = fail_policy.map_or(Some(FailPolicy::default()), |v| self::fail_policy(&v));
    let probe = table.optional("probe");
    let probe = probe.map_or(Some(ProbeSetting::Unset), |v| setting(&v, owner.as_ref()));
    let release_at = table.optional("release");
    let release = release_at.as_ref().map_or(Some(ReleasePolicy::default()), |value| {
        policy(value, owner.as_ref(), around.outside)
    });
    table.finish();
    let live = live.and_then(|value| {
        let live = live::live(&value, pools.as_ref())?;
        let (pools, release) = (pools.as_ref()?, release.as_ref()?);
        if let Some(records) = &records {
            targets::check(pools, (&value, &live), (release_at.as_ref(), release), records);
        }
        let named = live.pools().filter_map(|pool| pools.get(pool));
        named.for_each(|pool| policy::check_size(&value, pool, release));
        Some(live)
    });
    let mut records = records?;
    pools_at.iter().for_each(|pools| records::check_texts(&records.kinds.txt, pools));
    if let (Some(owner), Some(name), Some(pools)) = (&owner, &name, &pools) {
        claims.service(owner, name, key.span());
        let pools = (pools, pools_at.as_ref());
        records.kinds.previews = previews(key, (owner, name), pools, &records, (around, claims));
    }
    Some(ServiceSpec {
        name: name?,
        owner: owner?,
        live: live?,
        spread: spread?,
        ttl: ttl?,
        pools: pools?,
        kinds: Arc::new(records.kinds),
        probe: probe?,
        fail_policy: fail_policy?,
        release: release?,
    })
}

/// How the pools of a service are called, whose names nobody else may have.
fn previews(
    key: &Name<'_>,
    (owner, name): (&DnsName, &ServiceName),
    (pools, at): (&BTreeMap<PoolName, Arc<Pool>>, Option<&Value<'_>>),
    records: &Records<'_>,
    (around, claims): (&Surroundings<'_>, &mut Claims),
) -> BTreeMap<PoolName, DnsName> {
    let has_texts =
        !records.kinds.txt.is_empty() || pools.values().any(|pool| !pool.texts.is_empty());
    if let Some(why) = around.taken.why_no_texts(owner).filter(|_| has_texts) {
        key.wrong_with_hint(why, "write these texts there, or those here");
    }
    let keys = at.and_then(Value::table);
    let keys: Vec<_> = keys.iter().flat_map(Table::entries).map(|(key, _)| key).collect();
    let pools = keys.iter().filter_map(|key| Some((&**pools.get(&key.parse()?)?, key.span())));
    claims.others((owner, name, key.span()), records, pools, around, key.mistakes())
}

fn fail_policy(value: &Value<'_>) -> Option<FailPolicy> {
    one_of(value, "unknown fail policy", &FAIL_POLICIES, FailPolicy::name)
}

/// One of some words.
fn one_of<T: Copy>(
    value: &Value<'_>,
    wrong: &str,
    all: &[T],
    name: impl Fn(T) -> &'static str,
) -> Option<T> {
    let text = value.text()?;
    let found = all.iter().copied().find(|item| name(*item) == text);
    if found.is_none() {
        let names: Vec<&str> = all.iter().map(|item| name(*item)).collect();
        value.wrong_with_hint(wrong, format!("use one of {}", names.join(", ")));
    }
    found
}

pub(super) fn schema(notes: &Notes) -> serde_json::Value {
    let service = parts::Keys::at(notes, ["services.*"])
        .optional("zone", parts::name())
        .optional(
            "name",
            parts::either([parts::matching(&parts::service_form()), parts::matching(APEX_FORM)]),
        )
        .required("live", live::schema())
        .required("pools", pools::schema(notes))
        .each(records::schema(notes))
        .optional("spread", live::spread_schema())
        .optional("ttl", parts::duration())
        .optional("fail_policy", parts::word(FAIL_POLICIES.map(FailPolicy::name)))
        .optional("probe", probe::schema(notes))
        .optional("release", policy::schema(notes))
        .table();
    let mut services = parts::names(&parts::service_form(), service);
    services["minProperties"] = 1.into();
    let mut schema = parts::Keys::at(notes, [""])
        .required("version", parts::version())
        .required("services", services)
        .optional("removed", parts::list(parts::matching(&parts::service_form()), 0..=usize::MAX))
        .table();
    schema["definitions"] = kinds::schemas(notes);
    schema
}

const APEX_FORM: &str = "^@$";
const POOL_FORM: &str = "^[A-Za-z0-9_.-]{1,63}$";
