//! `[listen]`: the addresses of the daemon.

use std::net::SocketAddr;

use crate::config::document::Value;

pub(super) struct Listen {
    pub(super) dns: Vec<SocketAddr>,
    pub(super) http: SocketAddr,
}

impl Default for Listen {
    fn default() -> Self {
        let dns = [
            (std::net::Ipv4Addr::UNSPECIFIED, 53).into(),
            (std::net::Ipv6Addr::UNSPECIFIED, 53).into(),
        ];
        Self { dns: dns.to_vec(), http: (std::net::Ipv4Addr::LOCALHOST, 9353).into() }
    }
}

pub(super) fn listen(value: &Value<'_>) -> Option<Listen> {
    let mut table = value.table()?;
    let default = Listen::default();
    let dns = match table.optional("dns") {
        Some(value) => addresses(&value),
        None => Some(default.dns),
    };
    let http = table.optional("http").map_or(Some(default.http), |value| address(&value));
    table.finish();
    Some(Listen { dns: dns?, http: http? })
}

fn addresses(value: &Value<'_>) -> Option<Vec<SocketAddr>> {
    let items = value.array()?;
    if items.is_empty() {
        value.wrong("the daemon must listen somewhere");
        return None;
    }
    items.iter().map(address).collect()
}

fn address(value: &Value<'_>) -> Option<SocketAddr> {
    let parsed = value.text()?.parse();
    if parsed.is_err() {
        let hint = r#"write "192.0.2.1:53" or "[2001:db8::1]:53""#;
        value.wrong_with_hint("not an address with a port", hint);
    }
    parsed.ok()
}
