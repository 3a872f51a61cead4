//! A client against servers that do as they should, and as they should not.

use std::{sync::Arc, time::Duration};

use http_body_util::Full;
use hyper::{Request, body::Bytes};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};

use super::{Client, Reply, request, trust::Trust};
use crate::model::Url;

/// More than anything takes that ends.
const LONG: Duration = Duration::from_secs(30);

fn post(url: &str) -> Request<Full<Bytes>> {
    let url: Url = url.parse().expect("a URL");
    request(&url).method("POST").header("x-a", "b").body("hello".into()).expect("a request")
}

/// Whatever came until the body was there.
async fn heard(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut text = String::new();
    let mut octets = [0; 1024];
    while !text.ends_with("hello") {
        let len = stream.read(&mut octets).await.expect("readable");
        assert!(len > 0, "it ended after {text:?}");
        text.push_str(&String::from_utf8_lossy(&octets[..len]));
    }
    text
}

async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, says: &[u8]) -> String {
    let text = heard(&mut stream).await;
    // Who has read enough may have gone.
    let _ = stream.write_all(says).await;
    let _ = stream.shutdown().await;
    text
}

/// Says this to the first who asks, and then gives back what was asked.
async fn server(says: Vec<u8>) -> (u16, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("somebody");
        converse(stream, &says).await
    });
    (port, serving)
}

async fn answered(says: impl Into<Vec<u8>>) -> (Result<Reply, String>, String) {
    let (port, serving) = server(says.into()).await;
    let reply = Client::new().send(post(&format!("http://127.0.0.1:{port}/a?b=%20")), LONG).await;
    (reply, serving.await.expect("served").replace(&port.to_string(), "PORT"))
}

#[tokio::test]
async fn a_request_is_sent_as_it_was_made_and_the_reply_is_read() {
    let said = "HTTP/1.1 202 Accepted\r\ncontent-length: 3\r\n\r\nyes";
    let (reply, asked) = answered(said).await;
    let expected = Reply { status: 202, body: b"yes".to_vec(), is_cut: false };
    assert_eq!(reply, Ok(expected));
    assert!(asked.starts_with("POST /a?b=%20 HTTP/1.1\r\n"), "{asked}");
    assert!(asked.contains("\r\nhost: 127.0.0.1:PORT\r\n"), "{asked}");
    assert!(asked.contains("\r\nuser-agent: cutover/") && asked.contains("\r\nx-a: b\r\n"));
    assert!(asked.ends_with("\r\n\r\nhello"), "{asked}");
}

#[tokio::test]
async fn a_redirect_is_a_status_like_any_other() {
    let said =
        "HTTP/1.1 307 Elsewhere\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(answered(said).await.0.map(|reply| reply.status), Ok(307));
}

#[tokio::test]
async fn of_a_reply_that_is_too_long_the_beginning_is_read() {
    let mut long = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    long.resize(long.len() + (1 << 20), b'a');
    let reply = answered(long.clone()).await.0.expect("a reply");
    assert_eq!((reply.body.len(), reply.is_cut), (1 << 20, false));
    long.push(b'a');
    let reply = answered(long).await.0.expect("a reply");
    assert_eq!((reply.body.len(), reply.is_cut), (1 << 20, true));
}

#[tokio::test]
async fn what_is_no_reply_is_told() {
    for said in ["", "nonsense\r\n\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"] {
        let why = answered(said).await.0.expect_err("no reply");
        assert!(why.starts_with("the HTTP exchange broke off: "), "{said:?}: {why}");
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    drop(listener);
    let gone = Client::new().send(post(&format!("http://127.0.0.1:{port}/secret")), LONG).await;
    let why = gone.expect_err("nobody is there");
    assert!(why.starts_with("cannot connect to 127.0.0.1:") && !why.contains("secret"), "{why}");
}

#[tokio::test]
async fn where_the_status_is_wanted_nothing_else_is_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("bound"));
    let serving = tokio::spawn(async move {
        let head = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nha";
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            heard(&mut stream).await;
            stream.write_all(head).await.expect("it waits for that");
            // What is missing never comes.
            open.push(stream);
        }
    });
    assert_eq!(Client::new().status(post(&url), LONG).await, Ok(200));
    let whole = Client::new().send(post(&url), LONG / 300).await;
    assert_eq!(whole, Err("no answer within 100ms".to_owned()));
    serving.abort();
}

#[tokio::test]
async fn everything_has_to_be_done_within_the_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    // Connections wait in the queue, and nobody takes them from there.
    let (client, url) = (Client::new(), format!("http://127.0.0.1:{port}/"));
    let late = client.send(post(&url), LONG / 300);
    assert_eq!(late.await, Err("no answer within 100ms".to_owned()));
    drop(listener);
}

#[tokio::test]
async fn a_certificate_is_for_the_host_and_of_a_signer_who_is_trusted() {
    let mut params = CertificateParams::new([]).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let signer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"));
    let signer = signer.expect("signed");
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, &signer).expect("signed");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("a pair");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let serving = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            converse(stream, b"HTTP/1.1 204 No Content\r\n\r\n").await;
        }
    });
    let url = format!("https://127.0.0.1:{port}/");
    let ours = Client::trusting(Trust::of(vec![signer.der().clone()]));
    let reply = ours.send(post(&url), LONG).await.map(|reply| reply.status);
    assert_eq!(reply, Ok(204));
    let other = ours.send(post(&url.replace("127.0.0.1", "localhost")), LONG).await;
    let why = other.expect_err("not its name");
    assert!(why.contains("not valid for name \"localhost\""), "{why}");
    let key = KeyPair::generate().expect("a key");
    let stranger = CertificateParams::new([]).expect("no names").self_signed(&key).expect("signed");
    let strict = Client::trusting(Trust::of(vec![stranger.der().clone()]));
    let why = strict.send(post(&url), LONG).await.expect_err("not trusted");
    assert!(why.starts_with("no TLS with 127.0.0.1: invalid peer certificate: "), "{why}");
    serving.abort();
}
