//! What the conductor counts.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, IntCounterVec, IntGauge, Opts, Registry};

use crate::model::ServiceName;

/// From 1 µs to 0.26 s.
const SWAP_BUCKETS: (f64, f64, usize) = (1e-6, 4.0, 10);

/// From 0.1 ms to 26 s.
const WRITE_BUCKETS: (f64, f64, usize) = (1e-4, 4.0, 10);

pub(super) struct Metrics {
    file_loads: IntCounterVec,
    transitions: IntCounterVec,
    swap: Histogram,
    writes: Histogram,
    is_writable: IntGauge,
    are_doubted: IntGauge,
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
        let (start, factor, count) = WRITE_BUCKETS;
        let writes = Histogram::with_opts(
            HistogramOpts::new("cutover_store_write_seconds", "Writing what is to be kept, once.")
                .buckets(prometheus::exponential_buckets(start, factor, count)?),
        )?;
        let is_writable = IntGauge::new(
            "cutover_store_writable",
            "1 when what was last to be kept is kept; 0 when it cannot be written.",
        )?;
        is_writable.set(1);
        let are_doubted = IntGauge::new(
            "cutover_probes_doubted",
            "1 while every probe of every pool fails, so that no failure counts.",
        )?;
        registry.register(Box::new(are_doubted.clone()))?;
        registry.register(Box::new(writes.clone()))?;
        registry.register(Box::new(is_writable.clone()))?;
        registry.register(Box::new(file_loads.clone()))?;
        registry.register(Box::new(transitions.clone()))?;
        registry.register(Box::new(swap.clone()))?;
        Ok(Self { file_loads, transitions, swap, writes, is_writable, are_doubted })
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

    pub(super) fn probes_doubted(&self, are_doubted: bool) {
        self.are_doubted.set(are_doubted.into());
    }

    pub(super) fn state_written(&self, took: Duration) {
        self.writes.observe(took.as_secs_f64());
        self.is_writable.set(1);
    }

    pub(super) fn state_not_written(&self) {
        self.is_writable.set(0);
    }
}
