//! One request, one reply, one connection.
//!
//! A connection is not kept: requests are seconds apart, and one that has been closed meanwhile would
//! make the next request fail for nothing.

use std::{fmt::Display, io, sync::Arc, time::Duration};

use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    client::conn::http1,
    header::{HOST, HeaderValue, USER_AGENT},
    http::request::Builder,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};

use super::trust::Trust;
use crate::model::Url;

/// How much of a reply is read, in octets.
const BODY_MAX: usize = 1 << 20;
const AGENT: &str = concat!("cutover/", env!("CARGO_PKG_VERSION"));

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The beginning of the body.
    pub body: Vec<u8>,
    /// Whether there was more of it.
    pub is_cut: bool,
}

/// How much of a reply is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Head,
    Body,
}

/// Begins a request for this URL: its method and its headers are still to come.
pub fn request(url: &Url) -> Builder {
    Request::builder().uri(url.to_string())
}

/// Sends requests. Clones share what they know of the system's certificates, which are read when a
/// request first needs them.
#[derive(Clone, Debug, Default)]
pub struct Client {
    trust: Arc<Trust>,
}

impl Client {
    /// One that trusts whom the system trusts.
    pub fn new() -> Self {
        Self::default()
    }

    #[cfg(test)]
    pub(super) fn trusting(trust: Trust) -> Self {
        Self { trust: Arc::new(trust) }
    }

    /// Sends a request for an absolute URL of `http` or `https`, as [`request`] makes it, and reads the
    /// reply, all of it within the limit; or says why that failed, in one sentence. It names the host,
    /// and nothing else of the request.
    pub async fn send(
        &self,
        request: Request<Full<Bytes>>,
        limit: Duration,
    ) -> Result<Reply, String> {
        self.ask(request, limit, Wanted::Body).await
    }

    /// The same where nothing but the status is wanted: what comes after the head is not read, and may
    /// never come.
    pub async fn status(
        &self,
        request: Request<Full<Bytes>>,
        limit: Duration,
    ) -> Result<u16, String> {
        self.ask(request, limit, Wanted::Head).await.map(|reply| reply.status)
    }

    async fn ask(
        &self,
        request: Request<Full<Bytes>>,
        limit: Duration,
        wanted: Wanted,
    ) -> Result<Reply, String> {
        let late = || format!("no answer within {}", humantime::format_duration(limit));
        // Too long for an instant is as good as for ever.
        let deadline = Instant::now().checked_add(limit).ok_or_else(late)?;
        timeout_at(deadline, self.exchange(request, deadline, wanted))
            .await
            .unwrap_or_else(|_| Err(late()))
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        deadline: Instant,
        wanted: Wanted,
    ) -> Result<Reply, String> {
        // Parsed by the one parser, so that nothing is asked for that it refuses.
        let url = request.uri().to_string();
        let url: Url =
            url.parse().map_err(|error| format!("the request cannot be sent: {error}"))?;
        let request = in_origin_form(request, &url)?;
        let connector = match url.is_secure() {
            true => Some(TlsConnector::from(self.trust.config().await?)),
            false => None,
        };
        let stream = connect(&url, deadline).await?;
        let Some(connector) = connector else { return speak(request, stream, wanted).await };
        let host = url.host();
        let name = ServerName::try_from(host.to_owned())
            .map_err(|error| format!("{host} cannot be asked for by TLS: {error}"))?;
        let secured = connector.connect(name, stream).await;
        let stream = secured.map_err(|error| format!("no TLS with {host}: {error}"))?;
        speak(request, stream, wanted).await
    }
}

/// As a server, and not a proxy, is asked (RFC 9112 §3.2.1).
fn in_origin_form(
    mut request: Request<Full<Bytes>>,
    url: &Url,
) -> Result<Request<Full<Bytes>>, String> {
    let wrong = |error: &dyn Display| format!("the request cannot be made: {error}");
    *request.uri_mut() = url.target().parse().map_err(|error| wrong(&error))?;
    let host = HeaderValue::from_str(&url.authority()).map_err(|error| wrong(&error))?;
    let headers = request.headers_mut();
    headers.entry(HOST).or_insert(host);
    headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
    Ok(request)
}

/// Connects to the first address of the host that can be connected to. None of them may take more
/// than its part of the time.
async fn connect(url: &Url, deadline: Instant) -> Result<TcpStream, String> {
    let (host, port) = (url.host(), url.port());
    let found = lookup_host((host, port)).await;
    let found: Vec<_> = found.map_err(|error| format!("{host} has no address: {error}"))?.collect();
    let mut why = format!("{host} has no address");
    for (at, address) in found.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let others = u32::try_from(found.len() - at).unwrap_or(u32::MAX);
        let connected = timeout(left / others, TcpStream::connect(address)).await;
        match connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(stream) => return Ok(stream),
            Err(error) => why = format!("cannot connect to {address}: {error}"),
        }
    }
    Err(why)
}

async fn speak<S>(request: Request<Full<Bytes>>, stream: S, wanted: Wanted) -> Result<Reply, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(|error| broken(&error))?;
    let reply = async move { read(sender.send_request(request).await?, wanted).await };
    // The connection does its work only while it is polled, and ends with the reply.
    let (mut reply, connection) = (std::pin::pin!(reply), std::pin::pin!(connection));
    let read = tokio::select! {
        biased;
        read = &mut reply => read,
        // What came before it ended is already in the hands of the reader.
        _ = connection => reply.await,
    };
    read.map_err(|error| broken(&error))
}

fn broken(error: &hyper::Error) -> String {
    format!("the HTTP exchange broke off: {error}")
}

async fn read(response: Response<Incoming>, wanted: Wanted) -> hyper::Result<Reply> {
    let status = response.status().as_u16();
    let mut reply = Reply { status, body: Vec::new(), is_cut: false };
    if wanted == Wanted::Head {
        return Ok(reply);
    }
    let mut incoming = response.into_body();
    while let Some(frame) = incoming.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        let room = BODY_MAX - reply.body.len();
        reply.body.extend_from_slice(&data[..data.len().min(room)]);
        reply.is_cut = data.len() > room;
        if reply.is_cut {
            break;
        }
    }
    Ok(reply)
}
