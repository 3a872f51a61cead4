//! Asks a running daemon for its status and its history, over its HTTP listener.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use http_body_util::{BodyExt, Empty, Limited};
use hyper::{
    Request,
    body::{Body, Bytes},
    client::conn::http1,
    header::HOST,
};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};

use super::{history::Past, orders::Undone, status::Status};
use crate::model::ServiceName;

const PATIENCE: Duration = Duration::from_secs(5);
/// A status of a million services is below this, in octets.
const STATUS_MAX: usize = 1 << 30;

/// Why there is no status.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// Nobody listens there, or not in time.
    #[error("no daemon answers at http://{0}: {1}")]
    Unreachable(SocketAddr, String),
    /// It listens, but its control plane does not tick.
    #[error(
        "the daemon at http://{0} answers questions but its control plane has stopped ({1}); \
         its log may say why, and a restart mends it"
    )]
    Stalled(SocketAddr, String),
    /// It tells others.
    #[error("the daemon at http://{0} does not tell us: {1}")]
    NotForUs(SocketAddr, String),
    /// What was kept cannot be read.
    #[error("the history cannot be read: {0}")]
    NoHistory(String),
    /// Somebody else listens there.
    #[error("what answers at http://{0} is not this daemon: {1}")]
    NotAStatus(SocketAddr, String),
}

/// The status of the daemon whose HTTP listener is at `address`.
pub async fn status(address: SocketAddr) -> Result<Status, StatusError> {
    read(address, "/api/v1/status").await
}

/// What became of the releases of a service, or of all of them.
pub async fn history(
    address: SocketAddr,
    service: Option<&ServiceName>,
) -> Result<Vec<Past>, StatusError> {
    match service {
        Some(name) => read(address, &format!("/api/v1/history/{name}")).await,
        None => read(address, "/api/v1/history").await,
    }
}

async fn read<T: DeserializeOwned>(address: SocketAddr, path: &str) -> Result<T, StatusError> {
    let page = timeout(PATIENCE, get(address, path)).await;
    let page = page.unwrap_or_else(|_| Err(format!("no answer within {PATIENCE:?}").into()));
    let (code, body) = page.map_err(|e| StatusError::Unreachable(address, e.to_string()))?;
    if code != 200 {
        let said = match serde_json::from_slice::<Undone>(&body) {
            Ok(undone) => undone.to_string(),
            Err(_) => String::from_utf8_lossy(&body).trim().to_owned(),
        };
        return Err(match code {
            503 if path.starts_with("/api/v1/history") => StatusError::NoHistory(said),
            503 => StatusError::Stalled(address, said),
            401 | 403 | 421 => StatusError::NotForUs(address, said),
            _ => StatusError::NotAStatus(address, format!("status {code}: {said}")),
        });
    }
    serde_json::from_slice(&body)
        .map_err(|error| StatusError::NotAStatus(address, error.to_string()))
}

pub(super) type PageError = Box<dyn std::error::Error + Send + Sync>;

/// One page: its status code and its body.
pub async fn get(address: SocketAddr, path: &str) -> Result<(u16, Bytes), PageError> {
    let stream = TcpStream::connect(address).await?;
    let request = Request::get(path).header(HOST, address.to_string()).body(Empty::new())?;
    exchange(stream, request).await
}

/// One request over a connection of its own: the status code of what is said to it, and its body.
pub(super) async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<impl Body<Data = Bytes, Error = Infallible> + Send + 'static>,
) -> Result<(u16, Bytes), PageError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let response = sender.send_request(request).await?;
    let code = response.status().as_u16();
    let body = Limited::new(response.into_body(), STATUS_MAX).collect().await?.to_bytes();
    connection.abort();
    Ok((code, body))
}
