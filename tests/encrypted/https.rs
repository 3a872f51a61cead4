//! DNS over HTTPS.

use data_encoding::BASE64URL_NOPAD;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http2::{SendRequest, handshake},
};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::{
    QUESTIONS, Stage, assert_answered, assert_counted,
    common::client::{query, read},
};

const MEDIA_TYPE: &str = "application/dns-message";

/// One HTTP/2 connection; it ends with the sender.
async fn connect(stage: &Stage) -> SendRequest<Full<Bytes>> {
    let stream = stage.shake(stage.https(), b"h2", &stage.pair).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    let shaken = handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
    let (sender, connection) = shaken.expect("HTTP/2");
    tokio::spawn(connection);
    sender
}

fn post(path: &str, kind: &str, body: Vec<u8>) -> Request<Full<Bytes>> {
    let url = format!("https://ns1.zone.test{path}");
    Request::post(url).header("content-type", kind).body(body.into()).expect("a request")
}

fn get(query: &str) -> Request<Full<Bytes>> {
    let url = format!("https://ns1.zone.test/dns-query{query}");
    Request::get(url).body(Full::default()).expect("a request")
}

async fn message(response: Response<Incoming>) -> Vec<u8> {
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], MEDIA_TYPE);
    assert_eq!(response.headers()["cache-control"], "no-store");
    response.into_body().collect().await.expect("a body").to_bytes().into()
}

#[tokio::test]
async fn questions_are_answered_by_post() {
    let stage = Stage::start().await;
    let mut sender = connect(&stage).await;
    let mut asked = Vec::new();
    for (name, kind) in QUESTIONS {
        let query = query(name, kind);
        let response = sender.send_request(post("/dns-query", MEDIA_TYPE, query.clone())).await;
        asked.push(read(&query, message(response.expect("a response")).await));
    }
    assert_answered(&asked);
    assert_counted(&stage.metrics().await, "https");
}

#[tokio::test]
async fn questions_are_answered_by_get() {
    let stage = Stage::start().await;
    let mut sender = connect(&stage).await;
    let mut asked = Vec::new();
    for (name, kind) in QUESTIONS {
        let query = query(name, kind);
        let encoded = BASE64URL_NOPAD.encode(&query);
        let response = sender.send_request(get(&format!("?dns={encoded}"))).await;
        asked.push(read(&query, message(response.expect("a response")).await));
    }
    assert_answered(&asked);
}

#[tokio::test]
async fn what_is_not_dns_over_https_is_told_so() {
    let stage = Stage::start().await;
    let mut sender = connect(&stage).await;
    let good = query("ns1.zone.test", "A");
    let mut response = good.clone();
    response[2] |= 0x80;
    let put = Request::put("https://ns1.zone.test/dns-query").body(Full::default());
    let cases = [
        (post("/", MEDIA_TYPE, good.clone()), 404),
        (post("/dns-query/", MEDIA_TYPE, good.clone()), 404),
        (put.expect("a request"), 405),
        (post("/dns-query", "application/json", good), 415),
        (post("/dns-query", MEDIA_TYPE, vec![0; 4097]), 413),
        (post("/dns-query", MEDIA_TYPE, vec![0; 11]), 400),
        (post("/dns-query", MEDIA_TYPE, response), 400),
        (get(""), 400),
        (get("?dns=AA=="), 400),
    ];
    for (request, status) in cases {
        let asked = format!("{} {}", request.method(), request.uri());
        let response = sender.send_request(request).await.expect("a response");
        assert_eq!(response.status(), status, "{asked}");
        assert!(response.into_body().collect().await.expect("a body").to_bytes().is_empty());
    }
    // None of it has ended the connection.
    let query = query("ns1.zone.test", "A");
    let response = sender.send_request(post("/dns-query", MEDIA_TYPE, query.clone())).await;
    let asked = read(&query, message(response.expect("a response")).await);
    assert_eq!(asked.rcode, "NOERROR");
}
