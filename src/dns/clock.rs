//! The one clock of the control plane: the time of day when we started, plus what has passed.
//!
//! It does not jump when the system's time is set, so no deadline comes early or never.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::model::Timestamp;

/// Tells the time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    time_of_day: Timestamp,
    began: Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self { time_of_day: Timestamp::default() + since_epoch, began: Instant::now() }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.time_of_day + self.began.elapsed()
    }
}
