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
    targets::{Leading, target},
};
use crate::model::{Endpoint, Pool, PoolName, TargetKind, Weight};

const POINT: &str = r#"to point to a name, write alias = "lb.example.net" instead"#;

/// The pools; `need_ports` says whether each endpoint of them has to have a port, `leading` where
/// they may point to.
pub(super) fn pools_of(
    value: &Value<'_>,
    need_ports: bool,
    leading: &Leading<'_>,
) -> Option<BTreeMap<PoolName, Arc<Pool>>> {
    let table = value.table()?;
    let mut pools = Some(BTreeMap::new());
    for (key, value) in table.entries() {
        let name = key.parse::<PoolName>();
        let table = value.table();
        let pool = table.and_then(|table| pool(name.clone(), table, need_ports, leading));
        match (&mut pools, pool) {
            (Some(pools), Some(pool)) => drop(pools.insert(pool.name.clone(), Arc::new(pool))),
            _ => pools = None,
        }
    }
    if pools.as_ref().is_some_and(BTreeMap::is_empty) {
        value.wrong("a service has at least one pool");
        return None;
    }
    pools
}

fn pool(
    name: Option<PoolName>,
    mut table: Table<'_>,
    needs_ports: bool,
    leading: &Leading<'_>,
) -> Option<Pool> {
    let targets = TargetKind::ALL.map(|kind| Some((kind, table.optional(kind.name())?)));
    let pointing: Vec<(TargetKind, Value<'_>)> = targets.into_iter().flatten().collect();
    let endpoints = table.optional("endpoints");
    if endpoints.is_none() && pointing.is_empty() {
        let hint = r#"write for example: endpoints = ["192.0.2.1"], or alias = "lb.example.net""#;
        table.mistakes.add_with_hint(table.span(), ONE_OF, hint);
    }
    let port = port(&mut table);
    let texts_at = table.optional("txt");
    let texts = texts(texts_at.as_ref());
    table.finish();
    let [(kind, value)] = pointing.as_slice() else {
        if let Some((_, value)) = pointing.last() {
            value.wrong(ONE_OF);
        }
        let endpoints = endpoints_of(&endpoints?, port?, needs_ports);
        return Some(Pool { texts: texts?, ..Pool::new(name?, endpoints?) });
    };
    if endpoints.is_some() {
        value.wrong(ONE_OF);
    }
    let (port, texts) = (port?, texts?);
    if let Some(at) = texts_at.filter(|_| *kind == TargetKind::Cname && !texts.is_empty()) {
        at.wrong(format!("a text cannot stand beside a CNAME ({})", Leading::ALONE));
    }
    if needs_ports && port.is_none() {
        value.wrong_with_hint(NO_PORT, "give the pool a `port`");
    }
    let target = target(*kind, value, port, leading)?;
    Some(Pool { texts, ..Pool::pointing(name?, target) })
}

const ONE_OF: &str = "a pool has one of `endpoints`, `alias` and `cname`";
const NO_PORT: &str = "SRV records have a port, and none is known here";

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
            item.wrong_with_hint(NO_PORT, hint);
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
        let hint = format!("write an IPv4 or IPv6 address without a port; {POINT}");
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
    let mut pool = parts::Keys::at(notes, ["services.*.pools.*"])
        .optional("endpoints", parts::list(endpoint, 1..=ENDPOINTS_MAX))
        .optional(TargetKind::Alias.name(), parts::name())
        .optional(TargetKind::Cname.name(), parts::name())
        .optional("port", parts::port())
        .optional("txt", texts_schema())
        .table();
    parts::with_one(
        &mut pool,
        ["endpoints"].into_iter().chain(TargetKind::ALL.map(TargetKind::name)),
    );
    let mut pools = parts::names(POOL_FORM, pool);
    pools["minProperties"] = 1.into();
    pools
}

pub(super) fn weight_schema() -> serde_json::Value {
    parts::whole(1..=Weight::MAX.into())
}
