//! `[listen]`: the addresses of the daemon, each of which can be had once.

use std::{net::SocketAddr, path::PathBuf};

use crate::config::{
    document::Value,
    schema::{Notes, parts},
};

/// Threads for each address: more than there are cores on any machine gain nothing.
const WORKERS: std::ops::RangeInclusive<u64> = 1..=256;

pub(super) struct Listen<'a> {
    pub(super) dns: Vec<SocketAddr>,
    pub(super) http: SocketAddr,
    pub(super) tls: Vec<SocketAddr>,
    pub(super) quic: Vec<SocketAddr>,
    pub(super) https: Vec<SocketAddr>,
    pub(super) workers: Option<usize>,
    pub(super) handover: Option<PathBuf>,
    pub(super) admin: Option<PathBuf>,
    /// The first list of encrypted transports that has an address.
    pub(super) encrypted_at: Option<Value<'a>>,
}

impl Default for Listen<'_> {
    fn default() -> Self {
        let dns = [
            (std::net::Ipv4Addr::UNSPECIFIED, 53).into(),
            (std::net::Ipv6Addr::UNSPECIFIED, 53).into(),
        ];
        Self {
            dns: dns.to_vec(),
            http: (std::net::Ipv4Addr::LOCALHOST, 9353).into(),
            tls: Vec::new(),
            quic: Vec::new(),
            https: Vec::new(),
            workers: None,
            handover: None,
            admin: None,
            encrypted_at: None,
        }
    }
}

pub(super) fn listen<'a>(value: &Value<'a>) -> Option<Listen<'a>> {
    let mut table = value.table()?;
    let default = Listen::default();
    let dns = match table.optional("dns") {
        Some(value) => at_least_one(&value),
        None => Some(default.dns.into_iter().map(|address| (address, None)).collect()),
    };
    let http = match table.optional("http") {
        Some(value) => address(&value).map(|address| (address, Some(value))),
        None => Some((default.http, None)),
    };
    let lists = ["tls", "quic", "https"].map(|key| table.optional(key));
    let encrypted_at = lists.iter().flatten().find(|list| has_items(list)).cloned();
    let [tls, quic, https] = lists.map(|list| list.map_or(Some(Vec::new()), |v| addresses(&v)));
    let workers = table.optional("workers").map_or(Some(None), |value| {
        value.integer_in(WORKERS).and_then(|number| usize::try_from(number).ok()).map(Some)
    });
    let [handover, admin] = ["handover", "admin"]
        .map(|key| table.optional(key).map_or(Some(None), |value| socket(&value).map(Some)));
    table.finish();
    let (dns, http, tls, quic, https) = (dns?, vec![http?], tls?, quic?, https?);
    check_clashes(&[
        (Use { key: "dns", udp: true, tcp: true }, &dns),
        (Use { key: "http", udp: false, tcp: true }, &http),
        (Use { key: "tls", udp: false, tcp: true }, &tls),
        (Use { key: "quic", udp: true, tcp: false }, &quic),
        (Use { key: "https", udp: false, tcp: true }, &https),
    ]);
    let [dns, http, tls, quic, https] = [dns, http, tls, quic, https]
        .map(|placed| placed.into_iter().map(|(address, _)| address).collect::<Vec<SocketAddr>>());
    let (http, workers, handover, admin) = (http[0], workers?, handover?, admin?);
    Some(Listen { dns, http, tls, quic, https, workers, handover, admin, encrypted_at })
}

/// An address and where it stands; a default stands nowhere.
type Placed<'a> = (SocketAddr, Option<Value<'a>>);

/// What the addresses under a key are used for.
#[derive(Clone, Copy)]
struct Use {
    key: &'static str,
    udp: bool,
    tcp: bool,
}

/// Complains about every address that another key has already.
fn check_clashes(uses: &[(Use, &Vec<Placed<'_>>)]) {
    let all = || uses.iter().flat_map(|(used, list)| list.iter().map(|placed| (*used, placed)));
    for (later_index, (later, (address, at))) in all().enumerate() {
        let clash = all().take(later_index).find(|(earlier, (taken, _))| {
            let shared = earlier.udp && later.udp || earlier.tcp && later.tcp;
            // Sockets of `dns` may share a port: the system chooses the more specific address.
            let is_dns = earlier.key == "dns" && later.key == "dns";
            shared && !is_dns && overlap(*taken, *address)
        });
        let Some((earlier, (taken, taken_at))) = clash else { continue };
        // One of the two may be a default.
        let (at, other, other_key) = match (at, taken_at) {
            (Some(at), _) => (at, taken, earlier.key),
            (None, Some(taken_at)) => (taken_at, address, later.key),
            (None, None) => continue,
        };
        at.wrong_with_hint(
            format!("clashes with {other} of `{other_key}`"),
            "take another port or another address",
        );
    }
}

/// Whether two sockets cannot both have their address; any free port is always another one.
fn overlap(a: SocketAddr, b: SocketAddr) -> bool {
    let same_ip = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() == b.port() && a.port() != 0 && a.is_ipv4() == b.is_ipv4() && same_ip
}

fn at_least_one<'a>(value: &Value<'a>) -> Option<Vec<Placed<'a>>> {
    if value.array()?.is_empty() {
        value.wrong("the daemon must listen somewhere");
        return None;
    }
    addresses(value)
}

fn addresses<'a>(value: &Value<'a>) -> Option<Vec<Placed<'a>>> {
    let items = value.array()?.into_iter();
    items.map(|item| Some((address(&item)?, Some(item)))).collect()
}

fn socket(value: &Value<'_>) -> Option<PathBuf> {
    let path = PathBuf::from(value.text()?);
    if path.file_name().is_none() {
        let hint = "leave the key out to do without it";
        value.wrong_with_hint("not the name of a socket", hint);
        return None;
    }
    Some(path)
}

fn has_items(value: &Value<'_>) -> bool {
    value.array().is_some_and(|items| !items.is_empty())
}

fn address(value: &Value<'_>) -> Option<SocketAddr> {
    let parsed = value.text()?.parse();
    if parsed.is_err() {
        let hint = r#"write "192.0.2.1:53" or "[2001:db8::1]:53""#;
        value.wrong_with_hint("not an address with a port", hint);
    }
    parsed.ok()
}

pub(super) fn schema(notes: &Notes) -> serde_json::Value {
    let addresses = |least| parts::list(parts::address_and_port(), least..=usize::MAX);
    parts::Keys::at(notes, ["listen"])
        .optional("dns", addresses(1))
        .optional("workers", parts::whole(WORKERS))
        .optional("http", parts::address_and_port())
        .optional("handover", parts::some_text())
        .optional("admin", parts::some_text())
        .optional("tls", addresses(0))
        .optional("quic", addresses(0))
        .optional("https", addresses(0))
        .table()
}
