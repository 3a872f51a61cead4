//! Records of a service that are more than an address each: they lie ready as they are sent, with
//! places for what is not always the same. These are TTLs, which may change at an instant, and
//! addresses of which each client is given some ([`super::selection`]).
//!
//! Behind the records of the answer there may be some for the additional section, for who knows what
//! is asked next.

use super::{
    octets::{u16_at, u32_at, u32_of},
    packed::{QUESTION_AT, QUESTION_FIXED_LEN, TO_QUESTION, V4_LEN, V6_LEN},
    selection::{END_LEN, Weighted},
};

/// Lengths of all records and of those of the answer; counts of those behind it, of TTLs, of picks.
const HEAD_LEN: usize = 10;
const ANSWERS_LEN: usize = 2;
const ADDITIONAL: usize = 4;
const TTLS: usize = 6;
/// What stands before each of the picks: the place of its addresses, how long one of them is, and the
/// length of what follows.
const PICK_LEN: usize = 8;
const PICK_WIDTH: usize = 2;
const PICK_OCTETS: usize = 4;
/// The two high bits of a compression pointer (RFC 1035 §4.1.4).
const POINTER: u16 = 0xc000;
/// What a pointer can lead to.
const POINTER_MAX: usize = 0x3fff;
const CLASS_IN: u16 = 1;
/// A message holds no more.
const OCTETS_MAX: usize = 65_535 - 1_024;

/// Records that are being put together.
pub(super) struct Writer {
    octets: Vec<u8>,
    /// Where they stand in a message.
    begin: usize,
    answers_len: usize,
    answers: usize,
    additional: usize,
    ttls: Vec<u16>,
    picks: Vec<(u16, u16, Vec<u8>)>,
    /// Where the length of the last record's data stands.
    len_at: usize,
}

/// What has been put together, and how many records of it are the answer.
pub(super) struct Written {
    pub(super) octets: Vec<u8>,
    pub(super) count: usize,
    /// Whether each client is given some of the addresses in it.
    pub(super) is_picked: bool,
}

impl Writer {
    /// Begins behind a question for a name that has so many octets.
    pub(super) fn new(name_len: usize) -> Self {
        let begin = QUESTION_AT + name_len + QUESTION_FIXED_LEN;
        let (octets, ttls, picks) = (Vec::new(), Vec::new(), Vec::new());
        Self { octets, begin, answers_len: 0, answers: 0, additional: 0, ttls, picks, len_at: 0 }
    }

    /// Begins a record of the name asked for.
    pub(super) fn answer(&mut self, kind: u16, ttl: u32) {
        self.answers += 1;
        self.record(TO_QUESTION, kind, ttl);
    }

    /// A record for the additional section, of the name that stands at a place of the answer; none
    /// if no pointer leads so far.
    pub(super) fn add(&mut self, name_at: usize, kind: u16, ttl: u32, data: &[u8]) {
        let to = self.begin + name_at;
        if to <= POINTER_MAX {
            self.answers_end();
            self.additional += 1;
            self.record((POINTER | to as u16).to_be_bytes(), kind, ttl);
            self.data(data);
        }
    }

    /// Data of the record that was begun last.
    pub(super) fn data(&mut self, data: &[u8]) {
        self.octets.extend_from_slice(data);
        let len = self.octets.len() - self.len_at - 2;
        // What does not fit makes all of it too long.
        let len = u16::try_from(len).unwrap_or(u16::MAX);
        self.octets[self.len_at..][..2].copy_from_slice(&len.to_be_bytes());
    }

    /// So many addresses of a width, which are picked for each client.
    pub(super) fn pick(&mut self, width: usize, count: usize, weighted: Vec<u8>) {
        let at = u16::try_from(self.octets.len()).unwrap_or(u16::MAX);
        self.picks.push((at, width as u16, weighted));
        self.data(&vec![0; width * count]);
    }

    /// Where the next data will stand.
    pub(super) fn len(&self) -> usize {
        self.octets.len()
    }

    fn answers_end(&mut self) {
        if self.additional == 0 {
            self.answers_len = self.octets.len();
        }
    }

    fn record(&mut self, owner: [u8; 2], kind: u16, ttl: u32) {
        self.octets.extend(owner);
        self.octets.extend(kind.to_be_bytes());
        self.octets.extend(CLASS_IN.to_be_bytes());
        self.ttls.push(u16::try_from(self.octets.len()).unwrap_or(u16::MAX));
        self.octets.extend(ttl.to_be_bytes());
        self.len_at = self.octets.len();
        self.octets.extend([0; 2]);
    }

