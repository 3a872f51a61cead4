//! Answers that are more than the records of the name asked for, by the algorithm of RFC 1034 §4.3.2:
//! aliases that are followed, wildcards (RFC 4592), names that a DNAME record renames (RFC 6672),
//! referrals, and addresses that are sent along.
//!
//! A chain of aliases is followed from zone to zone as long as both are ours; it ends where it comes
//! to a name for the second time, and after [`CHAIN_MAX`] names. What a service gives at its end is
//! one pick, the same as when the client asks for the service itself.

use hickory_proto::rr::{Name, RData, Record, RecordType, rdata::CNAME, rdata::NULL};

use super::{
    super::{
        ANY, Answer, Asks, Authority, CNAME_KIND, Question, Rrset, Table, Tally,
        codec::{name_of, wire_of},
        fixed, to_hickory,
    },
    Zone,
    tree::{BorderKind, Entry, target, wildcard_below},
};
use crate::model::{DnsName, Timestamp};

/// How many names a chain has at most.
pub(in super::super) const CHAIN_MAX: usize = 16;
/// How many records are sent along at most that the client can do without.
const ADDITIONAL_MAX: usize = 64;
/// As much data as a message holds, and a little less.
const RRSET_LEN_MAX: usize = 64_000;
const DNAME_KIND: u16 = 39;
const DS_KIND: u16 = 43;

/// What is said of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is such a name; or it is left to others.
    Found,
    /// There is no such name.
    Absent,
    /// What a DNAME record makes of it is longer than a name can be (RFC 6672 §2.2).
    TooLong,
    /// The services are not known yet, and the name may be one.
    NotReady,
    /// It is known, but nothing can be given.
    Unavailable,
}

/// An answer with all of its sections.
#[derive(Clone, Debug, PartialEq)]
pub struct Composition {
    /// What it comes to.
    pub verdict: Verdict,
    /// Whether the first name is one of ours to say.
    pub authoritative: bool,
    /// In the order in which they follow from each other.
    pub answers: Vec<Record>,
    /// An SOA record where something is said not to be, or the name servers of others.
    pub authorities: Vec<Record>,
    /// Addresses.
    pub additionals: Vec<Record>,
    /// How many of these, from the first on, must not be left out (RFC 9471).
    pub glue: usize,
    /// What it counts for, and for how many seconds caches keep that.
    pub given: Option<(Tally, u32)>,
    /// Whether other clients are answered something else.
    pub depends_on_client: bool,
}

/// Puts together what is answered to a question for a name in one of the zones.
pub(in super::super) fn compose(
    table: &Table,
    question: Question<'_>,
    now: Timestamp,
    chance: u64,
) -> Composition {
    let composition = Composition {
        verdict: Verdict::Found,
        authoritative: true,
        answers: Vec::new(),
        authorities: Vec::new(),
        additionals: Vec::new(),
        glue: 0,
        given: None,
        depends_on_client: false,
    };
    let mut composer = Composer { table, question, now, chance, out: composition };
    let (mut name, mut seen) = (question.name.to_vec(), Vec::new());
    while let Some(zone) = composer.zone(&name) {
        let next = composer.step(zone, &name);
        seen.push(name);
        match next {
            Some(next) if seen.len() < CHAIN_MAX && !seen.contains(&next) => name = next,
            _ => break,
        }
    }
    let mut out = composer.out;
    if matches!(out.verdict, Verdict::NotReady | Verdict::Unavailable) {
        out.answers.clear();
        out.authoritative = false;
        out.given = None;
    }
    out
}

/// Whether nothing but the SOA record is answered for a name of the zone that is not in the index.
pub(in super::super) fn is_absent(table: &Table, zone: &Zone, name: &[u8]) -> bool {
    let tree = zone.tree();
    tree.is_plain()
        || tree.border(name).is_none()
            && (!tree.has_wildcards() || wildcard(table, zone, name).is_none())
}

/// The wildcard that stands for a name that is not there (RFC 4592 §3.3.1): directly below the
/// nearest name above that is.
fn wildcard(table: &Table, zone: &Zone, name: &[u8]) -> Option<Vec<u8>> {
    let mut above: Vec<&[u8]> = Vec::new();
    let mut rest = name;
    while rest.len() > zone.apex().wire().len() {
        rest = &rest[1 + usize::from(rest[0])..];
        above.push(rest);
    }
    // From the apex down, so that of a long name only what is there is looked at, and one more.
    let exists = |name: &&&[u8]| table.names.get(name).is_some();
    let encloser = above.iter().rev().take_while(exists).last()?;
    Some(wildcard_below(encloser)).filter(|wildcard| table.names.get(wildcard).is_some())
}

