//! EDNS (RFC 6891): there when asked for, and only then.

use std::collections::BTreeSet;

use cutover::{
    dns::{Packet, Reply, Responder, Transport},
    model::CookieSecrets,
    table::Change,
};
use domain::base::{
    Rtype,
    iana::{Class, Rcode},
};

use crate::{NOON, NOW, Opt, client, drawn, query, query_absolute, seen, sent, table};

const OURS: Opt =
    Opt { payload: 1232, version: 0, dnssec_ok: false, rcode: 0, options: Vec::new() };

#[test]
fn edns_is_in_the_reply_when_it_is_in_the_query() {
    for name in ["api", "text"] {
        assert_eq!(query(name, Rtype::A).edns(4096).udp().opt, Some(OURS), "{name}");
        assert_eq!(query(name, Rtype::A).edns(4096).tcp().opt, Some(OURS), "{name}");
        let without = query(name, Rtype::A).udp();
        assert_eq!((without.opt, without.additional_count), (None, 0), "{name}");
    }
}

#[test]
fn refusals_and_failures_have_edns_and_say_why() {
    let mut chaos = query("api", Rtype::TXT).edns(512);
    chaos.class = Class::CH;
    let outside = query_absolute("example.test", Rtype::A).edns(512);
    // INFO-CODEs of RFC 8914: 0 other, 20 not authoritative, 21 not supported.
    let questions = [
        (query("nothing", Rtype::A).edns(512), Rcode::NXDOMAIN, None),
        (query("none", Rtype::A).edns(512), Rcode::SERVFAIL, Some(&b"\0\0no endpoint is up"[..])),
        (query("@", Rtype::AXFR).edns(512), Rcode::REFUSED, Some(b"\0\x15")),
        (outside, Rcode::REFUSED, Some(b"\0\x14")),
        (chaos, Rcode::REFUSED, Some(b"\0\x15")),
    ];
    for (asked, code, error) in questions {
        let reply = asked.udp();
        assert_eq!(reply.code(), code, "{asked:?}");
        let rcode = u16::from(code.to_int());
        let options = error.map(|data| (15, data.to_vec())).into_iter().collect();
        assert_eq!(reply.opt, Some(Opt { rcode, options, ..OURS }), "{asked:?}");
    }
}

#[test]
fn the_dnssec_bit_is_copied() {
    let asked = query("api", Rtype::A).odd_edns(|edns| edns.dnssec_ok = true);
    let reply = asked.udp();
    assert_eq!(reply.opt, Some(Opt { dnssec_ok: true, ..OURS }));
    assert!(!reply.header.ad());
}

#[test]
fn another_version_is_told_ours() {
    for version in [1, 255] {
        let asked = query("api", Rtype::A).odd_edns(|edns| edns.version = version);
        let reply = asked.udp();
        // BADVERS is 16: its upper bits are in the OPT record, its lower ones in the header.
        assert_eq!(reply.opt, Some(Opt { rcode: 16, ..OURS }), "version {version}");
        assert_eq!(reply.code(), Rcode::NOERROR);
        assert_eq!((reply.question.len(), reply.answer.len()), (1, 0));
    }
}

#[test]
fn two_opt_records_are_malformed() {
    let asked = query("api", Rtype::A).odd_edns(|edns| edns.records = 2);
    let reply = asked.udp();
    assert_eq!(reply.code(), Rcode::FORMERR);
    assert_eq!(reply.answer, []);
}

