//! The plan document: what saving a file would do. Written by the daemon; read by people, pipelines,
//! and `cutover apply`.
//!
//! `POST /plan` with the text of the file; `GET /file` says what has become of the one on disk.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode},
    response::Response,
    routing::{get, post},
};
use serde::{Deserialize, Serialize};

use super::{
    Inquiry, json,
    orders::{Mistaken, Undone, replied},
    socket::{self, OrderError},
    status::{FileError, FileStatus},
};
use crate::model::Desired;

/// Where a file stands that is handed over, for its mistakes.
pub(super) const PATH_HEADER: &str = "cutover-file";
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

/// What saving a file would do.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Plan {
    /// Of the file and of what it changes as that is now, as `apply --plan` takes it.
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
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
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
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Change {
    /// The key, below the service.
    pub key: String,
    /// What is in force; none if nothing is.
    pub from: Option<String>,
    /// What the file says; none if it says nothing.
    pub to: Option<String>,
}

/// What a step forward hangs on.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
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
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
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
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
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

struct Desk {
    inquiry: Inquiry,
    drafts: Drafts,
}

pub(super) fn routes(inquiry: Inquiry, drafts: Drafts) -> Router {
    Router::new()
        .route("/plan", post(plan_draft))
        .route("/file", get(file_page))
        .layer(DefaultBodyLimit::max(drafts.len_max))
        .with_state(Arc::new(Desk { inquiry, drafts }))
}

async fn plan_draft(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: Bytes) -> Response {
    let path = headers.get(PATH_HEADER).map(|path| String::from_utf8_lossy(path.as_bytes()));
    let path = path.map_or("release.toml".to_owned(), |path| path.into_owned());
    let Ok(text) = String::from_utf8(body.into()) else {
        return replied::<Plan>(Some(Err(Undone::Mistaken(not_text(&path)))));
    };
    let (text, read) = (Arc::new(text), desk.drafts.read.clone());
    let draft = text.clone();
    // A large file takes a while, and others wait on this thread.
    let read = tokio::task::spawn_blocking(move || read(path.as_ref(), &draft)).await;
    match read {
        Ok(Ok(desired)) => replied(desk.inquiry.plan(Arc::new(desired), text).await.map(Ok)),
        Ok(Err(mistaken)) => replied::<Plan>(Some(Err(Undone::Mistaken(mistaken)))),
        Err(_) => super::stalled(),
    }
}

fn not_text(path: &str) -> Mistaken {
    let message = "the file is not UTF-8 text".to_owned();
    let shown = format!("error: {path}: {message}");
    Mistaken { errors: vec![FileError { line: 0, column: 0, message, hint: None }], shown }
}

async fn file_page(State(desk): State<Arc<Desk>>) -> Response {
    match desk.inquiry.file().await {
        Some(file) => json(StatusCode::OK, &file),
        None => super::stalled(),
    }
}

/// What saving this text would do, says the daemon behind a socket; `path` is where it stands.
pub async fn ask(socket: &Path, path: &Path, text: String) -> Result<Plan, OrderError> {
    socket::post_file(socket, "/plan", path, text).await
}

/// What has become of the file on disk, says the daemon behind a socket.
pub async fn ask_for_file(socket: &Path) -> Result<FileStatus, OrderError> {
    socket::get(socket, "/file").await
}
