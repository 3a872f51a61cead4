//! Three servers of one zone file: ours, NSD and Knot.

use std::{
    fs,
    net::{SocketAddr, UdpSocket},
    process::Command,
    time::Duration,
};

use cutover::{config::load_settings, daemon::Daemon};

use crate::{
    HERE, ZONE, pause,
    server::{Server, free_port, program},
};

/// The daemon, with a zone of its services beside the one that is compared.
pub(crate) struct Ours {
    pub(crate) daemon: Daemon,
    folder: tempfile::TempDir,
}

const SETTINGS: &str = r#"version = 1
zone = "zone.test"
zone_file = "zone.db"
listen = { dns = ["127.0.83.54:0"], http = "127.0.0.1:0" }
rrl = { enabled = false }

[[zones]]
zone = "svc.other.test"
nameservers = ["ns.elsewhere.test"]
hostmaster = "hostmaster@elsewhere.test"
"#;

const RELEASE: &str = r#"version = 1
[services.api]
zone = "svc.other.test"
live = "v1"
pools.v1.endpoints = ["192.0.2.1"]
"#;

impl Ours {
    pub(crate) async fn start() -> Self {
        Self::start_with(SETTINGS, RELEASE, ZONE).await
    }

    pub(crate) async fn start_with(settings: &str, release: &str, zone: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("cutover.toml");
        fs::write(&path, settings).expect("written");
        fs::write(folder.path().join("release.toml"), release).expect("written");
        fs::write(folder.path().join("zone.db"), zone).expect("written");
        let settings = load_settings(&path).unwrap_or_else(|error| panic!("{error}"));
        let daemon = Daemon::start(settings).await.expect("it starts");
        let ours = Self { daemon, folder };
        while !ours.daemon.inquiry().status().await.is_some_and(|status| status.ready) {
            pause().await;
        }
        ours
    }

    /// Ends, and starts again with other files.
    pub(crate) async fn restart(self, release: &str, zone: &str) -> Self {
        self.daemon.stop().await;
        let path = |name| self.folder.path().join(name);
        fs::write(path("release.toml"), release).expect("written");
        fs::write(path("zone.db"), zone).expect("written");
        let settings =
            load_settings(&path("cutover.toml")).unwrap_or_else(|error| panic!("{error}"));
        let daemon = Daemon::start(settings).await.expect("it starts");
        Self { daemon, folder: self.folder }
    }

    /// Saves the zone file as an editor does: a new file, renamed over the old one.
    pub(crate) fn save(&self, zone: &str) {
        self.save_as("zone.db", zone);
    }

    pub(crate) fn save_release(&self, release: &str) {
        self.save_as("release.toml", release);
    }

    fn save_as(&self, file: &str, text: &str) {
        let draft = self.folder.path().join("draft");
        fs::write(&draft, text).expect("written");
        fs::rename(draft, self.folder.path().join(file)).expect("renamed");
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.daemon.dns()[0]
    }
}

/// NSD with this zone, if it is installed.
pub(crate) async fn nsd(zone: &str) -> Option<(Server, SocketAddr)> {
    let program = program("nsd")?;
    let folder = tempfile::tempdir().expect("a folder");
    let (port, root) = (free_port(), folder.path().display().to_string());
    fs::write(folder.path().join("zone"), zone).expect("written");
    let config = format!(
        "server:\n ip-address: {HERE}@{port}\n username: \"\"\n chroot: \"\"\n zonesdir: \"{root}\"\n \
         pidfile: \"{root}/pid\"\n database: \"\"\n xfrdfile: \"{root}/xfrd\"\n \
         zonelistfile: \"{root}/zones\"\n server-count: 1\n rrl-ratelimit: 0\n refuse-any: no\n\
         remote-control:\n control-enable: no\n\
         zone:\n name: zone.test\n zonefile: zone\n"
    );
    fs::write(folder.path().join("nsd.conf"), config).expect("written");
    let mut command = Command::new(program);
    command.arg("-d").arg("-c").arg(folder.path().join("nsd.conf"));
    let server = Server::start(folder, &mut command, port).await;
    Some((server, (HERE, port).into()))
}

/// Knot with this zone, if it is installed.
pub(crate) async fn knot(zone: &str) -> Option<(Server, SocketAddr)> {
    let program = program("knotd")?;
    let folder = tempfile::tempdir().expect("a folder");
    let (port, root) = (free_port(), folder.path().display().to_string());
    fs::write(folder.path().join("zone"), zone).expect("written");
    let config = format!(
        "server:\n  listen: {HERE}@{port}\n  rundir: \"{root}\"\n  udp-workers: 1\n  tcp-workers: 1\n  \
         background-workers: 1\nlog:\n  - target: stderr\n    any: warning\n\
         database:\n  storage: \"{root}\"\n\
         zone:\n  - domain: zone.test\n    file: \"{root}/zone\"\n    semantic-checks: off\n    \
         zonefile-sync: -1\n    journal-content: none\n"
    );
    fs::write(folder.path().join("knot.conf"), config).expect("written");
    let mut command = Command::new(program);
    command.arg("-c").arg(folder.path().join("knot.conf"));
    let server = Server::start(folder, &mut command, port).await;
    Some((server, (HERE, port).into()))
}

/// Asks one server, one question after the other.
pub(crate) struct Asker {
    socket: UdpSocket,
    buffer: Vec<u8>,
}

impl Asker {
    pub(crate) fn new(server: SocketAddr) -> Self {
        let socket = UdpSocket::bind((HERE, 0)).expect("a socket");
        socket.connect(server).expect("an address");
        socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a limit");
        Self { socket, buffer: vec![0; 65_535] }
    }

    pub(crate) fn ask(&mut self, query: &[u8]) -> Vec<u8> {
        self.socket.send(query).expect("sent");
        loop {
            let len = self.socket.recv(&mut self.buffer).expect("an answer in time");
            if self.buffer[..2] == query[..2] {
                return self.buffer[..len].to_vec();
            }
        }
    }
}
