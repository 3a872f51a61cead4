//! Whom a release may ask that is neither an endpoint nor a person: the settings name them.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use super::{DnsName, Label, Url};

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outside {
    /// Whom guards ask.
    pub metrics: Option<Prometheus>,
    /// Who can be made to say yes before a step.
    pub confirm: BTreeMap<Label, Confirmer>,
    /// Names that have been looked up for whoever checks a file, and lead nowhere: why.
    pub unresolvable: BTreeMap<DnsName, String>,
}

/// A Prometheus server, or what speaks its HTTP API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prometheus {
    /// Below which `/api/v1` stands.
    pub url: Url,
    /// A file with the token that it wants, if it wants one.
    pub token_file: Option<PathBuf>,
    /// How long an answer may take.
    pub timeout: Duration,
}

impl Prometheus {
    /// The default timeout.
    pub const TIMEOUT: Duration = Duration::from_secs(10);
}

/// One who is asked whether a step may be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirmer {
    /// Where.
    pub url: Url,
    /// A file with the secret that what is asked is signed with.
    pub secret_file: Option<PathBuf>,
    /// How long an answer may take.
    pub timeout: Duration,
    /// From one time to the next, as long as the step waits.
    pub interval: Duration,
}

impl Confirmer {
    /// The default timeout.
    pub const TIMEOUT: Duration = Duration::from_secs(10);
    /// The default interval.
    pub const INTERVAL: Duration = Duration::from_secs(30);
}
