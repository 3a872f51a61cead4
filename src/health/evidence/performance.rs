//! What a measurement shows, and whether that is within its limits.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc, time::Duration};

use super::Finding;
use crate::model::{Bound, Limit, Measure, Performance, Timestamp};

/// Requests that were made of one side.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// Whose pools, for people.
    pub side: String,
    /// Of requests that did not fail, in any order.
    pub latencies: Vec<Duration>,
    /// Requests that failed.
    pub errors: u32,
    /// Why the first of them failed.
    pub first_error: Option<String>,
    /// From the beginning to the end.
    pub elapsed: Duration,
    /// Why requests could not be made, if some could not.
    pub hindrance: Option<String>,
    /// Requests that its time was too short for.
    pub unmade: u32,
}

/// What came of a measurement.
#[derive(Clone, Debug, PartialEq)]
pub struct Measured {
    /// When it began.
    pub begun: Timestamp,
    /// The endpoints of the new pools, up or not.
    pub members: BTreeSet<IpAddr>,
    /// What it means.
    pub finding: Finding,
}

/// The last measurement of a step, and the one that is under way.
#[derive(Clone, Debug, Default)]
pub struct Measurements {
    performance: Option<Arc<Performance>>,
    last: Option<Measured>,
    /// Requests so far, of so many.
    progress: Option<(u32, u32)>,
}

impl Measurements {
    pub(super) fn follow(&mut self, performance: Option<&Arc<Performance>>) {
        if !self.are_of(performance) {
            *self = Self { performance: performance.cloned(), ..Self::default() };
        }
    }

    pub(super) fn are_of(&self, performance: Option<&Arc<Performance>>) -> bool {
        self.performance.as_ref() == performance
    }

    /// One of what the file asks for now has ended.
    pub fn measured(&mut self, performance: &Performance, measured: Measured) {
        if self.performance.as_deref() == Some(performance) {
            (self.last, self.progress) = (Some(measured), None);
        }
    }

    /// One is under way.
    pub fn go_on(&mut self, requests: u32, of: u32) {
        self.progress = Some((requests, of));
    }

    /// Requests of the one that is under way, of so many.
    pub fn progress(&self) -> Option<(u32, u32)> {
        self.progress
    }

    /// The last one.
    pub fn last(&self) -> Option<&Measured> {
        self.last.as_ref()
    }

    /// Whether there is nothing to be measured, or it was found good.
    pub fn is_good(&self) -> bool {
        let is_good = |last: &Measured| matches!(last.finding, Finding::Good(_));
        self.performance.is_none() || self.last.as_ref().is_some_and(is_good)
    }

    /// Whether the last one was of all of these, if there was one; others may have been among them.
    pub fn is_of(&self, members: &BTreeSet<IpAddr>) -> bool {
        self.last.as_ref().is_none_or(|last| members.is_subset(&last.members))
    }

    /// Why the release is to go back, if it is.
    pub fn trouble(&self) -> Option<String> {
        match &self.last.as_ref()?.finding {
            Finding::Bad(why) => Some(why.clone()),
            Finding::Good(_) | Finding::Unjudged(_) => None,
        }
    }

    pub(super) fn lacks_data(&self) -> Option<String> {
        match &self.last.as_ref()?.finding {
            Finding::Unjudged(why) => Some(why.clone()),
            Finding::Good(_) | Finding::Bad(_) => None,
        }
    }

    pub(super) fn has_data(&self) -> bool {
        let is_judged = |last: &Measured| !matches!(last.finding, Finding::Unjudged(_));
        self.performance.is_none() || self.last.as_ref().is_some_and(is_judged)
    }

    pub(super) fn lack_since(&self, since: Timestamp) -> Option<String> {
        let is_new = |last: &Measured| last.begun >= since;
        let is_lacking = !self.is_good() || !self.last.as_ref().is_none_or(is_new);
        is_lacking.then(|| "its performance has not been found good in this step".to_owned())
    }
}

/// What a measurement means: bad if one limit is passed, unjudged if one cannot be looked at. `old` is
/// what a relative limit compares with.
pub fn judged_samples(performance: &Performance, mut new: Sample, old: Option<Sample>) -> Finding {
    new.latencies.sort_unstable();
    let old = old.map(|mut old| {
        old.latencies.sort_unstable();
        old
    });
    let (mut good, mut unjudged) = (Vec::new(), None);
    for limit in &performance.limits {
        match judged(performance, limit, &new, old.as_ref()) {
            Finding::Good(value) => good.push(value),
            Finding::Unjudged(why) => unjudged = unjudged.or(Some(why)),
            bad @ Finding::Bad(_) => return bad,
        }
    }
    let size = new.size();
    unjudged.map_or_else(
        || Finding::Good(format!("{} of {} ({size})", good.join(", "), new.side)),
        Finding::Unjudged,
    )
}

