//! The metrics: what is counted as it happens, and what is read off the status at each scrape.
//!
//! The second kind is made anew each time, so a service or pool that is gone leaves no label
//! behind.

use std::time::UNIX_EPOCH;

use prometheus::{Encoder, GaugeVec, Opts, Registry, TextEncoder};

use super::{
    proof::GuardStatus,
    status::{HEALTH, ServiceStatus, Status},
};
use crate::{cutover::phase::Phase, health::Finding};

/// The text that Prometheus scrapes. Without a status only what is counted is there.
pub(super) fn render(
    counted: &Registry,
    status: Option<&Status>,
) -> Result<String, prometheus::Error> {
    let mut families = counted.gather();
    if let Some(status) = status {
        let read_off = Registry::new();
        Gauges::register(&read_off)?.set(status);
        families.extend(read_off.gather());
    }
    families.sort_by(|a, b| a.name().cmp(b.name()));
    let mut text = Vec::new();
    TextEncoder::new().encode(&families, &mut text)?;
    String::from_utf8(text).map_err(|error| prometheus::Error::Msg(error.to_string()))
}

struct Gauges {
    build: GaugeVec,
    ready: GaugeVec,
    generation: GaugeVec,
    file: GaugeVec,
    frozen: GaugeVec,
    phase: GaugeVec,
    health: GaugeVec,
    group: GaugeVec,
    waits: GaugeVec,
    orphaned: GaugeVec,
    share: GaugeVec,
    horizon: GaugeVec,
    off: GaugeVec,
    endpoint: GaugeVec,
    guard: GaugeVec,
    guard_result: GaugeVec,
    pending: GaugeVec,
}

impl Gauges {
    fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str, labels: &[&str]| {
            let gauge = GaugeVec::new(Opts::new(format!("cutover_{name}"), help), labels)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        Ok(Self {
            build: gauge("build_info", "1, labelled with the version.", &["version"])?,
            ready: gauge("ready", "1 once a valid release file has been read.", &[])?,
            generation: gauge("table_generation", "Number of the record table.", &[])?,
            file: gauge(
                "file_accepted",
                "1 if the release file on disk is valid and being carried out.",
                &[],
            )?,
            frozen: gauge("frozen", "1 while no release may take a step.", &[])?,
            phase: gauge(
                "service_phase",
                "1 for the phase the service is in.",
                &["service", "phase"],
            )?,
            health: gauge(
                "service_health",
                "1 for what the service answers with: its own endpoints or a fallback.",
                &["service", "health"],
            )?,
            group: gauge(
                "service_group",
                "1 for the group with which it is released.",
                &["service", "group"],
            )?,
            waits: gauge(
                "service_waits_for_group",
                "1 while others of its group keep it from going on.",
                &["service"],
            )?,
            orphaned: gauge("service_orphaned", "1 if the file no longer names it.", &["service"])?,
            horizon: gauge(
                "pool_horizon_timestamp_seconds",
                "Latest time at which a cache that keeps to the TTL can hold an answer naming it.",
                &["service", "pool"],
            )?,
            off: gauge("pool_off", "1 if it can be switched off.", &["service", "pool"])?,
            share: gauge("pool_share_ratio", "Share of clients.", &["service", "pool"])?,
            guard: gauge("guard_value", "Last value of a guard.", &["service", "guard"])?,
            guard_result: gauge(
                "guard_result",
                "1 for what the last value of a guard means.",
                &["service", "guard", "result"],
            )?,
            endpoint: gauge(
                "endpoint_up",
                "1 if the endpoint may be answered.",
                &["service", "pool", "endpoint"],
            )?,
            pending: gauge("events_pending", "Events that a hook has not been told.", &["hook"])?,
        })
    }

    fn set(&self, status: &Status) {
        let flag = |gauge: &GaugeVec, labels: &[&str], on: bool| {
            gauge.with_label_values(labels).set(f64::from(u8::from(on)));
        };
        flag(&self.build, &[env!("CARGO_PKG_VERSION")], true);
        flag(&self.ready, &[], status.ready);
        flag(&self.file, &[], status.file.accepted);
        flag(&self.frozen, &[], status.freeze.is_some());
        self.generation.with_label_values(&[] as &[&str]).set(status.generation as f64);
        for (name, service) in &status.services {
            for phase in Phase::NAMES {
                flag(&self.phase, &[name, phase], service.phase == phase);
            }
            for health in HEALTH {
                flag(&self.health, &[name, health], service.health == health);
            }
            flag(&self.orphaned, &[name], service.orphaned);
            if let Some(group) = &service.group {
                flag(&self.group, &[name, group], true);
                flag(&self.waits, &[name], service.waits.is_some());
            }
            self.set_pools(name, service);
            self.set_guards(name, service);
        }
        for (name, hook) in &status.events {
            self.pending.with_label_values(&[name]).set(hook.pending as f64);
        }
    }

    fn set_guards(&self, name: &str, service: &ServiceStatus) {
        let guards = service.release.iter().flat_map(|release| &release.proof.guards);
        for GuardStatus { name: guard, result, value, .. } in guards {
            if let Some(value) = value {
                self.guard.with_label_values(&[name, guard]).set(*value);
            }
            for known in Finding::NAMES {
                let is_it = result.as_deref() == Some(known);
                let gauge = self.guard_result.with_label_values(&[name, guard, known]);
                gauge.set(f64::from(u8::from(is_it)));
            }
        }
    }

    fn set_pools(&self, name: &str, service: &ServiceStatus) {
        for (pool_name, pool) in &service.pools {
            let share = f64::from(pool.share) / 100.0;
            self.share.with_label_values(&[name, pool_name]).set(share);
            let horizon = pool.horizon.as_deref().map(humantime::parse_rfc3339);
            if let Some(Ok(horizon)) = horizon {
                let since_epoch = horizon.duration_since(UNIX_EPOCH).unwrap_or_default();
                self.horizon.with_label_values(&[name, pool_name]).set(since_epoch.as_secs_f64());
            }
            let off = f64::from(u8::from(pool.off));
            self.off.with_label_values(&[name, pool_name]).set(off);
            for endpoint in &pool.endpoints {
                let up = ["up", "presumed", "unprobed"].contains(&endpoint.verdict.as_str());
                let labels = [name, pool_name, &endpoint.address];
                self.endpoint.with_label_values(&labels).set(f64::from(u8::from(up)));
            }
        }
    }
}
