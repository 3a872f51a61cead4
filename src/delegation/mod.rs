//! Floor 1: what is wrong with the delegation of our zone, from what others answer about it.
//!
//! [`Seen`] is what was asked and answered: by the name servers of the parent zone, and by those of our
//! zone. [`judge`] compares it with the settings, and says each thing that is wrong in a sentence, with
//! what to do. Who asks stands elsewhere, in `resolver` and `cli`. DNSSEC is left out, but for a DS record,
//! which must not be there.

mod finding;
mod names;
mod parent;
mod referral;
mod servers;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use hickory_proto::{
    op::Message,
    rr::{Name, RData, Record, RecordType},
};

pub use finding::{CODES, Finding, Level};
pub use referral::{Referral, Says};
pub use servers::serial;

use crate::{
    model::{DnsName, ZoneSpec},
    table::to_hickory,
};
use finding::Findings;

/// What came of one question.
pub type Answer = Result<Reply, Silence>;

/// A reply to a question.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The whole of it; by TCP, if it did not fit into a datagram.
    pub message: Message,
    /// How many octets came.
    pub octets: usize,
    /// Whether a datagram was too small for it.
    pub truncated: bool,
}

/// Why there is no reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Silence {
    /// None came.
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// The question could not be sent, or the connection broke.
    #[error("{0}")]
    Unreachable(String),
    /// What came is no DNS message, or none that belongs to the question.
    #[error("what it sends is no reply to the question: {0}")]
    Unreadable(String),
}

/// All that was answered.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// The parent zone, if that is known.
    pub parent: Option<Name>,
    /// Why there are no name servers of it to ask.
    pub trouble: Option<String>,
    /// What its name servers answered.
    pub parents: Vec<ParentSeen>,
    /// The addresses of name servers whose names are outside our zone.
    pub elsewhere: BTreeMap<Name, Lookup>,
    /// What the name servers of our zone answered, each at each of its addresses.
    pub servers: Vec<ServerSeen>,
}

/// What one name server of the parent zone answered.
#[derive(Clone, Debug)]
pub struct ParentSeen {
    /// Where it was asked.
    pub server: SocketAddr,
    /// For the NS records of our zone.
    pub referral: Answer,
    /// For the DS records of our zone.
    pub ds: Answer,
    /// For the address of a made-up name beside our zone.
    pub sibling: Answer,
}

/// What one name server of our zone answered.
#[derive(Clone, Debug)]
pub struct ServerSeen {
    /// Its name.
    pub name: Name,
    /// Where it was asked.
    pub server: SocketAddr,
    /// For the SOA record, by UDP.
    pub udp: Answer,
    /// For the same, by TCP.
    pub tcp: Answer,
    /// For the NS records.
    pub ns: Answer,
}

/// What a resolver says of a name.
#[derive(Clone, Debug, Default)]
pub struct Lookup {
    /// Its addresses.
    pub addresses: BTreeSet<IpAddr>,
    /// The name for which it is an alias.
    pub alias: Option<Name>,
    /// Why it could not be looked up.
    pub failure: Option<String>,
}

/// Says what is wrong: errors first.
pub fn judge(zone: &ZoneSpec, seen: &Seen) -> Vec<Finding> {
    let apex = to_hickory(&zone.apex);
    let mut findings = Findings::default();
    let referrals = parent::judge(zone, &apex, seen, &mut findings);
    names::judge(zone, &referrals, seen, &mut findings);
    servers::judge(zone, &apex, seen, &mut findings);
    findings.sorted()
}

/// The name servers that are to be asked, by the settings and by the parent, with the addresses that the
/// settings and glue have for them. Those without any are to be looked up.
pub fn to_ask(zone: &ZoneSpec, parents: &[ParentSeen]) -> BTreeMap<Name, BTreeSet<IpAddr>> {
    let apex = to_hickory(&zone.apex);
    let own = |name: &DnsName| {
        let name = to_hickory(name);
        let addresses = own_addresses(zone, &name);
        (name, addresses)
    };
    let mut servers: BTreeMap<Name, BTreeSet<IpAddr>> = zone.nameservers.iter().map(own).collect();
    for seen in parents {
        let Says::Refers(referral) = Says::read(&apex, &seen.referral) else { continue };
        for name in referral.nameservers {
            let glue = referral.glue.get(&name).cloned().unwrap_or_default();
            servers.entry(name).or_default().extend(glue);
        }
    }
    servers
}

/// The addresses that the settings give a name of our zone.
fn own_addresses(zone: &ZoneSpec, name: &Name) -> BTreeSet<IpAddr> {
    let records = zone.records.iter().filter(|record| to_hickory(&record.owner) == *name);
    records.filter_map(|record| address(&record.data)).collect()
}

fn address(data: &RData) -> Option<IpAddr> {
    match data {
        RData::A(a) => Some(a.0.into()),
        RData::AAAA(aaaa) => Some(aaaa.0.into()),
        _ => None,
    }
}

/// The addresses that records give a name.
pub fn addresses(records: &[Record], name: &Name) -> BTreeSet<IpAddr> {
    let of_it = records.iter().filter(|record| record.name == *name);
    of_it.filter_map(|record| address(&record.data)).collect()
}

/// The name servers that records give a name.
fn nameservers(records: &[Record], name: &Name) -> BTreeSet<Name> {
    let target = |record: &Record| match &record.data {
        RData::NS(ns) if record.name == *name => Some(ns.0.clone()),
        _ => None,
    };
    records.iter().filter_map(target).collect()
}

/// The name for which records make a name an alias.
pub fn alias(records: &[Record], name: &Name) -> Option<Name> {
    records.iter().find_map(|record| match &record.data {
        RData::CNAME(cname) if record.name == *name => Some(cname.0.clone()),
        _ => None,
    })
}

fn has(records: &[Record], name: &Name, kind: RecordType) -> bool {
    records.iter().any(|record| record.name == *name && record.record_type() == kind)
}

/// A name as people write it, without its last dot.
pub fn text(name: &Name) -> String {
    let text = name.to_lowercase().to_string();
    match text.strip_suffix('.') {
        Some(short) if !short.is_empty() => short.to_owned(),
        _ => text,
    }
}

/// Things in a row, for a sentence.
fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    items.join(", ")
}