fn judged(performance: &Performance, limit: &Limit, new: &Sample, old: Option<&Sample>) -> Finding {
    let Limit { measure, bound } = *limit;
    let least = performance.samples_min;
    let (value, few) = match new.value(measure, least) {
        Ok(value) => (value, None),
        // So slow that it answered too few: it is bad if it were with the best that was to come.
        Err(why) => match new.at_best(measure, least) {
            Some(value) => (value, Some(why)),
            None => return Finding::Unjudged(why),
        },
    };
    let shown = measure.shown(value);
    let (allowed, how) = match bound {
        Bound::Value(number) => (number.get(), String::new()),
        Bound::Ratio(ratio) => {
            let Some(old) = old else {
                return Finding::Unjudged("nothing else is up to be compared with".to_owned());
            };
            let before = match old.value(measure, least) {
                Ok(before) => before,
                Err(why) => return Finding::Unjudged(why),
            };
            let tolerance = performance.tolerance.as_secs_f64();
            let tolerated = Some(before + tolerance).filter(|_| measure.is_latency());
            let by_ratio = ratio.of(before);
            let (allowed, times) = match tolerated.filter(|tolerated| *tolerated > by_ratio) {
                Some(tolerated) => (tolerated, format!("{} more than", measure.shown(tolerance))),
                None => (by_ratio, format!("{ratio} of")),
            };
            let (shown, side, size) = (measure.shown(before), &old.side, old.size());
            (allowed, format!(", {times} the {shown} of {side} ({size})"))
        }
    };
    let (is_good, word) = match measure {
        Measure::Throughput => (value >= allowed, "at least"),
        _ => (value <= allowed, "at most"),
    };
    if is_good {
        return few.map_or_else(|| Finding::Good(format!("{measure} {shown}")), Finding::Unjudged);
    }
    let shown = if few.is_some() { format!("{shown} at best") } else { shown };
    let (size, side, allowed) = (new.size(), &new.side, measure.shown(allowed));
    // It need not be the new one's doing.
    if measure == Measure::Errors
        && let (Bound::Value(limit), Some(Ok(before))) =
            (bound, old.map(|old| old.value(measure, least)))
        && before > limit.get()
    {
        let (before, old) = (measure.shown(before), old.map_or("", |old| old.side.as_str()));
        return Finding::Unjudged(format!(
            "{measure} of {side} is {shown} ({size}), and that of {old} is {before}: neither may be \
             more than {allowed}"
        ));
    }
    let failed = new.first_error.as_ref().filter(|_| measure == Measure::Errors);
    let failed = failed.map(|why| format!("; the first one: {why}")).unwrap_or_default();
    let needed = format!("it must be {word} {allowed}{how}");
    Finding::Bad(format!("{measure} of {side} is {shown} ({size}), and {needed}{failed}"))
}

impl Sample {
    fn requests(&self) -> usize {
        self.latencies.len() + self.errors as usize
    }

    /// How large it is, for people.
    fn size(&self) -> String {
        let requests = self.requests();
        format!("{requests} request{}", if requests == 1 { "" } else { "s" })
    }

    /// A value, or why there is none. Latencies are sorted.
    fn value(&self, measure: Measure, least: u32) -> Result<f64, String> {
        let counted = if measure.is_latency() { self.latencies.len() } else { self.requests() };
        if counted < least as usize {
            let side = &self.side;
            let what = if measure.is_latency() { "answers" } else { "requests" };
            let why = self.hindrance.as_ref().or(self.first_error.as_ref());
            let why = why.map(|why| format!("; the first failure: {why}")).unwrap_or_default();
            return Err(format!(
                "{measure} of {side} is not judged on {counted} {what}: {least} are needed{why}"
            ));
        }
        Ok(self.computed(measure))
    }

    /// A value as if all requests that there was no time for had been the best that there can be; nothing
    /// where it was for another reason that there are too few.
    fn at_best(&self, measure: Measure, least: u32) -> Option<f64> {
        let missing = least.saturating_sub(u32::try_from(self.latencies.len()).unwrap_or(least));
        let missing = match measure.is_latency() {
            true => missing,
            false => missing.saturating_sub(self.errors),
        };
        if self.hindrance.is_some() || missing > self.unmade {
            return None;
        }
        let best = std::iter::repeat_n(Duration::ZERO, missing as usize);
        let latencies = best.chain(self.latencies.iter().copied()).collect();
        Some(Self { latencies, ..self.clone() }.computed(measure))
    }

    /// Latencies are sorted.
    fn computed(&self, measure: Measure) -> f64 {
        let seconds = |latency: &Duration| latency.as_secs_f64();
        let count = self.latencies.len().max(1) as f64;
        match measure {
            Measure::Mean => self.latencies.iter().map(seconds).sum::<f64>() / count,
            // Nearest rank: the least value that so many of a hundred do not exceed.
            Measure::Percentile(percent) => {
                let rank = (self.latencies.len() * usize::from(percent)).div_ceil(100).max(1);
                self.latencies.get(rank - 1).map(seconds).unwrap_or_default()
            }
            Measure::Errors => f64::from(self.errors) / self.requests().max(1) as f64,
            Measure::Throughput => {
                self.latencies.len() as f64 / self.elapsed.as_secs_f64().max(f64::EPSILON)
            }
        }
    }
}
