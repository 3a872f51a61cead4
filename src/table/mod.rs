//! Floor 1: the record table and its answers.
//!
//! A [`Table`] is immutable. A release makes a new one that shares all but the changed parts with
//! the one before, so its cost does not grow with the zone ([`names`]). [`Table::answer`] and
//! [`Table::answers`] decide every answer, for every transport: questions go in, views of records
//! come out, which lie ready as they are sent ([`packed`]). Where several pools answer for a
//! service, [`split`] says which one a client is given. Where an answer is not the records of the
//! name asked for, [`zone`] puts it together. Neither sockets nor the clock are known here.

mod authority;
mod balance;
mod bindings;
mod build;
mod codec;
mod fixed;
mod index;
mod instant;
mod logarithm;
mod names;
mod node;
mod octets;
mod packed;
mod ready;
mod records;
mod selection;
mod service;
mod shard;
mod split;
mod weights;
mod zone;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use hickory_proto::rr::{RData, RecordType};

pub use authority::Authority;
pub use balance::targets;
pub use codec::{from_hickory, to_hickory};
use names::Names;
pub use names::{LOOKUPS_MAX, NameKey};
use node::Node;
use packed::Packed;
pub use packed::{Audience, Tally};
pub use records::Records;
pub use service::ServiceRecords;
use service::{client_fraction, random_fraction};
pub use split::{Part, Preview, Shares, Shift};

use crate::model::{ClientNetwork, DnsName, NEGATIVE_TTL, Timestamp, ZoneSpec};
use zone::Zone;
pub use zone::{Composition, Verdict};

/// Names of a service, and what is answered at each.
pub type NamedRecords = BTreeMap<DnsName, ServiceRecords>;

/// The number of the type CNAME.
const CNAME_KIND: u16 = 5;
/// The numbers of the types that are not looked for among a name's records.
const SOA: u16 = 6;
const ANY: u16 = 255;

/// What an answer needs, all of one generation.
#[derive(Clone, Debug)]
pub struct Table {
    generation: u64,
    /// The first one is what the daemon is known by.
    zones: Vec<Zone>,
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
    /// It is more than that: [`Table::compose`] puts it together.
    Composed,
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
            Self::NxDomain(_) | Self::Refused | Self::NotReady | Self::Composed => false,
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
    /// A table with one zone's own records and no service yet: [`Table::of_zones`].
    pub fn new(zone: &ZoneSpec, key: NameKey, unix_secs: u64) -> Self {
        Self::of_zones(std::slice::from_ref(zone), key, unix_secs)
    }

    /// A table with the zones' own records and no service yet. Until the first [`Table::with`]
    /// a name that it does not know is not said to be absent: nobody knows that yet. There is at least
    /// one zone, and no two have the same apex.
    ///
    /// `key` makes the name index unpredictable for those who choose names; `unix_secs` is the
    /// first serial.
    pub fn of_zones(zones: &[ZoneSpec], key: NameKey, unix_secs: u64) -> Self {
        let apexes = apexes(zones);
        let new = |zone| Zone::new(zone, &apexes, serial_of(unix_secs));
        let zones: Vec<Zone> = zones.iter().map(new).collect();
        let names = Names::new(apexes, key);
        let mut any = Vec::new();
        // The owner is that of the question, whatever it is; only the root could not be pointed to.
        let owner = DnsName::from_octets(b"\x03any\0").expect("invariant: a name");
        fixed::pack_static(&owner, &fixed::minimal_any(), &mut any);
        let mut table = Self { generation: 1, zones, any, names, complete: false };
        table.add_static();
        table
    }

    /// The next table: this one with `change` made. Shares with this one all that stays. The serial
    /// grows of those zones that have a name in it, or of all if it has none.
    pub fn with(&self, change: Change, unix_secs: u64) -> Self {
        let mut next = self.clone();
        next.generation += 1;
        next.complete = true;
        let owners = || change.set.iter().map(|(owner, _)| owner).chain(&change.removed);
        let are_all = next.zones.len() == 1 || owners().next().is_none();
        let changed: BTreeSet<&DnsName> = match are_all {
            true => self.zones.iter().map(Zone::apex).collect(),
            false => owners().filter_map(|it| self.zone_of(it.wire())).map(Zone::apex).collect(),
        };
        for zone in next.zones.iter_mut().filter(|zone| changed.contains(zone.apex())) {
            zone.grow(unix_secs);
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

    /// The SOA serial of the first zone; only grows (RFC 1982).
    pub fn serial(&self) -> u32 {
        self.zones[0].serial()
    }

    /// The name at which the first zone begins.
    pub fn apex(&self) -> &DnsName {
        self.zones[0].apex()
    }

    /// Where the zones begin, and their serials.
    pub fn zones(&self) -> impl Iterator<Item = (&DnsName, u32)> {
        self.zones.iter().map(|zone| (zone.apex(), zone.serial()))
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
        self.answer_at(self.names.get(question.name), question, now, |_| {}, chance)
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
        self.names.find(asked, &near, |index, question, node| {
            show(index, self.answer_at(node, question, now, &near, chance));
        });
    }

    #[inline(always)] // Or else the answer goes through memory, once more.
    fn answer_at<'t>(
        &'t self,
        node: Option<Node<'t>>,
        question: Question<'_>,
        now: Timestamp,
        near: impl Fn(&u8),
        chance: impl FnOnce() -> u64,
    ) -> Answer<'t> {
        let Question { name, kind, client } = question;
        let Some(node) = node else {
            return self.absent(name);
        };
        let found = match kind {
            ANY | SOA => self.special(node, name, kind),
            kind => node.find(kind),
        };
        let (packed, ttl) = match found {
            Some(packed) if packed.is_special() => match part(packed, client, now, chance) {
                Some((part, _)) if part.is_lost() && !part.is_service() => return Answer::Composed,
                Some((part, _)) if part.is_lost() => return Answer::Unavailable(part.audience()),
                Some((part, ttl)) if !part.is_empty() => (part, ttl),
                Some((part, ttl)) => return self.no_data(name, part.audience(), ttl),
                // The other side has some, or else nothing had been packed.
                None => return self.no_data(name, Audience::Some, NEGATIVE_TTL.secs()),
            },
            Some(packed) if !packed.is_empty() => (packed, packed.ttl()),
            _ => return self.nothing(node, name),
        };
        Answer::Records(packed.records_for(ttl, near, |salt| client_fraction(salt, client)))
    }

