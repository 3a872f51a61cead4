//! The `grpc` probe: the endpoint's own health service says that it serves (gRPC Health Checking
//! Protocol, `grpc.health.v1.Health/Check`), over HTTP/2, with TLS or without.
//!
//! The two messages have one field each, so they are written and read here.

use std::net::{IpAddr, SocketAddr};

use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http2,
    header::{CONTENT_TYPE, HeaderMap, TE, USER_AGENT},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    Failure, Passed,
    http::{AGENT, broken, converse},
    tcp::connect,
    tls::secure,
    trust::{Protocol, Trust},
};
use crate::model::GrpcProbe;

/// What stands before a message: whether it is compressed, and its length.
const PREFIX_LEN: usize = 5;
/// The answer of a health service has some octets; of a longer one no more is read.
const BODY_MAX: usize = 4096;
/// How much of what a server says of an error is told.
const MESSAGE_MAX: usize = 200;

pub(super) async fn attempt(probe: &GrpcProbe, address: IpAddr, trust: &Trust) -> Passed {
    let to = SocketAddr::new(address, probe.port);
    match &probe.tls {
        None => exchange(probe, "http", connect(to).await?).await.map(|()| None),
        Some(tls) => {
            let (stream, warning) = secure(to, tls, Protocol::Http2, trust).await?;
            exchange(probe, "https", stream).await.map(|()| warning)
        }
    }
}

async fn exchange<S>(probe: &GrpcProbe, scheme: &str, stream: S) -> Result<(), Failure>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let request = Request::post(format!("{scheme}://{}/grpc.health.v1.Health/Check", probe.host))
        .header(CONTENT_TYPE, "application/grpc")
        .header(TE, "trailers")
        .header(USER_AGENT, AGENT)
        .body(Full::new(asked(&probe.service)))
        .map_err(|error| Failure::Ours(format!("the request cannot be made: {error}")))?;
    let client = http2::Builder::new(TokioExecutor::new());
    let (mut sender, connection) = client.handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let judged = async move { judge(sender.send_request(request).await.map_err(broken)?).await };
    converse(judged, connection).await
}

/// `HealthCheckRequest { service }`.
fn asked(service: &str) -> Bytes {
    let mut message = Vec::new();
    if !service.is_empty() {
        message.push(0x0a);
        let mut len = service.len();
        while len >= 0x80 {
            message.push(len as u8 | 0x80);
            len >>= 7;
        }
        message.push(len as u8);
        message.extend_from_slice(service.as_bytes());
    }
    let len = u32::try_from(message.len()).unwrap_or(u32::MAX);
    [&[0][..], &len.to_be_bytes(), &message].concat().into()
}

async fn judge(response: Response<Incoming>) -> Result<(), Failure> {
    let bad = |why: String| Err(Failure::Endpoint(why));
    if response.status() != StatusCode::OK {
        return bad(format!(
            "HTTP status {}, which is no answer of gRPC",
            response.status().as_u16()
        ));
    }
    // An error without a message says so at once.
    if let Some(error) = error_of(response.headers()) {
        return bad(error);
    }
    let (mut body, mut read) = (response.into_body(), Vec::new());
    let mut trailers = HeaderMap::new();
    while let Some(frame) = body.frame().await {
        match frame.map_err(broken)?.into_data() {
            Ok(data) => {
                let room = BODY_MAX - read.len();
                read.extend_from_slice(&data[..data.len().min(room)]);
            }
            Err(frame) => trailers = frame.into_trailers().unwrap_or_default(),
        }
        if read.len() == BODY_MAX {
            return bad("its answer is no answer of a health service: it is too long".to_owned());
        }
    }
    if let Some(error) = error_of(&trailers) {
        return bad(error);
    }
    match status_in(&read) {
        Some(1) => Ok(()),
        Some(0) => bad("its health is UNKNOWN".to_owned()),
        Some(2) => bad("it is NOT_SERVING".to_owned()),
        Some(3) => bad("SERVICE_UNKNOWN: it does not know the service".to_owned()),
        Some(other) => bad(format!("its health is {other}, which means nothing")),
        None => bad("its answer is no answer of a health service".to_owned()),
    }
}

