//! The `http` probe: a GET over HTTP/1.1 is answered with an expected status and text.
//!
//! Redirects are not followed: they are a status like any other.

use std::net::{IpAddr, SocketAddr};

use http_body_util::{BodyExt, Empty, Limited};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    client::conn::http1,
    header::{HOST, USER_AGENT},
};
use hyper_util::rt::TokioIo;

use super::tcp::connect;
use crate::model::HttpProbe;

/// How much of a body is looked at, in octets.
const BODY_MAX: usize = 64 << 10;
const AGENT: &str = concat!("cutover/", env!("CARGO_PKG_VERSION"), " probe");

pub(super) async fn attempt(probe: &HttpProbe, address: IpAddr) -> Result<(), String> {
    let stream = connect(SocketAddr::new(address, probe.port)).await?;
    let broken = |error: hyper::Error| format!("the HTTP exchange broke off: {error}");
    let (mut sender, connection) =
        http1::Builder::new().handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let request = Request::get(&probe.path)
        .header(HOST, &probe.host)
        .header(USER_AGENT, AGENT)
        .body(Empty::<Bytes>::new())
        .map_err(|error| format!("the request cannot be made: {error}"))?;
    let judged = async { judge(probe, sender.send_request(request).await.map_err(broken)?).await };
    // The connection does its work only while it is polled, and ends with the verdict.
    let mut judged = std::pin::pin!(judged);
    tokio::select! {
        biased;
        result = &mut judged => result,
        ended = connection => match ended {
            Err(error) => Err(broken(error)),
            // Closed in order: whatever came is already in the hands of the judge.
            Ok(()) => judged.await,
        },
    }
}

async fn judge(probe: &HttpProbe, response: Response<Incoming>) -> Result<(), String> {
    let status = response.status().as_u16();
    if !probe.status.contains(&status) {
        return Err(format!("status {status}, expected {}", expected(&probe.status)));
    }
    let Some(text) = &probe.body else { return Ok(()) };
    let body = Limited::new(response.into_body(), BODY_MAX).collect().await;
    let body = body.map_err(|error| format!("the body cannot be read: {error}"))?.to_bytes();
    let found = body.windows(text.len().max(1)).any(|window| window == text.as_bytes());
    match found || text.is_empty() {
        true => Ok(()),
        false => Err(format!("status {status}, but the body does not contain {text:?}")),
    }
}

fn expected(statuses: &[u16]) -> String {
    let statuses: Vec<String> = statuses.iter().map(u16::to_string).collect();
    statuses.join(" or ")
}
