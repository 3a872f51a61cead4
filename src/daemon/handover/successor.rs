//! The new daemon's part: it asks a running one for its sockets, and tells it once it answers.

use std::{
    io,
    path::Path,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::{sleep, timeout},
};
use tracing::{info, warn};

use super::{
    HandoverError, PATIENCE, STEP,
    wire::{self, ANSWERING, Header, MINE, VERSION, YOURS, malformed},
};
use crate::{daemon::place::may_be_taken, dns::Inherited, model::CookieSecrets};

/// How long to wait in line: another successor may be before us.
const IN_LINE: Duration = PATIENCE.saturating_add(STEP);
/// How long whoever was before us in line may take to be reached in its turn.
const SUCCEEDED: Duration = STEP;
const PAUSE: Duration = Duration::from_millis(20);

/// A running daemon that waits to hear that we answer.
#[derive(Debug)]
pub(in crate::daemon) struct Succession {
    stream: UnixStream,
    /// Its sockets.
    pub(in crate::daemon) sockets: Inherited,
    /// Its secrets of DNS cookies, if no file has them.
    pub(in crate::daemon) secrets: Option<CookieSecrets>,
}

/// Asks the daemon behind `path` for its sockets; `None` when there is no such daemon.
pub(in crate::daemon) async fn seek(path: &Path) -> Result<Option<Succession>, HandoverError> {
    if !may_be_taken(path) {
        return Err(HandoverError::NotASocket(path.to_path_buf()));
    }
    let begun = Instant::now();
    let mut last_met = None;
    while begun.elapsed() < IN_LINE {
        match meet(path).await? {
            Met::Daemon(stream) => {
                let rest = IN_LINE.saturating_sub(begun.elapsed());
                match timeout(rest, ask(stream)).await.map_err(|_| HandoverError::Late)?? {
                    Some(succession) => return Ok(Some(succession)),
                    // It has been succeeded while we stood in line: ask who came after it.
                    None => last_met = Some(Instant::now()),
                }
            }
            Met::Crowd => last_met = Some(Instant::now()),
            Met::Nobody if last_met.is_none_or(|at| at.elapsed() > SUCCEEDED) => return Ok(None),
            Met::Nobody => {}
        }
        sleep(PAUSE).await;
    }
    Err(HandoverError::Late)
}

enum Met {
    Nobody,
    /// So many stand in line that there is no place in it.
    Crowd,
    Daemon(UnixStream),
}

async fn meet(path: &Path) -> Result<Met, HandoverError> {
    let error = |error| HandoverError::Socket(path.to_path_buf(), error);
    let stream = match UnixStream::connect(path).await {
        Ok(stream) => stream,
        Err(refused) => {
            return match refused.kind() {
                // A daemon that has ended leaves its socket behind, and it refuses.
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(Met::Nobody),
                io::ErrorKind::WouldBlock => Ok(Met::Crowd),
                _ => Err(error(refused)),
            };
        }
    };
    let peer = stream.peer_cred().map_err(error)?;
    if peer.uid() != rustix::process::geteuid().as_raw() {
        return Err(HandoverError::OtherUser(path.to_path_buf()));
    }
    Ok(Met::Daemon(stream))
}

/// What the daemon gives; `None` if it leaves before it has said anything.
async fn ask(mut stream: UnixStream) -> Result<Option<Succession>, HandoverError> {
    // Whether it has left shows when reading.
    let _ = stream.write_all(&[VERSION]).await;
    match stream.read_u8().await {
        Ok(VERSION) => {}
        Ok(other) => return Err(HandoverError::Version(other)),
        Err(error) if has_left(&error) => return Ok(None),
        Err(error) => return Err(HandoverError::Talk(error)),
    }
    let given = timeout(STEP, receive(&mut stream)).await.map_err(|_| HandoverError::Late)?;
    let (sockets, secrets) = given.map_err(HandoverError::Talk)?;
    Ok(Some(Succession { stream, sockets, secrets }))
}

async fn receive(stream: &mut UnixStream) -> io::Result<(Inherited, Option<CookieSecrets>)> {
    let header = Header::receive(stream).await?;
    let mut sockets = Inherited::default();
    for _ in 0..header.sockets {
        let (purpose, socket) = wire::receive_socket(stream).await?;
        sockets.add(purpose, socket)?;
    }
    Ok((sockets, header.secret.map(CookieSecrets::random)))
}

impl Succession {
    /// Tells the predecessor that we answer; from then on it does not. After an error it goes on,
    /// and we must not.
    pub(in crate::daemon) async fn answers(mut self) -> Result<(), HandoverError> {
        // Even if this fails, it may have told us why before it went.
        let _ = self.stream.write_all(&[ANSWERING]).await;
        let said = timeout(STEP, self.stream.read_u8()).await.map_err(|_| HandoverError::Late)?;
        match said {
            Ok(YOURS) => info!("the predecessor has left its sockets to us"),
            Ok(MINE) => return Err(HandoverError::Refused),
            Ok(_) => return Err(HandoverError::Talk(malformed("an unknown word"))),
            // It never leaves a successor without a word: nobody else is left to answer.
            Err(error) if has_left(&error) => warn!("the predecessor has ended meanwhile"),
            Err(error) => return Err(HandoverError::Talk(error)),
        }
        Ok(())
    }
}

fn has_left(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | ConnectionReset | BrokenPipe)
}
