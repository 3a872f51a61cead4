//! One packet in, one reply out: the general path, through hickory's codec.
//!
//! The answer itself is decided by [`Table::answer`]; here are the header, EDNS (RFC 6891) and
//! truncation (RFC 2181 §9).

use std::net::SocketAddr;

use hickory_proto::{
    op::{Edns, Metadata, OpCode, ResponseCode},
    rr::{DNSClass, Name, Record, RecordType},
    serialize::binary::BinEncoder,
};
use hickory_server::{
    net::xfer::Protocol,
    server::Request,
    zone_handler::{MessageRequest, MessageResponseBuilder},
};

use super::{
    Transport, UDP_REPLY_MAX,
    sift::{DropCause, Sifted, bare_reply, sift},
};
use crate::table::{Answer, Rrset, Table, to_hickory};

/// The smallest reply limit that a client may state (RFC 6891 §6.2.3).
const UDP_REPLY_MIN: u16 = 512;

/// What becomes of a packet.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing is sent.
    Drop(DropCause),
    /// These octets are sent.
    Send(Vec<u8>, ResponseCode),
}

/// The reply to one packet, from one table.
pub fn reply(table: &Table, packet: &[u8], client: SocketAddr, transport: Transport) -> Reply {
    if client.port() == 0 {
        return Reply::Drop(DropCause::PortZero);
    }
    let reject = |code| Reply::Send(bare_reply(packet, code), code);
    let name = match sift(packet) {
        Sifted::Drop(cause) => return Reply::Drop(cause),
        Sifted::Reject(code) => return reject(code),
        Sifted::Pass(name) => name,
    };
    let Ok(request) = Request::from_bytes(packet.to_vec(), client, transport.protocol()) else {
        return reject(ResponseCode::FormErr);
    };
    let response = respond(table, &request, name.wire(), client);
    let limit = match transport {
        Transport::Udp => request.max_payload().clamp(UDP_REPLY_MIN, UDP_REPLY_MAX),
        Transport::Tcp | Transport::Tls | Transport::Quic | Transport::Https => u16::MAX,
    };
    match response.encode(&request, limit) {
        Some(octets) => Reply::Send(octets, response.metadata.response_code),
        None => Reply::Drop(DropCause::Internal),
    }
}

/// A response before it is encoded.
pub(super) struct Response {
    pub(super) metadata: Metadata,
    pub(super) answers: Vec<Record>,
    pub(super) authorities: Vec<Record>,
    pub(super) edns: Option<Edns>,
}

/// Decides the response to a decoded request. `name` is the question's name as the table wants it.
pub(super) fn respond(
    table: &Table,
    request: &MessageRequest,
    name: &[u8],
    client: SocketAddr,
) -> Response {
    let mut response = Response {
        metadata: Metadata::response_from_request(&request.metadata),
        answers: Vec::new(),
        authorities: Vec::new(),
        edns: request.edns.as_ref().map(our_edns),
    };
    // Not every listener sifts first.
    if request.metadata.op_code != OpCode::Query {
        return response.with_code(ResponseCode::NotImp);
    }
    let [query] = request.queries.queries() else {
        return response.with_code(ResponseCode::FormErr);
    };
    if request.version() > 0 {
        return response.with_code(ResponseCode::BADVERS);
    }
    if let Some(code) = unanswered(query.query_type(), query.query_class()) {
        return response.with_code(code);
    }
    let answer = table.answer(name, query.query_type(), client.ip());
    let owner = query.original().name();
    response.metadata.authoritative = true;
    match answer {
        Answer::Static(rrset) => response.answers = records(owner, rrset),
        Answer::Service(rrset) => response.answers = records(owner, &rrset),
        Answer::NoData(soa) => response.authorities = records(&to_hickory(table.apex()), soa),
        Answer::NxDomain(soa) => {
            response.authorities = records(&to_hickory(table.apex()), soa);
            return response.with_code(ResponseCode::NXDomain);
        }
        Answer::Refused => {
            response.metadata.authoritative = false;
            return response.with_code(ResponseCode::Refused);
        }
        Answer::ServFail => {
            response.metadata.authoritative = false;
            return response.with_code(ResponseCode::ServFail);
        }
    }
    response
}

/// Types and classes that no table has an answer for.
fn unanswered(kind: RecordType, class: DNSClass) -> Option<ResponseCode> {
    const MAILB: u16 = 253;
    const MAILA: u16 = 254;
    match (u16::from(kind), kind) {
        (_, RecordType::OPT) => Some(ResponseCode::FormErr),
        // No zone transfer is offered (RFC 5936 §2.2.1).
        (_, RecordType::AXFR | RecordType::IXFR) => Some(ResponseCode::Refused),
        (MAILB | MAILA, _) => Some(ResponseCode::NotImp),
        _ if class != DNSClass::IN => Some(ResponseCode::Refused),
        _ => None,
    }
}

/// Our side of EDNS: version 0, the DO bit as it came (RFC 3225 §3).
fn our_edns(theirs: &Edns) -> Edns {
    let mut edns = Edns::new();
    edns.set_max_payload(UDP_REPLY_MAX);
    edns.set_version(0);
    edns.set_dnssec_ok(theirs.flags().dnssec_ok);
    edns
}

fn records(owner: &Name, rrset: &Rrset) -> Vec<Record> {
    rrset
        .data
        .iter()
        .map(|data| Record::from_rdata(owner.clone(), rrset.ttl, data.clone()))
        .collect()
}

impl Response {
    fn with_code(mut self, code: ResponseCode) -> Self {
        self.metadata.response_code = code;
        self
    }

    /// The octets. A reply that does not fit is cut to its question, with TC and OPT: half an
    /// rrset is of no use to anyone (RFC 2181 §9).
    fn encode(&self, request: &MessageRequest, limit: u16) -> Option<Vec<u8>> {
        let (octets, fits) = self.emit(request, limit, &self.answers, &self.authorities)?;
        if fits {
            return Some(octets);
        }
        let cut = Self { metadata: self.metadata, edns: self.edns.clone(), ..Self::nothing() };
        let (mut octets, _) = cut.emit(request, limit, &[], &[])?;
        octets[2] |= 0x02;
        Some(octets)
    }

    fn nothing() -> Self {
        let metadata = Metadata::new(0, hickory_proto::op::MessageType::Response, OpCode::Query);
        Self { metadata, answers: Vec::new(), authorities: Vec::new(), edns: None }
    }

    fn emit(
        &self,
        request: &MessageRequest,
        limit: u16,
        answers: &[Record],
        authorities: &[Record],
    ) -> Option<(Vec<u8>, bool)> {
        let mut octets = Vec::with_capacity(usize::from(UDP_REPLY_MIN));
        let mut encoder = BinEncoder::new(&mut octets);
        encoder.set_max_size(limit);
        let none: [Record; 0] = [];
        let info = MessageResponseBuilder::new(&request.queries, self.edns.as_ref())
            .build(self.metadata, answers, authorities, &none, &none)
            .destructive_emit(&mut encoder)
            .ok()?;
        Some((octets, !info.truncation))
    }
}

impl Transport {
    fn protocol(self) -> Protocol {
        match self {
            Self::Udp => Protocol::Udp,
            // To the codec every stream is the same.
            Self::Tcp | Self::Tls | Self::Quic | Self::Https => Protocol::Tcp,
        }
    }
}
