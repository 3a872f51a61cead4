//! What is read off each service.

use prometheus::{GaugeVec, Registry};

use super::{flag, gauge, instant, set};
use crate::{
    admin::status::{HEALTH, ServiceStatus},
    cutover::phase::Phase,
};

pub(super) struct Services {
    phase: GaugeVec,
    health: GaugeVec,
    group: GaugeVec,
    waits: GaugeVec,
    orphaned: GaugeVec,
    unkept: GaugeVec,
    ttl: GaugeVec,
    next: GaugeVec,
    clients: GaugeVec,
}

impl Services {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str, labels: &[&str]| gauge(registry, name, help, labels);
        Ok(Self {
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
            unkept: gauge(
                "service_unkept",
                "1 if a restart would forget where it stands.",
                &["service"],
            )?,
            ttl: gauge("service_ttl_seconds", "TTL of its answers.", &["service"])?,
            next: gauge(
                "service_next_event_timestamp_seconds",
                "When its phase ends, if the clock ends it.",
                &["service"],
            )?,
            clients: gauge(
                "service_clients",
                "How many equally busy client networks its answers stray like, while they are \
                 counted.",
                &["service"],
            )?,
        })
    }

    pub(super) fn set(&self, name: &str, service: &ServiceStatus) {
        for phase in Phase::NAMES {
            flag(&self.phase, &[name, phase], service.phase == phase);
        }
        for health in HEALTH {
            flag(&self.health, &[name, health], service.health == health);
        }
        if let Some(group) = &service.group {
            flag(&self.group, &[name, group], true);
            flag(&self.waits, &[name], service.waits.is_some());
        }
        flag(&self.orphaned, &[name], service.orphaned);
        flag(&self.unkept, &[name], service.unkept);
        set(&self.ttl, &[name], service.ttl.into());
        let next = service.next.as_ref().and_then(|next| next.at.as_deref());
        instant(&self.next, &[name], next);
        if let Some(clients) = service.clients {
            set(&self.clients, &[name], clients);
        }
    }
}
