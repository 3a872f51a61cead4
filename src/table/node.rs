//! A node: what one name has, in one piece.

use super::{
    CNAME_KIND, ServiceRecords,
    octets::{u16_at, u32_at, u32_of, u64_at},
    packed::{HEAD_LEN, Packed},
};

/// Of a cache. A node begins on a line, so that it lies on as few as can be.
pub(super) const LINE_LEN: usize = 64;

/// Head of a node: its length, the length of its name's labels before those of the apex, how many
/// rrsets it has. Behind the labels are the heads of all of these, so that a type is found on the first
/// lines, however much there is of others; and then their bodies, in the same order.
const NODE_HEAD_LEN: usize = 7;
const PREFIX_LEN: usize = 4;
const RRSETS: usize = 5;
/// Tail of a node, which no lookup reads: how many names stand directly below it, with the flag above,
/// and its hash.
const NODE_TAIL_LEN: usize = 12;
/// Of a name that a service answers for, even if it has nothing to say there.
const HAS_SERVICE: u32 = 1 << 31;

/// A node where it lies: what one name has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node<'t> {
    /// The labels of its name before those of the apex.
    pub(super) prefix: &'t [u8],
    /// Where it begins, and others behind it.
    octets: &'t [u8],
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
    /// The node at the start of some octets.
    #[inline]
    pub(super) fn first(octets: &'t [u8]) -> Self {
        let prefix_len = usize::from(octets[PREFIX_LEN]);
        Self { prefix: &octets[NODE_HEAD_LEN..NODE_HEAD_LEN + prefix_len], octets }
    }

    /// How long it is.
    pub(super) fn len(&self) -> usize {
        u32_at(self.octets, 0) as usize
    }

    /// The heads of its rrsets, and where their bodies begin.
    #[inline]
    fn heads(&self) -> (&'t [[u8; HEAD_LEN]], u32) {
        let begin = NODE_HEAD_LEN + self.prefix.len();
        let end = begin + HEAD_LEN * usize::from(u16_at(self.octets, RRSETS));
        (self.octets[begin..end].as_chunks().0, end as u32)
    }

    /// Its first rrset of a type, or an alias, which stands for every type (RFC 1034 §3.6.2); a static
    /// one goes before one of a service.
    #[inline]
    pub(super) fn find(&self, kind: u16) -> Option<Packed<'t>> {
        // A sum of so small numbers is in range: so a place is compared with the end, and no more.
        let (heads, mut begin) = self.heads();
        for head in heads {
            let (of_head, len) = Packed::kind_and_len(head);
            if of_head == kind || of_head == CNAME_KIND {
                let body = self.octets.get(begin as usize..begin as usize + len as usize)?;
                return Some(Packed { head, body });
            }
            begin += len;
        }
        None
    }

    /// The static ones first.
    pub(super) fn rrsets(&self) -> impl Iterator<Item = Packed<'t>> {
        let (heads, begin) = self.heads();
        let mut bodies = &self.octets[begin as usize..];
        heads.iter().map_while(move |head| {
            let (packed, behind) = Packed::with_head(head, bodies)?;
            bodies = behind;
            Some(packed)
        })
    }

    /// Whether a service answers for it too.
    #[cold]
    pub(super) fn has_service(&self) -> bool {
        u32_at(self.tail(), 0) & HAS_SERVICE != 0
    }

    fn tail(&self) -> &'t [u8] {
        &self.octets[self.len() - NODE_TAIL_LEN..self.len()]
    }

    fn children(&self) -> u32 {
        u32_at(self.tail(), 0) & !HAS_SERVICE
    }

    pub(super) fn hash(&self) -> u64 {
        u64_at(self.tail(), 4)
    }

    /// What it was made from.
    pub(super) fn parts(&self) -> NodeParts {
        let (mut fixed, mut service) = (Vec::new(), Vec::new());
        for packed in self.rrsets() {
            let of_its_kind = if packed.is_service() { &mut service } else { &mut fixed };
            packed.pack_into(of_its_kind);
        }
        let service = self.has_service().then(|| ServiceRecords { packed: service.into() });
        NodeParts { prefix: self.prefix.into(), fixed, service, children: self.children() }
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
        let rrsets = || Packed::all(&self.fixed).chain(Packed::all(service));
        let prefix = &self.prefix;
        let len = NODE_HEAD_LEN + prefix.len() + self.fixed.len() + service.len() + NODE_TAIL_LEN;
        let end = out.len() + whole_lines(len);
        out.extend(u32_of(len).to_le_bytes());
        out.push(u8::try_from(prefix.len()).expect("invariant: a name has at most 255 octets"));
        let count = u16::try_from(rrsets().count());
        out.extend(count.expect("invariant: no more rrsets than types").to_le_bytes());
        out.extend(prefix);
        rrsets().for_each(|packed| out.extend(packed.head));
        rrsets().for_each(|packed| out.extend(packed.body));
        let flag = if self.service.is_some() { HAS_SERVICE } else { 0 };
        out.extend((self.children | flag).to_le_bytes());
        out.extend(hash.to_le_bytes());
        out.resize(end, 0);
    }
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
