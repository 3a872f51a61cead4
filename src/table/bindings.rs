//! What a service answers of the types HTTPS, SVCB, TXT and CNAME: of each pool its own, so that no
//! client is told one pool here and another one by its addresses.

use hickory_proto::rr::RecordType;

use super::{
    packed::{Audience, Body, Parts, V4_LEN, V6_LEN},
    ready::{Writer, Written},
    selection::Weighted,
    service::{of_family, salt_of_service, timing},
    split::{Part, Shares},
};
use crate::model::{Binding, DnsName, Family, Spread, TextRecord, Timing};

/// Keys of parameters (RFC 9460 §14.3.2, RFC 9461), which stand in this order.
const ALPN: u16 = 1;
const PORT: u16 = 3;
const V4_HINT: u16 = 4;
const V6_HINT: u16 = 6;
const DOH_PATH: u16 = 7;
/// The target that is the owner itself.
const ITSELF: &[u8] = b"\0";
const STRING_LEN_MAX: usize = 255;

/// Records of type HTTPS at the service's own name.
pub(super) fn pack_https(
    owner: &DnsName,
    binding: &Binding,
    split: &Shares<'_>,
    out: &mut Vec<u8>,
) {
    let salt = salt_of_service(owner);
    let rrset = |part: &Part<'_>| {
        let at = (owner.wire().len(), ITSELF, salt);
        bound(RecordType::HTTPS, at, &[binding], part)
    };
    split.pack_into(RecordType::HTTPS, salt, rrset, out);
}

/// Records of type SVCB at a name below the service's.
pub(super) fn pack_svcb(
    (owner, name): (&DnsName, &DnsName),
    bindings: &[&Binding],
    split: &Shares<'_>,
    out: &mut Vec<u8>,
) {
    let salt = salt_of_service(owner);
    let rrset = |part: &Part<'_>| {
        let at = (name.wire().len(), owner.wire(), salt);
        bound(RecordType::SVCB, at, bindings, part)
    };
    split.pack_into(RecordType::SVCB, salt, rrset, out);
}

/// The names that the service's own name is an alias for, which is all that is answered there
/// (RFC 1034 §3.6.2).
pub(super) fn pack_cname(owner: &DnsName, split: &Shares<'_>, out: &mut Vec<u8>) {
    let name_len = owner.wire().len();
    let rrset = |part: &Part<'_>| {
        let mut writer = Writer::new(name_len);
        if let Some(target) = part.cname {
            writer.answer(RecordType::CNAME.into(), part.ttl.secs());
            writer.data(target.name.wire());
        }
        of_part(RecordType::CNAME, part, writer.finish(), !part.lost.is_empty())
    };
    split.pack_into(RecordType::CNAME, salt_of_service(owner), rrset, out);
}

/// Records of type TXT: those of the service, and behind them those of the pool.
pub(super) fn pack_texts(
    owner: &DnsName,
    texts: &[TextRecord],
    split: &Shares<'_>,
    out: &mut Vec<u8>,
) {
    let name_len = owner.wire().len();
    let rrset = |part: &Part<'_>| {
        let mut writer = Writer::new(name_len);
        for text in texts.iter().chain(part.texts) {
            writer.answer(RecordType::TXT.into(), part.ttl.secs());
            for string in text.as_str().as_bytes().chunks(STRING_LEN_MAX) {
                writer.data(&character_string(string));
            }
        }
        of_part(RecordType::TXT, part, writer.finish(), false)
    };
    split.pack_into(RecordType::TXT, salt_of_service(owner), rrset, out);
}

/// One record of type TXT with these strings.
pub(super) fn packed_text(owner: &DnsName, ttl: u32, strings: &[String]) -> Vec<u8> {
    let mut writer = Writer::new(owner.wire().len());
    writer.answer(RecordType::TXT.into(), ttl);
    for string in strings {
        writer.data(&character_string(string.as_bytes()));
    }
    let mut packed = Vec::new();
    parts(RecordType::TXT, ttl, writer.finish()).pack_into(&mut packed);
    packed
}

