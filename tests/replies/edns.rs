//! EDNS (RFC 6891): there when asked for, and only then.

use cutover::dns::Transport;
use domain::base::{
    Rtype,
    iana::{Class, Rcode},
};

use crate::{Opt, query, query_absolute, seen, sent};

const OURS: Opt = Opt { payload: 1232, version: 0, dnssec_ok: false, rcode: 0, is_empty: true };

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
fn refusals_and_failures_have_edns_too() {
    let mut chaos = query("api", Rtype::TXT).edns(512);
    chaos.class = Class::CH;
    let outside = query_absolute("example.test", Rtype::A).edns(512);
    let questions = [
        (query("nothing", Rtype::A).edns(512), Rcode::NXDOMAIN),
        (query("none", Rtype::A).edns(512), Rcode::SERVFAIL),
        (query("@", Rtype::AXFR).edns(512), Rcode::REFUSED),
        (outside, Rcode::REFUSED),
        (chaos, Rcode::REFUSED),
    ];
    for (asked, code) in questions {
        let reply = asked.udp();
        assert_eq!(reply.code(), code, "{asked:?}");
        let rcode = u16::from(code.to_int());
        assert_eq!(reply.opt, Some(Opt { rcode, ..OURS }), "{asked:?}");
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

#[test]
fn options_that_we_do_not_know_are_ignored() {
    let mut packet = query("api", Rtype::A).edns(1232).packet();
    // A cookie (10) of eight octets and an option of the local range (65001) without any.
    let options = [&[0, 10, 0, 8][..], b"\x01\x02\x03\x04\x05\x06\x07\x08", &[0xfd, 0xe9, 0, 0]];
    let options = options.concat();
    let len_at = packet.len() - 2;
    packet[len_at + 1] = u8::try_from(options.len()).expect("a short option");
    packet.extend_from_slice(&options);
    let reply = seen(&sent(&packet, Transport::Udp));
    assert_eq!((reply.code(), reply.answer.len()), (Rcode::NOERROR, 2));
    assert_eq!(reply.opt, Some(OURS));
}
