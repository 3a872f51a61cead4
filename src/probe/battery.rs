//! One battery of tests that every kind of probe runs, over IPv4 and IPv6. A new kind adds one
//! line to [`subjects`]; the compiler asks for it in [`every_kind_is_here`].

use std::{
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::run_once;
use crate::health::Outcome;
use crate::model::{Header, HttpProbe, Method, Pass, Percent, ProbeKind, ProbeSpec, TcpProbe};

/// One kind with a server that it must pass and, if it looks so far, one that it must not.
struct Subject {
    kind: fn(u16) -> ProbeKind,
    good: &'static [u8],
    bad: Option<(&'static [u8], &'static str)>,
    /// Whether a server that accepts and says nothing fails it.
    needs_words: bool,
}

fn subjects() -> Vec<Subject> {
    let tcp = Subject {
        kind: |port| ProbeKind::Tcp(TcpProbe { port }),
        good: b"",
        bad: None,
        needs_words: false,
    };
    let subject = |kind, good, bad| Subject { kind, good, bad: Some(bad), needs_words: true };
    vec![
        tcp,
        subject(
            |port| http_probe(port, vec![200], None),
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            (b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n", "status 503, expected 200"),
        ),
        subject(
            |port| http_probe(port, vec![204, 301], None),
            b"HTTP/1.1 301 Moved\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n",
            (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "status 200, expected 204 or 301"),
        ),
        subject(
            |port| http_probe(port, vec![200], Some("ready")),
            b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nall is ready now",
            (
                b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nwait",
                "the body does not contain \"ready\"",
            ),
        ),
        subject(
            |port| http_probe(port, vec![200], None),
            b"HTTP/1.0 200 OK\r\n\r\n",
            (b"SSH-2.0-OpenSSH\r\n", "the HTTP exchange broke off"),
        ),
    ]
}

fn http_probe(port: u16, status: Vec<u16>, body: Option<&str>) -> ProbeKind {
    let (path, host) = ("/healthz?deep=1".to_owned(), "api.example.test".to_owned());
    let (method, headers, body) = (Method::Get, Vec::new(), body.map(str::to_owned));
    ProbeKind::Http(HttpProbe { port, method, path, host, headers, status, body })
}

/// Fails to compile when a kind is added: then add it to [`subjects`] too.
#[test]
fn every_kind_is_here() {
    let mut kinds: Vec<&str> = subjects()
        .iter()
        .map(|subject| match (subject.kind)(1) {
            ProbeKind::Tcp(_) => "tcp",
            ProbeKind::Http(_) => "http",
        })
        .collect();
    kinds.dedup();
    assert_eq!(kinds, ["tcp", "http"]);
}

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Both families, where this machine has both.
fn families() -> Vec<IpAddr> {
    let v6 = IpAddr::V6(Ipv6Addr::LOCALHOST);
    let has_v6 = std::net::UdpSocket::bind((v6, 0)).is_ok();
    if !has_v6 {
        // Not `println!`: the harness keeps back what a passing test prints.
        let _ = writeln!(io::stderr(), "skipped: this machine has no IPv6 loopback");
    }
    std::iter::once(V4).chain(has_v6.then_some(v6)).collect()
}

fn spec(kind: ProbeKind, timeout: Duration) -> ProbeSpec {
    let interval = ProbeSpec::INTERVAL;
    let (checks, pass) = (vec![kind.into()], Pass::All);
    ProbeSpec { checks, pass, interval, timeout, rise: 1, fall: 1, jitter: Percent::new_const(10) }
}

async fn tried(spec: &ProbeSpec, ip: IpAddr) -> Outcome {
    run_once(spec, ip).await.outcome.expect("nothing is lacking here")
}

/// A server that reads a request, if it has something to say, and says it to everyone.
async fn server(ip: IpAddr, words: Option<&'static [u8]>) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind((ip, 0)).await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let serving = tokio::spawn(async move {
        let mut silent = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            match words {
                None => silent.push(stream),
                Some(b"") => {}
                Some(words) => say(&mut stream, words).await,
            }
        }
    });
    (port, serving)
}

