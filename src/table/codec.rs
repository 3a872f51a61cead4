//! Names between us and the codec: ours are octets in wire form and lower case, the codec has its own.

use hickory_proto::rr::Name;

use crate::model::DnsName;

/// The same name as the codec writes it.
pub fn to_hickory(name: &DnsName) -> Name {
    name_of(name.wire())
}

/// The same name as we write it.
pub fn from_hickory(name: &Name) -> DnsName {
    DnsName::from_octets(&wire_of(name)).expect("invariant: the codec keeps to the same limits")
}

/// A name in wire form as the codec writes it.
pub(super) fn name_of(wire: &[u8]) -> Name {
    let (mut name, mut rest) = (Name::root(), wire);
    // Label by label: `from_labels` gathers them in three lists before, and strangers choose how many.
    while rest[0] > 0 {
        let (label, behind) = rest[1..].split_at(usize::from(rest[0]));
        let longer = name.append_label(label);
        name = longer.expect("invariant: names keep to the limits of RFC 1035");
        rest = behind;
    }
    name
}

/// In wire form and lower case.
pub(super) fn wire_of(name: &Name) -> Vec<u8> {
    let mut wire = Vec::with_capacity(name.len() + 1);
    for label in name.iter() {
        wire.push(u8::try_from(label.len()).expect("invariant: a label has at most 63 octets"));
        wire.extend(label.to_ascii_lowercase());
    }
    wire.push(0);
    wire
}
