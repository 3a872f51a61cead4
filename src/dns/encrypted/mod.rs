//! DNS over TLS (RFC 7858), QUIC (RFC 9250) and HTTPS (RFC 8484): listeners that are off until the
//! settings name addresses. Questions take the same way as those by TCP, through
//! a [`Sitting`].
//!
//! Read in this order: `certificate` keeps the pair on disk and the pair that is shown the same;
//! `admission` says who may hold a connection; `streams` accepts connections for `tls` and `https`,
//! `quic` for itself; `padding` hides how long replies are.
//!
//! The loops are ours, and not those of hickory-server: every connection has to pass our limits
//! before anything is spent on it. They run on threads of their own: handshakes are dear, and
//! neither the control plane nor other questions are to wait for them. HTTP/3, client certificates
//! and more than one certificate are left out.

mod admission;
mod certificate;
mod https;
mod padding;
mod quic;
mod streams;
mod tls;

use std::{
    io,
    net::SocketAddr,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
    time::Duration,
};

use prometheus::Registry;
use socket2::{Protocol, Type};
use tokio::{
    net::TcpListener,
    runtime::Runtime,
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::timeout,
};

pub use super::admission::{CONNECTIONS_MAX, CONNECTIONS_PER_NETWORK_MAX};
use super::{DropCause, Inherited, Plane, Purpose, Transport, sitting::Sitting, sockets};
use crate::model::EncryptedListen;
use admission::Admission;
pub use certificate::CertificateError;
use certificate::Certificates;

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
/// How long the listeners have for that and for telling the clients.
const END: Duration = Duration::from_secs(5);
/// The part of the machine's threads that handshakes may keep busy.
const THREADS_PART: usize = 2;

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
    /// The system refused threads.
    #[error("no threads for encrypted transports: {0}")]
    Threads(io::Error),
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
    threads: Threads,
    tls: Vec<TcpListener>,
    quic: Vec<quinn::Endpoint>,
    https: Vec<TcpListener>,
    https_path: Arc<str>,
    certificates: Arc<Certificates>,
    lent: Vec<(Purpose, OwnedFd)>,
}

impl Encrypted {
    /// Loads the certificate, and binds every address that was not inherited.
    pub fn bind(
        listen: &EncryptedListen,
        inherited: &mut Inherited,
        registry: &Registry,
    ) -> Result<Self, EncryptedError> {
        let certificates = Certificates::load(&listen.certificate, &listen.key, registry)?;
        let threads = Threads::start().map_err(EncryptedError::Threads)?;
        // Sockets belong to the threads that wait for them.
        let entered = threads.runtime().enter();
        let mut lent = Vec::new();
        let mut each = |addresses: &[SocketAddr], purpose, over| {
            let mut listeners = Vec::new();
            for address in addresses {
                let error = |reason| EncryptedError::Bind { address: *address, over, reason };
                let listener = open_tcp(*address, purpose, inherited).map_err(error)?;
                lent.push((purpose, listener.as_fd().try_clone_to_owned().map_err(error)?));
                listeners.push(listener);
            }
            Ok::<_, EncryptedError>(listeners)
        };
        let tls = each(&listen.tls, Purpose::Tls, "TLS")?;
        let https = each(&listen.https, Purpose::Https, "HTTPS")?;
        let mut quic = Vec::new();
        for (endpoint, socket) in quic::bind(&listen.quic, &certificates, inherited)? {
            lent.push((Purpose::Quic, socket));
            quic.push(endpoint);
        }
        drop(entered);
        let (https_path, certificates) = (listen.https_path.as_str().into(), certificates.into());
        Ok(Self { threads, tls, quic, https, https_path, certificates, lent })
    }

    /// Another hold on every socket, to hand over; only the first time.
    pub fn lend(&mut self) -> Vec<(Purpose, OwnedFd)> {
        std::mem::take(&mut self.lent)
    }

    /// Where each of its sockets is.
    pub fn local_addrs(&self) -> impl Iterator<Item = io::Result<SocketAddr>> {
        let streams = self.tls.iter().chain(&self.https).map(TcpListener::local_addr);
        streams.chain(self.quic.iter().map(quinn::Endpoint::local_addr))
    }

