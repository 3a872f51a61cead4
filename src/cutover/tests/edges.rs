//! The edges of the machine, all of them, and what may cause one.

use super::Verb;

/// Every edge that may be taken. Out of `Failed` by an edit back to the pool that answers, or because
/// what was left answering had not finished its bake.
pub(super) const EDGES: [(&str, &[&str]); 11] = [
    ("Steady", &["Probing"]),
    (
        "Probing",
        &["Steady", "Probing", "Waiting", "Shifting", "Paused", "Baking", "RollingBack", "Failed"],
    ),
    (
        "Waiting",
        &[
            "Waiting",
            "Shifting",
            "Judging",
            "Steady",
            "Probing",
            "Paused",
            "Baking",
            "RollingBack",
            "Failed",
        ],
    ),
    ("Shifting", &["Probing", "Baking", "RollingBack", "Settling"]),
    (
        "Settling",
        &["Settling", "Judging", "Shifting", "Probing", "Paused", "Baking", "RollingBack"],
    ),
    (
        "Judging",
        &[
            "Judging",
            "Settling",
            "Waiting",
            "Shifting",
            "Probing",
            "Paused",
            "Baking",
            "RollingBack",
        ],
    ),
    (
        "Paused",
        &[
            "Paused",
            "Probing",
            "Waiting",
            "Shifting",
            "Settling",
            "Judging",
            "Baking",
            "Draining",
            "RollingBack",
            "Steady",
            "Failed",
        ],
    ),
    ("Baking", &["Baking", "Probing", "Paused", "Draining", "RollingBack"]),
    ("Draining", &["Probing", "Steady", "RollingBack"]),
    ("RollingBack", &["Probing", "Steady", "Failed"]),
    ("Failed", &["Probing", "Steady", "Baking", "RollingBack"]),
];

/// Why something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Stored,
    Saved,
    Asked(Verb, bool),
    Other,
}
