//! What a probe is: its checks and its schedule. Running it is `probe`'s business.

use std::{fmt, sync::Arc, time::Duration};

use humantime::format_duration;

use super::Percent;

/// A probe of every endpoint of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeSpec {
    /// What one try looks at, all at once; at least one.
    pub checks: Vec<Check>,
    /// How many of them must pass.
    pub pass: Pass,
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
    /// Whether a try of the one says the same as a try of the other.
    pub fn looks_like(&self, other: &Self) -> bool {
        self.checks == other.checks && self.pass == other.pass
    }

    /// The most checks that it has.
    pub const CHECKS_MAX: usize = 8;
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

/// One of the things that a try looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What is done.
    pub kind: ProbeKind,
    /// How long it may take to pass; longer than this is a failure, though the answer be right.
    pub latency: Option<Duration>,
}

impl From<ProbeKind> for Check {
    fn from(kind: ProbeKind) -> Self {
        Self { kind, latency: None }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)?;
        match self.latency {
            Some(latency) => write!(f, " within {}", format_duration(latency)),
            None => Ok(()),
        }
    }
}

/// How many checks of a try must pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pass {
    /// Every one of them.
    #[default]
    All,
    /// One is enough.
    Any,
}

impl Pass {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::All, Self::Any];

    /// The word in the release file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Any => "any",
        }
    }
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

impl fmt::Display for ProbeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(TcpProbe { port }) => write!(f, "tcp {port}"),
            Self::Http(HttpProbe { port, method, path, host, headers, status, body }) => {
                let method = if *method == Method::Get { "" } else { method.name() };
                let space = if method.is_empty() { "" } else { " " };
                write!(f, "http {method}{space}{host}:{port}{path} {status:?}")?;
                headers.iter().try_for_each(|header| write!(f, " with {header}"))?;
                body.iter().try_for_each(|body| write!(f, " body {body:?}"))
            }
        }
    }
}

/// Passes when the endpoint accepts a TCP connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpProbe {
    /// The port to connect to.
    pub port: u16,
}

/// Passes when the request is answered with one of the statuses and, if asked for, the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpProbe {
    /// The port to connect to.
    pub port: u16,
    /// What is asked for it.
    pub method: Method,
    /// The path and query asked for; starts with `/`.
    pub path: String,
    /// The `Host` header; without it the service's full name.
    pub host: String,
    /// Further headers of the request.
    pub headers: Vec<Header>,
    /// The statuses that pass.
    pub status: Vec<u16>,
    /// A text that must stand in the first 64 KiB of the body.
    pub body: Option<String>,
}

/// The methods that a probe may use: none of them is to change anything (RFC 9110 §9.2.1), but for
/// `POST`, where a service has its health there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    #[allow(missing_docs)]
    #[default]
    Get,
    #[allow(missing_docs)]
    Head,
    #[allow(missing_docs)]
    Options,
    #[allow(missing_docs)]
    Post,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Get, Self::Head, Self::Options, Self::Post];

    /// The word in the request.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Post => "POST",
        }
    }
}

/// One header of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    name: String,
    value: String,
}

/// Why a header cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// RFC 9110 §5.6.2.
    #[error("a header's name has letters, digits and !#$%&'*+-.^_`|~ alone")]
    Name,
    /// RFC 9110 §5.5; what is beyond ASCII is read in many ways.
    #[error("a header's value has visible ASCII, with spaces only within")]
    Value,
    /// It says how the message is sent, or is said elsewhere.
    #[error("`{0}` is not a probe's to say")]
    Ours(String),
}

impl Header {
    /// What the connection says by itself, and the host, which has a key of its own.
    const OURS: [&str; 8] = [
        "host",
        "connection",
        "content-length",
        "transfer-encoding",
        "te",
        "trailer",
        "upgrade",
        "keep-alive",
    ];

    /// A header that can be sent; names are compared without case.
    pub fn new(name: &str, value: &str) -> Result<Self, HeaderError> {
        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(HeaderError::Name);
        }
        let name = name.to_ascii_lowercase();
        if Self::OURS.contains(&name.as_str()) {
            return Err(HeaderError::Ours(name));
        }
        let is_visible = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        if value.is_empty() || !value.bytes().all(is_visible) || value.trim() != value {
            return Err(HeaderError::Value);
        }
        Ok(Self { name, value: value.to_owned() })
    }

    /// Its name, in lower case.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its value. May be a secret: it is not to be shown.
    pub fn value(&self) -> &str {
        &self.value
    }
}

impl fmt::Display for Header {
    /// The name alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_can_be_sent() {
        let header = Header::new("Authorization", "Bearer a b").expect("good");
        assert_eq!((header.name(), header.value()), ("authorization", "Bearer a b"));
        assert_eq!(header.to_string(), "authorization", "values are not shown");
    }

    #[test]
    fn a_header_cannot_break_out_of_its_line() {
        for name in ["", "a b", "a:", "a\r\nb", "ä"] {
            assert_eq!(Header::new(name, "x"), Err(HeaderError::Name), "{name:?}");
        }
        for value in ["", " x", "x ", "a\r\nb: c", "a\tb", "ä", "\0"] {
            assert_eq!(Header::new("a", value), Err(HeaderError::Value), "{value:?}");
        }
        for name in Header::OURS {
            let name = name.to_ascii_uppercase();
            assert!(matches!(Header::new(&name, "x"), Err(HeaderError::Ours(_))), "{name}");
        }
    }
}
