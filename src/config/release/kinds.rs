//! What each kind of probe has: a table for each check.

use std::{ops::RangeInclusive, time::Duration};

use hickory_proto::{op::ResponseCode, rr::RecordType};
use hyper::http::uri::{Authority, PathAndQuery};
use serde_json::json;

use super::{Notes, Table, Value, absolute_path, arguments, arguments_schema, parts};
use crate::model::{
    DnsName, DnsProbe, ExecProbe, FileProbe, GrpcProbe, Header, HeaderError, HttpProbe, HttpsProbe,
    Method, Pattern, ProbeKind, TcpProbe, TlsProbe, TlsSettings,
};

const HEADERS_MAX: usize = 20;
const GRPC_SERVICE_LEN_MAX: usize = 200;
const STATUS: RangeInclusive<u64> = 100..=599;
const AGE_MIN: Duration = Duration::from_secs(1);
const AGE_MAX: Duration = Duration::from_secs(7 * 86_400);

/// The keys of the kinds, how each is read, and which keys it has.
pub(super) const KINDS: [(&str, ReadKind, SayKind); 8] = [
    ("tcp", tcp_probe, tcp_keys),
    ("http", http_probe, http_keys),
    ("https", https_probe, https_keys),
    ("tls", tls_probe, tls_keys),
    ("grpc", grpc_probe, grpc_keys),
    ("dns", dns_probe, dns_keys),
    ("exec", exec_probe, exec_keys),
    ("file", file_probe, file_keys),
];

/// Reads what is of one kind; whose name it is asked for by, if nothing else is said.
pub(super) type ReadKind = fn(&mut Table<'_>, Option<&DnsName>) -> Option<ProbeKind>;
/// Says its keys to editors.
pub(super) type SayKind = for<'n> fn(parts::Keys<'n>) -> parts::Keys<'n>;

fn tcp_probe(table: &mut Table<'_>, _: Option<&DnsName>) -> Option<ProbeKind> {
    Some(ProbeKind::Tcp(TcpProbe { port: port(table)? }))
}

fn tls_probe(table: &mut Table<'_>, owner: Option<&DnsName>) -> Option<ProbeKind> {
    let (port, tls) = (port(table), tls(table, owner.map(ToString::to_string).as_deref()));
    Some(ProbeKind::Tls(TlsProbe { port: port?, tls: tls? }))
}

fn http_probe(table: &mut Table<'_>, owner: Option<&DnsName>) -> Option<ProbeKind> {
    http(table, owner).map(ProbeKind::Http)
}

fn https_probe(table: &mut Table<'_>, owner: Option<&DnsName>) -> Option<ProbeKind> {
    let http = http(table, owner);
    let tls = tls(table, http.as_ref().and_then(|http| name_in(&http.host)));
    Some(ProbeKind::Https(HttpsProbe { http: http?, tls: tls? }))
}

fn grpc_probe(table: &mut Table<'_>, owner: Option<&DnsName>) -> Option<ProbeKind> {
    let port = port(table);
    let service = match table.optional("service") {
        Some(value) => grpc_service(&value),
        None => Some(String::new()),
    };
    let host = host(table, owner);
    let is_secured = table.optional("tls").map_or(Some(false), |value| value.boolean());
    let tls = match is_secured? {
        true => tls(table, host.as_deref().and_then(name_in)).map(Some),
        false => Some(None),
    };
    Some(ProbeKind::Grpc(GrpcProbe { port: port?, service: service?, host: host?, tls: tls? }))
}

fn grpc_service(value: &Value<'_>) -> Option<String> {
    let text = value.text()?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/');
    if text.is_empty() || text.len() > GRPC_SERVICE_LEN_MAX || !text.chars().all(is_name) {
        let hint = "such as \"grpc.routing.v1.Router\"; leave it out to ask about the whole server";
        value.wrong_with_hint("not the name of a gRPC service", hint);
        return None;
    }
    Some(text.to_owned())
}

