//! Floor 2: questions from the network, answers to it.
//!
//! Two paths lead from a packet to a reply, and one truth: [`question`] reads the common question
//! in place, and [`common`] answers it with records that lie ready; everything else passes
//! [`sift`] and takes the [`general`] path through hickory's codec. Both ask the record table and
//! let [`responder`] decide the response; [`edns`] and [`cookie`] are what it says of itself.
//! [`rrl`] limits what one network is sent. [`udp`] and [`tcp`] carry packets; [`kernel`] takes and
//! gives datagrams by the batch, and has all of the crate's unsafe code. [`handler`] offers the
//! general path to hickory-server's own listeners. [`client`] asks questions: for the daemon's
//! self-query and for the demo.

pub mod client;
mod common;
mod cookie;
mod counters;
mod edns;
mod general;
pub mod handler;
mod kernel;
mod question;
mod responder;
mod rrl;
mod sift;
mod sockets;
mod tcp;
mod udp;

use std::sync::Arc;

use arc_swap::ArcSwap;

pub use counters::Counters;
pub use responder::{Packet, Reply, Responder};
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

/// All that answering needs, shared by every transport.
pub struct Plane {
    /// The record table of the moment.
    pub store: Store,
    /// Everything else that shapes a reply.
    pub responder: Responder,
    /// What is counted.
    pub counters: Counters,
}

/// Answers on these sockets until the returned tasks are aborted.
pub fn serve(listeners: Vec<Listener>, plane: &Arc<Plane>) -> tokio::task::JoinSet<()> {
    let mut tasks = tokio::task::JoinSet::new();
    let connections = Arc::new(tokio::sync::Semaphore::new(tcp::CONNECTIONS_MAX));
    for listener in listeners {
        match listener {
            Listener::Udp(socket) => {
                let socket = Arc::new(socket);
                let workers = std::thread::available_parallelism().map_or(1, usize::from);
                for _ in 0..workers {
                    tasks.spawn(udp::run(socket.clone(), plane.clone()));
                }
            }
            Listener::Tcp(listener) => {
                tasks.spawn(tcp::run(listener, plane.clone(), connections.clone()));
            }
        }
    }
    tasks
}
