//! What travels between the two: octets, and descriptors by SCM_RIGHTS.

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{BorrowedFd, OwnedFd},
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, Interest},
    net::UnixStream,
};

use crate::dns::Purpose;

/// The version of what is said; the first octet in each direction.
pub(super) const VERSION: u8 = 1;
/// The successor: I answer.
pub(super) const ANSWERING: u8 = 2;
/// The predecessor: the sockets are yours.
pub(super) const YOURS: u8 = 1;
/// The predecessor: they are not.
pub(super) const MINE: u8 = 0;

/// Close-on-exec from the first moment: programs that are started must not get them.
#[cfg(target_os = "linux")]
const RECEIVE: RecvFlags = RecvFlags::CMSG_CLOEXEC;
#[cfg(not(target_os = "linux"))]
const RECEIVE: RecvFlags = RecvFlags::empty();

/// A secret of DNS cookies.
pub(super) type Secret = [u8; 16];

/// What the predecessor says behind its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) sockets: u16,
    pub(super) secret: Option<Secret>,
}

impl Header {
    const LEN: usize = 19;

    fn encode(self) -> [u8; Self::LEN] {
        let mut octets = [0; Self::LEN];
        octets[..2].copy_from_slice(&self.sockets.to_be_bytes());
        if let Some(secret) = self.secret {
            octets[2] = 1;
            octets[3..].copy_from_slice(&secret);
        }
        octets
    }

    fn decode(octets: [u8; Self::LEN]) -> io::Result<Self> {
        let [high, low, has_secret, secret @ ..] = octets;
        let secret = match has_secret {
            0 => None,
            1 => Some(secret),
            _ => return Err(malformed("a flag that is neither 0 nor 1")),
        };
        Ok(Self { sockets: u16::from_be_bytes([high, low]), secret })
    }

    pub(super) async fn send(self, stream: &mut UnixStream) -> io::Result<()> {
        stream.write_all(&self.encode()).await
    }

    pub(super) async fn receive(stream: &mut UnixStream) -> io::Result<Self> {
        let mut octets = [0; Self::LEN];
        stream.read_exact(&mut octets).await?;
        Self::decode(octets)
    }
}

/// Sends one socket beside the octet of its purpose: whatever the socket between the two makes of
/// several messages, a descriptor comes with its own octet.
pub(super) async fn send_socket(
    stream: &UnixStream,
    purpose: Purpose,
    socket: BorrowedFd<'_>,
) -> io::Result<()> {
    let code = Purpose::ALL.iter().position(|known| *known == purpose);
    let code = code.and_then(|position| u8::try_from(position).ok());
    let octet = [code.expect("invariant: every purpose is in the list")];
    let send = || {
        let rights = [socket];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        let has_room = beside.push(SendAncillaryMessage::ScmRights(&rights));
        assert!(has_room, "invariant: there is room for one");
        Ok(sendmsg(stream, &[IoSlice::new(&octet)], &mut beside, SendFlags::empty())?)
    };
    stream.async_io(Interest::WRITABLE, send).await.map(|_| ())
}

/// Receives one socket and its purpose.
pub(super) async fn receive_socket(stream: &UnixStream) -> io::Result<(Purpose, OwnedFd)> {
    let receive = || {
        let mut octet = [0];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut beside = RecvAncillaryBuffer::new(&mut space);
        let parts = &mut [IoSliceMut::new(&mut octet)];
        if recvmsg(stream, parts, &mut beside, RECEIVE)?.bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let descriptor = beside.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut rights) => rights.next(),
            _ => None,
        });
        let purpose = Purpose::ALL.get(usize::from(octet[0])).copied();
        let purpose = purpose.ok_or_else(|| malformed("a socket of an unknown purpose"))?;
        // Where the process may not have more descriptors, they are lost on the way.
        Ok((purpose, descriptor.ok_or_else(|| malformed("a socket did not arrive"))?))
    };
    stream.async_io(Interest::READABLE, receive).await
}

pub(super) fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_was_written() {
        for secret in [None, Some([7; 16])] {
            let header = Header { sockets: 513, secret };
            assert_eq!(Header::decode(header.encode()).expect("good"), header);
        }
        let mut octets = Header { sockets: 1, secret: None }.encode();
        octets[2] = 2;
        assert!(Header::decode(octets).is_err());
    }
}
