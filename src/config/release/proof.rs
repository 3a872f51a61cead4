//! What a release has to prove: `tests`, `performance`, `guards` and `confirm` of the table `release`.

use std::{collections::BTreeSet, ops::RangeInclusive, sync::Arc, time::Duration};

use super::{
    Notes, Table, Value,
    kinds::{KINDS, ReadKind},
    parts,
};
use crate::{
    config::document::nearest,
    model::{
        Bound, DnsName, Guard, Label, Limit, Measure, Number, Outside, Performance, ProbeKind,
        Ratio, SmokeTest,
    },
};

/// Kinds that ask nothing of the endpoint itself.
const NOT_MEASURED: [&str; 2] = ["exec", "file"];
const GUARDS_MAX: usize = 16;
const CONFIRM_MAX: usize = 4;
const QUERY_LEN_MAX: usize = 4096;
/// Of a measurement: all requests, those at once, and those in a second.
const REQUESTS: RangeInclusive<u64> = 1..=100_000;
const AT_ONCE: RangeInclusive<u64> = 1..=64;
const RATE: RangeInclusive<u64> = 1..=1_000;
/// Of the values of a guard.
const COUNT_MAX: u64 = 100;
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
/// Of what is left out.
const ERRORS: Limit = Limit { measure: Measure::Errors, bound: Bound::Value(Number::HUNDREDTH) };

/// What is asked beside the probes.
pub(super) struct Proofs {
    pub(super) tests: Option<Vec<Arc<SmokeTest>>>,
    pub(super) performance: Option<Option<Arc<Performance>>>,
    pub(super) guards: Option<Vec<Arc<Guard>>>,
    pub(super) confirm: Option<Vec<Label>>,
}

/// Reads it, for the service with this name.
pub(super) fn proofs(
    table: &mut Table<'_>,
    deadline: Option<Duration>,
    owner: Option<&DnsName>,
    outside: &Outside,
) -> Proofs {
    let deadline = deadline.unwrap_or(HOUR);
    let tests =
        table.optional("tests").map_or(Some(Vec::new()), |value| tests(&value, deadline, owner));
    let performance = table.optional("performance").map_or(Some(None), |value| {
        self::performance(&value, deadline, owner).map(|it| Some(Arc::new(it)))
    });
    let guards = table.optional("guards");
    let guards = guards.map_or(Some(Vec::new()), |value| self::guards(&value, outside));
    let confirm = table.optional("confirm");
    let confirm = confirm.map_or(Some(Vec::new()), |value| self::confirm(&value, outside));
    Proofs { tests, performance, guards, confirm }
}

fn tests(
    value: &Value<'_>,
    deadline: Duration,
    owner: Option<&DnsName>,
) -> Option<Vec<Arc<SmokeTest>>> {
    let items = value.array()?;
    if items.len() > SmokeTest::EACH_MAX {
        value.wrong(format!("there are at most {} tests", SmokeTest::EACH_MAX));
    }
    // Each is looked at, so that all mistakes are shown.
    let tests: Vec<_> =
        items.iter().map(|item| test(item, deadline, owner).map(Arc::new)).collect();
    tests.into_iter().collect()
}

fn test(value: &Value<'_>, deadline: Duration, owner: Option<&DnsName>) -> Option<SmokeTest> {
    let mut table = value.table()?;
    let kind = kind(&mut table, owner);
    // What ends later than that has failed before.
    let most = deadline.min(HOUR);
    let default = SmokeTest::TIMEOUT.min(most);
    let timeout = duration(&mut table, "timeout", default, SECOND / 100..=most);
    table.finish();
    Some(SmokeTest { kind: kind?, timeout: timeout? })
}

