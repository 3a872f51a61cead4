//! Why the file cannot be read or written.

use std::io;

use redb::{DatabaseError, StorageError, TableError};

use super::{FORMAT, LockError};

/// Why the file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system said no.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is not what was written.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// A later version of this program has written it.
    #[error("it has format {0}, and this version knows {FORMAT}: it is left as it is")]
    Newer(String),
    /// An earlier version of this program has written it.
    #[error(
        "it has format {0}, of an earlier version, and this one reads {FORMAT}: \
         what releases stood at is not known any more"
    )]
    Older(u64),
    /// It belongs to another zone.
    #[error("it is of the zone {0}")]
    OtherZone(String),
    /// Another process has it.
    #[error("another daemon keeps its state there")]
    Taken,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl From<redb::Error> for StoreError {
    fn from(error: redb::Error) -> Self {
        match error {
            redb::Error::Io(error) => Self::Io(error),
            redb::Error::Corrupted(why) => Self::Damaged(why),
            redb::Error::DatabaseAlreadyOpen => Self::Taken,
            other => Self::Other(other.to_string()),
        }
    }
}

impl From<LockError> for StoreError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Taken => Self::Taken,
            LockError::Io(error) => Self::Io(error),
        }
    }
}

/// Each operation of redb has an error type of its own.
macro_rules! from_redb {
    ($($error:ty),*) => {$(
        impl From<$error> for StoreError {
            fn from(error: $error) -> Self {
                redb::Error::from(error).into()
            }
        }
    )*};
}

from_redb!(DatabaseError, StorageError, TableError, redb::TransactionError, redb::CommitError);
