//! What a service answers: the addresses of its pools, by family, and what else it has been given to
//! say, all from the same shares.

use std::{collections::BTreeMap, hash::Hasher, net::IpAddr};

use hickory_proto::rr::RecordType;
use siphasher::sip::SipHasher13;

use super::{
    NamedRecords, Tally, balance, bindings,
    packed::{Audience, Body, Parts},
    selection::Weighted,
    split::{Part, Shares},
};
use crate::model::{ClientNetwork, DnsName, Family, Kinds, PoolName, Prefix, Spread, Timing};

/// What one name of a service answers, ready to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceRecords {
    /// One packed rrset for each type that is there or lost.
    pub(super) packed: Box<[u8]>,
}

impl ServiceRecords {
    /// The addresses of the service at `owner`, or the name that it is an alias for.
    pub fn new(owner: &DnsName, split: &Shares<'_>) -> Self {
        Self { packed: addresses(owner, split).into() }
    }

    /// All that the service at `owner` answers, name by name, but for the names of its endpoints and
    /// pools. `together` says what answers count for that name several pools.
    pub fn all(
        owner: &DnsName,
        kinds: &Kinds,
        split: &Shares<'_>,
        together: impl Fn(&[&PoolName]) -> Option<Tally>,
    ) -> NamedRecords {
        let mut own = addresses(owner, split);
        // Beside an alias there is nothing else (RFC 2181 §10.1).
        if !split.is_by_name() {
            if let Some(https) = &kinds.https {
                bindings::pack_https(owner, https, split, &mut own);
            }
            bindings::pack_texts(owner, &kinds.txt, split, &mut own);
        }
        let mut names = BTreeMap::from([(owner.clone(), own)]);
        let below = |prefix: &Prefix| DnsName::within(prefix.as_str(), owner).ok();
        let mut by_prefix: BTreeMap<&Prefix, Vec<_>> = BTreeMap::new();
        for (prefix, binding) in &kinds.svcb {
            by_prefix.entry(prefix).or_default().push(binding);
        }
        for (prefix, of_prefix) in by_prefix {
            let Some(name) = below(prefix) else { continue };
            bindings::pack_svcb(
                (owner, &name),
                &of_prefix,
                split,
                names.entry(name.clone()).or_default(),
            );
        }
        for setting in &kinds.srv {
            let Some(name) = below(&setting.prefix) else { continue };
            let place = names.entry(name.clone()).or_default();
            balance::pack((owner, &name), setting, split, &together, place);
        }
        names.into_iter().map(|(name, packed)| (name, Self { packed: packed.into() })).collect()
    }

    /// One record of type TXT with these strings, which are short.
    pub fn text(owner: &DnsName, ttl: u32, strings: &[String]) -> Self {
        Self { packed: bindings::packed_text(owner, ttl, strings).into() }
    }
}

fn addresses(owner: &DnsName, split: &Shares<'_>) -> Vec<u8> {
    let (salt, mut packed) = (salt_of_service(owner), Vec::new());
    if split.is_by_name() {
        bindings::pack_cname(owner, split, &mut packed);
        return packed;
    }
    for family in Family::ALL {
        let rrset = |part: &Part<'_>| rrset(part, family, salt);
        split.pack_into(kind_of(family), salt, rrset, &mut packed);
    }
    packed
}

/// The addresses that a pool has of a family, with their weights.
pub(super) fn of_family(part: &Part<'_>, family: Family) -> Vec<(u32, Vec<u8>)> {
    let of_family =
        part.endpoints.iter().filter(|endpoint| Family::of(endpoint.address()) == family);
    of_family.map(|endpoint| (endpoint.weight().get(), octets(endpoint.address()))).collect()
}

/// What a pool has of a family.
fn rrset(part: &Part<'_>, family: Family, salt: u64) -> Parts {
    let of_family = of_family(part, family);
    let (body, count) = match Weighted::pack(salt, &of_family) {
        Some((weighted, picked)) => (Body::Weighted(weighted), picked),
        None => {
            let octets = of_family.iter().flat_map(|(_, octets)| octets).copied();
            (Body::Addresses(octets.collect()), of_family.len())
        }
    };
    let is_lost = part.lost.contains(&family);
    Parts {
        kind: kind_of(family),
        ttl: part.ttl.secs(),
        count,
        body,
        is_lost,
        spread: Spread::Sticky,
        tally: part.tally,
        audience: Audience::Everyone,
        timing: timing(part, count, is_lost),
    }
}

/// Also what is not there may come to be at an instant; what has not come needs no jitter.
pub(super) fn timing(part: &Part<'_>, count: usize, is_lost: bool) -> Timing {
    match part.timing {
        _ if is_lost => Timing::Lasting,
        Timing::Since(_) if count == 0 => Timing::Lasting,
        timing => timing,
    }
}

pub(super) fn kind_of(family: Family) -> RecordType {
    match family {
        Family::V4 => RecordType::A,
        Family::V6 => RecordType::AAAA,
    }
}

pub(super) fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().into(),
        IpAddr::V6(v6) => v6.octets().into(),
    }
}

pub(super) fn salt_of_service(owner: &DnsName) -> u64 {
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

/// A fraction of 2^64 for each salt, all of one number of chance.
pub(super) fn random_fraction(salt: u64, chance: u64) -> u64 {
    SipHasher13::new_with_keys(salt, chance).finish()
}

#[cfg(test)]
mod tests {
    use super::{super::Tally, *};
    use crate::model::{Endpoint, PoolName, Ttl, Weight};

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
        assert_eq!(salt_of_service(&owner), 0x282a_838d_4939_784f);
    }

    /// Whoever has one pool does not pay for those who have more.
    #[test]
    fn one_pool_is_its_addresses_and_nothing_else() {
        let address = |text: &str| {
            let address = text.parse().expect("an address");
            Endpoint::new(address, Weight::ONE).expect("one host")
        };
        let (owner, pool) = ("api.svc.example.test".parse(), "v1".parse());
        let (owner, pool): (DnsName, PoolName) = (owner.expect("a name"), pool.expect("a name"));
        let endpoints = [address("192.0.2.1"), address("2001:db8::1"), address("192.0.2.2")];
        let tally = Some(Tally(0x0102_0304));
        let part = Part { tally, ..Part::new(&pool, Ttl::from_secs_const(60), &endpoints) };
        let records = ServiceRecords::new(&owner, &Shares::new(&[part]));
        let a = b"\x01\0\x02\0\x3c\0\0\0\x04\x03\x02\x01\x08\0\0\x84\xc0\0\x02\x01\xc0\0\x02\x02";
        let aaaa = b"\x1c\0\x01\0\x3c\0\0\0\x04\x03\x02\x01\x10\0\0\x84\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01";
        assert_eq!(*records.packed, [&a[..], aaaa].concat());
    }
}
