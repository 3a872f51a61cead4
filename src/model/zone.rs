//! The zone around the services: its apex, its name servers, its static records.

use hickory_proto::rr::RData;

use super::{DnsName, Ttl};

/// How long a resolver may remember that something does not exist (RFC 2308 §5).
///
/// Short, because the next release may be the one that makes it exist.
pub const NEGATIVE_TTL: Ttl = Ttl::from_secs_const(30);

/// A zone without its services.
#[derive(Clone, Debug, PartialEq)]
pub struct ZoneSpec {
    /// The name at which the zone begins.
    pub apex: DnsName,
    /// Its name servers: none only while its zone file is still to say which. The first is the primary
    /// of the SOA record, unless [`Start::primary`] is another one.
    pub nameservers: Vec<DnsName>,
    /// The mailbox of the SOA record, as a name (RFC 1035 §8).
    pub hostmaster: DnsName,
    /// What else the SOA record says.
    pub start: Start,
    /// Records that no release changes.
    pub records: Vec<StaticRecord>,
}

/// What the SOA record says beside the mailbox and the serial, and the TTL of the name servers.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// The primary name server, if it is not the first one.
    pub primary: Option<DnsName>,
    /// The TTL of the record.
    pub ttl: Ttl,
    /// The TTL of the zone's name servers.
    pub nameservers_ttl: Ttl,
    /// For secondaries.
    pub refresh_secs: i32,
    /// For secondaries.
    pub retry_secs: i32,
    /// For secondaries.
    pub expire_secs: i32,
    /// How long what does not exist may be remembered (RFC 2308 §4).
    pub minimum: Ttl,
}

/// No secondary of ours uses the timers (RIPE-203), but tools look at them.
impl Default for Start {
    fn default() -> Self {
        Self {
            primary: None,
            ttl: Ttl::from_secs_const(3_600),
            nameservers_ttl: Ttl::from_secs_const(3_600),
            refresh_secs: 3_600,
            retry_secs: 600,
            expire_secs: 604_800,
            minimum: NEGATIVE_TTL,
        }
    }
}

/// The zones of one daemon: at least one. By the first one it is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Zones(Vec<ZoneSpec>);

impl Zones {
    /// Several zones; nothing if there are none, or if two have the same apex.
    pub fn new(zones: Vec<ZoneSpec>) -> Option<Self> {
        let mut apexes: Vec<&DnsName> = zones.iter().map(|zone| &zone.apex).collect();
        apexes.sort_unstable();
        let is_good = !apexes.is_empty() && apexes.windows(2).all(|pair| pair[0] != pair[1]);
        is_good.then_some(Self(zones))
    }

    /// The first one.
    pub fn first(&self) -> &ZoneSpec {
        &self.0[0]
    }

    /// All of them.
    pub fn all(&self) -> &[ZoneSpec] {
        &self.0
    }

    /// The one that begins at a name.
    pub fn at(&self, apex: &DnsName) -> Option<&ZoneSpec> {
        self.0.iter().find(|zone| zone.apex == *apex)
    }

    /// The nearest one that a name is in.
    pub fn of(&self, name: &DnsName) -> Option<&ZoneSpec> {
        let covering = self.0.iter().filter(|zone| name.is_within(&zone.apex));
        covering.max_by_key(|zone| zone.apex.wire().len())
    }
}

impl From<ZoneSpec> for Zones {
    fn from(zone: ZoneSpec) -> Self {
        Self(vec![zone])
    }
}

/// A record that no release changes.
#[derive(Clone, Debug, PartialEq)]
pub struct StaticRecord {
    /// Its owner, at or below the apex.
    pub owner: DnsName,
    /// Its TTL.
    pub ttl: Ttl,
    /// Its type and data.
    pub data: RData,
}
