//! What a file says about when steps may be taken: as a test wants it, and at random.

use std::num::NonZeroUsize;

use proptest::prelude::*;

use super::{Wanted, at, secs};
use crate::model::Percent;

impl Wanted {
    /// So many seconds after the start.
    pub(super) fn at(mut self, second: u64) -> Self {
        self.0.release.at = Some(at(second));
        self
    }

    /// Rather later than while caches hold what was answered before.
    pub(super) fn clean(mut self) -> Self {
        self.0.release.clean = true;
        self
    }

    pub(super) fn min_up_endpoints(mut self, count: usize) -> Self {
        self.0.release.min_up_endpoints = NonZeroUsize::new(count).expect("some");
        self
    }

    pub(super) fn min_up_weight(mut self, percent: u8) -> Self {
        self.0.release.min_up_weight = Some(Percent::new_const(percent));
        self
    }

    pub(super) fn progress_deadline(mut self, count: u64) -> Self {
        self.0.release.progress_deadline = Some(secs(count));
        self
    }

    /// Days and times in UTC.
    pub(super) fn windows(mut self, windows: &[&str]) -> Self {
        let windows = windows.iter().map(|text| text.parse().expect("a window"));
        self.0.release.windows.list = windows.collect();
        self
    }

    /// From one step to the next.
    pub(super) fn interval(mut self, count: u64) -> Self {
        self.0.release.min_change_interval = secs(count);
        self
    }
}

/// The simulation starts at 01:46:40 on a Sunday.
const WINDOWS: [&str; 3] = ["daily 02:00-02:10", "Sun 01:00-01:50", "Mon-Sat 00:00-24:00"];

/// What the file says about when steps may be taken.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    at: Option<u64>,
    clean: bool,
    window: Option<usize>,
    interval: u64,
    progress: Option<u64>,
}

pub(super) fn limits() -> impl Strategy<Value = Limits> {
    let some = |seconds| prop::option::weighted(0.3, seconds);
    let window = prop::option::weighted(0.3, 0..WINDOWS.len());
    let interval = prop_oneof![Just(0), 0..300u64];
    let limits = (some(0..2_000u64), any::<bool>(), window, interval, some(1..400u64));
    limits.prop_map(|(at, clean, window, interval, progress)| Limits {
        at,
        clean: clean && at.is_some(),
        window,
        interval,
        progress,
    })
}

impl Limits {
    pub(super) fn within(self, mut wanted: Wanted) -> Wanted {
        wanted.0.release.at = self.at.map(at);
        wanted.0.release.clean = self.clean;
        wanted.0.release.progress_deadline = self.progress.map(secs);
        let windows: Vec<&str> = self.window.map(|at| WINDOWS[at]).into_iter().collect();
        wanted.interval(self.interval).windows(&windows)
    }
}
