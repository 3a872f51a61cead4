//! The running daemon's part: it gives its sockets to whoever asks, and goes on answering until
//! that one says that it answers.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    time::{sleep, timeout},
};
use tracing::{info, warn};

use super::{
    PATIENCE, STEP,
    wire::{self, ANSWERING, Header, MINE, VERSION, YOURS, malformed},
};
use crate::{dns::Purpose, model::CookieSecrets};

/// After an error of `accept`.
const PAUSE: Duration = Duration::from_millis(100);

/// What a successor is given.
pub(in crate::daemon) struct Offer {
    /// Our own holds on them.
    pub(in crate::daemon) sockets: Vec<(Purpose, OwnedFd)>,
    /// Those that no file has.
    pub(in crate::daemon) secrets: Option<CookieSecrets>,
}

impl Offer {
    /// Waits for successors, one at a time, until one of them answers.
    pub(in crate::daemon) async fn stand(self, listener: UnixListener) {
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    warn!(%error, "the handover socket does not work");
                    sleep(PAUSE).await;
                    continue;
                }
            };
            match self.hand_over(stream).await {
                Ok(()) => return,
                Err(error) => warn!(%error, "no successor has taken over: going on"),
            }
        }
    }

    async fn hand_over(&self, mut stream: UnixStream) -> io::Result<()> {
        let peer = stream.peer_cred()?;
        if peer.uid() != rustix::process::geteuid().as_raw() {
            return Err(io::Error::other(format!("user {} is not trusted", peer.uid())));
        }
        info!(process = peer.pid(), "a successor asks for the sockets");
        let answers = timeout(PATIENCE, self.give(&mut stream)).await;
        match answers.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(()) => timeout(STEP, stream.write_all(&[YOURS])).await?,
            Err(error) => {
                // One that begins to answer only now must not go on. It may be gone already.
                let _ = stream.try_write(&[MINE]);
                Err(error)
            }
        }
    }

    /// Gives everything; returns when the successor answers.
    async fn give(&self, stream: &mut UnixStream) -> io::Result<()> {
        let theirs = timeout(STEP, stream.read_u8()).await??;
        stream.write_all(&[VERSION]).await?;
        if theirs != VERSION {
            return Err(malformed("it speaks another version of the handover"));
        }
        let sockets = u16::try_from(self.sockets.len()).map_err(io::Error::other)?;
        let secret = self.secrets.as_ref().map(|secrets| *secrets.current());
        Header { sockets, secret }.send(stream).await?;
        for (purpose, socket) in &self.sockets {
            wire::send_socket(stream, *purpose, socket.as_fd()).await?;
        }
        match stream.read_u8().await {
            Ok(ANSWERING) => Ok(()),
            Ok(_) => Err(malformed("it did not say that it answers")),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(io::Error::other("it ended before it answered"))
            }
            Err(error) => Err(error),
        }
    }
}
