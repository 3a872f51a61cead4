//! The `http` probe: a request over HTTP/1.1 is answered with an expected status and text.
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
    client::conn::http1,
    header::{HOST, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::{Failure, tcp::connect};
use crate::model::HttpProbe;

/// How much of a body is looked at, in octets.
const BODY_MAX: usize = 64 << 10;
const AGENT: &str = concat!("cutover/", env!("CARGO_PKG_VERSION"), " probe");

pub(super) async fn attempt(probe: &HttpProbe, address: IpAddr) -> Result<(), Failure> {
    let stream = connect(SocketAddr::new(address, probe.port)).await?;
    let broken =
        |error: hyper::Error| Failure::Endpoint(format!("the HTTP exchange broke off: {error}"));
    let (mut sender, connection) =
        http1::Builder::new().handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let mut request = Request::builder().method(probe.method.name()).uri(&probe.path);
    request = request.header(HOST, &probe.host);
    let names_itself = probe.headers.iter().any(|header| header.name() == USER_AGENT.as_str());
    if !names_itself {
        request = request.header(USER_AGENT, AGENT);
    }
    for header in &probe.headers {
        request = request.header(header.name(), header.value());
    }
    let request = request
        .body(Empty::<Bytes>::new())
        .map_err(|error| Failure::Ours(format!("the request cannot be made: {error}")))?;
    let judged = async { judge(probe, sender.send_request(request).await.map_err(broken)?).await };
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

async fn judge(probe: &HttpProbe, response: Response<Incoming>) -> Result<(), Failure> {
    let status = response.status().as_u16();
    if !probe.status.contains(&status) {
        let expected = expected(&probe.status);
        return Err(Failure::Endpoint(format!("status {status}, expected {expected}")));
    }
    let Some(text) = &probe.body else { return Ok(()) };
    let missing = format!("status {status}, but the body does not contain {text:?}");
    match contains(response.into_body(), text.as_bytes()).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::Endpoint(missing)),
        Err(error) => Err(Failure::Endpoint(format!("the body cannot be read: {error}"))),
    }
}

/// Whether `text` stands in the first [`BODY_MAX`] octets; reads no further than it must.
async fn contains(mut body: Incoming, text: &[u8]) -> Result<bool, hyper::Error> {
    if text.is_empty() {
        return Ok(true);
    }
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        // The text may begin in what was read before.
        let from = read.len().saturating_sub(text.len());
        let room = BODY_MAX - read.len();
        read.extend_from_slice(&data[..data.len().min(room)]);
        if read[from..].windows(text.len()).any(|window| window == text) {
            return Ok(true);
        }
        if read.len() == BODY_MAX {
            break;
        }
    }
    Ok(false)
}

fn expected(statuses: &[u16]) -> String {
    let statuses: Vec<String> = statuses.iter().map(u16::to_string).collect();
    statuses.join(" or ")
}
