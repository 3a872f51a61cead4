//! Floor 1: the record table and its answers.
//!
//! A [`Table`] is immutable. A release makes a new one that shares all but the changed parts with
//! the one before, so its cost does not grow with the zone ([`names`]). [`Table::answer`] and
//! [`Table::answers`] decide every answer, for every transport: questions go in, views of records
//! come out, which lie ready as they are sent ([`packed`]). Where several pools answer for a
//! service, [`split`] says which one a client is given. Neither sockets nor the clock are known
//! here.

mod authority;
mod fixed;
mod index;
mod instant;
mod logarithm;
mod names;
mod node;
mod octets;
mod packed;
mod selection;
mod service;
mod shard;
mod split;

#[cfg(test)]
mod tests;

use hickory_proto::rr::{Name, RData, RecordType, rdata};

pub use authority::Authority;
use names::Names;
pub use names::{LOOKUPS_MAX, NameKey};
use node::Node;
use packed::Packed;
pub use packed::{Audience, Records, Tally};
pub use service::ServiceRecords;
use service::{client_fraction, random_fraction};
pub use split::{Part, Shares, Shift};

use crate::model::{ClientNetwork, DnsName, NEGATIVE_TTL, Timestamp, Ttl, ZoneSpec};

/// SOA timers (RIPE-203); no secondary of ours uses them, but tools look at them.
const REFRESH_SECS: i32 = 3_600;
const RETRY_SECS: i32 = 600;
const EXPIRE_SECS: i32 = 604_800;
const APEX_TTL: Ttl = Ttl::from_secs_const(3_600);

/// The numbers of the types that are not looked for among a name's records.
const SOA: u16 = 6;
const ANY: u16 = 255;

/// What an answer needs, all of one generation.
#[derive(Clone, Debug)]
pub struct Table {
    generation: u64,
    serial: u32,
    /// The answer to a question for the SOA record, packed.
    soa: Vec<u8>,
    authority: Authority,
    /// The answer to a question for any type, packed.
    any: Vec<u8>,
    names: Names,
    complete: bool,
}

/// Records of one type of one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Rrset {
    /// Their type.
    pub kind: RecordType,
    /// Their TTL, in seconds.
    pub ttl: u32,
    /// Their data, at least one.
    pub data: Vec<RData>,
}

/// What is asked of the table.
#[derive(Clone, Copy, Debug)]
pub struct Question<'q> {
    /// In wire form and lower case.
    pub name: &'q [u8],
    /// The number of the type.
    pub kind: u16,
    /// Who asks.
    pub client: ClientNetwork,
}

/// What has a question in it: so that many questions need not be put together to be answered
/// together.
pub trait Asks {
    /// The question; it is asked for more than once.
    fn question(&self) -> Question<'_>;
}

impl Asks for Question<'_> {
    #[inline]
    fn question(&self) -> Question<'_> {
        *self
    }
}

/// What is answered to one question.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer<'t> {
    /// Records of the name asked for.
    Records(Records<'t>),
    /// The name exists, but not with this type: the SOA record says for how long that is known, at
    /// most so many seconds.
    NoData(&'t Authority, Audience, u32),
    /// The name does not exist: likewise.
    NxDomain(&'t Authority),
    /// The name is not in the zone.
    Refused,
    /// Nothing can be said of the name yet: the services are not known.
    NotReady,
    /// The service is known, but nothing of it is up, and nothing may stand in.
    Unavailable(Audience),
}

impl Answer<'_> {
    /// Whether it says what records there are, or that there are none: it needs no excuse.
    #[inline]
    pub const fn is_about_records(&self) -> bool {
        matches!(self, Self::Records(_) | Self::NoData(..) | Self::NxDomain(_))
    }

    /// Whether other clients are answered something else.
    #[inline]
    pub fn depends_on_client(&self) -> bool {
        match self {
            Self::Records(records) => records.depends_on_client(),
            Self::NoData(_, audience, _) | Self::Unavailable(audience) => {
                *audience == Audience::Some
            }
            Self::NxDomain(_) | Self::Refused | Self::NotReady => false,
        }
    }
}

/// Changes that become visible in one store; removals are made first.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Owners of services and what they answer from now on.
    pub set: Vec<(DnsName, ServiceRecords)>,
    /// Services that are to go.
    pub removed: Vec<DnsName>,
}

