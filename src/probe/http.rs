//! The `http` and `https` probes: a request is answered with an expected status and text.
//!
//! Redirects are not followed: they are a status like any other.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use http_body_util::{BodyExt, Empty};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    client::conn::{http1, http2},
    header::{HOST, USER_AGENT},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};

use super::{
    Failure, Passed,
    tcp::connect,
    tls::secure,
    trust::{Protocol, Trust},
};
use crate::model::{HttpProbe, HttpsProbe};

/// How much of a body is looked at, in octets.
const BODY_MAX: usize = 64 << 10;
pub(super) const AGENT: &str = concat!("cutover/", env!("CARGO_PKG_VERSION"), " probe");

pub(super) async fn attempt(probe: &HttpProbe, address: IpAddr) -> Passed {
    let stream = connect(SocketAddr::new(address, probe.port)).await?;
    exchange(probe, "http", stream).await.map(|()| None)
}

pub(super) async fn attempt_secured(probe: &HttpsProbe, address: IpAddr, trust: &Trust) -> Passed {
    let HttpsProbe { http, tls } = probe;
    let protocol = if http.http2 { Protocol::Http2 } else { Protocol::Http1 };
    let to = SocketAddr::new(address, http.port);
    let (stream, warning) = secure(to, tls, protocol, trust).await?;
    exchange(http, "https", stream).await.map(|()| warning)
}

async fn exchange<S>(probe: &HttpProbe, scheme: &str, stream: S) -> Result<(), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (request, stream) = (request(probe, scheme)?, TokioIo::new(stream));
    if probe.http2 {
        let client = http2::Builder::new(TokioExecutor::new());
        let (mut sender, connection) = client.handshake(stream).await.map_err(broken)?;
        let response = async move { sender.send_request(request).await };
        converse(judge(probe, response), connection).await
    } else {
        let client = http1::Builder::new();
        let (mut sender, connection) = client.handshake(stream).await.map_err(broken)?;
        let response = async move { sender.send_request(request).await };
        converse(judge(probe, response), connection).await
    }
}

pub(super) fn broken(error: hyper::Error) -> Failure {
    Failure::Endpoint(format!("the HTTP exchange broke off: {error}"))
}

fn request(probe: &HttpProbe, scheme: &str) -> Result<Request<Empty<Bytes>>, Failure> {
    let HttpProbe { method, host, path, .. } = probe;
    let mut request = Request::builder().method(method.name());
    request = match probe.http2 {
        // There is no `Host` header: it says so before (RFC 9113 §8.3.1).
        true => request.uri(format!("{scheme}://{host}{path}")),
        false => request.uri(path).header(HOST, host),
    };
    let names_itself = probe.headers.iter().any(|header| header.name() == USER_AGENT.as_str());
    if !names_itself {
        request = request.header(USER_AGENT, AGENT);
    }
    for header in &probe.headers {
        request = request.header(header.name(), header.value());
    }
    request
        .body(Empty::new())
        .map_err(|error| Failure::Ours(format!("the request cannot be made: {error}")))
}

/// Has a connection do its work until there is a verdict.
pub(super) async fn converse(
    judged: impl Future<Output = Result<(), Failure>>,
    connection: impl Future<Output = hyper::Result<()>>,
) -> Result<(), Failure> {
    // The connection does its work only while it is polled, and ends with the verdict.
    let mut judged = std::pin::pin!(judged);
    tokio::select! {
        biased;
        result = &mut judged => result,
        ended = connection => match ended {
            // However it ended, an answer that came before is already in the hands of the judge.
            Ok(()) => judged.await,
            Err(error) => {
                let in_hand = timeout(Duration::ZERO, judged).await;
                in_hand.unwrap_or_else(|_| Err(broken(error)))
            }
        },
    }
}

async fn judge(
    probe: &HttpProbe,
    response: impl Future<Output = hyper::Result<Response<Incoming>>>,
) -> Result<(), Failure> {
    let response = response.await.map_err(broken)?;
    let status = response.status().as_u16();
    if !probe.status.contains(&status) {
        let expected = expected(&probe.status);
        return Err(Failure::Endpoint(format!("status {status}, expected {expected}")));
    }
    if probe.body.is_none() && probe.pattern.is_none() {
        return Ok(());
    }
    let missing = |what: String| {
        Err(Failure::Endpoint(format!("status {status}, but the body does not contain {what}")))
    };
    // A pattern is looked for in all of it, because more of a text may undo a match.
    let enough = probe.body.as_ref().filter(|_| probe.pattern.is_none());
    let body = match start_of(response.into_body(), enough.map(String::as_bytes)).await {
        Ok(body) => body,
        Err(error) => {
            return Err(Failure::Endpoint(format!("the body cannot be read: {error}")));
        }
    };
    match (&probe.body, &probe.pattern) {
        (Some(text), _) if !has(&body, text.as_bytes()) => missing(format!("{text:?}")),
        (_, Some(pattern)) if !pattern.is_in(&String::from_utf8_lossy(&body)) => {
            missing(format!("/{}/", pattern.as_str()))
        }
        _ => Ok(()),
    }
}

/// The first [`BODY_MAX`] octets; fewer when what is `enough` stands there.
async fn start_of(mut body: Incoming, enough: Option<&[u8]>) -> hyper::Result<Vec<u8>> {
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        // What is enough may begin in what was read before.
        let from = enough.map(|text| read.len().saturating_sub(text.len()));
        let room = BODY_MAX - read.len();
        read.extend_from_slice(&data[..data.len().min(room)]);
        let is_enough = enough.zip(from).is_some_and(|(text, from)| has(&read[from..], text));
        if is_enough || read.len() == BODY_MAX {
            break;
        }
    }
    Ok(read)
}

fn has(octets: &[u8], text: &[u8]) -> bool {
    text.is_empty() || octets.windows(text.len()).any(|window| window == text)
}

fn expected(statuses: &[u16]) -> String {
    let statuses: Vec<String> = statuses.iter().map(u16::to_string).collect();
    statuses.join(" or ")
}
