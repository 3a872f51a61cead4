//! What is read off each pool and its endpoints.

use prometheus::{GaugeVec, Registry};

use super::{flag, gauge, instant, set};
use crate::admin::status::{PoolStatus, ServiceStatus, TargetStatus};

pub(super) struct Pools {
    share: GaugeVec,
    answered: GaugeVec,
    deviation: GaugeVec,
    horizon: GaugeVec,
    clearing: GaugeVec,
    off: GaugeVec,
    endpoint: GaugeVec,
    target: GaugeVec,
}

impl Pools {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str, labels: &[&str]| gauge(registry, name, help, labels);
        Ok(Self {
            share: gauge("pool_share_ratio", "Share of clients.", &["service", "pool"])?,
            answered: gauge(
                "pool_answered_ratio",
                "Share of the answers lately, while they are counted.",
                &["service", "pool"],
            )?,
            deviation: gauge(
                "pool_answered_deviation_ratio",
                "How far the share of the answers may stray from that of the clients: one standard \
                 deviation.",
                &["service", "pool"],
            )?,
            horizon: gauge(
                "pool_horizon_timestamp_seconds",
                "Latest time at which a cache that keeps to the TTL can hold an answer naming it.",
                &["service", "pool"],
            )?,
            clearing: gauge(
                "pool_cached_ratio",
                "What caches may still hold of what they held when it was left.",
                &["service", "pool"],
            )?,
            off: gauge("pool_off", "1 if it can be switched off.", &["service", "pool"])?,
            endpoint: gauge(
                "endpoint_up",
                "1 if the endpoint may be answered.",
                &["service", "pool", "endpoint"],
            )?,
            target: gauge(
                "pool_target_found",
                "1 if the name that the pool points to was found when it was last looked up.",
                &["service", "pool"],
            )?,
        })
    }

    pub(super) fn set(&self, name: &str, service: &ServiceStatus) {
        for (pool_name, pool) in &service.pools {
            let PoolStatus { share, answered, horizon, clearing, off, target, .. } = pool;
            let labels = [name, pool_name.as_str()];
            set(&self.share, &labels, f64::from(*share) / 100.0);
            if let Some(answered) = answered {
                set(&self.answered, &labels, answered.share / 100.0);
                if let Some(deviation) = answered.deviation {
                    set(&self.deviation, &labels, deviation / 100.0);
                }
            }
            instant(&self.horizon, &labels, horizon.as_deref());
            if let Some(clearing) = clearing {
                set(&self.clearing, &labels, clearing.remaining);
            }
            flag(&self.off, &labels, *off);
            if let Some(TargetStatus { found_at, trouble, .. }) = target {
                flag(&self.target, &labels, found_at.is_some() && trouble.is_none());
            }
            for endpoint in &pool.endpoints {
                let up = ["up", "presumed", "unprobed"].contains(&endpoint.verdict.as_str());
                flag(&self.endpoint, &[name, pool_name, &endpoint.address], up);
            }
        }
    }
}
