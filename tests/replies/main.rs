//! Packets in, replies out, with another DNS codec (`domain`) as the judge on both sides. Here are
//! the zone, the questions and the reading of replies; the cases are in the files beside.

mod answers;
mod edns;
mod header;
mod instants;
mod limits;
#[path = "../common/oracle.rs"]
mod oracle;
#[path = "../common/packets.rs"]
mod packets;
mod paths;
mod random;
mod refusals;
mod sockets;
mod truncation;
#[path = "../common/wire.rs"]
mod wire;
#[path = "../common/zone.rs"]
mod zone;

use std::net::SocketAddr;

use cutover::{
    dns::{DropCause, Packet, Reply, Responder, Transport},
    model::{
        CookieSecrets, DnsName, Endpoint, Family, PoolName, Share, Spread, Start, StaticRecord,
        Timestamp, Ttl, Weight, ZoneSpec,
    },
    table::{Change, Part, ServiceRecords, Shares, Shift, Table},
};
use domain::{
    base::{
        Message, MessageBuilder, Name, ParsedName, Question, Rtype,
        iana::{Class, Rcode},
    },
    rdata::AllRecordData,
};
use hickory_proto::rr::{RData, rdata::TXT};

const APEX: &str = "svc.example.test";
const ID: u16 = 0x1234;
const TTL: Ttl = Ttl::from_secs_const(60);

fn name(text: &str) -> DnsName {
    let apex = APEX.parse().expect("a name");
    DnsName::within(text, &apex).expect("a name in the zone")
}

/// A service with `count` IPv4 addresses.
fn hosts(service: &str, count: u8) -> (DnsName, ServiceRecords) {
    let endpoint = |host| Endpoint::new([192, 0, 2, host].into(), Weight::ONE).expect("one host");
    let endpoints: Vec<_> = (1..=count).map(endpoint).collect();
    let owner = name(service);
    let lost: &[Family] = if count == 0 { &Family::ALL } else { &[] };
    let pool = pool("v1");
    let part = Part { lost, ..Part::new(&pool, TTL, &endpoints) };
    let records = ServiceRecords::new(&owner, &Shares::new(&[part]));
    (owner, records)
}

/// A service with two hosts, of which each client is given one.
fn weighted(service: &str) -> (DnsName, ServiceRecords) {
    let endpoint = |host, weight| {
        let weight = Weight::new(weight).expect("a weight");
        Endpoint::new([192, 0, 2, host].into(), weight).expect("one host")
    };
    let owner = name(service);
    let endpoints = [endpoint(1, 1), endpoint(2, 3)];
    let pool = pool("v1");
    let records = ServiceRecords::new(&owner, &Shares::new(&[Part::new(&pool, TTL, &endpoints)]));
    (owner, records)
}

/// A service that is half way from an old pool, of one IPv4 address, to a new one of both families,
/// of which IPv6 is lost if so wanted.
fn half_moved(service: &str, lost: &[Family]) -> (DnsName, ServiceRecords) {
    let endpoint = |address: &str| {
        Endpoint::new(address.parse().expect("an address"), Weight::ONE).expect("one host")
    };
    let (old, new) = ([endpoint("192.0.2.1")], [endpoint("192.0.2.2"), endpoint("2001:db8::2")]);
    let (v1, v2) = (pool("v1"), pool("v2"));
    let to = [Part { lost, ..Part::new(&v2, TTL, &new) }];
    let from = [Part::new(&v1, TTL, &old)];
    let share = Share::from_millionths(500_000).expect("a half");
    let shift = Some(Shift { to: &to, share, salt: 7 });
    let split = Shares { shift, ..Shares::new(&from) };
    let owner = name(service);
    let records = ServiceRecords::new(&owner, &split);
    (owner, records)
}

/// A service with two pools of one host, one of which is drawn for each question.
fn drawn(service: &str) -> (DnsName, ServiceRecords) {
    let host = |host| [Endpoint::new([192, 0, 2, host].into(), Weight::ONE).expect("one host")];
    let (owner, v1, v2, old, new) = (name(service), pool("v1"), pool("v2"), host(1), host(2));
    let parts = [Part::new(&v1, TTL, &old), Part::new(&v2, TTL, &new)];
    let shares = Shares { spread: Spread::Random, ..Shares::new(&parts) };
    let records = ServiceRecords::new(&owner, &shares);
    (owner, records)
}

