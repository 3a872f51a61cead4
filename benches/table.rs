//! The record table: answering, swapping one service, and building, in tables of 1 k, 100 k and
//! 1 M names. Prints; nothing depends on it. With `-- kinds`: what an answer of each type costs,
//! against A.

#[path = "table/kinds.rs"]
mod kinds;

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, OnceLock},
};

use arc_swap::ArcSwap;
use cutover::{
    dns::{Packet, Responder, Transport, near},
    model::{
        ClientNetwork, CookieSecrets, DnsName, Endpoint, PoolName, Share, Start, Timestamp, Ttl,
        Weight, ZoneSpec, mapped,
    },
    table::{Change, LOOKUPS_MAX, Part, Question, ServiceRecords, Shares, Shift, Table},
};
use divan::{Bencher, black_box, counter::ItemsCount};
use hickory_proto::{
    op::{Message, MessageType, OpCode, Query},
    rr::RecordType,
};
use mimalloc::MiMalloc;

/// As in the binary.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const SIZES: [usize; 3] = [1_000, 100_000, 1_000_000];
const TTL: Ttl = Ttl::from_secs_const(60);
const NOW: Timestamp = Timestamp::from_unix_micros(1_000_000);
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));
/// Names asked for, in an order without pattern.
const ASKED: usize = 200 * QUESTIONS;
/// Questions of one round, so that the clock is read seldom.
const QUESTIONS: usize = 1_000;

fn main() {
    let mut arguments = std::env::args().skip_while(|argument| argument != "kinds").skip(1);
    match std::env::args().any(|argument| argument == "kinds") {
        true => kinds::compare(&mut arguments),
        false => divan::main(),
    }
}

/// A thousand answers decided, as many at once as a UDP worker takes: names to records.
#[divan::bench(args = SIZES)]
fn answers_1000(bencher: Bencher, size: usize) {
    decide_1000(bencher, &table(size), &asked(size));
}

/// The same, of services half of whose clients have moved from one pool to another.
#[divan::bench(args = SIZES)]
fn split_1000(bencher: Bencher, size: usize) {
    static TABLES: Tables = [const { OnceLock::new() }; SIZES.len()];
    decide_1000(bencher, &kept(&TABLES, size, half_moved), &asked(size));
}

/// The same, of services with two pools that weigh the same.
#[divan::bench(args = SIZES)]
fn split_weighted_1000(bencher: Bencher, size: usize) {
    static TABLES: Tables = [const { OnceLock::new() }; SIZES.len()];
    decide_1000(bencher, &kept(&TABLES, size, two_pools), &asked(size));
}

fn decide_1000(bencher: Bencher, table: &Table, names: &[DnsName]) {
    let mut turns = names.chunks(QUESTIONS).cycle();
    // Copied before the clock runs: a worker's questions have just been read, and are near.
    let mut read = || {
        let names = turns.next().expect("a cycle").iter();
        names.map(|name| name.wire().to_vec()).collect::<Vec<_>>()
    };
    bencher.counter(ItemsCount::new(QUESTIONS)).with_inputs(&mut read).bench_local_refs(|names| {
        for names in names.chunks(LOOKUPS_MAX) {
            let mut questions = [question(&names[0]); LOOKUPS_MAX];
            for (question_at, name) in questions.iter_mut().zip(names) {
                *question_at = question(name);
            }
            table.answers(
                &questions[..names.len()],
                NOW,
                near,
                || 0,
                |_, answer| {
                    black_box(answer);
                },
            );
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
            black_box(table.answer(question(name.wire()), NOW, || 0));
        }
    });
}

fn question(name: &[u8]) -> Question<'_> {
    Question { name, kind: RecordType::A.into(), client: ClientNetwork::of(mapped(CLIENT), None) }
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
        now: NOW,
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

/// One for each size.
type Tables = [OnceLock<Arc<Table>>; SIZES.len()];

fn table(size: usize) -> Arc<Table> {
    static TABLES: Tables = [const { OnceLock::new() }; SIZES.len()];
    kept(&TABLES, size, |number| service(number, 1))
}

fn kept(
    tables: &Tables,
    size: usize,
    service: impl Fn(usize) -> (DnsName, ServiceRecords),
) -> Arc<Table> {
    let at = SIZES.iter().position(|known| *known == size).expect("a known size");
    let fill = || Arc::new(filled((0..size).map(service).collect()));
    tables[at].get_or_init(fill).clone()
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
        start: Start::default(),
        records: Vec::new(),
    }
}

/// Service `number` with three endpoints of version `version`.
fn service(number: usize, version: u8) -> (DnsName, ServiceRecords) {
    let owner = owner(number);
    let endpoints = endpoints(version);
    let records = ServiceRecords::new(&owner, &Shares::new(&[Part::new(pool(0), TTL, &endpoints)]));
    (owner, records)
}

/// Service `number` half of whose clients have moved to another pool; each has a release of its
/// own, so that nobody can foretell whether a client has moved.
fn half_moved(number: usize) -> (DnsName, ServiceRecords) {
    let (owner, old, new) = (owner(number), endpoints(1), endpoints(2));
    let (from, to) = ([Part::new(pool(0), TTL, &old)], [Part::new(pool(1), TTL, &new)]);
    let share = Share::from_millionths(500_000).expect("a half");
    let shift = Some(Shift { to: &to, share, salt: number as u64 });
    let split = Shares { shift, ..Shares::new(&from) };
    let records = ServiceRecords::new(&owner, &split);
    (owner, records)
}

/// Service `number` with two pools.
fn two_pools(number: usize) -> (DnsName, ServiceRecords) {
    let (owner, one, other) = (owner(number), endpoints(1), endpoints(2));
    let parts = [Part::new(pool(0), TTL, &one), Part::new(pool(1), TTL, &other)];
    let records = ServiceRecords::new(&owner, &Shares::new(&parts));
    (owner, records)
}

fn owner(number: usize) -> DnsName {
    DnsName::within(&format!("service-{number}"), &zone().apex).expect("a name")
}

fn endpoints(version: u8) -> [Endpoint; 3] {
    [1, 2, 3].map(|last| endpoint(version, last))
}

fn endpoint(version: u8, last: u8) -> Endpoint {
    let address = Ipv4Addr::new(192, 0, version, last);
    Endpoint::new(address.into(), Weight::ONE).expect("an address")
}

fn pool(number: usize) -> &'static PoolName {
    static POOLS: OnceLock<[PoolName; 2]> = OnceLock::new();
    let pools = || ["v1", "v2"].map(|pool| pool.parse().expect("the name of a pool"));
    &POOLS.get_or_init(pools)[number]
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
