//! Reads DNS messages with nothing of the crate under test: strictly, and to the last octet.
//!
//! What is read is kept as it would stand without compression and in lower case, so that two
//! messages say the same exactly when these octets are the same. Left out: what a message should
//! say ([`super::oracle`]).

#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "tests and fuzz targets each use their own part of it"
)]

use std::ops::Range;

pub const HEADER_LEN: usize = 12;
const NAME_LEN_MAX: usize = 255;

pub const A: u16 = 1;
pub const NS: u16 = 2;
pub const CNAME: u16 = 5;
pub const SOA: u16 = 6;
pub const PTR: u16 = 12;
pub const HINFO: u16 = 13;
pub const MX: u16 = 15;
pub const TXT: u16 = 16;
pub const AAAA: u16 = 28;
pub const SRV: u16 = 33;
pub const DNAME: u16 = 39;
pub const OPT: u16 = 41;
pub const ANY: u16 = 255;

/// What is wrong with a message, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It ends too early.
    Cut,
    /// An octet that begins no label.
    Label(usize),
    /// A pointer that does not point to what stands before its name.
    Pointer(usize),
    /// A name of more than 255 octets.
    LongName(usize),
    /// More than one question.
    Questions,
    /// Data that its type does not have.
    Data(u16),
    /// Octets behind the last record.
    Trailing(usize),
}

/// A message.
#[derive(Debug)]
pub struct Message {
    pub header: [u8; HEADER_LEN],
    /// Where the question stands; empty if there is none.
    pub question: Range<usize>,
    pub records: Vec<Record>,
    /// The records without compression and in lower case.
    pub plain: Vec<u8>,
}

/// A record; owner and data are places in [`Message::plain`].
#[derive(Clone, Debug)]
pub struct Record {
    pub section: Section,
    pub owner: Range<usize>,
    pub kind: u16,
    pub class: u16,
    pub ttl: u32,
    pub data: Range<usize>,
    /// How many octets it takes in the message.
    pub len: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    Answer,
    Authority,
    Additional,
}

impl Message {
    pub fn read(octets: &[u8]) -> Result<Self, Fault> {
        let header: [u8; HEADER_LEN] = *octets.first_chunk().ok_or(Fault::Cut)?;
        let (mut plain, mut records) = (Vec::with_capacity(2 * octets.len()), Vec::new());
        let mut at = HEADER_LEN;
        match count(&header, 0) {
            0 => {}
            1 => {
                at = name(octets, at, &mut plain)? + 4;
                plain.clear();
                octets.get(..at).ok_or(Fault::Cut)?;
            }
            _ => return Err(Fault::Questions),
        }
        let question = HEADER_LEN..at;
        let sections = [Section::Answer, Section::Authority, Section::Additional];
        for (index, section) in sections.into_iter().enumerate() {
            for _ in 0..count(&header, 1 + index) {
                let record = record(octets, at, section, &mut plain)?;
                at += record.len;
                records.push(record);
            }
        }
        let trailing = octets.len() - at;
        if trailing > 0 {
            return Err(Fault::Trailing(trailing));
        }
        Ok(Self { header, question, records, plain })
    }

    pub fn section(&self, section: Section) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(move |record| record.section == section)
    }

    pub fn owner(&self, record: &Record) -> &[u8] {
        &self.plain[record.owner.clone()]
    }

    pub fn data(&self, record: &Record) -> &[u8] {
        &self.plain[record.data.clone()]
    }

    pub fn is_truncated(&self) -> bool {
        self.header[2] & 0x02 != 0
    }

    pub fn is_authoritative(&self) -> bool {
        self.header[2] & 0x04 != 0
    }

    pub fn opt(&self) -> Option<&Record> {
        self.records.iter().find(|record| record.kind == OPT)
    }

    /// The whole code, with the bits that are in the OPT record (RFC 6891 §6.1.3).
    pub fn code(&self) -> u16 {
        let high = self.opt().map_or(0, |opt| opt.ttl >> 24);
        (high as u16) << 4 | u16::from(self.header[3] & 0x0f)
    }

    /// The options of the OPT record.
    pub fn options(&self) -> Vec<(u16, &[u8])> {
        let data = self.opt().map_or(&[][..], |opt| self.data(opt));
        options(data).expect("they were read before")
    }

    /// What the message says; `octets` are those it was read from.
    pub fn meaning<'m>(&'m self, octets: &'m [u8]) -> (&'m [u8], &'m [u8]) {
        (&octets[..self.question.end], &self.plain)
    }
}

/// The counts of the four sections.
pub fn count(header: &[u8; HEADER_LEN], section: usize) -> u16 {
    u16::from_be_bytes([header[4 + 2 * section], header[5 + 2 * section]])
}

