//! The header: what is copied from the query and what is never set.

use cutover::dns::{DropCause, Reply, Transport};
use domain::base::{Rtype, iana::Rcode};

use crate::{ID, client, dropped, query, query_absolute, reply, seen, sent, table};

#[test]
fn the_id_is_copied_and_the_reply_is_a_response() {
    for id in [0, 1, ID, u16::MAX] {
        let mut packet = query("api", Rtype::A).packet();
        packet[..2].copy_from_slice(&id.to_be_bytes());
        let header = seen(&sent(&packet, Transport::Udp)).header;
        assert_eq!(header.id(), id);
        assert!(header.qr());
        assert_eq!(header.opcode().to_int(), 0);
    }
}

#[test]
fn recursion_desired_is_copied_and_recursion_never_offered() {
    for recursion_desired in [false, true] {
        for name in ["api", "nothing", "none", "text"] {
            let mut asked = query(name, Rtype::A);
            asked.recursion_desired = recursion_desired;
            let header = asked.udp().header;
            assert_eq!(header.rd(), recursion_desired, "{name}");
            assert!(!header.ra(), "{name}");
        }
    }
}

#[test]
fn flags_that_only_resolvers_set_are_not_taken_over() {
    let mut packet = query("api", Rtype::A).packet();
    // AA, TC; RA, Z, AD.
    packet[2] |= 0x06;
    packet[3] |= 0xe0;
    let header = seen(&sent(&packet, Transport::Udp)).header;
    assert!(header.aa());
    assert!(!header.tc() && !header.ra() && !header.z() && !header.ad());
}

#[test]
fn what_has_no_header_is_dropped() {
    let packet = query("api", Rtype::A).packet();
    for len in [0, 1, 11] {
        assert_eq!(dropped(&packet[..len]), DropCause::Short, "{len} octets");
    }
    let header_alone = seen(&sent(&packet[..12], Transport::Udp));
    assert_eq!(header_alone.code(), Rcode::FORMERR);
}

#[test]
fn a_response_is_never_replied_to() {
    let mut packet = query("api", Rtype::A).packet();
    packet[2] |= 0x80;
    assert_eq!(dropped(&packet), DropCause::Response);
    let ours = sent(&query_absolute("example.test", Rtype::A).packet(), Transport::Udp);
    assert_eq!(dropped(&ours), DropCause::Response);
}

#[test]
fn a_client_at_port_zero_is_not_replied_to() {
    let packet = query("api", Rtype::A).packet();
    let nowhere = ([198, 51, 100, 7], 0).into();
    let answered = reply(&table(), &packet, nowhere, Transport::Udp);
    assert_eq!(answered, Reply::Drop(DropCause::PortZero));
}

#[test]
fn the_reported_code_is_the_one_that_is_sent() {
    let codes = [
        (query("api", Rtype::A), Rcode::NOERROR),
        (query("nothing", Rtype::A), Rcode::NXDOMAIN),
        (query("none", Rtype::A), Rcode::SERVFAIL),
        (query("api", Rtype::AXFR), Rcode::REFUSED),
    ];
    for (asked, code) in codes {
        let answered = reply(&table(), &asked.packet(), client(), Transport::Udp);
        let Reply::Send(octets, reported) = answered else { panic!("{answered:?}") };
        assert_eq!(seen(&octets).code(), code);
        assert_eq!(u16::from(reported), u16::from(code.to_int()));
    }
}
