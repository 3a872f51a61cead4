//! The general path: any packet, through hickory's codec.
//!
//! The answer is decided by the record table, the response by [`Responder::respond`], as on the
//! common path; here are the odd questions, and truncation (RFC 2181 §9).

use hickory_proto::{
    op::{Edns, Message, Metadata, ResponseCode},
    rr::{DNSClass, Record, RecordType},
    serialize::binary::{BinEncodable, BinEncoder},
};
use hickory_server::{net::xfer::Protocol, server::Request, zone_handler::MessageRequest};

use super::{
    DropCause, Transport,
    common::limit,
    edns::{ClientEdns, ExtendedError, ServerEdns},
    responder::{Packet, Reply, Responder, Response, Section, asked},
    sift::{Sifted, bare_reply, sift},
};
use crate::table::Table;

/// TC.
const TRUNCATED: u8 = 0x02;

/// The reply to one packet, from one table.
pub(super) fn reply_general(responder: &Responder, table: &Table, packet: Packet<'_>) -> Reply {
    if packet.client.port() == 0 {
        return Reply::Drop(DropCause::PortZero);
    }
    let reject = |code| Reply::Send(bare_reply(packet.octets, code), code);
    let (name, edns) = match sift(packet.octets) {
        Sifted::Drop(cause) => return Reply::Drop(cause),
        Sifted::Reject(code) => return reject(code),
        Sifted::Pass(name, edns) => (name, edns),
    };
    let protocol = match packet.transport {
        Transport::Udp => Protocol::Udp,
        Transport::Tcp => Protocol::Tcp,
    };
    let request = Request::from_bytes(packet.octets.to_vec(), packet.client, protocol);
    let Ok(request) = request else {
        return reject(ResponseCode::FormErr);
    };
    let Some(response) = respond(responder, table, &request, name.wire(), edns.as_ref(), &packet)
    else {
        return reject(ResponseCode::FormErr);
    };
    let limit = u16::try_from(limit(packet.transport, edns.as_ref())).unwrap_or(u16::MAX);
    match Encoded::new(&response, &request).encode(&request, limit) {
        Some(octets) => Reply::Send(octets, response.code),
        None => Reply::Drop(DropCause::Internal),
    }
}

/// Decides the response to a decoded request with one question, whose name is `name` in wire form
/// and lower case.
pub(super) fn respond<'t>(
    responder: &'t Responder,
    table: &'t Table,
    request: &MessageRequest,
    name: &[u8],
    edns: Option<&ClientEdns>,
    packet: &Packet<'_>,
) -> Option<Response<'t>> {
    let [query] = request.queries.queries() else { return None };
    if edns.is_some_and(|edns| edns.version > 0) {
        return Some(responder.refuse(ResponseCode::BADVERS, None, edns, packet));
    }
    let refused = unanswered(query.query_type(), query.query_class());
    if let Some((code, error)) = refused {
        return Some(responder.refuse(code, error, edns, packet));
    }
    let subnet = edns.and_then(|edns| edns.subnet);
    let question = asked(name, query.query_type().into(), packet.client.ip(), subnet);
    Some(responder.respond(table.answer(question), edns, packet))
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
        _ if class != DNSClass::IN => Some((ResponseCode::Refused, not_supported)),
        _ => None,
    }
}

/// A response as the codec has it.
pub(super) struct Encoded {
    pub(super) metadata: Metadata,
    pub(super) answers: Vec<Record>,
    pub(super) authorities: Vec<Record>,
    pub(super) edns: Option<Edns>,
}

impl Encoded {
    pub(super) fn new(response: &Response<'_>, request: &MessageRequest) -> Self {
        let mut metadata = Metadata::response_from_request(&request.metadata);
        metadata.response_code = response.code;
        metadata.authoritative = response.authoritative;
        let owner = request.queries.queries().first().map(|query| query.original().name());
        let (answers, authorities) = match (response.section, owner) {
            (Section::Answer(records), Some(owner)) => (records.decode(owner), Vec::new()),
            (Section::Authority(authority), _) => (Vec::new(), authority.records()),
            _ => (Vec::new(), Vec::new()),
        };
        let edns = response.edns.map(ServerEdns::to_hickory);
        Self { metadata, answers, authorities, edns }
    }

    /// The octets. A reply that does not fit is cut to its question, with TC and OPT: half an
    /// rrset is of no use to anyone (RFC 2181 §9).
    fn encode(mut self, request: &MessageRequest, limit: u16) -> Option<Vec<u8>> {
        let mut message = Message::response(self.metadata.id, self.metadata.op_code);
        message.metadata = self.metadata;
        for query in request.queries.queries() {
            message.add_query(query.original().clone());
        }
        message.edns = self.edns.take();
        let cut = message.clone();
        message.add_answers(self.answers).add_authorities(self.authorities);
        // Beyond what a message can hold, the codec cuts where it is full.
        let octets = emit(&message)?;
        if octets.len() <= limit.into() && octets.get(2)? & TRUNCATED == 0 {
            return Some(octets);
        }
        let mut octets = emit(&cut)?;
        *octets.get_mut(2)? |= TRUNCATED;
        Some(octets)
    }
}

fn emit(message: &Message) -> Option<Vec<u8>> {
    let mut octets = Vec::new();
    message.emit(&mut BinEncoder::new(&mut octets)).ok()?;
    Some(octets)
}
