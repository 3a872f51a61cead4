//! Answers of several names and sections, and that the index is a shortcut to what the algorithm says.

use std::num::NonZeroU16;

use hickory_proto::{
    rr::{RData, Record, RecordType, rdata::CNAME, rdata::NS, rdata::NULL},
    serialize::binary::BinEncodable,
};
use proptest::prelude::*;

use super::{
    Answer, CLIENT, Change, NOON, NOW, Question, Start, Table, a, apex, owner, record, records,
    text, to_hickory,
};
use crate::{
    model::{
        ClientNetwork, DnsName, Kinds, SrvAnswers, SrvSetting, StaticRecord, ZoneSpec, mapped,
    },
    table::{Composition, ServiceRecords, Tally, Verdict, zone},
};

fn alias(name: &str, target: &str) -> StaticRecord {
    record(name, 60, RData::CNAME(CNAME(to_hickory(&owner(target)))))
}

pub(super) fn server(name: &str, target: &str) -> StaticRecord {
    record(name, 60, RData::NS(NS(to_hickory(&owner(target)))))
}

fn dname(name: &str, target: &str) -> StaticRecord {
    let rdata = NULL::with(owner(target).wire().to_vec());
    record(name, 60, RData::Unknown { code: RecordType::DNAME, rdata })
}

fn wild(name: &str, data: RData) -> StaticRecord {
    let owner = DnsName::of_record(name, &apex()).expect("a name in the zone");
    StaticRecord { owner, ..record("x", 60, data) }
}

fn table_of(zone_records: Vec<StaticRecord>, services: &[&str]) -> Table {
    let zone = ZoneSpec {
        apex: apex(),
        nameservers: vec!["ns.elsewhere.test".parse().expect("a name")],
        hostmaster: owner("hostmaster"),
        start: Start::default(),
        records: zone_records,
    };
    let set = services.iter().map(|name| (owner(name), records(name, &["192.0.2.1"]))).collect();
    Table::new(&zone, (1, 2), NOON).with(Change { set, removed: Vec::new() }, NOON)
}

pub(super) fn question(name: &[u8], kind: RecordType) -> Question<'_> {
    Question { name, kind: kind.into(), client: ClientNetwork::of(mapped(CLIENT), None) }
}

fn composed(table: &Table, name: &str, kind: RecordType) -> Composition {
    let name = owner(name);
    let question = question(name.wire(), kind);
    assert_eq!(table.answer(question, NOW, || 0), Answer::Composed, "{name} {kind}");
    table.compose(question, NOW, 0)
}

fn shown(records: &[Record]) -> Vec<String> {
    let show = |record: &Record| {
        let owner = record.name.to_string();
        let owner = owner.trim_end_matches(".svc.example.test.").to_owned();
        format!("{owner} {} {}", record.record_type(), record.data)
    };
    records.iter().map(show).collect()
}

#[test]
fn an_alias_leads_to_what_load_balancers_are_told_with_the_addresses() {
    let endpoints = [super::endpoint("192.0.2.7", 1).on_port(NonZeroU16::new(80))];
    let (pool, ttl) = ("v1".parse().expect("a pool"), crate::model::Ttl::from_secs_const(20));
    let prefix = "_http._tcp".parse().expect("a prefix");
    let setting = SrvSetting { prefix, priority: 0, answers: SrvAnswers::All };
    let kinds = Kinds { srv: vec![setting], ..Kinds::default() };
    let shares = [crate::table::Part::new(&pool, ttl, &endpoints)];
    let shares = crate::table::Shares::new(&shares);
    let all = ServiceRecords::all(&owner("api"), &kinds, &shares, |_| Some(Tally(7)));
    let change = Change { set: all.into_iter().collect(), removed: Vec::new() };
    let table = table_of(vec![alias("_http._tcp", "_http._tcp.api")], &[]).with(change, NOON);
    let composition = composed(&table, "_http._tcp", RecordType::SRV);
    let [alias, service] = shown(&composition.answers).try_into().expect("two answers");
    assert!(alias.starts_with("_http._tcp CNAME _http._tcp.api."), "{alias}");
    assert!(service.starts_with("_http._tcp.api SRV 0 ") && service.contains(" 80 "), "{service}");
    assert_eq!(shown(&composition.additionals), ["192-0-2-7.v1.api A 192.0.2.7"]);
    assert_eq!(composition.given.map(|(tally, _)| tally), Some(Tally(7)));
}

