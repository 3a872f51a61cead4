//! A zone with one name for each kind of answer, for packets that are made up.

#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "tests and fuzz targets each use their own part of it"
)]

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZeroU16,
    path::Path,
    time::Duration,
};

use cutover::{
    config::settings,
    dns::{Packet, Reply, Responder, Transport},
    model::{
        Binding, ClientNetwork, ClientRange, CookieSecrets, DnsName, Endpoint, Family, Kinds,
        PoolName, Share, SrvAnswers, SrvSetting, Timestamp, Timing, Ttl, Weight,
    },
    table::{Answer, Change, Part, Preview, Question, ServiceRecords, Shares, Shift, Table},
};

use super::{oracle::Server, packets::Packets, wire::Message};

/// In wire form.
pub const APEX: &[u8] = b"\x03svc\x07example\x04test\x00";
/// The labels in front of it that have something, in wire form.
pub const NAMES: [&[u8]; 42] = [
    b"",
    b"\x03api",
    b"\x02v6",
    b"\x04both",
    b"\x08weighted",
    b"\x06shares",
    b"\x04none",
    b"\x04half",
    b"\x03n27",
    b"\x03n28",
    b"\x03n72",
    b"\x03n73",
    b"\x04n130",
    b"\x04text",
    b"\x05below\x04text",
    // Twice: what has to be cut is rare among what is asked for.
    b"\x03n28",
    b"\x03n73",
    b"\x04n130",
    b"\x06moving",
    b"\x06ending",
    b"\x05begun",
    b"\x05alias",
    b"\x03far",
    b"\x04loop",
    b"\x05moved",
    b"\x06failed",
    b"\x05large",
    b"\x04wild",
    b"\x01x\x04wild",
    b"\x03sub",
    b"\x02ns\x03sub",
    b"\x07renamed",
    b"\x05below\x07renamed",
    b"\x01x\x05grows",
    b"\x05kinds",
    b"\x04_dns\x05kinds",
    b"\x05_http\x04_tcp\x05kinds",
    b"\x04_own\x04_tcp\x05kinds",
    b"\x05shown",
    b"\x05_http\x04_tcp\x05shown",
    // Around what a datagram can hold with and without the additional section.
    b"\x05_http\x04_tcp\x03s18",
    b"\x05_http\x04_tcp\x03s30",
];
const NSID: &str = "node-1";
pub const SERVER: Server<'static> = Server { apex: APEX, nsid: Some(NSID.as_bytes()) };
/// The time of every packet, in seconds since 1970.
pub const NOW: u32 = 1_700_000_000;

const SETTINGS: &str = r#"version = 1
zone = "svc.example.test"
nameservers = ["ns1.svc.example.test", "ns2.svc.example.test", "ns.elsewhere.test"]
hostmaster = "hostmaster@example.test"
listen = { dns = ["127.0.0.1:0"], http = "127.0.0.1:0" }
records = [
    { name = "ns1", type = "A", data = ["127.0.0.1"] },
    { name = "ns2", type = "AAAA", data = ["::1"] },
    { name = "below.text", type = "TXT", data = ["hello", "\"two strings\" \"of one record\""] },
    { name = "below.text", type = "MX", data = ["10 text", "20 mail.elsewhere.test."] },
    { name = "_dns._udp", type = "SRV", data = ["0 0 53 ns1", "0 0 53 ns2"] },
    { name = "@", type = "CAA", data = ["0 issue \"ca.example\""] },
    { name = "alias", type = "CNAME", data = ["api"] },
    { name = "far", type = "CNAME", data = ["www.elsewhere.test."] },
    { name = "loop", type = "CNAME", data = ["loop2"] },
    { name = "loop2", type = "CNAME", data = ["loop"] },
    { name = "moved", type = "CNAME", data = ["moving"] },
    { name = "failed", type = "CNAME", data = ["none"] },
    { name = "large", type = "CNAME", data = ["n73"] },
    { name = "*.wild", type = "CNAME", data = ["both"] },
    { name = "sub", type = "NS", data = ["ns.sub", "ns.elsewhere.test."] },
    { name = "ns.sub", type = "A", data = ["192.0.2.60"] },
    { name = "renamed", type = "DNAME", data = ["text"] },
    { name = "grows", type = "DNAME", data = ["more.grows"] },
]
"#;

