//! A node: what one name has, in one piece.

use super::{
    ServiceRecords,
    octets::{u16_at, u32_at, u32_of, u64_at},
    packed::{A, AAAA, Packed},
};

/// Of a cache. A node begins on a line, so that it lies on as few as can be.
pub(super) const LINE_LEN: usize = 64;

/// Head of a node: its length, the length of its name's labels before those of the apex.
const NODE_HEAD_LEN: usize = 5;
const PREFIX_LEN: usize = 4;
/// Behind its name: where the first of its rrsets begins that has no addresses, counted from the first
/// one. Whoever asks for another type begins there, so that it hardly costs more.
const OTHERS_LEN: usize = 2;
/// Tail of a node, which no lookup reads: how many names stand directly below it, and its hash.
const NODE_TAIL_LEN: usize = 12;

/// A node where it lies: what one name has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'t> {
    /// The labels of its name before those of the apex.
    pub(super) prefix: &'t [u8],
    /// Where the others are, packed rrsets, the static ones first, and the tail.
    rest: &'t [u8],
}

/// A node to be made.
#[derive(Clone, Debug)]
pub(super) struct NodeParts {
    /// The labels of its name before those of the apex.
    pub(super) prefix: Box<[u8]>,
    /// Packed.
    pub(super) fixed: Vec<u8>,
    pub(super) service: Option<ServiceRecords>,
    /// How many names stand directly below; with none, and nothing of its own, a node goes.
    pub(super) children: u32,
}

impl<'t> Node<'t> {
    /// The node at the start of some octets, and its length.
    #[inline]
    pub(super) fn first(octets: &'t [u8]) -> (Self, usize) {
        let len = u32_at(octets, 0) as usize;
        let prefix_len = usize::from(octets[PREFIX_LEN]);
        let (prefix, rest) = octets[NODE_HEAD_LEN..len].split_at(prefix_len);
        (Self { prefix, rest }, len)
    }

    /// Packed; the static ones first.
    #[inline]
    pub(super) fn rrsets(&self) -> &'t [u8] {
        &self.rest[OTHERS_LEN..self.rest.len() - NODE_TAIL_LEN]
    }

    /// The same from where the first of a type can be.
    #[inline]
    pub(super) fn rrsets_for(&self, kind: u16) -> &'t [u8] {
        match kind {
            A | AAAA => self.rrsets(),
            _ => &self.rrsets()[usize::from(u16_at(self.rest, 0))..],
        }
    }

    /// Whether a service answers for it too: the last of its rrsets is the service's.
    #[cold]
    pub(super) fn has_service(&self) -> bool {
        let mut rest = self.rrsets();
        let mut is_service = false;
        while let Some((packed, after)) = Packed::split_first(rest) {
            (is_service, rest) = (packed.is_service(), after);
        }
        is_service
    }

    fn tail(&self) -> &'t [u8] {
        &self.rest[self.rest.len() - NODE_TAIL_LEN..]
    }

    fn children(&self) -> u32 {
        u32_at(self.tail(), 0)
    }

    pub(super) fn hash(&self) -> u64 {
        u64_at(self.tail(), 4)
    }

    /// What it was made from.
    pub(super) fn parts(&self) -> NodeParts {
        let mut service = self.rrsets();
        while let Some((packed, after)) = Packed::split_first(service) {
            if packed.is_service() {
                break;
            }
            service = after;
        }
        let fixed = &self.rrsets()[..self.rrsets().len() - service.len()];
        let service = (!service.is_empty()).then(|| ServiceRecords { packed: service.into() });
        let (prefix, fixed) = (self.prefix.into(), fixed.to_vec());
        NodeParts { prefix, fixed, service, children: self.children() }
    }
}

impl NodeParts {
    pub(super) fn new(prefix: &[u8]) -> Self {
        Self { prefix: prefix.into(), fixed: Vec::new(), service: None, children: 0 }
    }

    /// Whether nothing stands at or below it.
    pub(super) fn is_idle(&self) -> bool {
        self.children == 0 && self.fixed.is_empty() && self.service.is_none()
    }

