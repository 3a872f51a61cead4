//! The metrics: what is counted as it happens, and what is read off the status at each scrape.
//!
//! The second kind is made anew each time, so a service or pool that is gone leaves no label
//! behind.

mod pools;
mod releases;
mod services;

use std::time::UNIX_EPOCH;

use humantime::parse_rfc3339;
use prometheus::{Encoder, GaugeVec, Opts, Registry, TextEncoder};

use super::status::Status;
use pools::Pools;
use releases::Releases;
use services::Services;

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
    serial: GaugeVec,
    zone_files: GaugeVec,
    file: GaugeVec,
    file_loaded: GaugeVec,
    frozen: GaugeVec,
    pending: GaugeVec,
    services: Services,
    releases: Releases,
    pools: Pools,
}

impl Gauges {
    fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str, labels: &[&str]| gauge(registry, name, help, labels);
        Ok(Self {
            build: gauge("build_info", "1, labelled with the version.", &["version"])?,
            ready: gauge("ready", "1 once a valid release file has been read.", &[])?,
            generation: gauge("table_generation", "Number of the record table.", &[])?,
            serial: gauge("zone_serial", "SOA serial of the zone.", &["zone"])?,
            zone_files: gauge(
                "zone_files_accepted",
                "1 if the zone files on disk are valid and being answered from.",
                &[],
            )?,
            file: gauge(
                "file_accepted",
                "1 if the release file on disk is valid and being carried out.",
                &[],
            )?,
            file_loaded: gauge(
                "file_loaded_timestamp_seconds",
                "When the release file was last read and found good.",
                &[],
            )?,
            frozen: gauge("frozen", "1 while no release may take a step.", &[])?,
            pending: gauge("events_pending", "Events that a hook has not been told.", &["hook"])?,
            services: Services::register(registry)?,
            releases: Releases::register(registry)?,
            pools: Pools::register(registry)?,
        })
    }

    fn set(&self, status: &Status) {
        flag(&self.build, &[env!("CARGO_PKG_VERSION")], true);
        flag(&self.ready, &[], status.ready);
        flag(&self.file, &[], status.file.accepted && !status.file.waiting);
        instant(&self.file_loaded, &[], status.file.loaded_at.as_deref());
        flag(&self.frozen, &[], status.freeze.is_some());
        set(&self.generation, &[], status.generation as f64);
        flag(&self.zone_files, &[], status.zones_refused.is_none());
        for (apex, zone) in &status.zones {
            set(&self.serial, &[apex], f64::from(zone.serial));
        }
        for (name, hook) in &status.events {
            set(&self.pending, &[name], hook.pending as f64);
        }
        for (name, service) in &status.services {
            self.services.set(name, service);
            self.releases.set(name, service);
            self.pools.set(name, service);
        }
    }
}

fn gauge(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<GaugeVec, prometheus::Error> {
    let gauge = GaugeVec::new(Opts::new(format!("cutover_{name}"), help), labels)?;
    registry.register(Box::new(gauge.clone()))?;
    Ok(gauge)
}

fn set(gauge: &GaugeVec, labels: &[&str], value: f64) {
    gauge.with_label_values(labels).set(value);
}

fn flag(gauge: &GaugeVec, labels: &[&str], on: bool) {
    set(gauge, labels, f64::from(u8::from(on)));
}

/// 1 for the one of these words that is so, and 0 for the others.
fn one_of(gauge: &GaugeVec, labels: [&str; 2], words: &[&str], is_so: Option<&str>) {
    for word in words {
        flag(gauge, &[labels[0], labels[1], word], is_so == Some(*word));
    }
}

/// An instant as Prometheus has it, if there is one (RFC 3339).
fn instant(gauge: &GaugeVec, labels: &[&str], at: Option<&str>) {
    if let Some(Ok(at)) = at.map(parse_rfc3339) {
        let since_epoch = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        set(gauge, labels, since_epoch.as_secs_f64());
    }
}