impl Table {
    /// A table with the zone's own records and no service yet. Until the first [`Table::with`]
    /// a name that it does not know is not said to be absent: nobody knows that yet.
    ///
    /// `key` makes the name index unpredictable for those who choose names; `unix_secs` is the
    /// first serial.
    pub fn new(zone: &ZoneSpec, key: NameKey, unix_secs: u64) -> Self {
        let serial = serial_of(unix_secs);
        let mut names = Names::new(zone.apex.clone(), key);
        let mut edit = names.edit();
        edit.ensure(&zone.apex);
        for ((owner, _), rrset) in fixed::rrsets(zone) {
            let mut packed = Vec::new();
            fixed::pack_static(owner, &rrset, &mut packed);
            edit.add_static(owner, &packed);
        }
        edit.finish();
        let mut any = Vec::new();
        fixed::pack_static(&zone.apex, &fixed::minimal_any(), &mut any);
        let soa = soa(zone, serial);
        Self {
            generation: 1,
            serial,
            soa: packed_soa(&zone.apex, &soa),
            authority: authority(&zone.apex, &soa),
            any,
            names,
            complete: false,
        }
    }

    /// The next table: this one with `change` made. Shares with this one all that stays.
    pub fn with(&self, change: Change, unix_secs: u64) -> Self {
        let mut next = self.clone();
        next.generation += 1;
        next.complete = true;
        next.serial = serial_after(self.serial, unix_secs);
        if let [RData::SOA(soa)] = self.authority.rrset().data.as_slice() {
            let mut soa = soa.clone();
            soa.serial = next.serial;
            next.soa = packed_soa(self.apex(), &soa);
            next.authority = authority(self.apex(), &soa);
        }
        let mut edit = next.names.edit();
        for owner in change.removed {
            edit.remove_service(&owner);
        }
        for (owner, records) in change.set {
            edit.set_service(&owner, records);
        }
        edit.finish();
        next
    }

    /// The number of this table; only grows.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The SOA serial; only grows (RFC 1982).
    pub fn serial(&self) -> u32 {
        self.serial
    }

    /// The name at which the zone begins.
    pub fn apex(&self) -> &DnsName {
        self.names.apex()
    }

    /// Decides one answer, which is sent now. `chance` gives numbers of which nobody can tell the next
    /// one; it is asked only where the pool is drawn for each question
    /// ([`Spread::Random`](crate::model::Spread)).
    pub fn answer(
        &self,
        question: Question<'_>,
        now: Timestamp,
        chance: impl FnOnce() -> u64,
    ) -> Answer<'_> {
        self.answer_at(self.names.get(question.name), question, now, chance)
    }

    /// Decides up to [`LOOKUPS_MAX`] answers at once, which is cheaper than one by one: they wait
    /// for memory together. Shows each with the place of its question; more are not answered.
    /// `near` is given octets that are soon to be read, and may bring their lines of memory near;
    /// `chance` is as for one answer.
    #[inline]
    pub fn answers<'t, A: Asks>(
        &'t self,
        asked: &[A],
        now: Timestamp,
        near: impl Fn(&u8),
        chance: impl Fn() -> u64 + Copy,
        mut show: impl FnMut(usize, Answer<'t>),
    ) {
        self.names.find(asked, near, |index, question, node| {
            show(index, self.answer_at(node, question, now, chance));
        });
    }

    #[inline(always)] // Or else the answer goes through memory, once more.
    fn answer_at<'t>(
        &'t self,
        node: Option<Node<'t>>,
        question: Question<'_>,
        now: Timestamp,
        chance: impl FnOnce() -> u64,
    ) -> Answer<'t> {
        let Question { name, kind, client } = question;
        let Some(node) = node else {
            return self.absent(name);
        };
        let found = match kind {
            ANY | SOA => self.special(node.rrsets(), name, kind),
            kind => Packed::find(node.rrsets(), kind),
        };
        let no_data = |audience, ttl| Answer::NoData(&self.authority, audience, ttl);
        let (packed, ttl) = match found {
            Some(packed) if packed.is_special() => match part(packed, client, now, chance) {
                Some((part, _)) if part.is_lost() => return Answer::Unavailable(part.audience()),
                Some((part, ttl)) if !part.is_empty() => (part, ttl),
                Some((part, ttl)) => return no_data(part.audience(), ttl),
                // The other side has some, or else nothing had been packed.
                None => return no_data(Audience::Some, NEGATIVE_TTL.secs()),
            },
            Some(packed) if !packed.is_empty() => (packed, packed.ttl()),
            _ => return no_data(Audience::Everyone, NEGATIVE_TTL.secs()),
        };
        Answer::Records(packed.records_for(ttl, |salt| client_fraction(salt, client)))
    }

    /// What is answered to a question for a type that is not among the records of a name.
    #[cold]
    fn special<'t>(&'t self, rrsets: &'t [u8], name: &[u8], kind: u16) -> Option<Packed<'t>> {
        let first = |octets| Packed::split_first(octets).map(|(packed, _)| packed);
        match kind {
            ANY if !rrsets.is_empty() => first(&self.any),
            SOA if name == self.apex().wire() => first(&self.soa),
            kind => Packed::find(rrsets, kind),
        }
    }

    /// Whether anything is ever asked of this table for `name`: the apex is its suffix.
    fn covers(&self, name: &[u8]) -> bool {
        let apex = self.apex().wire();
        let mut rest = name;
        while rest.len() > apex.len() {
            rest = &rest[1 + usize::from(rest[0])..];
        }
        rest == apex
    }

    fn absent(&self, name: &[u8]) -> Answer<'_> {
        match (self.covers(name), self.complete) {
            (false, _) => Answer::Refused,
            (true, false) => Answer::NotReady,
            (true, true) => Answer::NxDomain(&self.authority),
        }
    }
}

