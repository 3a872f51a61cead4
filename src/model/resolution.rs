//! What a name was found to stand for.

use std::{collections::BTreeSet, net::IpAddr};

use super::Ttl;

/// The addresses that a name leads to, as others answer them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// At least one; each could be an endpoint.
    pub addresses: BTreeSet<IpAddr>,
    /// How long that holds: the least of the records on the way to them, at least one second.
    pub ttl: Ttl,
}