#[test]
fn an_alias_leads_to_a_service_and_counts_for_its_pool() {
    let endpoints = [super::endpoint("192.0.2.7", 1)];
    let pool = "v1".parse().expect("the name of a pool");
    let ttl = crate::model::Ttl::from_secs_const(20);
    let tally = Some(Tally(7));
    let part = crate::table::Part { tally, ..crate::table::Part::new(&pool, ttl, &endpoints) };
    let service =
        crate::table::ServiceRecords::new(&owner("api"), &crate::table::Shares::new(&[part]));
    let set = vec![(owner("api"), service)];
    let table = table_of(vec![alias("www", "api"), alias("w2", "www")], &[])
        .with(Change { set, removed: Vec::new() }, NOON);
    let composition = composed(&table, "w2", RecordType::A);
    assert_eq!(composition.given, Some((Tally(7), 20)));
    assert_eq!(
        shown(&composition.answers),
        ["w2 CNAME www.svc.example.test.", "www CNAME api.svc.example.test.", "api A 192.0.2.7"]
    );
    let none = composed(&table, "w2", RecordType::AAAA);
    assert_eq!((none.answers.len(), none.authorities.len(), none.given), (2, 1, None));
    let itself = composed(&table, "w2", RecordType::CNAME);
    assert_eq!(itself.answers.len(), 1);
}

#[test]
fn an_alias_to_what_is_not_known_yet_is_a_failure_and_never_half_an_answer() {
    let table = table_of(vec![alias("www", "api")], &[]);
    assert_eq!(composed(&table, "www", RecordType::A).verdict, Verdict::Absent);
    let zone = ZoneSpec { records: vec![alias("www", "api")], ..super::zone() };
    let unknown = composed(&Table::new(&zone, (1, 2), NOON), "www", RecordType::A);
    assert_eq!((unknown.verdict, unknown.answers.len()), (Verdict::NotReady, 0));
    let failed = table
        .with(Change { set: vec![(owner("api"), records("api", &[]))], removed: Vec::new() }, NOON);
    let failed = composed(&failed, "www", RecordType::A);
    assert_eq!((failed.verdict, failed.answers.len()), (Verdict::Unavailable, 0));
}

#[test]
fn a_wildcard_never_stands_for_a_service_or_what_is_below_it() {
    let wildcard = || wild("*", text("wild"));
    let table = table_of(vec![wildcard()], &["api", "a.deep"]);
    let is_records = |name: &str| {
        let owner = owner(name);
        matches!(table.answer(question(owner.wire(), RecordType::A), NOW, || 0), Answer::Records(_))
    };
    assert!(is_records("api") && is_records("a.deep"));
    assert_eq!(shown(&composed(&table, "x", RecordType::TXT).answers), ["x TXT wild"]);
    for name in ["x.api", "b.deep"] {
        let owner = owner(name);
        let answer = table.answer(question(owner.wire(), RecordType::TXT), NOW, || 0);
        assert!(matches!(answer, Answer::NxDomain(_)), "{name}: {answer:?}");
    }
}

#[test]
fn whoever_is_referred_is_told_of_each_server_within_and_of_some_others() {
    let (mut zone_records, mut elsewhere) = (Vec::new(), Vec::new());
    for number in 0..70 {
        let (within, without) = (format!("ns{number}.c"), format!("ns{number}"));
        zone_records.extend([server("c", &within), record(&within, 60, a("192.0.2.1"))]);
        elsewhere.extend([server("d", &without), record(&without, 60, a("192.0.2.2"))]);
    }
    // It ends with the same octets, but is not below.
    let unlike = [b"\x03a\x01d", apex().wire()].concat();
    let unlike = DnsName::from_octets(&unlike).expect("a name");
    let name = RData::NS(NS(to_hickory(&unlike)));
    elsewhere.insert(0, record("d", 60, name));
    elsewhere.push(StaticRecord { owner: unlike, ..record("x", 60, a("192.0.2.3")) });
    let table = table_of([zone_records, elsewhere].concat(), &[]);
    let within = composed(&table, "x.c", RecordType::A);
    assert_eq!((within.authorities.len(), within.additionals.len(), within.glue), (70, 70, 70));
    let others = composed(&table, "x.d", RecordType::A);
    assert_eq!((others.authorities.len(), others.additionals.len(), others.glue), (71, 64, 0));
}