fn dns_probe(table: &mut Table<'_>, _: Option<&DnsName>) -> Option<ProbeKind> {
    let port = match table.optional("port") {
        Some(value) => value.integer_in(1..=65_535).and_then(|port| u16::try_from(port).ok()),
        None => Some(53),
    };
    let tcp = table.optional("tcp").map_or(Some(false), |value| value.boolean());
    let name = table.required("name", r#""example.com""#).and_then(|value| value.parse());
    let record_type = table.optional("type").map_or(Some(RecordType::SOA), |value| {
        let found = value.text()?.parse::<RecordType>().ok();
        let found = found.filter(|it| *it != RecordType::ANY && !it.is_dnssec());
        if found.is_none() {
            value.wrong_with_hint("not a type of records", r#"such as "A", "SOA" or "TXT""#);
        }
        found
    });
    let rcode = table.optional("rcode").map_or(Some(ResponseCode::NoError), |value| {
        let text = value.text()?;
        let found = DnsProbe::RCODES.into_iter().find(|(name, _)| *name == text);
        if found.is_none() {
            let names = DnsProbe::RCODES.map(|(name, _)| name).join(", ");
            value.wrong_with_hint("not an RCODE of probes", format!("use one of {names}"));
        }
        found.map(|(_, code)| code)
    });
    let data = table.optional("data").map_or(Some(None), |value| {
        if rcode.is_some_and(|code| code != ResponseCode::NoError) {
            value.wrong("an answer with another RCODE than NOERROR has no data");
        }
        value.text().map(|text| Some(text.to_owned()))
    });
    let (name, record_type) = (name?, record_type?);
    let (port, tcp, rcode, data) = (port?, tcp?, rcode?, data?);
    Some(ProbeKind::Dns(DnsProbe { port, tcp, name, record_type, rcode, data }))
}

fn exec_probe(table: &mut Table<'_>, owner: Option<&DnsName>) -> Option<ProbeKind> {
    let command = table.required("command", r#""/usr/local/bin/check""#);
    let command = command.and_then(|value| absolute_path(&value));
    let arguments = arguments(table);
    let (command, arguments) = (command?, arguments?);
    Some(ProbeKind::Exec(ExecProbe { command, arguments, host: owner?.to_string() }))
}

fn file_probe(table: &mut Table<'_>, _: Option<&DnsName>) -> Option<ProbeKind> {
    let path = table.required("path", r#""/run/health/{address}""#);
    let path = path.and_then(|value| {
        absolute_path(&value)?;
        value.text().map(str::to_owned)
    });
    let content = table.required("content", r#""up""#).and_then(|value| {
        let text = value.text()?;
        if text.is_empty() || text.trim() != text || text.len() > FileProbe::CONTENT_LEN_MAX {
            let most = FileProbe::CONTENT_LEN_MAX;
            value.wrong(format!("1 to {most} octets without space around them"));
        }
        Some(text.to_owned())
    });
    let age_max = table.optional("max_age");
    let age_max =
        age_max.map_or(Some(None), |value| value.duration_in(AGE_MIN..=AGE_MAX).map(Some));
    Some(ProbeKind::StatusFile(FileProbe { path: path?, content: content?, age_max: age_max? }))
}

fn tls(table: &mut Table<'_>, default_name: Option<&str>) -> Option<TlsSettings> {
    let named = table.optional("server_name");
    let server_name = match &named {
        Some(value) => value.parse(),
        None => default_name.and_then(|name| name.parse().ok()),
    };
    if named.is_none() && server_name.is_none() && default_name.is_some() {
        let hint = r#"say it: server_name = "www.example.com""#;
        table.mistakes.add_with_hint(table.span(), "the host is no name of a certificate", hint);
    }
    let ca = table.optional("ca").map_or(Some(None), |value| absolute_path(&value).map(Some));
    let mut validity = |key, default| match table.optional(key) {
        Some(value) => value.duration_in(Duration::ZERO..=TlsSettings::VALIDITY_MAX),
        None => Some(default),
    };
    let validity_min = validity("validity_min", TlsSettings::VALIDITY_MIN);
    let validity_warn = validity("validity_warn", TlsSettings::VALIDITY_WARN);
    Some(TlsSettings {
        server_name: server_name?,
        ca: ca?,
        validity_min: validity_min?,
        validity_warn: validity_warn?,
    })
}

fn http(table: &mut Table<'_>, owner: Option<&DnsName>) -> Option<HttpProbe> {
    let port = port(table);
    let http2 = table.optional("http2").map_or(Some(false), |value| value.boolean());
    let method =
        table.optional("method").map_or(Some(Method::default()), |value| method_of(&value));
    let headers = table.optional("headers").map_or(Some(Vec::new()), |value| headers_of(&value));
    let path = table.optional("path").map_or(Some("/".to_owned()), |value| {
        let text = value.text()?;
        let sendable = text.starts_with('/') && text.parse::<PathAndQuery>().is_ok();
        if !sendable {
            value.wrong(
                "not a path: it begins with /, and what a URI has no room for is written %XX",
            );
        }
        sendable.then(|| text.to_owned())
    });
    let host = host(table, owner);
    let status = table.optional("status").map_or(Some(vec![200]), |value| statuses(&value));
    let pattern = match table.optional("body_regex") {
        Some(value) if method == Some(Method::Head) => {
            value.wrong("an answer to HEAD has no body");
            None
        }
        Some(value) => value.parse::<Pattern>().map(Some),
        None => Some(None),
    };
    let body = match table.optional("body") {
        Some(value) if method == Some(Method::Head) => {
            value.wrong("an answer to HEAD has no body");
            None
        }
        Some(value) => {
            let text = value.text();
            if text == Some("") {
                value.wrong("an empty text stands in every body: leave the key out");
            }
            text.map(|text| Some(text.to_owned()))
        }
        None => Some(None),
    };
    Some(HttpProbe {
        port: port?,
        method: method?,
        http2: http2?,
        path: path?,
        host: host?,
        headers: headers?,
        status: status?,
        body: body?,
        pattern: pattern?,
    })
}

fn host(table: &mut Table<'_>, owner: Option<&DnsName>) -> Option<String> {
    table.optional("host").map_or(owner.map(ToString::to_string), |value| {
        let text = value.text()?;
        let sendable = text.parse::<Authority>().is_ok_and(|host| !host.as_str().contains('@'));
        if !sendable {
            value.wrong("a host is a name or an address, and perhaps a port");
        }
        sendable.then(|| text.to_owned())
    })
}

/// Whom it is asked of is by default whom it is asked for: the host without its port.
fn name_in(host: &str) -> Option<&str> {
    match host.strip_prefix('[') {
        Some(address) => address.split(']').next(),
        None => host.split(':').next(),
    }
}

fn method_of(value: &Value<'_>) -> Option<Method> {
    let text = value.text()?;
    let found = Method::ALL.into_iter().find(|method| method.name() == text);
    if found.is_none() {
        let names = Method::ALL.map(Method::name).join(", ");
        value.wrong_with_hint("not a method of probes", format!("use one of {names}"));
    }
    found
}

/// `{ authorization = "Bearer …" }`.
fn headers_of(value: &Value<'_>) -> Option<Vec<Header>> {
    let mut headers: Vec<Header> = Vec::new();
    let mut is_good = true;
    for (name, value) in value.table()?.entries() {
        let Some(text) = value.text() else {
            is_good = false;
            continue;
        };
        match Header::new(name.text(), text) {
            Ok(header) if headers.iter().any(|known| known.name() == header.name()) => {
                name.wrong("this header is there already: names are compared without case");
            }
            Ok(header) => headers.push(header),
            Err(error @ HeaderError::Value) => value.wrong(error.to_string()),
            Err(error) => name.wrong(error.to_string()),
        }
    }
    if headers.len() > HEADERS_MAX {
        value.wrong(format!("a request has at most {HEADERS_MAX} headers"));
    }
    is_good.then_some(headers)
}

fn port(table: &mut Table<'_>) -> Option<u16> {
    let port = table.required("port", "8080")?.integer_in(1..=65_535)?;
    u16::try_from(port).ok()
}

fn statuses(value: &Value<'_>) -> Option<Vec<u16>> {
    let items = value.array()?;
    if items.is_empty() {
        value.wrong("at least one status must pass");
        return None;
    }
    let status = |item: &Value<'_>| u16::try_from(item.integer_in(100..=599)?).ok();
    items.iter().map(status).collect()
}

/// What each kind takes, alone and as a check of a probe, which may have a limit.
pub(super) fn schemas(notes: &Notes) -> serde_json::Value {
    let mut schemas = serde_json::Map::new();
    for (kind, _, say) in KINDS {
        let mut alone = say(keys_of(kind, notes)).table();
        let what = notes.get(&format!("kinds.{kind}")).map_or("", |note| note.text.as_str());
        parts::describe(&mut alone, what);
        schemas.insert(kind.to_owned(), alone);
        let mut check = check_schema(say, kind, notes);
        parts::describe(&mut check, what);
        schemas.insert(check_of(kind), check);
    }
    schemas.into()
}

/// A check of a probe.
pub(super) fn check_schema(say: SayKind, kind: &str, notes: &Notes) -> serde_json::Value {
    say(keys_of(kind, notes)).optional("latency", parts::duration()).table()
}

/// `https` has the keys of `http` and `tls`, and `grpc` some of them.
fn keys_of<'n>(kind: &str, notes: &'n Notes) -> parts::Keys<'n> {
    let own = format!("kinds.{kind}");
    parts::Keys::at(notes, [own.as_str(), "kinds.http", "kinds.tls", "kinds.…"])
}

/// What a check of a kind is called among the definitions of the schema.
pub(super) fn check_of(kind: &str) -> String {
    format!("{kind}_check")
}

fn tcp_keys(keys: parts::Keys<'_>) -> parts::Keys<'_> {
    keys.required("port", parts::port())
}

fn http_keys(keys: parts::Keys<'_>) -> parts::Keys<'_> {
    let mut headers = parts::names("^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", parts::some_text());
    headers["maxProperties"] = HEADERS_MAX.into();
    keys.required("port", parts::port())
        .optional("method", parts::word(Method::ALL.map(Method::name)))
        .optional("path", parts::matching("^/"))
        .optional("host", parts::some_text())
        .optional("headers", headers)
        .optional("status", parts::list(parts::whole(STATUS), 1..=usize::MAX))
        .optional("body", parts::some_text())
        .optional("body_regex", parts::text())
        .optional("http2", parts::flag())
}

fn https_keys(keys: parts::Keys<'_>) -> parts::Keys<'_> {
    of_tls(http_keys(keys))
}

fn tls_keys(keys: parts::Keys<'_>) -> parts::Keys<'_> {
    of_tls(keys.required("port", parts::port()))
}

fn of_tls(keys: parts::Keys<'_>) -> parts::Keys<'_> {
    keys.optional("server_name", parts::some_text())
        .optional("ca", parts::absolute_path())
        .optional("validity_min", parts::duration())
        .optional("validity_warn", parts::duration())
}

fn grpc_keys(keys: parts::Keys<'_>) -> parts::Keys<'_> {
    let service = format!("^[A-Za-z0-9._/-]{{1,{GRPC_SERVICE_LEN_MAX}}}$");
    let keys = keys
        .required("port", parts::port())
        .optional("service", parts::matching(&service))
        .optional("host", parts::some_text())
        .optional("tls", parts::flag());
    let secured = json!({ "required": ["tls"], "properties": { "tls": { "const": true } } });
    of_tls(keys).needs(["server_name", "ca", "validity_min", "validity_warn"], &secured)
}

fn dns_keys(keys: parts::Keys<'_>) -> parts::Keys<'_> {
    keys.optional("port", parts::port())
        .optional("tcp", parts::flag())
        .required("name", parts::name())
        .optional("type", parts::some_text())
        .optional("rcode", parts::word(DnsProbe::RCODES.map(|(name, _)| name)))
        .optional("data", parts::text())
}

fn exec_keys(keys: parts::Keys<'_>) -> parts::Keys<'_> {
    keys.required("command", parts::absolute_path()).optional("arguments", arguments_schema())
}

fn file_keys(keys: parts::Keys<'_>) -> parts::Keys<'_> {
    let mut content = parts::some_text();
    content["maxLength"] = FileProbe::CONTENT_LEN_MAX.into();
    keys.required("path", parts::absolute_path())
        .required("content", content)
        .optional("max_age", parts::duration())
}
