//! What is counted of hooks.

use prometheus::{IntCounterVec, Opts, Registry};

use crate::model::Label;

pub(super) struct Counters {
    delivered: IntCounterVec,
    failed: IntCounterVec,
    dropped: IntCounterVec,
}

impl Counters {
    pub(super) fn register(
        registry: &Registry,
        hooks: &[Label],
    ) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| {
            let name = format!("cutover_events_{name}_total");
            let counter = IntCounterVec::new(Opts::new(name, help), &["hook"])?;
            registry.register(Box::new(counter.clone()))?;
            for hook in hooks {
                counter.with_label_values(&[hook.as_str()]);
            }
            Ok::<_, prometheus::Error>(counter)
        };
        Ok(Self {
            delivered: counter("delivered", "Events that a hook has taken.")?,
            failed: counter("failed", "Tries to tell a hook an event that have failed.")?,
            dropped: counter(
                "dropped",
                "Events that a hook is never told: given up, or the oldest of too many.",
            )?,
        })
    }

    pub(super) fn delivered(&self, hook: &Label) {
        self.delivered.with_label_values(&[hook.as_str()]).inc();
    }

    pub(super) fn failed(&self, hook: &Label) {
        self.failed.with_label_values(&[hook.as_str()]).inc();
    }

    pub(super) fn dropped(&self, hook: &Label, count: u64) {
        self.dropped.with_label_values(&[hook.as_str()]).inc_by(count);
    }
}