/// RFC 1035 §3.3; what is too long is cut.
fn character_string(string: &[u8]) -> Vec<u8> {
    let string = &string[..string.len().min(STRING_LEN_MAX)];
    [&[string.len() as u8][..], string].concat()
}

fn bound(
    kind: RecordType,
    (name_len, target, salt): (usize, &[u8], u64),
    bindings: &[&Binding],
    part: &Part<'_>,
) -> Parts {
    let mut writer = Writer::new(name_len);
    // What nobody could connect to is not bound to anything.
    let is_lost = part.endpoints.is_empty() && !part.lost.is_empty();
    for binding in bindings.iter().filter(|_| !is_lost) {
        writer.answer(kind.into(), part.ttl.secs());
        writer.data(&binding.priority.get().to_be_bytes());
        writer.data(target);
        parameters(binding, part, salt, &mut writer);
    }
    of_part(kind, part, writer.finish(), is_lost)
}

fn parameters(binding: &Binding, part: &Part<'_>, salt: u64, writer: &mut Writer) {
    if !binding.alpn.is_empty() {
        let ids = binding.alpn.iter().flat_map(|id| character_string(id.as_str().as_bytes()));
        parameter(ALPN, &ids.collect::<Vec<u8>>(), writer);
    }
    if let Some(port) = binding.port {
        parameter(PORT, &port.get().to_be_bytes(), writer);
    }
    if binding.hints {
        hints(V4_HINT, Family::V4, part, salt, writer);
        hints(V6_HINT, Family::V6, part, salt, writer);
    }
    if let Some(path) = &binding.doh_path {
        parameter(DOH_PATH, path.as_str().as_bytes(), writer);
    }
}

fn parameter(key: u16, value: &[u8], writer: &mut Writer) {
    writer.data(&key.to_be_bytes());
    writer.data(&(value.len() as u16).to_be_bytes());
    writer.data(value);
}

/// The addresses of a family that the client is given by itself too.
fn hints(key: u16, family: Family, part: &Part<'_>, salt: u64, writer: &mut Writer) {
    let addresses = of_family(part, family);
    // Those of a name are whatever it says when somebody asks.
    if addresses.is_empty() || part.cname.is_some() {
        return;
    }
    let width = match family {
        Family::V4 => V4_LEN,
        Family::V6 => V6_LEN,
    };
    let weighted = Weighted::pack(salt, &addresses);
    let count = weighted.as_ref().map_or(addresses.len(), |(_, picked)| *picked);
    writer.data(&key.to_be_bytes());
    writer.data(&((width * count) as u16).to_be_bytes());
    match weighted {
        Some((weighted, picked)) => writer.pick(width, picked, weighted),
        None => {
            writer.data(&addresses.into_iter().flat_map(|(_, octets)| octets).collect::<Vec<u8>>())
        }
    }
}

/// What a pool gives of a type; what no message can hold could never be answered.
pub(super) fn of_part(
    kind: RecordType,
    part: &Part<'_>,
    written: Option<Written>,
    is_lost: bool,
) -> Parts {
    let mut parts = parts(kind, part.ttl.secs(), written);
    parts.is_lost |= is_lost;
    parts.tally = part.tally;
    parts.timing = timing(part, parts.count, parts.is_lost);
    parts
}

/// Records that are the same for everyone.
pub(super) fn parts(kind: RecordType, ttl: u32, written: Option<Written>) -> Parts {
    let is_lost = written.is_none();
    let (body, count) = match written {
        Some(Written { octets, count, is_picked: true }) => (Body::ReadyWeighted(octets), count),
        Some(Written { octets, count, .. }) if count > 0 => (Body::Ready(octets), count),
        _ => (Body::Ready(Vec::new()), 0),
    };
    let (spread, tally) = (Spread::Sticky, None);
    let (audience, timing) = (Audience::Everyone, Timing::Lasting);
    Parts { kind, ttl, count, body, is_lost, spread, tally, audience, timing }
}
