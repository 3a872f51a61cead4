//! The plan document: what saving a file, or a verb, would do. Written by the daemon; read by people,
//! pipelines, and `cutover apply`.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    api::Draft,
    orders::Mistaken,
    socket::{self, OrderError},
    status::FileStatus,
};
use crate::model::Desired;

/// How the text of a file is read, and where it stands.
pub type Read = Arc<dyn Fn(&Path, &str) -> Result<Desired, Mistaken> + Send + Sync>;

/// How files are read that are not on disk yet.
#[derive(Clone)]
pub struct Drafts {
    /// As the one on disk is.
    pub read: Read,
    /// How long they may be, in octets.
    pub len_max: usize,
}

/// What saving a file, or a verb, would do.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq)]
pub struct Plan {
    /// Of the file, or of the order, and of what it changes as that is now; that of a file is what
    /// `apply --plan` takes.
    pub checksum: String,
    /// Whether nothing would change.
    pub nothing: bool,
    /// Where the daemon looks for the release file.
    pub path: String,
    /// When this was foretold (RFC 3339).
    pub at: String,
    /// Services that would change, by name.
    pub changed: BTreeMap<String, ServicePlan>,
    /// Services that would be answered for the first time, and with which pool.
    pub new: BTreeMap<String, String>,
    /// Services that the file does not name: they go on being answered.
    pub orphaned: Vec<String>,
    /// Services that would no longer be answered.
    pub removed: Vec<String>,
}

/// What saving the file would do to one service.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq)]
pub struct ServicePlan {
    /// The phase that it is in.
    pub phase: String,
    /// What is to be answered now: percent of clients by pool.
    pub from: BTreeMap<String, u8>,
    /// What is to be answered in the end.
    pub to: BTreeMap<String, u8>,
    /// What the file says otherwise than what is in force.
    pub changes: Vec<Change>,
    /// What a step forward hangs on.
    pub rules: Vec<Rule>,
    /// What would happen, if every endpoint passes its probes from now on, and whatever else is asked
    /// of it, and clients ask all the time.
    pub steps: Vec<Step>,
    /// The pools that would be left.
    pub left: Vec<Left>,
}

/// One key that the file has otherwise.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq)]
pub struct Change {
    /// The key, below the service.
    pub key: String,
    /// What is in force; none if nothing is.
    pub from: Option<String>,
    /// What the file says; none if it says nothing.
    pub to: Option<String>,
}

/// What a step forward hangs on.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq, Eq)]
pub struct Rule {
    /// The word for it: `freeze`, `window`, `interval`, `health` (as `--force` has them), `at`, `clean`,
    /// `way back`.
    pub name: String,
    /// Whether it holds now.
    pub holds: bool,
    /// How things stand with it.
    pub why: String,
}

/// Something that would happen.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq)]
pub struct Step {
    /// In how many seconds, rounded up.
    pub after_secs: u64,
    /// When (RFC 3339, rounded up).
    pub at: String,
    /// The phase that is entered.
    pub phase: String,
    /// What is to be answered from then on: percent of clients by pool.
    pub shares: BTreeMap<String, u8>,
    /// Why.
    pub why: String,
}

/// A pool that would be left.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq)]
pub struct Left {
    /// Its name.
    pub pool: String,
    /// In how many seconds no cache that keeps to the TTL holds it any longer, rounded up.
    pub drained_after_secs: u64,
    /// When that is (RFC 3339, rounded up).
    pub horizon: String,
    /// In how many seconds it could be switched off, rounded up.
    pub off_after_secs: u64,
    /// When that is (RFC 3339, rounded up).
    pub off_from: String,
}

/// What saving this text would do, says the daemon behind a socket; `path` is where it stands.
pub async fn ask(socket: &Path, path: &Path, text: String) -> Result<Plan, OrderError> {
    let draft = Draft { path: path.to_string_lossy().into_owned(), text };
    socket::post(socket, "/api/v1/plan", &draft, socket::LONG_PATIENCE).await
}

/// What has become of the file on disk, says the daemon behind a socket.
pub async fn ask_for_file(socket: &Path) -> Result<FileStatus, OrderError> {
    socket::get(socket, "/api/v1/file").await
}
