//! The course of a release as a document: the share of the answers that each pool was to have, and had.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The course of one release, or of a split that is answered without one.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq)]
pub struct CourseStatus {
    /// The number of the release, if it is of one.
    pub release: Option<u64>,
    /// The oldest first; at first one for each second, and fewer when it lasts.
    pub points: Vec<PointStatus>,
}

/// From the point before to this one.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq)]
pub struct PointStatus {
    /// The end of that time (RFC 3339).
    pub at: String,
    /// By pool.
    pub shares: BTreeMap<String, PointShare>,
    /// How many equally busy clients stood behind the answers, if that could be told.
    pub clients: Option<f64>,
}

/// What one pool was to have, and had.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema, PartialEq)]
pub struct PointShare {
    /// The percentage of the clients.
    pub target: u8,
    /// The percentage of the answers; none if there were none.
    pub answered: Option<f64>,
    /// How far that may stray: one standard deviation, in points.
    pub deviation: Option<f64>,
    /// How many answers named the pool.
    pub answers: u64,
}
