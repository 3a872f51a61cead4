//! What queries say while clients are moved, and whether a step may go on.

use std::{collections::VecDeque, sync::Arc};

use super::{Finding, Trouble};
use crate::model::{Bound, Guard, PoolName, Timestamp};

/// What a query gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// For this pool, if it was asked for one.
    pub pool: Option<PoolName>,
    /// A value, or why there is none.
    pub value: Result<f64, String>,
}

/// One look at a guard.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// When it began.
    pub at: Timestamp,
    /// The worst value of the new pools, if there was one.
    pub value: Option<f64>,
    /// That of the old pool, where it was asked for.
    pub old: Option<f64>,
    /// What it means.
    pub finding: Finding,
}

/// One guard in one step.
#[derive(Clone, Debug)]
pub struct Watched {
    /// It.
    pub guard: Arc<Guard>,
    /// The last look.
    pub last: Option<Reading>,
    /// Why the last value was bad, if it was. No look without a value undoes that.
    bad: Option<String>,
    /// Bad values so far.
    pub failures: u32,
    /// Looks in a row without a value.
    without: u32,
    /// When the last values came, as many as are needed.
    judged: VecDeque<Timestamp>,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub struct Guards(Vec<Watched>);

impl Guards {
    pub(super) fn follow(&mut self, guards: &[Arc<Guard>]) {
        let mut before = std::mem::take(&mut self.0);
        self.0 = guards
            .iter()
            .map(|guard| match before.iter().position(|known| known.guard == *guard) {
                Some(at) => before.swap_remove(at),
                None => Watched::new(guard.clone()),
            })
            .collect();
    }

    pub(super) fn are(&self, guards: &[Arc<Guard>]) -> bool {
        self.0.iter().map(|watched| &watched.guard).eq(guards)
    }

    /// One has been looked at.
    pub fn read(&mut self, guard: &Guard, reading: Reading) {
        if let Some(watched) = self.0.iter_mut().find(|watched| *watched.guard == *guard) {
            watched.read(reading);
        }
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Watched> {
        self.0.iter()
    }

    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.0.iter().find_map(|watched| {
            let cause = format!("guard {}", watched.guard.name);
            watched.trouble().map(|why| Trouble { cause, why })
        })
    }

    pub(super) fn lacks_data(&self) -> Option<String> {
        self.0.iter().find_map(Watched::lacks_data)
    }

    pub(super) fn have_data(&self) -> bool {
        self.0.iter().all(|watched| watched.last.is_some() && watched.without == 0)
    }

    pub(super) fn lack_since(&self, since: Timestamp) -> Option<String> {
        self.0.iter().find_map(|watched| {
            let has = watched.judged.iter().filter(|at| **at >= since).count();
            let Guard { name, count, .. } = &*watched.guard;
            let lacks = has < *count as usize;
            lacks.then(|| format!("guard {name} has had {has} of the {count} values that it needs"))
        })
    }
}

impl Watched {
    fn new(guard: Arc<Guard>) -> Self {
        Self { guard, last: None, bad: None, failures: 0, without: 0, judged: VecDeque::new() }
    }

    fn read(&mut self, reading: Reading) {
        let bad = match &reading.finding {
            Finding::Unjudged(_) => {
                self.without = self.without.saturating_add(1);
                self.last = Some(reading);
                return;
            }
            Finding::Bad(why) => Some(why.clone()),
            Finding::Good(_) => None,
        };
        self.without = 0;
        self.failures = self.failures.saturating_add(bad.is_some().into());
        self.judged.push_back(reading.at);
        while self.judged.len() > self.guard.count as usize {
            self.judged.pop_front();
        }
        (self.bad, self.last) = (bad, Some(reading));
    }

    fn trouble(&self) -> Option<String> {
        let why = self.bad.as_ref()?;
        let forgiven = self.guard.fail_limit;
        let times = match (self.failures, forgiven) {
            (failures, forgiven) if failures <= forgiven => return None,
            (_, 0) => String::new(),
            (failures, _) => format!(", {failures} times in this step ({forgiven} are forgiven)"),
        };
        Some(format!("{why}{times}"))
    }

