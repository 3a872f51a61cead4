//! The general path: any packet, through hickory's codec.
//!
//! The answer is decided by the record table, the response by [`Responder::respond`], as on the
//! common path; here are the odd questions, answers of several sections, and truncation (RFC 2181 §9).

use std::{borrow::Cow, cell::OnceCell};

use hickory_proto::{
    op::{Edns, LowerQuery, Metadata, ResponseCode, emit_message_parts},
    rr::{DNSClass, Name, Record, RecordType},
    serialize::binary::BinEncoder,
};
use hickory_server::{net::xfer::Protocol, server::Request, zone_handler::MessageRequest};

use super::{
    DropCause, Transport,
    common::{TRUNCATED, limit},
    cookie::CookieState,
    edns::{ClientEdns, ExtendedError, ServerEdns},
    inside::record,
    responder::{Limit, Outcome, Packet, Responder, asked},
    response::{Replied, Response, Section},
    rrl::{Class, Lengths, Limited},
    sift::{HEADER_LEN, QUESTION_FIXED_LEN, Sifted, bare_reply, sift},
};
use crate::{
    model::mapped,
    table::{Answer, Composition, Table},
};

/// Appends the reply to one packet, from one table, as far as `judge` lets it be sent.
pub(super) fn reply_general(
    responder: &Responder,
    table: &Table,
    packet: Packet<'_>,
    judge: &mut impl Limit,
    out: &mut Vec<u8>,
) -> Outcome {
    if packet.client.port() == 0 {
        return Outcome::Dropped(DropCause::PortZero);
    }
    let (name, edns) = match sift(packet.octets) {
        Sifted::Drop(cause) => return Outcome::Dropped(cause),
        Sifted::Reject(code) => return reject(packet, code, judge, out),
        Sifted::Pass(name, edns) => (name, edns),
    };
    let protocol = match packet.transport {
        Transport::Udp => Protocol::Udp,
        // The codec reads all streams alike.
        _ => Protocol::Tcp,
    };
    let question = question_alone(packet.octets, name.wire().len());
    let request = Request::from_bytes(question, packet.client, protocol);
    let edns = edns.as_ref();
    let place = OnceCell::new();
    let response = request
        .as_ref()
        .ok()
        .and_then(|request| respond(responder, table, request, name.wire(), edns, &packet, &place));
    let (Ok(request), Some(response)) = (request, response) else {
        return reject(packet, ResponseCode::FormErr, judge, out);
    };
    let limit = limit(packet.transport, edns);
    let fitting = fitting(response, &request, limit).or_else(|| cut(&response, &request));
    let Some((mut response, mut octets)) = fitting else {
        return Outcome::Dropped(DropCause::Internal);
    };
    let cookie_len = response.edns.as_ref().map_or(0, ServerEdns::cookie_len);
    let cut_len = octets.len().min(packet.octets.len() + cookie_len);
    let lengths = Lengths::new(packet.octets.len(), octets.len(), cut_len);
    let proven = response.cookie_state() == CookieState::Valid;
    match judge.judge(mapped(packet.client.ip()), response.class(), proven, lengths) {
        Limited::Pass => {}
        Limited::Drop => return Outcome::Dropped(DropCause::Limited),
        Limited::Truncate => match cut(&response, &request) {
            Some(shorter) => (response, octets) = shorter,
            None => return Outcome::Dropped(DropCause::Internal),
        },
    }
    out.extend_from_slice(&octets);
    Outcome::Replied(response.replied())
}

/// The packet without what stands behind its question. `sift` has seen all of that, and nobody
/// asks for it; the codec would make room for each of the thousands of records that a message on a
/// stream can have.
fn question_alone(packet: &[u8], name_len: usize) -> Vec<u8> {
    let mut question = packet[..HEADER_LEN + name_len + QUESTION_FIXED_LEN].to_vec();
    // ANCOUNT, NSCOUNT, ARCOUNT.
    question[6..HEADER_LEN].fill(0);
    question
}

