//! What is checked of an endpoint, as it is written.

use std::{path::PathBuf, time::Duration};

use hyper::http::uri::{Authority, PathAndQuery};
use serde::{Deserialize, Serialize};

use super::{
    row::{RowError, wrong},
    spec::{duration, micros},
};
use crate::model::{
    DnsProbe, ExecProbe, FileProbe, GrpcProbe, Header, HttpProbe, HttpsProbe, Method, Pattern,
    ProbeKind, TcpProbe, TlsProbe, TlsSettings,
};

#[derive(Clone, Serialize, Deserialize)]
pub(super) enum KindRow {
    Tcp { port: u16 },
    Http(HttpRow),
    Https(HttpRow, TlsRow),
    Tls { port: u16, tls: TlsRow },
    Grpc { port: u16, service: String, host: String, tls: Option<TlsRow> },
    Dns(DnsRow),
    Exec { command: PathBuf, arguments: Vec<String>, host: String },
    File { path: String, content: String, age_max: Option<u64> },
}

/// Numbers for the type and the RCODE.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct DnsRow {
    port: u16,
    tcp: bool,
    name: String,
    record_type: u16,
    rcode: u16,
    data: Option<String>,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) struct HttpRow {
    port: u16,
    method: String,
    http2: bool,
    path: String,
    host: String,
    /// Names and values.
    headers: Vec<(String, String)>,
    status: Vec<u16>,
    body: Option<String>,
    pattern: Option<String>,
}

/// Durations are in microseconds.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct TlsRow {
    server_name: String,
    ca: Option<PathBuf>,
    validity_min: u64,
    validity_warn: u64,
}

impl KindRow {
    pub(super) fn of(kind: ProbeKind) -> Self {
        match kind {
            ProbeKind::Tcp(TcpProbe { port }) => Self::Tcp { port },
            ProbeKind::Http(http) => Self::Http(HttpRow::of(http)),
            ProbeKind::Https(HttpsProbe { http, tls }) => {
                Self::Https(HttpRow::of(http), TlsRow::of(tls))
            }
            ProbeKind::Tls(TlsProbe { port, tls }) => Self::Tls { port, tls: TlsRow::of(tls) },
            ProbeKind::Grpc(GrpcProbe { port, service, host, tls }) => {
                Self::Grpc { port, service, host, tls: tls.map(TlsRow::of) }
            }
            ProbeKind::Dns(dns) => Self::Dns(DnsRow::of(dns)),
            ProbeKind::Exec(ExecProbe { command, arguments, host }) => {
                Self::Exec { command, arguments, host }
            }
            ProbeKind::StatusFile(FileProbe { path, content, age_max }) => {
                Self::File { path, content, age_max: age_max.map(micros) }
            }
        }
    }

    pub(super) fn read(self) -> Result<ProbeKind, RowError> {
        match self {
            Self::Tcp { port } => Ok(ProbeKind::Tcp(TcpProbe { port: port_of(port)? })),
            Self::Http(http) => http.read().map(ProbeKind::Http),
            Self::Https(http, tls) => {
                Ok(ProbeKind::Https(HttpsProbe { http: http.read()?, tls: tls.read()? }))
            }
            Self::Tls { port, tls } => {
                Ok(ProbeKind::Tls(TlsProbe { port: port_of(port)?, tls: tls.read()? }))
            }
            Self::Grpc { port, service, host, tls } => {
                let (port, host) = (port_of(port)?, host_of(host)?);
                let tls = tls.map(TlsRow::read).transpose()?;
                Ok(ProbeKind::Grpc(GrpcProbe { port, service, host, tls }))
            }
            Self::Dns(dns) => dns.read().map(ProbeKind::Dns),
            Self::Exec { command, arguments, host } => {
                Ok(ProbeKind::Exec(ExecProbe { command, arguments, host }))
            }
            Self::File { path, content, age_max } => {
                let age_max = age_max.map(|count| duration("a file's age", count)).transpose()?;
                Ok(ProbeKind::StatusFile(FileProbe { path, content, age_max }))
            }
        }
    }
}

impl HttpRow {
    fn of(http: HttpProbe) -> Self {
        let HttpProbe { port, method, http2, path, host, headers, status, body, pattern } = http;
        let pair = |it: Header| (it.name().to_owned(), it.value().to_owned());
        let headers = headers.into_iter().map(pair).collect();
        let method = method.name().to_owned();
        let pattern = pattern.map(|pattern| pattern.as_str().to_owned());
        Self { port, method, http2, path, host, headers, status, body, pattern }
    }

    fn read(self) -> Result<HttpProbe, RowError> {
        let Self { port, method, http2, path, host, headers, status, body, pattern } = self;
        if !path.starts_with('/') || path.parse::<PathAndQuery>().is_err() {
            return Err(wrong("a probe's path", path));
        }
        let host = host_of(host)?;
        let method = Method::ALL.into_iter().find(|known| known.name() == method);
        let method = method.ok_or_else(|| wrong("a probe's method", "unknown"))?;
        let header = |(name, value): (String, String)| {
            Header::new(&name, &value).map_err(|why| wrong("a probe's headers", why))
        };
        let headers = headers.into_iter().map(header).collect::<Result<_, _>>()?;
        let pattern = pattern.map(|text| text.parse::<Pattern>()).transpose();
        let pattern = pattern.map_err(|why| wrong("a probe's pattern", why))?;
        let port = port_of(port)?;
        Ok(HttpProbe { port, method, http2, path, host, headers, status, body, pattern })
    }
}

impl DnsRow {
    fn of(dns: DnsProbe) -> Self {
        let DnsProbe { port, tcp, name, record_type, rcode, data } = dns;
        let (name, record_type, rcode) = (name.to_string(), record_type.into(), rcode.into());
        Self { port, tcp, name, record_type, rcode, data }
    }

    fn read(self) -> Result<DnsProbe, RowError> {
        let Self { port, tcp, name, record_type, rcode, data } = self;
        let (port, record_type, rcode) = (port_of(port)?, record_type.into(), rcode.into());
        let name = name.parse().map_err(|why| wrong("a probe's question", why))?;
        Ok(DnsProbe { port, tcp, name, record_type, rcode, data })
    }
}

impl TlsRow {
    fn of(tls: TlsSettings) -> Self {
        let TlsSettings { server_name, ca, validity_min, validity_warn } = tls;
        let [validity_min, validity_warn] = [validity_min, validity_warn].map(micros);
        Self { server_name: server_name.to_string(), ca, validity_min, validity_warn }
    }

    fn read(self) -> Result<TlsSettings, RowError> {
        let Self { server_name, ca, validity_min, validity_warn } = self;
        let server_name =
            server_name.parse().map_err(|why| wrong("the name of a certificate", why))?;
        let [validity_min, validity_warn] =
            [validity_min, validity_warn].map(Duration::from_micros);
        if validity_min.max(validity_warn) > TlsSettings::VALIDITY_MAX {
            return Err(wrong("for how long a certificate is good", "it is too long"));
        }
        Ok(TlsSettings { server_name, ca, validity_min, validity_warn })
    }
}

fn host_of(host: String) -> Result<String, RowError> {
    if host.parse::<Authority>().is_ok() { Ok(host) } else { Err(wrong("a probe's host", host)) }
}

fn port_of(port: u16) -> Result<u16, RowError> {
    if port > 0 { Ok(port) } else { Err(wrong("a probe's port", port)) }
}
