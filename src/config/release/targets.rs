//! Pools that point to a name: `alias` and `cname`, where these may lead, and what they go with.

use std::{
    collections::{BTreeMap, btree_map::Values},
    net::IpAddr,
    num::NonZeroU16,
    sync::Arc,
};

use super::{Value, owner::Surroundings, records::Records};
use crate::model::{
    DnsName, Pool, PoolName, ReleasePolicy, Split, Spread, Target, TargetKind, Zones,
};

type Pools = BTreeMap<PoolName, Arc<Pool>>;

/// Where the pools of a service may point to.
pub(super) struct Leading<'a> {
    zones: &'a Zones,
    /// Why names that have been looked up lead nowhere.
    unresolvable: &'a BTreeMap<DnsName, String>,
    /// Whether the service stands where its zone begins.
    is_at_apex: bool,
}

impl<'a> Leading<'a> {
    /// The rule that leaves no room beside a CNAME record.
    pub(super) const ALONE: &'static str = "RFC 2181 §10.1";

    pub(super) fn new(around: &Surroundings<'a>, owner: Option<&DnsName>) -> Self {
        let is_at_apex = owner.is_some_and(|owner| around.zones.at(owner).is_some());
        let unresolvable = &around.outside.unresolvable;
        Self { zones: around.zones, unresolvable, is_at_apex }
    }
}

/// The name that a pool points to.
pub(super) fn target(
    kind: TargetKind,
    value: &Value<'_>,
    port: Option<NonZeroU16>,
    leading: &Leading<'_>,
) -> Option<Target> {
    if value.text()?.parse::<IpAddr>().is_ok() {
        value.wrong_with_hint("not a name but an address", "name addresses in `endpoints`");
        return None;
    }
    let name = value.parse::<DnsName>()?;
    if let Some(zone) = leading.zones.of(&name) {
        let wrong = format!("{name} is in our own zone {}: it would lead back to us", zone.apex);
        value.wrong_with_hint(wrong, "give this pool the `endpoints` that are meant");
        return None;
    }
    if kind == TargetKind::Cname && leading.is_at_apex {
        let wrong = "a CNAME cannot stand beside the SOA and NS records at the apex of a zone \
                     (RFC 1034 §3.6.2)";
        value.wrong_with_hint(wrong, "write `alias`: its addresses are looked up and answered");
        return None;
    }
    if let Some(why) = leading.unresolvable.get(&name) {
        value.wrong(format!("{name} leads nowhere: {why}"));
    }
    Some(Target { kind, name, port })
}

/// Complains where pools that are answered by name would share clients with others, and about what
/// would stand beside their names.
pub(super) fn check(
    pools: &Pools,
    (live, split): (&Value<'_>, &Split),
    (release, policy): (Option<&Value<'_>>, &ReleasePolicy),
    records: &Records<'_>,
) {
    let Some(by_name) = pools.values().find(|pool| pool.cname().is_some()) else { return };
    for (key, value) in &records.own {
        value.wrong_with_hint(
            format!("`{key}` cannot stand beside a CNAME ({})", Leading::ALONE),
            format!(
                "the pool {} is answered with one: leave out `{key}`, or write `alias`",
                by_name.name
            ),
        );
    }
    if let Some(why) = mixture(pools.values().filter(|pool| split.has(&pool.name))) {
        live.wrong_with_hint(why, "name one of them: such a release is one atomic swap");
    }
    let Some(why) = mixture(pools.values()) else { return };
    let table = release.and_then(Value::table);
    let parts = [("ramp", !policy.ramp.is_empty()), ("preview", !policy.preview.is_empty())];
    for (key, _) in parts.into_iter().filter(|(_, is_there)| *is_there) {
        let at = table.as_ref().and_then(|table| table.entries().find(|(it, _)| it.text() == key));
        if let Some((_, value)) = at {
            let hint = format!("leave out `{key}`: such a release is one atomic swap");
            value.wrong_with_hint(why.clone(), hint);
        }
    }
}

/// Why clients cannot be shared out among pools, if they cannot.
fn mixture<'p>(pools: impl Iterator<Item = &'p Arc<Pool>> + Clone) -> Option<String> {
    let by_name = pools.clone().find(|pool| pool.cname().is_some())?;
    let other = pools.clone().find(|pool| pool.cname().is_none())?;
    Some(format!(
        "{} is answered by name and {} by addresses, and clients cannot be shared out between them: \
         caches keep a CNAME for every type (RFC 1034 §3.6.2), addresses for one each",
        by_name.name, other.name
    ))
}

/// Why nobody knows whether chance keeps to weights between these pools, if nobody does.
pub(super) fn unlike(pools: Values<'_, PoolName, Arc<Pool>>, spread: Spread) -> Option<String> {
    let is_alias = |pool: &&Arc<Pool>| pool.target.is_some() && pool.cname().is_none();
    let alias =
        pools.clone().find(is_alias).filter(|_| spread == Spread::Random && pools.len() > 1)?;
    Some(format!("nobody knows which address families {} will have", alias.name))
}