fn pool(text: &str) -> PoolName {
    text.parse().expect("the name of a pool")
}

/// `api` has two addresses, `none` has lost all, `n40` has forty, and so on.
fn table() -> Table {
    let zone = ZoneSpec {
        apex: APEX.parse().expect("a name"),
        nameservers: vec![name("ns1"), name("ns2")],
        hostmaster: name("hostmaster"),
        start: Start::default(),
        records: vec![StaticRecord {
            owner: name("below.text"),
            ttl: Ttl::from_secs_const(120),
            data: RData::TXT(TXT::new(vec!["hello".to_owned()])),
        }],
    };
    let counts = [("api", 2), ("none", 0), ("n40", 40), ("n100", 100)];
    let mut set: Vec<_> = counts.map(|(service, count)| hosts(service, count)).into();
    set.push(weighted("weighted"));
    set.push(half_moved("moving", &[]));
    set.push(half_moved("losing", &[Family::V6]));
    set.extend(instants::services());
    Table::new(&zone, (3, 4), 1_700_000_000).with(Change { set, removed: Vec::new() }, 0)
}

fn client() -> SocketAddr {
    ([198, 51, 100, 7], 40_000).into()
}

/// One question, as a stub or a resolver would send it.
#[derive(Clone, Debug)]
struct Query {
    name: String,
    kind: Rtype,
    class: Class,
    recursion_desired: bool,
    edns: Option<Edns>,
}

#[derive(Clone, Copy, Debug)]
struct Edns {
    payload: u16,
    version: u8,
    dnssec_ok: bool,
    records: usize,
}

/// A question for a name relative to the zone; without EDNS.
fn query(name: &str, kind: Rtype) -> Query {
    let name = if name == "@" { APEX.to_owned() } else { format!("{name}.{APEX}") };
    Query { name, kind, class: Class::IN, recursion_desired: false, edns: None }
}

/// A question for a name anywhere.
fn query_absolute(name: &str, kind: Rtype) -> Query {
    Query { name: name.to_owned(), ..query("@", kind) }
}

impl Query {
    fn edns(mut self, payload: u16) -> Self {
        self.edns = Some(Edns { payload, version: 0, dnssec_ok: false, records: 1 });
        self
    }

    /// An OPT record that is not the usual one.
    fn odd_edns(mut self, edit: impl FnOnce(&mut Edns)) -> Self {
        let mut edns = Edns { payload: 1232, version: 0, dnssec_ok: false, records: 1 };
        edit(&mut edns);
        self.edns = Some(edns);
        self
    }

    fn packet(&self) -> Vec<u8> {
        let mut builder = MessageBuilder::new_vec();
        builder.header_mut().set_id(ID);
        builder.header_mut().set_rd(self.recursion_desired);
        let mut builder = builder.question();
        let name: Name<Vec<u8>> = self.name.parse().expect("a name");
        builder.push(Question::new(name, self.kind, self.class)).expect("room");
        let mut builder = builder.additional();
        for edns in self.edns.iter().flat_map(|edns| std::iter::repeat_n(edns, edns.records)) {
            let opt = builder.opt(|opt| {
                opt.set_udp_payload_size(edns.payload);
                opt.set_version(edns.version);
                opt.set_dnssec_ok(edns.dnssec_ok);
                Ok(())
            });
            opt.expect("room");
        }
        builder.finish()
    }

    fn udp(&self) -> Seen {
        seen(&sent(&self.packet(), Transport::Udp))
    }

    fn tcp(&self) -> Seen {
        seen(&sent(&self.packet(), Transport::Tcp))
    }
}

/// The time of every packet.
const NOON: u32 = 1_700_000_000;
const NOW: Timestamp = Timestamp::from_unix_micros(NOON as u64 * 1_000_000);

/// The reply to a packet. Where the common path has one, the general path has the same.
fn reply(table: &Table, octets: &[u8], client: SocketAddr, transport: Transport) -> Reply {
    let responder = Responder::new(CookieSecrets::random([7; 16]), Some("node-1"));
    let packet = Packet { octets, client, transport, unix_secs: NOON, now: NOW };
    let general = responder.reply_general(table, packet);
    if let Some(common) = responder.reply_common(table, packet) {
        assert_eq!(meaning(&common), meaning(&general), "{octets:02x?}");
    }
    responder.reply(table, packet)
}

