//! What the conductor counts.

use std::time::Duration;

use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry};

use crate::{
    cutover::{Ending, Record, Transition},
    model::ServiceName,
};

/// From 1 µs to 0.26 s.
const SWAP_BUCKETS: (f64, f64, usize) = (1e-6, 4.0, 10);

/// From 0.1 ms to 26 s.
const WRITE_BUCKETS: (f64, f64, usize) = (1e-4, 4.0, 10);

/// From 1 s to 12 days.
const RELEASE_BUCKETS: (f64, f64, usize) = (1.0, 4.0, 11);

/// What set a machine going.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Cause {
    /// What was kept was taken up.
    #[default]
    Start,
    /// The release file.
    File,
    /// A person.
    Operator,
    /// An endpoint came up or went down.
    Probe,
    /// A test, a measurement, a guard or a confirmer.
    Proof,
    /// A name that a pool points to was looked up.
    Lookup,
    /// A deadline, or a horizon.
    Clock,
}

impl Cause {
    /// The word for it.
    const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::File => "file",
            Self::Operator => "operator",
            Self::Probe => "probe",
            Self::Proof => "proof",
            Self::Lookup => "lookup",
            Self::Clock => "clock",
        }
    }
}

pub(super) struct Metrics {
    file_loads: IntCounterVec,
    transitions: IntCounterVec,
    releases: HistogramVec,
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
            Opts::new(
                "cutover_transitions_total",
                "Changes of phase, by service and by what set it going.",
            ),
            &["service", "from", "to", "cause"],
        )?;
        let (start, factor, count) = RELEASE_BUCKETS;
        let releases = HistogramVec::new(
            HistogramOpts::new(
                "cutover_release_duration_seconds",
                "How long releases took from their beginning to their end, by how they ended.",
            )
            .buckets(prometheus::exponential_buckets(start, factor, count)?),
            &["result"],
        )?;
        for ending in Ending::ALL {
            releases.with_label_values(&[&label(ending)]);
        }
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
        registry.register(Box::new(releases.clone()))?;
        registry.register(Box::new(swap.clone()))?;
        Ok(Self { file_loads, transitions, releases, swap, writes, is_writable, are_doubted })
    }

    pub(super) fn file_accepted(&self) {
        self.file_loads.with_label_values(&["accepted"]).inc();
    }

    pub(super) fn file_rejected(&self) {
        self.file_loads.with_label_values(&["rejected"]).inc();
    }

    pub(super) fn transition(&self, service: &ServiceName, cause: Cause, told: &Transition) {
        let labels = [service.as_str(), told.from, told.to, cause.name()];
        self.transitions.with_label_values(&labels).inc();
    }

    /// A service's last release is this, and was `before`.
    pub(super) fn release(&self, before: Option<&Record>, record: &Record) {
        let Some((at, ending)) = record.ended else { return };
        let is_news = before.is_none_or(|it| it.id != record.id || it.ended.is_none());
        if is_news {
            let took = at.since(record.begun).as_secs_f64();
            self.releases.with_label_values(&[&label(ending)]).observe(took);
        }
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

fn label(ending: Ending) -> String {
    ending.name().replace(' ', "_")
}
