//! Floor 2: questions from the network, answers to it.
//!
//! Two paths lead from a packet to a reply, and one truth: [`question`] reads the common question
//! in place, and [`common`] answers it with records that lie ready; everything else passes
//! [`sift`] and takes the [`general`] path through hickory's codec. Both ask the record table and
//! let [`responder`] decide the response; [`edns`] and [`cookie`] are what it says of itself.
//! [`inside`] is what it tells of itself. [`recent`] remembers the last answers for a while. [`rrl`] limits what one network is sent. [`inherited`] has sockets that another process had.
//! [`udp`] and [`tcp`] carry packets; [`kernel`] takes and gives datagrams by the batch, and has all
//! of the crate's unsafe code; [`sitting`] is the batch of a stream. [`encrypted`] is for TLS, QUIC
//! and HTTPS. [`handler`] offers the general path to hickory-server's own listeners. [`client`] asks
//! questions: for the daemon's self-query and for the demo.

mod admission;
pub mod client;
mod clock;
mod common;
mod cookie;
mod counters;
mod edns;
pub mod encrypted;
mod general;
pub mod handler;
mod inherited;
mod inside;
mod kernel;
mod question;
mod recent;
mod responder;
mod response;
mod rrl;
mod sift;
mod sitting;
mod sockets;
mod tallies;
mod tcp;
mod udp;

use std::{io, net::UdpSocket, sync::Arc};

use arc_swap::ArcSwap;

pub use clock::Clock;
pub use counters::{Counters, LookedAt};
pub use inherited::{Inherited, Purpose};
pub use kernel::{near, seal_descriptors};
pub use responder::{Packet, Reply, Responder};
pub use sift::DropCause;
pub use sockets::{BindError, Listener};

use crate::{model::RrlSettings, table::Table};
use rrl::Limiter;
use tcp::{DRAIN_PATIENCE, Queue, THREADS_MAX, Tcp};
use udp::Workers;

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

impl Transport {
    pub(crate) const ALL: [Self; 5] = [Self::Udp, Self::Tcp, Self::Tls, Self::Quic, Self::Https];

    /// The word in the metric.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Quic => "quic",
            Self::Https => "https",
        }
    }

    /// Whether connections are kept by the rules of RFC 7828.
    const fn is_kept_alive(self) -> bool {
        matches!(self, Self::Tcp | Self::Tls)
    }
}

/// The one store that holds everything an answer needs.
pub type Store = Arc<ArcSwap<Table>>;

/// All that answering needs, shared by every transport.
pub struct Plane {
    /// The record table of the moment.
    pub store: Store,
    /// Everything else that shapes a reply.
    pub responder: Responder,
    /// How much one client network is sent by UDP.
    pub rrl: RrlSettings,
    /// What is counted.
    pub counters: Counters,
    /// What horizons are told by.
    pub clock: Clock,
}

impl Plane {
    /// The limiter of one of `workers` workers, if anything is limited.
    fn limiter(&self, workers: usize) -> Option<Limiter> {
        Limiter::new(&self.rrl, workers, (rand::random(), rand::random()))
    }
}

/// Sockets that are being answered on; dropping it ends that.
pub struct Serving {
    udp: Workers,
    tcp: Tcp,
}

impl Serving {
    /// Answers on these sockets: datagrams with at least `workers` threads for each address,
    /// streams with as many for all.
    pub fn start(listeners: Vec<Listener>, workers: usize, plane: &Arc<Plane>) -> io::Result<Self> {
        let (mut datagrams, mut streams) = (Vec::new(), Vec::new());
        for listener in listeners {
            match listener {
                Listener::Udp(sockets) => datagrams.push(one_each(sockets, workers)?),
                Listener::Tcp(listener) => streams.push(listener),
            }
        }
        let udp = Workers::start(datagrams, plane)?;
        // Its threads have listeners of their own: ours would keep a queue open that nobody empties.
        let tcp = Tcp::start(&streams, plane.clone(), workers.min(THREADS_MAX))?;
        plane.counters.connections(tcp.count().clone());
        Ok(Self { udp, tcp })
    }

    /// Ends well when nobody answers after us: connections are ended without a reset, also those
    /// that nobody has taken yet. Until that is done, and `others` too, datagrams are answered:
    /// what comes later waits in the sockets, if they stay open, and there is little room.
    pub async fn drain(self, others: impl Future<Output = ()>) {
        tokio::join!(self.tcp.drain(DRAIN_PATIENCE, Queue::Take), others);
        end(self.udp).await;
    }

    /// Ends well while a successor answers on the same sockets: datagrams that were taken are
    /// answered, connections that were taken are ended without a reset, and what waits in the
    /// sockets is left to the successor.
    pub async fn hand_over(self) {
        tokio::join!(self.tcp.drain(DRAIN_PATIENCE, Queue::Leave), end(self.udp));
    }
}

/// Their threads end within a tenth of a second, after the datagrams that they have taken.
async fn end(workers: Workers) {
    // Fails only when the runtime ends too.
    let _ = tokio::task::spawn_blocking(move || drop(workers)).await;
}

/// A socket that was passed to us is one; its workers share it.
fn one_each(mut sockets: Vec<UdpSocket>, workers: usize) -> io::Result<Vec<UdpSocket>> {
    for number in sockets.len()..workers {
        sockets.push(sockets[number % sockets.len()].try_clone()?);
    }
    Ok(sockets)
}
