//! How a service is released: the table `release`.

use std::{num::NonZeroUsize, time::Duration};

use jiff::tz::TimeZone;
use serde_json::json;

use super::{
    super::document::nearest,
    ENDPOINTS_MAX, Notes, Table, Value, parts,
    proof::{self, Proofs, proofs},
    ttl,
};
use crate::model::{
    ClientNetwork, ClientRange, DnsName, Family, Network, Outside, Percent, Pool, RampStep,
    ReleasePolicy, Timestamp, Window, Windows,
};

const DAY: Duration = Duration::from_secs(86_400);
const RAMP_STEPS_MAX: usize = 20;
const WINDOWS_MAX: usize = 20;
/// Each question of the service is compared with all of them.
const PREVIEWS_MAX: usize = 16;

/// The table `release` of a service.
pub(super) fn policy(
    value: &Value<'_>,
    owner: Option<&DnsName>,
    outside: &Outside,
) -> Option<ReleasePolicy> {
    let mut table = value.table()?;
    let default = ReleasePolicy::default();
    let group = optional(table.optional("group"), |value| value.parse());
    let ramp = table.optional("ramp").map_or(Some(Vec::new()), |value| self::ramp(&value));
    let (at, clean) = instant(&mut table);
    let ttl = optional(table.optional("ttl"), ttl);
    let bake = table
        .optional("bake")
        .map_or(Some(default.bake), |value| value.duration_in(Duration::ZERO..=7 * DAY));
    let deadline = table.optional("deadline").map_or(Some(default.deadline), |value| {
        value.duration_in(Duration::from_secs(1)..=7 * DAY)
    });
    let min_up = table.optional("min_up").map_or(Some(default.min_up), |value| value.parse());
    let min_up_endpoints = table.optional("min_up_endpoints");
    let min_up_endpoints =
        min_up_endpoints.map_or(Some(default.min_up_endpoints), |value| endpoints_at_least(&value));
    let min_up_weight = optional(table.optional("min_up_weight"), |value| value.parse());
    let progress_deadline = optional(table.optional("progress_deadline"), |value| {
        value.duration_in(Duration::from_secs(1)..=30 * DAY)
    });
    let windows = windows(&mut table);
    let min_change_interval =
        table.optional("min_change_interval").map_or(Some(default.min_change_interval), |value| {
            value.duration_in(Duration::ZERO..=7 * DAY)
        });
    let day_at_most = |value: Option<Value<'_>>, default| {
        value.map_or(Some(default), |value| value.duration_in(Duration::ZERO..=DAY))
    };
    let pin_allowance = day_at_most(table.optional("pin_allowance"), default.pin_allowance);
    let drain_grace = day_at_most(table.optional("drain_grace"), default.drain_grace);
    let preview = table.optional("preview").map_or(Some(Vec::new()), |value| preview(&value));
    let Proofs { tests, performance, guards, confirm } =
        proofs(&mut table, deadline, owner, outside);
    table.finish();
    Some(ReleasePolicy {
        group: group?,
        ramp: ramp?,
        at: at?,
        clean: clean?,
        ttl: ttl?,
        bake: bake?,
        deadline: deadline?,
        min_up: min_up?,
        min_up_endpoints: min_up_endpoints?,
        min_up_weight: min_up_weight?,
        progress_deadline: progress_deadline?,
        windows: windows?,
        min_change_interval: min_change_interval?,
        pin_allowance: pin_allowance?,
        drain_grace: drain_grace?,
        preview: preview?,
        tests: tests?,
        performance: performance?,
        guards: guards?,
        confirm: confirm?,
    })
}

/// A key without which something is not asked for at all.
fn optional<'a, T>(
    value: Option<Value<'a>>,
    read: impl FnOnce(&Value<'a>) -> Option<T>,
) -> Option<Option<T>> {
    value.map_or(Some(None), |value| read(&value).map(Some))
}

fn endpoints_at_least(value: &Value<'_>) -> Option<NonZeroUsize> {
    let count = value.integer_in(1..=ENDPOINTS_MAX as u64)?;
    NonZeroUsize::new(usize::try_from(count).ok()?)
}

/// `["198.51.100.0/24"]`: networks that are large enough for clients to be told apart by them.
fn preview(value: &Value<'_>) -> Option<Vec<Network>> {
    let items = value.array()?;
    if items.len() > PREVIEWS_MAX {
        value.wrong(format!("there are at most {PREVIEWS_MAX} networks"));
    }
    let network = |item: &Value<'_>| {
        let network = item.parse::<Network>()?;
        if ClientRange::of(&network).is_none() {
            let most = ClientNetwork::prefix_max(Family::of(network.address()));
            let hint = "resolvers ask from changing addresses, and tell of their clients no more";
            item.wrong_with_hint(format!("clients are told apart by their /{most}"), hint);
            return None;
        }
        Some(network)
    };
    let networks: Vec<Option<Network>> = items.iter().map(network).collect();
    networks.into_iter().collect()
}

/// A pool that has fewer endpoints than must be up could never be released.
pub(super) fn check_size(live: &Value<'_>, pool: &Pool, policy: &ReleasePolicy) {
    let (has, needs) = (pool.endpoints.len(), policy.min_up_endpoints.get());
    if has < needs && pool.target.is_none() {
        let of = format!("{has} of the {needs} endpoints that must be up");
        let message = format!("{} has only {of}", pool.name);
        live.wrong_with_hint(message, "give it more, or lower min_up_endpoints");
    }
}

