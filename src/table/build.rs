//! What the zones themselves have, put into the index.

use hickory_proto::rr::RecordType;

use super::{
    ServiceRecords, Table, apexes, codec::wire_of, fixed, serial_of, zone, zone::Zone, zone_of,
};
use crate::model::{DnsName, ZoneSpec};

impl Table {
    /// The next table: the same services in zones of which something has changed since they were as in
    /// `known`. The serial grows of those alone.
    pub fn with_zones(&self, known: &[ZoneSpec], specs: &[ZoneSpec], unix_secs: u64) -> Self {
        let apexes = apexes(specs);
        let are_there_as_before = apexes == self::apexes(known);
        let zone = |spec: &ZoneSpec| {
            let before = self.zones.iter().find(|zone| *zone.apex() == spec.apex);
            let Some(before) = before else {
                return Zone::new(spec, &apexes, serial_of(unix_secs));
            };
            if are_there_as_before && known.contains(spec) {
                return before.clone();
            }
            let mut zone = Zone::new(spec, &apexes, before.serial());
            if !zone.is_like(before) {
                zone.grow(unix_secs);
            }
            zone
        };
        let zones = specs.iter().map(zone).collect();
        let names = self.names.emptied(apexes);
        let (generation, any) = (self.generation + 1, self.any.clone());
        let mut next = Self { generation, zones, any, names, complete: self.complete };
        next.add_static();
        let mut edit = next.names.edit();
        let is_ours = |(owner, _): &(DnsName, ServiceRecords)| {
            next.zones.iter().any(|zone| owner.is_within(zone.apex()))
        };
        for (owner, records) in self.names.services().filter(is_ours) {
            edit.set_service(&owner, records);
        }
        edit.finish();
        next
    }

    /// Puts all names that the zones themselves have into the index.
    pub(super) fn add_static(&mut self) {
        let Self { zones, names, .. } = self;
        let mut edit = names.edit();
        for zone in &*zones {
            edit.ensure(zone.apex());
            for (owner, entry) in zone.tree().names() {
                edit.add_static(owner, &packed_entry(zones, zone, owner, entry));
            }
            let Some(parent) = zone.apex().parent() else { continue };
            let Some(above) = zone_of(zones, parent.wire()) else { continue };
            edit.add_static(zone.apex(), &fixed::composed(RecordType::DS));
            // Below a delegation the zone above has no names.
            if above.tree().border(parent.wire()).is_none() {
                edit.ensure_above(&parent);
            }
        }
        edit.finish();
    }
}

/// The records of a name for the index: ready to be sent, or else with a note that they are put
/// together.
fn packed_entry(zones: &[Zone], zone: &Zone, owner: &DnsName, entry: &zone::Entry) -> Vec<u8> {
    let mut packed = Vec::new();
    if zone.tree().is_cut(owner) {
        // Which stands for every type.
        return fixed::composed(RecordType::CNAME);
    }
    for rrset in entry.values() {
        let sends_along = rrset.data.iter().filter_map(zone::target).any(|name| {
            let target = wire_of(name);
            zone_of(zones, &target).is_some_and(|zone| zone.tree().has_addresses(&target))
        });
        match rrset.kind {
            kind if sends_along || kind == RecordType::CNAME => {
                packed.extend(fixed::composed(kind))
            }
            _ => fixed::pack_static(owner, rrset, &mut packed),
        }
    }
    packed
}
