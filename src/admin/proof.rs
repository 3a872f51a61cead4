//! What a release has proven, as the status and the history show it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Everything that was found out of one step, and by tests.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema, PartialEq)]
pub struct ProofStatus {
    /// Smoke tests that were made; what has failed is first.
    pub tests: Vec<TestStatus>,
    /// How many are made in all, if there are any.
    pub tests_wanted: usize,
    /// The measurement, if the release is measured.
    pub performance: Option<PerformanceStatus>,
    /// The guards.
    pub guards: Vec<GuardStatus>,
    /// Who must say yes.
    pub confirm: Vec<ConfirmStatus>,
}

/// One smoke test of one endpoint.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq)]
pub struct TestStatus {
    /// The pool.
    pub pool: String,
    /// The endpoint.
    pub address: String,
    /// The number of the test in the file, from 1, and its kind: `1 (http)`.
    pub test: String,
    /// `good`, `bad`, or `unjudged`: it could not be made.
    pub result: String,
    /// What it said.
    pub reason: Option<String>,
    /// How long it took, in milliseconds.
    pub latency_ms: f64,
    /// When it had ended (RFC 3339).
    pub at: String,
}

/// The measurement of a step.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq)]
pub struct PerformanceStatus {
    /// How many requests have been made in the one that is under way.
    pub requests: Option<u32>,
    /// Of how many at the most.
    pub requests_max: u32,
    /// Of the last one: `good`, `bad` or `unjudged`.
    pub result: Option<String>,
    /// What it showed, and what it must.
    pub reason: Option<String>,
    /// When it began (RFC 3339).
    pub at: Option<String>,
}

/// One guard.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq)]
pub struct GuardStatus {
    /// Its name.
    pub name: String,
    /// `good`, `bad` or `unjudged`; none before the first look.
    pub result: Option<String>,
    /// The last value, if it was a finite one.
    pub value: Option<f64>,
    /// That of the old pool, where it is compared.
    pub old: Option<f64>,
    /// Bad values in this step.
    pub failures: u32,
    /// What the last value is, and must be; or why there is none.
    pub reason: Option<String>,
    /// When it was asked for (RFC 3339).
    pub at: Option<String>,
}

/// One who must say yes.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq)]
pub struct ConfirmStatus {
    /// Who.
    pub name: String,
    /// Whether they do; none before they have answered.
    pub go: Option<bool>,
    /// Why not.
    pub reason: Option<String>,
    /// The beginning of what they said.
    pub detail: String,
    /// When (RFC 3339).
    pub at: Option<String>,
}

impl ProofStatus {
    /// As lines for people.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = tests_lines(self);
        lines.extend(self.performance.as_ref().map(performance_line));
        lines.extend(self.guards.iter().map(|guard| {
            let GuardStatus { name, result, reason, .. } = guard;
            match (result, reason) {
                (Some(result), Some(reason)) => format!("guard {name} {result}: {reason}"),
                _ => format!("guard {name}: not asked yet"),
            }
        }));
        lines.extend(self.confirm.iter().map(|confirm| {
            let ConfirmStatus { name, go, reason, detail, .. } = confirm;
            let detail = if detail.is_empty() { String::new() } else { format!(" ({detail})") };
            match (go, reason) {
                (Some(true), _) => format!("{name} says yes{detail}"),
                (_, Some(reason)) => format!("{name} holds: {reason}{detail}"),
                _ => format!("{name} has not answered yet"),
            }
        }));
        lines
    }
}

fn tests_lines(proof: &ProofStatus) -> Vec<String> {
    let ProofStatus { tests, tests_wanted, .. } = proof;
    if *tests_wanted == 0 && tests.is_empty() {
        return Vec::new();
    }
    let good = tests.iter().filter(|test| test.result == "good").count();
    let mut lines = vec![format!("{good} of {tests_wanted} smoke tests have passed")];
    lines.extend(tests.iter().filter(|test| test.result != "good").map(test_line));
    lines
}

/// One test that has not passed, or has with something to be said.
pub(super) fn test_line(test: &TestStatus) -> String {
    let TestStatus { pool, address, test, result, reason, latency_ms, .. } = test;
    let word = match result.as_str() {
        "good" => "passed",
        "bad" => "FAILED",
        _ => "could not be made",
    };
    let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("test {test} of {address} of {pool} {word} in {latency_ms:.0} ms{reason}")
}

fn performance_line(performance: &PerformanceStatus) -> String {
    let PerformanceStatus { requests, requests_max, result, reason, .. } = performance;
    let under_way = requests.map(|done| format!("measuring, {done} of {requests_max} requests"));
    let last = result.as_ref().zip(reason.as_ref());
    let last = last.map(|(result, reason)| format!("{result}: {reason}"));
    match (last, under_way) {
        (Some(last), Some(under_way)) => format!("performance {last}; {under_way}"),
        (Some(last), None) => format!("performance {last}"),
        (None, Some(under_way)) => format!("performance: {under_way}"),
        (None, None) => "performance: not measured yet".to_owned(),
    }
}
