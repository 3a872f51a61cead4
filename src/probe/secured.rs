//! What a certificate must be for a probe over TLS to pass, and what is spoken within.

use std::{convert::Infallible, time::Duration};

use http_body_util::Full;
use hyper::{Request, Response, Version, body::Bytes, body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_rustls::TlsAcceptor;

use super::{
    Means, Try,
    battery::{V4, http_probe, spec},
    pki::{NAME, Pki},
    run_once,
};
use crate::{
    health::Outcome,
    model::{HttpProbe, HttpsProbe, Permit, ProbeKind, ProbeSpec, TlsProbe, TlsSettings},
};

const DAY: Duration = Duration::from_secs(86_400);

/// Shakes hands with everyone, or not, and speaks HTTP/2 with whoever wants to.
async fn server(acceptor: Option<TlsAcceptor>) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind((V4, 0)).await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let serving = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            let service = service_fn(answer);
            match &acceptor {
                None => drop(http2.serve_connection(TokioIo::new(stream), service).await),
                Some(acceptor) => {
                    let Ok(stream) = acceptor.accept(stream).await else { continue };
                    drop(http2.serve_connection(TokioIo::new(stream), service).await);
                }
            }
        }
    });
    (port, serving)
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    assert_eq!(request.version(), Version::HTTP_2);
    let authority = request.uri().authority().map(ToString::to_string);
    Ok(Response::new(format!("version 42 of {authority:?}").into()))
}

async fn try_once(kind: ProbeKind) -> Try {
    run_once(&spec(kind, ProbeSpec::TIMEOUT), V4, &Means::new(Permit::default())).await
}

/// How a handshake with a server that shows this certificate ends.
async fn shaken(tls: TlsSettings, acceptor: TlsAcceptor) -> Outcome {
    let (port, serving) = server(Some(acceptor)).await;
    let tried = try_once(ProbeKind::Tls(TlsProbe { port, tls })).await;
    serving.abort();
    tried.outcome.expect("nothing is lacking here")
}

#[tokio::test]
async fn a_certificate_is_for_the_name_by_the_signer_and_good() {
    let pki = Pki::new();
    let good = shaken(pki.settings(), pki.server(NAME, 90, &[])).await;
    assert_eq!((good.result, good.warning), (Ok(()), None));
    let others = [
        (pki.server("www.example.test", 90, &[]), "not valid for name"),
        (Pki::new().server(NAME, 90, &[]), "UnknownIssuer"),
        (pki.server(NAME, -2, &[]), "certificate expired"),
    ];
    for (acceptor, expected) in others {
        let bad = shaken(pki.settings(), acceptor).await;
        let reason = bad.result.expect_err("must fail");
        assert!(reason.starts_with("no TLS with api.example.test at 127.0.0.1:"), "{reason}");
        assert!(reason.contains(expected), "{reason:?} instead of {expected:?}");
    }
}

#[tokio::test]
async fn a_certificate_that_expires_soon_is_told_of_and_then_fails() {
    let pki = Pki::new();
    let soon = || pki.server(NAME, 5, &[]);
    let told = shaken(pki.settings(), soon()).await;
    assert_eq!(told.result, Ok(()));
    let warning = told.warning.expect("it expires within 14 days");
    assert!(warning.starts_with("its certificate expires at 20"), "{warning}");
    let silent = TlsSettings { validity_warn: 4 * DAY, ..pki.settings() };
    assert_eq!(shaken(silent, soon()).await.warning, None);
    let strict = TlsSettings { validity_min: 7 * DAY, ..pki.settings() };
    let reason = shaken(strict, soon()).await.result.expect_err("must fail");
    assert!(reason.ends_with("Z, and must be good for 7days"), "{reason}");
}

#[tokio::test]
async fn http2_is_spoken_over_tls_if_both_want_it_and_without_it_at_once() {
    let pki = Pki::new();
    let pattern =
        Some("^version [0-9]+ of Some\\(\"api\\.example\\.test\"\\)$".parse().expect("good"));
    let wanted = |port| HttpProbe {
        http2: true,
        pattern: pattern.clone(),
        ..http_probe(port, vec![200], Some("42"))
    };
    let (port, serving) = server(Some(pki.server(NAME, 90, &["h2"]))).await;
    let https = |port| ProbeKind::Https(HttpsProbe { http: wanted(port), tls: pki.settings() });
    let result = try_once(https(port)).await.outcome.expect("tried").result;
    assert_eq!(result, Ok(()));
    serving.abort();

    let (port, serving) = server(Some(pki.server(NAME, 90, &[]))).await;
    let result = try_once(https(port)).await.outcome.expect("tried").result;
    assert_eq!(result, Err("it does not agree to HTTP/2".to_owned()));
    serving.abort();

    let (port, serving) = server(None).await;
    let result = try_once(ProbeKind::Http(wanted(port))).await.outcome.expect("tried").result;
    assert_eq!(result, Ok(()));
    let other = HttpProbe { pattern: Some("^43".parse().expect("good")), ..wanted(port) };
    let result = try_once(ProbeKind::Http(other)).await.outcome.expect("tried").result;
    assert_eq!(result, Err("status 200, but the body does not contain /^43/".to_owned()));
    serving.abort();
}

#[tokio::test]
async fn a_bad_ca_file_is_no_fault_of_the_endpoint() {
    let pki = Pki::new();
    let (port, serving) = server(Some(pki.server(NAME, 90, &[]))).await;
    let missing = TlsSettings { ca: Some("/nowhere/ca.pem".into()), ..pki.settings() };
    let folder = TlsSettings { ca: Some("/".into()), ..pki.settings() };
    let kind = |tls| ProbeKind::Tls(TlsProbe { port, tls });
    let why = async |tls| try_once(kind(tls)).await.outcome.expect_err("no try");
    let reason = why(missing).await;
    assert!(reason.starts_with("the CA file /nowhere/ca.pem cannot be read: No such"), "{reason}");
    assert_eq!(why(folder).await, "the CA file / is not a file");
    for (text, expected) in [
        ("not a certificate", "holds no certificate in PEM"),
        ("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n", "is no PEM: "),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "can be read"),
    ] {
        pki.write(text);
        let reason = why(pki.settings()).await;
        assert!(reason.contains(expected), "{reason:?} instead of {expected:?}");
    }
    serving.abort();
}
