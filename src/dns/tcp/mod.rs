//! Streams (RFC 7766, 9210), on threads of their own: neither the control plane nor datagrams wait
//! for a connection, nor it for them.
//!
//! Read in this order: [`frames`] turns octets into octets; [`conversation`] does so on one
//! connection; [`super::admission`] decides who may stay, and [`registry`] shares it; [`mod@line`]
//! has greedy ones wait for others; [`accept`] takes connections; [`thread`] is what a thread does,
//! to its end. [`descriptors`] asks the system how many connections there can be.
//!
//! What a client may expect: 10 s of silence between messages and for taking the replies, 2 s for
//! one message, answers in the order of the questions. When the table is full the longest idle
//! connection is closed for the new one. A message that gets no reply at all (a response, say)
//! does not end the connection, but neither does it count as a sign of life. A frame that is too
//! short for a DNS header does end it: nothing after it can be trusted to be a frame.
//!
//! Left out: what is answered ([`Answer`]), and TLS, which can stand between a socket and
//! [`conversation::converse`].

mod accept;
mod conversation;
mod count;
mod descriptors;
mod frames;
mod line;
mod registry;
#[cfg(test)]
mod tests;
mod thread;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use socket2::SockRef;
use tokio::sync::{mpsc, watch};

use super::admission::{CONNECTIONS_MAX, CONNECTIONS_PER_NETWORK_MAX, Limits};
pub(super) use count::{Cause, Count, Snapshot};
use registry::Registry;
pub(super) use thread::Queue;
use thread::{Begun, Order, Thread};

/// How long a connection may be silent, before its first message and between messages, and how
/// long its client may take to take its replies.
pub(super) const IDLE: Duration = Duration::from_secs(10);
/// How long a message may take from its first octet.
const MESSAGE: Duration = Duration::from_secs(2);
/// How long replies may wait for a client that does not take them, until someone has seen it.
const STUCK_MAX: Duration = IDLE.saturating_add(MESSAGE);
/// More threads would gain little, and each takes five descriptors and more with each listener.
pub(super) const THREADS_MAX: usize = 4;
/// How long connections may take to end with us.
pub(super) const DRAIN_PATIENCE: Duration = Duration::from_secs(2);
/// What the system may keep of replies that it cannot send yet, for each connection.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT_LEN_MAX: u32 = 1 << 14;

/// Answers messages.
pub(super) trait Answer: Send + Sync + 'static {
    /// Begins with messages that are there together.
    fn sit(&self) -> impl Sitting;
}

/// Answers messages that are there together.
pub(super) trait Sitting {
    /// Appends the reply to `out`, without a length before it; false: there is none.
    fn answer(&mut self, packet: &[u8], client: SocketAddr, out: &mut Vec<u8>) -> bool;
    /// The replies are sent, or will be within this time if they are sent at all.
    fn end(self, delay: Duration);
}

/// Running threads; dropping it ends them and their connections at once.
pub(super) struct Tcp {
    orders: watch::Sender<Order>,
    threads: Vec<JoinHandle<()>>,
    /// Closed when the last thread has nothing more to do.
    ended: mpsc::Receiver<()>,
    count: Arc<Count>,
}

impl Tcp {
    /// Answers on non-blocking listeners, with so many threads. Raises the process's soft limit of
    /// descriptors to the hard one, or to 65,536 if that is less.
    pub(super) fn start<A: Answer>(
        listeners: &[TcpListener],
        answerer: Arc<A>,
        threads: usize,
    ) -> io::Result<Self> {
        let limits = Limits {
            total: descriptors::connections_max(CONNECTIONS_MAX),
            per_network: CONNECTIONS_PER_NETWORK_MAX,
            idle: IDLE,
            message: MESSAGE,
        };
        Self::start_with(limits, listeners, answerer, threads)
    }

    fn start_with<A: Answer>(
        limits: Limits,
        listeners: &[TcpListener],
        answerer: Arc<A>,
        threads: usize,
    ) -> io::Result<Self> {
        listeners.iter().for_each(prepare);
        let registry = Arc::new(Registry::new(limits));
        let (orders, orders_in) = watch::channel(Order::Serve);
        let (working, ended) = mpsc::channel(1);
        let (begun, begun_in) = std::sync::mpsc::channel();
        // From here on an error ends those that have begun.
        let mut tcp = Self { orders, threads: Vec::new(), ended, count: registry.count().clone() };
        for number in 0..threads.max(1) {
            let thread = Thread {
                listeners: listeners
                    .iter()
                    .map(TcpListener::try_clone)
                    .collect::<Result<_, _>>()?,
                registry: registry.clone(),
                answerer: answerer.clone(),
                orders: orders_in.clone(),
                shortest: limits.idle.min(limits.message),
            };
            let (working, begun) = (working.clone(), Begun(begun.clone()));
            let work = move || {
                thread.run(begun);
                drop(working);
            };
            tcp.threads
                .push(std::thread::Builder::new().name(format!("dns-tcp-{number}")).spawn(work)?);
        }
        drop(begun);
        begun_in.iter().collect::<io::Result<()>>()?;
        Ok(tcp)
    }

    /// The connections so far.
    pub(super) fn count(&self) -> &Arc<Count> {
        &self.count
    }

    /// Ends well: takes those who are waiting to be taken, or leaves them in the `queue`, answers
    /// what has come and what comes from busy clients, says goodbye to each connection when it is
    /// silent (to all of them after half of `patience`), and waits for the clients to close. Nobody
    /// who closes in time is reset.
    pub(super) async fn drain(mut self, patience: Duration, queue: Queue) {
        self.orders.send_replace(Order::Drain { patience, queue });
        // Never more than `patience`: each thread keeps to it.
        let _ = self.ended.recv().await;
    }
}

impl Drop for Tcp {
    fn drop(&mut self) {
        self.orders.send_replace(Order::Stop);
        for thread in self.threads.drain(..) {
            // A thread that has panicked has ended too.
            let _ = thread.join();
        }
    }
}

/// Options that connections inherit from their listener: one call instead of one for each.
fn prepare(listener: &TcpListener) {
    let socket = SockRef::from(listener);
    // Without them answers are slower, or the system holds more: no reason not to answer.
    let _ = socket.set_tcp_nodelay(true);
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = socket.set_tcp_notsent_lowat(UNSENT_LEN_MAX);
}
