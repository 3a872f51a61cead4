//! The one clock of the control plane and of horizons: the time of day when we started, plus what
//! has passed.
//!
//! It does not jump when the system's time is set, so no deadline comes early or never.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::model::Timestamp;

/// Tells the time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    time_of_day: Timestamp,
    began: Instant,
}

impl Clock {
    /// A clock that takes the time of day from the system now, and never again.
    pub fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self { time_of_day: Timestamp::default() + since_epoch, began: Instant::now() }
    }

    /// How far the system's clock has come away from this one.
    pub fn drift(&self) -> Duration {
        let system = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        system.abs_diff(self.now().since_epoch())
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.time_of_day + self.began.elapsed()
    }
}