/// What a reply says, however its names are written.
fn meaning(reply: &Reply) -> String {
    let Reply::Send(octets, code) = reply else { return format!("{reply:?}") };
    let Seen { len: _, header, question, answer, authority, opt, additional_count } = seen(octets);
    // The question comes back letter by letter. Where it ends only its octets tell: as text, a name
    // can be longer, and what follows may be compressed on one path and not on the other.
    let question_end = question.first().map_or(12, |_| {
        wire::name(octets, 12, &mut Vec::new()).expect("what was decoded has a name there") + 4
    });
    let asked = &octets[..question_end];
    format!("{code:?} {header:?} {asked:?} {question:?} {opt:?} {additional_count}")
        + &format!("{answer:?} {authority:?}").to_lowercase()
}

/// The octets of the reply that must come.
fn sent(packet: &[u8], transport: Transport) -> Vec<u8> {
    match reply(&table(), packet, client(), transport) {
        Reply::Send(octets, _) => octets,
        Reply::Drop(cause) => panic!("dropped: {cause:?}"),
    }
}

/// Why there is no reply.
fn dropped(packet: &[u8]) -> DropCause {
    match reply(&table(), packet, client(), Transport::Udp) {
        Reply::Drop(cause) => cause,
        Reply::Send(octets, _) => panic!("sent: {octets:02x?}"),
    }
}

/// One record as text: owner, type, TTL, data.
type Record = (String, Rtype, u32, String);

/// A reply, decoded to its last octet.
#[derive(Debug)]
struct Seen {
    len: usize,
    header: domain::base::Header,
    question: Vec<(String, Rtype, Class)>,
    answer: Vec<Record>,
    authority: Vec<Record>,
    opt: Option<Opt>,
    additional_count: u16,
}

#[derive(Clone, Debug, PartialEq)]
struct Opt {
    payload: u16,
    version: u8,
    dnssec_ok: bool,
    rcode: u16,
    /// The options: codes and data.
    options: Vec<(u16, Vec<u8>)>,
}

impl Seen {
    fn code(&self) -> Rcode {
        self.header.rcode()
    }

    /// The authority of a negative answer.
    #[track_caller]
    fn assert_negative(&self, code: Rcode) {
        assert_eq!(self.code(), code);
        assert_eq!(self.answer, []);
        let [(owner, Rtype::SOA, 30, data)] = self.authority.as_slice() else {
            panic!("{:?} instead of one SOA record for 30 s", self.authority);
        };
        assert!(owner.eq_ignore_ascii_case(APEX), "{owner}");
        assert!(data.ends_with(" 30") || data.contains(" 30 "), "a minimum of 30 s: {data}");
        assert!(self.header.aa());
    }
}

fn seen(octets: &[u8]) -> Seen {
    let message = Message::from_octets(octets.to_vec()).expect("a header");
    let question = message.question().map(|question| {
        let question = question.expect("a question");
        (question.qname().to_string(), question.qtype(), question.qclass())
    });
    let question = question.collect();
    let (_, answer, authority, additional) = message.sections().expect("four sections");
    additional.for_each(|record| assert!(record.is_ok(), "additional"));
    let opt = message.opt().map(|opt| Opt {
        payload: opt.udp_payload_size(),
        version: opt.version(),
        dnssec_ok: opt.dnssec_ok(),
        rcode: opt.rcode(message.header()).to_int(),
        options: opt
            .opt()
            .iter::<domain::base::opt::UnknownOptData<&[u8]>>()
            .map(|option| option.expect("an option"))
            .map(|option| (option.code().to_int(), option.data().to_vec()))
            .collect(),
    });
    Seen {
        len: octets.len(),
        header: message.header(),
        question,
        answer: records(answer),
        authority: records(authority),
        opt,
        additional_count: message.header_counts().arcount(),
    }
}

fn records(section: domain::base::message::RecordSection<'_, Vec<u8>>) -> Vec<Record> {
    let records = section.map(|record| {
        let record = record.expect("a record");
        assert_eq!(record.class(), Class::IN);
        let record = record.to_any_record::<AllRecordData<_, ParsedName<_>>>().expect("its data");
        let owner = record.owner().to_string();
        (owner, record.rtype(), record.ttl().as_secs(), record.data().to_string())
    });
    records.collect()
}
