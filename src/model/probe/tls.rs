//! Whom a probe over TLS takes for the endpoint.

use std::{fmt, net::IpAddr, path::PathBuf, str::FromStr, time::Duration};

use humantime::format_duration;

use super::super::{DnsName, NameError};

/// What a certificate must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// The name that is asked for and that it must be for.
    pub server_name: ServerName,
    /// A file with the certificates that sign it, in place of those that the system trusts.
    pub ca: Option<PathBuf>,
    /// It fails when it is good for less than this, zero: until it is not good any more.
    pub validity_min: Duration,
    /// It passes with a warning when it is good for less than this.
    pub validity_warn: Duration,
}

impl TlsSettings {
    /// The longest of these times: a year of the calendar, on the mean.
    pub const VALIDITY_MAX: Duration = Duration::from_secs(31_557_600);
    /// The default of the time for which it must be good.
    pub const VALIDITY_MIN: Duration = Duration::ZERO;
    /// The default of the time for which it should be good: certificates that are renewed by
    /// themselves mostly are with a third of their time left.
    pub const VALIDITY_WARN: Duration = Duration::from_secs(14 * 86_400);
}

impl fmt::Display for TlsSettings {
    /// Behind what else is said of a probe.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, " of {}", self.server_name)?;
        if let Some(ca) = &self.ca {
            write!(f, " signed by {}", ca.display())?;
        }
        if !self.validity_min.is_zero() {
            write!(f, " good for {}", format_duration(self.validity_min))?;
        }
        Ok(())
    }
}

/// What a certificate is for: a name (sent as SNI, RFC 6066 §3), or an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerName {
    /// Without a dot at its end.
    Name(String),
    #[allow(missing_docs)]
    Address(IpAddr),
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

impl FromStr for ServerName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        let name: DnsName = text.parse()?;
        Ok(Self::Name(name.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_or_an_address() {
        let read = |text: &str| text.parse::<ServerName>().map(|name| name.to_string());
        assert_eq!(read("api.example.test."), Ok("api.example.test".to_owned()));
        assert_eq!(read("2001:DB8::1"), Ok("2001:db8::1".to_owned()));
        assert!(read("a b").is_err());
        assert!(read("").is_err());
    }
}
