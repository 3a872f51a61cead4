//! What one name has, where it lies.

use std::{cell::RefCell, collections::BTreeSet};

use hickory_proto::rr::RecordType;

use super::{
    super::{
        Answer, Question, Shares,
        node::{LINE_LEN, Node, NodeParts},
        packed::{Audience, Body, Parts},
    },
    NOW,
    kinds::{Scene, client, half},
    owner,
};
use crate::model::{Spread, SrvAnswers, Timing};

pub(super) fn rrset(kind: RecordType, len: usize) -> Vec<u8> {
    let (count, ttl, tally, is_lost) = (1, 60, None, false);
    let (body, spread) = (Body::Records(vec![7; len]), Spread::Sticky);
    let (audience, timing) = (Audience::Everyone, Timing::Lasting);
    let mut packed = Vec::new();
    Parts { kind, ttl, count, body, is_lost, spread, tally, audience, timing }
        .pack_into(&mut packed);
    packed
}

#[test]
fn a_type_is_found_among_others_or_an_alias_that_comes_before_it() {
    use RecordType::{A, AAAA, CNAME, HTTPS, MX, TXT};
    for (kinds, len) in [
        (&[][..], 0),
        (&[A], 4),
        (&[A, AAAA], 16),
        (&[A, AAAA, HTTPS, TXT], 20),
        (&[TXT, A, HTTPS, TXT], 20),
        (&[A, CNAME, TXT], 20),
        (&[A, TXT], 1 << 16),
    ] {
        // Of each another length, so that none is taken for another one.
        let lens = kinds.iter().zip(len..);
        let fixed = lens.clone().flat_map(|(kind, len)| rrset(*kind, len)).collect::<Vec<u8>>();
        let mut packed = Vec::new();
        let parts = NodeParts { fixed: fixed.clone(), ..NodeParts::new(b"\x03api") };
        parts.pack_into(1, &mut packed);
        let node = Node::first(&packed);
        for kind in [A, AAAA, CNAME, HTTPS, MX, TXT] {
            let expected = lens.clone().find(|(it, _)| [kind, CNAME].contains(it));
            let found = node.find(kind.into());
            assert_eq!(
                found.map(|it| it.body.len()),
                expected.map(|(_, len)| len),
                "{kind} of {kinds:?}"
            );
            assert_eq!(found.map(|it| it.kind()), expected.map(|(kind, _)| u16::from(*kind)));
        }
        assert_eq!(node.parts().fixed, fixed);
        assert!(node.parts().service.is_none() && !node.has_service());
    }
}

/// Also of names with much else, and of parts of a split: whoever writes many answers at once waits for
/// none of them.
#[test]
fn what_is_written_has_been_brought_near_but_for_a_last_line() {
    let scene = Scene::new(SrvAnswers::One);
    let (from, to) = ([scene.part(0)], [scene.part(1)]);
    for shares in [Shares::new(&from), Shares { shift: Some(half(&to)), ..Shares::new(&from) }] {
        let table = scene.table(&shares);
        for (name, kind) in [
            ("api", RecordType::HTTPS),
            ("api", RecordType::TXT),
            ("_dns.api", RecordType::SVCB),
            ("_http._tcp.api", RecordType::SRV),
        ] {
            let name = owner(name);
            let question = Question { name: name.wire(), kind: kind.into(), client: client(1) };
            let near = RefCell::new(BTreeSet::new());
            let line = |octet: &u8| std::ptr::from_ref(octet).addr() / LINE_LEN;
            let note = |octet: &u8| {
                near.borrow_mut().insert(line(octet));
            };
            let mut found = None;
            table.answers(&[question], NOW, note, || 0, |_, answer| found = Some(answer));
            let (near, Some(Answer::Records(records))) = (near.take(), found) else {
                panic!("{found:?}")
            };
            let written = &records.packed.body[..records.octets_len()];
            let lines: BTreeSet<usize> = written.iter().map(line).collect();
            let last = lines.last().copied().expect("a line");
            let missing: Vec<&usize> = lines.difference(&near).collect();
            assert!(
                lines.len() > 1 && missing.iter().all(|it| **it == last),
                "{kind}: {missing:?}"
            );
        }
    }
}
