//! Where a service stands in the DNS: in which zone, by which name, and what is there already.

use std::collections::{BTreeMap, BTreeSet};

use hickory_proto::rr::RecordType;

use super::{Name, Table};
use crate::model::{DnsName, Outside, ServiceName, ServiceSpec, Zones};

/// What stands for the apex of a zone.
pub(super) const APEX: &str = "@";
/// What a service answers at its own name.
const OF_SERVICES: [RecordType; 3] = [RecordType::A, RecordType::AAAA, RecordType::HTTPS];

/// What stands in the zones that leaves no room for a service.
pub struct Taken<'z> {
    zones: &'z Zones,
    names: BTreeSet<&'z DnsName>,
    /// Where there are records of type TXT.
    texts: BTreeSet<&'z DnsName>,
    /// Below these nothing is ours.
    borders: BTreeMap<&'z DnsName, RecordType>,
}

impl<'z> Taken<'z> {
    /// Of these zones.
    pub fn new(zones: &'z Zones) -> Self {
        let (mut names, mut texts) = (BTreeSet::new(), BTreeSet::new());
        let mut borders = BTreeMap::new();
        for zone in zones.all() {
            for record in &zone.records {
                if zones.of(&record.owner).is_some_and(|nearer| nearer.apex != zone.apex) {
                    // What a zone says of another one below it (RFC 1034 §4.2.1) stands in that no more.
                    continue;
                }
                let kind = record.data.record_type();
                // The apex has other records as well, or it were none.
                let leaves_room = record.owner == zone.apex && !OF_SERVICES.contains(&kind);
                if !leaves_room {
                    names.insert(&record.owner);
                }
                if kind == RecordType::TXT {
                    texts.insert(&record.owner);
                }
                let is_border = match kind {
                    RecordType::NS => record.owner != zone.apex,
                    kind => kind == RecordType::DNAME,
                };
                if is_border {
                    borders.insert(&record.owner, kind);
                }
            }
        }
        Self { zones, names, texts, borders }
    }

    /// Why a service cannot stand at a name, if it cannot.
    pub fn why_not(&self, owner: &DnsName) -> Option<String> {
        let Some(zone) = self.zones.of(owner) else {
            return Some(format!("{owner} is in no zone of cutover.toml"));
        };
        if self.names.contains(owner) {
            return Some(format!(
                "{owner} already has static records in cutover.toml or in the zone file"
            ));
        }
        let apex = zone.apex.wire();
        let within_zone = owner.ancestors().take_while(|name| *name != apex).chain([apex]);
        let mut above = within_zone.skip(1).filter_map(|name| DnsName::from_octets(name).ok());
        above.find_map(|name| match self.borders.get(&name)? {
            RecordType::DNAME => {
                Some(format!("{owner} is below {name}, which has a DNAME record (RFC 6672 §2.4)"))
            }
            _ => Some(format!("{owner} is below {name}, which is delegated (RFC 1034 §4.2)")),
        })
    }
}

impl Taken<'_> {
    /// Why a service cannot have its texts or one of its names beside its own, if it cannot.
    pub fn why_not_all(&self, spec: &ServiceSpec) -> Option<String> {
        let texts = spec.has_texts().then(|| self.why_no_texts(&spec.owner)).flatten();
        texts.or_else(|| spec.kinds.names(&spec.owner).find_map(|name| self.why_not(&name)))
    }

    /// Why a service cannot have texts at its own name, if it cannot.
    pub(super) fn why_no_texts(&self, owner: &DnsName) -> Option<String> {
        let has_texts = self.texts.contains(owner);
        has_texts.then(|| format!("{owner} has texts of the zone's own already"))
    }
}

/// The zones, who is outside of them, and the names in them that are taken.
pub(super) struct Surroundings<'z> {
    pub(super) zones: &'z Zones,
    pub(super) outside: &'z Outside,
    pub(super) taken: Taken<'z>,
}

impl<'z> Surroundings<'z> {
    pub(super) fn new(zones: &'z Zones, outside: &'z Outside) -> Self {
        Self { zones, outside, taken: Taken::new(zones) }
    }

    /// The service's name in the DNS, which nothing else may have: `name` is its key, unless the table
    /// says otherwise.
    pub(super) fn owner(
        &self,
        key: &Name<'_>,
        name: Option<&ServiceName>,
        table: &mut Table<'_>,
    ) -> Option<DnsName> {
        let (zone, own) = (table.optional("zone"), table.optional("name"));
        let zone = match &zone {
            Some(value) => {
                let apex: DnsName = value.parse()?;
                let found = self.zones.at(&apex);
                if found.is_none() {
                    let known: Vec<String> =
                        self.zones.all().iter().map(|zone| zone.apex.to_string()).collect();
                    let hint = format!("the zones in cutover.toml are: {}", known.join(", "));
                    value.wrong_with_hint(format!("there is no zone {apex}"), hint);
                }
                found?
            }
            None => self.zones.first(),
        };
        let own = match &own {
            Some(value) if value.as_text() == Some(APEX) => Some(None),
            Some(value) => Some(Some(value.parse::<ServiceName>()?)),
            None => None,
        };
        let owner = match own {
            Some(None) => zone.apex.clone(),
            own => {
                let own = own.flatten();
                let owner = DnsName::within(own.as_ref().or(name)?.as_str(), &zone.apex);
                owner.map_err(|error| key.wrong(error.to_string())).ok()?
            }
        };
        self.check(key, &owner, &zone.apex)?;
        Some(owner)
    }

    /// The zone of a service, and its name there.
    pub(super) fn place(&self, owner: &DnsName) -> Option<(&'z DnsName, String)> {
        let apex = &self.zones.of(owner)?.apex;
        let (owner, apex_text) = (owner.to_string(), format!(".{apex}"));
        let relative = owner.strip_suffix(&apex_text).unwrap_or_default().to_owned();
        Some((apex, relative))
    }

    /// Why another name of a service of the zone at `apex` cannot be had, if it cannot.
    pub(super) fn why_not(&self, name: &DnsName, apex: &DnsName) -> Option<String> {
        self.nearer(name, apex).map(|(why, _)| why).or_else(|| self.taken.why_not(name))
    }

    /// Why a name is in another zone, if it is, and in which.
    fn nearer(&self, name: &DnsName, apex: &DnsName) -> Option<(String, &'z DnsName)> {
        let nearer = &self.zones.of(name).filter(|zone| zone.apex != *apex)?.apex;
        Some((format!("{name} is in the zone {nearer}, which is here too"), nearer))
    }

    fn check(&self, key: &Name<'_>, owner: &DnsName, apex: &DnsName) -> Option<()> {
        if let Some((why, nearer)) = self.nearer(owner, apex) {
            key.wrong_with_hint(why, format!("write zone = \"{nearer}\""));
            return None;
        }
        if let Some(why) = self.taken.why_not(owner) {
            key.wrong(why);
            return None;
        }
        Some(())
    }
}

/// Complains about services on one name, however their keys are written.
pub(super) fn check_clashes(
    owners: &mut BTreeMap<DnsName, String>,
    key: &Name<'_>,
    owner: &DnsName,
) {
    if let Some(other) = owners.insert(owner.clone(), key.text().to_owned()) {
        key.wrong(format!(
            "there are two services on the name {owner}: `{other}` is the other one"
        ));
    }
}
