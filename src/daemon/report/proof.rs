//! What was found out about a release, for people.

use crate::{
    admin::proof::{ConfirmStatus, GuardStatus, PerformanceStatus, ProofStatus, TestStatus},
    cutover::{Cutover, Wanted},
    health::{Evidence, Finding, Measured, Reading, ServiceHealth, TestRecord, Watched},
    model::{Label, Performance, Timestamp},
};

/// Of the release of a service, as far as it stands.
pub(super) fn proof(cutover: &Cutover, health: &ServiceHealth) -> ProofStatus {
    let (policy, evidence) = (&cutover.spec().release, &health.evidence);
    let tests: Vec<TestStatus> = evidence.tests.records().iter().map(test).collect();
    let judged = tests.iter().filter(|test| test.result != "unjudged").count();
    let wanted = cutover.wanted(health);
    let is_wanted = |what: fn(&Wanted) -> bool| wanted.as_ref().is_some_and(what);
    let is_known = evidence.performance.last().is_some();
    let is_measured = is_known || is_wanted(|wanted| wanted.performance);
    let measured = policy.performance.as_deref().filter(|_| is_measured);
    let is_asked =
        |name: &&Label| evidence.answer(name).is_some() || is_wanted(|wanted| wanted.confirm);
    ProofStatus {
        tests,
        tests_wanted: judged + wanted.as_ref().map_or(0, |wanted| wanted.tests.len()),
        performance: measured.map(|it| performance(it, evidence)),
        guards: evidence.guards.iter().filter(|_| is_wanted(|it| it.guards)).map(guard).collect(),
        confirm: policy
            .confirm
            .iter()
            .filter(is_asked)
            .map(|name| confirm(name, evidence))
            .collect(),
    }
}

/// One test that was made.
pub(super) fn test(record: &TestRecord) -> TestStatus {
    let TestRecord { pool, address, test, at, latency, finding } = record;
    TestStatus {
        pool: pool.to_string(),
        address: address.to_string(),
        test: test.clone(),
        result: finding.name().to_owned(),
        reason: Some(finding.why().to_owned()).filter(|why| !why.is_empty()),
        latency_ms: latency.as_micros() as f64 / 1000.0,
        at: at.to_string(),
    }
}

fn performance(performance: &Performance, evidence: &Evidence) -> PerformanceStatus {
    let (result, reason, at) = match evidence.performance.last() {
        Some(Measured { begun, finding, .. }) => told(finding, *begun),
        None => (None, None, None),
    };
    PerformanceStatus {
        requests: evidence.performance.progress().map(|(done, _)| done),
        requests_max: performance.requests,
        result,
        reason,
        at,
    }
}

fn guard(watched: &Watched) -> GuardStatus {
    let (result, reason, at) = match &watched.last {
        Some(Reading { at, finding, .. }) => told(finding, *at),
        None => (None, None, None),
    };
    let finite = |value: Option<f64>| value.filter(|value| value.is_finite());
    GuardStatus {
        name: watched.guard.name.to_string(),
        result,
        value: finite(watched.last.as_ref().and_then(|last| last.value)),
        old: finite(watched.last.as_ref().and_then(|last| last.old)),
        failures: watched.failures,
        reason,
        at,
    }
}

fn told(finding: &Finding, at: Timestamp) -> (Option<String>, Option<String>, Option<String>) {
    let (result, reason) = (finding.name().to_owned(), finding.why().to_owned());
    (Some(result), Some(reason), Some(at.to_string()))
}

fn confirm(name: &Label, evidence: &Evidence) -> ConfirmStatus {
    let answer = evidence.answer(name);
    ConfirmStatus {
        name: name.to_string(),
        go: answer.map(|answer| answer.result.is_ok()),
        reason: answer.and_then(|answer| answer.result.clone().err()),
        detail: answer.map(|answer| answer.detail.clone()).unwrap_or_default(),
        at: answer.map(|answer| answer.at.to_string()),
    }
}
