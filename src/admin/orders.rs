//! The operator's verbs, over a Unix socket: who may use it is a matter of its file permissions.
//!
//! `POST /services/SERVICE/VERB`, with `?force=true` where something speaks against it. Done is 200
//! with [`Done`]; refused is 409, no such service 404, both with [`Undone`].

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use axum::{
    Router,
    extract::{ConnectInfo, Path as UrlPath, State, connect_info::Connected},
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::post,
    serve::IncomingStream,
};
use http_body_util::Empty;
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
    cutover::{Order, Transition, Verb},
    model::ServiceName,
};

const PATIENCE: Duration = Duration::from_secs(5);

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

/// Why nothing was done; nothing has changed.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Undone {
    /// There is no such service.
    #[error("there is no service `{0}`")]
    Unknown(String),
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
    let router = Router::new().route("/services/{service}/{verb}", post(order)).with_state(inquiry);
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
    let force = match uri.query() {
        None => false,
        Some("force=true") => true,
        Some(_) => return StatusCode::BAD_REQUEST.into_response(),
    };
    let by = uid.map_or("somebody".to_owned(), |uid| format!("user {uid}"));
    match inquiry.order(name, Order { verb, by, force }).await {
        Some(Ok(done)) => json(StatusCode::OK, &done),
        Some(Err(undone @ Undone::Unknown(_))) => json(StatusCode::NOT_FOUND, &undone),
        Some(Err(undone)) => json(StatusCode::CONFLICT, &undone),
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

/// Has the daemon behind a socket carry out a verb.
pub async fn ask(
    socket: &Path,
    service: &str,
    verb: Verb,
    force: bool,
) -> Result<Done, OrderError> {
    let unreachable = |error: String| OrderError::Unreachable(socket.to_path_buf(), error);
    let posted = timeout(PATIENCE, post_to(socket, service, verb, force)).await;
    let posted = posted.unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}").into()));
    let (code, body) = posted.map_err(|error| unreachable(explained(socket, &error)))?;
    let misunderstood = |said: String| OrderError::Misunderstood(socket.to_path_buf(), said);
    let read = |error: serde_json::Error| misunderstood(error.to_string());
    match code {
        200 => serde_json::from_slice(&body).map_err(read),
        404 | 409 if !body.is_empty() => {
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

async fn post_to(
    socket: &Path,
    service: &str,
    verb: Verb,
    force: bool,
) -> Result<(u16, Bytes), PageError> {
    let stream = UnixStream::connect(socket).await?;
    let force = if force { "?force=true" } else { "" };
    let path = format!("/services/{service}/{}{force}", verb.name());
    let request = Request::post(path).header(HOST, "cutover").body(Empty::new())?;
    exchange(stream, request).await
}