    pub(super) fn pack_into(&self, hash: u64, out: &mut Vec<u8>) {
        let service = self.service.as_ref().map_or(&[][..], |records| &records.packed);
        let prefix = &self.prefix;
        let named = NODE_HEAD_LEN + prefix.len() + OTHERS_LEN;
        let len = named + self.fixed.len() + service.len() + NODE_TAIL_LEN;
        let end = out.len() + whole_lines(len);
        out.extend(u32_of(len).to_le_bytes());
        out.push(u8::try_from(prefix.len()).expect("invariant: a name has at most 255 octets"));
        out.extend(prefix);
        let others_at = out.len();
        out.extend([0; OTHERS_LEN]);
        out.extend(&self.fixed);
        out.extend(service);
        let others = others(&out[others_at + OTHERS_LEN..]);
        out[others_at..][..OTHERS_LEN].copy_from_slice(&others.to_le_bytes());
        out.extend(self.children.to_le_bytes());
        out.extend(hash.to_le_bytes());
        out.resize(end, 0);
    }
}

/// Where behind the first rrsets with addresses others begin, or as near to it as a small number says.
fn others(rrsets: &[u8]) -> u16 {
    let mut rest = rrsets;
    let mut others = 0;
    while let Some((packed, after)) = Packed::split_first(rest)
        && matches!(packed.kind(), A | AAAA)
        && let Ok(behind) = u16::try_from(rrsets.len() - after.len())
    {
        (others, rest) = (behind, after);
    }
    others
}

/// Whether some labels are the same; by a register or two, which costs less than a call.
#[inline]
pub(super) fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len()
        && match one.len() {
            33.. => one == other,
            16.. => have_same_ends::<16>(one, other),
            8.. => have_same_ends::<8>(one, other),
            4.. => have_same_ends::<4>(one, other),
            _ => one.iter().eq(other),
        }
}

/// Whether the first `LEN` octets are the same, and the last: all, of up to twice as many.
#[inline]
fn have_same_ends<const LEN: usize>(one: &[u8], other: &[u8]) -> bool {
    one.first_chunk::<LEN>() == other.first_chunk() && one.last_chunk::<LEN>() == other.last_chunk()
}

/// How long something is with what is left of its last line.
pub(super) fn whole_lines(len: usize) -> usize {
    len.next_multiple_of(LINE_LEN)
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::RecordType;

    use super::{
        super::packed::{Audience, Body, Parts},
        *,
    };
    use crate::model::{Spread, Timing};

    fn rrset(kind: RecordType, len: usize) -> Vec<u8> {
        let (count, ttl, tally, is_lost) = (1, 60, None, false);
        let (body, spread) = (Body::Records(vec![7; len]), Spread::Sticky);
        let (audience, timing) = (Audience::Everyone, Timing::Lasting);
        let mut packed = Vec::new();
        Parts { kind, ttl, count, body, is_lost, spread, tally, audience, timing }
            .pack_into(&mut packed);
        packed
    }

    #[test]
    fn no_type_is_looked_for_behind_its_first_rrset() {
        use RecordType::{A, AAAA, CNAME, HTTPS, MX, TXT};
        let more_than_is_skipped = usize::from(u16::MAX) + 1;
        for (kinds, len) in [
            (&[][..], 0),
            (&[A], 4),
            (&[A, AAAA], 16),
            (&[A, AAAA, HTTPS, TXT], 20),
            (&[TXT, A, HTTPS, TXT], 20),
            (&[A, CNAME, TXT], 20),
            (&[A, TXT], more_than_is_skipped),
        ] {
            let fixed = kinds.iter().flat_map(|kind| rrset(*kind, len)).collect();
            let mut packed = Vec::new();
            NodeParts { fixed, ..NodeParts::new(b"\x03api") }.pack_into(1, &mut packed);
            let (node, _) = Node::first(&packed);
            for kind in [A, AAAA, CNAME, HTTPS, MX, TXT].map(u16::from) {
                let found = Packed::find(node.rrsets_for(kind), kind);
                assert_eq!(found, Packed::find(node.rrsets(), kind), "{kind} of {kinds:?}");
            }
        }
    }
}
