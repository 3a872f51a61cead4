//! The Debian package, from its first installation to the purge, on a Debian that systemd has booted:
//! what starts and what does not, what is kept, and that an upgrade loses no query.
//!
//! `tests/package/run` makes that Debian and two versions of the package, and names their folder in
//! `CUTOVER_PACKAGES`; without it this is skipped.

#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../handover/load.rs"]
mod load;
mod machine;

use std::{
    env, fs,
    io::{self, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
};

use common::pools::Pools;
use cutover::admin::status::{ServiceStatus, Status};
use load::{Held, Load};
use machine::{Machine, until};

const SETTINGS: &str = r#"version = 1
zone = "zone.test"
nameservers = ["ns.elsewhere.test"]
hostmaster = "hostmaster@zone.test"
rrl.enabled = false
[listen]
admin = "/run/cutover/admin.sock"
"#;
const MORE: &str = "bake = \"1h\"\npin_allowance = \"0s\"";
const SETTINGS_PATH: &str = "/etc/cutover/cutover.toml";
const STATE: &str = "/var/lib/cutover/state.redb";

#[test]
fn from_the_first_installation_to_the_purge() {
    let Some(folder) = env::var_os("CUTOVER_PACKAGES").map(PathBuf::from) else {
        // Not `println!`: the harness keeps back what a passing test prints.
        let _ = writeln!(io::stderr(), "skipped: the package is tested by tests/package/run");
        return;
    };
    let machine = Machine::boot(&folder.join("root"));
    for version in ["old", "new"] {
        let name = format!("{version}.deb");
        fs::copy(folder.join(&name), machine.path(&name)).expect("copied");
    }
    machine.enter_network();
    // Its threads are started from this one, so that they are in the machine's network too.
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let scene = Scene { pools: runtime.block_on(Pools::start()), machine };
    scene.installing_starts_nothing();
    scene.it_starts_locked_up_and_answers();
    let load = Load::start(dns());
    load.until_heard();
    scene.upgrading_in_the_middle_of_a_release_loses_nothing(&load);
    scene.mistakes_keep_the_daemon_that_runs(&load);
    load.end();
    scene.removing_keeps_what_was_made_and_installing_goes_on_from_there();
    scene.purging_leaves_nothing_but_the_user();
}

fn dns() -> SocketAddr {
    ([127, 0, 0, 1], 53).into()
}

struct Scene {
    machine: Machine,
    pools: Pools,
}

impl Scene {
    fn installing_starts_nothing(&self) {
        let said = self.machine.must(&["dpkg", "--install", "/old.deb"]);
        assert!(said.contains("not starting it"), "{said}");
        for unit in ["cutover.service", "cutover.socket"] {
            assert_eq!(self.machine.unit(unit, "ActiveState"), "inactive", "{unit}");
            assert_eq!(self.machine.unit(unit, "UnitFileState"), "disabled", "{unit}");
        }
        // At the first boot of an image systemd asks the presets.
        self.machine.must(&["systemctl", "preset-all"]);
        assert_eq!(self.machine.unit("cutover.service", "UnitFileState"), "disabled");
        self.nothing_has_failed();
        assert!(self.machine.must(&["cutover", "check"]).contains("services: 1"), "the examples");
        self.machine.must(&["id", "cutover"]);
        for file in [
            "/usr/share/man/man1/cutover-rollback.1.gz",
            "/usr/share/bash-completion/completions/cutover",
            "/usr/share/cutover/prometheus/alerts.yml",
        ] {
            assert!(self.machine.path(file).exists(), "{file}");
        }
    }

    fn it_starts_locked_up_and_answers(&self) {
        fs::write(self.machine.path(SETTINGS_PATH), SETTINGS).expect("writable");
        self.save("v1");
        self.machine.must(&["systemctl", "enable", "--now", "cutover.service"]);
        assert_eq!(self.machine.unit("cutover.socket", "ActiveState"), "active");
        drop(Held::new(dns()));
        let process = self.machine.must(&["cat", &format!("/proc/{}/status", self.daemon())]);
        let value = |key: &str| {
            let line = process.lines().find_map(|line| line.strip_prefix(key));
            line.unwrap_or_else(|| panic!("no {key} in {process}")).trim().to_owned()
        };
        assert!(!value("Uid:").starts_with("0\t"), "{process}");
        assert_eq!(value("CapBnd:"), "0000000000000000");
        assert_eq!(value("NoNewPrivs:"), "1");
    }

    fn upgrading_in_the_middle_of_a_release_loses_nothing(&self, load: &Load) {
        self.save("v2");
        self.until_phase("Baking");
        let (before, release) = (self.daemon(), self.release());
        let socket = self.machine.unit("cutover.socket", "ActiveEnterTimestampMonotonic");
        load.until_heard();
        let held: Vec<Held> = (0..8).map(|_| Held::new(dns())).collect();

        let said = self.machine.must(&["dpkg", "--install", "/new.deb"]);
        assert!(!said.contains("NOT restarted"), "{said}");
        held.into_iter().for_each(Held::assert_ends_well);
        load.until_heard();
        assert_ne!(self.daemon(), before, "the new binary runs");
        let now = self.machine.unit("cutover.socket", "ActiveEnterTimestampMonotonic");
        assert_eq!(socket, now, "the sockets stay open");
        assert_eq!(self.settings(), SETTINGS, "nothing is overwritten, and nobody was asked");

        // It is the same release, and goes on.
        self.until_phase("Baking");
        assert_eq!(self.release(), release);
        self.machine.must(&["cutover", "promote", "api"]);
        self.machine.must(&["cutover", "wait", "--released", "api", "--timeout", "1m"]);
        self.until_phase("Steady");
    }

    fn mistakes_keep_the_daemon_that_runs(&self, load: &Load) {
        let before = self.daemon();
        fs::write(self.machine.path(SETTINGS_PATH), "version = 2\n").expect("writable");
        let said = self.machine.must(&["dpkg", "--install", "/old.deb"]);
        assert!(said.contains("cutover.toml:1:") && said.contains("NOT restarted"), "{said}");
        load.until_heard();
        assert_eq!(self.daemon(), before);
        fs::write(self.machine.path(SETTINGS_PATH), SETTINGS).expect("writable");
        self.machine.must(&["dpkg", "--install", "/new.deb"]);
        load.until_heard();
        assert_ne!(self.daemon(), before);
    }

    fn removing_keeps_what_was_made_and_installing_goes_on_from_there(&self) {
        self.machine.must(&["dpkg", "--remove", "cutover"]);
        self.nothing_has_failed();
        let is_free = |port| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
        assert!(is_free(53), "the sockets are closed");
        assert!(self.machine.path(STATE).exists());
        assert_eq!(self.settings(), SETTINGS);
        let release = self.machine.path("/etc/cutover/release.toml");
        let away = self.machine.path("/etc/cutover/away.toml");
        fs::rename(&release, &away).expect("renamed");

        self.machine.must(&["dpkg", "--install", "/new.deb"]);
        assert!(!release.exists(), "an example would be a release");
        // What was enabled answers again, from the state.
        drop(Held::new(dns()));
        assert_eq!(self.api().serving.keys().collect::<Vec<_>>(), ["v2"]);
        fs::rename(&away, &release).expect("renamed");
    }

    fn purging_leaves_nothing_but_the_user(&self) {
        self.machine.must(&["dpkg", "--purge", "cutover"]);
        self.nothing_has_failed();
        for path in [
            "/var/lib/cutover",
            "/etc/cutover",
            "/usr/bin/cutover",
            "/usr/share/cutover",
            "/etc/systemd/system/multi-user.target.wants/cutover.service",
            "/etc/systemd/system/sockets.target.wants/cutover.socket",
        ] {
            // Not `exists`, which looks behind a link.
            assert!(fs::symlink_metadata(self.machine.path(path)).is_err(), "{path} is left");
        }
        self.machine.must(&["id", "cutover"]);
    }

    fn nothing_has_failed(&self) {
        let failed = self.machine.must(&["systemctl", "list-units", "--failed", "--no-legend"]);
        assert_eq!(failed, "");
    }

    /// Saves the release file as an editor does.
    fn save(&self, live: &str) {
        // The machine is busy: hosts that answer late are not down.
        let text = self.pools.file(live, MORE).replace("\"100ms\"", "\"1s\"");
        let draft = self.machine.path("/etc/cutover/draft");
        fs::write(&draft, text).expect("writable");
        fs::rename(draft, self.machine.path("/etc/cutover/release.toml")).expect("renamed");
    }

    fn settings(&self) -> String {
        let path: &Path = &self.machine.path(SETTINGS_PATH);
        fs::read_to_string(path).expect("readable")
    }

    fn daemon(&self) -> String {
        self.machine.unit("cutover.service", "MainPID")
    }

    fn api(&self) -> ServiceStatus {
        let status = self.machine.must(&["cutover", "status", "-o", "json"]);
        let mut status: Status = serde_json::from_str(&status).expect("a status");
        status.services.remove("api").expect("the service is known")
    }

    /// The number of the release that is carried out.
    fn release(&self) -> u64 {
        self.api().release.expect("there is one").id
    }

    fn until_phase(&self, phase: &str) {
        until(phase, || self.api().phase == phase);
    }
}
