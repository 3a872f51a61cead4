//! What a probe is: its checks and its schedule. Running it is `probe`'s business.

mod http;
mod tls;

use std::{fmt, net::IpAddr, path::PathBuf, sync::Arc, time::Duration};

use hickory_proto::{op::ResponseCode, rr::RecordType};
use humantime::format_duration;

pub use http::{Header, HeaderError, HttpProbe, Method, Pattern, PatternError};
pub use tls::{ServerName, TlsSettings};

use super::{DnsName, Percent};

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
    /// The same over TLS.
    Https(HttpsProbe),
    /// A TLS handshake succeeds, with a certificate that is good.
    Tls(TlsProbe),
    /// The health service of gRPC says that it serves.
    Grpc(GrpcProbe),
    /// A question is answered as expected.
    Dns(DnsProbe),
    /// A command ends well.
    Exec(ExecProbe),
    /// A file that somebody else keeps says so.
    StatusFile(FileProbe),
}

impl ProbeKind {
    /// Whether the endpoint itself is asked, by the network.
    pub const fn is_remote(&self) -> bool {
        !matches!(self, Self::Exec(_) | Self::StatusFile(_))
    }

    /// What a certificate must be, if it looks at one.
    pub const fn tls(&self) -> Option<&TlsSettings> {
        match self {
            Self::Https(HttpsProbe { tls, .. }) | Self::Tls(TlsProbe { tls, .. }) => Some(tls),
            Self::Grpc(GrpcProbe { tls, .. }) => tls.as_ref(),
            Self::Tcp(_) | Self::Http(_) | Self::Dns(_) | Self::Exec(_) | Self::StatusFile(_) => {
                None
            }
        }
    }

    /// The key of this kind in the release file.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Tcp(_) => "tcp",
            Self::Http(_) => "http",
            Self::Https(_) => "https",
            Self::Tls(_) => "tls",
            Self::Grpc(_) => "grpc",
            Self::Dns(_) => "dns",
            Self::Exec(_) => "exec",
            Self::StatusFile(_) => "file",
        }
    }
}

impl fmt::Display for ProbeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(TcpProbe { port }) => write!(f, "tcp {port}"),
            Self::Http(http) => write!(f, "http {http}"),
            Self::Https(HttpsProbe { http, tls }) => write!(f, "https {http}{tls}"),
            Self::Tls(TlsProbe { port, tls }) => write!(f, "tls {port}{tls}"),
            Self::Grpc(GrpcProbe { port, service, host, tls }) => {
                write!(f, "grpc {host}:{port} {service:?}")?;
                tls.iter().try_for_each(|tls| write!(f, " over TLS{tls}"))
            }
            Self::Dns(DnsProbe { port, tcp, name, record_type, rcode, data }) => {
                let by = if *tcp { " by TCP" } else { "" };
                write!(f, "dns {port} {name} {record_type}{by} {}", DnsProbe::word(*rcode))?;
                data.iter().try_for_each(|data| write!(f, " {data:?}"))
            }
            Self::Exec(ExecProbe { command, arguments, .. }) => {
                write!(f, "exec {}", command.display())?;
                arguments.iter().try_for_each(|argument| write!(f, " {argument:?}"))
            }
            Self::StatusFile(FileProbe { path, content, age_max }) => {
                write!(f, "file {path} {content:?}")?;
                let age = age_max.map(format_duration);
                age.iter().try_for_each(|age| write!(f, " not older than {age}"))
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

/// Passes as [`HttpProbe`] does, over TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpsProbe {
    /// What is asked and expected.
    pub http: HttpProbe,
    /// Whom it must be asked of.
    pub tls: TlsSettings,
}

/// Passes when the endpoint shows a certificate that is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsProbe {
    /// The port to connect to.
    pub port: u16,
    /// What is good.
    pub tls: TlsSettings,
}

/// Passes when the endpoint's health service says `SERVING`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrpcProbe {
    /// The port to connect to.
    pub port: u16,
    /// The service that is asked about; empty: the server as a whole.
    pub service: String,
    /// The authority that is asked for; without it the service's full name.
    pub host: String,
    /// Whom it must be asked of, if over TLS.
    pub tls: Option<TlsSettings>,
}

/// Passes when a question is answered with the RCODE and, if asked for, the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsProbe {
    /// The port to ask at.
    pub port: u16,
    /// By TCP instead of UDP.
    pub tcp: bool,
    /// What is asked for.
    pub name: DnsName,
    /// Which records of it.
    pub record_type: RecordType,
    /// The RCODE that passes.
    pub rcode: ResponseCode,
    /// What one of these records must have, as a zone file writes it.
    pub data: Option<String>,
}

impl DnsProbe {
    /// The RCODEs that may be expected, as they are written.
    pub const RCODES: [(&str, ResponseCode); 6] = [
        ("NOERROR", ResponseCode::NoError),
        ("NXDOMAIN", ResponseCode::NXDomain),
        ("REFUSED", ResponseCode::Refused),
        ("SERVFAIL", ResponseCode::ServFail),
        ("NOTIMP", ResponseCode::NotImp),
        ("NOTAUTH", ResponseCode::NotAuth),
    ];

    /// What an RCODE is called.
    pub fn word(code: ResponseCode) -> String {
        let known = Self::RCODES.into_iter().find(|(_, known)| *known == code);
        known.map_or_else(|| format!("RCODE {}", u16::from(code)), |(name, _)| name.to_owned())
    }
}

/// Passes when a program ends with status 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecProbe {
    /// The program; an absolute path.
    pub command: PathBuf,
    /// What it is given.
    pub arguments: Vec<String>,
    /// The service's full name, which it is told.
    pub host: String,
}

/// Passes when a file has this content, and is not too old.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileProbe {
    /// An absolute path, in which `{address}` stands for the endpoint's.
    pub path: String,
    /// What it must have, but for space around it.
    pub content: String,
    /// How long ago it may have been written.
    pub age_max: Option<Duration>,
}

impl FileProbe {
    /// What stands for the address.
    pub const ADDRESS: &str = "{address}";
    /// The longest content, in octets.
    pub const CONTENT_LEN_MAX: usize = 1024;

    /// The file of one endpoint.
    pub fn path_of(&self, address: IpAddr) -> PathBuf {
        self.path.replace(Self::ADDRESS, &address.to_string()).into()
    }
}