struct Composer<'t, 'q> {
    table: &'t Table,
    question: Question<'q>,
    now: Timestamp,
    chance: u64,
    out: Composition,
}

impl<'t> Composer<'t, '_> {
    /// The zone that answers for a name: of DS records that of its parent, if that is ours
    /// (RFC 4035 §3.1.4.1).
    fn zone(&self, name: &[u8]) -> Option<&'t Zone> {
        let zone = self.table.zone_of(name)?;
        let is_apex = zone.apex().wire() == name && name.len() > 1;
        let above = (is_apex && self.question.kind == DS_KIND)
            .then(|| self.table.zone_of(&name[1 + usize::from(name[0])..]))
            .flatten();
        above.or(Some(zone))
    }

    /// Answers for one name, and says where to go on.
    fn step(&mut self, zone: &'t Zone, name: &[u8]) -> Option<Vec<u8>> {
        let tree = zone.tree();
        if let Some(border) = tree.border(name) {
            let is_at = border.owner.wire() == name;
            match border.kind {
                BorderKind::Renamed => {
                    return self.rename(tree.entry(border.owner.wire())?, &border.owner, name);
                }
                _ if is_at && self.question.kind == DS_KIND => {
                    return self.give(zone, tree.entry(name), name);
                }
                _ => {
                    self.refer(&border.owner, tree.entry(border.owner.wire()));
                    return None;
                }
            }
        }
        if self.table.names.get(name).is_some() {
            return self.give(zone, tree.entry(name), name);
        }
        if !self.table.complete {
            self.out.verdict = Verdict::NotReady;
            return None;
        }
        if tree.has_wildcards()
            && let Some(wildcard) = wildcard(self.table, zone, name)
        {
            return self.give(zone, tree.entry(&wildcard), name);
        }
        self.out.verdict = Verdict::Absent;
        self.deny(zone.authority(), zone.authority().ttl());
        None
    }

    /// Gives what stands at a name that exists; `entry` is what it has beside a service.
    fn give(&mut self, zone: &'t Zone, entry: Option<&'t Entry>, name: &[u8]) -> Option<Vec<u8>> {
        let kind = self.question.kind;
        let owner = name_of(name);
        let rrset = |kind| entry.and_then(|entry| entry.get(&kind));
        if let Some(alias) = rrset(CNAME_KIND) {
            self.answer(&owner, alias);
            let [RData::CNAME(CNAME(target))] = alias.data.as_slice() else { return None };
            return (kind != CNAME_KIND && kind != ANY).then(|| wire_of(target));
        }
        match (kind, rrset(kind)) {
            (_, Some(found)) => {
                self.answer(&owner, found);
                self.send_along(found);
            }
            (ANY, None) if entry.is_some() => self.answer(&owner, &fixed::minimal_any()),
            _ => self.give_service(zone, &owner, name),
        }
        None
    }

    /// Gives what a service has, or else says that there is nothing of this type.
    fn give_service(&mut self, zone: &'t Zone, owner: &Name, name: &[u8]) {
        let (table, question) = (self.table, Question { name, ..self.question.question() });
        let is_apex_of_child = table.zone_of(name).is_some_and(|it| it.apex() != zone.apex());
        let node = table.names.get(name).filter(|_| !is_apex_of_child);
        let answer = match node {
            Some(node) => table.answer_at(Some(node), question, self.now, |_| {}, || self.chance),
            None => Answer::Composed,
        };
        self.out.depends_on_client |= answer.depends_on_client();
        match answer {
            Answer::Records(records) => {
                self.out.given = records.tally().map(|tally| (tally, records.ttl()));
                let Composition { answers, additionals, .. } = &mut self.out;
                // Each of the additional ones can be asked for by its own name.
                let is_too_much =
                    additionals.len() + usize::from(records.additional()) > ADDITIONAL_MAX;
                let records = if is_too_much { records.without_additional() } else { records };
                records.decode_onto(answers, additionals, owner);
            }
            Answer::NoData(authority, _, ttl) => self.deny(authority, ttl),
            Answer::Unavailable(_) => self.out.verdict = Verdict::Unavailable,
            Answer::NotReady => self.out.verdict = Verdict::NotReady,
            // Of this type there is nothing, at a name that others answer for, or a wildcard.
            _ => self.deny(zone.authority(), zone.authority().ttl()),
        }
    }

    /// Names below a DNAME record have another name: an alias says which.
    fn rename(&mut self, entry: &Entry, from: &DnsName, name: &[u8]) -> Option<Vec<u8>> {
        let rrset = entry.get(&DNAME_KIND)?;
        let [RData::Unknown { rdata: NULL { anything: to, .. }, .. }] = rrset.data.as_slice()
        else {
            return None;
        };
        let owner = to_hickory(from);
        let is_it = |record: &Record| record.record_type() == rrset.kind && record.name == owner;
        if !self.out.answers.iter().any(is_it) {
            self.answer(&owner, rrset);
        }
        let kept = &name[..name.len() - from.wire().len()];
        let renamed = [kept, &to.to_ascii_lowercase()].concat();
        if renamed.len() > DnsName::MAX_WIRE_LEN {
            self.out.verdict = Verdict::TooLong;
            return None;
        }
        let data = RData::CNAME(CNAME(name_of(&renamed)));
        self.out.answers.push(Record::from_rdata(name_of(name), rrset.ttl, data));
        (self.question.kind != CNAME_KIND).then_some(renamed)
    }

    /// Names the servers that answer from here on down.
    fn refer(&mut self, owner: &DnsName, entry: Option<&'t Entry>) {
        self.out.authoritative = !self.out.answers.is_empty();
        let Some(rrset) = entry.and_then(|entry| entry.get(&2)) else { return };
        self.out.authorities.extend(records(&to_hickory(owner), rrset));
        // Those first without which nobody finds the servers: all of them (RFC 9471 §3.1).
        let names = rrset.data.iter().filter_map(target).map(wire_of).filter_map(|name| {
            let name = DnsName::from_octets(&name).ok()?;
            Some((name.is_within(owner), name))
        });
        let (below, others): (Vec<_>, Vec<_>) = names.partition(|(is_below, _)| *is_below);
        below.iter().for_each(|(_, name)| self.send_addresses(name.wire(), usize::MAX));
        self.out.glue = self.out.additionals.len();
        others.iter().for_each(|(_, name)| self.send_addresses(name.wire(), ADDITIONAL_MAX));
    }

    /// There is nothing of the kind.
    fn deny(&mut self, authority: &Authority, ttl: u32) {
        self.out.authorities.extend(authority.records(ttl));
    }

    fn answer(&mut self, owner: &Name, rrset: &Rrset) {
        let len: usize = rrset.data.iter().map(len_of).sum();
        if len > RRSET_LEN_MAX {
            self.out.verdict = Verdict::Unavailable;
            return;
        }
        self.out.answers.extend(records(owner, rrset));
    }

    fn send_along(&mut self, rrset: &Rrset) {
        for name in rrset.data.iter().filter_map(target) {
            if self.out.additionals.len() >= ADDITIONAL_MAX {
                return;
            }
            self.send_addresses(&wire_of(name), ADDITIONAL_MAX);
        }
    }

    /// Sends the addresses of a name in wire form along, if the zone itself has them, and there are not
    /// more than `most` with those. Those of services are not: each is counted, and asked for by its own
    /// name.
    fn send_addresses(&mut self, wire: &[u8], most: usize) {
        let Some(zone) = self.table.zone_of(wire) else { return };
        let Some(entry) = zone.tree().entry(wire) else { return };
        let name = name_of(wire);
        for kind in [RecordType::A, RecordType::AAAA] {
            let Some(rrset) = entry.get(&kind.into()) else { continue };
            let is_there = |record: &Record| record.name == name && record.record_type() == kind;
            let too_many = self.out.additionals.len() + rrset.data.len() > most;
            if !too_many && !self.out.additionals.iter().any(is_there) {
                self.out.additionals.extend(records(&name, rrset));
            }
        }
    }
}

fn records(owner: &Name, rrset: &Rrset) -> impl Iterator<Item = Record> {
    rrset.data.iter().map(|data| Record::from_rdata(owner.clone(), rrset.ttl, data.clone()))
}

/// About how long the data of a record is.
fn len_of(data: &RData) -> usize {
    use hickory_proto::serialize::binary::BinEncodable;
    data.to_bytes().map_or(RRSET_LEN_MAX, |octets| octets.len())
}
