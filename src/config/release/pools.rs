//! The pools of a service, and their endpoints.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    num::NonZeroU16,
    sync::Arc,
};

use super::{
    ENDPOINTS_MAX, Notes, POOL_FORM, Table, Value, parts,
    records::{port, texts, texts_schema},
};
use crate::model::{Endpoint, Pool, PoolName, TextRecord, Weight};

/// The pools; with `need_ports`, each endpoint of them has to have a port.
pub(super) fn pools_of(
    value: &Value<'_>,
    need_ports: bool,
) -> Option<BTreeMap<PoolName, Arc<Pool>>> {
    let table = value.table()?;
    let mut pools = Some(BTreeMap::new());
    for (key, value) in table.entries() {
        let name = key.parse::<PoolName>();
        let content = value.table().and_then(|table| content_of(table, need_ports));
        match (&mut pools, name, content) {
            (Some(pools), Some(name), Some((endpoints, texts))) => {
                pools.insert(name.clone(), Arc::new(Pool { name, endpoints, texts }));
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

/// What a pool is answered with.
fn content_of(mut table: Table<'_>, needs_ports: bool) -> Option<(Vec<Endpoint>, Vec<TextRecord>)> {
    let value = table.required("endpoints", r#"["192.0.2.1"]"#);
    let port = port(&mut table);
    let texts = texts(&mut table);
    table.finish();
    let endpoints = endpoints_of(&value?, port?, needs_ports);
    Some((endpoints?, texts?))
}

fn endpoints_of(
    value: &Value<'_>,
    port: Option<NonZeroU16>,
    needs_ports: bool,
) -> Option<Vec<Endpoint>> {
    let items = value.array()?;
    if items.is_empty() || items.len() > ENDPOINTS_MAX {
        value.wrong(format!("a pool has 1 to {ENDPOINTS_MAX} endpoints"));
        return None;
    }
    let mut seen = BTreeSet::new();
    let mut endpoints = Vec::with_capacity(items.len());
    for item in &items {
        let endpoint = endpoint(item, port);
        if let Some(endpoint) = endpoint
            && !seen.insert(endpoint.address())
        {
            item.wrong(format!("{} stands in this pool twice", endpoint.address()));
        }
        if needs_ports && endpoint.is_some_and(|endpoint| endpoint.port().is_none()) {
            let hint = "give the pool a `port`, or each endpoint: { address = …, port = 8080 }";
            item.wrong_with_hint("SRV records have a port, and none is known here", hint);
        }
        endpoints.push(endpoint);
    }
    endpoints.into_iter().collect()
}

/// `"192.0.2.1"` or `{ address = "192.0.2.1", weight = 2, port = 8080 }`.
fn endpoint(value: &Value<'_>, default: Option<NonZeroU16>) -> Option<Endpoint> {
    if !value.is_table() {
        return build_endpoint(value, Weight::ONE).map(|endpoint| endpoint.on_port(default));
    }
    let mut table = value.table()?;
    let address = table.required("address", r#""192.0.2.1""#);
    let weight = table.optional("weight").map_or(Some(Weight::ONE), |value| weight(&value));
    let port = port(&mut table);
    table.finish();
    let endpoint = build_endpoint(&address?, weight?)?;
    Some(endpoint.on_port(port?.or(default)))
}

pub(super) fn weight(value: &Value<'_>) -> Option<Weight> {
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

pub(super) fn schema(notes: &Notes) -> serde_json::Value {
    let endpoint = parts::Keys::at(notes, ["services.*.pools.*.endpoints {}"])
        .required("address", parts::address())
        .optional("weight", weight_schema())
        .optional("port", parts::port())
        .table();
    let endpoint = parts::either([parts::address(), endpoint]);
    let pool = parts::Keys::at(notes, ["services.*.pools.*"])
        .required("endpoints", parts::list(endpoint, 1..=ENDPOINTS_MAX))
        .optional("port", parts::port())
        .optional("txt", texts_schema())
        .table();
    let mut pools = parts::names(POOL_FORM, pool);
    pools["minProperties"] = 1.into();
    pools
}

pub(super) fn weight_schema() -> serde_json::Value {
    parts::whole(1..=Weight::MAX.into())
}
