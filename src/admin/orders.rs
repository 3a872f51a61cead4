//! The operator's verbs, over a Unix socket: who may use it is a matter of its file permissions.
//!
//! `POST /services/SERVICE/VERB`, where a group can stand for the service, with `?force=RULE,RULE` where
//! rules are to be broken; `POST /freeze`, with the reason as its body, and `POST /unfreeze`. Done is
//! 200 with [`Done`]; refused is 409, no such service or group 404, not understood 400, all with
//! [`Undone`].

use std::{
    collections::BTreeSet,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use axum::{
    Router,
    extract::{ConnectInfo, DefaultBodyLimit, Path as UrlPath, State, connect_info::Connected},
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::post,
    serve::IncomingStream,
};
use http_body_util::Full;
use hyper::{Request, body::Bytes, header::HOST};
use serde::{Deserialize, Serialize};
use tokio::{
    net::{UnixListener, UnixStream},
    time::timeout,
};

use super::{
    Inquiry,
    client::{PageError, exchange},
    json,
};
use crate::{
    cutover::{Order, Rule, Transition, UnknownRule, Verb},
    model::{FreezeReason, ServiceName},
};

const PATIENCE: Duration = Duration::from_secs(5);
/// More than any reason needs, in octets.
const BODY_MAX: usize = 4 << 10;

/// What came of a verb.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Done {
    /// The changes of phase that it made.
    pub transitions: Vec<Told>,
    /// The number of the record table that shows them; it is being answered from.
    pub generation: u64,
}

/// A change of phase.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
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

/// Why nothing was done; nothing has changed.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Undone {
    /// There is no such service.
    #[error("there is no service or group `{0}`")]
    Unknown(String),
    /// What was asked for does not exist, or has no such form.
    #[error("{0}")]
    Misunderstood(String),
    /// It makes no sense now, or something speaks against it.
    #[error("refused: {0}")]
    Refused(String),
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug)]
struct Peer(Option<u32>);

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self(stream.io().peer_cred().ok().map(|peer| peer.uid()))
    }
}

/// Takes orders until the listener fails.
pub async fn serve(listener: UnixListener, inquiry: Inquiry) -> std::io::Result<()> {
    let router = Router::new()
        .route("/services/{service}/{verb}", post(order))
        .route("/freeze", post(freeze))
        .route("/unfreeze", post(unfreeze))
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .with_state(inquiry);
    axum::serve(listener, router.into_make_service_with_connect_info::<Peer>()).await
}

async fn order(
    State(inquiry): State<Inquiry>,
    ConnectInfo(Peer(uid)): ConnectInfo<Peer>,
    UrlPath((service, verb)): UrlPath<(String, String)>,
    uri: Uri,
) -> Response {
    let Some(verb) = Verb::ALL.into_iter().find(|known| known.name() == verb) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let Ok(name) = service.parse::<ServiceName>() else {
        return json(StatusCode::NOT_FOUND, &Undone::Unknown(service));
    };
    let force = match forced(uri.query()) {
        Ok(force) => force,
        Err(undone) => return told(Some(Err(undone))),
    };
    told(inquiry.order(name, Order { verb, by: who(uid), force }).await)
}

/// The rules that `force=RULE,RULE` names.
fn forced(query: Option<&str>) -> Result<BTreeSet<Rule>, Undone> {
    let Some(query) = query else { return Ok(BTreeSet::new()) };
    let Some(names) = query.strip_prefix("force=") else {
        return Err(Undone::Misunderstood(format!("`{query}` is not `force=RULE`")));
    };
    let rules = names.split(',').map(|name| name.parse());
    rules.collect::<Result<_, _>>().map_err(|e: UnknownRule| Undone::Misunderstood(e.to_string()))
}

async fn freeze(
    State(inquiry): State<Inquiry>,
    ConnectInfo(Peer(uid)): ConnectInfo<Peer>,
    reason: String,
) -> Response {
    let reason = Some(reason).filter(|reason| !reason.is_empty());
    match reason.map(|reason| reason.parse::<FreezeReason>()).transpose() {
        Ok(reason) => told(inquiry.stop(Stop::Freeze { by: who(uid), reason }).await),
        Err(error) => told(Some(Err(Undone::Misunderstood(error.to_string())))),
    }
}

