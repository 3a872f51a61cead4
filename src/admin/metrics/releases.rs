//! What is read off releases in progress, and off those that have failed.

use prometheus::{GaugeVec, Registry};

use super::{flag, gauge, instant, one_of, set};
use crate::{
    admin::{
        proof::{ConfirmStatus, GuardStatus, PerformanceStatus, ProofStatus},
        status::{ReleaseStatus, ServiceStatus},
    },
    health::Finding,
};

pub(super) struct Releases {
    share: GaugeVec,
    step: GaugeVec,
    steps: GaugeVec,
    started: GaugeVec,
    exposure: GaugeVec,
    refused: GaugeVec,
    tests: GaugeVec,
    tests_wanted: GaugeVec,
    performance: GaugeVec,
    guard: GaugeVec,
    guard_result: GaugeVec,
    confirmed: GaugeVec,
}

impl Releases {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str, labels: &[&str]| gauge(registry, name, help, labels);
        Ok(Self {
            share: gauge(
                "release_share_ratio",
                "Share of the clients that have what it goes to.",
                &["service"],
            )?,
            step: gauge("release_step", "Which step it is at, from 1.", &["service"])?,
            steps: gauge("release_steps", "How many steps it has.", &["service"])?,
            started: gauge("release_started_timestamp_seconds", "When it began.", &["service"])?,
            exposure: gauge(
                "rollback_exposure_seconds",
                "How long caches that keep to the TTL would hold what was answered before, if it were \
                 rolled back now.",
                &["service"],
            )?,
            refused: gauge(
                "rollback_refused",
                "1 if a rollback would be refused now.",
                &["service"],
            )?,
            tests: gauge(
                "smoke_tests",
                "Smoke tests that were made, by what came of them.",
                &["service", "result"],
            )?,
            tests_wanted: gauge("smoke_tests_wanted", "Smoke tests in all.", &["service"])?,
            performance: gauge(
                "performance_result",
                "1 for what the last measurement showed.",
                &["service", "result"],
            )?,
            guard: gauge("guard_value", "Last value of a guard.", &["service", "guard"])?,
            guard_result: gauge(
                "guard_result",
                "1 for what the last value of a guard means.",
                &["service", "guard", "result"],
            )?,
            confirmed: gauge(
                "confirmed",
                "1 if who must say yes to the next step does.",
                &["service", "confirmer"],
            )?,
        })
    }

    pub(super) fn set(&self, name: &str, service: &ServiceStatus) {
        if let Some(back) = &service.rollback {
            set(&self.exposure, &[name], back.clears_in_secs as f64);
            flag(&self.refused, &[name], back.refused.is_some());
        }
        let Some(release) = &service.release else { return };
        let ReleaseStatus { step, steps, share, started_at, proof, .. } = release;
        set(&self.share, &[name], f64::from(*share) / 100.0);
        set(&self.step, &[name], *step as f64);
        set(&self.steps, &[name], *steps as f64);
        instant(&self.started, &[name], Some(started_at));
        self.set_proof(name, proof);
    }

    fn set_proof(&self, name: &str, proof: &ProofStatus) {
        let ProofStatus { tests, tests_wanted, performance, guards, confirm } = proof;
        if *tests_wanted > 0 {
            set(&self.tests_wanted, &[name], *tests_wanted as f64);
            for result in Finding::NAMES {
                let count = tests.iter().filter(|test| test.result == result).count();
                set(&self.tests, &[name, result], count as f64);
            }
        }
        if let Some(PerformanceStatus { result, .. }) = performance {
            for known in Finding::NAMES {
                flag(&self.performance, &[name, known], result.as_deref() == Some(known));
            }
        }
        for GuardStatus { name: guard, result, value, .. } in guards {
            if let Some(value) = value {
                set(&self.guard, &[name, guard], *value);
            }
            one_of(&self.guard_result, [name, guard], &Finding::NAMES, result.as_deref());
        }
        for ConfirmStatus { name: confirmer, go, .. } in confirm {
            flag(&self.confirmed, &[name, confirmer], *go == Some(true));
        }
    }
}
