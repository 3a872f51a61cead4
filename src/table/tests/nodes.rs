//! What one name has, where it lies.

use hickory_proto::rr::RecordType;

use super::super::{
    node::{Node, NodeParts},
    packed::{Audience, Body, Parts},
};
use crate::model::{Spread, Timing};

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
