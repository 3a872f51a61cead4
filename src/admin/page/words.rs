//! How the page says things: instants, spans, shares, phases. One way for each.
//!
//! What counts down is text of an instant for those without scripts, and carries that instant for
//! `page.js`, which says how far off it is. So the markup of a thing that does not change does not change.

use std::{collections::BTreeMap, time::UNIX_EPOCH};

use maud::{Markup, html};

use crate::admin::{
    status::{ServiceStatus, Status},
    tree::TAKEN_MAX,
};

/// Colours that pools can have; beyond that they repeat, and names tell them apart.
const HUES: usize = 6;

/// Seconds since 1970 of an instant of the status document.
pub(super) fn secs(at: &str) -> Option<f64> {
    let at = humantime::parse_rfc3339(at).ok()?;
    Some(at.duration_since(UNIX_EPOCH).ok()?.as_secs_f64())
}

/// An instant as the status document has it.
pub(super) fn instant(secs: f64) -> String {
    let at = UNIX_EPOCH + std::time::Duration::from_secs(secs.clamp(0.0, 4e9) as u64);
    humantime::format_rfc3339_seconds(at).to_string()
}

/// The time of day, or more of an instant that is not of today; UTC.
pub(super) fn clock(at: &str, now: &str) -> String {
    let (Some(day), Some(time)) = (at.get(..10), at.get(11..19)) else { return at.to_owned() };
    if now.starts_with(day) { time.to_owned() } else { format!("{day} {time}") }
}

/// An instant, as such.
pub(super) fn time(at: &str, now: &str) -> Markup {
    html! { time datetime=(at) { (clock(at, now)) } }
}

/// How far off an instant is: "in 4 m 12 s", or "12 s ago"; without scripts "at" it.
pub(super) fn countdown(at: &str, now: &str) -> Markup {
    html! { time.count datetime=(at) data-at=(at) { "at " (clock(at, now)) } }
}

/// A span, in the two largest units that it has.
pub(super) fn span(secs: u64) -> String {
    const UNITS: [(&str, u64); 4] = [("d", 86400), ("h", 3600), ("m", 60), ("s", 1)];
    let first = UNITS.iter().position(|(_, size)| secs >= *size).unwrap_or(UNITS.len() - 1);
    let mut left = secs;
    let mut parts = Vec::new();
    for (unit, size) in UNITS.iter().skip(first).take(2) {
        let count = left / size;
        left %= size;
        if count > 0 || parts.is_empty() {
            parts.push(format!("{count} {unit}"));
        }
    }
    parts.join(" ")
}

/// What somebody else has written: whatever it holds does not turn what stands beside it.
pub(super) fn said(text: &str) -> Markup {
    html! { bdi { (text) } }
}

/// A number with at most one digit behind the point.
pub(super) fn short(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// A count, in groups of three digits.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count by its first two digits.
pub(super) fn about(number: u64) -> String {
    let size = 10_u64.pow(number.checked_ilog10().unwrap_or_default().saturating_sub(1));
    count(number / size * size)
}

/// So many of something, in the singular or the plural.
pub(super) fn many(number: usize, one: &str, more: &str) -> String {
    format!("{} {}", count(number as u64), if number == 1 { one } else { more })
}

/// What becomes of a service, in one of few kinds that have a colour and a sign each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Calm,
    Moving,
    Held,
    Back,
    Bad,
}

impl Kind {
    pub(super) fn of(service: &ServiceStatus) -> Self {
        match service.phase.as_str() {
            "Steady" => Self::Calm,
            "Paused" => Self::Held,
            "RollingBack" => Self::Back,
            "Failed" => Self::Bad,
            _ => Self::Moving,
        }
    }

    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Moving => "moving",
            Self::Held => "held",
            Self::Back => "back",
            Self::Bad => "bad",
        }
    }
}

/// The phase: its word, and a sign before it by the style sheet.
pub(super) fn phase(service: &ServiceStatus) -> Markup {
    html! { span.chip.(Kind::of(service).class()) { (service.phase) } }
}

