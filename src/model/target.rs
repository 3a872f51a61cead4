//! A pool that points to a name: its endpoints are whatever addresses that name has.

use std::{fmt, num::NonZeroU16};

use super::DnsName;

/// Where a pool points to, as the file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// How clients are led there.
    pub kind: TargetKind,
    /// The name, which is in none of our zones.
    pub name: DnsName,
    /// The port that records with ports have of it.
    pub port: Option<NonZeroU16>,
}

/// How clients are led to a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TargetKind {
    /// By its addresses, which are looked up for them.
    Alias,
    /// By its name: they look up its addresses themselves.
    Cname,
}

impl TargetKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Alias, Self::Cname];

    /// The key in the release file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alias => "alias",
            Self::Cname => "cname",
        }
    }
}

/// `alias lb.example.net port 8443`.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.name(), self.name)?;
        self.port.map_or(Ok(()), |port| write!(f, " port {port}"))
    }
}
