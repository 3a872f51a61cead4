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
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};
use tracing::{info, warn};

use super::{
    PATIENCE, STEP,
    wire::{self, ANSWERING, Header, MINE, VERSION, YOURS, malformed},
};
use crate::{
    daemon::conductor::{Event, Handing},
    dns::Purpose,
    model::CookieSecrets,
};

/// After an error of `accept`.
const PAUSE: Duration = Duration::from_millis(100);

/// How long the conductor may take: less than a successor waits for what comes of it.
const DECISION: Duration = Duration::from_secs(3);

/// What a successor is given.
pub(in crate::daemon) struct Offer {
    /// Our own holds on them.
    pub(in crate::daemon) sockets: Vec<(Purpose, OwnedFd)>,
    /// Those that no file has.
    pub(in crate::daemon) secrets: Option<CookieSecrets>,
    /// The conductor's: it is not to decide what the successor would not know.
    pub(in crate::daemon) events: mpsc::Sender<Event>,
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
            // The conductor ends only with the daemon.
            let _ = self.events.send(Event::Handing(Handing::Resume)).await;
        }
    }

    async fn hand_over(&self, mut stream: UnixStream) -> io::Result<()> {
        let peer = stream.peer_cred()?;
        if peer.uid() != rustix::process::geteuid().as_raw() {
            return Err(io::Error::other(format!("user {} is not trusted", peer.uid())));
        }
        info!(process = peer.pid(), "a successor asks for the sockets");
        let answers = timeout(PATIENCE, self.give(&mut stream)).await;
        let mut ours = answers.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        if ours.is_ok() {
            // Two must not decide, and this one is the only one who can know.
            ours = self.ask(Handing::Close).await;
        }
        match ours {
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
        self.ask(Handing::Suspend).await?;
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

    /// Has the conductor do something, and waits until it has.
    async fn ask(&self, of: impl FnOnce(oneshot::Sender<()>) -> Handing) -> io::Result<()> {
        let (told, done) = oneshot::channel();
        let asked = async {
            let event = Event::Handing(of(told));
            if self.events.send(event).await.is_ok() {
                // It says so, or has ended: either way it decides nothing.
                let _ = done.await;
            }
        };
        Ok(timeout(DECISION, asked).await?)
    }
}
