//! What is not answered: other opcodes, classes and types, and malformed packets.

use cutover::dns::Transport;
use domain::base::{
    Rtype,
    iana::{Class, Rcode},
};

use crate::{ID, query, seen, sent};

/// A reply that is a header and nothing else.
#[track_caller]
fn assert_bare(octets: &[u8], code: Rcode) {
    let reply = seen(octets);
    assert_eq!((reply.code(), reply.len), (code, 12));
    assert_eq!(reply.header.id(), ID);
    assert!(reply.header.qr() && !reply.header.aa() && !reply.header.ra());
}

#[test]
fn other_opcodes_are_not_implemented() {
    // IQUERY, STATUS, NOTIFY, UPDATE, DSO and the last of all.
    for opcode in [1, 2, 4, 5, 6, 15] {
        let mut packet = query("api", Rtype::SOA).packet();
        packet[2] = opcode << 3 | 1;
        let octets = sent(&packet, Transport::Udp);
        assert_bare(&octets, Rcode::NOTIMP);
        assert_eq!(octets[2], 0x80 | opcode << 3 | 1, "opcode and RD come back");
    }
}

#[test]
fn any_count_of_questions_but_one_is_malformed() {
    for count in [0u16, 2, u16::MAX] {
        let mut packet = query("api", Rtype::A).packet();
        packet[4..6].copy_from_slice(&count.to_be_bytes());
        assert_bare(&sent(&packet, Transport::Udp), Rcode::FORMERR);
    }
}

#[test]
fn two_whole_questions_are_malformed() {
    let mut packet = query("api", Rtype::A).packet();
    let question = packet[12..].to_vec();
    packet.extend_from_slice(&question);
    packet[5] = 2;
    assert_bare(&sent(&packet, Transport::Udp), Rcode::FORMERR);
}

#[test]
fn counts_that_the_packet_cannot_hold_are_malformed() {
    for at in [6, 8, 10] {
        let mut packet = query("api", Rtype::A).packet();
        packet[at] = 0xff;
        assert_bare(&sent(&packet, Transport::Udp), Rcode::FORMERR);
    }
}

#[test]
fn a_packet_cut_anywhere_is_malformed() {
    let packet = query("api", Rtype::A).edns(1232).packet();
    for len in 12..packet.len() {
        let reply = seen(&sent(&packet[..len], Transport::Udp));
        assert_eq!(reply.code(), Rcode::FORMERR, "{len} of {} octets", packet.len());
    }
}

#[test]
fn a_compressed_question_is_malformed() {
    let mut packet = query("api", Rtype::A).packet();
    packet.truncate(12);
    packet.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1]);
    assert_bare(&sent(&packet, Transport::Udp), Rcode::FORMERR);
}

#[test]
fn zone_transfers_are_refused() {
    for kind in [Rtype::AXFR, Rtype::IXFR] {
        for reply in [query("@", kind).udp(), query("@", kind).tcp()] {
            assert_eq!(reply.code(), Rcode::REFUSED, "{kind}");
            assert_eq!((reply.answer.len(), reply.authority.len()), (0, 0));
            assert!(!reply.header.aa());
        }
    }
}

#[test]
fn other_classes_are_refused() {
    for class in [Class::CH, Class::HS, Class::NONE, Class::ANY, Class::from_int(0)] {
        let mut asked = query("api", Rtype::A);
        asked.class = class;
        let reply = asked.udp();
        assert_eq!(reply.code(), Rcode::REFUSED, "{class}");
        assert_eq!(reply.answer, []);
        assert_eq!(reply.question[0].2, class, "the question comes back as it was");
        assert!(!reply.header.aa());
    }
}

#[test]
fn types_that_no_name_can_have_are_no_questions() {
    let reply = query("api", Rtype::OPT).udp();
    assert_eq!(reply.code(), Rcode::FORMERR);
    for kind in [Rtype::MAILA, Rtype::MAILB] {
        assert_eq!(query("api", kind).udp().code(), Rcode::NOTIMP, "{kind}");
    }
}
