//! Batches of datagrams, as few system calls for them as the system allows.
//!
//! For worker threads that block: `receive` waits for a [`Batch`] of questions, each reply is
//! written over its question, `send` sends them together, each from the address that was asked.
//! [`mod@linux`] does so by recvmmsg and sendmmsg; what stands beside a datagram in memory is read
//! and written in [`mod@beside`]. With [`mod@near`] and [`sealed`] it has all unsafe code. `plain` is for
//! other systems: the same interface, one datagram at a time. Opening sockets, and what is in the
//! datagrams, are left out.

#[cfg(target_os = "linux")]
mod beside;
#[cfg(target_os = "linux")]
mod linux;
mod near;
mod sealed;
// On Linux too for its tests: both kinds pass the same battery.
#[cfg(any(test, not(target_os = "linux")))]
mod plain;

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use socket2::SockRef;

#[cfg(target_os = "linux")]
pub(super) use linux::{Batch, prepare};
pub use near::near;
#[cfg(not(target_os = "linux"))]
pub(super) use plain::{Batch, prepare};
pub use sealed::seal_descriptors;

/// The most datagrams of one batch. Twice as many gain nothing that can be measured, and this many
/// questions with their replies still fit into the caches nearest to the core.
const DATAGRAMS_MAX: usize = 32;
/// The longest question that is kept, and the room for its reply, in octets.
///
/// This is also the distance of the slots from each other: 25 cache lines of 64 octets. An odd
/// number of lines sends the slots' first lines to different sets of the first-level cache; with a
/// multiple of 4096 octets all of them would share one set of 8 or 12 places.
const QUERY_MAX: usize = 1600;
/// How long `receive` waits at most, so that its caller can look whether it is to stop.
const WAIT: Duration = Duration::from_millis(100);
/// Wanted room for questions that wait while the worker does not run, in octets.
const RECEIVE_BUFFER: usize = 4 << 20;
/// Wanted room for replies on their way to the network card, in octets: sending never waits.
const SEND_BUFFER: usize = 1 << 20;

/// One received datagram, and the place for its reply.
#[derive(Debug)]
pub(super) struct Slot<'batch> {
    /// The whole slot: the question in its first `len` octets; the reply is written over it.
    pub(super) buffer: &'batch mut [u8],
    /// The length of the question.
    pub(super) len: usize,
    /// Who asked; an IPv4 client is one however it came. Port 0 when the kernel told no address
    /// that we know: nothing can be sent there.
    pub(super) client: SocketAddr,
}

/// What became of the replies of one batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    /// Taken by the kernel.
    pub(super) sent: usize,
    /// Refused by the kernel; lost like any datagram, the client asks again.
    pub(super) failed: usize,
}

/// The options that sockets that answer have on every system.
fn prepare_any(socket: &UdpSocket) -> io::Result<()> {
    let options = SockRef::from(socket);
    // Only upwards, and the system may give less: questions are answered with any size.
    if options.recv_buffer_size()? < RECEIVE_BUFFER {
        let _ = options.set_recv_buffer_size(RECEIVE_BUFFER);
    }
    if options.send_buffer_size()? < SEND_BUFFER {
        let _ = options.set_send_buffer_size(SEND_BUFFER);
    }
    // A passed socket may be set not to wait: its worker would spin.
    socket.set_nonblocking(false)?;
    socket.set_read_timeout(Some(WAIT))
}

/// An end of the wait that is no fault: nothing came in time, or a signal did.
fn nothing_came(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}