    /// What is asked for by a type that is not among the records of a name.
    #[cold]
    fn special<'t>(&'t self, node: Node<'t>, name: &[u8], kind: u16) -> Option<Packed<'t>> {
        let is_apex = |zone: &&Zone| zone.apex().wire() == name;
        let of_zone = || self.zone_of(name).filter(is_apex).map(Zone::soa_packed);
        let instead = match kind {
            ANY if node.rrsets().next().is_some() && node.find(kind).is_none() => Some(&*self.any),
            SOA => of_zone(),
            _ => None,
        };
        instead.map_or_else(|| node.find(kind), |packed| Packed::all(packed).next())
    }

    /// There is nothing of a type: where no service can come to have it, as long as the zone says. Before
    /// the services are known, one may have the name of a zone, or a name that is only on the way to others.
    fn nothing(&self, node: Node<'_>, name: &[u8]) -> Answer<'_> {
        let may_be_a_service = || {
            node.rrsets().next().is_none()
                || self.zones.iter().any(|zone| zone.apex().wire() == name)
        };
        if !self.complete && may_be_a_service() {
            return Answer::NotReady;
        }
        let secs = if node.has_service() { NEGATIVE_TTL.secs() } else { u32::MAX };
        self.no_data(name, Audience::Everyone, secs)
    }

    fn no_data(&self, name: &[u8], audience: Audience, ttl: u32) -> Answer<'_> {
        let zone = match self.zones.as_slice() {
            [zone] => Some(zone),
            _ => self.zone_of(name),
        };
        match zone.map(Zone::authority) {
            Some(authority) => Answer::NoData(authority, audience, ttl.min(authority.ttl())),
            None => Answer::Refused,
        }
    }

    /// The zone that a name in wire form is in: of several, the nearest one.
    fn zone_of(&self, name: &[u8]) -> Option<&Zone> {
        zone_of(&self.zones, name)
    }

    fn absent(&self, name: &[u8]) -> Answer<'_> {
        match self.zone_of(name) {
            None => Answer::Refused,
            Some(zone) if !zone::is_absent(self, zone, name) => Answer::Composed,
            Some(_) if !self.complete => Answer::NotReady,
            Some(zone) => Answer::NxDomain(zone.authority()),
        }
    }

    /// Puts the answer together to a question that is [`Answer::Composed`]; `chance` is a number of
    /// which nobody can tell the next one.
    pub fn compose(&self, question: Question<'_>, now: Timestamp, chance: u64) -> Composition {
        zone::compose(self, question, now, chance)
    }
}

fn zone_of<'z>(zones: &'z [Zone], name: &[u8]) -> Option<&'z Zone> {
    let covering = zones.iter().filter(|zone| zone.covers(name));
    covering.max_by_key(|zone| zone.apex().wire().len())
}

fn apexes(zones: &[ZoneSpec]) -> Vec<DnsName> {
    zones.iter().map(|zone| zone.apex.clone()).collect()
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
        true => drawn(packed, client, chance())?,
        false => packed.part_for(client, |salt| client_fraction(salt, client))?,
    };
    let (timing, part) = part.timed();
    // Where there is nothing, there is soon to be what others are given already.
    let whole = if part.is_empty() { part.ttl().min(NEGATIVE_TTL.secs()) } else { part.ttl() };
    // Caches that stand in one network ask at different times.
    Some((part, timing.secs(whole, now, || client_fraction(now.unix_micros(), client))))
}

#[cold]
fn drawn(packed: Packed<'_>, client: ClientNetwork, chance: u64) -> Option<Packed<'_>> {
    packed.part_for(client, |salt| random_fraction(salt, chance))
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