/// The health; likewise.
pub(super) fn health(service: &ServiceStatus) -> Markup {
    let class = match service.health.as_str() {
        "healthy" => "good",
        "closed" => "bad",
        _ => "warn",
    };
    html! { span.sign.(class) { (service.health) } }
}

/// What else is to be known of a service at once.
pub(super) fn tags(service: &ServiceStatus) -> Markup {
    html! {
        @if let Some(group) = &service.group { " " span.tag { "group " (group) } }
        @if service.orphaned { " " span.tag.warn { "orphaned: no longer in the file" } }
        @if service.unkept { " " span.tag.bad { "not kept: a restart would forget this" } }
        @for (name, other) in service.taken.iter().take(TAKEN_MAX) {
            " " span.tag.bad { (name) " is answered as a name of " (other) }
        }
    }
}

/// The class of the sign of a verdict.
pub(super) fn verdict(verdict: &str) -> &'static str {
    match verdict {
        "up" | "unprobed" => "good",
        "down" => "bad",
        _ => "open",
    }
}

/// The class of the colour of a pool within its service.
pub(super) fn hue(service: &ServiceStatus, pool: &str) -> String {
    let at = service.pools.keys().position(|known| known == pool);
    format!("p{}", at.unwrap_or_default() % HUES)
}

/// Shares as a bar. It says nothing to those who do not see it: the same stands beside it as text.
pub(super) fn bar(service: &ServiceStatus, shares: &[(&str, f64)]) -> Markup {
    let mut from = 0.0;
    let parts: Vec<(String, String, String)> = shares
        .iter()
        .map(|(pool, share)| {
            let x = from;
            from += share;
            (hue(service, pool), short(x), short(*share))
        })
        .collect();
    html! {
        svg.bar viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" {
            @for (hue, x, width) in parts { rect.(hue) x=(x) width=(width) height="8" {} }
        }
    }
}

/// What is answered, as a list of pools and percents.
pub(super) fn shares(service: &ServiceStatus) -> Markup {
    html! {
        span.shares {
            @for (pool, share) in &service.serving {
                span.share { i.dot.(hue(service, pool)) {} b { (pool) } " " (share) "\u{a0}%" }
            }
            @if service.serving.is_empty() { span.share { "nothing" } }
        }
    }
}

/// What is to be answered, in the order of the names.
pub(super) fn targets(service: &ServiceStatus) -> Vec<(&str, f64)> {
    service.serving.iter().map(|(pool, share)| (pool.as_str(), f64::from(*share))).collect()
}

/// How many services are in each phase.
pub(super) fn by_phase(status: &Status) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for service in status.services.values() {
        *counts.entry(service.phase.as_str()).or_default() += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_at_most_two_units() {
        let spans = [0, 15, 60, 61, 3600, 3661, 90_000, 200_000].map(span);
        assert_eq!(
            spans,
            ["0 s", "15 s", "1 m", "1 m 1 s", "1 h", "1 h 1 m", "1 d 1 h", "2 d 7 h"]
        );
    }

    #[test]
    fn numbers_are_short_and_counts_in_groups() {
        assert_eq!([short(10.0), short(9.64), short(0.04)], ["10", "9.6", "0"]);
        assert_eq!([count(7), count(1234), count(1_234_567)], ["7", "1,234", "1,234,567"]);
        assert_eq!([about(7), about(1234), about(987_654)], ["7", "1,200", "980,000"]);
        assert_eq!(many(1, "service", "services"), "1 service");
    }

    #[test]
    fn an_instant_of_today_has_no_date() {
        let now = "2026-11-26T18:00:00Z";
        assert_eq!(clock("2026-11-26T19:00:05Z", now), "19:00:05");
        assert_eq!(clock("2026-12-01T02:00:00Z", now), "2026-12-01 02:00:00");
        assert_eq!(clock("soon", now), "soon");
        let there_and_back = secs(now).map(instant);
        assert_eq!(there_and_back.as_deref(), Some(now));
    }
}
