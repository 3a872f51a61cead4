//! What a release has to prove, as it is written.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    probe::KindRow,
    row::{RowError, wrong},
    spec::{duration, micros},
};
use crate::model::{
    Bound, Guard, Label, Limit, Measure, Number, Performance, Ratio, ReleasePolicy, SmokeTest,
};

#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct ProofsRow {
    tests: Vec<(KindRow, u64)>,
    performance: Option<PerformanceRow>,
    guards: Vec<GuardRow>,
    confirm: Vec<String>,
}

/// Durations are in microseconds.
#[derive(Clone, Serialize, Deserialize)]
struct PerformanceRow {
    kind: KindRow,
    requests: u32,
    duration: u64,
    concurrency: u32,
    rate: u32,
    timeout: u64,
    samples_min: u32,
    interval: u64,
    tolerance: u64,
    limits: Vec<(String, BoundRow)>,
}

#[derive(Clone, Serialize, Deserialize)]
struct GuardRow {
    name: String,
    query: String,
    min: Option<BoundRow>,
    max: Option<BoundRow>,
    tolerance: u64,
    interval: u64,
    count: u32,
    fail_limit: u32,
    error_limit: u32,
}

/// Numbers are the bits that they are made of: those come back as they were.
#[derive(Clone, Copy, Serialize, Deserialize)]
enum BoundRow {
    Value(u64),
    Ratio(u32),
}

impl ProofsRow {
    pub(super) fn of(policy: &ReleasePolicy) -> Self {
        let ReleasePolicy { tests, performance, guards, confirm, .. } = policy;
        let test = |test: &Arc<SmokeTest>| (KindRow::of(test.kind.clone()), micros(test.timeout));
        Self {
            tests: tests.iter().map(test).collect(),
            performance: performance.as_deref().map(PerformanceRow::of),
            guards: guards.iter().map(|guard| GuardRow::of(guard)).collect(),
            confirm: confirm.iter().map(Label::to_string).collect(),
        }
    }

    pub(super) fn tests(&self) -> Result<Vec<Arc<SmokeTest>>, RowError> {
        let test = |(kind, timeout): &(KindRow, u64)| {
            let kind = kind.clone().read()?;
            Ok(Arc::new(SmokeTest { kind, timeout: duration("a test's timeout", *timeout)? }))
        };
        self.tests.iter().map(test).collect()
    }

    pub(super) fn performance(&self) -> Result<Option<Arc<Performance>>, RowError> {
        self.performance.clone().map(|row| row.read().map(Arc::new)).transpose()
    }

    pub(super) fn guards(&self) -> Result<Vec<Arc<Guard>>, RowError> {
        self.guards.iter().cloned().map(|row| row.read().map(Arc::new)).collect()
    }

    pub(super) fn confirm(&self) -> Result<Vec<Label>, RowError> {
        self.confirm.iter().map(|name| label(name)).collect()
    }
}

impl PerformanceRow {
    fn of(performance: &Performance) -> Self {
        let Performance { kind, requests, concurrency, rate, samples_min, .. } = performance;
        let Performance { duration, timeout, interval, tolerance, limits, .. } = performance;
        let limit = |limit: &Limit| (limit.measure.name().to_owned(), BoundRow::of(limit.bound));
        Self {
            kind: KindRow::of(kind.clone()),
            requests: *requests,
            duration: micros(*duration),
            concurrency: *concurrency,
            rate: *rate,
            timeout: micros(*timeout),
            samples_min: *samples_min,
            interval: micros(*interval),
            tolerance: micros(*tolerance),
            limits: limits.iter().map(limit).collect(),
        }
    }

    fn read(self) -> Result<Performance, RowError> {
        let time = |count| duration("a time of the performance", count);
        let limit = |(name, bound): (String, BoundRow)| {
            let measure = Measure::ALL.into_iter().find(|measure| measure.name() == name);
            let measure = measure.ok_or_else(|| wrong("a limit", name))?;
            Ok(Limit { measure, bound: bound.read()? })
        };
        let interval = time(self.interval)?;
        if interval.is_zero() || self.concurrency == 0 || self.rate == 0 || self.requests == 0 {
            return Err(wrong("the performance", "it would never end, or never rest"));
        }
        Ok(Performance {
            kind: self.kind.read()?,
            requests: self.requests,
            duration: time(self.duration)?,
            concurrency: self.concurrency,
            rate: self.rate,
            timeout: time(self.timeout)?,
            samples_min: self.samples_min,
            interval,
            tolerance: time(self.tolerance)?,
            limits: self.limits.into_iter().map(limit).collect::<Result<_, RowError>>()?,
        })
    }
}

impl GuardRow {
    fn of(guard: &Guard) -> Self {
        let Guard { name, query, min, max, tolerance, interval, count, .. } = guard;
        let Guard { fail_limit, error_limit, .. } = guard;
        Self {
            name: name.to_string(),
            query: query.clone(),
            min: min.map(BoundRow::of),
            max: max.map(BoundRow::of),
            tolerance: tolerance.get().to_bits(),
            interval: micros(*interval),
            count: *count,
            fail_limit: *fail_limit,
            error_limit: *error_limit,
        }
    }

    fn read(self) -> Result<Guard, RowError> {
        let interval = duration("the interval of a guard", self.interval)?;
        if interval < Duration::from_secs(1) {
            return Err(wrong("the interval of a guard", "it is too short"));
        }
        Ok(Guard {
            name: label(&self.name)?,
            query: self.query,
            min: self.min.map(BoundRow::read).transpose()?,
            max: self.max.map(BoundRow::read).transpose()?,
            tolerance: number(self.tolerance)?,
            interval,
            count: self.count,
            fail_limit: self.fail_limit,
            error_limit: self.error_limit,
        })
    }
}

impl BoundRow {
    fn of(bound: Bound) -> Self {
        match bound {
            Bound::Value(number) => Self::Value(number.get().to_bits()),
            Bound::Ratio(ratio) => Self::Ratio(ratio.thousandths()),
        }
    }

    fn read(self) -> Result<Bound, RowError> {
        match self {
            Self::Value(bits) => number(bits).map(Bound::Value),
            Self::Ratio(thousandths) => {
                let ratio = Ratio::from_thousandths(thousandths.into());
                ratio.map(Bound::Ratio).map_err(|why| wrong("a ratio", why))
            }
        }
    }
}

fn number(bits: u64) -> Result<Number, RowError> {
    Number::new(f64::from_bits(bits)).map_err(|why| wrong("a number", why))
}

fn label(name: &str) -> Result<Label, RowError> {
    name.parse().map_err(|why| wrong("a name", why))
}