/// Appends the name at `at` to `plain`, in lower case; says where the octets behind it begin.
pub fn name(octets: &[u8], mut at: usize, plain: &mut Vec<u8>) -> Result<usize, Fault> {
    let begin = plain.len();
    // Each pointer must lead to before the octets that led to it: so there is an end.
    let (mut before, mut next) = (at, None);
    loop {
        let head = *octets.get(at).ok_or(Fault::Cut)?;
        match head {
            0..=63 => {
                let label = octets.get(at..=at + usize::from(head)).ok_or(Fault::Cut)?;
                plain.extend_from_slice(label);
                at += label.len();
            }
            0xc0.. => {
                let low = *octets.get(at + 1).ok_or(Fault::Cut)?;
                let target = usize::from(head & 0x3f) << 8 | usize::from(low);
                if !(HEADER_LEN..before).contains(&target) {
                    return Err(Fault::Pointer(at));
                }
                next.get_or_insert(at + 2);
                (at, before) = (target, target);
            }
            _ => return Err(Fault::Label(at)),
        }
        if plain.len() - begin > NAME_LEN_MAX {
            return Err(Fault::LongName(at));
        }
        if head == 0 {
            plain[begin..].make_ascii_lowercase();
            return Ok(next.unwrap_or(at));
        }
    }
}

fn record(
    octets: &[u8],
    begin: usize,
    section: Section,
    plain: &mut Vec<u8>,
) -> Result<Record, Fault> {
    let owner_begin = plain.len();
    let at = name(octets, begin, plain)?;
    let owner = owner_begin..plain.len();
    let fixed = octets.get(at..).and_then(<[u8]>::first_chunk::<10>).ok_or(Fault::Cut)?;
    let [kind_0, kind_1, class_0, class_1, ttl_0, ttl_1, ttl_2, ttl_3, len @ ..] = *fixed;
    let kind = u16::from_be_bytes([kind_0, kind_1]);
    let data_begin = at + fixed.len();
    let end = data_begin + usize::from(u16::from_be_bytes(len));
    // Nothing in the data may lead beyond it.
    let whole = octets.get(..end).ok_or(Fault::Cut)?;
    plain.extend_from_slice(&fixed[..8]);
    let plain_begin = plain.len();
    data(whole, kind, data_begin, plain)?;
    Ok(Record {
        section,
        owner,
        kind,
        class: u16::from_be_bytes([class_0, class_1]),
        ttl: u32::from_be_bytes([ttl_0, ttl_1, ttl_2, ttl_3]),
        data: plain_begin..plain.len(),
        len: end - begin,
    })
}

/// Appends the data that ends with `octets`.
fn data(octets: &[u8], kind: u16, begin: usize, plain: &mut Vec<u8>) -> Result<(), Fault> {
    let fault = Fault::Data(kind);
    let as_it_is = &octets[begin..];
    // What stands before the names, how many names, and what stands behind them.
    let (before, names, behind) = match kind {
        NS | CNAME | PTR => (0, 1, 0),
        MX => (2, 1, 0),
        SRV => (6, 1, 0),
        SOA => (0, 2, 20),
        _ => {
            let is_good = match kind {
                A => as_it_is.len() == 4,
                AAAA => as_it_is.len() == 16,
                HINFO => strings(as_it_is) == Some(2),
                TXT => strings(as_it_is).is_some_and(|count| count > 0),
                OPT => options(as_it_is).is_some(),
                _ => true,
            };
            plain.extend_from_slice(as_it_is);
            return if is_good { Ok(()) } else { Err(fault) };
        }
    };
    let plain_begin = plain.len();
    plain.extend_from_slice(as_it_is.get(..before).ok_or(fault)?);
    let mut at = begin + before;
    for _ in 0..names {
        at = name(octets, at, plain)?;
    }
    plain.extend_from_slice(&octets[at..]);
    // RFC 2782: the target of SRV is never compressed.
    let is_compressed = plain.len() - plain_begin != as_it_is.len();
    if octets.len() - at != behind || kind == SRV && is_compressed {
        return Err(fault);
    }
    Ok(())
}

/// How many character strings there are.
fn strings(mut rest: &[u8]) -> Option<usize> {
    let mut count = 0;
    while let [len, behind @ ..] = rest {
        rest = behind.get(usize::from(*len)..)?;
        count += 1;
    }
    Some(count)
}

/// Codes and data of EDNS options.
pub fn options(mut rest: &[u8]) -> Option<Vec<(u16, &[u8])>> {
    let mut options = Vec::new();
    while !rest.is_empty() {
        let ([code_0, code_1, len @ ..], behind) = rest.split_first_chunk::<4>()?;
        let (data, behind) = behind.split_at_checked(u16::from_be_bytes(*len).into())?;
        options.push((u16::from_be_bytes([*code_0, *code_1]), data));
        rest = behind;
    }
    Some(options)
}
