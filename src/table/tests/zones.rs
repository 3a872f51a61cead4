//! Zones within zones.

use hickory_proto::rr::RecordType;

use super::{
    Answer, Change, DnsName, NOON, NOW, ServiceRecords, StaticRecord, Table, ZoneSpec, a, ask,
    owner, record, records, removed, set,
};
use crate::model::Start;

/// A zone at a name of the usual one.
fn zone_at(apex: DnsName, records: Vec<StaticRecord>) -> ZoneSpec {
    let nameservers = vec!["ns.elsewhere.test".parse().expect("a name")];
    ZoneSpec { apex, nameservers, hostmaster: owner("host"), start: Start::default(), records }
}

/// The usual zone with these records, and another one at `inner`.
fn around(inner: &str, zone_records: Vec<StaticRecord>) -> Table {
    let zones = [zone_at(super::apex(), zone_records), zone_at(owner(inner), Vec::new())];
    Table::of_zones(&zones, (1, 2), NOON).with(Change::default(), NOON)
}

fn wild() -> StaticRecord {
    let owner = DnsName::of_record("*", &super::apex()).expect("a name in the zone");
    StaticRecord { owner, ..record("x", 60, a("192.0.2.9")) }
}

#[test]
fn names_above_an_inner_zone_exist() {
    for table in [around("a.b.c", Vec::new()), around("a.b.c", vec![wild()])] {
        for name in ["b.c", "c"] {
            let answer = ask(&table, name, RecordType::A);
            assert!(matches!(answer, Answer::NoData(..)), "{name}: {answer:?}");
        }
        for name in ["x.b.c", "x.c", "x.a.b.c"] {
            let answer = ask(&table, name, RecordType::A);
            assert!(matches!(answer, Answer::NxDomain(_)), "{name}: {answer:?}");
        }
        // They stay when what else is below them goes.
        let next = table.with(set("x.b.c", &["192.0.2.1"]), NOON).with(removed("x.b.c"), NOON);
        let answer = ask(&next, "b.c", RecordType::A);
        assert!(matches!(answer, Answer::NoData(..)), "{answer:?}");
    }
}

#[test]
fn what_is_delegated_is_left_to_others_though_an_inner_zone_is_below_it() {
    let server = super::composed::server("c", "ns");
    let table = around("a.b.c", vec![server]);
    for name in ["c", "b.c", "x.b.c"] {
        assert_eq!(ask(&table, name, RecordType::A), Answer::Composed, "{name}");
        let owner = owner(name);
        let question = super::composed::question(owner.wire(), RecordType::A);
        let composition = table.compose(question, NOW, 0);
        assert!(!composition.authoritative && composition.authorities.len() == 1, "{name}");
    }
    let set = vec![(owner("s.a.b.c"), records("s.a.b.c", &["192.0.2.1"]))];
    let next = table.with(Change { set, removed: Vec::new() }, NOON);
    assert!(matches!(ask(&next, "s.a.b.c", RecordType::A), Answer::Records(_)));
}

/// Such a name is one of a type that none of its pools has yet.
#[test]
fn a_service_with_nothing_to_say_keeps_its_name() {
    let before = [zone_at(super::apex(), Vec::new())];
    let silent = ServiceRecords { packed: Box::default() };
    let change = Change { set: vec![(owner("api"), silent)], removed: Vec::new() };
    let table = Table::of_zones(&before, (1, 2), NOON).with(change, NOON);
    let mut after = before.clone();
    after[0].records.push(record("t", 60, a("192.0.2.7")));
    for table in [
        &table,
        &table.with_zones(&before, &after, NOON),
        &table.with(set("x.api", &["192.0.2.1"]), NOON),
    ] {
        let node = table.names.get(owner("api").wire()).expect("it is there");
        assert!(node.has_service() && node.parts().service.is_some());
        assert!(matches!(ask(table, "api", RecordType::A), Answer::NoData(..)));
    }
}

#[test]
fn a_zone_of_which_nothing_has_changed_stays_as_it_is() {
    let before = [zone_at(super::apex(), vec![wild()]), zone_at(owner("a.b"), Vec::new())];
    let table = Table::of_zones(&before, (1, 2), NOON).with(set("api", &["192.0.2.1"]), NOON);
    let mut after = before.clone();
    after[1].records.push(record("t.a.b", 60, a("192.0.2.7")));
    let next = table.with_zones(&before, &after, NOON + 9);
    let zones = |table: &Table| [0, 1].map(|at| std::ptr::from_ref(table.zones[at].tree()));
    assert_eq!(zones(&table)[0], zones(&next)[0]);
    assert_ne!(zones(&table)[1], zones(&next)[1]);
    let serials = |table: &Table| table.zones().map(|(_, serial)| serial).collect::<Vec<_>>();
    assert_eq!(serials(&next), [serials(&table)[0], NOON as u32 + 9]);
    for (name, host) in [("api", "192.0.2.1"), ("t.a.b", "192.0.2.7")] {
        assert_eq!(super::addresses(&ask(&next, name, RecordType::A)), [host]);
    }
    assert_eq!(ask(&next, "x", RecordType::A), Answer::Composed);
    assert!(matches!(ask(&next, "b", RecordType::A), Answer::NoData(..)));
}
