//! Floor 2: questions from the network, answers to it.
//!
//! Read in this order: [`sift`] looks at raw octets and lets nothing odd pass; [`mod@reply`] turns one
//! packet into one reply with the record table's answer; [`udp`] and [`tcp`] carry packets.
//! [`handler`] offers the same to hickory-server's own listeners. [`client`] asks questions: for
//! the daemon's self-query and for the demo. Rate limiting and batched sockets are left out.

pub mod client;
mod counters;
pub mod handler;
mod reply;
mod sift;
mod sockets;
#[cfg_attr(not(test), expect(dead_code, reason = "its counts and its drain are not wired yet"))]
mod tcp;
mod udp;

use std::sync::Arc;

use arc_swap::ArcSwap;

pub use counters::Counters;
pub use reply::{Reply, reply};
pub use sift::DropCause;
pub use sockets::{BindError, Listener};

use crate::table::Table;

/// The largest UDP reply, in octets: what passes every path without fragments (DNS Flag Day 2020).
pub const UDP_REPLY_MAX: u16 = 1232;

/// How a packet came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// One datagram.
    Udp,
    /// A message on a stream (RFC 7766).
    Tcp,
}

/// The one store that holds everything an answer needs.
pub type Store = Arc<ArcSwap<Table>>;

/// Answers on these sockets until the returned tasks are aborted.
pub fn serve(
    listeners: Vec<Listener>,
    store: &Store,
    counters: &Arc<Counters>,
) -> std::io::Result<tokio::task::JoinSet<()>> {
    let mut tasks = tokio::task::JoinSet::new();
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let mut streams = Vec::new();
    for listener in listeners {
        match listener {
            Listener::Udp(socket) => {
                let socket = Arc::new(socket);
                for _ in 0..workers {
                    tasks.spawn(udp::run(socket.clone(), store.clone(), counters.clone()));
                }
            }
            Listener::Tcp(listener) => streams.push(listener),
        }
    }
    let answerer = Streams { store: store.clone(), counters: counters.clone() };
    let threads = workers.min(tcp::THREADS_MAX);
    let tcp = tcp::Tcp::start(&streams, Arc::new(answerer), threads)?;
    tasks.spawn(async move {
        // Ends when this task does.
        let _tcp = tcp;
        std::future::pending().await
    });
    Ok(tasks)
}

/// The general path for messages on streams.
struct Streams {
    store: Store,
    counters: Arc<Counters>,
}

impl tcp::Answer for Streams {
    fn answer(&self, packet: &[u8], client: std::net::SocketAddr, out: &mut Vec<u8>) -> bool {
        let answered = udp::guarded(|| reply(&self.store.load(), packet, client, Transport::Tcp));
        self.counters.count(&answered, Transport::Tcp);
        let Reply::Send(octets, _) = answered else { return false };
        out.extend_from_slice(&octets);
        true
    }
}
