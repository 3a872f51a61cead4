//! The table's answers: the zone and the ways of asking it. The cases are in the files below.

mod answers;
mod audiences;
mod composed;
mod generations;
mod instants;
mod kinds;
mod model;
mod nodes;
mod random;
mod services;
mod shards;
mod splits;
mod zones;

use std::net::IpAddr;

use hickory_proto::rr::{
    RData, RecordType,
    rdata::{CNAME, TXT},
};

use super::{
    Answer, Authority, Change, Part, Question, Records, ServiceRecords, Shares, Table, to_hickory,
};
use crate::model::{
    ClientNetwork, DnsName, Endpoint, Family, Start, StaticRecord, Timestamp, Ttl, Weight,
    ZoneSpec, mapped,
};

const NOON: u64 = 1_700_000_000;
const NOW: Timestamp = Timestamp::from_unix_micros(NOON * 1_000_000);
const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 7));

fn apex() -> DnsName {
    "svc.example.test".parse().expect("a name")
}

fn owner(text: &str) -> DnsName {
    DnsName::within(text, &apex()).expect("a name in the zone")
}

fn record(name: &str, ttl: u32, data: RData) -> StaticRecord {
    StaticRecord { owner: owner(name), ttl: Ttl::from_secs_const(ttl), data }
}

fn text(content: &str) -> RData {
    RData::TXT(TXT::new(vec![content.to_owned()]))
}

fn a(address: &str) -> RData {
    let address: std::net::Ipv4Addr = address.parse().expect("an address");
    RData::A(address.into())
}

/// Two name servers, one of them with an address; texts at `deep.er.text` and `text`; an alias.
fn zone() -> ZoneSpec {
    ZoneSpec {
        apex: apex(),
        nameservers: vec![owner("ns1"), "ns.elsewhere.test".parse().expect("a name")],
        hostmaster: owner("hostmaster"),
        start: Start::default(),
        records: vec![
            record("ns1", 3_600, a("192.0.2.53")),
            record("ns1", 1_800, a("192.0.2.54")),
            record("text", 60, text("hello")),
            record("deep.er.text", 60, text("below")),
            record("alias", 60, RData::CNAME(CNAME(to_hickory(&owner("api"))))),
        ],
    }
}

fn empty() -> Table {
    Table::new(&zone(), (1, 2), NOON)
}

fn endpoint(address: &str, weight: u64) -> Endpoint {
    let weight = Weight::new(weight).expect("a weight");
    Endpoint::new(address.parse().expect("an address"), weight).expect("one host")
}

fn records(name: &str, addresses: &[&str]) -> ServiceRecords {
    let endpoints: Vec<_> = addresses.iter().map(|address| endpoint(address, 1)).collect();
    // A service without any endpoint has lost what it had.
    let lost: &[Family] = if endpoints.is_empty() { &Family::ALL } else { &[] };
    one_pool(name, 60, &endpoints, lost)
}

/// What a service answers with one pool.
fn one_pool(name: &str, ttl: u32, endpoints: &[Endpoint], lost: &[Family]) -> ServiceRecords {
    let pool = "v1".parse().expect("the name of a pool");
    let part = Part { lost, ..Part::new(&pool, Ttl::from_secs_const(ttl), endpoints) };
    ServiceRecords::new(&owner(name), &Shares::new(&[part]))
}

/// One service set.
fn set(name: &str, addresses: &[&str]) -> Change {
    let set = vec![(owner(name), records(name, addresses))];
    Change { set, removed: Vec::new() }
}

/// One service removed.
fn removed(name: &str) -> Change {
    Change { set: Vec::new(), removed: vec![owner(name)] }
}

/// The zone with the service `api` on both families.
fn table() -> Table {
    empty().with(set("api", &["192.0.2.1", "192.0.2.2", "2001:db8::1"]), NOON + 1)
}

fn ask<'t>(table: &'t Table, name: &str, kind: RecordType) -> Answer<'t> {
    ask_as(table, owner(name).wire(), kind, CLIENT)
}

/// The answer to a name in wire form, for this client.
fn ask_as<'t>(table: &'t Table, name: &[u8], kind: RecordType, client: IpAddr) -> Answer<'t> {
    let client = ClientNetwork::of(mapped(client), None);
    let question = Question { name, kind: kind.into(), client };
    let answer = table.answer(question, NOW, || 0);
    let mut together = Vec::new();
    let show = |index, answer| together.push((index, answer));
    table.answers(&[question; 3], NOW, |_| {}, || 0, show);
    assert_eq!(together, [0, 1, 2].map(|index| (index, answer)), "asked together and alone");
    answer
}

/// The data of the records of an answer that has some; names in them are those of the apex's.
#[track_caller]
fn data(answer: &Answer<'_>) -> Vec<RData> {
    let Answer::Records(records) = answer else { panic!("{answer:?} instead of records") };
    let (decoded, _) = records.decode(&to_hickory(&apex()));
    assert_eq!(decoded.len(), usize::from(records.count()));
    assert!(decoded.iter().all(|record| record.ttl == records.ttl()));
    let mut octets = [0; 4_096];
    assert_eq!(records.write(&mut octets), Some(records.octets_len()));
    assert_eq!(records.write(&mut octets[..records.octets_len() - 1]), None, "no room");
    decoded.into_iter().map(|record| record.data).collect()
}

fn kind_of(records: &Records<'_>) -> RecordType {
    records.kind().into()
}

/// The addresses of an answer that has some.
#[track_caller]
fn addresses(answer: &Answer<'_>) -> Vec<String> {
    data(answer).iter().map(ToString::to_string).collect()
}

/// The SOA record of a negative answer: its TTL and its minimum.
fn negative_secs(authority: &Authority) -> (u32, u32) {
    let rrset = authority.rrset();
    match rrset.data.as_slice() {
        [RData::SOA(data)] => (rrset.ttl, data.minimum),
        other => panic!("{other:?} instead of one SOA record"),
    }
}