    /// Answers until the returned value is stopped or dropped.
    pub fn serve(self, plane: &Arc<Plane>) -> Running {
        let (stopping, stopped) = watch::channel(false);
        let context =
            Context { plane: plane.clone(), admission: Arc::default(), stopping: stopped };
        let at = |listeners: &[TcpListener]| {
            listeners.iter().filter_map(|listener| listener.local_addr().ok()).collect()
        };
        let (tls, https) = (at(&self.tls), at(&self.https));
        let quic = self.quic.iter().filter_map(|endpoint| endpoint.local_addr().ok()).collect();
        let (mut tasks, on) = (JoinSet::new(), self.threads.runtime().handle());
        let watching = tasks.spawn_on(self.certificates.clone().watch(), on);
        for (listeners, kind) in
            [(self.tls, streams::Kind::Tls), (self.https, streams::Kind::Https(self.https_path))]
        {
            let acceptor = certificate::acceptor(&self.certificates, kind.alpn());
            for listener in listeners {
                let (acceptor, kind) = (acceptor.clone(), kind.clone());
                tasks.spawn_on(streams::run(listener, acceptor, kind, context.clone()), on);
            }
        }
        for endpoint in self.quic {
            tasks.spawn_on(quic::run(endpoint, context.clone()), on);
        }
        let (certificates, threads) = (self.certificates, self.threads);
        Running { tls, quic, https, certificates, watching, stopping, tasks, _threads: threads }
    }
}

fn open_tcp(
    address: SocketAddr,
    purpose: Purpose,
    inherited: &mut Inherited,
) -> io::Result<TcpListener> {
    if let Some(listener) = inherited.take_listener(purpose, address)? {
        return TcpListener::from_std(listener);
    }
    let socket = sockets::bound(address, Type::STREAM, Protocol::TCP)?;
    socket.listen(sockets::TCP_BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Threads that do nothing else; they end with this.
struct Threads(Option<Runtime>);

impl Threads {
    fn start() -> io::Result<Self> {
        let all = std::thread::available_parallelism().map_or(1, usize::from);
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads((all / THREADS_PART).max(1)).thread_name("dns-encrypted");
        Ok(Self(Some(builder.enable_all().build()?)))
    }

    fn runtime(&self) -> &Runtime {
        self.0.as_ref().expect("invariant: it is taken only when it is dropped")
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // Never waits: this may be dropped by a thread that must not.
        self.0.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

/// Encrypted transports that are being answered on; dropping it ends them.
pub struct Running {
    tls: Vec<SocketAddr>,
    quic: Vec<SocketAddr>,
    https: Vec<SocketAddr>,
    certificates: Arc<Certificates>,
    watching: AbortHandle,
    stopping: watch::Sender<bool>,
    tasks: JoinSet<()>,
    _threads: Threads,
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
        self.watching.abort();
        // Those that are not done by then are ended.
        let _ = timeout(END, all_ended(&mut self.tasks)).await;
        self.tasks.shutdown().await;
    }
}

/// What every connection needs.
#[derive(Clone)]
struct Context {
    plane: Arc<Plane>,
    admission: Arc<Admission>,
    stopping: watch::Receiver<bool>,
}

impl Context {
    /// The reply to one message, if there is one; padded if it asks for that.
    fn answer(
        &self,
        packet: &[u8],
        client: SocketAddr,
        transport: Transport,
    ) -> Result<Vec<u8>, DropCause> {
        let mut octets = Vec::new();
        let mut sitting = Sitting::begin(&self.plane);
        let answered = sitting.answer(packet, client, transport, &mut octets);
        // It is still to be written.
        sitting.end(MESSAGE);
        answered?;
        padding::pad(packet, &mut octets);
        Ok(octets)
    }

    /// Waits until the daemon ends.
    async fn stopped(&self) {
        // Without a sender it has ended.
        let _ = self.stopping.clone().wait_for(|stopping| *stopping).await;
    }
}

async fn all_ended(tasks: &mut JoinSet<()>) {
    while tasks.join_next().await.is_some() {}
}
