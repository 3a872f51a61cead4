//! What the log says when a service answers with something else than its own healthy endpoints.

use tracing::{info, warn};

use crate::{
    cutover::{Answered, Answering, Basis},
    model::{PoolName, ServiceName},
};

/// A service that answers with something else than its own healthy endpoints is worth waking up
/// for; so is the end of it.
pub(super) fn tell_basis(name: &ServiceName, before: Option<&Answering>, now: &Answering) {
    let was_live = before.is_none_or(|before| before.basis == Basis::Live);
    let was_whole = before.is_none_or(|before| before.out().next().is_none());
    let (pool, basis) = (&now.split, now.basis.name());
    let out: Vec<&str> = now.out().map(PoolName::as_str).collect();
    let is_known = |part: &Answered| !part.endpoints.is_empty() || part.cname.is_some();
    match (was_live, now.basis) {
        (_, Basis::Open) if !now.parts.iter().any(is_known) => info!(
            service = %name, %pool,
            "nothing is known yet of the name that the serving pool points to: SERVFAIL until it is"
        ),
        (_, Basis::Live) if !out.is_empty() => warn!(
            service = %name, %pool, down = out.join(", "),
            "of the serving pools, some are down: the others answer their clients"
        ),
        (true, Basis::Live) if was_whole => {}
        (_, Basis::Live) => info!(service = %name, %pool, "healthy endpoints answer again"),
        (_, Basis::Previous) => warn!(
            service = %name, %pool, basis,
            "the serving pool, or all of one address family of it, is down: \
             another pool answers in its place"
        ),
        (_, Basis::Open) => warn!(
            service = %name, %pool, basis,
            "the serving pool, or all of one address family of it, is down and nothing can stand \
             in: endpoints that are down are answered as if they were up"
        ),
        (_, Basis::Closed) => {
            warn!(
                service = %name, %pool, basis,
                "the serving pool, or all of one address family of it, is down: \
                 SERVFAIL for what is, as its fail_policy asks"
            );
        }
    }
}
