//! Asks a running daemon over its Unix socket.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    Request,
    body::Bytes,
    header::{CONTENT_TYPE, HOST},
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::{net::UnixStream, time::timeout};

use super::{
    client::{PageError, exchange},
    orders::Undone,
};

/// How long a verb may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// How long what has to be computed may take, for a file of a million services too.
pub(super) const LONG_PATIENCE: Duration = Duration::from_secs(120);

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

/// Has something done.
pub(super) async fn post<T: DeserializeOwned>(
    socket: &Path,
    path: &str,
    body: &impl Serialize,
    patience: Duration,
) -> Result<T, OrderError> {
    let body = serde_json::to_vec(body).expect("invariant: texts and numbers are JSON");
    let request = Request::post(path)
        .header(HOST, "cutover")
        .header(CONTENT_TYPE, "application/json")
        .body(Full::from(body));
    say(socket, request, patience).await
}

/// Asks for something.
pub(super) async fn get<T: DeserializeOwned>(socket: &Path, path: &str) -> Result<T, OrderError> {
    let request = Request::get(path).header(HOST, "cutover").body(Full::default());
    say(socket, request, LONG_PATIENCE).await
}

async fn say<T: DeserializeOwned>(
    socket: &Path,
    request: Result<Request<Full<Bytes>>, hyper::http::Error>,
    patience: Duration,
) -> Result<T, OrderError> {
    let unreachable =
        |error: &PageError| OrderError::Unreachable(socket.to_path_buf(), explained(socket, error));
    let said = async {
        let stream = UnixStream::connect(socket).await?;
        exchange(stream, request?).await
    };
    let said = timeout(patience, said).await;
    let said = said.unwrap_or_else(|_| Err(format!("no answer within {patience:?}").into()));
    let (code, body) = said.map_err(|error| unreachable(&error))?;
    let misunderstood = |said: String| OrderError::Misunderstood(socket.to_path_buf(), said);
    let read = |error: serde_json::Error| misunderstood(error.to_string());
    match (code, serde_json::from_slice(&body)) {
        (200, _) => serde_json::from_slice(&body).map_err(read),
        (_, Ok(undone)) => Err(OrderError::Undone(undone)),
        (code, Err(_)) => {
            Err(misunderstood(format!("{code} {}", String::from_utf8_lossy(&body).trim())))
        }
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
