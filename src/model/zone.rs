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
    /// Its name servers, at least one; the first is the primary of the SOA record.
    pub nameservers: Vec<DnsName>,
    /// The mailbox of the SOA record, as a name (RFC 1035 §8).
    pub hostmaster: DnsName,
    /// Records that no release changes.
    pub records: Vec<StaticRecord>,
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