/// The part of a split that is this client's, or chance's, and for how many seconds it may be kept;
/// what is no split is all of it.
#[inline(never)] // What has no parts, and no instant, does not pay for them.
fn part(
    packed: Packed<'_>,
    client: ClientNetwork,
    now: Timestamp,
    chance: impl FnOnce() -> u64,
) -> Option<(Packed<'_>, u32)> {
    let part = match packed.is_random() {
        true => drawn(packed, chance())?,
        false => packed.part_for(|salt| client_fraction(salt, client))?,
    };
    let (timing, part) = part.timed();
    let whole = if part.is_empty() { NEGATIVE_TTL.secs() } else { part.ttl() };
    // Caches that stand in one network ask at different times.
    Some((part, timing.secs(whole, now, || client_fraction(now.unix_micros(), client))))
}

#[cold]
fn drawn(packed: Packed<'_>, chance: u64) -> Option<Packed<'_>> {
    packed.part_for(|salt| random_fraction(salt, chance))
}

/// The low 32 bits of the time are what a serial is (RFC 1982 serial arithmetic).
fn serial_of(unix_secs: u64) -> u32 {
    (unix_secs & u64::from(u32::MAX)) as u32
}

/// A serial after `before`, the time of day where that is later: so that it grows over restarts.
fn serial_after(before: u32, unix_secs: u64) -> u32 {
    let of_day = serial_of(unix_secs);
    let ahead = of_day.wrapping_sub(before);
    let grows = ahead > 0 && ahead < 1 << 31;
    if grows { of_day } else { before.wrapping_add(1) }
}

fn soa(zone: &ZoneSpec, serial: u32) -> rdata::SOA {
    let primary = to_hickory(zone.nameservers.first().unwrap_or(&zone.apex));
    let hostmaster = to_hickory(&zone.hostmaster);
    let minimum = NEGATIVE_TTL.secs();
    rdata::SOA::new(primary, hostmaster, serial, REFRESH_SECS, RETRY_SECS, EXPIRE_SECS, minimum)
}

fn packed_soa(apex: &DnsName, soa: &rdata::SOA) -> Vec<u8> {
    let mut packed = Vec::new();
    fixed::pack_static(apex, &soa_rrset(soa, APEX_TTL.secs()), &mut packed);
    packed
}

/// RFC 2308 §3: in a negative answer its TTL is the lesser of its own and its minimum field.
fn authority(apex: &DnsName, soa: &rdata::SOA) -> Authority {
    Authority::new(apex, soa_rrset(soa, APEX_TTL.secs().min(soa.minimum)))
}

fn soa_rrset(soa: &rdata::SOA, ttl: u32) -> Rrset {
    Rrset { kind: RecordType::SOA, ttl, data: vec![RData::SOA(soa.clone())] }
}

/// The same name as the codec writes it.
pub fn to_hickory(name: &DnsName) -> Name {
    let mut rest = name.wire();
    let mut labels = Vec::new();
    while rest[0] > 0 {
        let (label, after) = rest[1..].split_at(usize::from(rest[0]));
        labels.push(label);
        rest = after;
    }
    Name::from_labels(labels).expect("invariant: a DnsName keeps to the limits of RFC 1035")
}
