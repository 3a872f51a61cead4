//! DNS over TLS (RFC 7858), QUIC (RFC 9250) and HTTPS (RFC 8484): listeners that are off until the
//! settings name addresses. Questions take the same way as those by TCP, through [`super::reply`].
//!
//! Read in this order: [`certificate`] keeps the pair on disk and the pair that is shown the same;
//! [`admission`] says who may hold a connection; `streams` accepts connections for `tls` and
//! `https`, `quic` for itself. The loops are ours, and not those of hickory-server, because every
//! connection has to pass the limits before anything is spent on it: its listeners take as many as
//! come. HTTP/3, client certificates and more than one certificate are left out.

pub mod admission;
pub mod certificate;
mod https;
mod quic;
mod streams;
mod tls;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use prometheus::Registry;
use socket2::{Protocol, Type};
use tokio::{
    net::TcpListener,
    sync::watch,
    task::JoinSet,
    time::{error::Elapsed, timeout},
};

use super::{Counters, Reply, Store, Transport, reply, sockets, udp::guarded};
use crate::model::EncryptedListen;
use admission::Admission;
use certificate::{CertificateError, Certificates};

/// Longer questions are not read: nothing that we answer needs more. The same as by UDP.
const QUERY_LEN_MAX: usize = 4096;
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How long one message may take, each way.
const MESSAGE: Duration = Duration::from_secs(2);
/// Questions that one connection may have open, where a transport carries several at a time.
const OPEN_QUESTIONS_MAX: u32 = 32;
/// How long open connections have to finish when the daemon ends.
const DRAIN: Duration = Duration::from_secs(3);

/// Why encrypted transports cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum EncryptedError {
    /// The system refused a socket.
    #[error("cannot listen on {address} for DNS over {over}: {reason}{}", advice(.address, .reason))]
    Bind {
        /// Where.
        address: SocketAddr,
        /// The transport.
        over: &'static str,
        /// What it said.
        reason: io::Error,
    },
    /// There is no usable certificate.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Two metrics have one name: a fault of this program.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

fn advice(address: &SocketAddr, reason: &io::Error) -> &'static str {
    match (reason.kind(), address.port()) {
        (io::ErrorKind::PermissionDenied, 1..1024) => {
            "; ports below 1024 need a privilege: give it to the daemon, or take another port"
        }
        (io::ErrorKind::AddrInUse, _) => "; another program has it",
        _ => "",
    }
}

/// Bound sockets and a certificate, before the first handshake.
pub struct Encrypted {
    tls: Vec<TcpListener>,
    quic: Vec<quinn::Endpoint>,
    https: Vec<TcpListener>,
    https_path: Arc<str>,
    certificates: Arc<Certificates>,
}

impl Encrypted {
    /// Loads the certificate and binds every address.
    pub fn bind(listen: &EncryptedListen, registry: &Registry) -> Result<Self, EncryptedError> {
        let certificates = Certificates::load(&listen.certificate, &listen.key, registry)?;
        let certificates = Arc::new(certificates);
        let each = |addresses: &[SocketAddr], over| {
            addresses.iter().map(|address| bind_tcp(*address, over)).collect::<Result<_, _>>()
        };
        Ok(Self {
            tls: each(&listen.tls, "TLS")?,
            quic: quic::bind(&listen.quic, &certificates)?,
            https: each(&listen.https, "HTTPS")?,
            https_path: listen.https_path.as_str().into(),
            certificates,
        })
    }

    /// Answers until the returned value is stopped or dropped.
    pub fn serve(self, store: &Store, counters: &Arc<Counters>) -> Running {
        let (stopping, stopped) = watch::channel(false);
        let context = Context {
            store: store.clone(),
            counters: counters.clone(),
            admission: Arc::default(),
            stopping: stopped,
        };
        let at = |listeners: &[TcpListener]| {
            listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
        };
        let (tls, https) = (at(&self.tls), at(&self.https));
        let quic = self.quic.iter().filter_map(|endpoint| endpoint.local_addr().ok()).collect();
        let mut tasks = JoinSet::new();
        tasks.spawn(self.certificates.clone().watch());
        for (listeners, kind) in
            [(self.tls, streams::Kind::Tls), (self.https, streams::Kind::Https(self.https_path))]
        {
            let acceptor = certificate::acceptor(&self.certificates, kind.alpn());
            for listener in listeners {
                let (acceptor, kind) = (acceptor.clone(), kind.clone());
                tasks.spawn(streams::run(listener, acceptor, kind, context.clone()));
            }
        }
        for endpoint in self.quic {
            tasks.spawn(quic::run(endpoint, context.clone()));
        }
        Running { tls, quic, https, certificates: self.certificates, stopping, tasks }
    }
}

fn bind_tcp(address: SocketAddr, over: &'static str) -> Result<TcpListener, EncryptedError> {
    let bound = sockets::open(address, Type::STREAM, Protocol::TCP).and_then(|socket| {
        socket.listen(sockets::TCP_BACKLOG)?;
        TcpListener::from_std(socket.into())
    });
    bound.map_err(|reason| EncryptedError::Bind { address, over, reason })
}

/// Encrypted transports that are being answered on; dropping it ends them.
pub struct Running {
    tls: Vec<SocketAddr>,
    quic: Vec<SocketAddr>,
    https: Vec<SocketAddr>,
    certificates: Arc<Certificates>,
    stopping: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Running {
    /// Where DNS over TLS is answered.
    pub fn tls(&self) -> &[SocketAddr] {
        &self.tls
    }

    /// Where DNS over QUIC is answered.
    pub fn quic(&self) -> &[SocketAddr] {
        &self.quic
    }

    /// Where DNS over HTTPS is answered.
    pub fn https(&self) -> &[SocketAddr] {
        &self.https
    }

    /// Reads the certificate and its key again, even if they have not changed.
    pub fn reload(&self) {
        self.certificates.reload();
    }

    /// Takes no new connection, lets open questions be answered, and gives the sockets back.
    pub async fn stop(mut self) {
        self.stopping.send_replace(true);
        self.certificates.end();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        let _ = timeout(DRAIN, ended).await;
        self.tasks.shutdown().await;
    }
}

/// What every connection needs.
#[derive(Clone)]
struct Context {
    store: Store,
    counters: Arc<Counters>,
    admission: Arc<Admission>,
    stopping: watch::Receiver<bool>,
}

impl Context {
    /// The reply to one message, counted.
    fn answer(&self, packet: &[u8], client: SocketAddr, transport: Transport) -> Reply {
        let answered = guarded(|| reply(&self.store.load(), packet, client, transport));
        self.counters.count(&answered, transport);
        answered
    }

    /// Waits until the daemon ends.
    async fn stopped(&self) {
        // Without a sender it has ended.
        let _ = self.stopping.clone().wait_for(|stopping| *stopping).await;
    }

    /// Waits for conversations to end by themselves after the daemon was told to.
    async fn drain(conversations: &mut JoinSet<()>) -> Result<(), Elapsed> {
        timeout(DRAIN, async { while conversations.join_next().await.is_some() {} }).await
    }
}
