//! A Debian that systemd has booted, with processes, users and a network of its own.

use std::{
    fs::{self, File},
    os::fd::AsFd,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    process::{Pid, Signal, kill_process},
    thread::{LinkNameSpaceType, move_into_link_name_space},
};

use crate::common::PATIENCE;

/// Between two looks; nothing depends on how long it is.
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(crate) struct Machine {
    nspawn: Child,
    /// Its systemd.
    first: Pid,
    root: PathBuf,
}

impl Machine {
    /// Boots what lies in `root`, and waits until systemd says that it is up.
    pub(crate) fn boot(root: &Path) -> Self {
        let log = File::create(root.with_extension("log")).expect("writable");
        let nspawn = Command::new("systemd-nspawn")
            .args(["--quiet", "--boot", "--register=no", "--keep-unit", "--private-network"])
            .args(["--console=pipe", "--link-journal=no", "--directory"])
            .arg(root)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("starts");
        let children = format!("/proc/{0}/task/{0}/children", nspawn.id());
        let mut first = None;
        until("a first process", || {
            let ids = fs::read_to_string(&children).unwrap_or_default();
            first = ids.split_whitespace().next().and_then(|id| Pid::from_raw(id.parse().ok()?));
            first.is_some()
        });
        let machine = Self { nspawn, first: first.expect("seen"), root: root.to_path_buf() };
        until("a booted system", || {
            let state = machine.run(&["systemctl", "is-system-running"]);
            state.stdout.trim_ascii() == b"running"
        });
        machine
    }

    /// Has this thread, and those that it starts from now on, speak with the machine as with itself.
    pub(crate) fn enter_network(&self) {
        let path = format!("/proc/{}/ns/net", self.first.as_raw_nonzero());
        let network = File::open(path).expect("it runs");
        move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))
            .expect("as root");
    }

    /// Runs a program in it.
    pub(crate) fn run(&self, words: &[&str]) -> Output {
        Command::new("nsenter")
            .args(["--all", "--target", &self.first.as_raw_nonzero().to_string(), "--"])
            .args(words)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .output()
            .expect("nsenter runs")
    }

    /// Runs a program that must end well, and gives all that it says.
    pub(crate) fn must(&self, words: &[&str]) -> String {
        let output = self.run(words);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(output.status.success(), "{words:?}: {said}");
        said
    }

    /// What systemd knows of a unit.
    pub(crate) fn unit(&self, name: &str, property: &str) -> String {
        let property = format!("--property={property}");
        self.must(&["systemctl", "show", "--value", &property, name]).trim().to_owned()
    }

    /// Where a file of the machine lies outside of it.
    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.root.join(inside.trim_start_matches('/'))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // With its first process all others of the machine end, and then nspawn itself.
        let _ = kill_process(self.first, Signal::KILL);
        let _ = self.nspawn.wait();
    }
}

/// Looks until it is seen.
pub(crate) fn until(what: &str, mut seen: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !seen() {
        assert!(begun.elapsed() < 2 * PATIENCE, "not seen: {what}");
        thread::sleep(LOOK_EVERY);
    }
}
