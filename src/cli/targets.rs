//! The names that pools of a release file point to, looked up for whoever checks that file.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, stream};

use crate::{
    config::Settings,
    model::{Desired, DnsName},
    resolver::{self, look_up},
};

/// Names that are looked up at once.
const CONCURRENT_MAX: usize = 16;

/// What came of it.
#[derive(Default)]
pub(super) struct Found {
    /// Names that lead nowhere: why.
    pub(super) unresolvable: BTreeMap<DnsName, String>,
    /// What could not be found out from here, in sentences.
    pub(super) unsure: Vec<String>,
}

/// The names that pools point to.
pub(super) fn names(desired: &Desired) -> BTreeSet<DnsName> {
    let pools = desired.services.values().flat_map(|spec| spec.pools.values());
    pools.filter_map(|pool| Some(pool.target.as_ref()?.name.clone())).collect()
}

/// Looks all of them up, by the resolvers that the daemon asks.
pub(super) async fn look_up_all(settings: &Settings, names: BTreeSet<DnsName>) -> Found {
    let servers = settings.resolvers.clone().unwrap_or_else(resolver::resolvers);
    let own: Vec<DnsName> = settings.zones.all().iter().map(|zone| zone.apex.clone()).collect();
    let (servers, own) = (&servers, &own);
    let each = names.into_iter().map(|name| async move {
        let result = look_up(servers, &name, own).await;
        (name, result)
    });
    let mut looked = stream::iter(each).buffer_unordered(CONCURRENT_MAX);
    let mut found = Found::default();
    while let Some((name, result)) = looked.next().await {
        match result {
            Ok(_) => {}
            Err(trouble) if trouble.is_definite() => {
                found.unresolvable.insert(name, trouble.to_string());
            }
            Err(trouble) => {
                found.unsure.push(format!("{name} cannot be looked up from here: {trouble}"));
            }
        }
    }
    found.unsure.sort();
    found
}
