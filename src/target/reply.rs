//! What a resolver's replies say of a name: its addresses, at the end of its aliases.

use std::{collections::BTreeSet, net::IpAddr};

use hickory_proto::{
    op::{Message, ResponseCode},
    rr::{DNSClass, RData, Record, RecordType},
};

use super::{ALIASES_MAX, Trouble};
use crate::{
    model::{DnsName, ENDPOINTS_MAX, Endpoint, Family, Resolution, Ttl, Weight},
    table::{from_hickory, to_hickory},
};

/// What the replies to the questions for A and for AAAA records of a name say together. None of its
/// aliases, nor the name, may be in our `own` zones. One reply that says nothing fails both: half of the
/// addresses would take clients of the other family away.
pub fn read(
    name: &DnsName,
    own: &[DnsName],
    replies: [&Message; 2],
) -> Result<Resolution, Trouble> {
    let [v4, v6] = Family::ALL;
    let part_of = |family, reply| Part::read(name, own, family, reply);
    let parts = match (part_of(v4, replies[0]), part_of(v6, replies[1])) {
        (Ok(v4), Ok(v6)) => [v4, v6],
        (Err(trouble), Ok(_)) | (Ok(_), Err(trouble)) => return Err(trouble),
        (Err(of_v4), Err(of_v6)) => return Err(of_two(of_v4, of_v6)),
    };
    let ttl = parts.iter().filter_map(Part::ttl).min();
    let [Part { end, addresses, .. }, v6] = parts;
    let addresses: BTreeSet<IpAddr> = addresses.into_iter().chain(v6.addresses).collect();
    match ttl {
        _ if addresses.len() > ENDPOINTS_MAX => Err(Trouble::TooMany(addresses.len())),
        // What came with none is kept by nobody: zero is sent for what changes with each question.
        Some(ttl) => Ok(Resolution { addresses, ttl: Ttl::of_record(ttl.max(1)) }),
        None => Err(Trouble::NoAddress((end != *name).then_some(end))),
    }
}

/// Refuses a name within one of our `own` zones.
pub fn refuse_own(name: &DnsName, own: &[DnsName]) -> Result<(), Trouble> {
    match own.iter().any(|apex| name.is_within(apex)) {
        true => Err(Trouble::Loop(name.clone())),
        false => Ok(()),
    }
}

/// What to say when both replies are of no use: what another resolver may know better goes first.
fn of_two(of_v4: Trouble, of_v6: Trouble) -> Trouble {
    let both = of_v4.clone().of_both();
    if both == of_v6.clone().of_both() {
        both
    } else if of_v4.is_definite() && !of_v6.is_definite() {
        of_v6
    } else {
        of_v4
    }
}

/// What one reply says.
struct Part {
    /// Where the aliases end.
    end: DnsName,
    addresses: BTreeSet<IpAddr>,
    /// The least of all records that were used.
    ttl_secs: u32,
}

impl Part {
    fn read(
        name: &DnsName,
        own: &[DnsName],
        family: Family,
        reply: &Message,
    ) -> Result<Self, Trouble> {
        // A resolver that runs into a loop fails, and may show how far it has come.
        let (end, mut ttl_secs) = follow(name, own, &reply.answers)?;
        let asked = Some(family);
        match reply.metadata.response_code {
            ResponseCode::NoError => {}
            ResponseCode::NXDomain => {
                let end = (end != *name).then_some(end);
                return Err(Trouble::NoSuchName { end, family: asked });
            }
            code => return Err(Trouble::Code { code, family: asked }),
        }
        let mut addresses = BTreeSet::new();
        for record in of(&reply.answers, &end) {
            let address = match &record.data {
                RData::A(a) if family == Family::V4 => IpAddr::from(a.0),
                RData::AAAA(aaaa) if family == Family::V6 => IpAddr::from(aaaa.0),
                _ => continue,
            };
            let endpoint = Endpoint::new(address, Weight::ONE).map_err(Trouble::Unusable)?;
            addresses.insert(endpoint.address());
            ttl_secs = ttl_secs.min(ttl_of(record));
        }
        if addresses.is_empty() && !is_whole(reply) {
            return Err(Trouble::Unfinished(asked));
        }
        Ok(Self { end, addresses, ttl_secs })
    }

    /// Of the addresses, if there are any.
    fn ttl(&self) -> Option<u32> {
        (!self.addresses.is_empty()).then_some(self.ttl_secs)
    }
}

/// Where the aliases of a name end, and the least of their TTLs. A DNAME record needs no care: the alias
/// that it makes of the name comes with it (RFC 6672 §3.1).
fn follow(name: &DnsName, own: &[DnsName], answers: &[Record]) -> Result<(DnsName, u32), Trouble> {
    let (mut here, mut ttl_secs) = (name.clone(), u32::MAX);
    let mut seen = BTreeSet::new();
    loop {
        refuse_own(&here, own)?;
        if !seen.insert(here.clone()) {
            return Err(Trouble::Circle(here));
        }
        let alias = of(answers, &here).find_map(|record| match &record.data {
            RData::CNAME(cname) => Some((from_hickory(&cname.0), ttl_of(record))),
            _ => None,
        });
        let Some((next, ttl)) = alias else { return Ok((here, ttl_secs)) };
        if seen.len() > ALIASES_MAX {
            return Err(Trouble::TooLong);
        }
        (here, ttl_secs) = (next, ttl_secs.min(ttl));
    }
}

/// The records of a name; case does not count.
fn of<'r>(answers: &'r [Record], name: &DnsName) -> impl Iterator<Item = &'r Record> {
    let name = to_hickory(name);
    answers.iter().filter(move |record| record.dns_class == DNSClass::IN && record.name == name)
}

/// One with the highest bit set is none (RFC 2181 §8).
fn ttl_of(record: &Record) -> u32 {
    if record.ttl > i32::MAX as u32 { 0 } else { record.ttl }
}

/// Whether a reply without addresses means that there are none (RFC 2308 §2.2): the zone says so, or who
/// looks names up for others. A name server without recursion ends where its zones do, and may name
/// others that know.
fn is_whole(reply: &Message) -> bool {
    let has = |kind| reply.authorities.iter().any(|record| record.record_type() == kind);
    has(RecordType::SOA) || (reply.metadata.recursion_available && !has(RecordType::NS))
}
