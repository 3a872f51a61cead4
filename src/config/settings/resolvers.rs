//! `resolvers`: who looks up the names that pools point at.

use std::net::SocketAddr;

use crate::{
    config::{document::Value, schema::parts},
    model::{Endpoint, Weight, dns_server},
};

const COUNT_MAX: usize = 8;

pub(super) fn resolvers(value: &Value<'_>) -> Option<Vec<SocketAddr>> {
    let items = value.array()?;
    if items.is_empty() || items.len() > COUNT_MAX {
        let hint = "leave the key out for those of /etc/resolv.conf";
        value.wrong_with_hint(format!("there are 1 to {COUNT_MAX} resolvers"), hint);
        return None;
    }
    let mut resolvers = Vec::with_capacity(items.len());
    // Each that is wrong is told.
    let mut is_good = true;
    for item in &items {
        match resolver(item) {
            Some(resolver) if resolvers.contains(&resolver) => {
                item.wrong("this resolver stands here twice");
                is_good = false;
            }
            Some(resolver) => resolvers.push(resolver),
            None => is_good = false,
        }
    }
    is_good.then_some(resolvers)
}

/// An address, with a port or the usual one.
fn resolver(value: &Value<'_>) -> Option<SocketAddr> {
    const HINT: &str = r#"write "192.0.2.53", "192.0.2.53:5353" or "[2001:db8::53]:5353""#;
    let text = value.text()?;
    let Some(resolver) = dns_server(text) else {
        value.wrong_with_hint("not an address, with a port or without", HINT);
        return None;
    };
    if resolver.port() == 0 {
        value.wrong_with_hint("nobody can be asked at port 0", HINT);
        return None;
    }
    // Whom no client can connect to, we cannot either.
    let reachable = Endpoint::new(resolver.ip(), Weight::ONE);
    reachable.map_err(|error| value.wrong(error.to_string())).ok()?;
    Some(resolver)
}

pub(super) fn schema() -> serde_json::Value {
    parts::list(parts::address_with_or_without_port(), 1..=COUNT_MAX)
}
