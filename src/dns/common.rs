//! The common path: a common question is answered where it lies, with records that lie ready.
//!
//! Only the header is patched, and what comes behind the question is copied there. What does not
//! fit into the reply is left to the general path, which knows how to truncate.

use std::net::Ipv6Addr;

use super::{
    DropCause, Transport,
    cookie::CookieState,
    edns::{ClientEdns, OPT_LEN_MIN, ServerEdns},
    question::Question,
    responder::{Limit, Outcome, Packet, Responder},
    response::{Replied, Response, Section},
    rrl::{Lengths, Limited},
    sift::{HEADER_LEN, QUESTION_FIXED_LEN},
};
use crate::{model::mapped, table::Table};

/// QR.
const RESPONSE: u8 = 0x80;
/// AA.
const AUTHORITATIVE: u8 = 0x04;
/// TC.
pub(super) const TRUNCATED: u8 = 0x02;
/// What is kept of a question's flags: RD, and CD beside the RCODE.
const RECURSION_DESIRED: u8 = 0x01;
const CHECKING_DISABLED: u8 = 0x10;

/// Appends the reply to one packet, if it is for this path; without a limit.
pub(super) fn reply_common(
    responder: &Responder,
    table: &Table,
    packet: Packet<'_>,
    out: &mut Vec<u8>,
) -> Option<Replied> {
    let question = Question::read(packet.octets).filter(|_| packet.client.port() != 0)?;
    let asked = question.for_table(mapped(packet.client.ip()));
    let answer = table.answer(asked, packet.now, rand::random);
    let edns = question.edns.as_ref();
    let mut response = responder.respond(answer, edns, &packet.asker());
    let limit = limit(packet.transport, edns);
    if reply_len(&response, &question) > limit {
        response = shortened(&response, &question, limit)?;
    }
    let len = reply_len(&response, &question);
    let begin = out.len();
    out.extend_from_slice(&packet.octets[..question.end]);
    out.resize(begin + len, 0);
    write(&response, &question, &mut out[begin..])?;
    Some(response.replied())
}

/// Writes the reply to a datagram over it, or not, as `judge` says; says how long it is. Nothing
/// if it is not for this path: then the datagram is as it was.
#[inline(always)]
pub(super) fn reply_in_place(
    response: &Response<'_>,
    question: &Question,
    client: Ipv6Addr,
    judge: &mut impl Limit,
    datagram: &mut [u8],
    asked_len: usize,
) -> Option<(Outcome, usize)> {
    let len = reply_len(response, question);
    let limit = limit(Transport::Udp, question.edns.as_ref());
    if len > limit {
        let shorter = shortened(response, question, limit)?;
        return reply_in_place(&shorter, question, client, judge, datagram, asked_len);
    }
    let edns = response.edns.as_ref();
    let opt_len = edns.map_or(0, |edns| OPT_LEN_MIN + edns.cookie_len());
    let lengths = Lengths::new(asked_len, len, question.end + opt_len);
    let proven = response.cookie_state() == CookieState::Valid;
    match judge.judge(client, response.class(), proven, lengths) {
        Limited::Pass => {
            write(response, question, datagram.get_mut(..len)?)?;
            Some((Outcome::Replied(response.replied()), len))
        }
        Limited::Truncate => cut_in_place(*response, question, datagram),
        Limited::Drop => Some((Outcome::Dropped(DropCause::Limited), 0)),
    }
}

/// The same without the additional section, if it fits then.
#[cold]
fn shortened<'t>(
    response: &Response<'t>,
    question: &Question,
    limit: usize,
) -> Option<Response<'t>> {
    let shorter = response.without_additional()?;
    (reply_len(&shorter, question) <= limit).then_some(shorter)
}

/// Writes the reply without its records.
#[cold]
fn cut_in_place(
    response: Response<'_>,
    question: &Question,
    datagram: &mut [u8],
) -> Option<(Outcome, usize)> {
    let cut = response.cut();
    let len = reply_len(&cut, question);
    write(&cut, question, datagram.get_mut(..len)?)?;
    Some((Outcome::Replied(cut.replied()), len))
}

/// How long a reply may be.
pub(super) fn limit(transport: Transport, edns: Option<&ClientEdns>) -> usize {
    match transport {
        Transport::Udp => ClientEdns::udp_limit(edns).into(),
        _ => u16::MAX.into(),
    }
}

/// How long the reply is.
#[inline]
pub(super) fn reply_len(response: &Response<'_>, question: &Question) -> usize {
    let section = match &response.section {
        Section::Nothing | Section::Inside(_) => 0,
        Section::Answer(records) => records.octets_len(),
        Section::Authority(authority, _) => authority.octets_len(),
        // It has no length yet: so there is no room for it here, and it takes the general path.
        Section::Composed(_) | Section::ToBeComposed => usize::from(u16::MAX),
    };
    question.end + section + response.edns.as_ref().map_or(0, ServerEdns::len)
}

/// Writes a reply of its length over the question that `reply` begins with.
#[inline(always)]
pub(super) fn write(response: &Response<'_>, question: &Question, reply: &mut [u8]) -> Option<()> {
    let mut at = question.end;
    let (answers, authorities, additional) = match &response.section {
        Section::Nothing | Section::Inside(_) => (0, 0, 0),
        Section::Composed(_) | Section::ToBeComposed => return None,
        Section::Answer(records) => {
            at += records.write(reply.get_mut(at..)?)?;
            (records.count(), 0, records.additional())
        }
        Section::Authority(authority, ttl) => {
            let name_len = question.end - HEADER_LEN - QUESTION_FIXED_LEN;
            at += authority.write(name_len, *ttl, reply.get_mut(at..)?)?;
            (0, 1, 0)
        }
    };
    if let Some(edns) = &response.edns {
        edns.write(reply.get_mut(at..)?)?;
    }
    let header = reply.first_chunk_mut::<HEADER_LEN>()?;
    let authoritative = if response.authoritative { AUTHORITATIVE } else { 0 };
    let truncated = if response.truncated { TRUNCATED } else { 0 };
    header[2] = RESPONSE | authoritative | truncated | header[2] & RECURSION_DESIRED;
    header[3] = header[3] & CHECKING_DISABLED | response.code.low();
    header[6..8].copy_from_slice(&answers.to_be_bytes());
    header[8..10].copy_from_slice(&[0, authorities]);
    let additional = additional + u16::from(response.edns.is_some());
    header[10..12].copy_from_slice(&additional.to_be_bytes());
    Some(())
}
