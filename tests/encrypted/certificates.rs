//! The certificate: what is refused at the start, and what a change on disk does.

use std::{fs, path::Path, time::Instant};

use cutover::{config::load_settings, daemon::Daemon};

use crate::{
    Pair, SERVER_NAME, Stage, TLS,
    common::{PATIENCE, client::ask_over, pause},
    quic, trusting, write_settings,
};

/// What the daemon says when it cannot start.
async fn refusal(prepare: impl FnOnce(&Path)) -> String {
    let folder = tempfile::tempdir().expect("a scratch folder");
    Pair::new().save(folder.path());
    prepare(&folder.path().join("tls"));
    let settings = load_settings(&write_settings(folder.path(), "quic = [\"127.0.0.1:0\"]\n", TLS));
    let settings = settings.unwrap_or_else(|error| panic!("{error}"));
    let error = Daemon::start(settings).await.err().expect("refused").to_string();
    error.replace(folder.path().to_str().expect("text"), "")
}

#[tokio::test]
async fn what_is_no_pair_is_refused_at_the_start() {
    let other = Pair::new();
    let said = refusal(|tls| fs::write(tls.join("privkey.pem"), &other.key).expect("ok")).await;
    let wanted =
        "the key /tls/privkey.pem does not belong to the first certificate in /tls/fullchain.pem";
    assert_eq!(said, wanted);
    let said = refusal(|tls| fs::remove_file(tls.join("fullchain.pem")).expect("ok")).await;
    assert!(
        said.starts_with("the certificate /tls/fullchain.pem cannot be read: No such"),
        "{said}"
    );
    let said = refusal(|tls| fs::write(tls.join("fullchain.pem"), &other.key).expect("ok")).await;
    assert_eq!(said, "/tls/fullchain.pem holds no usable certificate in PEM: there is none");
    let said = refusal(|tls| fs::write(tls.join("privkey.pem"), "x").expect("ok")).await;
    assert_eq!(said, "/tls/privkey.pem holds no usable private key in PEM: there is none");
    let half = &other.certificate[..other.certificate.len() / 2];
    let said = refusal(|tls| fs::write(tls.join("fullchain.pem"), half).expect("ok")).await;
    assert!(said.starts_with("/tls/fullchain.pem holds no usable certificate in PEM: "), "{said}");
}

/// Whether a new client is shown the certificate of `pair`, by every transport alike.
async fn is_shown(stage: &Stage, pair: &Pair) -> bool {
    let connector =
        tokio_rustls::TlsConnector::from(std::sync::Arc::new(trusting(&[pair], b"dot")));
    let stream = tokio::net::TcpStream::connect(stage.tls()).await.expect("connected");
    let name = tokio_rustls::rustls::pki_types::ServerName::try_from(SERVER_NAME).expect("a name");
    connector.connect(name, stream).await.is_ok()
}

async fn until_counted(stage: &Stage, result: &str, count: u64) {
    let line = format!("cutover_tls_reloads_total{{result=\"{result}\"}} {count}\n");
    let begun = Instant::now();
    loop {
        let metrics = stage.metrics().await;
        if metrics.contains(&line) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "no {line} in {metrics}");
        pause().await;
    }
}

#[tokio::test]
async fn a_new_pair_is_shown_without_a_restart_and_open_connections_go_on() {
    let stage = Stage::start().await;
    let mut open = stage.shake(stage.tls(), b"dot", &stage.pair).await;
    let client = quic::Client::new(&stage.pair);
    let open_quic = client.connect(stage.quic()).await;
    let next = Pair::new();
    assert!(!is_shown(&stage, &next).await, "not before it is on disk");
    next.save(stage.folder.path());
    // Nobody is told: it is found.
    until_counted(&stage, "loaded", 1).await;
    assert!(is_shown(&stage, &next).await && !is_shown(&stage, &stage.pair).await);
    quic::Client::new(&next).connect(stage.quic()).await;
    stage.shake(stage.https(), b"h2", &next).await;
    assert_eq!(ask_over(&mut open, "ns1.zone.test", "A").await.rcode, "NOERROR");
    assert_eq!(quic::ask(&open_quic, "ns1.zone.test", "A").await.rcode, "NOERROR");
}

#[tokio::test]
async fn a_bad_pair_is_told_once_and_the_last_good_one_stays() {
    let stage = Stage::start().await;
    let next = Pair::new();
    fs::write(stage.folder.path().join("tls/privkey.pem"), &next.key).expect("writable");
    stage.daemon.reload();
    until_counted(&stage, "refused", 1).await;
    assert!(is_shown(&stage, &stage.pair).await && !is_shown(&stage, &next).await);
    // The other half comes.
    next.save(stage.folder.path());
    stage.daemon.reload();
    until_counted(&stage, "loaded", 1).await;
    assert!(is_shown(&stage, &next).await);
    until_counted(&stage, "refused", 1).await;
}
