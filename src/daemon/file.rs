//! What the conductor knows of the release file.

use std::path::PathBuf;

use crate::{
    config::Rejected,
    model::{Checksum, Timestamp},
};

/// What is known of the release file.
#[derive(Default)]
pub(super) struct FileState {
    pub(super) path: PathBuf,
    /// Of the text that was last read, good or not.
    pub(super) checksum: Option<Checksum>,
    /// When a good one was last read.
    pub(super) loaded_at: Option<Timestamp>,
    /// Why the one on disk is not being carried out.
    pub(super) rejected: Option<Rejected>,
}

impl FileState {
    /// Whether it has been looked at, with whatever result.
    pub(super) fn is_known(&self) -> bool {
        self.loaded_at.is_some() || self.rejected.is_some()
    }

    /// Whether what is on disk is what is being carried out.
    pub(super) fn is_accepted(&self) -> bool {
        self.loaded_at.is_some() && self.rejected.is_none()
    }
}