/// Options of a question: codes and data.
type Options<'o> = &'o [(u16, &'o [u8])];

/// A question for addresses of a service with these options.
pub(crate) fn with_options(service: &str, options: Options<'_>) -> Vec<u8> {
    asked_with_options(service, Rtype::A, options)
}

fn asked_with_options(name: &str, kind: Rtype, options: Options<'_>) -> Vec<u8> {
    let mut packet = query(name, kind).edns(1232).packet();
    let mut data = Vec::new();
    for (code, option) in options {
        data.extend(code.to_be_bytes());
        data.extend(u16::try_from(option.len()).expect("a short option").to_be_bytes());
        data.extend_from_slice(option);
    }
    let len_at = packet.len() - 2;
    packet[len_at..].copy_from_slice(&u16::try_from(data.len()).expect("short").to_be_bytes());
    packet.extend(data);
    packet
}

/// The options of the reply, which has an answer.
#[track_caller]
fn options_of_reply(packet: &[u8], transport: Transport) -> Vec<(u16, Vec<u8>)> {
    let reply = seen(&sent(packet, transport));
    assert_eq!(reply.code(), Rcode::NOERROR);
    assert!(!reply.answer.is_empty());
    reply.opt.expect("an OPT record").options
}

#[test]
fn options_that_we_do_not_know_are_ignored() {
    // Of the local range, without data; EXPIRE; PADDING.
    let packet = with_options("api", &[(65_001, b""), (9, b""), (12, &[0; 20])]);
    assert_eq!(options_of_reply(&packet, Transport::Udp), []);
}

#[test]
fn the_server_says_its_name_to_who_asks() {
    let packet = with_options("api", &[(3, b"")]);
    assert_eq!(options_of_reply(&packet, Transport::Udp), [(3, b"node-1".to_vec())]);
}

#[test]
fn keepalive_is_for_streams() {
    let packet = with_options("api", &[(11, b"")]);
    assert_eq!(options_of_reply(&packet, Transport::Udp), []);
    // 10 s in units of 100 ms.
    assert_eq!(options_of_reply(&packet, Transport::Tcp), [(11, vec![0, 100])]);
}

#[test]
fn a_cookie_is_learned_and_kept() {
    let client = b"clicooki";
    let learned = options_of_reply(&with_options("api", &[(10, client)]), Transport::Udp);
    let [(10, cookie)] = learned.as_slice() else { panic!("{learned:?} instead of a cookie") };
    assert_eq!((cookie.len(), &cookie[..8]), (24, &client[..]));
    let kept = options_of_reply(&with_options("api", &[(10, cookie)]), Transport::Udp);
    assert_eq!(kept, learned);
    // Of several the first counts.
    let twice = with_options("api", &[(10, cookie), (10, b"anothers")]);
    assert_eq!(options_of_reply(&twice, Transport::Udp), learned);
}

#[test]
fn options_that_do_not_keep_to_their_format_are_malformed() {
    let malformed: [(&str, Options<'_>); 9] = [
        ("a cookie of 7 octets", &[(10, &[1; 7])]),
        ("a cookie of 9 octets", &[(10, &[1; 9])]),
        ("a cookie of 41 octets", &[(10, &[1; 41])]),
        ("a subnet without an address", &[(8, &[0, 1, 24, 0])]),
        ("a subnet with too long an address", &[(8, &[0, 1, 24, 0, 192, 0, 2, 0])]),
        ("a subnet with bits behind its prefix", &[(8, &[0, 1, 20, 0, 192, 0, 255])]),
        ("a subnet of 33 bits", &[(8, &[0, 1, 33, 0, 192, 0, 2, 0, 0])]),
        ("a subnet of no family", &[(8, &[0, 3, 0, 0])]),
        ("a subnet with a scope", &[(8, &[0, 1, 24, 24, 192, 0, 2])]),
    ];
    for (what, options) in malformed {
        let reply = seen(&sent(&with_options("api", options), Transport::Udp));
        assert_eq!((reply.code(), reply.answer.len()), (Rcode::FORMERR, 0), "{what}");
    }
    let mut cut = with_options("api", &[(3, b""), (10, b"clicooki")]);
    let option_len_at = cut.len() - 9;
    cut[option_len_at] = 9;
    assert_eq!(seen(&sent(&cut, Transport::Udp)).code(), Rcode::FORMERR, "beyond the record");
}

#[test]
fn the_scope_of_an_answer_is_who_else_is_given_the_same() {
    let subnet = [0, 1, 24, 0, 203, 0, 113];
    let scoped = |scope: u8| {
        let mut data = subnet.to_vec();
        data[3] = scope;
        [(8, data)]
    };
    let everyone = with_options("api", &[(8, &subnet)]);
    assert_eq!(options_of_reply(&everyone, Transport::Udp), scoped(0));
    let weighted = with_options("weighted", &[(8, &subnet)]);
    assert_eq!(options_of_reply(&weighted, Transport::Udp), scoped(24));
    let long = [0, 2, 56, 0, 0x20, 1, 0x0d, 0xb8, 0, 0, 0];
    let options = options_of_reply(&with_options("weighted", &[(8, &long)]), Transport::Udp);
    assert_eq!(options[0].1[..4], [0, 2, 56, 48]);
    let nobody = with_options("weighted", &[(8, &[0, 1, 0, 0])]);
    assert_eq!(options_of_reply(&nobody, Transport::Udp), [(8, vec![0, 1, 0, 0])]);
}

#[test]
fn the_scope_is_narrow_where_others_are_given_something_else_or_nothing() {
    let mut seen = BTreeSet::new();
    for network in 0..20 {
        let subnet = [0, 1, 24, 0, 10, 0, network];
        for (name, kind, scope) in [
            ("moving", Rtype::A, 24),
            ("moving", Rtype::AAAA, 24),
            ("moving", Rtype::TXT, 0),
            ("losing", Rtype::AAAA, 24),
        ] {
            let packet = asked_with_options(name, kind, &[(8, &subnet)]);
            let reply = crate::seen(&sent(&packet, Transport::Udp));
            let options = reply.opt.as_ref().expect("an OPT record").options.iter();
            let scopes: Vec<u8> =
                options.filter(|(code, _)| *code == 8).map(|(_, data)| data[3]).collect();
            assert_eq!(scopes, [scope], "{name} {kind}");
            seen.insert((name, kind, reply.code(), reply.answer.len()));
        }
    }
    let expected = [
        ("losing", Rtype::AAAA, Rcode::NOERROR, 0),
        ("losing", Rtype::AAAA, Rcode::SERVFAIL, 0),
        ("moving", Rtype::A, Rcode::NOERROR, 1),
        ("moving", Rtype::AAAA, Rcode::NOERROR, 0),
        ("moving", Rtype::AAAA, Rcode::NOERROR, 1),
        ("moving", Rtype::TXT, Rcode::NOERROR, 0),
    ];
    assert_eq!(seen, BTreeSet::from(expected));
}

#[test]
fn what_is_drawn_for_each_question_is_for_everyone() {
    let octets = asked_with_options("drawn", Rtype::A, &[(8, &[0, 1, 24, 0, 203, 0, 113])]);
    let octets = octets.as_slice();
    let packet =
        Packet { octets, client: client(), transport: Transport::Udp, unix_secs: NOON, now: NOW };
    let table = table().with(Change { set: vec![drawn("drawn")], removed: Vec::new() }, 0);
    let responder = Responder::new(CookieSecrets::random([7; 16]), None);
    let common = || responder.reply_common(&table, packet).expect("a common question");
    let general = || responder.reply_general(&table, packet);
    for reply in [&common as &dyn Fn() -> Reply, &general] {
        let mut given = BTreeSet::new();
        for _ in 0..100 {
            let Reply::Send(octets, _) = reply() else { panic!("no reply") };
            let reply = seen(&octets);
            let options = &reply.opt.as_ref().expect("an OPT record").options;
            assert_eq!(*options, [(8, vec![0, 1, 24, 0, 203, 0, 113])]);
            given.insert(format!("{:?}", reply.answer));
        }
        assert_eq!(given.len(), 2, "one client is given either");
    }
}

#[test]
fn clients_behind_one_resolver_are_told_apart_by_their_subnet() {
    let given = |network: u8| {
        let packet = with_options("weighted", &[(8, &[0, 1, 24, 0, 10, 0, network])]);
        seen(&sent(&packet, Transport::Udp)).answer
    };
    let different: BTreeSet<_> = (0..50).map(|network| format!("{:?}", given(network))).collect();
    assert_eq!(different.len(), 2, "each of the two hosts is given to somebody");
}
