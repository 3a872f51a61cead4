//! A real daemon in this process, endpoints that can be broken, and a client whose codec is not
//! ours.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses its own part of it")]

pub mod client;
pub mod crowd;
pub mod endpoints;
pub mod pools;
pub mod receiver;
pub mod scrape;

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use cutover::{
    admin::status::{ServiceStatus, Status},
    config::Settings,
    daemon::Daemon,
    model::{ZoneSpec, Zones},
};
use tempfile::TempDir;

pub use client::Client;

/// Long enough for any machine; only a failing test waits so long.
pub const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// A running daemon with its files.
pub struct House {
    pub daemon: Daemon,
    pub client: Client,
    folder: TempDir,
}

impl House {
    /// Starts a daemon for `zone.test` on free ports of loopback with this release file.
    pub async fn start(release: &str) -> Self {
        Self::start_on("127.0.0.1", release).await
    }

    /// The same on another loopback address.
    pub async fn start_on(ip: &str, release: &str) -> Self {
        Self::start_with(ip, release, |_| {}).await
    }

    /// The same with settings that `edit` has changed.
    pub async fn start_with(ip: &str, release: &str, edit: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().expect("a scratch folder");
        fs::write(folder.path().join("release.toml"), release).expect("writable");
        let house = Self::start_in(folder, ip, edit).await;
        house
            .until("the first look at the file", |status| {
                status.ready || !status.file.errors.is_empty()
            })
            .await;
        house
    }

    /// The same with a socket for orders, and where that is.
    pub async fn start_with_admin(release: &str) -> (Self, PathBuf) {
        let mut socket = PathBuf::new();
        let house = Self::start_with("127.0.0.1", release, |settings| {
            socket = settings.release_file.with_file_name("admin.sock");
            settings.admin = Some(socket.clone());
        });
        (house.await, socket)
    }

    /// The same in a folder where there was one before, as soon as it answers.
    pub async fn start_in(folder: TempDir, ip: &str, edit: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = settings(folder.path(), ip);
        edit(&mut settings);
        let daemon = Daemon::start(settings).await.expect("starts");
        let client = Client::new(daemon.dns()[0]);
        Self { daemon, client, folder }
    }

    /// Ends the daemon, and leaves its files.
    pub async fn stop(self) -> TempDir {
        self.daemon.stop().await;
        self.folder
    }

    /// The release file.
    pub fn release_path(&self) -> PathBuf {
        self.folder.path().join("release.toml")
    }

    /// The folder of the release file.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Saves as an editor does: a new file, renamed over the old one.
    pub fn save(&self, release: &str) {
        let draft = self.folder.path().join("draft");
        fs::write(&draft, release).expect("writable");
        fs::rename(draft, self.release_path()).expect("renamed");
    }

    /// How things are.
    pub async fn status(&self) -> Status {
        *self.daemon.inquiry().status().await.expect("the control plane answers")
    }

    /// How the service `api` is.
    pub async fn api(&self) -> ServiceStatus {
        self.status().await.services.remove("api").expect("the service is known")
    }

    /// Waits until `seen` holds.
    pub async fn until(&self, what: &str, mut seen: impl FnMut(&Status) -> bool) -> Status {
        let begun = Instant::now();
        loop {
            let status = self.status().await;
            if seen(&status) {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "not seen: {what}; last: {status:#?}");
            pause().await;
        }
    }

    /// Waits until the service `api` is in `phase`.
    pub async fn until_phase(&self, phase: &str) {
        self.until(phase, |status| status.services["api"].phase == phase).await;
    }

    /// Waits until every endpoint of `pool` is `verdict`.
    pub async fn until_pool_is(&self, pool: &str, verdict: &str) {
        self.until(&format!("{pool} {verdict}"), |status| {
            let endpoints = &status.services["api"].pools[pool].endpoints;
            endpoints.iter().all(|endpoint| endpoint.verdict == verdict)
        })
        .await;
    }

    /// Waits until `api` is answered with exactly these addresses, and nothing else but `before`
    /// until then.
    pub async fn until_answered(&self, before: &[IpAddr], after: &[IpAddr]) {
        let begun = Instant::now();
        loop {
            let asked = self.client.ask("api.zone.test", "A").await;
            assert_eq!(asked.rcode, "NOERROR", "{asked:?}");
            if asked.addresses == after {
                return;
            }
            assert_eq!(asked.addresses, before, "neither the old answer nor the new one");
            assert!(begun.elapsed() < PATIENCE, "still {before:?} instead of {after:?}");
            pause().await;
        }
    }
}

/// Lets others run before the next look; nothing depends on how long it is.
pub async fn pause() {
    tokio::time::sleep(LOOK_EVERY).await;
}

/// Settings for `zone.test` on free ports.
pub fn settings(folder: &Path, ip: &str) -> Settings {
    let path = folder.join("cutover.toml");
    let ip_in_url = if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
    let text = format!(
        r#"version = 1
zone = "zone.test"
nameservers = ["ns1.zone.test", "ns2.elsewhere.test"]
hostmaster = "hostmaster@zone.test"

[listen]
dns = ["{ip_in_url}:0"]
http = "127.0.0.1:0"

[rrl] # Tests look more often than a client network may ask; the limits have tests of their own.
exempt = ["127.0.0.0/8", "::1/128"]

[[records]]
name = "ns1"
type = "A"
data = ["192.0.2.53"]

[[records]]
name = "note"
type = "TXT"
data = ["hello"]
"#
    );
    fs::write(&path, text).expect("writable");
    cutover::config::load_settings(&path).unwrap_or_else(|error| panic!("{error}"))
}

/// Another zone like the first one, without its records.
pub fn add_zone(settings: &mut Settings, apex: &str) {
    let first = settings.zones.first().clone();
    let apex = apex.parse().expect("a name");
    let other = ZoneSpec { apex, records: Vec::new(), ..first.clone() };
    settings.zones = Zones::new(vec![first, other]).expect("two zones");
}

/// A release file for `api` with two pools, probed by HTTP on `port`.
pub fn release(live: &str, v1: &[IpAddr], v2: &[IpAddr], port: u16, more: &str) -> String {
    let list = |addresses: &[IpAddr]| {
        let quoted: Vec<String> = addresses.iter().map(|a| format!("\"{a}\"")).collect();
        quoted.join(", ")
    };
    format!(
        r#"version = 1
[services.api]
live = "{live}"
ttl = "1s"
[services.api.pools.v1]
endpoints = [{}]
[services.api.pools.v2]
endpoints = [{}]
[services.api.probe]
http = {{ port = {port} }}
interval = "100ms"
timeout = "100ms"
rise = 2
fall = 2
[services.api.release]
{more}
"#,
        list(v1),
        list(v2)
    )
}
