//! Whatever comes: no panic, and no reply that could do harm.

use cutover::dns::{DropCause, Reply, Transport, UDP_REPLY_MAX};
use cutover::table::Table;
use domain::base::{Message, Rtype};
use proptest::prelude::*;

use crate::{client, query, reply, table};

const NAMES: [&str; 7] = ["api", "none", "n40", "n100", "nothing", "text", "@"];

/// A well-formed query for something of the zone.
fn good() -> impl Strategy<Value = Vec<u8>> {
    let kinds = vec![Rtype::A, Rtype::AAAA, Rtype::ANY, Rtype::SOA, Rtype::NS, Rtype::TXT];
    let edns = prop::option::of(any::<u16>());
    (prop::sample::select(&NAMES[..]), prop::sample::select(kinds), edns).prop_map(
        |(name, kind, edns)| match edns {
            Some(payload) => query(name, kind).edns(payload).packet(),
            None => query(name, kind).packet(),
        },
    )
}

#[derive(Clone, Debug)]
enum Mutation {
    Set(prop::sample::Index, u8),
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Repeat(prop::sample::Index),
    Append(Vec<u8>),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, octet)| Mutation::Set(at, octet)),
        (at(), 0..8u8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        at().prop_map(Mutation::Cut),
        at().prop_map(Mutation::Repeat),
        prop::collection::vec(any::<u8>(), 1..40).prop_map(Mutation::Append),
    ]
}

fn mutate(mut packet: Vec<u8>, mutations: Vec<Mutation>) -> Vec<u8> {
    for mutation in mutations {
        let len = packet.len();
        match mutation {
            Mutation::Append(octets) => packet.extend(octets),
            _ if len == 0 => {}
            Mutation::Set(at, octet) => packet[at.index(len)] = octet,
            Mutation::Flip(at, bit) => packet[at.index(len)] ^= 1 << bit,
            Mutation::Cut(at) => packet.truncate(at.index(len)),
            Mutation::Repeat(at) => packet.extend_from_within(at.index(len)..),
        }
    }
    packet
}

/// Looks at the reply of each transport.
fn check(table: &Table, packet: &[u8]) -> Result<(), TestCaseError> {
    for transport in [Transport::Udp, Transport::Tcp] {
        match reply(table, packet, client(), transport) {
            Reply::Drop(DropCause::Short) => prop_assert!(packet.len() < 12),
            Reply::Drop(DropCause::Response) => prop_assert!(packet[2] & 0x80 != 0),
            Reply::Drop(cause) => prop_assert!(false, "dropped: {:?}", cause),
            Reply::Send(octets, _) => check_reply(packet, &octets, transport)?,
        }
    }
    Ok(())
}

fn check_reply(packet: &[u8], octets: &[u8], transport: Transport) -> Result<(), TestCaseError> {
    prop_assert_eq!(&octets[..2], &packet[..2], "the ID");
    prop_assert!(octets[2] & 0x80 != 0, "QR");
    prop_assert_eq!(octets[2] & 0x79, packet[2] & 0x79, "opcode and RD");
    prop_assert!(octets[3] & 0x80 == 0, "RA");
    if transport == Transport::Udp {
        prop_assert!(octets.len() <= usize::from(UDP_REPLY_MAX), "{} octets", octets.len());
    }
    let Ok(message) = Message::from_octets(octets) else {
        return Err(TestCaseError::fail("no header"));
    };
    // Every count is what is there, and nothing follows.
    let counted = message.iter().filter(|record| record.is_ok()).count();
    let counts = message.header_counts();
    let all = [counts.ancount(), counts.nscount(), counts.arcount()].map(usize::from);
    prop_assert_eq!(counted, all.iter().sum::<usize>());
    Ok(())
}

/// Its question is longer as text than in octets, and behind it the two paths compress otherwise.
#[test]
fn a_name_with_an_octet_that_is_no_letter_does_no_harm() {
    let header = [0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for name in [
        &b"\x04n\x03ne\x03svc\x07example\x04Test\x00"[..],
        b"\x03\xff\0.\x03svc\x07example\x04tEst\x00",
    ] {
        for kind in [1, 6, 28] {
            let packet = [&header[..], name, &[0, kind, 0, 1]].concat();
            check(&table(), &packet).expect("no harm");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_octets_do_no_harm(packet in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&table(), &packet)?;
    }

    #[test]
    fn random_octets_behind_a_good_header_do_no_harm(
        id: u16,
        rest in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let [high, low] = id.to_be_bytes();
        let header = [high, low, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1];
        check(&table(), &[&header[..], &rest].concat())?;
    }

    #[test]
    fn mutated_queries_do_no_harm(
        good in good(),
        mutations in prop::collection::vec(mutation(), 0..6),
    ) {
        check(&table(), &mutate(good, mutations))?;
    }
}
