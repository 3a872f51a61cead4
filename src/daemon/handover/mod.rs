//! One daemon takes the place of another without losing a question: the new binary or the new
//! settings are started beside the running daemon, and are given its sockets.
//!
//! The descriptors themselves are passed, over a Unix socket, and not a second SO_REUSEPORT group
//! bound beside the first. To close a socket of a group loses the datagrams that wait in it, and
//! resets the connections that wait in its queue; and where groups can be joined, two daemons may
//! answer side by side without anyone noticing. A passed socket is the same socket with the same
//! queue, and binding stays exclusive.
//!
//! Read in this order: `wire` is how octets and descriptors travel; `predecessor` gives;
//! `successor` takes; `super::place` is the name of the socket between them.
//!
//! 1. The successor connects and says its version.
//! 2. The predecessor says its version and stops to decide, so that what it has kept is the last word.
//!    It says the number of sockets, and the secret of its DNS cookies if no file has it; then it
//!    sends the sockets, each with its purpose.
//! 3. The successor reads what is kept, and starts everything but answering and deciding. It must
//!    have read the release file: where that is refused on disk, the predecessor may be the only one
//!    with a good one. It begins to answer, and then says so; from here until the next step both
//!    answer, and nobody decides.
//! 4. The predecessor closes what it keeps, says that the sockets are the successor's, and ends: what
//!    it has taken it answers. The successor decides. If anything else has happened, or nothing for
//!    too long, the predecessor says that they are not, and goes on as before.
//!
//! Whoever may use the socket can become the daemon: it is for its own user alone, on both ends.
//! Left out: QUIC connections, whose clients are told to connect again.

mod predecessor;
mod successor;
#[cfg(test)]
mod tests;
mod wire;

use std::{io, path::PathBuf, time::Duration};

pub(super) use predecessor::Offer;
pub(super) use successor::{Succession, seek};

/// How long the successor may take from its first word until it answers.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one step may take that waits for nothing but the other process.
const STEP: Duration = Duration::from_secs(5);

/// Why the sockets are not handed over.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// Something else has the name.
    #[error("{0} is not a socket: remove it, or choose another name for `handover`")]
    NotASocket(PathBuf),
    /// The system said no.
    #[error("cannot use the handover socket {0}: {1}")]
    Socket(PathBuf, io::Error),
    /// Only a daemon of the same user is trusted.
    #[error("the daemon behind {0} runs as another user")]
    OtherUser(PathBuf),
    /// The other daemon is too old or too new.
    #[error("the running daemon hands over in another way (version {0}): end it first")]
    Version(u8),
    /// What the other daemon said cannot be understood.
    #[error("the handover has failed: {0}")]
    Talk(io::Error),
    /// The other daemon does not say anything.
    #[error("the running daemon does not answer the handover in time")]
    Late,
    /// The other daemon has given us up.
    #[error("the running daemon goes on: it did not hear in time that we answer")]
    Refused,
    /// Answers would be lost.
    #[error("the release file is not carried out: the running daemon goes on; see `cutover check`")]
    NotReady,
}
