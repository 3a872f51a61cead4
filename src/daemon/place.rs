//! The names of Unix sockets: the running daemon has them, and gives them up to nobody but its
//! successor.
//!
//! Nobody ever removes a name. The socket of a daemon that has ended, however it ended, refuses
//! connections, which is as good as none; the next daemon renames its own over it. So there is no
//! moment at which one can remove what has become another's. That two daemons do not start side by
//! side is not their business: the other sockets cannot be bound twice.

use std::{
    fs::{self, Permissions},
    io,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
};

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixListener;

use super::StartError;

/// Clients that may wait in line.
const BACKLOG: i32 = 16;

/// A socket that listens, and does not have its name yet. Without it, it is removed.
#[derive(Debug)]
pub(in crate::daemon) struct Draft {
    listener: Option<UnixListener>,
    draft: PathBuf,
    path: PathBuf,
}

impl Draft {
    /// Makes a socket beside `path`, for this user alone.
    pub(in crate::daemon) fn new(path: &Path) -> io::Result<Self> {
        let mut draft = path.as_os_str().to_owned();
        draft.push(format!(".{:08x}", rand::random::<u32>()));
        let mut draft =
            Self { listener: None, draft: PathBuf::from(draft), path: path.to_path_buf() };
        draft.listen()?;
        Ok(draft)
    }

    fn listen(&mut self) -> io::Result<()> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SockAddr::unix(&self.draft)?)?;
        // Nobody can connect before it listens.
        fs::set_permissions(&self.draft, Permissions::from_mode(0o600))?;
        socket.listen(BACKLOG)?;
        self.listener = Some(UnixListener::from_std(socket.into())?);
        Ok(())
    }

    /// Takes the name, whoever had it.
    pub(in crate::daemon) fn publish(mut self) -> io::Result<UnixListener> {
        let listener = self.listener.take().expect("invariant: it is taken only here");
        fs::rename(&self.draft, &self.path)?;
        Ok(listener)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After `publish` there is nothing left to remove.
        let _ = fs::remove_file(&self.draft);
    }
}

/// Whether the name is one that may be renamed over: a socket's, or nobody's.
pub(super) fn may_be_taken(path: &Path) -> bool {
    // What else is wrong with it, connecting and renaming will tell.
    fs::metadata(path).map_or(true, |found| found.file_type().is_socket())
}

/// The socket for the operator's verbs, still without its name.
pub(super) fn for_admin(path: &Path) -> Result<(PathBuf, Draft), StartError> {
    let error = |error| StartError::Admin(path.to_path_buf(), error);
    if !may_be_taken(path) {
        return Err(error(io::Error::other("something else has this name")));
    }
    Ok((path.to_path_buf(), Draft::new(path).map_err(error)?))
}
