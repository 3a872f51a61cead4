//! Connections over HTTP/1.1, by TCP and over a Unix socket. Whoever is at the other end, there are so
//! many of them, each has so many octets for what it asks, and none lasts for ever.
//!
//! Left out: what is asked and answered, HTTP/2, and TLS, which is a proxy's business here.

use std::{
    io,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Router, body::Body};
use hyper::{Request, body::Incoming, server::conn::http1, service::Service, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tracing::warn;

use super::{
    access::{self, Counters, Peer},
    line::Line,
    orders::Undone,
};

/// Connections at once. More than pages, a Prometheus and some people need; each takes a descriptor of
/// those that are left to pages.
pub const CONNECTIONS_MAX: usize = 256;
/// Connections that are told at once that there are too many; others are closed without a word.
const TOLD_MAX: usize = 16;
/// How long the head of a request may take, and how long a connection may be idle.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// Octets of the head of a request.
pub const HEAD_LEN_MAX: usize = 16 << 10;
/// Headers of a request.
pub const HEADERS_MAX: usize = 64;
/// Octets that are read ahead, and that wait to be taken.
const BUFFER_LEN: usize = 32 << 10;
/// How long everything else of a request may take: its body, the answer, and that it is taken.
const REQUEST_TIME: Duration = Duration::from_secs(90);
/// How long the answer may take to begin, with the body before it.
pub(super) const ANSWER_TIME: Duration = Duration::from_secs(75);
/// After how long somebody has gone who takes in nothing and says nothing.
const GONE_AFTER: Duration = Duration::from_secs(30);
/// How long a connection may take to its end when the daemon ends.
pub const LAST_WORDS: Duration = Duration::from_secs(1);
/// After an error that nothing here can mend.
const PAUSE: Duration = Duration::from_millis(100);
/// How often such an error is told.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// Where connections come from.
pub(super) trait Source: Send {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    fn take(&self) -> impl Future<Output = io::Result<(Self::Stream, Peer)>> + Send;
}

impl Source for TcpListener {
    type Stream = TcpStream;

    async fn take(&self) -> io::Result<(TcpStream, Peer)> {
        let (stream, from) = self.accept().await?;
        let _ = stream.set_nodelay(true);
        // Somebody who has gone without a word would keep a stream open for a quarter of an hour.
        let _ = SockRef::from(&stream).set_tcp_user_timeout(Some(GONE_AFTER));
        let from = from.ip().to_canonical();
        // Nobody else can have one of our own addresses.
        let ours = stream.local_addr().map(|ours| ours.ip().to_canonical());
        let is_local = from.is_loopback() || ours.is_ok_and(|ours| ours == from);
        Ok((stream, Peer::Network { is_local }))
    }
}

impl Source for UnixListener {
    type Stream = UnixStream;

    async fn take(&self) -> io::Result<(UnixStream, Peer)> {
        let (stream, _) = self.accept().await?;
        let user = stream.peer_cred().ok().map(|peer| peer.uid());
        Ok((stream, Peer::User(user)))
    }
}

/// Answers until it is `over`; then it takes no more connections, and those that there are end.
pub(super) async fn serve(
    source: impl Source,
    router: Router,
    counters: Counters,
    mut over: watch::Receiver<bool>,
) {
    let [room, telling] = [CONNECTIONS_MAX, TOLD_MAX].map(|max| Arc::new(Semaphore::new(max)));
    let mut connections = JoinSet::new();
    let mut complained: Option<Instant> = None;
    loop {
        let taken = tokio::select! {
            taken = source.take() => taken,
            Some(_) = connections.join_next() => continue,
            _ = over.wait_for(|over| *over) => break,
        };
        match taken {
            Ok((stream, peer)) => match room.clone().try_acquire_owned() {
                Ok(permit) => {
                    let talk = converse(stream, peer, router.clone(), over.clone());
                    connections.spawn(async move {
                        talk.await;
                        drop(permit);
                    });
                }
                Err(_) => {
                    counters.refused("connections");
                    if let Ok(permit) = telling.clone().try_acquire_owned() {
                        connections.spawn(async move {
                            turn_away(stream).await;
                            drop(permit);
                        });
                    }
                }
            },
            Err(error) if is_of_one_client(&error) => {}
            Err(error) => {
                if complained.is_none_or(|at| at.elapsed() > COMPLAIN_EVERY) {
                    complained = Some(Instant::now());
                    warn!(%error, "no connection can be taken for pages; answers go on");
                }
                sleep(PAUSE).await;
            }
        }
    }
    drop(source);
    while connections.join_next().await.is_some() {}
}

/// Whether it was about one client, who has gone.
fn is_of_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// One connection, to its end.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Peer,
    router: Router,
    mut over: watch::Receiver<bool>,
) {
    let line = Line::new(REQUEST_TIME);
    let router = TowerToHyperService::new(router);
    let service = service_fn(|request: Request<Incoming>| {
        // An idle connection ends much sooner, so this is the time of one request.
        line.allow(REQUEST_TIME);
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(line.clone());
        router.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_header_size(HEAD_LEN_MAX)
        .max_headers(HEADERS_MAX)
        .max_buf_size(BUFFER_LEN)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        // However it ended, it has.
        _ = &mut connection => return,
        () = line.over() => return,
        _ = over.wait_for(|over| *over) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(LAST_WORDS, connection).await;
}

/// There are too many: it is told so, and ends.
async fn turn_away(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let goodbye = async {
        stream.write_all(crowded().as_bytes()).await?;
        stream.shutdown().await?;
        // What is closed with something unread would take back what has been said.
        let mut unread = [0; 1024];
        while stream.read(&mut unread).await? > 0 {}
        io::Result::Ok(())
    };
    let _ = timeout(LAST_WORDS, goodbye).await;
}

fn crowded() -> String {
    let why = format!("there are {CONNECTIONS_MAX} connections already: try again in a moment");
    let body = Undone::Unavailable(why).json();
    let headers = access::HEADERS.map(|(name, value)| format!("{name}: {value}\r\n")).concat();
    format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\nretry-after: 1\r\n{headers}\r\n{body}",
        body.len()
    )
}
