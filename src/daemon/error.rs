//! Why the daemon cannot start.

use std::{io, net::SocketAddr, path::PathBuf};

use super::HandoverError;
use crate::{
    config::secrets::LoadError,
    dns::{BindError, encrypted::EncryptedError},
};

/// Why the daemon cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A socket for questions cannot be had.
    #[error(transparent)]
    Dns(#[from] BindError),
    /// Encrypted transports cannot be had.
    #[error(transparent)]
    Encrypted(#[from] EncryptedError),
    /// The secrets of DNS cookies cannot be had.
    #[error("the secrets of DNS cookies: {0}")]
    Secrets(LoadError),
    /// Two daemons must not decide by one state.
    #[error(
        "another daemon keeps its state in {0}: end it first, or give this one a `state_dir` of \
         its own"
    )]
    StateTaken(PathBuf),
    /// The socket for metrics and status cannot be had.
    #[error("cannot listen on {0} for metrics and status: {1}")]
    Http(SocketAddr, io::Error),
    /// The thread that watches the release file cannot be had.
    #[error("cannot watch the release file: {0}")]
    Watch(io::Error),
    /// A thread that answers cannot be had.
    #[error("cannot answer: {0}")]
    Threads(io::Error),
    /// The sockets cannot be had a second time, for a successor.
    #[error("cannot keep the sockets for a successor: {0}")]
    Lend(io::Error),
    /// The socket for the operator's verbs.
    #[error("cannot use the admin socket {0}: {1}")]
    Admin(PathBuf, io::Error),
    /// A running daemon does not hand over, or we cannot.
    #[error(transparent)]
    Handover(#[from] HandoverError),
    /// Two metrics have one name: a fault of this program.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}
