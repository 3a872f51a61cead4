//! The history document: what became of releases, and how it is told to people.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::proof::{TestStatus, test_line};

/// One release.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq)]
pub struct Past {
    /// Its service.
    pub service: String,
    /// Its number within the service.
    pub id: u64,
    /// What answered when it began: `v41`, or `v41:90+v42:10`.
    pub from: String,
    /// What was to answer; likewise.
    pub to: String,
    /// Who began it: `the release file`, or `user N` by a verb.
    pub by: String,
    /// When (RFC 3339).
    pub begun: String,
    /// When it ended, if it has.
    pub ended: Option<String>,
    /// How: `released`, `rolled back`, `failed`, `withdrawn`, `replaced`.
    pub result: Option<String>,
    /// Its changes of phase: the first ones and the last ones.
    pub steps: Vec<PastStep>,
    /// How many more there were in between.
    pub omitted: u64,
    /// Its smoke tests, first of those that have failed; some of them, if there were many.
    pub tests: Vec<TestStatus>,
}

/// A change of phase.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq, Eq)]
pub struct PastStep {
    /// When (RFC 3339).
    pub at: String,
    /// The phase that was left.
    pub from: String,
    /// The phase that was entered.
    pub to: String,
    /// Why.
    pub why: String,
}

/// Releases as text, the latest last.
pub fn text(history: &[Past]) -> String {
    let mut lines = Vec::new();
    for past in history {
        let Past { service, id, from, to, by, begun, .. } = past;
        let result = match (&past.result, &past.ended) {
            (Some(result), Some(ended)) => format!("{result} {ended}"),
            _ => "goes on".to_owned(),
        };
        lines.push(format!(
            "{service}  release {id}: {from} → {to}, begun {begun} by {by}: {result}"
        ));
        lines.extend(past.tests.iter().map(|test| format!("   {}", test_line(test))));
        for PastStep { at, from, to, why } in &past.steps {
            lines.push(format!("   {at}  {from} → {to}: {why}"));
        }
        if past.omitted > 0 {
            lines.push(format!("   and {} more in between", past.omitted));
        }
    }
    if lines.is_empty() {
        lines.push("no release is known".to_owned());
    }
    lines.join("\n") + "\n"
}