/// The table, of generation 2.
pub fn table() -> Table {
    let settings = settings::parse(Path::new("cutover.toml"), SETTINGS);
    let zone = settings.unwrap_or_else(|error| panic!("{error}")).zones.first().clone();
    let v4 = |host| [192, 0, 2, host].into();
    let v6 = |host| [0x2001, 0xdb8, 0, 0, 0, 0, 0, host].into();
    let one = |address| Endpoint::new(address, Weight::ONE).expect("one host");
    let weighs = |host, weight| {
        let weight = Weight::new(weight).expect("a weight");
        Endpoint::new(v4(host), weight).expect("one host")
    };
    let [v1, v2, v3] = ["v1", "v2", "v3"].map(|pool| pool.parse().expect("the name of a pool"));
    let many = |count| (1..=count).map(|host| one(v4(host))).collect::<Vec<_>>();
    let set = [
        ("api", many(2), &[][..]),
        ("v6", vec![one(v6(1)), one(v6(2))], &[]),
        ("both", vec![one(v4(1)), one(v6(1))], &[]),
        ("weighted", vec![weighs(1, 1), weighs(2, 3)], &[]),
        ("shares", (1..=30).map(|host| weighs(host, host.into())).collect(), &[]),
        ("none", Vec::new(), &Family::ALL),
        ("half", many(1), &Family::ALL[1..]),
        // Around what a datagram of 512 and of 1232 octets can hold.
        ("n27", many(27), &[]),
        ("n28", many(28), &[]),
        ("n72", many(72), &[]),
        ("n73", many(73), &[]),
        // More names than the general path's codec compresses.
        ("n130", many(130), &[]),
    ];
    let set = set.map(|(name, endpoints, lost)| {
        let owner = DnsName::within(name, &zone.apex).expect("a name in the zone");
        let records = ServiceRecords::new(&owner, &Shares::new(&[part(&v1, &endpoints, lost)]));
        (owner, records)
    });
    let (old, new) = (many(3), [one(v4(9)), one(v6(9))]);
    let parts = [part(&v1, &old, &[]), part(&v2, &new, &[])];
    let to = [part(&v2, &new, &[]), part(&v3, &[], &Family::ALL)];
    let share = Share::from_millionths(500_000).expect("a half");
    let shift = Some(Shift { to: &to, share, salt: 7 });
    let owner = DnsName::within("moving", &zone.apex).expect("a name in the zone");
    let moving = ServiceRecords::new(&owner, &Shares { shift, ..Shares::new(&parts) });
    // A change in seven seconds and one just now, each for half of the clients.
    let timed = [
        ("ending", Timing::Until(now() + Duration::from_secs(7))),
        ("begun", Timing::Since(now())),
    ];
    let timed = timed.map(|(name, timing)| {
        let part = part(&v1, &old, &[]);
        let shift = Some(Shift { to: &[Part { timing, ..part }], share, salt: 7 });
        let owner = DnsName::within(name, &zone.apex).expect("a name in the zone");
        let records = ServiceRecords::new(&owner, &Shares { shift, ..Shares::new(&[part]) });
        (owner, records)
    });
    let set = set.into_iter().chain([(owner, moving)]).chain(timed);
    let set = set.chain(of_all_kinds(&zone.apex)).collect();
    let table = Table::new(&zone, (3, 4), NOW.into());
    table.with(Change { set, removed: Vec::new() }, NOW.into())
}

