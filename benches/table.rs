//! The record table: answering, swapping one service, and building, in tables of 1 k, 100 k and
//! 1 M names. Prints; nothing depends on it.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, OnceLock},
};

use arc_swap::ArcSwap;
use cutover::{
    dns::{Packet, Responder, Transport},
    model::{ClientNetwork, CookieSecrets, DnsName, Endpoint, Ttl, Weight, ZoneSpec, mapped},
    table::{Change, LOOKUPS_MAX, Question, ServiceRecords, Table},
};
use divan::{Bencher, black_box, counter::ItemsCount};
use hickory_proto::{
    op::{Message, MessageType, OpCode, Query},
    rr::RecordType,
};

const SIZES: [usize; 3] = [1_000, 100_000, 1_000_000];
const TTL: Ttl = Ttl::from_secs_const(60);
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));
/// Names asked for, in an order without pattern.
const ASKED: usize = 200 * QUESTIONS;
/// Questions of one round, so that the clock is read seldom.
const QUESTIONS: usize = 1_000;

fn main() {
    divan::main();
}

/// A thousand answers decided, as many at once as a UDP worker takes: names to records.
#[divan::bench(args = SIZES)]
fn answers_1000(bencher: Bencher, size: usize) {
    let (table, names) = (table(size), asked(size));
    let mut turns = names.chunks(QUESTIONS).cycle();
    bencher.counter(ItemsCount::new(QUESTIONS)).bench_local(|| {
        for names in turns.next().expect("a cycle").chunks(LOOKUPS_MAX) {
            let mut questions = [question(&names[0]); LOOKUPS_MAX];
            for (question_at, name) in questions.iter_mut().zip(names) {
                *question_at = question(name);
            }
            table.answers(&questions[..names.len()], |_, answer| {
                black_box(answer);
            });
        }
    });
}

/// A thousand answers decided one by one.
#[divan::bench(args = SIZES)]
fn answer_1000(bencher: Bencher, size: usize) {
    let (table, names) = (table(size), asked(size));
    let mut turns = names.chunks(QUESTIONS).cycle();
    bencher.counter(ItemsCount::new(QUESTIONS)).bench_local(|| {
        for name in turns.next().expect("a cycle") {
            black_box(table.answer(question(name)));
        }
    });
}

fn question(name: &DnsName) -> Question<'_> {
    Question {
        name: name.wire(),
        kind: RecordType::A.into(),
        client: ClientNetwork::of(mapped(CLIENT), None),
    }
}

/// A thousand packets answered one by one: octets to octets, on the common path.
#[divan::bench(args = SIZES)]
fn packet_1000(bencher: Bencher, size: usize) {
    let (table, responder) = (table(size), responder());
    let packets: Vec<Vec<u8>> = asked(size).iter().map(query).collect();
    let mut turns = packets.chunks(QUESTIONS).cycle();
    bencher.counter(ItemsCount::new(QUESTIONS)).bench_local(|| {
        for octets in turns.next().expect("a cycle") {
            let answered = responder.reply_common(&table, packet(octets));
            assert!(answered.is_some());
            black_box(answered);
        }
    });
}

/// The same on the general path.
#[divan::bench(args = SIZES)]
fn packet_general_1000(bencher: Bencher, size: usize) {
    let (table, responder) = (table(size), responder());
    let packets: Vec<Vec<u8>> = asked(size).iter().map(query).collect();
    let mut turns = packets.chunks(QUESTIONS).cycle();
    bencher.counter(ItemsCount::new(QUESTIONS)).bench_local(|| {
        for octets in turns.next().expect("a cycle") {
            black_box(responder.reply_general(&table, packet(octets)));
        }
    });
}

fn responder() -> Responder {
    Responder::new(CookieSecrets::random([1; 16]), None)
}

fn packet(octets: &[u8]) -> Packet<'_> {
    Packet {
        octets,
        client: SocketAddr::new(CLIENT, 5353),
        transport: Transport::Udp,
        unix_secs: 1,
    }
}

/// One service changed: the next table made and stored.
#[divan::bench(args = SIZES)]
fn swap(bencher: Bencher, size: usize) {
    let store = ArcSwap::from(table(size));
    let mut turn = 0;
    bencher.bench_local(|| {
        turn = (turn + 7_919) % size;
        let change = Change { set: vec![service(turn, 2)], removed: Vec::new() };
        store.store(Arc::new(store.load().with(change, 1)));
    });
}

/// A whole table made from nothing.
#[divan::bench(args = SIZES, sample_count = 3, sample_size = 1)]
fn build(bencher: Bencher, size: usize) {
    bencher
        .with_inputs(|| (0..size).map(|number| service(number, 1)).collect::<Vec<_>>())
        .bench_local_values(|set| black_box(filled(set)));
}

fn table(size: usize) -> Arc<Table> {
    static TABLES: [OnceLock<Arc<Table>>; SIZES.len()] = [const { OnceLock::new() }; SIZES.len()];
    let at = SIZES.iter().position(|known| *known == size).expect("a known size");
    let fill = || Arc::new(filled((0..size).map(|number| service(number, 1)).collect()));
    TABLES[at].get_or_init(fill).clone()
}

fn filled(set: Vec<(DnsName, ServiceRecords)>) -> Table {
    Table::new(&zone(), (1, 2), 1).with(Change { set, removed: Vec::new() }, 1)
}

fn zone() -> ZoneSpec {
    let name = |text: &str| text.parse::<DnsName>().expect("a name");
    ZoneSpec {
        apex: name("svc.example.test"),
        nameservers: vec![name("ns1.example.test")],
        hostmaster: name("hostmaster.example.test"),
        records: Vec::new(),
    }
}

/// Service `number` with three endpoints of version `version`.
fn service(number: usize, version: u8) -> (DnsName, ServiceRecords) {
    let name = format!("service-{number}");
    let endpoint = |last| Endpoint::new(Ipv4Addr::new(192, 0, version, last).into(), Weight::ONE);
    let endpoints = [1, 2, 3].map(|last| endpoint(last).expect("an address"));
    let owner = DnsName::within(&name, &zone().apex).expect("a name");
    let records = ServiceRecords::new(&owner, TTL, &endpoints, &[], None);
    (owner, records)
}

fn asked(size: usize) -> Vec<DnsName> {
    let apex = zone().apex;
    // A full-period generator (Hull and Dobell 1962), so that the order has no pattern that a
    // cache could use, and each run asks the same.
    let mut state: usize = 12_345;
    let name = |_| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        DnsName::within(&format!("service-{}", (state >> 33) % size), &apex).expect("a name")
    };
    (0..ASKED).map(name).collect()
}

fn query(name: &DnsName) -> Vec<u8> {
    let mut message = Message::new(7, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(cutover::table::to_hickory(name), RecordType::A));
    message.to_vec().expect("encoded")
}
