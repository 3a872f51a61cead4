//! Sets the demo up: endpoints, files in a scratch folder, and the daemon.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use anyhow::Context;
use hickory_proto::rr::RecordType;
use tempfile::TempDir;

use super::endpoints::{Endpoints, Version};
use crate::{admin::status::ServiceStatus, config, daemon::Daemon, dns::client, model::DnsName};

pub(super) const SERVICE: &str = "api";
const ZONE: &str = "demo.test";
const PATIENCE: Duration = Duration::from_secs(1);
const ASK_TRIES: u32 = 3;

/// Everything the demo runs on.
pub(super) struct Stage {
    pub(super) endpoints: Endpoints,
    pub(super) daemon: Daemon,
    pub(super) owner: DnsName,
    scratch: TempDir,
}

impl Stage {
    /// Starts the endpoints and the daemon with the old version live.
    pub(super) async fn build(dns: SocketAddr, http: SocketAddr) -> anyhow::Result<Self> {
        let endpoints = Endpoints::start().await?;
        let scratch = tempfile::Builder::new().prefix("cutover-demo-").tempdir();
        let scratch = scratch.context("cannot make a scratch folder")?;
        let settings_path = scratch.path().join("cutover.toml");
        std::fs::write(&settings_path, settings(dns, http))?;
        std::fs::write(scratch.path().join("release.toml"), release(&endpoints, &endpoints.old))?;
        let settings = config::load_settings(&settings_path)?;
        let owner = DnsName::within(SERVICE, &settings.zones.first().apex)?;
        let daemon = Daemon::start(settings).await?;
        Ok(Self { endpoints, daemon, owner, scratch })
    }

    /// The release file.
    pub(super) fn release_path(&self) -> PathBuf {
        self.scratch.path().join("release.toml")
    }

    /// Where questions are answered.
    pub(super) fn dns(&self) -> anyhow::Result<SocketAddr> {
        self.daemon.dns().first().copied().context("the daemon listens nowhere")
    }

    /// Edits the release file as an editor does: a new file, renamed over the old one.
    pub(super) fn ask_for(&self, version: &Version) -> std::io::Result<()> {
        let draft = self.scratch.path().join("release.toml.new");
        std::fs::write(&draft, release(&self.endpoints, version))?;
        std::fs::rename(draft, self.release_path())
    }

    /// What a client is answered now. Like any resolver it asks again when a datagram was lost.
    pub(super) async fn answered(&self) -> anyhow::Result<Vec<IpAddr>> {
        let mut tries_left = ASK_TRIES;
        loop {
            tries_left -= 1;
            match client::ask(self.dns()?, &self.owner, RecordType::A, PATIENCE).await {
                Ok(answered) => return Ok(answered.addresses),
                Err(error) if tries_left == 0 => return Err(error.into()),
                Err(_) => {}
            }
        }
    }

    /// How the daemon sees the service.
    pub(super) async fn status(&self) -> anyhow::Result<ServiceStatus> {
        let status = self.daemon.inquiry().status().await;
        let mut status = status.context("the control plane does not answer")?;
        status.services.remove(SERVICE).context("the daemon does not know the service")
    }

    /// The version that has these addresses.
    pub(super) fn version_of(&self, addresses: &[IpAddr]) -> &'static str {
        let has = |version: &Version| version.addresses.iter().any(|a| addresses.contains(a));
        match (has(&self.endpoints.old), has(&self.endpoints.new)) {
            (true, false) => self.endpoints.old.name,
            (false, true) => self.endpoints.new.name,
            (true, true) => "a mixture",
            (false, false) => "nothing",
        }
    }

    /// Ends everything and gives the ports and the folder back.
    pub(super) async fn strike(self) {
        self.daemon.stop().await;
    }
}

fn settings(dns: SocketAddr, http: SocketAddr) -> String {
    format!(
        r#"version = 1
zone = "{ZONE}"
nameservers = ["ns1.{ZONE}"]
hostmaster = "hostmaster@{ZONE}"
release_file = "release.toml"

[listen]
dns = ["{dns}"]
http = "{http}"

[[records]]
name = "ns1"
type = "A"
data = ["{}"]
"#,
        dns.ip()
    )
}

fn release(endpoints: &Endpoints, live: &Version) -> String {
    let addresses = |version: &Version| {
        let quoted: Vec<String> = version.addresses.iter().map(|a| format!("\"{a}\"")).collect();
        quoted.join(", ")
    };
    let (old, new, port) = (&endpoints.old, &endpoints.new, endpoints.port);
    format!(
        r#"version = 1

[services.{SERVICE}]
live = "{}"        # change to "{}" (or back) and save: that is a release
ttl = "2s"

[services.{SERVICE}.pools.{}]
endpoints = [{}]

[services.{SERVICE}.pools.{}]
endpoints = [{}]

[services.{SERVICE}.probe]
http = {{ port = {port}, path = "/healthz" }}
interval = "500ms"
timeout = "300ms"
rise = 2
fall = 2

[services.{SERVICE}.release]
bake = "20s"
deadline = "30s"
"#,
        live.name,
        if live.name == old.name { new.name } else { old.name },
        old.name,
        addresses(old),
        new.name,
        addresses(new),
    )
}
