//! What a probe is: its kind and its schedule. Running it is `probe`'s business.

use std::{sync::Arc, time::Duration};

use super::Percent;

/// A probe of every endpoint of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeSpec {
    /// What one try does.
    pub kind: ProbeKind,
    /// From the start of one try to the start of the next, before jitter.
    pub interval: Duration,
    /// How long one try may take; it fails when it takes longer.
    pub timeout: Duration,
    /// Passes in a row that make an endpoint `up`.
    pub rise: u32,
    /// Failures in a row that make an endpoint `down`.
    pub fall: u32,
    /// How far each interval strays at random, so that tries do not run in step.
    pub jitter: Percent,
}

impl ProbeSpec {
    /// The default interval.
    pub const INTERVAL: Duration = Duration::from_secs(5);
    /// The default timeout.
    pub const TIMEOUT: Duration = Duration::from_secs(2);
    /// The default number of passes in a row.
    pub const RISE: u32 = 3;
    /// The default number of failures in a row.
    pub const FALL: u32 = 3;
    /// The default jitter.
    pub const JITTER: Percent = Percent::new_const(10);
}

/// What the release file says about probing a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeSetting {
    /// Nothing: a probe that was there before stays, for a file that was cut short must not open
    /// the gate.
    Unset,
    /// `probe = "none"`: every endpoint counts as up.
    Off,
    /// A probe.
    On(Arc<ProbeSpec>),
}

impl ProbeSetting {
    /// The probe, if there is one.
    pub fn spec(&self) -> Option<&Arc<ProbeSpec>> {
        match self {
            Self::On(spec) => Some(spec),
            Self::Unset | Self::Off => None,
        }
    }
}

/// The kinds of probe; one file each under `src/probe/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeKind {
    /// A TCP connection is accepted.
    Tcp(TcpProbe),
    /// An HTTP request is answered as expected.
    Http(HttpProbe),
}

impl ProbeKind {
    /// The key of this kind in the release file.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Tcp(_) => "tcp",
            Self::Http(_) => "http",
        }
    }
}

/// Passes when the endpoint accepts a TCP connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpProbe {
    /// The port to connect to.
    pub port: u16,
}

/// Passes when `GET path` is answered with one of the statuses and, if asked for, the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpProbe {
    /// The port to connect to.
    pub port: u16,
    /// The path and query asked for; starts with `/`.
    pub path: String,
    /// The `Host` header; without it the service's full name.
    pub host: String,
    /// The statuses that pass.
    pub status: Vec<u16>,
    /// A text that must stand in the first 64 KiB of the body.
    pub body: Option<String>,
}
