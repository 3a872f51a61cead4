//! Programs of others, each as a process of its own with a folder of its own.

use std::{
    fs,
    io::{self, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Instant,
};

use tempfile::TempDir;

use super::{HERE, PATIENCE, pause};

/// The path of a program, or a word about what is left out without it.
pub(super) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let more = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let found = std::env::split_paths(&path).chain(more).map(|folder| folder.join(name));
    let found = found.into_iter().find(|path| path.is_file());
    if found.is_none() {
        // Not `println!`: the harness keeps back what a passing test prints.
        let _ = writeln!(io::stderr(), "skipped: {name} is not installed");
    }
    found
}

/// Free for TCP and UDP a moment ago.
pub(super) fn free_port() -> u16 {
    loop {
        let tcp = TcpListener::bind((HERE, 0)).expect("a port");
        let port = tcp.local_addr().expect("bound").port();
        if UdpSocket::bind((HERE, port)).is_ok() {
            return port;
        }
    }
}

/// A running server; ends with this.
pub(super) struct Server {
    child: Child,
    folder: TempDir,
}

impl Server {
    /// Waits until somebody listens on `port`.
    pub(super) async fn start(folder: TempDir, command: &mut Command, port: u16) -> Self {
        let log = fs::File::create(folder.path().join("log")).expect("a file");
        let error = log.try_clone().expect("a descriptor");
        let child =
            command.stdin(Stdio::null()).stdout(log).stderr(error).spawn().expect("it runs");
        let mut server = Self { child, folder };
        let begun = Instant::now();
        while TcpStream::connect(SocketAddr::from((HERE, port))).is_err() {
            let ended = server.child.try_wait().expect("a child");
            let said = server.said();
            assert!(ended.is_none() && begun.elapsed() < PATIENCE, "{ended:?}: {said}");
            pause().await;
        }
        server
    }

    /// What it has written to its outputs.
    pub(super) fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        // It ends what it has started, too.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}
