//! What a name server of the parent says to a question for the NS records of our zone.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use hickory_proto::{
    op::ResponseCode,
    rr::{Name, RecordType},
};

use super::{Answer, Reply, addresses, alias, has, nameservers};

/// What it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Says {
    /// That others are to be asked: it delegates.
    Refers(Referral),
    /// That there is no such name.
    NoSuchName,
    /// That there is nothing of that type.
    NoData,
    /// That the name is an alias for another.
    Alias(Name),
    /// What the zone itself would say: it has a zone of this name.
    HasZone,
    /// What it has heard from others.
    FromCache,
    /// That those of another zone are to be asked.
    Elsewhere(Name),
    /// Nothing but a response code.
    Code(ResponseCode),
    /// Nothing.
    Silent(String),
}

/// A delegation as a name server of the parent gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referral {
    /// To whom.
    pub nameservers: BTreeSet<Name>,
    /// For how many seconds resolvers may keep it.
    pub ttl: u32,
    /// Their addresses, as far as it tells them.
    pub glue: BTreeMap<Name, BTreeSet<IpAddr>>,
    /// How long the reply is.
    pub octets: usize,
    /// Whether a datagram was too small for it.
    pub truncated: bool,
}

impl Says {
    /// Reads the answer of a name server of the parent zone.
    pub fn read(apex: &Name, answer: &Answer) -> Self {
        let reply = match answer {
            Ok(reply) => reply,
            Err(silence) => return Self::Silent(silence.to_string()),
        };
        let message = &reply.message;
        let is_authoritative = message.metadata.authoritative;
        if let Some(target) = alias(&message.answers, apex) {
            return Self::Alias(target);
        }
        match message.metadata.response_code {
            ResponseCode::NoError => {}
            ResponseCode::NXDomain => return Self::NoSuchName,
            code => return Self::Code(code),
        }
        if has(&message.answers, apex, RecordType::NS) {
            return if is_authoritative { Self::HasZone } else { Self::FromCache };
        }
        if has(&message.authorities, apex, RecordType::NS) {
            return Self::Refers(referral(apex, reply));
        }
        if has(&message.authorities, apex, RecordType::SOA) && is_authoritative {
            return Self::HasZone;
        }
        let other = message.authorities.iter().find(|it| it.record_type() == RecordType::NS);
        match other {
            Some(ns) if !is_authoritative => Self::Elsewhere(ns.name.clone()),
            _ => Self::NoData,
        }
    }
}

fn referral(apex: &Name, Reply { message, octets, truncated }: &Reply) -> Referral {
    let nameservers = nameservers(&message.authorities, apex);
    let ns = message.authorities.iter().filter(|it| it.record_type() == RecordType::NS);
    let ttl = ns.map(|record| record.ttl).min().unwrap_or_default();
    let glue = |name: &Name| (name.clone(), addresses(&message.additionals, name));
    let glue = nameservers.iter().map(glue).filter(|(_, glue)| !glue.is_empty()).collect();
    Referral { nameservers, ttl, glue, octets: *octets, truncated: *truncated }
}
