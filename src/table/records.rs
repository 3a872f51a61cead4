//! The records that one client is given, as they are written.

use hickory_proto::{
    rr::{Name, Record},
    serialize::binary::{BinDecodable, BinDecoder},
};

use super::{
    octets::{u16_at, u32_at},
    packed::{
        A_LEN, AAAA_LEN, COUNT, FIXED_LEN, Form, IS_FOR_SOME, IS_TIMED, IS_WEIGHTED, Packed,
        QUESTION_AT, QUESTION_FIXED_LEN, TALLY, TO_QUESTION, Tally, V4_LEN, V6_LEN,
    },
    ready::Ready,
    selection::END_LEN,
};

/// The number of the class IN.
const CLASS_IN: u16 = 1;

/// The records that one client is given: some of them where there are weights, else all. Small,
/// because it is handed on a few times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Records<'t> {
    pub(super) packed: Packed<'t>,
    /// [`Packed::place`].
    pub(super) place: u64,
    /// How many octets they are; [`Records::LEN_UNREAD`] if it is for what lies ready to say so.
    pub(super) octets_len: u32,
    pub(super) ttl: u32,
}

impl Records<'_> {
    /// No records have this length.
    pub(super) const LEN_UNREAD: u32 = 0;

    /// The number of their type.
    pub fn kind(&self) -> u16 {
        self.packed.kind()
    }

    /// Their TTL, in seconds.
    #[inline]
    pub fn ttl(&self) -> u32 {
        self.ttl
    }

    /// How many they are.
    #[inline]
    pub fn count(&self) -> u16 {
        u16_at(self.packed.head, COUNT)
    }

    /// Whether other clients are given others, or something else.
    pub fn depends_on_client(&self) -> bool {
        self.packed.has(IS_WEIGHTED | IS_FOR_SOME)
    }

    /// What this answer counts for.
    #[inline]
    pub fn tally(&self) -> Option<Tally> {
        let tally = u32_at(self.packed.head, TALLY);
        (tally != Tally::NONE).then_some(Tally(tally))
    }

    /// How many records beyond them are for the additional section.
    #[inline]
    pub fn additional(&self) -> u16 {
        match self.packed.ready() {
            Some(ready) if self.octets_len == Self::LEN_UNREAD => ready.additional(),
            _ => 0,
        }
    }

    /// The same without what is for the additional section.
    pub fn without_additional(self) -> Self {
        let shorter = |ready: Ready<'_>| Self { octets_len: ready.answers_len(), ..self };
        self.packed.ready().map_or(self, shorter)
    }

    /// How many octets they are as they are sent, with those of the additional section.
    #[inline]
    pub fn octets_len(&self) -> usize {
        match self.octets_len {
            Self::LEN_UNREAD => Ready::unpack(self.packed.body).map_or(0, Ready::octets_len),
            octets_len => octets_len as usize,
        }
    }

    /// Writes them behind a question; says how long they are, or nothing if there is no room.
    #[inline(always)]
    pub fn write(&self, out: &mut [u8]) -> Option<usize> {
        match self.packed.form() {
            Form::V4 => self.write_addresses::<V4_LEN, { END_LEN + V4_LEN }, A_LEN>(out)?,
            Form::V6 => self.write_addresses::<V6_LEN, { END_LEN + V6_LEN }, AAAA_LEN>(out)?,
            Form::Ready => {
                let (len, ready) = (self.octets_len(), Ready::unpack(self.packed.body)?);
                let out = out.get_mut(..len)?;
                out.copy_from_slice(ready.first(len)?);
                // Most are always the same, and do not pay for the others.
                if self.packed.has(IS_TIMED | IS_WEIGHTED) {
                    ready.fill(self.ttl, self.place, out)?;
                }
                return Some(len);
            }
            Form::Records => {
                let records = self.packed.body;
                out.get_mut(..records.len())?.copy_from_slice(records);
            }
        }
        Some(self.octets_len as usize)
    }

    /// Of lengths that are known here each is written without a call.
    #[inline]
    fn write_addresses<const ADDRESS: usize, const WEIGHTED: usize, const RECORD: usize>(
        &self,
        out: &mut [u8],
    ) -> Option<()> {
        let fixed = self.fixed(ADDRESS as u16);
        let mut places = out.as_chunks_mut::<RECORD>().0.iter_mut();
        let mut write = |address: &[u8; ADDRESS]| {
            let (place, data) = places.next()?.split_first_chunk_mut()?;
            *place = fixed;
            data.copy_from_slice(address);
            Some(())
        };
        match self.packed.weighted() {
            Some(items) => items
                .under::<WEIGHTED>(self.place)
                .take(self.count().into())
                .try_for_each(|item| write(item.last_chunk()?)),
            None => self.packed.body.as_chunks().0.iter().try_for_each(write),
        }
    }

    /// What each of its records begins with.
    #[inline]
    fn fixed(&self, data_len: u16) -> [u8; FIXED_LEN] {
        let mut fixed = [0; FIXED_LEN];
        fixed[..2].copy_from_slice(&TO_QUESTION);
        fixed[2..4].copy_from_slice(&self.kind().to_be_bytes());
        fixed[4..6].copy_from_slice(&CLASS_IN.to_be_bytes());
        fixed[6..10].copy_from_slice(&self.ttl().to_be_bytes());
        fixed[10..].copy_from_slice(&data_len.to_be_bytes());
        fixed
    }

    /// The same as the codec has them, with `owner` written as it is here; and those of the additional
    /// section.
    pub fn decode(&self, owner: &Name) -> (Vec<Record>, Vec<Record>) {
        let (mut answers, mut additionals) = (Vec::new(), Vec::new());
        self.decode_onto(&mut answers, &mut additionals, owner);
        (answers, additionals)
    }

    /// The same, behind others.
    pub(super) fn decode_onto(
        &self,
        answers: &mut Vec<Record>,
        additionals: &mut Vec<Record>,
        owner: &Name,
    ) {
        // The pointers in them count from the start of a message that asks for the owner.
        let mut message = vec![0; QUESTION_AT];
        for label in owner.iter() {
            message
                .push(u8::try_from(label.len()).expect("invariant: a label has at most 63 octets"));
            message.extend_from_slice(label);
        }
        message.extend([0; 1 + QUESTION_FIXED_LEN]);
        let begin = u16::try_from(message.len()).expect("invariant: a name has at most 255 octets");
        message.resize(usize::from(begin) + self.octets_len(), 0);
        self.write(&mut message[begin.into()..]);
        let mut decoder = BinDecoder::new(&message).clone(begin);
        let mut read =
            |_| Record::read(&mut decoder).expect("invariant: what we encode can be decoded");
        answers.extend((0..self.count()).map(&mut read));
        additionals.extend((0..self.additional()).map(read));
    }
}