/// `windows`, and the `timezone` of their days and times.
fn windows(table: &mut Table<'_>) -> Option<Windows> {
    const HINT: &str =
        r#"write for example: "Mon-Fri 09:00-16:00", "Sat,Sun 10:00-12:00", "daily 22:00-04:00""#;
    let (list, zone) = (table.optional("windows"), table.optional("timezone"));
    let zone = zone.map_or(Some(TimeZone::UTC), |value| timezone(&value));
    let window = |item: &Value<'_>| match item.text()?.parse::<Window>() {
        Ok(window) => Some(window),
        Err(error) => {
            item.wrong_with_hint(error.to_string(), HINT);
            None
        }
    };
    let list = match &list {
        None => Some(Vec::new()),
        Some(value) => {
            let items = value.array()?;
            if items.len() > WINDOWS_MAX {
                value.wrong(format!("there are at most {WINDOWS_MAX} windows"));
            }
            // Each item is looked at, so that all mistakes are shown.
            let windows: Vec<Option<Window>> = items.iter().map(window).collect();
            windows.into_iter().collect()
        }
    };
    Some(Windows { list: list?, zone: zone? })
}

fn timezone(value: &Value<'_>) -> Option<TimeZone> {
    let name = value.text()?;
    if name == "UTC" {
        return Some(TimeZone::UTC);
    }
    if let Ok(zone) = TimeZone::get(name) {
        return Some(zone);
    }
    let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let hint = match nearest(name, &known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => r#"write its name in the IANA database, as "UTC" or "Europe/Berlin""#.to_owned(),
    };
    value.wrong_with_hint(format!("there is no time zone `{name}`"), hint);
    None
}

/// `at`, and whether it may be put off: `clean`.
fn instant(table: &mut Table<'_>) -> (Option<Option<Timestamp>>, Option<bool>) {
    let (at, clean) = (table.optional("at"), table.optional("clean"));
    if let (None, Some(clean)) = (&at, &clean) {
        let hint = "write for example: at = 2026-12-01T02:00:00Z";
        clean.wrong_with_hint("`clean` is said of an instant, and there is no `at`", hint);
    }
    (optional(at, Value::instant), clean.map_or(Some(false), |value| value.boolean()))
}

/// `[{ share = "10%", bake = "5m" }]`, each with a greater share than the one before.
fn ramp(value: &Value<'_>) -> Option<Vec<RampStep>> {
    let mut steps: Vec<RampStep> = Vec::new();
    let items = value.array()?;
    let mut is_good = true;
    for item in &items {
        let Some(step) = ramp_step(item) else {
            is_good = false;
            continue;
        };
        if step.share == Percent::ALL {
            let hint = "`bake` of the release says how long all clients are watched";
            item.wrong_with_hint("the last step is always all clients: leave it out", hint);
        } else if steps.last().is_some_and(|before| before.share >= step.share) {
            item.wrong("each step must have a greater share than the one before");
        }
        steps.push(step);
    }
    if steps.len() > RAMP_STEPS_MAX {
        value.wrong(format!("a ramp has at most {RAMP_STEPS_MAX} steps"));
    }
    is_good.then_some(steps)
}

fn ramp_step(value: &Value<'_>) -> Option<RampStep> {
    let mut table = value.table()?;
    let share = table.required("share", r#""10%""#);
    let bake = table.required("bake", r#""5m""#);
    table.finish();
    let share = share.and_then(|value| value.parse());
    let bake = bake.and_then(|value| value.duration_in(Duration::ZERO..=7 * DAY));
    Some(RampStep { share: share?, bake: bake? })
}

pub(super) fn schema(notes: &Notes) -> serde_json::Value {
    let step = parts::Keys::at(notes, ["services.*.release.ramp {}"])
        .required("share", parts::percent())
        .required("bake", parts::duration())
        .table();
    let mut instant = parts::text();
    // So do the tools see what stands there without quotes.
    instant["format"] = "date-time".into();
    let keys = parts::Keys::at(notes, ["services.*.release"])
        .optional("group", parts::label())
        .optional("ramp", parts::list(step, 0..=RAMP_STEPS_MAX))
        .optional("at", instant)
        .optional("clean", parts::flag())
        .optional("ttl", parts::duration())
        .optional("bake", parts::duration())
        .optional("deadline", parts::duration())
        .optional("min_up", parts::percent())
        .optional("min_up_endpoints", parts::whole(1..=ENDPOINTS_MAX as u64))
        .optional("min_up_weight", parts::percent())
        .optional("progress_deadline", parts::duration())
        .optional("windows", parts::list(window_schema(), 0..=WINDOWS_MAX))
        .optional("timezone", parts::some_text())
        .optional("min_change_interval", parts::duration())
        .optional("pin_allowance", parts::duration())
        .optional("drain_grace", parts::duration())
        .optional("preview", parts::networks(PREVIEWS_MAX));
    proof::schema(keys, notes).needs(["clean"], &json!(["at"])).table()
}

fn window_schema() -> serde_json::Value {
    let day = "(Mon|Tue|Wed|Thu|Fri|Sat|Sun)";
    let (days, time) = (format!("{day}(-{day})?"), "[0-2][0-9]:[0-5][0-9]");
    parts::matching(&format!(r"^\s*(daily|{days}(,{days})*)\s+{time}-{time}\s*$"))
}
