//! What must stay true while clients are moved, as a time series database sees it: guards.

use std::{fmt, str::FromStr, time::Duration};

use humantime::format_duration;

use super::{NameError, Number, ServiceName};

/// The name of a guard, of something else that a release asks, or of a hook: one label, lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(ServiceName);

impl Label {
    /// As text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl FromStr for Label {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.contains('.') {
            return Err(NameError::Character('.'));
        }
        text.parse().map(Self)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A query that is asked again and again of Prometheus, and what its value may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// What it is called.
    pub name: Label,
    /// PromQL, with [`Guard::SERVICE`] and [`Guard::POOL`] in it.
    pub query: String,
    /// The least good value.
    pub min: Option<Bound>,
    /// The greatest good value.
    pub max: Option<Bound>,
    /// What is always good between the new pool and the old one, where a bound is relative.
    pub tolerance: Number,
    /// From one time to the next.
    pub interval: Duration,
    /// How many values a step must have had before it is over.
    pub count: u32,
    /// How many bad values are forgiven in each step.
    pub fail_limit: u32,
    /// How many times in a row there may be no value before the release stands still.
    pub error_limit: u32,
}

impl Guard {
    /// What stands for the service's full name.
    pub const SERVICE: &str = "{{service}}";
    /// What stands for the pool.
    pub const POOL: &str = "{{pool}}";
    /// The default interval.
    pub const INTERVAL: Duration = Duration::from_secs(30);
    /// The default number of values.
    pub const COUNT: u32 = 1;
    /// The default number of times without a value.
    pub const ERROR_LIMIT: u32 = 2;

    /// Whether it compares the new pool with the old one.
    pub fn is_relative(&self) -> bool {
        [&self.min, &self.max].into_iter().flatten().any(|bound| matches!(bound, Bound::Ratio(_)))
    }
}

impl fmt::Display for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, query, min, max, tolerance, interval, .. } = self;
        let Self { count, fail_limit, error_limit, .. } = self;
        write!(f, "{name}")?;
        min.iter().try_for_each(|min| write!(f, " at least {min}"))?;
        max.iter().try_for_each(|max| write!(f, " at most {max}"))?;
        if *tolerance != Number::ZERO {
            write!(f, " (tolerance {tolerance})")?;
        }
        let interval = format_duration(*interval);
        write!(
            f,
            " every {interval}, count {count}, fail_limit {fail_limit}, error_limit {error_limit}: \
             {query}"
        )
    }
}

/// What a value is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// With a number.
    Value(Number),
    /// With so many times the old pool's.
    Ratio(Ratio),
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(number) => number.fmt(f),
            Self::Ratio(ratio) => ratio.fmt(f),
        }
    }
}

/// So many times something, in thousandths: `1.2x`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ratio(u32);

impl Ratio {
    /// From thousandths; more than none, and at most a thousand times.
    pub fn from_thousandths(thousandths: u64) -> Result<Self, RatioError> {
        match u32::try_from(thousandths) {
            Ok(thousandths @ 1..=1_000_000) => Ok(Self(thousandths)),
            _ => Err(RatioError),
        }
    }

    /// In thousandths.
    pub const fn thousandths(self) -> u32 {
        self.0
    }

    /// So many times a value.
    pub fn of(self, value: f64) -> f64 {
        value * f64::from(self.0) / 1000.0
    }
}

/// Why a ratio was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a ratio is a number from 0.001 to 1000 followed by `x`, as in \"1.2x\"")]
pub struct RatioError;

impl FromStr for Ratio {
    type Err = RatioError;

    fn from_str(text: &str) -> Result<Self, RatioError> {
        let number = text.strip_suffix('x').ok_or(RatioError)?;
        let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
        let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !is_digits(whole) || !is_digits(part) || part.len() > 3 {
            return Err(RatioError);
        }
        let whole: u64 = whole.parse().map_err(|_| RatioError)?;
        let part: u64 = format!("{part:0<3}").parse().map_err(|_| RatioError)?;
        let thousandths = whole.checked_mul(1000).and_then(|whole| whole.checked_add(part));
        Self::from_thousandths(thousandths.ok_or(RatioError)?)
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x", f64::from(self.0) / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_read_as_they_are_written() {
        for (text, thousandths) in
            [("1.2x", 1200), ("3x", 3000), ("0.001x", 1), ("1000x", 1_000_000)]
        {
            let ratio: Ratio = text.parse().expect("a ratio");
            assert_eq!((ratio.thousandths(), ratio.to_string().as_str()), (thousandths, text));
        }
        for wrong in [
            "",
            "x",
            "1.2",
            "-1x",
            "1.x",
            ".5x",
            "0x",
            "1000.001x",
            "1e3x",
            "1.2345x",
            "99999999999999999999x",
        ] {
            assert_eq!(wrong.parse::<Ratio>(), Err(RatioError), "{wrong}");
        }
        assert_eq!("1.5x".parse::<Ratio>().expect("a ratio").of(0.5), 0.75);
    }

    #[test]
    fn a_label_is_one() {
        assert_eq!("Error-Rate".parse::<Label>().expect("a label").as_str(), "error-rate");
        assert!("a.b".parse::<Label>().is_err());
    }
}