/// A header with a code and nothing else.
fn reject(
    packet: Packet<'_>,
    code: ResponseCode,
    judge: &mut impl Limit,
    out: &mut Vec<u8>,
) -> Outcome {
    let lengths = Lengths::new(packet.octets.len(), HEADER_LEN, HEADER_LEN);
    match judge.judge(mapped(packet.client.ip()), Class::Error, false, lengths) {
        Limited::Drop => Outcome::Dropped(DropCause::Limited),
        Limited::Pass | Limited::Truncate => {
            out.extend_from_slice(&bare_reply(packet.octets, code));
            Outcome::Replied(Replied::bare(code))
        }
    }
}

/// A reply that is not longer than `limit`: with all that is in the response, or else without what may be
/// left out (RFC 2181 §9, RFC 9471).
fn fitting<'t>(
    response: Response<'t>,
    request: &MessageRequest,
    limit: usize,
) -> Option<(Response<'t>, Vec<u8>)> {
    let mut encoded = Encoded::new(&response, request);
    let encode = |encoded: &Encoded<'_>| encoded.encode(request).filter(|it| fits(it, limit));
    if let Some(octets) = encode(&encoded) {
        return Some((response, octets));
    }
    if let Section::Composed(Composition { additionals, glue, .. }) = response.section {
        let octets = with_less(&mut encoded, additionals, *glue, encode)?;
        return Some((response, octets));
    }
    let shorter = response.without_additional()?;
    encoded.additionals = Cow::default();
    encode(&encoded).map(|octets| (shorter, octets))
}

fn fits(octets: &[u8], limit: usize) -> bool {
    octets.len() <= limit && !is_truncated(octets)
}

/// A reply that is cut to its question, with TC and OPT: half an rrset is of no use to anyone
/// (RFC 2181 §9).
fn cut<'t>(response: &Response<'t>, request: &MessageRequest) -> Option<(Response<'t>, Vec<u8>)> {
    let cut = response.cut();
    Encoded::new(&cut, request).encode(request).map(|octets| (cut, octets))
}

/// With as many of the additional records as there is room for, rrset by rrset; those that are `glue` must
/// not be left out. How many these are is searched for by halves: each look writes the message.
fn with_less<'r>(
    encoded: &mut Encoded<'r>,
    additionals: &'r [Record],
    glue: usize,
    encode: impl Fn(&Encoded<'_>) -> Option<Vec<u8>>,
) -> Option<Vec<u8>> {
    if additionals.len() == glue {
        return None;
    }
    let is_end = |at: &usize| !is_of_one_rrset(&additionals[at - 1], &additionals[*at]);
    let ends: Vec<usize> = (glue + 1..additionals.len()).filter(is_end).collect();
    let mut with = |count: usize| {
        encoded.additionals = Cow::Borrowed(&additionals[..count]);
        encode(encoded)
    };
    let mut fitting = with(glue)?;
    let (mut begin, mut end) = (0, ends.len());
    while begin < end {
        let middle = begin.midpoint(end);
        match with(ends[middle]) {
            Some(octets) => (fitting, begin) = (octets, middle + 1),
            None => end = middle,
        }
    }
    Some(fitting)
}

fn is_of_one_rrset(one: &Record, other: &Record) -> bool {
    one.name == other.name && one.record_type() == other.record_type()
}

/// Beyond what a message can hold, the codec cuts where it is full, and says so.
fn is_truncated(octets: &[u8]) -> bool {
    octets.get(2).is_some_and(|flags| flags & TRUNCATED != 0)
}

