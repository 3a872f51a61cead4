//! Hooks: to whom transitions are told as events, and what an event says.

use std::{fmt, path::PathBuf, time::Duration};

use super::{DnsName, Label, ServiceName, Timestamp, Url};

/// Somebody to whom each event is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// What it is called.
    pub name: Label,
    /// How it is told.
    pub kind: HookKind,
    /// How long one try may take.
    pub timeout: Duration,
}

impl Hook {
    /// The most that there are.
    pub const COUNT_MAX: usize = 8;
    /// The default timeout.
    pub const TIMEOUT: Duration = Duration::from_secs(10);
}

/// The kinds of hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookKind {
    /// The event is sent there.
    Web {
        /// Where.
        url: Url,
        /// Where the secret of its signature stands, if it is signed.
        secret_file: Option<PathBuf>,
    },
    /// A program is run with the event as its input.
    Command {
        /// Its absolute path.
        command: PathBuf,
        /// What it is given.
        arguments: Vec<String>,
    },
}

/// Who numbers events: drawn at random, so that no two daemons are the same, nor one daemon before
/// and after its state was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instance(u64);

impl Instance {
    /// The one with this number, which is to be random.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A change of phase, as it is told to hooks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransitionEvent {
    /// Who has numbered it.
    pub instance: Instance,
    /// Its number: the one before has one less.
    pub sequence: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// In which zone that is.
    pub zone: DnsName,
    /// Of which service.
    pub service: ServiceName,
    /// The phase that was left.
    pub from: String,
    /// The phase that was entered.
    pub to: String,
    /// Why.
    pub why: String,
    /// The number of the release that it belongs to, if it belongs to one.
    pub release: Option<u64>,
}

impl TransitionEvent {
    /// What no other event of any daemon is called.
    pub fn id(&self) -> String {
        event_id(self.instance, self.sequence)
    }
}

/// What the event with this number is called.
pub fn event_id(instance: Instance, sequence: u64) -> String {
    format!("{instance}-{sequence}")
}
