//! The operator's verbs: what came of one, or why nothing was done; and how they are asked for over the
//! Unix socket.

use std::{fmt, path::Path};

use axum::{
    http::{
        StatusCode,
        header::{CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::socket::OrderError;
use super::{
    api::{Forgetting, Freezing, Wishes},
    plan::{self, Plan},
    socket::{self, PATIENCE},
    status::FileError,
};
use crate::{
    cutover::{Rule, Transition, Verb},
    model::{FreezeReason, PoolName, Unknown},
};

/// What came of a verb.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq, Eq)]
pub struct Done {
    /// The changes of phase that it made.
    pub transitions: Vec<Told>,
    /// The number of the record table that shows them; it is being answered from.
    pub generation: u64,
}

/// A change of phase.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq, Eq)]
pub struct Told {
    /// The phase that was left.
    pub from: String,
    /// The phase that was entered.
    pub to: String,
    /// Why.
    pub why: String,
}

impl From<&Transition> for Told {
    fn from(transition: &Transition) -> Self {
        let Transition { from, to, why, .. } = transition;
        Self { from: (*from).to_owned(), to: (*to).to_owned(), why: why.clone() }
    }
}

/// The global stop, or the end of it.
#[derive(Clone, Debug)]
pub enum Stop {
    /// No release takes a step any more.
    Freeze {
        /// Who says so.
        by: String,
        /// Why, if they say.
        reason: Option<FreezeReason>,
    },
    /// They do again.
    Unfreeze {
        /// Who says so.
        by: String,
    },
}

/// Why nothing was done, and nothing is shown; nothing has changed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq, Eq, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Undone {
    /// There is no such service.
    #[error(transparent)]
    Unknown(Unknown),
    /// What was asked for does not exist, or has no such form.
    #[error("{0}")]
    Misunderstood(String),
    /// It makes no sense now, or something speaks against it.
    #[error("refused: {0}")]
    Refused(Refused),
    /// The file has mistakes.
    #[error("{}", .0.shown)]
    Mistaken(Mistaken),
    /// Whoever asks has not shown a token that is one.
    #[error("{0}")]
    Unauthorized(String),
    /// Whoever asks may not, whatever they show.
    #[error("{0}")]
    Forbidden(String),
    /// There is nothing under this address.
    #[error("{0}")]
    NotFound(String),
    /// It is asked for in another way.
    #[error("{0}")]
    WrongMethod(String),
    /// The body is too long.
    #[error("{0}")]
    TooLong(String),
    /// The body is not JSON, by its own account.
    #[error("{0}")]
    NotJson(String),
    /// Another host is asked.
    #[error("{0}")]
    Misdirected(String),
    /// Not now.
    #[error("{0}")]
    Unavailable(String),
}

impl Undone {
    /// The status code that says so.
    pub(super) fn code(&self) -> StatusCode {
        match self {
            Self::Misunderstood(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::Unknown(_) | Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::WrongMethod(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Refused(_) => StatusCode::CONFLICT,
            Self::TooLong(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotJson(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Misdirected(_) => StatusCode::MISDIRECTED_REQUEST,
            Self::Mistaken(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// As it is sent.
    pub(super) fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("invariant: texts and numbers are JSON") + "\n"
    }

    /// The control plane does not answer.
    pub(super) fn stalled() -> Self {
        Self::Unavailable("the control plane does not answer".to_owned())
    }
}

impl IntoResponse for Undone {
    fn into_response(self) -> Response {
        let kind = HeaderValue::from_static("application/json");
        let mut response = (self.code(), [(CONTENT_TYPE, kind)], self.json()).into_response();
        if matches!(self, Self::Unauthorized(_)) {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl Undone {
    /// Of what cannot be the name of anything.
    pub(super) fn nameless(text: &str) -> Self {
        Self::Unknown(Unknown::of("service", text, []))
    }
}

/// What speaks against it, and what there is to do instead.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq, Eq)]
pub struct Refused {
    /// What speaks against it.
    pub why: String,
    /// Where the service stands that it was asked of, if it was asked of one.
    pub stands: Option<Stands>,
    /// The rules that stand in the way, if they can be broken: by `force`, each by its name.
    pub rules: Vec<plan::Rule>,
}

/// Where a service stands.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq, Eq)]
pub struct Stands {
    /// Its name.
    pub service: String,
    /// Its phase.
    pub phase: String,
    /// The verbs that would be done now.
    pub possible: Vec<String>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)?;
        let Some(Stands { service, phase, possible }) = &self.stands else { return Ok(()) };
        let quoted: Vec<String> = possible.iter().map(|verb| format!("`{verb}`")).collect();
        let possible = match quoted.as_slice() {
            [] => "no verb is of use now".to_owned(),
            [one] => format!("{one} would be done"),
            [before @ .., last] => format!("{} and {last} would be done", before.join(", ")),
        };
        write!(f, " ({service} is {phase}; {possible})")
    }
}

/// Every mistake of a file.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq, Eq)]
pub struct Mistaken {
    /// Each with its place.
    pub errors: Vec<FileError>,
    /// All of them as a compiler shows them.
    pub shown: String,
}

/// Has the daemon behind a socket carry out a verb, breaking rules if it must.
pub async fn ask(
    socket: &Path,
    service: &str,
    verb: Verb,
    force: &[Rule],
) -> Result<Done, OrderError> {
    let wishes = Wishes { force: names(force), ..Wishes::default() };
    socket::post(socket, &of_service(service, verb.name()), &wishes, PATIENCE).await
}

/// Has the daemon behind a socket answer everyone with a pool of our choice.
pub async fn roll_back_to(
    socket: &Path,
    service: &str,
    pool: &PoolName,
    force: &[Rule],
) -> Result<Done, OrderError> {
    let wishes = Wishes { force: names(force), to: Some(pool.to_string()), ..Wishes::default() };
    socket::post(socket, &of_service(service, Verb::Rollback.name()), &wishes, PATIENCE).await
}

/// What a verb would do, says the daemon behind a socket.
pub async fn foretell(
    socket: &Path,
    service: &str,
    verb: Verb,
    to: Option<&PoolName>,
    force: &[Rule],
) -> Result<Plan, OrderError> {
    let to = to.map(ToString::to_string);
    let wishes = Wishes { force: names(force), to, dry_run: true };
    let path = of_service(service, verb.name());
    socket::post(socket, &path, &wishes, socket::LONG_PATIENCE).await
}

fn of_service(service: &str, verb: &str) -> String {
    format!("/api/v1/services/{service}/{verb}")
}

fn names(rules: &[Rule]) -> Vec<String> {
    rules.iter().map(|rule| rule.name().to_owned()).collect()
}

/// Has the daemon behind a socket end a service that the file no longer names.
pub async fn forget_service(socket: &Path, service: &str) -> Result<Done, OrderError> {
    let wishes = Forgetting { dry_run: false };
    socket::post(socket, &of_service(service, "forget"), &wishes, PATIENCE).await
}

/// What that would do.
pub async fn foretell_forgetting(socket: &Path, service: &str) -> Result<Plan, OrderError> {
    let wishes = Forgetting { dry_run: true };
    socket::post(socket, &of_service(service, "forget"), &wishes, PATIENCE).await
}

/// Has the daemon behind a socket freeze everything.
pub async fn ask_to_freeze(
    socket: &Path,
    reason: Option<&FreezeReason>,
) -> Result<Done, OrderError> {
    let reason = reason.map(|reason| reason.as_str().to_owned());
    socket::post(socket, "/api/v1/freeze", &Freezing { reason }, PATIENCE).await
}

/// Has the daemon behind a socket end the freeze.
pub async fn ask_to_unfreeze(socket: &Path) -> Result<Done, OrderError> {
    socket::post(socket, "/api/v1/unfreeze", &serde_json::json!({}), PATIENCE).await
}