/// Decides the response to a decoded request with one question, whose name is `name` in wire form
/// and lower case. What is composed is put into `place`.
pub(super) fn respond<'t>(
    responder: &'t Responder,
    table: &'t Table,
    request: &MessageRequest,
    name: &[u8],
    edns: Option<&ClientEdns>,
    packet: &Packet<'_>,
    place: &'t OnceCell<Composition>,
) -> Option<Response<'t>> {
    let asker = &packet.asker();
    let [query] = request.queries.queries() else { return None };
    if edns.is_some_and(|edns| edns.version > 0) {
        return Some(responder.refuse(ResponseCode::BADVERS, None, edns, asker));
    }
    let refused = unanswered(query.query_type(), query.query_class());
    if let Some((code, error)) = refused {
        return Some(responder.refuse(code, error, edns, asker));
    }
    if query.query_class() == DNSClass::CH {
        return Some(responder.respond_inside((name, query.query_type()), edns, asker));
    }
    let subnet = edns.and_then(ClientEdns::subnet);
    let question = asked(name, query.query_type().into(), asker.client, subnet);
    let answer = table.answer(question, packet.now, rand::random);
    if matches!(answer, Answer::Composed) {
        let compose = || {
            let composed = table.compose(question, packet.now, rand::random());
            written_like(query.original().name(), composed)
        };
        return Some(responder.respond_composed(place.get_or_init(compose), edns, asker));
    }
    Some(responder.respond(answer, edns, asker))
}

/// Types and classes that no table has an answer for.
fn unanswered(kind: RecordType, class: DNSClass) -> Option<(ResponseCode, Option<ExtendedError>)> {
    const MAILB: u16 = 253;
    const MAILA: u16 = 254;
    let not_supported = Some(ExtendedError::NotSupported);
    match (u16::from(kind), kind) {
        (_, RecordType::OPT) => Some((ResponseCode::FormErr, None)),
        // No zone transfer is offered (RFC 5936 §2.2.1).
        (_, RecordType::AXFR | RecordType::IXFR) => Some((ResponseCode::Refused, not_supported)),
        (MAILB | MAILA, _) => Some((ResponseCode::NotImp, not_supported)),
        _ if !matches!(class, DNSClass::IN | DNSClass::CH) => {
            Some((ResponseCode::Refused, not_supported))
        }
        _ => None,
    }
}

/// A response as the codec has it.
pub(super) struct Encoded<'r> {
    pub(super) metadata: Metadata,
    pub(super) answers: Cow<'r, [Record]>,
    pub(super) authorities: Cow<'r, [Record]>,
    pub(super) additionals: Cow<'r, [Record]>,
    pub(super) edns: Option<Edns>,
}

impl<'r> Encoded<'r> {
    pub(super) fn new(response: &Response<'r>, request: &MessageRequest) -> Self {
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.response_code = response.code.into();
        metadata.authoritative = response.authoritative;
        metadata.truncation = response.truncated;
        let owner = request.queries.queries().first().map(|query| query.original().name());
        let none = || Cow::Borrowed([].as_slice());
        let (answers, authorities, additionals) = match (response.section, owner) {
            (Section::Answer(records), Some(owner)) => {
                let (answers, additionals) = records.decode(owner);
                (answers.into(), none(), additionals.into())
            }
            (Section::Authority(authority, ttl), _) => {
                (none(), authority.records(ttl).into(), none())
            }
            (Section::Composed(Composition { answers, authorities, additionals, .. }), _) => {
                (answers.into(), authorities.into(), additionals.into())
            }
            (Section::Inside(text), Some(owner)) => {
                (vec![record(owner, text)].into(), none(), none())
            }
            _ => (none(), none(), none()),
        };
        let edns = response.edns.map(ServerEdns::to_hickory);
        Self { metadata, answers, authorities, additionals, edns }
    }

    /// The octets, with names that point to earlier ones.
    fn encode(&self, request: &MessageRequest) -> Option<Vec<u8>> {
        let mut octets = Vec::new();
        emit_message_parts(
            &self.metadata,
            &mut request.queries.queries().iter().map(LowerQuery::original),
            &mut self.answers.iter(),
            &mut self.authorities.iter(),
            &mut self.additionals.iter(),
            self.edns.as_ref(),
            None,
            &mut BinEncoder::new(&mut octets),
        )
        .ok()?;
        Some(octets)
    }
}

/// With owners written as in the question, where they are the same name: then they point there.
fn written_like(asked: &Name, mut composed: Composition) -> Composition {
    for record in composed.answers.iter_mut().filter(|record| record.name == *asked) {
        record.name = asked.clone();
    }
    composed
}
