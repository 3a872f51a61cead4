//! Questions over TLS, QUIC and HTTPS to a real daemon, by clients that share only libraries with
//! it. Here are the daemon, its certificates and what every transport must answer; the cases are in
//! the files beside.

#[path = "../common/mod.rs"]
mod common;

mod certificates;
mod handover;
mod https;
mod limits;
mod quic;
mod tls;

use std::{
    fs,
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use common::client::Asked;
use cutover::{config::load_settings, daemon::Daemon};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName},
    },
};

const SERVER_NAME: &str = "ns1.zone.test";
/// A certificate and its key, as PEM and as what a client is shown.
struct Pair {
    certificate: String,
    key: String,
    shown: CertificateDer<'static>,
}

impl Pair {
    fn new() -> Self {
        let made = generate_simple_self_signed([SERVER_NAME.to_owned()]).expect("made");
        let CertifiedKey::<KeyPair> { cert, signing_key } = made;
        Self {
            certificate: cert.pem(),
            key: signing_key.serialize_pem(),
            shown: cert.der().clone(),
        }
    }

    fn save(&self, folder: &Path) {
        fs::create_dir_all(folder.join("tls")).expect("writable");
        fs::write(folder.join("tls/fullchain.pem"), &self.certificate).expect("writable");
        fs::write(folder.join("tls/privkey.pem"), &self.key).expect("writable");
    }
}

/// A running daemon with encrypted transports.
struct Stage {
    daemon: Daemon,
    pair: Pair,
    folder: TempDir,
}

impl Stage {
    async fn start() -> Self {
        Self::start_on("127.0.0.1").await
    }

    /// All three on any ports of this address.
    async fn start_on(ip: &str) -> Self {
        let listen = ["tls", "quic", "https"].map(|key| format!("{key} = [\"{ip}:0\"]\n")).concat();
        let (folder, pair) = (tempfile::tempdir().expect("a scratch folder"), Pair::new());
        pair.save(folder.path());
        let settings = write_settings(folder.path(), &listen, TLS);
        let settings = load_settings(&settings).unwrap_or_else(|error| panic!("{error}"));
        let daemon = Daemon::start(settings).await.unwrap_or_else(|error| panic!("{error}"));
        Self { daemon, pair, folder }
    }

    fn tls(&self) -> SocketAddr {
        self.running().tls()[0]
    }

    fn quic(&self) -> SocketAddr {
        self.running().quic()[0]
    }

    fn https(&self) -> SocketAddr {
        self.running().https()[0]
    }

    fn running(&self) -> &cutover::dns::encrypted::Running {
        self.daemon.encrypted().expect("it was asked for")
    }

    async fn metrics(&self) -> String {
        let page = cutover::admin::client::get(self.daemon.http(), "/metrics").await;
        String::from_utf8(page.expect("metrics").1.into()).expect("text")
    }

    /// Shakes hands with one of the stream listeners as one that trusts `pair`.
    async fn shake(&self, server: SocketAddr, alpn: &[u8], pair: &Pair) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(server).await.expect("connected");
        let connector = TlsConnector::from(Arc::new(trusting(&[pair], alpn)));
        let name = ServerName::try_from(SERVER_NAME).expect("a name");
        connector.connect(name, stream).await.expect("the certificate is trusted")
    }
}

const TLS: &str = r#"[tls]
certificate = "tls/fullchain.pem"
key = "tls/privkey.pem"
"#;

/// A zone with a small, a large and no record; and no service.
fn write_settings(folder: &Path, listen: &str, tls: &str) -> PathBuf {
    let long = vec![format!("\"{}\"", "x".repeat(250)); 16].join(" ");
    let text = format!(
        r#"version = 1
zone = "zone.test"
nameservers = ["ns1.zone.test"]
hostmaster = "hostmaster@zone.test"
[listen]
dns = ["127.0.0.1:0"]
http = "127.0.0.1:0"
{listen}
{tls}
[[records]]
name = "ns1"
type = "A"
data = ["192.0.2.53"]
[[records]]
name = "long"
type = "TXT"
data = ['{long}']
"#
    );
    let path = folder.join("cutover.toml");
    fs::write(&path, text).expect("writable");
    let release = "version = 1\n[services.api]\nlive = \"v1\"\n\
                   pools.v1.endpoints = [\"192.0.2.1\"]\n";
    fs::write(folder.join("release.toml"), release).expect("writable");
    path
}

fn trusting(pairs: &[&Pair], alpn: &[u8]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for pair in pairs {
        roots.add(pair.shown.clone()).expect("a certificate");
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    config
}

/// What every transport answers to these three questions.
const QUESTIONS: [(&str, &str); 3] =
    [("ns1.zone.test", "A"), ("nothing.zone.test", "A"), ("long.zone.test", "TXT")];

#[track_caller]
fn assert_answered(asked: &[Asked]) {
    let [address, nothing, long] = asked else { panic!("three answers: {asked:?}") };
    assert_eq!((address.rcode.as_str(), address.answers), ("NOERROR", 1));
    assert_eq!(address.addresses, ["192.0.2.53".parse::<std::net::IpAddr>().expect("one")]);
    assert!(address.authoritative);
    assert_eq!((nothing.rcode.as_str(), nothing.authorities), ("NXDOMAIN", 1));
    assert_eq!((long.rcode.as_str(), long.answers), ("NOERROR", 1));
    assert!(long.len > 4_000 && !long.truncated, "{long:?}");
}

#[track_caller]
fn assert_counted(metrics: &str, transport: &str) {
    for (rcode, count) in [("NOERROR", 2), ("NXDOMAIN", 1)] {
        let line = format!(
            "cutover_dns_queries_total{{rcode=\"{rcode}\",transport=\"{transport}\"}} {count}\n"
        );
        assert!(metrics.contains(&line), "no {line} in {metrics}");
    }
}

#[tokio::test]
async fn nothing_is_encrypted_unless_it_is_asked_for() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let settings = write_settings(folder.path(), "tls = []\n", "");
    let settings = load_settings(&settings).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(settings.encrypted, None);
    let daemon = Daemon::start(settings).await.expect("starts without a certificate");
    assert!(daemon.encrypted().is_none());
}

#[tokio::test]
async fn ipv6_is_answered_too() {
    if std::net::UdpSocket::bind("[::1]:0").is_err() {
        let _ = writeln!(std::io::stderr(), "skipped: this machine has no IPv6 loopback");
        return;
    }
    let stage = Stage::start_on("[::1]").await;
    let mut stream = stage.shake(stage.tls(), b"dot", &stage.pair).await;
    assert_eq!(common::client::ask_over(&mut stream, "ns1.zone.test", "A").await.answers, 1);
    let client = quic::Client::on("[::1]:0", &stage.pair);
    let connection = client.connect(stage.quic()).await;
    assert_eq!(quic::ask(&connection, "ns1.zone.test", "A").await.answers, 1);
    stage.shake(stage.https(), b"h2", &stage.pair).await;
}

#[tokio::test]
async fn an_ended_daemon_gives_its_sockets_back() {
    let stage = Stage::start().await;
    let (tls, quic, https) = (stage.tls(), stage.quic(), stage.https());
    let mut stream = stage.shake(tls, b"dot", &stage.pair).await;
    common::client::ask_over(&mut stream, "ns1.zone.test", "A").await;
    stage.daemon.stop().await;
    let mut rest = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await.expect("a farewell");
    assert!(rest.is_empty());
    for address in [tls, https] {
        TcpStream::connect(address).await.expect_err("nobody listens");
    }
    std::net::UdpSocket::bind(quic).expect("free again");
}
