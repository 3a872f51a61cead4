//! `[rrl]`: response rate limiting.

use std::{ops::RangeInclusive, time::Duration};

use crate::{
    config::{
        document::{Table, Value},
        schema::{Notes, parts},
    },
    model::{Network, RrlSettings},
};

pub(super) fn rrl(value: &Value<'_>) -> Option<RrlSettings> {
    type Of = RrlSettings;
    let mut table = value.table()?;
    let default = Of::default();
    // All are read before one of them can end it, so that every mistake is shown.
    let enabled = flag(&mut table, "enabled", default.enabled);
    let rate = (default.responses_per_second, Of::RESPONSES_PER_SECOND);
    let responses_per_second = number(&mut table, "responses_per_second", rate);
    let window = table.optional("window").map_or(Some(default.window), |value| window(&value));
    let slip = number(&mut table, "slip", (default.slip, Of::SLIP));
    let ipv4_prefix = number(&mut table, "ipv4_prefix", (default.ipv4_prefix, Of::IPV4_PREFIX));
    let ipv6_prefix = number(&mut table, "ipv6_prefix", (default.ipv6_prefix, Of::IPV6_PREFIX));
    let entries = table.optional("table_entries");
    let table_entries = entries.map_or(Some(default.table_entries), |value| table_entries(&value));
    let exempt = table
        .optional("exempt")
        .map_or(Some(default.exempt), |value| networks(&value, Of::EXEMPT_MAX, "be exempt"));
    let log_only = flag(&mut table, "log_only", default.log_only);
    table.finish();
    Some(RrlSettings {
        enabled: enabled?,
        log_only: log_only?,
        responses_per_second: responses_per_second?,
        window: window?,
        slip: slip?,
        ipv4_prefix: ipv4_prefix?,
        ipv6_prefix: ipv6_prefix?,
        table_entries: table_entries?,
        exempt: exempt?,
    })
}

fn flag(table: &mut Table<'_>, key: &'static str, default: bool) -> Option<bool> {
    table.optional(key).map_or(Some(default), |value| value.boolean())
}

fn number<T: TryFrom<u64>>(
    table: &mut Table<'_>,
    key: &'static str,
    (default, range): (T, RangeInclusive<u64>),
) -> Option<T> {
    let Some(value) = table.optional(key) else { return Some(default) };
    let number = T::try_from(value.integer_in(range)?).ok();
    Some(number.expect("invariant: the type of a number holds its whole range"))
}

fn window(value: &Value<'_>) -> Option<Duration> {
    let window = value.duration_in(RrlSettings::WINDOW)?;
    if window.subsec_nanos() != 0 {
        value.wrong("must be a whole number of seconds");
        return None;
    }
    Some(window)
}

fn table_entries(value: &Value<'_>) -> Option<u32> {
    let entries = value.integer_in(RrlSettings::TABLE_ENTRIES)?;
    if !entries.is_power_of_two() {
        let (below, above) = (entries.next_power_of_two() / 2, entries.next_power_of_two());
        let hint = format!("the nearest are {below} and {above}");
        value.wrong_with_hint("must be a power of two", hint);
        return None;
    }
    u32::try_from(entries).ok()
}

/// At most so many, each once; what they are for is said of too many.
pub(super) fn networks(value: &Value<'_>, most: usize, purpose: &str) -> Option<Vec<Network>> {
    let items = value.array()?;
    if items.len() > most {
        value.wrong(format!("at most {most} networks can {purpose}"));
        return None;
    }
    let mut networks = Vec::with_capacity(items.len());
    let mut good = true;
    for item in &items {
        match item.parse::<Network>() {
            Some(network) if networks.contains(&network) => {
                item.wrong("this network stands here twice");
                good = false;
            }
            Some(network) => networks.push(network),
            None => good = false,
        }
    }
    good.then_some(networks)
}

pub(super) fn schema(notes: &Notes) -> serde_json::Value {
    type Of = RrlSettings;
    parts::Keys::at(notes, ["rrl"])
        .optional("enabled", parts::flag())
        .optional("responses_per_second", parts::whole(Of::RESPONSES_PER_SECOND))
        .optional("window", parts::duration())
        .optional("slip", parts::whole(Of::SLIP))
        .optional("ipv4_prefix", parts::whole(Of::IPV4_PREFIX))
        .optional("ipv6_prefix", parts::whole(Of::IPV6_PREFIX))
        .optional("table_entries", parts::whole(Of::TABLE_ENTRIES))
        .optional("exempt", parts::networks(Of::EXEMPT_MAX))
        .optional("log_only", parts::flag())
        .table()
}
