//! What this server says of itself to those who ask in the class CH (RFC 4892).

use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType, rdata::TXT};

/// Names in wire form.
const IDS: [&[u8]; 2] = [b"\x02id\x06server\0", b"\x08hostname\x04bind\0"];
const VERSIONS: [&[u8]; 2] = [b"\x07version\x06server\0", b"\x07version\x04bind\0"];

/// What is said, if something is.
#[derive(Default)]
pub(super) struct Inside {
    pub(super) id: Option<Box<str>>,
    pub(super) version: Option<Box<str>>,
}

impl Inside {
    /// What is answered at a name in lower case; nothing if that is refused.
    pub(super) fn text(&self, name: &[u8], kind: RecordType) -> Option<&str> {
        let text = match name {
            name if IDS.contains(&name) => self.id.as_deref(),
            name if VERSIONS.contains(&name) => self.version.as_deref(),
            _ => None,
        };
        text.filter(|_| matches!(kind, RecordType::TXT | RecordType::ANY))
    }
}

/// The record that says it. No cache is to keep it: others may answer at the same address.
pub(super) fn record(owner: &Name, text: &str) -> Record {
    let data = RData::TXT(TXT::new(vec![text.to_owned()]));
    let mut record = Record::from_rdata(owner.clone(), 0, data);
    record.dns_class = DNSClass::CH;
    record
}
