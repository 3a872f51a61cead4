//! How the endpoints of a service are probed: the table `probe`.

use std::{sync::Arc, time::Duration};

use hyper::http::uri::PathAndQuery;

use super::{Table, Value};
use crate::model::{
    Check, DnsName, Header, HeaderError, HttpProbe, Method, Pass, ProbeKind, ProbeSetting,
    ProbeSpec, TcpProbe,
};

const INTERVAL_MIN: Duration = Duration::from_millis(100);
const INTERVAL_MAX: Duration = Duration::from_secs(3_600);
const TIMEOUT_MIN: Duration = Duration::from_millis(10);
const HEADERS_MAX: usize = 20;
const LATENCY_MIN: Duration = Duration::from_millis(1);

/// `"none"`, or a table with checks and the schedule.
pub(super) fn setting(value: &Value<'_>, owner: Option<&DnsName>) -> Option<ProbeSetting> {
    match value.as_text() {
        Some("none") => return Some(ProbeSetting::Off),
        Some(_) => {
            value.wrong_with_hint("not a probe", r#"write a table, or "none" to probe nothing"#);
            return None;
        }
        None => {}
    }
    let mut table = value.table()?;
    let checks = checks(&mut table, owner);
    let pass = table.optional("pass").map_or(Some(Pass::default()), |value| pass(&value));
    let duration = |value: Option<Value<'_>>, default, range| {
        value.map_or(Some(default), |value| value.duration_in(range))
    };
    let interval =
        duration(table.optional("interval"), ProbeSpec::INTERVAL, INTERVAL_MIN..=INTERVAL_MAX);
    let timeout_at = table.optional("timeout");
    // A try must have ended before the next one of the same endpoint begins.
    let timeout_max = interval.unwrap_or(INTERVAL_MAX);
    let timeout_default = ProbeSpec::TIMEOUT.min(timeout_max);
    let timeout = duration(timeout_at, timeout_default, TIMEOUT_MIN..=timeout_max);
    let count = |value: Option<Value<'_>>, default: u32| {
        let count = value.map_or(Some(default.into()), |value| value.integer_in(1..=100));
        count.and_then(|count| u32::try_from(count).ok())
    };
    let rise = count(table.optional("rise"), ProbeSpec::RISE);
    let fall = count(table.optional("fall"), ProbeSpec::FALL);
    let jitter = table.optional("jitter").map_or(Some(ProbeSpec::JITTER), |value| value.parse());
    table.finish();
    Some(ProbeSetting::On(Arc::new(ProbeSpec {
        checks: checks?,
        pass: pass?,
        interval: interval?,
        timeout: timeout?,
        rise: rise?,
        fall: fall?,
        jitter: jitter?,
    })))
}

/// Of each kind one check, or a list of them.
fn checks(table: &mut Table<'_>, owner: Option<&DnsName>) -> Option<Vec<Check>> {
    let kinds: [(&str, ReadKind); 2] = [("tcp", tcp_probe), ("http", http_probe)];
    let mut checks = Vec::new();
    let mut is_good = true;
    for (key, read) in kinds {
        let Some(value) = table.optional(key) else { continue };
        let each = if value.is_array() { value.array()? } else { vec![value.clone()] };
        if each.is_empty() {
            value.wrong("a list of checks has at least one");
            is_good = false;
        }
        for value in each {
            match check(&value, read, owner) {
                Some(check) => checks.push(check),
                None => is_good = false,
            }
        }
    }
    if checks.is_empty() && is_good {
        let hint = "add tcp = { port = 8080 } or http = { port = 8080, path = \"/healthz\" }";
        table.mistakes.add_with_hint(table.span(), "the probe has no kind", hint);
        return None;
    }
    if checks.len() > ProbeSpec::CHECKS_MAX {
        let most = ProbeSpec::CHECKS_MAX;
        table.mistakes.add(table.span(), format!("a probe has at most {most} checks"));
    }
    is_good.then_some(checks)
}

/// Reads what is of one kind; whose name it is asked for by, if nothing else is said.
type ReadKind = fn(&mut Table<'_>, Option<&DnsName>) -> Option<ProbeKind>;

fn check(value: &Value<'_>, read: ReadKind, owner: Option<&DnsName>) -> Option<Check> {
    let mut table = value.table()?;
    let kind = read(&mut table, owner);
    let latency = table.optional("latency");
    let latency =
        latency.map_or(Some(None), |value| value.duration_in(LATENCY_MIN..=INTERVAL_MAX).map(Some));
    table.finish();
    Some(Check { kind: kind?, latency: latency? })
}

fn pass(value: &Value<'_>) -> Option<Pass> {
    let text = value.text()?;
    let found = Pass::ALL.into_iter().find(|pass| pass.name() == text);
    if found.is_none() {
        value.wrong_with_hint("neither `all` nor `any`", "must all checks pass, or is one enough?");
    }
    found
}

fn tcp_probe(table: &mut Table<'_>, _: Option<&DnsName>) -> Option<ProbeKind> {
    Some(ProbeKind::Tcp(TcpProbe { port: port(table)? }))
}

fn http_probe(table: &mut Table<'_>, owner: Option<&DnsName>) -> Option<ProbeKind> {
    let port = port(table);
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
    let host = table.optional("host").map_or(owner.map(ToString::to_string), |value| {
        let text = value.text()?;
        let sendable = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !sendable {
            value.wrong("a Host header has neither spaces nor characters beyond ASCII");
        }
        sendable.then(|| text.to_owned())
    });
    let status = table.optional("status").map_or(Some(vec![200]), |value| statuses(&value));
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
    let http = HttpProbe {
        port: port?,
        method: method?,
        path: path?,
        host: host?,
        headers: headers?,
        status: status?,
        body: body?,
    };
    Some(ProbeKind::Http(http))
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
