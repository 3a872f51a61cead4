//! `release.toml`: the file that is changed for each release.

mod groups;
mod kinds;
mod live;
mod owner;
mod policy;
mod probe;
mod proof;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
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
    Desired, Endpoint, FailPolicy, Outside, Pool, PoolName, ProbeSetting, ReleasePolicy,
    ServiceName, ServiceSpec, Spread, Weight, Zones,
};
pub use owner::Taken;
use owner::{Surroundings, check_clashes};
use policy::policy;
use probe::setting;

const ENDPOINTS_MAX: usize = 1_000;
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
        let mut desired = Desired::default();
        if let Some(table) = &services {
            for (name, value) in table.entries() {
                let Some(spec) = service(&name, &value, &around) else { continue };
                check_clashes(&mut owners, &name, &spec.owner);
                if let Some(other) = desired.services.insert(spec.name.clone(), Arc::new(spec))
                    && owners.get(&other.owner).is_some_and(|key| key != name.text())
                {
                    name.wrong(format!("there are two services of the key {}", other.name));
                }
            }
            groups::check(table, &desired);
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

fn service(key: &Name<'_>, value: &Value<'_>, around: &Surroundings<'_>) -> Option<ServiceSpec> {
    let name = key.parse::<ServiceName>();
    let mut table = value.table()?;
    let owner = around.owner(key, name.as_ref(), &mut table);
    let live = table.required("live", r#""v1""#);
    let pools = table.required("pools", r#"{ v1 = { endpoints = ["192.0.2.1"] } }"#);
    let pools = pools.and_then(|value| pools_of(&value));
    let spread = table.optional("spread");
    let spread =
        spread.map_or(Some(Spread::default()), |value| live::spread(&value, pools.as_ref()));
    let ttl = table.optional("ttl").map_or(Some(ServiceSpec::TTL), |value| ttl(&value));
    let fail_policy = table.optional("fail_policy");
    let fail_policy = fail_policy.map_or(Some(FailPolicy::default()), |v| self::fail_policy(&v));
    let probe = table.optional("probe");
    let probe = probe.map_or(Some(ProbeSetting::Unset), |v| setting(&v, owner.as_ref()));
    let release = table.optional("release");
    let release = release.map_or(Some(ReleasePolicy::default()), |value| {
        policy(&value, owner.as_ref(), around.outside)
    });
    table.finish();
    let live = live.and_then(|value| {
        let live = live::live(&value, pools.as_ref())?;
        let (pools, release) = (pools.as_ref()?, release.as_ref()?);
        let named = live.pools().filter_map(|pool| pools.get(pool));
        named.for_each(|pool| policy::check_size(&value, pool, release));
        Some(live)
    });
    Some(ServiceSpec {
        name: name?,
        owner: owner?,
        live: live?,
        spread: spread?,
        ttl: ttl?,
        pools: pools?,
        probe: probe?,
        fail_policy: fail_policy?,
        release: release?,
    })
}

fn pools_of(value: &Value<'_>) -> Option<BTreeMap<PoolName, Arc<Pool>>> {
    let table = value.table()?;
    let mut pools = Some(BTreeMap::new());
    for (key, value) in table.entries() {
        let name = key.parse::<PoolName>();
        let endpoints = value.table().and_then(|table| endpoints_of(table));
        match (&mut pools, name, endpoints) {
            (Some(pools), Some(name), Some(endpoints)) => {
                pools.insert(name.clone(), Arc::new(Pool { name, endpoints }));
            }
            _ => pools = None,
        }
    }
    if pools.as_ref().is_some_and(BTreeMap::is_empty) {
        value.wrong("a service has at least one pool");
        return None;
    }
    pools
}

fn endpoints_of(mut table: Table<'_>) -> Option<Vec<Endpoint>> {
    let value = table.required("endpoints", r#"["192.0.2.1"]"#);
    table.finish();
    let value = value?;
    let items = value.array()?;
    if items.is_empty() || items.len() > ENDPOINTS_MAX {
        value.wrong(format!("a pool has 1 to {ENDPOINTS_MAX} endpoints"));
        return None;
    }
    let mut seen = BTreeSet::new();
    let mut endpoints = Vec::with_capacity(items.len());
    for item in &items {
        let endpoint = endpoint(item);
        if let Some(endpoint) = endpoint
            && !seen.insert(endpoint.address())
        {
            item.wrong(format!("{} stands in this pool twice", endpoint.address()));
        }
        endpoints.push(endpoint);
    }
    endpoints.into_iter().collect()
}

/// `"192.0.2.1"` or `{ address = "192.0.2.1", weight = 2 }`.
fn endpoint(value: &Value<'_>) -> Option<Endpoint> {
    if !value.is_table() {
        return build_endpoint(value, Weight::ONE);
    }
    let mut table = value.table()?;
    let address = table.required("address", r#""192.0.2.1""#);
    let weight = table.optional("weight").map_or(Some(Weight::ONE), |value| weight(&value));
    table.finish();
    build_endpoint(&address?, weight?)
}

fn weight(value: &Value<'_>) -> Option<Weight> {
    Weight::new(value.integer()?).map_err(|error| value.wrong(error.to_string())).ok()
}

fn build_endpoint(value: &Value<'_>, weight: Weight) -> Option<Endpoint> {
    let Ok(address) = value.text()?.parse::<IpAddr>() else {
        let hint = "write an IPv4 or IPv6 address without a port; names are not looked up";
        value.wrong_with_hint("not an address", hint);
        return None;
    };
    Endpoint::new(address, weight).map_err(|error| value.wrong(error.to_string())).ok()
}

fn fail_policy(value: &Value<'_>) -> Option<FailPolicy> {
    let text = value.text()?;
    let found = FAIL_POLICIES.into_iter().find(|policy| policy.name() == text);
    if found.is_none() {
        let names = FAIL_POLICIES.map(FailPolicy::name).join(", ");
        value.wrong_with_hint("unknown fail policy", format!("use one of {names}"));
    }
    found
}

pub(super) fn schema(notes: &Notes) -> serde_json::Value {
    let service = parts::Keys::at(notes, ["services.*"])
        .optional("zone", parts::name())
        .optional("name", parts::matching(&parts::service_form()))
        .required("live", live::schema())
        .required("pools", pools_schema(notes))
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

fn pools_schema(notes: &Notes) -> serde_json::Value {
    let endpoint = parts::Keys::at(notes, ["services.*.pools.*.endpoints {}"])
        .required("address", parts::address())
        .optional("weight", weight_schema())
        .table();
    let endpoint = parts::either([parts::address(), endpoint]);
    let pool = parts::Keys::at(notes, ["services.*.pools.*"])
        .required("endpoints", parts::list(endpoint, 1..=ENDPOINTS_MAX))
        .table();
    let mut pools = parts::names(POOL_FORM, pool);
    pools["minProperties"] = 1.into();
    pools
}

const POOL_FORM: &str = "^[A-Za-z0-9_.-]{1,63}$";

fn weight_schema() -> serde_json::Value {
    parts::whole(1..=Weight::MAX.into())
}
