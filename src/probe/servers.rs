//! Servers for the tests of probes that speak more than a few words.

use std::{convert::Infallible, pin::Pin};

use hickory_proto::{
    op::{Message, MessageType, ResponseCode},
    rr::{RData, Record, rdata::A},
};
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
    header::{CONTENT_TYPE, HeaderMap},
    server::conn::http2,
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

pub(super) type Talk = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A health service that has this to say.
fn health(stream: TcpStream, status: u8) -> Talk {
    let answer = move |request: Request<Incoming>| async move {
        assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
        assert_eq!(request.headers()[CONTENT_TYPE], "application/grpc");
        let asked = request.into_body().collect().await.expect("a message").to_bytes();
        assert_eq!(&asked[..], b"\0\0\0\0\x05\x0a\x03api");
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().expect("a value"));
        let body = Full::new(Bytes::from(vec![0, 0, 0, 0, 2, 8, status]));
        let body = body.with_trailers(async { Some(Ok(trailers)) });
        let response = Response::builder().header(CONTENT_TYPE, "application/grpc");
        Ok::<_, Infallible>(response.body(body).expect("a response"))
    };
    let server = http2::Builder::new(TokioExecutor::new());
    Box::pin(async move {
        let _ = server.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
    })
}

pub(super) fn serving(stream: TcpStream) -> Talk {
    health(stream, 1)
}

pub(super) fn not_serving(stream: TcpStream) -> Talk {
    health(stream, 2)
}

/// A DNS server that knows one address for everything.
pub(super) fn knows(stream: TcpStream) -> Talk {
    dns(stream, ResponseCode::NoError)
}

pub(super) fn refuses(stream: TcpStream) -> Talk {
    dns(stream, ResponseCode::Refused)
}

fn dns(mut stream: TcpStream, code: ResponseCode) -> Talk {
    Box::pin(async move {
        let len = stream.read_u16().await.expect("a length");
        let mut query = vec![0; len.into()];
        stream.read_exact(&mut query).await.expect("a question");
        let octets = reply(&query, code);
        let len = u16::try_from(octets.len()).expect("short");
        stream.write_all(&[&len.to_be_bytes(), &octets[..]].concat()).await.expect("sent");
    })
}

pub(super) fn reply(query: &[u8], code: ResponseCode) -> Vec<u8> {
    let mut reply = Message::from_vec(query).expect("a question");
    assert!(!reply.metadata.recursion_desired);
    reply.metadata.message_type = MessageType::Response;
    reply.metadata.response_code = code;
    if code == ResponseCode::NoError {
        let name = reply.queries[0].name().clone();
        reply.answers = vec![Record::from_rdata(name, 60, RData::A(A::new(192, 0, 2, 1)))];
    }
    reply.to_vec().expect("a reply")
}
