//! What a service answers: the addresses of one pool, by family.

use std::{hash::Hasher, net::IpAddr};

use hickory_proto::rr::RecordType;
use siphasher::sip::SipHasher13;

use super::{
    packed::{Body, Parts, Tally},
    selection::Weighted,
};
use crate::model::{ClientNetwork, DnsName, Endpoint, Family, Ttl};

/// The answers of one service, ready to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceRecords {
    /// One packed rrset for each family that is there or lost.
    pub(super) packed: Box<[u8]>,
}

impl ServiceRecords {
    /// The answers of the service at `owner` with these endpoints. What is asked of a family that
    /// is `lost` is answered with SERVFAIL; one that is merely absent has no data. Answers count
    /// for `tally`.
    pub fn new(
        owner: &DnsName,
        ttl: Ttl,
        endpoints: &[Endpoint],
        lost: &[Family],
        tally: Option<Tally>,
    ) -> Self {
        let mut packed = Vec::new();
        for family in Family::ALL {
            let of_family: Vec<(u32, Vec<u8>)> = endpoints
                .iter()
                .filter(|endpoint| Family::of(endpoint.address()) == family)
                .map(|endpoint| (endpoint.weight().get(), octets(endpoint.address())))
                .collect();
            let is_lost = lost.contains(&family);
            if of_family.is_empty() && !is_lost {
                continue;
            }
            let (body, count) = match Weighted::pack(salt(owner), &of_family) {
                Some((weighted, picked)) => (Body::Weighted(weighted), picked),
                None => {
                    let octets = of_family.iter().flat_map(|(_, octets)| octets).copied();
                    (Body::Addresses(octets.collect()), of_family.len())
                }
            };
            let parts =
                Parts { kind: kind_of(family), ttl: ttl.secs(), count, body, is_lost, tally };
            parts.pack_into(&mut packed);
        }
        Self { packed: packed.into() }
    }
}

fn kind_of(family: Family) -> RecordType {
    match family {
        Family::V4 => RecordType::A,
        Family::V6 => RecordType::AAAA,
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().into(),
        IpAddr::V6(v6) => v6.octets().into(),
    }
}

fn salt(owner: &DnsName) -> u64 {
    SipHasher13::new_with_keys(0, 0).hash(owner.wire())
}

/// Where a client stands among all clients of a service, as a fraction of 2^64: the same at each
/// question, on each name server and after each restart.
#[inline]
pub(super) fn client_fraction(salt: u64, client: ClientNetwork) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(salt, 0);
    // In numbers of a known size, which the hash takes as the octets that they consist of: that
    // needs no search for the end of the octets.
    let (len, octets) = client.octets();
    if len == 3 {
        hasher.write_u16((octets as u16).to_le());
        hasher.write_u8((octets >> 16) as u8);
    } else {
        hasher.write_u32((octets as u32).to_le());
        hasher.write_u16(((octets >> 32) as u16).to_le());
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by another implementation, from the paper's definition. Changing them would move
    /// clients from one endpoint to another at the next upgrade.
    #[test]
    fn where_a_client_stands_never_changes() {
        let v4 = |salt, network| client_fraction(salt, ClientNetwork::v4(network));
        let v6 = |salt, network| client_fraction(salt, ClientNetwork::v6(network));
        assert_eq!(v4(0, [198, 51, 100]), 0xa4d9_de14_ef1a_4355);
        assert_eq!(v4(1, [0; 3]), 0x5322_b9fc_139d_3fd2);
        assert_eq!(v4(0x0123_4567_89ab_cdef, [203, 0, 113]), 0xe22a_2565_cf8e_ee67);
        let network = [0x20, 0x01, 0x0d, 0xb8, 0, 1];
        assert_eq!(v6(0x0123_4567_89ab_cdef, network), 0x3fb0_1bb9_b0da_bc87);
        assert_eq!(v6(u64::MAX, [255; 6]), 0x8231_e950_1541_72fe);
        let owner: DnsName = "api.svc.example.test".parse().expect("a name");
        assert_eq!(salt(&owner), 0x282a_838d_4939_784f);
    }
}
