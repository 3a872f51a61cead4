//! Probes of the gRPC health service of tonic, plain and over TLS. It runs in the test itself, so there
//! is nothing to install.

use std::fs;

use tokio::{net::TcpListener, task::JoinHandle};
use tonic::transport::{Identity, Server, ServerTlsConfig, server::TcpIncoming};
use tonic_health::{
    ServingStatus,
    server::{HealthReporter, health_reporter},
};

use super::{HERE, assert_fails, assert_passes, pki::Signer, tried};

const ROUTER: &str = "grpc.routing.v1.Router";

/// A running server, and what its health service says.
struct Health {
    reporter: HealthReporter,
    port: u16,
    serving: JoinHandle<()>,
}

impl Health {
    async fn start(tls: Option<Identity>) -> Self {
        let (reporter, service) = health_reporter();
        let listener = TcpListener::bind((HERE, 0)).await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let mut server = Server::builder();
        if let Some(identity) = tls {
            let tls = ServerTlsConfig::new().identity(identity);
            server = server.tls_config(tls).expect("a pair");
        }
        let serving = server.add_service(service).serve_with_incoming(TcpIncoming::from(listener));
        let serving = tokio::spawn(async { serving.await.expect("it serves") });
        Self { reporter, port, serving }
    }

    async fn set(&self, service: &str, status: ServingStatus) {
        self.reporter.set_service_status(service, status).await;
    }

    /// A probe with some more keys.
    fn probe(&self, more: &str) -> String {
        format!("probe.grpc = {{ port = {}{more} }}", self.port)
    }
}

impl Drop for Health {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// That `probe` fails for exactly this reason.
async fn assert_says(probe: &str, reason: &str) {
    assert_eq!(tried(probe).await, Err(reason.to_owned()), "{probe}");
}

#[tokio::test]
async fn tonic_is_probed_by_service_and_as_a_whole() {
    let health = Health::start(None).await;
    let (whole, router) = (health.probe(""), health.probe(&format!(", service = \"{ROUTER}\"")));
    let unknown = "gRPC status 5, NOT_FOUND: it does not know the service: service not registered";
    assert_passes(&whole).await;
    assert_says(&router, unknown).await;
    health.set(ROUTER, ServingStatus::Serving).await;
    assert_passes(&router).await;
    // What was seen by one try is not what the next one has to see.
    health.set(ROUTER, ServingStatus::NotServing).await;
    assert_says(&router, "it is NOT_SERVING").await;
    assert_passes(&whole).await;
    health.set(ROUTER, ServingStatus::Unknown).await;
    assert_says(&router, "its health is UNKNOWN").await;
    health.set(ROUTER, ServingStatus::Serving).await;
    health.set("", ServingStatus::NotServing).await;
    assert_passes(&router).await;
    assert_says(&whole, "it is NOT_SERVING").await;
}

#[tokio::test]
async fn tonic_is_probed_over_tls() {
    let folder = tempfile::tempdir().expect("a folder");
    let (signer, ca) = (Signer::new(), folder.path().join("ca.pem"));
    fs::write(&ca, signer.pem()).expect("written");
    let (certificate, key) = signer.certify("api.test");
    let health = Health::start(Some(Identity::from_pem(certificate, key))).await;
    let keys = |name: &str| {
        format!(
            ", tls = true, ca = \"{}\", host = \"{name}\", service = \"{ROUTER}\"",
            ca.display()
        )
    };
    let secured = health.probe(&keys("api.test"));
    health.set(ROUTER, ServingStatus::Serving).await;
    assert_passes(&secured).await;
    health.set(ROUTER, ServingStatus::NotServing).await;
    assert_says(&secured, "it is NOT_SERVING").await;
    assert_fails(&health.probe(&keys("www.test")), "no TLS with www.test").await;
    let plain = health.probe("");
    assert_fails(&plain, "the HTTP exchange broke off").await;
}
