//! The daemon under a service manager: readiness, state, signs of life, passed sockets, signals.
//!
//! systemd itself is not needed: its protocol is a datagram socket and two variables.

mod common;

use std::{
    fs,
    net::{SocketAddr, TcpListener, UdpSocket},
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    path::Path,
    process::{Child, Command, Stdio},
};

use common::{Client, PATIENCE};

const RELEASE: &str = r#"version = 1
[services.api]
live = "v1"
pools.v1.endpoints = ["192.0.2.1"]
"#;

/// UDP and TCP on one port; a free UDP port may be taken for TCP.
fn sockets() -> (UdpSocket, TcpListener) {
    let pair = || {
        let udp = UdpSocket::bind("127.0.0.1:0").ok()?;
        let tcp = TcpListener::bind(udp.local_addr().ok()?).ok()?;
        Some((udp, tcp))
    };
    (0..100).find_map(|_| pair()).expect("a port that is free for both")
}

/// What a service manager sees of the daemon.
struct Manager {
    daemon: Child,
    notified: UnixDatagram,
    dns: SocketAddr,
}

impl Manager {
    /// Starts the daemon the way systemd does, with the sockets for questions passed to it.
    /// `before` is called when they are bound and nobody answers yet.
    fn start(folder: &Path, before: impl FnOnce(SocketAddr)) -> Self {
        let notify_path = folder.join("notify");
        let notified = UnixDatagram::bind(&notify_path).expect("bound");
        notified.set_read_timeout(Some(PATIENCE)).expect("set");
        let (udp, tcp) = sockets();
        let dns = udp.local_addr().expect("bound");
        before(dns);
        let settings = folder.join("cutover.toml");
        // An address that cannot be bound shows that the passed sockets are the ones used.
        let text = "version = 1\nzone = \"zone.test\"\nnameservers = [\"ns.elsewhere.test\"]\n\
                    hostmaster = \"h@zone.test\"\n\
                    listen = { dns = [\"192.0.2.1:53\"], http = \"127.0.0.1:0\" }\n";
        fs::write(&settings, text).expect("writable");
        fs::write(folder.join("release.toml"), RELEASE).expect("writable");
        // A passed socket has the number 3 or above, and its process is named by its own ID.
        let script =
            "exec 3<&0 4<&1 0</dev/null 1>&2; LISTEN_PID=$$ LISTEN_FDS=2 exec \"$0\" \"$@\"";
        let daemon = Command::new("sh")
            .args(["-c", script, env!("CARGO_BIN_EXE_cutover"), "serve", "--config"])
            .arg(settings)
            .stdin(Stdio::from(OwnedFd::from(udp)))
            .stdout(Stdio::from(OwnedFd::from(tcp)))
            .stderr(Stdio::null())
            .env("NOTIFY_SOCKET", notify_path)
            .env("WATCHDOG_USEC", "600000")
            .spawn()
            .expect("starts");
        Self { daemon, notified, dns }
    }

    /// Reads what the daemon says until a line begins with `start`.
    fn until_told(&self, start: &str) -> String {
        let mut said = [0; 4096];
        loop {
            let len =
                self.notified.recv(&mut said).unwrap_or_else(|error| panic!("{start}: {error}"));
            let text = String::from_utf8_lossy(&said[..len]).into_owned();
            if let Some(line) = text.lines().find(|line| line.starts_with(start)) {
                return line.to_owned();
            }
        }
    }

    fn signal(&self, name: &str) {
        let id = self.daemon.id().to_string();
        assert!(
            Command::new("kill").args(["-s", name, &id]).status().expect("kill runs").success()
        );
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_tells_its_state_and_answers_on_passed_sockets() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let mut manager = Manager::start(folder.path(), |_| {});
    manager.until_told("READY=1");
    let client = Client::new(manager.dns);
    assert_eq!(client.ask("api.zone.test", "A").await.answers, 1);
    assert_eq!(client.ask_by_tcp("api.zone.test", "A").await.answers, 1);
    let state = manager.until_told("STATUS=services: 1, generation ");
    assert!(!state.contains("refused"), "{state}");
    manager.until_told("WATCHDOG=1");

    fs::write(folder.path().join("release.toml"), "version = 1\n").expect("writable");
    manager.signal("HUP");
    let refused = "STATUS=services: 1, generation 2; the release file on disk is refused";
    manager.until_told(refused);

    manager.signal("TERM");
    manager.until_told("STOPPING=1");
    assert!(manager.daemon.wait().expect("ended").success());
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn new_clients_are_served_though_silent_ones_hold_every_descriptor() {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};

    const FREE: usize = 8;
    let folder = tempfile::tempdir().expect("a scratch folder");
    let manager = Manager::start(folder.path(), |_| {});
    manager.until_told("READY=1");
    // Less than what it counted on when it started.
    let id = manager.daemon.id();
    let held = fs::read_dir(format!("/proc/{id}/fd")).expect("a process of ours").count();
    let most = Some((held + FREE) as u64);
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
    prlimit(pid, Resource::Nofile, Rlimit { current: most, maximum: most }).expect("set");

    let client = Client::new(manager.dns);
    let mut silent = Vec::new();
    for _ in 0..5 * FREE {
        silent.push(std::net::TcpStream::connect(manager.dns).expect("connected"));
        assert_eq!(client.ask_by_tcp("api.zone.test", "A").await.answers, 1);
        assert_eq!(client.ask("api.zone.test", "A").await.answers, 1);
    }
}

#[test]
fn a_question_from_before_the_start_gets_a_whole_answer() {
    const QUESTION: &[u8] =
        b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03api\x04zone\x04test\0\0\x01\0\x01";
    let folder = tempfile::tempdir().expect("a scratch folder");
    let client = UdpSocket::bind("127.0.0.1:0").expect("a port");
    client.set_read_timeout(Some(PATIENCE)).expect("set");
    let ask = |dns| {
        client.connect(dns).expect("connected");
        client.send(QUESTION).expect("sent");
    };
    let _manager = Manager::start(folder.path(), ask);
    let mut reply = [0; 512];
    let len = client.recv(&mut reply).expect("an answer");
    assert!(len > QUESTION.len());
    assert_eq!(reply[3] & 0x0f, 0, "NOERROR");
    assert_eq!(reply[6..8], [0, 1], "one address");
}
