//! Numbers with a unit and a range.

use std::{fmt, str::FromStr, time::Duration};

/// Why a number or its text was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// A TTL outside its range.
    #[error("a TTL is a whole number of seconds from {} to {}", Ttl::MIN_SECS, Ttl::MAX_SECS)]
    Ttl,
    /// A weight outside its range.
    #[error("a weight is a whole number from 1 to {}", Weight::MAX)]
    Weight,
    /// A percentage that is none.
    #[error("a percentage is a whole number from 1 to 100 followed by `%`")]
    Percent,
    /// A share outside its range.
    #[error("a share is a whole number of millionths from 0 to {}", Share::ALL.0)]
    Share,
    /// Infinite, or no number at all.
    #[error("not a finite number")]
    Number,
}

/// How long a cache may keep an rrset (RFC 2181 §8): 1 s to 7 days, but for records that others wrote
/// ([`Ttl::of_record`]).
///
/// Of a service zero is refused: it makes each client ask for each connection, and some resolvers
/// treat it as they like. More than a week is refused because no cutover could ever finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ttl(u32);

impl Ttl {
    const MIN_SECS: u64 = 1;
    const MAX_SECS: u64 = 7 * 86_400;

    /// The longest that a service may have.
    pub const MAX: Self = Self::from_secs_const(Self::MAX_SECS as u32);

    /// A TTL from a duration in whole seconds.
    pub fn new(duration: Duration) -> Result<Self, UnitError> {
        let secs = duration.as_secs();
        let whole = duration.subsec_nanos() == 0;
        match u32::try_from(secs) {
            Ok(secs32) if whole && (Self::MIN_SECS..=Self::MAX_SECS).contains(&secs) => {
                Ok(Self(secs32))
            }
            _ => Err(UnitError::Ttl),
        }
    }

    /// A TTL known to be valid when the program is compiled.
    pub const fn from_secs_const(secs: u32) -> Self {
        assert!(secs as u64 >= Self::MIN_SECS && secs as u64 <= Self::MAX_SECS);
        Self(secs)
    }

    /// Of a record that no release changes, in a file that others wrote: any number of seconds that
    /// can be sent (RFC 2181 §8).
    pub const fn of_record(secs: u32) -> Self {
        Self(if secs > i32::MAX as u32 { i32::MAX as u32 } else { secs })
    }

    /// In seconds, as it is sent.
    pub const fn secs(self) -> u32 {
        self.0
    }

    /// As a duration.
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0 as u64)
    }
}

/// A relative share of the clients of a pool, from 1 to 1,000,000.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(u32);

impl Weight {
    /// The usual weight.
    pub const ONE: Self = Self(1);
    /// The greatest.
    pub const MAX: u32 = 1_000_000;

    /// A weight, if it is in range.
    pub fn new(value: u64) -> Result<Self, UnitError> {
        match u32::try_from(value) {
            Ok(weight @ 1..=Self::MAX) => Ok(Self(weight)),
            _ => Err(UnitError::Weight),
        }
    }

    /// As a number.
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// A whole percentage from 1 % to 100 %.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(u8);

impl Percent {
    /// All of it.
    pub const ALL: Self = Self(100);

    /// A percentage known to be valid when the program is compiled.
    pub const fn new_const(value: u8) -> Self {
        assert!(value >= 1 && value <= 100);
        Self(value)
    }

    /// As a number from 1 to 100.
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Whether `part` of `whole` is at least this percentage; nothing of nothing is not.
    pub const fn reached_by(self, part: usize, whole: usize) -> bool {
        whole > 0 && part as u128 * 100 >= self.0 as u128 * whole as u128
    }
}

impl FromStr for Percent {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let number = text.strip_suffix('%').ok_or(UnitError::Percent)?;
        match number.trim_end().parse() {
            Ok(value @ 1..=100) => Ok(Self(value)),
            _ => Err(UnitError::Percent),
        }
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

/// How many of the clients: none, some or all, in millionths, so that none and all are exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u32);

impl Share {
    /// No client.
    pub const NONE: Self = Self(0);
    /// Every client.
    pub const ALL: Self = Self(1_000_000);

    /// A share, if it is at most all.
    pub fn from_millionths(millionths: u64) -> Result<Self, UnitError> {
        match u32::try_from(millionths) {
            Ok(millionths) if millionths <= Self::ALL.0 => Ok(Self(millionths)),
            _ => Err(UnitError::Share),
        }
    }

    /// In millionths.
    pub const fn millionths(self) -> u32 {
        self.0
    }
}

impl From<Percent> for Share {
    fn from(percent: Percent) -> Self {
        Self(u32::from(percent.0) * (Self::ALL.0 / 100))
    }
}

/// A finite number, the same as another when it has the same bits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Number(f64);

impl Number {
    /// None.
    pub const ZERO: Self = Self(0.0);
    /// One of a hundred.
    pub const HUNDREDTH: Self = Self(0.01);

    /// A number, unless it is none.
    pub fn new(value: f64) -> Result<Self, UnitError> {
        if value.is_finite() { Ok(Self(value)) } else { Err(UnitError::Number) }
    }

    /// As it is.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Number {}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_kept() {
        assert_eq!(Ttl::new(Duration::from_secs(60)).map(Ttl::secs), Ok(60));
        for wrong in [Duration::ZERO, Duration::from_millis(1500), Duration::from_secs(604_801)] {
            assert_eq!(Ttl::new(wrong), Err(UnitError::Ttl));
        }
        assert!(Weight::new(0).is_err());
        assert!(Weight::new(1_000_001).is_err());
        assert_eq!("75%".parse::<Percent>().map(Percent::get), Ok(75));
        for wrong in ["75", "0%", "101%", "-1%", "%", ""] {
            assert_eq!(wrong.parse::<Percent>(), Err(UnitError::Percent), "{wrong}");
        }
    }

    #[test]
    fn a_share_is_at_most_all() {
        assert_eq!(Share::from_millionths(1_000_000), Ok(Share::ALL));
        assert_eq!(Share::from_millionths(1_000_001), Err(UnitError::Share));
        assert_eq!(Share::from_millionths(1 << 32), Err(UnitError::Share));
        assert_eq!(Share::from(Percent::ALL), Share::ALL);
        assert_eq!(Share::from(Percent::new_const(7)).millionths(), 70_000);
    }

    #[test]
    fn a_percentage_of_nothing_is_not_reached() {
        assert!(!Percent::new_const(1).reached_by(0, 0));
        assert!(Percent::new_const(50).reached_by(1, 2));
        assert!(!Percent::new_const(51).reached_by(1, 2));
        assert!(Percent::ALL.reached_by(3, 3));
    }
}
