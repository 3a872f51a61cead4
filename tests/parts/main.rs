//! What others wrote, as they run it: probes against nginx and NSD, and against the gRPC health service of
//! tonic; a delegation by NSD; guards of releases against a Prometheus that scrapes; and load balancers in
//! front of a release. One that is not installed is said to be skipped:
//! `apt-get install haproxy nginx nsd prometheus`, and run `cargo test --test parts`.

#![cfg(target_os = "linux")] // All of 127.0.0.0/8 is there.

mod balancers;
#[path = "../common/mod.rs"]
mod common;
mod delegation;
mod grafana;
mod grpc;
mod guards;
mod nginx;
mod nsd;
mod pki;
mod prometheus;
mod promtool;
mod server;

use std::{
    net::{IpAddr, Ipv4Addr},
    path::Path,
    time::Duration,
};

use cutover::{
    config::{load_settings, release},
    model::{Outside, Permit},
    probe::{Means, run_once},
};

/// An address of the tests here alone, so that nobody takes a port of it that was free a moment ago.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 83, 53));
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Lets others run before the next look; nothing depends on how long it is.
async fn pause() {
    tokio::time::sleep(LOOK_EVERY).await;
}

/// What one try by a probe, as the release file has it, says.
async fn tried(probe: &str) -> Result<Option<String>, String> {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/cutover.toml");
    let zone = load_settings(&example).expect("the example loads").zones;
    let file = format!(
        "version = 1\n[services.api]\nlive = \"v1\"\npools.v1.endpoints = [\"{HERE}\"]\n{probe}\n"
    );
    let desired =
        release::parse(Path::new("release.toml"), &file, &zone, &Outside::default()).expect("good");
    let service = desired.services.values().next().expect("one");
    let spec = service.probe.spec().expect("a probe");
    let tried = run_once(spec, HERE, &Means::new(Permit::default())).await;
    let outcome = tried.outcome.expect("nothing is lacking here");
    outcome.result.map(|()| outcome.warning)
}

async fn assert_passes(probe: &str) {
    assert_eq!(tried(probe).await, Ok(None), "{probe}");
}

async fn assert_fails(probe: &str, why: &str) {
    let reason = tried(probe).await.expect_err(probe);
    assert!(reason.contains(why), "{probe}: {reason:?} instead of {why:?}");
}