async fn unfreeze(
    State(inquiry): State<Inquiry>,
    ConnectInfo(Peer(uid)): ConnectInfo<Peer>,
) -> Response {
    told(inquiry.stop(Stop::Unfreeze { by: who(uid) }).await)
}

fn who(uid: Option<u32>) -> String {
    uid.map_or("somebody".to_owned(), |uid| format!("user {uid}"))
}

fn told(came_of_it: Option<Result<Done, Undone>>) -> Response {
    match came_of_it {
        Some(Ok(done)) => json(StatusCode::OK, &done),
        Some(Err(undone)) => {
            let code = match undone {
                Undone::Unknown(_) => StatusCode::NOT_FOUND,
                Undone::Misunderstood(_) => StatusCode::BAD_REQUEST,
                Undone::Refused(_) => StatusCode::CONFLICT,
            };
            json(code, &undone)
        }
        None => super::stalled(),
    }
}

/// Why a verb came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// Nobody listens there, or we may not ask.
    #[error("no daemon takes orders at {0}: {1}")]
    Unreachable(PathBuf, String),
    /// It does not speak as we do.
    #[error("the daemon at {0}: {1}")]
    Misunderstood(PathBuf, String),
    /// It said no.
    #[error(transparent)]
    Undone(#[from] Undone),
}

/// Has the daemon behind a socket carry out a verb, breaking rules if it must.
pub async fn ask(
    socket: &Path,
    service: &str,
    verb: Verb,
    force: &[Rule],
) -> Result<Done, OrderError> {
    let rules: Vec<&str> = force.iter().map(|rule| rule.name()).collect();
    let force =
        if rules.is_empty() { String::new() } else { format!("?force={}", rules.join(",")) };
    posted(socket, &format!("/services/{service}/{}{force}", verb.name()), String::new()).await
}

/// Has the daemon behind a socket freeze everything.
pub async fn ask_to_freeze(
    socket: &Path,
    reason: Option<&FreezeReason>,
) -> Result<Done, OrderError> {
    let reason = reason.map(FreezeReason::as_str).unwrap_or_default();
    posted(socket, "/freeze", reason.to_owned()).await
}

/// Has the daemon behind a socket end the freeze.
pub async fn ask_to_unfreeze(socket: &Path) -> Result<Done, OrderError> {
    posted(socket, "/unfreeze", String::new()).await
}

async fn posted(socket: &Path, path: &str, body: String) -> Result<Done, OrderError> {
    let unreachable = |error: String| OrderError::Unreachable(socket.to_path_buf(), error);
    let posted = timeout(PATIENCE, post_to(socket, path, body)).await;
    let posted = posted.unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}").into()));
    let (code, body) = posted.map_err(|error| unreachable(explained(socket, &error)))?;
    let misunderstood = |said: String| OrderError::Misunderstood(socket.to_path_buf(), said);
    let read = |error: serde_json::Error| misunderstood(error.to_string());
    match code {
        200 => serde_json::from_slice(&body).map_err(read),
        400 | 404 | 409 if !body.is_empty() => {
            Err(OrderError::Undone(serde_json::from_slice(&body).map_err(read)?))
        }
        code => Err(misunderstood(format!("{code} {}", String::from_utf8_lossy(&body).trim()))),
    }
}

fn explained(socket: &Path, error: &PageError) -> String {
    let owner = std::fs::metadata(socket).map(|found| found.uid());
    match (error.downcast_ref::<std::io::Error>().map(std::io::Error::kind), owner) {
        (Some(std::io::ErrorKind::PermissionDenied), Ok(owner)) => {
            format!("only user {owner} and root may ask it")
        }
        _ => error.to_string(),
    }
}

async fn post_to(socket: &Path, path: &str, body: String) -> Result<(u16, Bytes), PageError> {
    let stream = UnixStream::connect(socket).await?;
    let request = Request::post(path).header(HOST, "cutover").body(Full::from(body))?;
    exchange(stream, request).await
}
