//! Who may ask the daemon what over HTTP.

use std::{collections::BTreeMap, path::PathBuf};

use super::{DnsName, Label};

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpAccess {
    /// The names under which the daemon may be asked, besides addresses and `localhost`.
    pub hosts: Vec<DnsName>,
    /// Who may read without a token.
    pub readers: Readers,
    /// Who may change things: by name, the file with their token.
    pub tokens: BTreeMap<Label, PathBuf>,
}

impl HttpAccess {
    /// The most names that there are.
    pub const HOSTS_MAX: usize = 64;
    /// The most tokens that there are.
    pub const TOKENS_MAX: usize = 16;
}

/// Who may read without a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Readers {
    /// Whoever asks from the host that the daemon runs on.
    #[default]
    Loopback,
    /// Everyone.
    All,
}

impl Readers {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Loopback, Self::All];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::All => "all",
        }
    }
}
