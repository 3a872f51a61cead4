//! The same interface over std's sockets, one datagram at a time: for systems without recvmmsg.
//!
//! A socket on all addresses answers from the one that the system picks, which need not be the one
//! that was asked: std cannot tell it. On such systems listen on each address by itself.

use std::{
    io,
    net::{Ipv6Addr, SocketAddr, UdpSocket},
};

use super::{Sent, Slot, nothing_came, prepare_any};
use crate::model::mapped;

/// Options for a socket that answers.
pub(in crate::dns) fn prepare(socket: &UdpSocket) -> io::Result<()> {
    prepare_any(socket)
}

/// A batch of one.
pub(in crate::dns) struct Batch {
    /// One octet more than is kept: it is filled when a question is too long.
    buffer: Box<[u8; Batch::QUERY_MAX + 1]>,
    received: Option<Received>,
}

struct Received {
    len: usize,
    from: SocketAddr,
    reply_len: usize,
}

impl Batch {
    /// The most datagrams of one batch.
    pub(in crate::dns) const DATAGRAMS_MAX: usize = super::DATAGRAMS_MAX;
    /// The longest question that is kept, and the room for its reply.
    pub(in crate::dns) const QUERY_MAX: usize = super::QUERY_MAX;

    /// Allocates the memory of a worker.
    pub(in crate::dns) fn new() -> Self {
        Self { buffer: Box::new([0; Self::QUERY_MAX + 1]), received: None }
    }

    /// Waits until a datagram is there or the socket's read timeout has passed; says how many came.
    pub(in crate::dns) fn receive(&mut self, socket: &UdpSocket) -> io::Result<usize> {
        self.received = None;
        match socket.recv_from(self.buffer.as_mut_slice()) {
            Ok((len, from)) => {
                self.received = Some(Received { len, from, reply_len: 0 });
                Ok(1)
            }
            Err(error) if nothing_came(&error) => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// The received datagram: the question, if it was kept whole, and who sent it: address and
    /// port; an IPv4 client as a mapped address.
    pub(in crate::dns) fn received(
        &self,
    ) -> impl Iterator<Item = (Option<&[u8]>, (Ipv6Addr, u16))> + use<'_> {
        self.received.iter().map(|Received { len, from, .. }| {
            let octets = self.buffer[..Self::QUERY_MAX].get(..*len);
            (octets, (mapped(from.ip()), from.port()))
        })
    }

    /// A received datagram.
    pub(in crate::dns) fn slot(&mut self, index: usize) -> Slot<'_> {
        let Received { len, from, .. } = *self.received_at(index);
        let client = SocketAddr::new(from.ip().to_canonical(), from.port());
        let buffer = &mut self.buffer[..Self::QUERY_MAX];
        Slot { buffer, len: len.min(Self::QUERY_MAX), client }
    }

    /// The place of a datagram and of its reply, as in [`Self::slot`].
    pub(in crate::dns) fn buffer(&mut self, index: usize) -> &mut [u8] {
        self.slot(index).buffer
    }

    /// Says how many octets of a slot are to be sent back to where it came from. None, as after
    /// `receive`: there is no reply.
    pub(in crate::dns) fn reply(&mut self, index: usize, len: usize) {
        assert!(len <= Self::QUERY_MAX, "invariant: a reply is written into its slot");
        self.received_at(index).reply_len = len;
    }

    /// Sends the reply, if there is one; the batch is empty afterwards. One that the system refuses
    /// is skipped.
    pub(in crate::dns) fn send(&mut self, socket: &UdpSocket) -> Sent {
        match self.received.take() {
            Some(Received { reply_len: len @ 1.., from, .. }) => {
                let sent = usize::from(socket.send_to(&self.buffer[..len], from).is_ok());
                Sent { sent, failed: 1 - sent }
            }
            _ => Sent::default(),
        }
    }

    fn received_at(&mut self, index: usize) -> &mut Received {
        let received = self.received.as_mut().filter(|_| index == 0);
        received.expect("invariant: only received datagrams are looked at")
    }
}

#[cfg(test)]
#[path = "battery.rs"]
#[allow(clippy::duplicate_mod, reason = "both kinds pass the same battery")]
mod battery;

#[cfg(test)]
const ANSWERS_FROM_ASKED: bool = false;

#[cfg(test)]
impl Batch {
    /// Makes the reply one that cannot be sent.
    fn misdirect(&mut self, index: usize) {
        self.received_at(index).from.set_port(0);
    }
}
