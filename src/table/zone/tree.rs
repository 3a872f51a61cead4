//! The records of a zone that no release changes, in canonical order, with what cuts it: delegations
//! (RFC 1034 §4.2) and DNAME records (RFC 6672). Below these the zone has nothing to say but glue.

use std::collections::BTreeMap;

use hickory_proto::rr::{RData, RecordType};

use super::{
    super::{Rrset, fixed},
    canonical::Canonical,
};
use crate::model::{DnsName, ZoneSpec};

/// The records of one name, by the number of their type.
pub(in super::super) type Entry = BTreeMap<u16, Rrset>;

/// What the zone holds beside its services.
#[derive(Debug, PartialEq)]
pub(in super::super) struct Tree {
    entries: BTreeMap<Canonical, (DnsName, Entry)>,
    /// None of them is below another.
    borders: BTreeMap<Canonical, Border>,
    has_wildcards: bool,
}

/// Where authority ends.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) struct Border {
    /// The name at which it stands.
    pub(in super::super) owner: DnsName,
    pub(in super::super) kind: BorderKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum BorderKind {
    /// Others answer from here on down: at the name, too, but for DS (RFC 4035 §3.1.4.1).
    Delegation,
    /// The same, and another zone of this server does.
    Child,
    /// What is below has another name (RFC 6672 §2.3).
    Renamed,
}

/// The label of a wildcard, in wire form (RFC 4592 §2.1.1).
const WILDCARD: &[u8] = b"\x01*";

impl Tree {
    /// Of a zone; `children` are apexes of other zones that are answered for.
    pub(super) fn new(zone: &ZoneSpec, children: &[DnsName]) -> Self {
        let mut entries = BTreeMap::new();
        for ((owner, kind), rrset) in fixed::rrsets(zone) {
            let new = || (owner.clone(), Entry::new());
            let (_, entry) = entries.entry(Canonical::of(owner)).or_insert_with(new);
            entry.insert(kind.into(), rrset);
        }
        let has_wildcards = entries.values().any(|(owner, _)| is_below_wildcard(owner, &zone.apex));
        let mut tree = Self { entries, borders: BTreeMap::new(), has_wildcards };
        tree.borders = tree.find_borders(&zone.apex, children);
        tree
    }

    fn find_borders(&self, apex: &DnsName, children: &[DnsName]) -> BTreeMap<Canonical, Border> {
        let border = |(key, (owner, entry)): (&Canonical, &(DnsName, Entry))| {
            let has = |kind: RecordType| entry.contains_key(&kind.into());
            let kind = match () {
                () if has(RecordType::NS) && owner != apex => BorderKind::Delegation,
                () if has(RecordType::DNAME) => BorderKind::Renamed,
                () => return None,
            };
            Some((key.clone(), Border { owner: owner.clone(), kind }))
        };
        let mut all: BTreeMap<_, _> = self.entries.iter().filter_map(border).collect();
        let below = |child: &&DnsName| child.is_within(apex) && *child != apex;
        for child in children.iter().filter(below) {
            let border = Border { owner: child.clone(), kind: BorderKind::Child };
            all.insert(Canonical::of(child), border);
        }
        let mut outermost: BTreeMap<Canonical, Border> = BTreeMap::new();
        for (key, border) in all {
            let hidden = outermost.last_key_value().is_some_and(|(above, _)| key.is_within(above));
            // What stands at the same name as a border is not below it.
            if !hidden {
                outermost.insert(key, border);
            }
        }
        outermost
    }

    /// Whether every name that is not there is simply not there.
    pub(super) fn is_plain(&self) -> bool {
        self.borders.is_empty() && !self.has_wildcards
    }

    pub(super) fn has_wildcards(&self) -> bool {
        self.has_wildcards
    }

    /// The border that a name in wire form stands at or below. Nothing stands between it and the
    /// name, in canonical order, but what is below it.
    pub(in super::super) fn border(&self, name: &[u8]) -> Option<&Border> {
        if self.borders.is_empty() {
            return None;
        }
        let key = Canonical::of_wire(name);
        let (above, border) = self.borders.range(..=&key).next_back()?;
        let is_at = border.owner.wire() == name;
        let holds = key.is_within(above) && !(is_at && border.kind == BorderKind::Renamed);
        holds.then_some(border)
    }

    /// The records of a name in wire form, whether they are below a border or not.
    pub(super) fn entry(&self, name: &[u8]) -> Option<&Entry> {
        self.entries.get(&Canonical::of_wire(name)).map(|(_, entry)| entry)
    }

    /// Whether a name in wire form has addresses.
    pub(in super::super) fn has_addresses(&self, name: &[u8]) -> bool {
        let kinds = [RecordType::A, RecordType::AAAA].map(u16::from);
        self.entry(name).is_some_and(|entry| kinds.iter().any(|kind| entry.contains_key(kind)))
    }

    /// Every name that has records and is not below a border, in canonical order.
    pub(in super::super) fn names(&self) -> impl Iterator<Item = (&DnsName, &Entry)> {
        let is_ours = |owner: &DnsName| {
            self.border(owner.wire()).is_none_or(|border| {
                border.owner == *owner && border.kind == BorderKind::Delegation
            })
        };
        self.entries
            .values()
            .filter(move |(owner, _)| is_ours(owner))
            .map(|(owner, it)| (owner, it))
    }

    /// Whether a border stands at a name: there this zone does not answer by itself.
    pub(in super::super) fn is_cut(&self, owner: &DnsName) -> bool {
        let border = self.border(owner.wire());
        border.is_some_and(|border| border.owner == *owner)
    }
}

/// Whether one of its labels before those of the apex is a wildcard: so a wildcard exists, if only
/// as an empty name.
fn is_below_wildcard(owner: &DnsName, apex: &DnsName) -> bool {
    let labels = owner.ancestors().take_while(|name| *name != apex.wire());
    labels.into_iter().any(|name| name.starts_with(WILDCARD))
}

/// The name of the wildcard directly below a name in wire form.
pub(super) fn wildcard_below(name: &[u8]) -> Vec<u8> {
    [WILDCARD, name].concat()
}

/// The name that records of this data lead to, for additional sections (RFC 1035 §3.3.9 and
/// §3.3.11, RFC 2782).
pub(in super::super) fn target(data: &RData) -> Option<&hickory_proto::rr::Name> {
    match data {
        RData::NS(ns) => Some(&ns.0),
        RData::MX(mx) => Some(&mx.exchange),
        RData::SRV(srv) => Some(&srv.target),
        _ => None,
    }
}
