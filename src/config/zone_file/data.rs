//! The data of one record, from its presentation format to the codec's type: for zone files and for
//! `[[records]]` alike.

use bytes::Bytes;
use domain::{
    base::{Name, iana::Class, name::ToName, rdata::ComposeRecordData},
    zonefile::inplace::{Entry, Zonefile},
};
use hickory_proto::{
    rr::{RData, Record, RecordType},
    serialize::binary::{BinDecodable, BinDecoder, BinEncodable, BinEncoder, NameEncoding},
};

use super::entries::is_one;
use crate::model::DnsName;

/// What is wrong with a record, and after how many octets of its data, if that is known.
pub(in crate::config) struct DataError {
    pub(in crate::config) message: String,
    pub(in crate::config) at: Option<usize>,
}

impl DataError {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), at: None }
    }
}

/// Type, class, TTL, data length.
const RECORD_FIXED_LEN: usize = 10;
/// Types that are none of records, or that are made for each answer (RFC 6895 §3.1, RFC 4034).
const NOT_STORED: [u16; 5] = [41, 46, 47, 50, 51];

/// Types whose data is no name: letters of other scripts in it are octets.
pub(in crate::config) const TEXTS: [RecordType; 2] = [RecordType::CAA, RecordType::TXT];

/// Reads a record: `owner` is absolute, names in `data` are relative to `origin`.
pub(in crate::config) fn record(
    owner: &str,
    kind: RecordType,
    data: &str,
    origin: &str,
) -> Result<(DnsName, RData), DataError> {
    let number = u16::from(kind);
    if NOT_STORED.contains(&number) || (128..=255).contains(&number) || number == 0 {
        return Err(DataError::new(format!("{kind} records do not stand in a file")));
    }
    // The reader takes it for granted that what is opened is closed.
    if !is_one(data) {
        return Err(DataError::new("a quote or a parenthesis is not closed, or closes nothing"));
    }
    let origin: Name<Bytes> =
        origin.parse().map_err(|error| DataError::new(format!("{error}: {origin}")))?;
    let head = format!("{owner} 0 IN TYPE{number} ");
    let is_numbered = TEXTS.contains(&kind) && !data.is_ascii();
    let ascii = if is_numbered { numbered(data) } else { data.to_owned() };
    let mut file = Zonefile::from(format!("{head}{ascii}\n").as_bytes());
    file.set_origin(origin);
    file.set_default_class(Class::IN);
    let entry = match file.next_entry() {
        Ok(Some(Entry::Record(record))) => record,
        Ok(_) => return Err(DataError::new("there is no record here")),
        Err(error) => {
            return by_the_codec(owner, kind, data).ok_or_else(|| {
                let DataError { message, at } = placed(&error.to_string(), &head, data);
                DataError { message, at: at.filter(|_| !is_numbered) }
            });
        }
    };
    let name: Name<Vec<u8>> = entry.owner().to_name();
    let owner = DnsName::from_octets(name.as_slice());
    let owner = owner.map_err(|error| DataError::new(error.to_string()))?;
    let mut octets = Vec::new();
    entry.data().compose_rdata(&mut octets).map_err(|error| DataError::new(error.to_string()))?;
    Ok((owner, decoded(kind, &octets).ok_or_else(|| no_data_of(kind))?))
}

/// A text in ASCII, which is all that the reader takes: other octets as numbers (RFC 1035 §5.1).
fn numbered(text: &str) -> String {
    let (mut ascii, mut is_escaped) = (String::new(), false);
    for octet in text.bytes() {
        let was_escaped = is_escaped;
        is_escaped = octet == b'\\' && !was_escaped;
        match octet {
            0..=0x7F => ascii.push(char::from(octet)),
            other if was_escaped => ascii.push_str(&other.to_string()),
            other => ascii.push_str(&format!("\\{other}")),
        }
    }
    ascii
}

/// A type as zone files have it.
pub(in crate::config) fn shown(kind: RecordType) -> String {
    domain::base::Rtype::from_int(kind.into()).to_string()
}

fn no_data_of(kind: RecordType) -> DataError {
    DataError::new(format!("not the data of {}", shown(kind)))
}

/// As the codec has it; what it does not know stays octets (RFC 3597). What it would not send as it
/// is, is nothing that it reads from the network either.
fn decoded(kind: RecordType, octets: &[u8]) -> Option<RData> {
    // The codec has no records without data, and no type of use has.
    if octets.is_empty() {
        return None;
    }
    // It is not looked at there, and names are made of it when it is answered.
    if kind == RecordType::DNAME && DnsName::from_octets(octets).is_err() {
        return None;
    }
    // DNAME and others have no type of their own there.
    let mut record = vec![0; 1 + RECORD_FIXED_LEN];
    record[1..3].copy_from_slice(&u16::from(kind).to_be_bytes());
    record[4] = 1;
    record[9..].copy_from_slice(&u16::try_from(octets.len()).ok()?.to_be_bytes());
    record.extend(octets);
    let mut decoder = BinDecoder::new(&record);
    match Record::read(&mut decoder) {
        Ok(read) => {
            let data: RData = read.data;
            written(&data, false).is_some_and(|again| again == octets).then_some(data)
        }
        Err(_) => None,
    }
}

/// The octets by which data of one type is told apart (RFC 4034 §6.2).
pub(in crate::config) fn canonical(data: &RData) -> Option<Vec<u8>> {
    written(data, true)
}

/// The octets of some data, without compression.
fn written(data: &RData, is_canonical: bool) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    let mut encoder = BinEncoder::new(&mut octets);
    encoder.set_canonical_form(is_canonical);
    // Names in two fields would point to each other.
    data.emit(&mut encoder.with_name_encoding(NameEncoding::Uncompressed)).ok()?;
    Some(octets)
}

/// Some types are read from text by the codec alone.
fn by_the_codec(owner: &str, kind: RecordType, data: &str) -> Option<(DnsName, RData)> {
    const ONLY_THERE: [RecordType; 4] =
        [RecordType::CERT, RecordType::CSYNC, RecordType::SMIMEA, RecordType::OPENPGPKEY];
    if !ONLY_THERE.contains(&kind) {
        return None;
    }
    let data = RData::try_from_str(kind, data).ok()?;
    let owner: Name<Vec<u8>> = owner.parse().ok()?;
    Some((DnsName::from_octets(owner.as_slice()).ok()?, data))
}

/// The reader says `line:column: what`.
fn placed(error: &str, head: &str, data: &str) -> DataError {
    let mut parts = error.splitn(3, ':');
    let mut number = || parts.next()?.trim().parse::<usize>().ok();
    let (line, column) = (number(), number());
    let message = parts.next().map_or(error, str::trim).to_owned();
    let at = line.zip(column).and_then(|(line, column)| match line {
        1 => (column - 1).checked_sub(head.len()),
        line => {
            let begin: usize = data.split_inclusive('\n').take(line - 1).map(str::len).sum();
            Some(begin + column - 1)
        }
    });
    DataError { message: in_plain_words(&message), at: at.map(|at| at.min(data.len())) }
}

/// What the reader means.
fn in_plain_words(message: &str) -> String {
    match message {
        "unexpected end of entry" => "something is missing at the end of this record".to_owned(),
        "bad name" => {
            "not a name: a label has at most 63 octets and a name 255 (RFC 1035 §2.3.4)".to_owned()
        }
        "bad charstr" => "a string has at most 255 octets (RFC 1035 §3.3)".to_owned(),
        "trailing tokens" => "there is more here than the record has".to_owned(),
        other => other.to_owned(),
    }
}
