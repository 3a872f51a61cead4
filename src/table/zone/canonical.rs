//! Names in the canonical order of RFC 4034 §6.1: as a tree is walked, so that what stands below a
//! name follows it without a gap.

use crate::model::DnsName;

/// A name, so written that comparing octets compares labels from the root on, and that the names
/// below one begin with it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Canonical(Box<[u8]>);

/// Ends a label; less than all that stands in one.
const END: u8 = 0;
/// Stands before an octet that would be taken for [`END`], or for itself.
const ESCAPE: u8 = 1;

impl Canonical {
    /// Of a name in wire form and lower case.
    pub(super) fn of_wire(wire: &[u8]) -> Self {
        // Long names are looked up for strangers: nothing is allocated but the name itself.
        let mut begins = [0_u8; DnsName::MAX_WIRE_LEN / 2 + 1];
        let (mut count, mut at) = (0, 0_u8);
        while let Some(&len) = wire.get(usize::from(at)).filter(|len| **len > 0) {
            begins[count] = at;
            count += 1;
            at += 1 + len;
        }
        let mut octets = Vec::with_capacity(wire.len().saturating_sub(1));
        for &begin in begins[..count].iter().rev() {
            let (len, behind) = (wire[usize::from(begin)], &wire[usize::from(begin) + 1..]);
            for &octet in &behind[..usize::from(len)] {
                match octet {
                    END | ESCAPE => octets.extend([ESCAPE, octet + 1]),
                    other => octets.push(other),
                }
            }
            octets.push(END);
        }
        Self(octets.into())
    }

    pub(super) fn of(name: &DnsName) -> Self {
        Self::of_wire(name.wire())
    }

    /// Whether it is `other`, or below it.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The example of RFC 4034 §6.1.
    #[test]
    fn the_order_is_that_of_the_rfc() {
        let wires: [&[u8]; 9] = [
            b"\x07example\0",
            b"\x01a\x07example\0",
            b"\x08yljkjljk\x01a\x07example\0",
            b"\x01z\x01a\x07example\0",
            b"\x04zabc\x01a\x07example\0",
            b"\x01z\x07example\0",
            b"\x01\x01\x01z\x07example\0",
            b"\x01*\x01z\x07example\0",
            b"\x01\xc8\x01z\x07example\0",
        ];
        let names = wires.map(Canonical::of_wire);
        assert!(names.is_sorted(), "{names:?}");
    }

    fn labels() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let octet = prop_oneof![Just(0), Just(1), Just(2), Just(b'a'), any::<u8>()];
        prop::collection::vec(prop::collection::vec(octet, 1..4), 0..4)
    }

    fn wire(labels: &[Vec<u8>]) -> Vec<u8> {
        let one = |label: &Vec<u8>| [&[label.len() as u8][..], label].concat();
        let mut wire: Vec<u8> = labels.iter().flat_map(one).collect();
        wire.push(0);
        wire
    }

    proptest! {
        #[test]
        fn labels_are_compared_from_the_root_on(one in labels(), other in labels()) {
            let [a, b] = [&one, &other].map(|labels| Canonical::of_wire(&wire(labels)));
            let (mut one, mut other) = (one, other);
            one.reverse();
            other.reverse();
            prop_assert_eq!(a.cmp(&b), one.cmp(&other));
            prop_assert_eq!(a.is_within(&b), one.starts_with(&other));
        }
    }
}
