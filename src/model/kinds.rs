//! What a service answers beside its addresses: service bindings, texts, records for load balancers,
//! and the names of its pools.

use std::{collections::BTreeMap, fmt, net::IpAddr, num::NonZeroU16, str::FromStr, sync::Arc};

use super::{DnsName, NameError, PoolName};

/// What a service answers beside A and AAAA.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Kinds {
    /// At its own name, of type HTTPS.
    pub https: Option<Binding>,
    /// Below it, of type SVCB; several with one prefix are one set of records.
    pub svcb: Vec<(Prefix, Binding)>,
    /// At its own name, of type TXT, whichever pool answers.
    pub txt: Vec<TextRecord>,
    /// Below it, of type SRV; no prefix twice.
    pub srv: Vec<SrvSetting>,
    /// The names at which its pools are reachable by themselves; none if they are not to be.
    pub previews: BTreeMap<PoolName, DnsName>,
}

impl Kinds {
    /// The names that a service at `owner` has beside its own, but for those of its endpoints.
    pub fn names(&self, owner: &DnsName) -> impl Iterator<Item = DnsName> {
        let svcb = self.svcb.iter().map(|(prefix, _)| prefix);
        let prefixes = svcb.chain(self.srv.iter().map(|setting| &setting.prefix));
        let below = prefixes.filter_map(|prefix| DnsName::within(prefix.as_str(), owner).ok());
        below.chain(self.previews.values().cloned())
    }
}

/// How a service is spoken to (RFC 9460).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The least is tried first.
    pub priority: NonZeroU16,
    /// The protocols that it speaks; none are those that are usual.
    pub alpn: Vec<AlpnId>,
    /// Where it listens, if that is not the usual port.
    pub port: Option<NonZeroU16>,
    /// Whether the addresses of the client's pool stand in it.
    pub hints: bool,
    /// The path of DNS over HTTPS (RFC 9461).
    pub doh_path: Option<DohPath>,
}

impl Default for Binding {
    fn default() -> Self {
        let (priority, alpn) = (NonZeroU16::MIN, Vec::new());
        Self { priority, alpn, port: None, hints: true, doh_path: None }
    }
}

/// `1 alpn=h2,h3 port=8443 hints`.
impl fmt::Display for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.priority)?;
        if !self.alpn.is_empty() {
            let alpn: Vec<&str> = self.alpn.iter().map(AlpnId::as_str).collect();
            write!(f, " alpn={}", alpn.join(","))?;
        }
        if let Some(port) = self.port {
            write!(f, " port={port}")?;
        }
        if let Some(path) = &self.doh_path {
            write!(f, " doh_path={}", path.as_str())?;
        }
        f.write_str(if self.hints { " hints" } else { "" })
    }
}

/// Where load balancers learn the endpoints of a service, with port and weight (RFC 2782).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SrvSetting {
    /// Where below the service.
    pub prefix: Prefix,
    /// Of all its records.
    pub priority: u16,
    /// Which pools are in it.
    pub answers: SrvAnswers,
}

impl fmt::Display for SrvSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { prefix, priority, answers } = self;
        write!(f, "{} {} priority {priority}", prefix.as_str(), answers.name())
    }
}

/// Which pools an answer of type SRV names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SrvAnswers {
    /// All that answer, each with its share of the weight: a load balancer holds them all at once.
    #[default]
    All,
    /// The client's own.
    One,
}

impl SrvAnswers {
    /// Both.
    pub const ALL: [Self; 2] = [Self::All, Self::One];

    /// The value in the release file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::One => "one",
        }
    }
}

/// Why something that is sent in a record of a service was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KindError {
    /// An ALPN ID of another form.
    #[error("a protocol has 1 to 32 visible ASCII characters, without a comma or a backslash")]
    Alpn,
    /// A path of another form.
    #[error("a path of DNS over HTTPS begins with / and has {{?dns}} in it (RFC 9461 §5)")]
    DohPath,
    /// A text that does not fit.
    #[error("a text has 1 to {} octets", TextRecord::LEN_MAX)]
    Text,
}

/// A protocol, as TLS names it (RFC 7301): `h2`, `dot`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlpnId(Arc<str>);

/// A URI template of DNS over HTTPS, without the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DohPath(Arc<str>);

/// The text of one TXT record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextRecord(Arc<str>);

/// Labels below a service that begin with an underscore (RFC 8552): `_http._tcp`; lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prefix(Arc<str>);

impl AlpnId {
    const LEN_MAX: usize = 32;

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AlpnId {
    type Err = KindError;

    fn from_str(text: &str) -> Result<Self, KindError> {
        let is_sendable = |c: char| c.is_ascii_graphic() && !matches!(c, ',' | '\\' | '"');
        let is_good = (1..=Self::LEN_MAX).contains(&text.len()) && text.chars().all(is_sendable);
        if is_good { Ok(Self(text.into())) } else { Err(KindError::Alpn) }
    }
}

impl DohPath {
    const LEN_MAX: usize = 200;

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DohPath {
    type Err = KindError;

    fn from_str(text: &str) -> Result<Self, KindError> {
        let is_graphic = text.len() <= Self::LEN_MAX && text.chars().all(|c| c.is_ascii_graphic());
        let is_good = is_graphic && text.starts_with('/') && text.contains("{?dns}");
        if is_good { Ok(Self(text.into())) } else { Err(KindError::DohPath) }
    }
}

impl TextRecord {
    /// The longest, in octets.
    pub const LEN_MAX: usize = 1_024;

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TextRecord {
    type Err = KindError;

    fn from_str(text: &str) -> Result<Self, KindError> {
        let is_good = (1..=Self::LEN_MAX).contains(&text.len());
        if is_good { Ok(Self(text.into())) } else { Err(KindError::Text) }
    }
}

impl Prefix {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Prefix {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        // An A-label has no underscore in front, whatever it is made of.
        let ascii = DnsName::to_ascii(text)?.to_ascii_lowercase();
        // The limits of names are those of any.
        ascii.parse::<DnsName>()?;
        for form in [text, &ascii] {
            if form.ends_with('.') || form.split('.').any(|label| !label.starts_with('_')) {
                return Err(NameError::Prefix);
            }
        }
        Ok(Self(ascii.into()))
    }
}

/// The first label of the name of an endpoint, which records of type SRV name: `192-0-2-10`,
/// `2001-db8-0-0-0-0-0-10`. Never with two dashes in a row, which are not for us to give
/// (RFC 5891 §4.2.3.1).
pub fn endpoint_label(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => v4.octets().map(|octet| octet.to_string()).join("-"),
        IpAddr::V6(v6) => v6.segments().map(|segment| format!("{segment:x}")).join("-"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_endpoints_are_host_names() {
        let label = |text: &str| endpoint_label(text.parse().expect("an address"));
        assert_eq!(label("192.0.2.10"), "192-0-2-10");
        assert_eq!(label("2001:db8::10"), "2001-db8-0-0-0-0-0-10");
        assert_eq!(label("::1"), "0-0-0-0-0-0-0-1");
    }

    #[test]
    fn prefixes_are_labels_with_underscores() {
        assert_eq!("_HTTP._tcp".parse::<Prefix>().expect("good").as_str(), "_http._tcp");
        for wrong in ["http", "_http.tcp", "_http._tcp.", "", "_a..b", "*", "_ü", "_Ü", "_a._ü"]
        {
            assert!(wrong.parse::<Prefix>().is_err(), "{wrong}");
        }
    }
}
