//! Replies that do not fit: cut to the question, never in the middle of an rrset (RFC 2181 §9).

use cutover::{
    dns::{Reply, Transport, UDP_REPLY_MAX},
    model::{Start, StaticRecord, Ttl, ZoneSpec},
    table::to_hickory,
};
use domain::base::{Rtype, iana::Rcode};
use hickory_proto::rr::{
    RData,
    rdata::{MX, NS},
};

use crate::{APEX, Change, Query, Table, client, hosts, name, query, reply, seen, table};

/// A reply without its answer, that says so.
#[track_caller]
fn assert_cut(asked: &Query, cap: usize) {
    let reply = asked.udp();
    assert!(reply.header.tc() && reply.header.aa(), "{reply:?}");
    assert_eq!(reply.code(), Rcode::NOERROR);
    assert_eq!(reply.question, [(asked.name.clone(), asked.kind, asked.class)]);
    assert_eq!((reply.answer.len(), reply.authority.len()), (0, 0));
    assert_eq!(reply.opt.is_some(), asked.edns.is_some());
    assert!(reply.len <= cap, "{} octets", reply.len);
}

#[test]
fn without_edns_a_datagram_has_at_most_512_octets() {
    assert_cut(&query("n40", Rtype::A), 512);
}

#[test]
fn with_edns_a_datagram_has_at_most_1232_octets_whatever_is_asked() {
    for payload in [1232, 4096, u16::MAX] {
        assert_cut(&query("n100", Rtype::A).edns(payload), 1232);
    }
}

#[test]
fn a_client_that_can_take_more_than_512_octets_gets_them() {
    let reply = query("n40", Rtype::A).edns(4096).udp();
    assert_eq!(reply.answer.len(), 40);
    assert!(!reply.header.tc());
}

#[test]
fn a_client_that_can_take_less_gets_less() {
    assert_cut(&query("n40", Rtype::A).edns(600), 600);
}

#[test]
fn nobody_is_taken_to_have_room_for_less_than_512_octets() {
    for payload in [0, 1, 511] {
        let reply = query("api", Rtype::A).edns(payload).udp();
        assert_eq!(reply.answer.len(), 2, "a payload size of {payload}");
        assert_cut(&query("n40", Rtype::A).edns(payload), 512);
    }
}

/// A zone with a name of many mail servers, each with an address, and a delegation to as many servers.
fn mail() -> Table {
    let records = (0..30).flat_map(|number| {
        let host = to_hickory(&name(&format!("host{number}")));
        let server = to_hickory(&name(&format!("ns{number}.below")));
        let address = || RData::A(std::net::Ipv4Addr::new(192, 0, 2, number).into());
        [
            (name("mail"), RData::MX(MX::new(10, host))),
            (name(&format!("host{number}")), address()),
            (name("below"), RData::NS(NS(server))),
            (name(&format!("ns{number}.below")), address()),
        ]
    });
    let ttl = Ttl::from_secs_const(60);
    let records = records.map(|(owner, data)| StaticRecord { owner, ttl, data }).collect();
    let zone = ZoneSpec {
        apex: APEX.parse().expect("a name"),
        nameservers: vec![name("ns1")],
        hostmaster: name("hostmaster"),
        start: Start::default(),
        records,
    };
    Table::new(&zone, (3, 4), 1).with(Change::default(), 1)
}

#[test]
fn as_much_is_sent_along_as_there_is_room_for() {
    // An address with an owner that points to an earlier name.
    const ADDRESS_LEN: usize = 16;
    const OPT_LEN: u16 = 1;
    let table = mail();
    let asked = |query: &Query, transport| match reply(&table, &query.packet(), client(), transport)
    {
        Reply::Send(octets, _) => seen(&octets),
        Reply::Drop(cause) => panic!("{cause:?}"),
    };
    let mut counts = Vec::new();
    for limit in [800, 900, 1_000, 1_100_u16] {
        let seen = asked(&query("mail", Rtype::MX).edns(limit), Transport::Udp);
        assert!(!seen.header.tc() && seen.answer.len() == 30, "{limit}");
        let room = usize::from(limit).checked_sub(seen.len).expect("within the limit");
        assert!(room < ADDRESS_LEN, "{limit}: there is room for one more, {room}");
        counts.push(seen.additional_count - OPT_LEN);
    }
    assert!(counts.is_sorted() && counts[3] < 30, "{counts:?}");
    // Without addresses below the cut nobody finds the servers.
    let referral = query("x.below", Rtype::A).edns(800);
    assert!(asked(&referral, Transport::Udp).header.tc());
    let whole = asked(&referral, Transport::Tcp);
    assert!(!whole.header.tc() && whole.additional_count == 30 + OPT_LEN, "{whole:?}");
}

#[test]
fn streams_carry_everything() {
    for asked in [query("n100", Rtype::A), query("n100", Rtype::A).edns(512)] {
        let reply = asked.tcp();
        assert_eq!(reply.answer.len(), 100);
        assert!(!reply.header.tc());
        assert!(reply.len > usize::from(UDP_REPLY_MAX));
    }
}

/// The reply to `packet` when `n` has `count` addresses.
fn answered(base: &Table, count: u8, packet: &[u8], transport: Transport) -> Vec<u8> {
    let set = vec![hosts("n", count)];
    let table = base.with(Change { set, removed: Vec::new() }, 0);
    match reply(&table, packet, client(), transport) {
        Reply::Send(octets, _) => octets,
        Reply::Drop(cause) => panic!("dropped: {cause:?}"),
    }
}

#[test]
fn a_datagram_is_cut_exactly_when_it_would_be_too_long() {
    let base = table();
    let asked = query("n", Rtype::A);
    let cases = [
        (asked.clone(), 512),
        (asked.clone().edns(600), 600),
        (asked.clone().edns(607), 607),
        (asked.edns(4096), 1232),
    ];
    for (asked, cap) in cases {
        let packet = asked.packet();
        let mut cut = 0;
        for count in 1..=100 {
            let whole = answered(&base, count, &packet, Transport::Tcp);
            let datagram = answered(&base, count, &packet, Transport::Udp);
            if whole.len() <= cap {
                assert_eq!(datagram, whole, "{count} addresses fit into {cap} octets");
            } else {
                cut += 1;
                let reply = seen(&datagram);
                assert!(reply.header.tc() && reply.answer.is_empty(), "{count} addresses");
            }
        }
        assert!((1..100).contains(&cut), "both sides of {cap} octets were seen");
    }
}
