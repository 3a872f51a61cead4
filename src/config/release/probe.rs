//! How the endpoints of a service are probed: the table `probe`. What each kind has is in `kinds`.

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use super::{
    Notes, Table, Value,
    kinds::{KINDS, ReadKind, SayKind, check_of, check_schema},
    parts,
};
use crate::model::{Check, DnsName, Pass, ProbeSetting, ProbeSpec};

const INTERVAL_MIN: Duration = Duration::from_millis(100);
const INTERVAL_MAX: Duration = Duration::from_secs(3_600);
const TIMEOUT_MIN: Duration = Duration::from_millis(10);
const LATENCY_MIN: Duration = Duration::from_millis(1);
const COUNT: RangeInclusive<u64> = 1..=100;

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
        let count = value.map_or(Some(default.into()), |value| value.integer_in(COUNT));
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
    let mut checks = Vec::new();
    let mut is_good = true;
    for (key, read, _) in KINDS {
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

pub(super) fn schema(notes: &Notes) -> serde_json::Value {
    let keys = parts::Keys::at(notes, ["kinds", "services.*.probe"])
        .optional("pass", parts::word(Pass::ALL.map(Pass::name)))
        .optional("interval", parts::duration())
        .optional("timeout", parts::duration())
        .optional("rise", parts::whole(COUNT))
        .optional("fall", parts::whole(COUNT))
        .optional("jitter", parts::percent());
    let of_kind = |(kind, _, say): (&'static str, ReadKind, SayKind)| {
        let many = parts::list(parts::reference(&check_of(kind)), 1..=ProbeSpec::CHECKS_MAX);
        (kind, parts::either([check_schema(say, kind, notes), many]))
    };
    let mut probe = keys.each(KINDS.map(of_kind)).table();
    parts::with_any(&mut probe, KINDS.map(|(kind, ..)| kind));
    parts::either([parts::matching("^none$"), probe])
}
