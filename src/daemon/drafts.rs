//! Files that are not on disk yet: read as the one on disk is, and by the same rules.

use std::{path::Path, sync::Arc};

use arc_swap::ArcSwap;

use crate::{
    admin::{orders::Mistaken, plan::Drafts, status::FileError},
    config::{Rejected, finding::Finding, read::FILE_LEN_MAX, release},
    model::{Outside, Zones},
};

/// Reads files for the zones of the moment, of a daemon that may ask these outside of them.
pub(super) fn drafts(zones: Arc<ArcSwap<Zones>>, outside: Outside) -> Drafts {
    let read = move |path: &Path, text: &str| {
        release::parse(path, text, &zones.load(), &outside).map_err(|rejected| Mistaken {
            errors: mistakes(&rejected),
            shown: rejected.to_string(),
        })
    };
    let len_max = usize::try_from(FILE_LEN_MAX).unwrap_or(usize::MAX);
    Drafts { read: Arc::new(read), len_max }
}

/// What is wrong with a file.
pub fn mistakes(rejected: &Rejected) -> Vec<FileError> {
    let mistake = |finding: &Finding| FileError {
        line: finding.line,
        column: finding.column,
        message: finding.message.clone(),
        hint: finding.hint.clone(),
    };
    rejected.findings.iter().map(mistake).collect()
}
