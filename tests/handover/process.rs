//! The real binary with its files: several processes can have one folder, one after the other.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Instant,
};

use tempfile::TempDir;

use crate::common::PATIENCE;

pub(crate) const RELEASE: &str = r#"version = 1
[services.api]
live = "v1"
pools.v1.endpoints = ["192.0.2.1"]
"#;

/// The files of a daemon.
pub(crate) struct Files(pub(crate) TempDir);

impl Files {
    pub(crate) fn new() -> Self {
        let files = Self(tempfile::tempdir().expect("a scratch folder"));
        files.write_settings("dns = [\"127.0.0.1:0\"]");
        files.write_release(RELEASE);
        files
    }

    /// Settings with a handover; `listen` is what else stands in `[listen]`.
    pub(crate) fn write_settings(&self, listen: &str) {
        let text = format!(
            "version = 1\nzone = \"zone.test\"\nnameservers = [\"ns.elsewhere.test\"]\n\
             hostmaster = \"h@zone.test\"\n[listen]\nhttp = \"127.0.0.1:0\"\nworkers = 2\n\
             handover = \"handover.sock\"\n{listen}\n[rrl]\nenabled = false\n"
        );
        fs::write(self.settings(), text).expect("writable");
    }

    pub(crate) fn write_release(&self, text: &str) {
        fs::write(self.folder().join("release.toml"), text).expect("writable");
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn settings(&self) -> PathBuf {
        self.folder().join("cutover.toml")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder().join("handover.sock")
    }

    /// A daemon that does not answer yet.
    pub(crate) fn begin(&self) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
        command.args(["serve", "--config"]).arg(self.settings());
        Process::spawn(command)
    }

    /// A daemon that answers, and where.
    pub(crate) fn start(&self) -> (Process, SocketAddr) {
        let mut process = self.begin();
        let dns = process.until_answers();
        (process, dns)
    }
}

/// A running daemon and what it logs; it is killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
    logged: Vec<String>,
}

impl Process {
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("starts");
        let log = BufReader::new(child.stderr.take().expect("piped"));
        let (send, lines) = channel();
        thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                let _ = send.send(line);
            }
        });
        Self { child, lines, logged: Vec::new() }
    }

    /// Waits until it has logged a line with this text.
    pub(crate) fn until_logged(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(line) = self.logged.iter().find(|line| line.contains(text)) {
                return line.clone();
            }
            let rest = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(rest) {
                Ok(line) => self.logged.push(line),
                Err(why) => panic!("never logged: {text} ({why}); but: {:#?}", self.logged),
            }
        }
    }

    /// Waits until it answers, and says where.
    pub(crate) fn until_answers(&mut self) -> SocketAddr {
        let line = self.until_logged(": answering zone=");
        let address = line.split("dns=[").nth(1).and_then(|rest| rest.split([',', ']']).next());
        address.expect("an address").parse().expect("an address")
    }

    /// Waits until it has ended, and says how; its whole log is known then.
    pub(crate) fn until_ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let rest = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(rest) {
                Ok(line) => self.logged.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("does not end; log: {:#?}", self.logged),
            }
        }
        self.child.wait().expect("ended")
    }

    /// What it has logged so far.
    pub(crate) fn log(&mut self) -> String {
        self.logged.extend(self.lines.try_iter());
        self.logged.join("\n")
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("ours").is_some()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().expect("runs").success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