/// The one kind of check that a table has.
fn kind(table: &mut Table<'_>, owner: Option<&DnsName>) -> Option<ProbeKind> {
    let found = KINDS.map(|(key, read, _)| (table.optional(key), read));
    let found: Vec<(Value<'_>, ReadKind)> =
        found.into_iter().filter_map(|(value, read)| Some((value?, read))).collect();
    match found.as_slice() {
        [(value, read)] => {
            let mut table = value.table()?;
            let kind = read(&mut table, owner);
            table.finish();
            kind
        }
        [] => {
            let hint =
                "add for example http = { port = 8080, path = \"/\" }; `probe` has the kinds";
            table.mistakes.add_with_hint(table.span(), "it says not what is done", hint);
            None
        }
        [_, (second, _), ..] => {
            second.wrong("it does one thing only: leave this out, or give it a table of its own");
            None
        }
    }
}

fn duration(
    table: &mut Table<'_>,
    key: &'static str,
    default: Duration,
    range: RangeInclusive<Duration>,
) -> Option<Duration> {
    table.optional(key).map_or(Some(default), |value| value.duration_in(range))
}

fn count(
    table: &mut Table<'_>,
    key: &'static str,
    default: u32,
    range: RangeInclusive<u64>,
) -> Option<u32> {
    let value = table.optional(key);
    let count = value.map_or(Some(default.into()), |value| value.integer_in(range))?;
    u32::try_from(count).ok()
}

fn performance(
    value: &Value<'_>,
    deadline: Duration,
    owner: Option<&DnsName>,
) -> Option<Performance> {
    let mut table = value.table()?;
    let kind = kind(&mut table, owner);
    if let Some(ProbeKind::Exec(_) | ProbeKind::StatusFile(_)) = kind {
        value.wrong_with_hint(
            "a measurement asks the endpoints themselves",
            "measure by tcp, http, https, tls, grpc or dns",
        );
    }
    let requests = count(&mut table, "requests", Performance::REQUESTS, REQUESTS);
    let most = deadline.min(HOUR);
    let default = Performance::DURATION.min(most);
    let longest = duration(&mut table, "duration", default, SECOND..=most);
    let most = longest.unwrap_or(HOUR);
    let default = Performance::TIMEOUT.min(most);
    let timeout = duration(&mut table, "timeout", default, SECOND / 100..=most);
    let concurrency = count(&mut table, "concurrency", Performance::CONCURRENCY, AT_ONCE);
    let rate = count(&mut table, "rate", Performance::RATE, RATE);
    let most = requests.unwrap_or(u32::MAX);
    let default = Performance::SAMPLES_MIN.min(most);
    let samples_min = count(&mut table, "samples_min", default, 1..=most.into());
    let interval = duration(&mut table, "interval", Performance::INTERVAL, SECOND..=24 * HOUR);
    let tolerance = duration(&mut table, "tolerance", Duration::ZERO, Duration::ZERO..=HOUR);
    let limits = Measure::ALL.map(|measure| {
        let value = table.optional(measure.name())?;
        Some(bound_of(measure, &value).map(|bound| Limit { measure, bound }))
    });
    table.finish();
    let limits: Option<Vec<Limit>> = limits.into_iter().flatten().collect();
    let mut limits = limits?;
    if limits.is_empty() {
        let hint = "add for example p95 = \"1.2x\" (of what the old pool has) or p95 = \"200ms\"";
        value.wrong_with_hint("nothing limits what is measured", hint);
    }
    if limits.iter().all(|limit| limit.measure != Measure::Errors) {
        limits.push(ERRORS);
    }
    Some(Performance {
        kind: kind?,
        requests: requests?,
        duration: longest?,
        concurrency: concurrency?,
        rate: rate?,
        timeout: timeout?,
        samples_min: samples_min?,
        interval: interval?,
        tolerance: tolerance?,
        limits,
    })
}

/// `"1.2x"`, or what the measure is counted in.
fn bound_of(measure: Measure, value: &Value<'_>) -> Option<Bound> {
    if let Some(text) = value.as_text().filter(|text| text.ends_with('x')) {
        return ratio(value, text);
    }
    let number = match measure {
        Measure::Mean | Measure::Percentile(_) => {
            value.duration_in(SECOND / 1_000_000..=HOUR)?.as_secs_f64()
        }
        Measure::Errors => percentage(value)?,
        Measure::Throughput => value.number_in(0.0..=1e9)?,
    };
    Number::new(number).map(Bound::Value).map_err(|error| value.wrong(error.to_string())).ok()
}

fn ratio(value: &Value<'_>, text: &str) -> Option<Bound> {
    text.parse::<Ratio>().map(Bound::Ratio).map_err(|error| value.wrong(error.to_string())).ok()
}

/// Of the requests; unlike a share of clients it can be less than one of a hundred.
fn percentage(value: &Value<'_>) -> Option<f64> {
    let number = value.text()?.strip_suffix('%').and_then(|number| number.trim().parse().ok());
    let number: Option<f64> = number.filter(|number| (0.0..=100.0).contains(number));
    if number.is_none() {
        let hint = "write for example \"1%\", \"0.1%\", or \"1.5x\" of what the old pool has";
        value.wrong_with_hint("not a percentage from 0% to 100%", hint);
    }
    number.map(|number| number / 100.0)
}

fn guards(value: &Value<'_>, outside: &Outside) -> Option<Vec<Arc<Guard>>> {
    let items = value.array()?;
    if items.len() > GUARDS_MAX {
        value.wrong(format!("there are at most {GUARDS_MAX} guards"));
    }
    if !items.is_empty() && outside.metrics.is_none() {
        let hint = "write there: prometheus = { url = \"http://127.0.0.1:9090\" }";
        value.wrong_with_hint("no Prometheus is named in the settings (cutover.toml)", hint);
    }
    let mut names = BTreeSet::new();
    let guards: Vec<Option<Arc<Guard>>> = items
        .iter()
        .map(|item| {
            let guard = guard(item)?;
            if !names.insert(guard.name.clone()) {
                item.wrong(format!("there are two guards {}", guard.name));
            }
            Some(Arc::new(guard))
        })
        .collect();
    guards.into_iter().collect()
}

fn guard(value: &Value<'_>) -> Option<Guard> {
    let mut table = value.table()?;
    let name = table.required("name", "\"errors\"").and_then(|value| value.parse::<Label>());
    let query = table.required("query", r#"'rate(errors{pool="{{pool}}"}[1m])'"#);
    let query = query.and_then(|value| self::query(&value));
    let [min, max] = ["min", "max"].map(|key| table.optional(key));
    if min.is_none() && max.is_none() {
        let hint = "add for example max = 0.01, or max = \"1.2x\" of what the old pool has";
        value.wrong_with_hint("the guard says not what is good", hint);
    }
    let [min, max] = [min, max].map(|value| match value {
        None => Some(None),
        Some(value) => bound(&value).map(Some),
    });
    let tolerance = table
        .optional("tolerance")
        .map_or(Some(Number::ZERO), |value| Number::new(value.number_in(0.0..=f64::MAX)?).ok());
    let interval = duration(&mut table, "interval", Guard::INTERVAL, SECOND..=HOUR);
    let needed = count(&mut table, "count", Guard::COUNT, 1..=COUNT_MAX);
    let fail_limit = count(&mut table, "fail_limit", 0, 0..=COUNT_MAX);
    let error_limit = count(&mut table, "error_limit", Guard::ERROR_LIMIT, 0..=COUNT_MAX);
    table.finish();
    let guard = Guard {
        name: name?,
        query: query?,
        min: min?,
        max: max?,
        tolerance: tolerance?,
        interval: interval?,
        count: needed?,
        fail_limit: fail_limit?,
        error_limit: error_limit?,
    };
    if guard.is_relative() && !guard.query.contains(Guard::POOL) {
        let hint = "write {{pool}} where the query names the pool";
        value.wrong_with_hint("a guard that compares pools asks for each of them", hint);
    }
    Some(guard)
}

fn query(value: &Value<'_>) -> Option<String> {
    let text = value.text()?;
    if text.trim().is_empty() || text.len() > QUERY_LEN_MAX {
        value.wrong(format!("a query has 1 to {QUERY_LEN_MAX} octets"));
    }
    let known = text.replace(Guard::SERVICE, "").replace(Guard::POOL, "");
    if known.contains("{{") {
        let hint = "{{service}} and {{pool}} are filled in, and nothing else";
        value.wrong_with_hint("there is a placeholder that is not known", hint);
    }
    Some(text.to_owned())
}

/// A number, or `"1.2x"`.
fn bound(value: &Value<'_>) -> Option<Bound> {
    match value.as_text() {
        Some(text) => ratio(value, text),
        None => Number::new(value.number_in(f64::MIN..=f64::MAX)?).map(Bound::Value).ok(),
    }
}

fn confirm(value: &Value<'_>, outside: &Outside) -> Option<Vec<Label>> {
    let items = value.array()?;
    if items.len() > CONFIRM_MAX {
        value.wrong(format!("at most {CONFIRM_MAX} can be asked"));
    }
    let known: Vec<&str> = outside.confirm.keys().map(Label::as_str).collect();
    let mut names: Vec<Label> = Vec::new();
    let mut is_good = true;
    for item in &items {
        let Some(name) = item.parse::<Label>() else {
            is_good = false;
            continue;
        };
        if !outside.confirm.contains_key(&name) {
            let hint = match nearest(name.as_str(), &known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("write there: [confirm.{name}], with a url"),
            };
            let message = format!("the settings (cutover.toml) have no `confirm.{name}`");
            item.wrong_with_hint(message, hint);
        }
        if names.contains(&name) {
            item.wrong(format!("{name} is asked once"));
        }
        names.push(name);
    }
    is_good.then_some(names)
}

/// With what is asked beside the probes.
pub(super) fn schema<'n>(keys: parts::Keys<'n>, notes: &'n Notes) -> parts::Keys<'n> {
    keys.optional("tests", parts::list(test_schema(notes), 0..=SmokeTest::EACH_MAX))
        .optional("performance", performance_schema(notes))
        .optional("guards", parts::list(guard_schema(notes), 0..=GUARDS_MAX))
        .optional("confirm", parts::list(parts::label(), 0..=CONFIRM_MAX))
}

/// A table that has exactly one of these kinds.
fn with_kind(
    keys: parts::Keys<'_>,
    kinds: impl Iterator<Item = &'static str> + Clone,
) -> serde_json::Value {
    let of_kind = |kind: &'static str| (kind, parts::reference(kind));
    let mut table = keys.each(kinds.clone().map(of_kind)).table();
    parts::with_one(&mut table, kinds);
    table
}

fn test_schema(notes: &Notes) -> serde_json::Value {
    let keys = parts::Keys::at(notes, ["services.*.release.tests {}"]);
    let keys = keys.optional("timeout", parts::duration());
    with_kind(keys, KINDS.into_iter().map(|(kind, ..)| kind))
}

fn performance_schema(notes: &Notes) -> serde_json::Value {
    let limit = |measure| match measure {
        Measure::Mean | Measure::Percentile(_) => {
            parts::either([parts::duration(), parts::ratio()])
        }
        Measure::Errors => parts::either([parts::part(), parts::ratio()]),
        Measure::Throughput => parts::either([parts::number(0.0..=1e9), parts::ratio()]),
    };
    let keys = parts::Keys::at(notes, ["services.*.release.performance"])
        .optional("requests", parts::whole(REQUESTS))
        .optional("duration", parts::duration())
        .optional("concurrency", parts::whole(AT_ONCE))
        .optional("rate", parts::whole(RATE))
        .optional("timeout", parts::duration())
        .optional("samples_min", parts::whole(REQUESTS))
        .optional("interval", parts::duration())
        .optional("tolerance", parts::duration());
    let keys = keys.each(Measure::ALL.map(|measure| (measure.name(), limit(measure))));
    let kinds = KINDS.into_iter().map(|(kind, ..)| kind);
    let mut table = with_kind(keys, kinds.filter(|kind| !NOT_MEASURED.contains(kind)));
    parts::with_any(&mut table, Measure::ALL.map(Measure::name));
    table
}

fn guard_schema(notes: &Notes) -> serde_json::Value {
    let mut query = parts::some_text();
    query["maxLength"] = QUERY_LEN_MAX.into();
    let bound = || parts::either([parts::number(f64::MIN..=f64::MAX), parts::ratio()]);
    let mut guard = parts::Keys::at(notes, ["services.*.release.guards[]"])
        .required("name", parts::label())
        .required("query", query)
        .optional("min", bound())
        .optional("max", bound())
        .optional("tolerance", parts::number(0.0..=f64::MAX))
        .optional("interval", parts::duration())
        .optional("count", parts::whole(1..=COUNT_MAX))
        .optional("fail_limit", parts::whole(0..=COUNT_MAX))
        .optional("error_limit", parts::whole(0..=COUNT_MAX))
        .table();
    parts::with_any(&mut guard, ["min", "max"]);
    guard
}
