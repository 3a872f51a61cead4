//! DNS over HTTPS (RFC 8484): HTTP/2, one question per request, by GET or POST.

use std::{convert::Infallible, net::SocketAddr, pin::pin, sync::Arc};

use data_encoding::BASE64URL_NOPAD;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue},
    server::conn::http2,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};

use super::{
    Context, MESSAGE, OPEN_QUESTIONS_MAX, QUERY_LEN_MAX,
    admission::{Admitted, Over},
};
use crate::dns::{DropCause, Transport};

const MEDIA_TYPE: &str = "application/dns-message";
/// Octets that may be on their way to us, per request and per connection.
const REQUEST_WINDOW: u32 = 2 * QUERY_LEN_MAX as u32;
const CONNECTION_WINDOW: u32 = 64 << 10;
/// Octets of headers, which hold the whole question of a GET.
const HEADERS_LEN_MAX: u32 = 16 << 10;
/// Octets of replies that wait for the client to take them, per request.
const REPLY_BUFFER: usize = 64 << 10;
/// Requests that the client gave up before they were looked at.
const GIVEN_UP_MAX: usize = 20;

pub(super) async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    client: SocketAddr,
    admitted: Admitted,
    context: Context,
    path: Arc<str>,
) {
    let service = service_fn(|request: Request<Incoming>| {
        admitted.touch();
        let (context, path) = (context.clone(), path.clone());
        async move { Ok::<_, Infallible>(answer(request, client, &context, &path).await) }
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(OPEN_QUESTIONS_MAX)
        .max_pending_accept_reset_streams(GIVEN_UP_MAX)
        .max_local_error_reset_streams(GIVEN_UP_MAX)
        .initial_stream_window_size(REQUEST_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEADERS_LEN_MAX)
        .max_send_buf_size(REPLY_BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        // However it ended, the connection does.
        _ = &mut connection => return,
        over = admitted.over() => if over == Over::Evicted { return },
        () = context.stopped() => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(MESSAGE, connection).await;
}

async fn answer(
    request: Request<Incoming>,
    client: SocketAddr,
    context: &Context,
    path: &str,
) -> Response<Full<Bytes>> {
    let question = if request.uri().path() == path {
        question(request).await
    } else {
        Err(StatusCode::NOT_FOUND)
    };
    let reply = question.and_then(|packet| {
        match context.answer(&packet, client, Transport::Https) {
            Ok(octets) => Ok(octets),
            Err(DropCause::Internal) => Err(StatusCode::INTERNAL_SERVER_ERROR),
            // It is no question.
            Err(_) => Err(StatusCode::BAD_REQUEST),
        }
    });
    match reply {
        Ok(octets) => sent(octets),
        Err(status) => failed(status),
    }
}

/// The octets of the DNS message that a request carries.
async fn question(request: Request<Incoming>) -> Result<Bytes, StatusCode> {
    match *request.method() {
        Method::GET => from_query(request.uri().query().unwrap_or_default()).map(Bytes::from),
        Method::POST => {
            let kind = request.headers().get(CONTENT_TYPE);
            if !kind.is_some_and(is_dns_message) {
                return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
            }
            let body = Limited::new(request.into_body(), QUERY_LEN_MAX).collect();
            match timeout(MESSAGE, body).await {
                Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
                Ok(Err(error)) if error.is::<LengthLimitError>() => {
                    Err(StatusCode::PAYLOAD_TOO_LARGE)
                }
                Ok(Err(_)) => Err(StatusCode::BAD_REQUEST),
                Ok(Ok(body)) => Ok(body.to_bytes()),
            }
        }
        _ => Err(StatusCode::METHOD_NOT_ALLOWED),
    }
}

/// The message in `dns=…` (RFC 8484 §4.1): base64url without padding.
fn from_query(query: &str) -> Result<Vec<u8>, StatusCode> {
    let mut parameters = query.split('&').filter_map(|pair| pair.strip_prefix("dns="));
    let Some(encoded) = parameters.next() else { return Err(StatusCode::BAD_REQUEST) };
    let packet = BASE64URL_NOPAD.decode(encoded.as_bytes());
    match packet.map_err(|_| StatusCode::BAD_REQUEST)? {
        packet if packet.len() > QUERY_LEN_MAX => Err(StatusCode::URI_TOO_LONG),
        packet => Ok(packet),
    }
}

fn is_dns_message(kind: &HeaderValue) -> bool {
    let kind = kind.to_str().unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(MEDIA_TYPE)
}

fn sent(octets: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(octets));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    // Only caches of the DNS may keep an answer: when they have let go of it is what releases
    // wait for, and a second cache behind them would make it longer.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn failed(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_question_of_a_get() {
        let found = |query| from_query(query);
        assert_eq!(found("dns=AAABAAAB").expect("good"), [0, 0, 1, 0, 0, 1]);
        assert_eq!(found("a=b&dns=-_8&dns=x").expect("good"), [0xfb, 0xff], "the first one");
        for bad in ["", "dns", "dnsx=AAAA", "dns=AA==", "dns=+/8", "dns=A"] {
            assert_eq!(found(bad), Err(StatusCode::BAD_REQUEST), "{bad}");
        }
        let long = format!("dns={}", BASE64URL_NOPAD.encode(&[0; QUERY_LEN_MAX + 1]));
        assert_eq!(from_query(&long), Err(StatusCode::URI_TOO_LONG));
    }

    #[test]
    fn the_media_type_of_a_post() {
        let is = |text: &'static str| is_dns_message(&HeaderValue::from_static(text));
        assert!(is("application/dns-message") && is("Application/DNS-Message; q=1"));
        assert!(!is("application/dns-json") && !is("") && !is("application/dns-message2"));
    }

    proptest! {
        #[test]
        fn any_query_is_taken_or_refused(query in ".{0,200}") {
            if let Ok(packet) = from_query(&query) {
                prop_assert!(packet.len() <= query.len());
            }
        }
    }
}