    fn lacks_data(&self) -> Option<String> {
        let Finding::Unjudged(why) = &self.last.as_ref()?.finding else { return None };
        let limit = self.guard.error_limit;
        let times = match (self.without, limit) {
            (without, limit) if without <= limit => return None,
            (_, 0) => String::new(),
            (without, limit) => format!(", {without} times in a row ({limit} are forgiven)"),
        };
        Some(format!("{why}{times}"))
    }
}

/// What the values of the new pools, and that of the old one, mean: the worst of them counts.
pub fn judged_value(at: Timestamp, guard: &Guard, new: &[Asked], old: Option<&Asked>) -> Reading {
    let judged = new.iter().map(|new| (judged(guard, new, old), new.value.as_ref().ok().copied()));
    let rank = |finding: &Finding| match finding {
        Finding::Bad(_) => 2,
        Finding::Unjudged(_) => 1,
        Finding::Good(_) => 0,
    };
    let worst = judged.max_by_key(|(finding, _)| rank(finding));
    let nothing = || (Finding::Unjudged(format!("guard {}: nothing was asked", guard.name)), None);
    let (finding, value) = worst.unwrap_or_else(nothing);
    let old = old.and_then(|old| old.value.as_ref().ok().copied());
    Reading { at, value, old, finding }
}

fn judged(guard: &Guard, new: &Asked, old: Option<&Asked>) -> Finding {
    let (name, of) = (&guard.name, new.of());
    let value = match new.number() {
        Ok(value) => value,
        Err(why) => return Finding::Unjudged(format!("guard {name} has no value{of}: {why}")),
    };
    for (bound, is_least) in [(&guard.min, true), (&guard.max, false)] {
        let Some(bound) = bound else { continue };
        let (bound, how) = match against(bound, is_least, guard, old) {
            Ok(against) => against,
            Err(why) => return Finding::Unjudged(format!("guard {name} has {why}")),
        };
        let is_good = if is_least { value >= bound } else { value <= bound };
        if !is_good {
            let (value, bound) = (six_digits(value), six_digits(bound));
            let word = if is_least { "at least" } else { "at most" };
            let needed = format!("it must be {word} {bound}{how}");
            return Finding::Bad(format!("guard {name} is {value}{of}, and {needed}"));
        }
    }
    Finding::Good(format!("guard {name} is {}{of}", six_digits(value)))
}

/// A bound as a number, and where it comes from.
fn against(
    bound: &Bound,
    is_least: bool,
    guard: &Guard,
    old: Option<&Asked>,
) -> Result<(f64, String), String> {
    let ratio = match bound {
        Bound::Value(number) => return Ok((number.get(), String::new())),
        Bound::Ratio(ratio) => ratio,
    };
    let old = old.ok_or("nothing to be compared with")?;
    let before = old.number().and_then(|before| match before.is_finite() {
        true => Ok(before),
        false => Err("it is infinite"),
    });
    let before = before.map_err(|why| format!("no value{}: {why}", old.of()))?;
    let (by_ratio, tolerance) = (ratio.of(before), guard.tolerance.get());
    let (tolerated, word) =
        if is_least { (before - tolerance, "less") } else { (before + tolerance, "more") };
    let is_tolerated = if is_least { tolerated < by_ratio } else { tolerated > by_ratio };
    let (bound, times) = match is_tolerated {
        true => (tolerated, format!("{tolerance} {word} than")),
        false => (by_ratio, format!("{ratio} of")),
    };
    Ok((bound, format!(", {times} {}{}", six_digits(before), old.of())))
}

impl Asked {
    fn of(&self) -> String {
        self.pool.as_ref().map(|pool| format!(" of {pool}")).unwrap_or_default()
    }

    fn number(&self) -> Result<f64, &str> {
        match &self.value {
            Ok(value) if value.is_nan() => Err("it is NaN"),
            Ok(value) => Ok(*value),
            Err(why) => Err(why),
        }
    }
}

/// As people read numbers: six digits are enough.
fn six_digits(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let digits = 5 - value.abs().log10().floor() as i32;
    // So small that a power of ten cannot say it.
    if digits > 300 {
        return value;
    }
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}
