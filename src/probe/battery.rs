//! One battery of tests that every kind of probe runs, over IPv4 and IPv6. A new kind adds one
//! line to [`subjects`]; the compiler asks for it in [`every_kind_is_here`].

use std::{
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use hickory_proto::{op::ResponseCode, rr::RecordType};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

use super::{
    Means,
    pki::{NAME, Pki},
    run_once,
    servers::{Talk, knows, not_serving, refuses, reply, serving},
};
use crate::{
    health::Outcome,
    model::{
        DnsProbe, GrpcProbe, Header, HttpProbe, HttpsProbe, Method, Pass, Percent, Permit,
        ProbeKind, ProbeSpec, TcpProbe, TlsProbe,
    },
};

/// One kind with a server that it must pass and, if it looks so far, one that it must not.
struct Subject {
    kind: Box<dyn Fn(u16) -> ProbeKind>,
    good: Server,
    bad: Option<(Server, &'static str)>,
    /// Whether a server that accepts and says nothing fails it.
    needs_words: bool,
}

/// What a server does with whoever comes.
#[derive(Clone)]
enum Server {
    /// Nothing.
    Silent,
    /// Says this at once.
    Blunt(&'static [u8]),
    /// Reads a request and says this.
    Polite(&'static [u8]),
    /// Shakes hands first; then the same, if it has something to say.
    Secured(TlsAcceptor, &'static [u8]),
    /// Holds a conversation.
    Talks(fn(TcpStream) -> Talk),
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const BUSY: &[u8] = b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n";
const SSH: &[u8] = b"SSH-2.0-OpenSSH\r\n";

fn subjects(pki: &Pki) -> Vec<Subject> {
    let tcp = Subject {
        kind: Box::new(|port| ProbeKind::Tcp(TcpProbe { port })),
        good: Server::Blunt(b""),
        bad: None,
        needs_words: false,
    };
    let secured = |words| Server::Secured(pki.server(NAME, 90, &["http/1.1"]), words);
    let subject = |kind, good, bad| Subject { kind, good, bad: Some(bad), needs_words: true };
    let over_http = |status: &'static [u16], body: Option<&'static str>, good, bad, why| {
        let kind = move |port| ProbeKind::Http(http_probe(port, status.to_vec(), body));
        subject(Box::new(kind), Server::Polite(good), (Server::Polite(bad), why))
    };
    let (for_https, for_tls) = (pki.settings(), pki.settings());
    let https = move |port| {
        let (http, tls) = (http_probe(port, vec![200], None), for_https.clone());
        ProbeKind::Https(HttpsProbe { http, tls })
    };
    let tls = move |port| ProbeKind::Tls(TlsProbe { port, tls: for_tls.clone() });
    let grpc = |port| {
        let (service, host) = ("api".to_owned(), NAME.to_owned());
        ProbeKind::Grpc(GrpcProbe { port, service, host, tls: None })
    };
    let dns = |port| ProbeKind::Dns(dns_probe(port, true));
    let talks = Server::Talks;
    vec![
        tcp,
        over_http(&[200], None, OK, BUSY, "status 503, expected 200"),
        over_http(
            &[204, 301],
            None,
            b"HTTP/1.1 301 Moved\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "status 200, expected 204 or 301",
        ),
        over_http(
            &[200],
            Some("ready"),
            b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nall is ready now",
            b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nwait",
            "the body does not contain \"ready\"",
        ),
        over_http(&[200], None, b"HTTP/1.0 200 OK\r\n\r\n", SSH, "the HTTP exchange broke off"),
        subject(Box::new(https), secured(OK), (secured(BUSY), "status 503, expected 200")),
        subject(
            Box::new(tls),
            secured(b""),
            (Server::Blunt(SSH), "no TLS with api.example.test at "),
        ),
        subject(Box::new(grpc), talks(serving), (talks(not_serving), "it is NOT_SERVING")),
        subject(Box::new(dns), talks(knows), (talks(refuses), "REFUSED, expected NOERROR")),
    ]
}

pub(super) fn http_probe(port: u16, status: Vec<u16>, body: Option<&str>) -> HttpProbe {
    let (path, host) = ("/healthz?deep=1".to_owned(), NAME.to_owned());
    let (method, headers, body) = (Method::Get, Vec::new(), body.map(str::to_owned));
    let (http2, pattern) = (false, None);
    HttpProbe { port, method, http2, path, host, headers, status, body, pattern }
}

fn dns_probe(port: u16, tcp: bool) -> DnsProbe {
    DnsProbe {
        port,
        tcp,
        name: NAME.parse().expect("a name"),
        record_type: RecordType::A,
        rcode: ResponseCode::NoError,
        data: Some("192.0.2.1".to_owned()),
    }
}

/// Fails to compile when a kind is added: then add it to [`subjects`] too.
#[test]
fn every_kind_is_here() {
    let mut kinds: Vec<&str> = subjects(&Pki::new())
        .iter()
        .map(|subject| match (subject.kind)(1) {
            ProbeKind::Tcp(_) => "tcp",
            ProbeKind::Http(_) => "http",
            ProbeKind::Https(_) => "https",
            ProbeKind::Tls(_) => "tls",
            ProbeKind::Grpc(_) => "grpc",
            ProbeKind::Dns(_) => "dns",
            // They ask no server: their tests are beside them.
            ProbeKind::Exec(_) => "exec",
            ProbeKind::StatusFile(_) => "file",
        })
        .collect();
    kinds.dedup();
    assert_eq!(kinds, ["tcp", "http", "https", "tls", "grpc", "dns"]);
}

pub(super) const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

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

pub(super) fn spec(kind: ProbeKind, timeout: Duration) -> ProbeSpec {
    let interval = ProbeSpec::INTERVAL;
    let (checks, pass) = (vec![kind.into()], Pass::All);
    ProbeSpec { checks, pass, interval, timeout, rise: 1, fall: 1, jitter: Percent::new_const(10) }
}

async fn tried(spec: &ProbeSpec, ip: IpAddr) -> Outcome {
    run_once(spec, ip, &Means::new(Permit::default()))
        .await
        .outcome
        .expect("nothing is lacking here")
}

async fn serve(ip: IpAddr, server: Server) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind((ip, 0)).await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let serving = tokio::spawn(async move {
        let mut silent = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            match &server {
                Server::Silent => silent.push(stream),
                Server::Blunt(words) => stream.write_all(words).await.expect("sent"),
                Server::Polite(words) => say(&mut stream, words).await,
                Server::Talks(talk) => talk(stream).await,
                Server::Secured(acceptor, words) => {
                    // Who does not trust it goes away in the middle.
                    let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                    if !words.is_empty() {
                        say(&mut stream, words).await;
                    }
                    let _ = stream.shutdown().await;
                }
            }
        }
    });
    (port, serving)
}

async fn say(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), words: &[u8]) {
    let mut request = [0; 1024];
    let len = stream.read(&mut request).await.expect("a request");
    let request = String::from_utf8_lossy(&request[..len]);
    assert!(request.starts_with("GET /healthz?deep=1 HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("host: api.example.test\r\n"), "{request}");
    stream.write_all(words).await.expect("sent");
}

#[tokio::test]
async fn a_good_server_passes() {
    let pki = Pki::new();
    for subject in subjects(&pki) {
        for ip in families() {
            let (port, serving) = serve(ip, subject.good.clone()).await;
            let outcome = tried(&spec((subject.kind)(port), ProbeSpec::TIMEOUT), ip).await;
            assert_eq!(outcome.result, Ok(()), "{:?}", (subject.kind)(port));
            serving.abort();
        }
    }
}

#[tokio::test]
async fn a_bad_server_fails_with_the_reason() {
    let pki = Pki::new();
    for subject in subjects(&pki) {
        let Some((bad, expected)) = subject.bad else { continue };
        for ip in families() {
            let (port, serving) = serve(ip, bad.clone()).await;
            let outcome = tried(&spec((subject.kind)(port), ProbeSpec::TIMEOUT), ip).await;
            let reason = outcome.result.expect_err("must fail");
            assert!(reason.contains(expected), "{reason:?} instead of {expected:?}");
            serving.abort();
        }
    }
}

#[tokio::test]
async fn a_closed_port_fails_with_the_address() {
    let pki = Pki::new();
    for subject in subjects(&pki) {
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
    let pki = Pki::new();
    for subject in subjects(&pki).into_iter().filter(|subject| subject.needs_words) {
        let ip = V4;
        let (port, serving) = serve(ip, Server::Silent).await;
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
    let kind = ProbeKind::Http(http_probe(port, vec![200], Some("ready")));
    assert_eq!(tried(&spec(kind, ProbeSpec::TIMEOUT), V4).await.result, Ok(()));
    serving.abort();

    let (port, serving) = endless(HEAD).await;
    let kind = ProbeKind::Http(http_probe(port, vec![200], Some("never")));
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
        let kind = ProbeKind::Http(http_probe(port, vec![200], None));
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
    let probe = http_probe(port, vec![200], None);
    let kind = ProbeKind::Http(HttpProbe { method: Method::Head, headers, ..probe });
    assert_eq!(tried(&spec(kind, ProbeSpec::TIMEOUT), V4).await.result, Ok(()));
    let request = serving.await.expect("no panic");
    assert!(request.starts_with("HEAD /healthz?deep=1 HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("x-token: a b\r\n"), "{request}");
    assert_eq!(request.matches("user-agent").count(), 1, "{request}");
    assert!(request.contains("user-agent: me\r\n"), "{request}");
}

#[tokio::test]
async fn an_address_out_of_reach_is_not_asked() {
    let kind = ProbeKind::Tcp(TcpProbe { port: 80 });
    let address = "169.254.169.254".parse().expect("an address");
    let tried =
        run_once(&spec(kind, ProbeSpec::TIMEOUT), address, &Means::new(Permit::default())).await;
    let reason = tried.outcome.expect("it is as good as tried").result.expect_err("must fail");
    assert!(reason.starts_with("169.254.169.254 is link-local: not probed unless"), "{reason}");
    assert_eq!(tried.checks, [], "no check was made");
}

#[tokio::test]
async fn a_question_is_asked_by_udp_and_its_data_looked_at() {
    let socket = UdpSocket::bind((V4, 0)).await.expect("a port");
    let port = socket.local_addr().expect("bound").port();
    let serving = tokio::spawn(async move {
        let mut query = [0; 512];
        while let Ok((len, client)) = socket.recv_from(&mut query).await {
            let mut late = reply(&query[..len], ResponseCode::ServFail);
            late[0] ^= 1;
            socket.send_to(&late, client).await.expect("one to another question");
            let reply = reply(&query[..len], ResponseCode::NoError);
            socket.send_to(&reply, client).await.expect("sent");
        }
    });
    let probe = dns_probe(port, false);
    let result = async |probe: DnsProbe| {
        tried(&spec(ProbeKind::Dns(probe), ProbeSpec::TIMEOUT), V4).await.result
    };
    assert_eq!(result(probe.clone()).await, Ok(()));
    let other = DnsProbe { data: Some("192.0.2.2".to_owned()), ..probe.clone() };
    let why = "192.0.2.1 in its answer, expected 192.0.2.2";
    assert_eq!(result(other).await, Err(why.to_owned()));
    let absent = DnsProbe { record_type: RecordType::TXT, ..probe.clone() };
    assert_eq!(result(absent).await, Err("no TXT in its answer".to_owned()));
    let code = DnsProbe { rcode: ResponseCode::Refused, data: None, ..probe };
    assert_eq!(result(code).await, Err("NOERROR, expected REFUSED".to_owned()));
    serving.abort();
}