/// Services that answer more than addresses.
fn of_all_kinds(apex: &DnsName) -> Vec<(DnsName, ServiceRecords)> {
    let port = NonZeroU16::new(8443);
    let endpoint = |address: IpAddr, weight| {
        let weight = Weight::new(weight).expect("a weight");
        Endpoint::new(address, weight).expect("one host").on_port(port)
    };
    let of = |net: u8, hosts: u8| {
        let v4 = (1..=hosts).map(|host| endpoint([198, 51, net, host].into(), host.into()));
        let v6 = [0x2001, 0xdb8, 0, 0, 0, 0, net.into(), 1].into();
        v4.chain([endpoint(v6, 1)]).collect::<Vec<_>>()
    };
    let kinds = |alpn: &str| {
        let binding =
            Binding { alpn: vec![alpn.parse().expect("a protocol")], port, ..Binding::default() };
        let srv = [("_http._tcp", SrvAnswers::All), ("_own._tcp", SrvAnswers::One)];
        let srv = srv.map(|(prefix, answers)| {
            let prefix = prefix.parse().expect("a prefix");
            SrvSetting { prefix, priority: 1, answers }
        });
        Kinds {
            https: Some(binding.clone()),
            svcb: vec![("_dns".parse().expect("a prefix"), binding)],
            txt: vec!["all".parse().expect("a text")],
            srv: srv.into(),
            ..Kinds::default()
        }
    };
    let [v1, v2] = ["v1", "v2"].map(|pool| pool.parse().expect("the name of a pool"));
    let (old, new, texts) = (of(100, 3), of(101, 3), ["new".parse().expect("a text")]);
    let from = [part(&v1, &old, &[])];
    let to = [Part { texts: &texts, ..part(&v2, &new, &[]) }];
    let share = Share::from_millionths(500_000).expect("a half");
    let moving = Shares { shift: Some(Shift { to: &to, share, salt: 3 }), ..Shares::new(&from) };
    let clients = ["198.51.100.0/24".parse().expect("a network")];
    let clients = clients.map(|network| ClientRange::of(&network).expect("large enough"));
    let preview = Some(Preview { clients: &clients, to: &to });
    let shown = Shares { preview, ..Shares::new(&from) };
    let (some, many) = (of(102, 18), of(103, 30));
    let [some, many] = [[part(&v1, &some, &[])], [part(&v1, &many, &[])]];
    let all = [
        ("kinds", moving),
        ("shown", shown),
        ("s18", Shares::new(&some)),
        ("s30", Shares::new(&many)),
    ];
    let records = |(name, shares): (&str, Shares<'_>)| {
        let owner = DnsName::within(name, apex).expect("a name in the zone");
        ServiceRecords::all(&owner, &kinds("h2"), &shares, |_| None)
    };
    all.into_iter().flat_map(records).collect()
}

fn part<'p>(pool: &'p PoolName, endpoints: &'p [Endpoint], lost: &'p [Family]) -> Part<'p> {
    Part { lost, ..Part::new(pool, Ttl::from_secs_const(60), endpoints) }
}

/// Whether the answer to a packet is put together from several names or sections: so it is for the
/// general path.
pub fn is_composed(table: &Table, octets: &[u8]) -> bool {
    let mut name = Vec::new();
    let Ok(end) = super::wire::name(octets, super::wire::HEADER_LEN, &mut name) else {
        return false;
    };
    let Some(&[high, low]) = octets.get(end..).and_then(<[u8]>::first_chunk) else { return false };
    let client = ClientNetwork::v4([198, 51, 100]);
    let question = Question { name: &name, kind: u16::from_be_bytes([high, low]), client };
    table.answer(question, now(), || 0) == Answer::Composed
}

pub fn responder() -> Responder {
    Responder::new(CookieSecrets::random([7; 16]), Some(NSID))
}

/// The time of every packet.
pub const fn now() -> Timestamp {
    Timestamp::from_unix_micros(NOW as u64 * 1_000_000)
}

/// How a packet comes: the lowest bit of its ID chooses the family of the client.
pub fn packet(octets: &[u8], transport: Transport) -> Packet<'_> {
    let client: IpAddr = match octets.get(1).map(|low| low & 1) {
        Some(1) => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7).into(),
        _ => Ipv4Addr::new(198, 51, 100, 7).into(),
    };
    Packet { octets, client: (client, 40_000).into(), transport, unix_secs: NOW, now: now() }
}

/// Makes packets with a cookie that the server has given to their client.
pub fn packets(table: &Table, responder: &Responder) -> Packets {
    // A question for the root, with an OPT record that has a client's cookie.
    let asked = b"\0\0\0\0\0\x01\0\0\0\0\0\x01\0\0\x01\0\x01\0\0\x29\x02\0\0\0\0\0\0\x0c\0\x0a\0\x08clicooki";
    let reply = responder.reply(table, packet(asked, Transport::Udp));
    let Reply::Send(octets, _) = reply else { panic!("{reply:?}") };
    let message = Message::read(&octets).expect("a message");
    let [(10, cookie), ..] = message.options()[..] else { panic!("no cookie: {message:?}") };
    Packets { cookie: cookie.try_into().expect("a cookie of 24 octets") }
}
