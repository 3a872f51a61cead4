//! The sockets stay with systemd: a restart loses nothing that waits in them.

use std::{
    net::{SocketAddr, TcpListener, UdpSocket},
    os::fd::OwnedFd,
    process::{Command, Stdio},
};

use crate::{
    load::{Held, Load},
    process::{Files, Process},
};

/// Sockets that are held for the daemon, as systemd does.
struct Unit {
    udp: UdpSocket,
    tcp: TcpListener,
}

impl Unit {
    fn new() -> Self {
        loop {
            let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
            // Another test may have the same port for TCP.
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().expect("bound")) {
                return Self { udp, tcp };
            }
        }
    }

    fn address(&self) -> SocketAddr {
        self.udp.local_addr().expect("bound")
    }

    fn start(&self, files: &Files) -> Process {
        // A passed socket has the number 3 or above, and its process is named by its own ID.
        let script =
            "exec 3<&0 4<&1 0</dev/null 1>&2; LISTEN_PID=$$ LISTEN_FDS=2 exec \"$0\" \"$@\"";
        let mut command = Command::new("sh");
        command
            .args(["-c", script, env!("CARGO_BIN_EXE_cutover"), "serve", "--config"])
            .arg(files.settings())
            .stdin(Stdio::from(OwnedFd::from(self.udp.try_clone().expect("a descriptor"))))
            .stdout(Stdio::from(OwnedFd::from(self.tcp.try_clone().expect("a descriptor"))));
        Process::spawn(command)
    }
}

#[test]
fn restarts_under_load_lose_nothing() {
    let files = Files::new();
    let unit = Unit::new();
    // It asks for no port of its own: 192.0.2.1 cannot be bound.
    files.write_settings("dns = [\"192.0.2.1:53\"]");
    let mut running = unit.start(&files);
    assert_eq!(running.until_answers(), unit.address());
    running.until_logged("`handover` is not used");
    let load = Load::start(unit.address());
    for _ in 0..3 {
        load.until_heard();
        let held: Vec<Held> = (0..8).map(|_| Held::new(unit.address())).collect();
        running.signal("TERM");
        held.into_iter().for_each(Held::assert_ends_well);
        assert!(running.until_ended().success());
        running = unit.start(&files);
        assert_eq!(running.until_answers(), unit.address());
    }
    load.until_heard();
    assert!(load.end() >= 3, "busy connections were told goodbye each time");
    assert!(!files.socket().exists());
}