async fn say(stream: &mut TcpStream, words: &[u8]) {
    let mut request = [0; 1024];
    let len = stream.read(&mut request).await.expect("a request");
    let request = String::from_utf8_lossy(&request[..len]);
    assert!(request.starts_with("GET /healthz?deep=1 HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("host: api.example.test\r\n"), "{request}");
    stream.write_all(words).await.expect("sent");
}

#[tokio::test]
async fn a_good_server_passes() {
    for subject in subjects() {
        for ip in families() {
            let (port, serving) = server(ip, Some(subject.good)).await;
            let outcome = tried(&spec((subject.kind)(port), ProbeSpec::TIMEOUT), ip).await;
            assert_eq!(outcome.result, Ok(()), "{:?}", (subject.kind)(port));
            serving.abort();
        }
    }
}

#[tokio::test]
async fn a_bad_server_fails_with_the_reason() {
    for subject in subjects() {
        let Some((words, expected)) = subject.bad else { continue };
        for ip in families() {
            let (port, serving) = server(ip, Some(words)).await;
            let outcome = tried(&spec((subject.kind)(port), ProbeSpec::TIMEOUT), ip).await;
            let reason = outcome.result.expect_err("must fail");
            assert!(reason.contains(expected), "{reason:?} instead of {expected:?}");
            serving.abort();
        }
    }
}

#[tokio::test]
async fn a_closed_port_fails_with_the_address() {
    for subject in subjects() {
        for ip in families() {
            // Bound and not listening: nobody else can take it, and nobody answers.
            let closed = tokio::net::TcpSocket::new_v4();
            let closed = if ip.is_ipv4() { closed } else { tokio::net::TcpSocket::new_v6() };
            let closed = closed.expect("a socket");
            closed.bind((ip, 0).into()).expect("a port");
            let port = closed.local_addr().expect("bound").port();
            let outcome = tried(&spec((subject.kind)(port), ProbeSpec::TIMEOUT), ip).await;
            let reason = outcome.result.expect_err("must fail");
            assert!(reason.contains("cannot connect to"), "{reason}");
            assert!(reason.contains("refused"), "{reason}");
        }
    }
}

#[tokio::test]
async fn a_silent_server_fails_at_the_timeout() {
    const SOON: Duration = Duration::from_millis(20);
    for subject in subjects().into_iter().filter(|subject| subject.needs_words) {
        let ip = V4;
        let (port, serving) = server(ip, None).await;
        let outcome = tried(&spec((subject.kind)(port), SOON), ip).await;
        assert_eq!(outcome.result, Err("no answer within 20ms".to_owned()));
        assert!(outcome.latency >= SOON);
        serving.abort();
    }
}

/// Sends `head` and then `x` without end.
async fn endless(head: &'static [u8]) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind((V4, 0)).await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a client");
        let _ = stream.write_all(head).await;
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    });
    (port, serving)
}

#[tokio::test]
async fn a_text_is_looked_for_in_the_first_64_kib_of_an_endless_body() {
    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nready";
    let (port, serving) = endless(HEAD).await;
    let kind = http_probe(port, vec![200], Some("ready"));
    assert_eq!(tried(&spec(kind, ProbeSpec::TIMEOUT), V4).await.result, Ok(()));
    serving.abort();

    let (port, serving) = endless(HEAD).await;
    let kind = http_probe(port, vec![200], Some("never"));
    let reason = tried(&spec(kind, ProbeSpec::TIMEOUT), V4).await.result;
    let reason = reason.expect_err("must fail");
    assert!(reason.contains("the body does not contain \"never\""), "{reason}");
    serving.abort();
}

#[tokio::test]
async fn an_answer_before_a_reset_still_counts() {
    let listener = TcpListener::bind((V4, 0)).await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let serving = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // Closing with the rest of the request unread sends a reset behind the answer.
            let mut start = [0; 20];
            stream.read_exact(&mut start).await.expect("a request");
            let words = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
            stream.write_all(words).await.expect("sent");
        }
    });
    for _ in 0..20 {
        let kind = http_probe(port, vec![200], None);
        assert_eq!(tried(&spec(kind, ProbeSpec::TIMEOUT), V4).await.result, Ok(()));
    }
    serving.abort();
}

#[tokio::test]
async fn a_request_is_made_as_it_was_written() {
    let listener = TcpListener::bind((V4, 0)).await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a client");
        let mut request = vec![0; 1024];
        let len = stream.read(&mut request).await.expect("a request");
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.expect("sent");
        String::from_utf8_lossy(&request[..len]).into_owned()
    });
    let headers = [("X-Token", "a b"), ("User-Agent", "me")];
    let headers = headers.map(|(name, value)| Header::new(name, value).expect("good")).to_vec();
    let ProbeKind::Http(probe) = http_probe(port, vec![200], None) else { panic!("http") };
    let kind = ProbeKind::Http(HttpProbe { method: Method::Head, headers, ..probe });
    assert_eq!(tried(&spec(kind, ProbeSpec::TIMEOUT), V4).await.result, Ok(()));
    let request = serving.await.expect("no panic");
    assert!(request.starts_with("HEAD /healthz?deep=1 HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("x-token: a b\r\n"), "{request}");
    assert_eq!(request.matches("user-agent").count(), 1, "{request}");
    assert!(request.contains("user-agent: me\r\n"), "{request}");
}
