//! How fast a pool must be: a measurement, and what it may show.

use std::{fmt, time::Duration};

use humantime::format_duration;

use super::{Bound, ProbeKind};

/// A smoke test: made once of each endpoint before it has clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmokeTest {
    /// What is done.
    pub kind: ProbeKind,
    /// How long it may take.
    pub timeout: Duration,
}

impl SmokeTest {
    /// The most that a release has.
    pub const EACH_MAX: usize = 8;
    /// The default timeout.
    pub const TIMEOUT: Duration = Duration::from_secs(60);
}

/// Requests that are made of a pool, bounded in number, time and pace; and limits for what they show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Performance {
    /// One request; each on a connection of its own, as from a client that is new.
    pub kind: ProbeKind,
    /// The most requests of one measurement, to each side.
    pub requests: u32,
    /// The longest that one measurement takes.
    pub duration: Duration,
    /// Requests at once, to each side.
    pub concurrency: u32,
    /// The most requests that are begun in a second, to each side.
    pub rate: u32,
    /// How long one request may take; it has failed when it takes longer.
    pub timeout: Duration,
    /// Fewer are not judged.
    pub samples_min: u32,
    /// From one measurement to the next, while clients have the new pool.
    pub interval: Duration,
    /// What is always good between the new pool's latencies and the old one's.
    pub tolerance: Duration,
    /// At least one.
    pub limits: Vec<Limit>,
}

impl Performance {
    /// The default number of requests.
    pub const REQUESTS: u32 = 500;
    /// The default duration.
    pub const DURATION: Duration = Duration::from_secs(30);
    /// The default number of requests at once.
    pub const CONCURRENCY: u32 = 4;
    /// The default rate.
    pub const RATE: u32 = 50;
    /// The default timeout.
    pub const TIMEOUT: Duration = Duration::from_secs(5);
    /// The default number of samples.
    pub const SAMPLES_MIN: u32 = 100;
    /// The default interval.
    pub const INTERVAL: Duration = Duration::from_secs(60);

    /// Whether the old pool has to be measured beside the new one.
    pub fn is_relative(&self) -> bool {
        self.limits.iter().any(|limit| matches!(limit.bound, Bound::Ratio(_)))
    }

    /// How long a measurement takes, if the pool keeps up.
    pub fn expected(&self) -> Duration {
        let paced = Duration::from_secs_f64(f64::from(self.requests) / f64::from(self.rate.max(1)));
        paced.min(self.duration)
    }
}

impl fmt::Display for SmokeTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} within {}", self.kind, format_duration(self.timeout))
    }
}

impl fmt::Display for Performance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, requests, duration, concurrency, rate, timeout, .. } = self;
        let Self { samples_min, interval, tolerance, limits, .. } = self;
        let limits: Vec<String> = limits.iter().map(Limit::to_string).collect();
        let [duration, timeout, interval, tolerance] =
            [duration, timeout, interval, tolerance].map(|it| format_duration(*it));
        write!(
            f,
            "{} of {requests} requests within {duration} every {interval}, {concurrency} at once, \
             {rate}/s, timeout {timeout}, at least {samples_min}, tolerance {tolerance}: {kind}",
            limits.join(", ")
        )
    }
}

/// What a measurement may show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Of this.
    pub measure: Measure,
    /// At most this much; of the throughput at least.
    pub bound: Bound,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let least = if self.measure == Measure::Throughput { "at least" } else { "at most" };
        match self.bound {
            Bound::Value(number) => {
                write!(f, "{} {least} {}", self.measure, self.measure.shown(number.get()))
            }
            Bound::Ratio(ratio) => write!(f, "{} {least} {ratio}", self.measure),
        }
    }
}

/// What is looked at in a measurement. Latencies are in seconds, of requests that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// The mean latency.
    Mean,
    /// The latency that so many of a hundred requests do not exceed.
    Percentile(u8),
    /// The part of the requests that failed.
    Errors,
    /// Requests in a second that did not fail.
    Throughput,
}

impl Measure {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Mean,
        Self::Percentile(50),
        Self::Percentile(90),
        Self::Percentile(95),
        Self::Percentile(99),
        Self::Errors,
        Self::Throughput,
    ];

    /// The key in the release file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Percentile(50) => "p50",
            Self::Percentile(90) => "p90",
            Self::Percentile(95) => "p95",
            Self::Percentile(_) => "p99",
            Self::Errors => "errors",
            Self::Throughput => "throughput",
        }
    }

    /// Whether less is better.
    pub const fn is_latency(self) -> bool {
        matches!(self, Self::Mean | Self::Percentile(_))
    }

    /// A value of it, for people.
    pub fn shown(self, value: f64) -> String {
        match self {
            Self::Mean | Self::Percentile(_) => milliseconds(value),
            Self::Errors => format!("{}%", rounded(value * 100.0)),
            Self::Throughput => format!("{}/s", rounded(value)),
        }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn milliseconds(seconds: f64) -> String {
    format!("{}ms", rounded(seconds * 1000.0))
}

/// Three digits, or all before the point.
fn rounded(value: f64) -> String {
    let decimals = if value.abs() >= 100.0 {
        0
    } else if value.abs() >= 10.0 {
        1
    } else {
        2
    };
    let text = format!("{value:.decimals$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_with_three_digits_and_a_unit() {
        assert_eq!(Measure::Percentile(95).shown(0.2), "200ms");
        assert_eq!(Measure::Mean.shown(0.000_123_4), "0.12ms");
        assert_eq!(Measure::Errors.shown(0.0125), "1.25%");
        assert_eq!(Measure::Throughput.shown(48.123), "48.1/s");
        assert_eq!(Measure::Percentile(99).shown(61.0), "61000ms");
    }
}