    /// What was put together; nothing if that is more than a message holds.
    pub(super) fn finish(mut self) -> Option<Written> {
        self.answers_end();
        if self.octets.len() > OCTETS_MAX {
            // Nobody needs more than was asked for.
            self.additional = 0;
            self.octets.truncate(self.answers_len);
        }
        if self.octets.len() > OCTETS_MAX {
            return None;
        }
        let counts = [
            self.octets.len(),
            self.answers_len,
            self.additional,
            self.ttls.len(),
            self.picks.len(),
        ];
        // Each is less than the octets, or than a name.
        let mut packed: Vec<u8> =
            counts.iter().flat_map(|count| (*count as u16).to_le_bytes()).collect();
        packed.extend(&self.octets);
        packed.extend(self.ttls.iter().flat_map(|at| at.to_le_bytes()));
        for (at, width, weighted) in &self.picks {
            packed.extend(at.to_le_bytes());
            packed.extend(width.to_le_bytes());
            packed.extend(u32_of(weighted.len()).to_le_bytes());
            packed.extend(weighted);
        }
        let is_picked = !self.picks.is_empty();
        Some(Written { octets: packed, count: self.answers, is_picked })
    }
}

/// What was packed, where it lies.
#[derive(Clone, Copy)]
pub(super) struct Ready<'t> {
    head: &'t [u8; HEAD_LEN],
    /// The records, and what says what is not always the same in them.
    records: &'t [u8],
}

impl<'t> Ready<'t> {
    #[inline]
    pub(super) fn unpack(octets: &'t [u8]) -> Option<Self> {
        let (head, records) = octets.split_first_chunk()?;
        Some(Self { head, records })
    }

    /// How long the records are.
    #[inline]
    pub(super) fn octets_len(self) -> usize {
        u16_at(self.head, 0).into()
    }

    /// How long those of the answer are.
    pub(super) fn answers_len(self) -> u32 {
        u16_at(self.head, ANSWERS_LEN).into()
    }

    /// How many are for the additional section.
    #[inline]
    pub(super) fn additional(self) -> u16 {
        u16_at(self.head, ADDITIONAL)
    }

    /// What keeps picks of one service unrelated to those of another.
    pub(super) fn salt(self) -> u64 {
        self.picks().next().and_then(|(.., items)| items).map_or(0, |items| items.salt())
    }

    /// The first records of what was packed, so many octets of them.
    #[inline]
    pub(super) fn first(self, len: usize) -> Option<&'t [u8]> {
        self.records.get(..len)
    }

    /// Writes over them what is not always the same: their TTL, and what is picked for the client that
    /// stands at `u`.
    #[inline(never)]
    pub(super) fn fill(self, ttl: u32, u: u64, out: &mut [u8]) -> Option<()> {
        let len = out.len();
        for at in self.ttls().filter(|at| *at < len) {
            *out.get_mut(at..)?.first_chunk_mut()? = ttl.to_be_bytes();
        }
        for (at, width, items) in self.picks() {
            let (items, out) = (items?, out.get_mut(at..)?);
            let point = items.first_point(u);
            match width {
                V4_LEN => put::<V4_LEN, { END_LEN + V4_LEN }>(&items, point, out)?,
                _ => put::<V6_LEN, { END_LEN + V6_LEN }>(&items, point, out)?,
            }
        }
        Some(())
    }

    fn behind(self) -> &'t [u8] {
        &self.records[self.octets_len()..]
    }

    fn ttls(self) -> impl Iterator<Item = usize> {
        let places = &self.behind()[..2 * usize::from(u16_at(self.head, TTLS))];
        places.as_chunks().0.iter().map(|at| usize::from(u16::from_le_bytes(*at)))
    }

    /// Where addresses stand that are picked, how long each is, and what they are picked from.
    fn picks(self) -> impl Iterator<Item = (usize, usize, Option<Weighted<'t>>)> {
        let mut rest = &self.behind()[2 * usize::from(u16_at(self.head, TTLS))..];
        std::iter::from_fn(move || {
            let (head, after) = rest.split_first_chunk::<PICK_LEN>()?;
            let (items, after) = after.split_at_checked(u32_at(head, PICK_OCTETS) as usize)?;
            rest = after;
            let (at, width) = (u16_at(head, 0).into(), u16_at(head, PICK_WIDTH).into());
            Some((at, width, Weighted::unpack(items)))
        })
    }
}

fn put<const WIDTH: usize, const ITEM: usize>(
    items: &Weighted<'_>,
    point: u64,
    out: &mut [u8],
) -> Option<()> {
    let places = out.as_chunks_mut::<WIDTH>().0.iter_mut();
    for (place, item) in places.zip(items.under::<ITEM>(point)) {
        *place = *item.last_chunk()?;
    }
    Some(())
}
