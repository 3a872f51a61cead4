//! What the conductor counts.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, IntCounterVec, Opts, Registry};

use crate::model::ServiceName;

/// From 1 µs to 0.26 s.
const SWAP_BUCKETS: (f64, f64, usize) = (1e-6, 4.0, 10);

pub(super) struct Metrics {
    file_loads: IntCounterVec,
    transitions: IntCounterVec,
    swap: Histogram,
}

impl Metrics {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let file_loads = IntCounterVec::new(
            Opts::new("cutover_file_loads_total", "Release files read, by result."),
            &["result"],
        )?;
        for result in ["accepted", "rejected"] {
            file_loads.with_label_values(&[result]);
        }
        let transitions = IntCounterVec::new(
            Opts::new("cutover_transitions_total", "Changes of phase, by service."),
            &["service", "from", "to"],
        )?;
        let (start, factor, count) = SWAP_BUCKETS;
        let swap = Histogram::with_opts(
            HistogramOpts::new("cutover_table_swap_seconds", "Making and storing one table.")
                .buckets(prometheus::exponential_buckets(start, factor, count)?),
        )?;
        registry.register(Box::new(file_loads.clone()))?;
        registry.register(Box::new(transitions.clone()))?;
        registry.register(Box::new(swap.clone()))?;
        Ok(Self { file_loads, transitions, swap })
    }

    pub(super) fn file_accepted(&self) {
        self.file_loads.with_label_values(&["accepted"]).inc();
    }

    pub(super) fn file_rejected(&self) {
        self.file_loads.with_label_values(&["rejected"]).inc();
    }

    pub(super) fn transition(&self, service: &ServiceName, from: &str, to: &str) {
        self.transitions.with_label_values(&[service.as_str(), from, to]).inc();
    }

    pub(super) fn table_stored(&self, took: Duration) {
        self.swap.observe(took.as_secs_f64());
    }
}
