//! What a service answers: the addresses of one pool, by family.

use std::{
    hash::Hasher,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use hickory_proto::rr::{RData, RecordType};
use siphasher::sip::SipHasher13;

use super::{Rrset, selection::Weighted};
use crate::model::{DnsName, Endpoint, Family, Ttl};

/// The answers of one service, ready to be given.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceRecords {
    ttl: Ttl,
    /// Keeps the picks of one service unrelated to those of another.
    salt: u64,
    lost_v4: bool,
    lost_v6: bool,
    v4: Weighted<Ipv4Addr, 4>,
    v6: Weighted<Ipv6Addr, 1>,
}

/// What one client is given.
pub(super) enum Choice {
    Rrset(Rrset),
    NoData,
    Unavailable,
}

impl ServiceRecords {
    /// The answers of the service at `owner` with these endpoints. What is asked of a family that
    /// is `lost` is answered with SERVFAIL; one that is merely absent has no data.
    pub fn new(owner: &DnsName, ttl: Ttl, endpoints: &[Endpoint], lost: &[Family]) -> Self {
        let v4 = endpoints.iter().filter_map(|endpoint| match endpoint.address() {
            IpAddr::V4(address) => Some((address, endpoint.weight().get())),
            IpAddr::V6(_) => None,
        });
        let v6 = endpoints.iter().filter_map(|endpoint| match endpoint.address() {
            IpAddr::V6(address) => Some((address, endpoint.weight().get())),
            IpAddr::V4(_) => None,
        });
        let mut salt = SipHasher13::new_with_keys(0, 0);
        salt.write(owner.wire());
        Self {
            ttl,
            salt: salt.finish(),
            lost_v4: lost.contains(&Family::V4),
            lost_v6: lost.contains(&Family::V6),
            v4: Weighted::new(v4),
            v6: Weighted::new(v6),
        }
    }

    pub(super) fn choose(&self, kind: RecordType, client: IpAddr) -> Choice {
        let u = || client_fraction(self.salt, client);
        let data: Vec<RData> = match kind {
            RecordType::A if self.lost_v4 => return Choice::Unavailable,
            RecordType::AAAA if self.lost_v6 => return Choice::Unavailable,
            RecordType::A => self.v4.choose(u).map(|address| RData::A(address.into())).collect(),
            RecordType::AAAA => {
                self.v6.choose(u).map(|address| RData::AAAA(address.into())).collect()
            }
            _ => return Choice::NoData,
        };
        match data.is_empty() {
            true => Choice::NoData,
            false => Choice::Rrset(Rrset { kind, ttl: self.ttl.secs(), data }),
        }
    }
}

/// Where a client stands among all clients of a service, as a fraction of 2^64: the same at each
/// question, on each name server and after each restart.
///
/// A client is its network, /24 or /48, because resolvers ask from changing addresses of one.
fn client_fraction(salt: u64, client: IpAddr) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(salt, 0);
    match client.to_canonical() {
        IpAddr::V4(address) => hasher.write(&address.octets()[..3]),
        IpAddr::V6(address) => hasher.write(&address.octets()[..6]),
    }
    hasher.finish()
}
