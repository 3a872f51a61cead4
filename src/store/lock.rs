//! One daemon for one directory of state.
//!
//! The directory itself is locked, which needs no right to write and leaves nothing behind; the
//! lock goes with the process, however that ends.

use std::{
    fs::{self, File, Metadata, TryLockError},
    io,
    os::unix::fs::MetadataExt,
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// One that is just ending may have it for a moment longer.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(5);

/// The directory is ours until this is dropped.
#[derive(Debug)]
pub struct Lock {
    directory: File,
}

/// Why it is not.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("another daemon keeps its state there")]
    Taken,
    /// The system said no.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl Lock {
    /// Waits a moment for the directory to be free.
    pub fn take(directory: &Path) -> Result<Self, LockError> {
        let directory = File::open(directory)?;
        let begun = Instant::now();
        loop {
            match directory.try_lock() {
                Ok(()) => return Ok(Self { directory }),
                Err(TryLockError::WouldBlock) if begun.elapsed() < PATIENCE => thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => return Err(LockError::Taken),
                Err(TryLockError::Error(error)) => return Err(error.into()),
            }
        }
    }

    /// Whether it is still this directory: it may have been removed, and made anew.
    pub fn is_of(&self, directory: &Path) -> bool {
        let id = |file: Metadata| (file.dev(), file.ino());
        let there = fs::metadata(directory).ok().map(id);
        there.is_some() && there == self.directory.metadata().ok().map(id)
    }
}
