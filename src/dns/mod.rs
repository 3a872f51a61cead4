//! Floor 2: questions from the network, answers to it.
//!
//! Read in this order: [`sift`] looks at raw octets and lets nothing odd pass; [`mod@reply`] turns one
//! packet into one reply with the record table's answer; [`udp`] and [`tcp`] carry packets.
//! [`encrypted`] does so over TLS, QUIC and HTTPS, [`handler`] offers the same to hickory-server's own
//! listeners. [`client`] asks questions: for
//! the daemon's self-query and for the demo. Rate limiting and batched sockets are left out.

pub mod client;
mod counters;
pub mod encrypted;
pub mod handler;
mod reply;
mod sift;
mod sockets;
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
    /// A message on an encrypted stream (RFC 7858).
    Tls,
    /// A stream of its own in a QUIC connection (RFC 9250).
    Quic,
    /// An HTTP request (RFC 8484).
    Https,
}

/// The one store that holds everything an answer needs.
pub type Store = Arc<ArcSwap<Table>>;

/// Answers on these sockets until the returned tasks are aborted.
pub fn serve(
    listeners: Vec<Listener>,
    store: &Store,
    counters: &Arc<Counters>,
) -> tokio::task::JoinSet<()> {
    let mut tasks = tokio::task::JoinSet::new();
    let connections = Arc::new(tokio::sync::Semaphore::new(tcp::CONNECTIONS_MAX));
    for listener in listeners {
        match listener {
            Listener::Udp(socket) => {
                let socket = Arc::new(socket);
                let workers = std::thread::available_parallelism().map_or(1, usize::from);
                for _ in 0..workers {
                    tasks.spawn(udp::run(socket.clone(), store.clone(), counters.clone()));
                }
            }
            Listener::Tcp(listener) => {
                tasks.spawn(tcp::run(
                    listener,
                    store.clone(),
                    counters.clone(),
                    connections.clone(),
                ));
            }
        }
    }
    tasks
}
