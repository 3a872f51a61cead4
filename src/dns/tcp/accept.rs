//! Takes connections from a listener, whatever `accept` says: it neither stops nor spins.
//!
//! Linux looks for a free descriptor before it looks for a client. When there is none, the longest
//! idle connection is given up, and a descriptor that is held for this moment is let go, so that
//! the client in front is served at once.

use std::{
    convert::Infallible,
    future::poll_fn,
    io,
    net::SocketAddr,
    os::fd::{AsFd, OwnedFd},
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    task::yield_now,
    time::sleep,
};

/// Connections taken before those that are open have a turn.
const BATCH: usize = 64;
/// Until a connection that was given up is closed by its thread.
const PAUSE: Duration = Duration::from_millis(10);
/// After an error that nothing here can mend.
const LONG_PAUSE: Duration = Duration::from_millis(100);

/// Where connections come from.
pub(super) trait Source {
    type Stream;
    /// A descriptor that is only held.
    type Spare;
    fn poll_accept(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<(Self::Stream, SocketAddr)>>;
    fn spare(&self) -> io::Result<Self::Spare>;
}

/// Where they go.
pub(super) trait Desk<Stream> {
    fn admit(&self, stream: Stream, client: SocketAddr);
    /// Gives up one that is open; false: there is none.
    fn shed(&self) -> bool;
    /// Nobody can be admitted until those that were given up have gone.
    fn is_crowded(&self) -> bool;
}

/// Takes connections for ever.
pub(super) async fn accept<S: Source>(source: &S, desk: &impl Desk<S::Stream>) -> Infallible {
    let mut spare = source.spare().ok();
    loop {
        for _ in 0..BATCH {
            while desk.is_crowded() {
                sleep(PAUSE).await;
            }
            match poll_fn(|context| source.poll_accept(context)).await {
                Ok((stream, client)) => {
                    desk.admit(stream, client);
                    if spare.is_none() {
                        spare = source.spare().ok();
                    }
                }
                Err(error) => match remedy(&error) {
                    Remedy::TryAgain => {}
                    Remedy::Wait => sleep(LONG_PAUSE).await,
                    Remedy::MakeRoom => {
                        let has_shed = desk.shed();
                        // With the spare gone the next try finds a descriptor.
                        if spare.take().is_none() {
                            sleep(if has_shed { PAUSE } else { LONG_PAUSE }).await;
                        }
                    }
                },
            }
        }
        yield_now().await;
    }
}

/// What helps against an error of `accept`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// It was about one client, who has gone.
    TryAgain,
    /// The process or the system has run out of something that each connection takes.
    MakeRoom,
    /// Nobody knows; not at once.
    Wait,
}

pub(super) fn remedy(error: &io::Error) -> Remedy {
    match error.raw_os_error() {
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => Remedy::MakeRoom,
        // accept(2): errors of the new connection's network are to be taken like EAGAIN.
        Some(
            libc::ECONNABORTED
            | libc::ECONNRESET
            | libc::EINTR
            | libc::EPERM
            | libc::EPROTO
            | libc::ENETDOWN
            | libc::ENETUNREACH
            | libc::EHOSTDOWN
            | libc::EHOSTUNREACH
            | libc::ENOPROTOOPT
            | libc::EOPNOTSUPP,
        ) => Remedy::TryAgain,
        _ => Remedy::Wait,
    }
}

impl Source for TcpListener {
    type Stream = TcpStream;
    type Spare = OwnedFd;

    fn poll_accept(&self, context: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        TcpListener::poll_accept(self, context)
    }

    fn spare(&self) -> io::Result<OwnedFd> {
        self.as_fd().try_clone_to_owned()
    }
}