/// What `grpc-status` says, unless that is OK or is not there.
fn error_of(headers: &HeaderMap) -> Option<String> {
    let code = headers.get("grpc-status")?.to_str().unwrap_or("?");
    let what = match code {
        "0" => return None,
        "5" => "NOT_FOUND: it does not know the service",
        "12" => "UNIMPLEMENTED: it has no health service",
        "14" => "UNAVAILABLE",
        _ => "an error",
    };
    let said = headers.get("grpc-message").map(|value| message_in(value.as_bytes()));
    let said = said.unwrap_or_default();
    let said = if said.is_empty() { said } else { format!(": {said}") };
    Some(format!("gRPC status {code}, {what}{said}"))
}

/// The text in `grpc-message`, of which any octet may be written as `%20` is. What is badly written stays
/// as it is: the protocol forbids to throw a message away for that.
fn message_in(value: &[u8]) -> String {
    let (mut octets, mut rest) = (Vec::new(), value);
    while let Some((first, more)) = rest.split_first() {
        let written = more.split_first_chunk().filter(|_| *first == b'%');
        let written = written.and_then(|(digits, more)| Some((octet_of(digits)?, more)));
        let (octet, more) = written.unwrap_or((*first, more));
        octets.push(octet);
        rest = more;
    }
    let text = String::from_utf8_lossy(&octets);
    let text = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    text.take(MESSAGE_MAX).collect::<String>().trim().to_owned()
}

fn octet_of(digits: &[u8; 2]) -> Option<u8> {
    let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
    u8::try_from(high? * 16 + low?).ok()
}

/// The field of `HealthCheckResponse { status }`; what is not written is 0.
fn status_in(body: &[u8]) -> Option<u64> {
    let (prefix, message) = body.split_at_checked(PREFIX_LEN)?;
    let len = u32::from_be_bytes(prefix[1..].try_into().ok()?);
    let mut rest = message.get(..usize::try_from(len).ok()?).filter(|_| prefix[0] == 0)?;
    let mut status = 0;
    while !rest.is_empty() {
        let tag = varint(&mut rest)?;
        match tag & 7 {
            0 => {
                let value = varint(&mut rest)?;
                status = if tag >> 3 == 1 { value } else { status };
            }
            1 => rest = rest.get(8..)?,
            2 => {
                let len = usize::try_from(varint(&mut rest)?).ok()?;
                rest = rest.get(len..)?;
            }
            5 => rest = rest.get(4..)?,
            _ => return None,
        }
    }
    Some(status)
}

fn varint(octets: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = octets.split_first()?;
        *octets = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn framed(message: &[u8]) -> Vec<u8> {
        [&[0, 0, 0, 0, message.len() as u8], message].concat()
    }

    #[test]
    fn a_status_is_read_among_fields_that_are_not_known() {
        assert_eq!(status_in(&framed(&[0x08, 1])), Some(1));
        assert_eq!(status_in(&framed(&[])), Some(0));
        let more = [0x12, 2, b'a', b'b', 0x08, 2, 0x1d, 0, 0, 0, 0, 0x21, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(status_in(&framed(&more)), Some(2));
        assert_eq!(status_in(&framed(&[0x08])), None, "cut off");
        assert_eq!(status_in(&framed(&[0x0b])), None, "a group");
        assert_eq!(status_in(&[1, 0, 0, 0, 0]), None, "compressed");
        assert_eq!(status_in(&framed(&[8, 0xff])), None, "cut off");
    }

    #[test]
    fn a_request_is_a_length_and_a_name() {
        assert_eq!(&asked("")[..], [0, 0, 0, 0, 0]);
        assert_eq!(&asked("ab")[..], [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        let long = asked(&"a".repeat(200));
        assert_eq!(&long[..8], [0, 0, 0, 0, 203, 0x0a, 0xc8, 1]);
    }

    #[test]
    fn a_message_is_told_as_it_was_meant() {
        assert_eq!(message_in(b"service%20not registered"), "service not registered");
        assert_eq!(message_in(b"gr%C3%BC%c3%9fe: 100%25"), "gr\u{fc}\u{df}e: 100%");
        assert_eq!(message_in(b"100% %zz %+1 %2"), "100% %zz %+1 %2", "badly written");
        assert_eq!(message_in(b"%1b[2J one%0Aline %FF"), "[2J one line \u{fffd}", "not for eyes");
        assert_eq!(message_in(&[b'a'; 300]).len(), MESSAGE_MAX);
    }

    proptest! {
        #[test]
        fn any_octets_are_read_without_a_panic(octets in prop::collection::vec(any::<u8>(), 0..64)) {
            status_in(&octets);
            status_in(&framed(&octets));
            message_in(&octets);
        }
    }
}