#[test]
fn chains_end() {
    let records = vec![
        alias("one", "two"),
        alias("two", "one"),
        alias("self", "self"),
        dname("grows", "more.grows"),
    ];
    let table = table_of(records, &[]);
    assert_eq!(composed(&table, "one", RecordType::A).answers.len(), 2);
    assert_eq!(composed(&table, "self", RecordType::A).answers.len(), 1);
    assert!(composed(&table, "x.grows", RecordType::A).answers.len() <= 1 + 16);
}

const NAMES: [&str; 6] = ["a", "b", "a.b", "b.a", "a.a.b", "c"];

fn any_record() -> impl Strategy<Value = StaticRecord> {
    let name = || prop::sample::select(&NAMES[..]);
    prop_oneof![
        name().prop_map(|name| record(name, 60, a("192.0.2.9"))),
        name().prop_map(|name| record(name, 60, text("t"))),
        (name(), name()).prop_map(|(name, target)| alias(name, target)),
        (name(), name()).prop_map(|(name, target)| server(name, target)),
        (name(), name()).prop_map(|(name, target)| dname(name, target)),
        name().prop_map(|name| wild(&format!("*.{name}"), text("wild"))),
        (name(), name()).prop_map(|(name, target)| wild(
            &format!("*.{name}"),
            RData::CNAME(CNAME(to_hickory(&owner(target))))
        )),
    ]
}

/// Without what the rules forbid.
fn kept(zone_records: Vec<StaticRecord>) -> Vec<StaticRecord> {
    let mut zone = ZoneSpec { records: zone_records, ..super::zone() };
    loop {
        let broken = crate::model::broken_rules(&zone);
        match broken.last() {
            Some((index, _)) => drop(zone.records.remove(*index)),
            None => return zone.records,
        }
    }
}

fn octets(records: &[Record]) -> Vec<Vec<u8>> {
    let mut octets: Vec<Vec<u8>> =
        records.iter().map(|record| record.to_bytes().expect("encoded")).collect();
    octets.sort();
    octets
}

proptest! {
    /// So the index is nothing but a shortcut.
    #[test]
    fn the_index_says_what_the_algorithm_says(
        zone_records in prop::collection::vec(any_record(), 0..10),
        services in prop::sample::subsequence(&["s", "x.s", "y.x.s"][..], 0..3),
        labels in prop::collection::vec(prop::sample::select(&["a", "b", "c", "s", "x"][..]), 0..5),
    ) {
        let table = table_of(kept(zone_records), &services);
        let text = if labels.is_empty() { "@".to_owned() } else { labels.join(".") };
        let name = owner(&text);
        for kind in [RecordType::A, RecordType::TXT, RecordType::NS, RecordType::CNAME, RecordType::SOA] {
            let question = question(name.wire(), kind);
            let composition = table.compose(question, NOW, 0);
            prop_assert!(composition.answers.len() <= 64 && composition.additionals.len() <= 64);
            let hickory = to_hickory(&name);
            match table.answer(question, NOW, || 0) {
                Answer::Records(records) => {
                    prop_assert_eq!(octets(&composition.answers), octets(&records.decode(&hickory).0));
                    prop_assert!(composition.authorities.is_empty());
                }
                Answer::NoData(authority, _, ttl) => {
                    prop_assert_eq!(composition.verdict, Verdict::Found);
                    prop_assert_eq!(octets(&composition.authorities), octets(&authority.records(ttl)));
                }
                Answer::NxDomain(authority) => {
                    prop_assert_eq!(composition.verdict, Verdict::Absent);
                    let ttl = authority.ttl();
                    prop_assert_eq!(octets(&composition.authorities), octets(&authority.records(ttl)));
                }
                Answer::Composed => {
                    // Below a delegation is nothing of ours.
                    prop_assert!(composition.authoritative || composition.answers.is_empty());
                }
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }

    #[test]
    fn any_name_is_answered(wire in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 0..8)) {
        let table = table_of(vec![wild("*", text("wild")), dname("d", "grows.d")], &["api"]);
        let mut name: Vec<u8> = Vec::new();
        for label in &wire {
            name.push(label.len() as u8);
            name.extend(label.to_ascii_lowercase());
        }
        name.extend(b"\x01d");
        name.extend(apex().wire());
        prop_assume!(name.len() <= 255);
        let composition = table.compose(question(&name, RecordType::A), NOW, 0);
        prop_assert!(composition.answers.len() <= 1 + zone::CHAIN_MAX);
    }
}
