//! The systemd units: that systemd takes them, that the daemon stays locked up, and that port 53
//! is passed to it. Whether the daemon works inside them is seen in `tests/package/`, on a booted Debian.
//!
//! `systemd-analyze` reads the files without a running systemd. Where it is not installed, the
//! tests that need it say so and pass.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// Ten times the exposure that `systemd-analyze security` may find.
const EXPOSURE_MAX: &str = "--threshold=15";

#[test]
fn exposure_is_low() {
    let unit = unit_path("cutover.service");
    let Some(output) =
        analyze(&["security", "--offline=true", EXPOSURE_MAX, "--no-pager"], &[&unit])
    else {
        return;
    };
    assert!(output.status.success(), "{}", shown(&output));
}

#[test]
fn systemd_finds_no_fault() {
    // The program has to exist for the check, and /usr/bin/cutover does not where this is built.
    let directory = tempfile::tempdir().expect("a scratch directory");
    let units = ["cutover.service", "cutover.socket"].map(|name| {
        let copy = directory.path().join(name);
        let text = unit(name).replace("=/usr/bin/cutover ", "=/bin/sh ");
        fs::write(&copy, text).expect("the scratch directory is writable");
        copy
    });
    let Some(output) = analyze(&["verify", "--man=no"], &[&units[0], &units[1]]) else { return };
    assert!(output.status.success(), "{}", shown(&output));
    // An unknown key or value is only a warning, and the line would be without effect. Other
    // units of this machine may be at fault too; they do not matter here.
    let complaints = String::from_utf8_lossy(&output.stderr);
    let ours: Vec<_> = complaints.lines().filter(|line| line.contains("cutover.")).collect();
    assert!(ours.is_empty(), "{ours:#?}");
}

#[test]
fn service_has_no_capability() {
    let service = unit("cutover.service");
    assert_eq!(values(&service, "AmbientCapabilities"), [""; 0]);
    assert_eq!(values(&service, "CapabilityBoundingSet"), [""]);
    assert_eq!(values(&service, "NoNewPrivileges"), ["yes"]);
    assert_eq!(values(&service, "User"), ["cutover"]);
}

#[test]
fn service_tells_systemd_how_it_is() {
    let service = unit("cutover.service");
    assert_eq!(values(&service, "Type"), ["notify"]);
    assert_eq!(values(&service, "WatchdogSec"), ["30"]);
    assert_eq!(values(&service, "Restart"), ["always"]);
    assert_eq!(values(&service, "ExecReload"), ["kill -HUP $MAINPID"]);
    assert_eq!(
        values(&service, "ExecStart"),
        ["/usr/bin/cutover serve --config /etc/cutover/cutover.toml"]
    );
}

#[test]
fn socket_listens_on_both_transports_and_families() {
    let socket = unit("cutover.socket");
    for transport in ["ListenDatagram", "ListenStream"] {
        assert_eq!(values(&socket, transport), ["0.0.0.0:53", "[::]:53"], "{transport}");
    }
    assert_eq!(values(&socket, "BindIPv6Only"), ["ipv6-only"]);
    assert_eq!(values(&socket, "Service"), ["cutover.service"]);
}

#[test]
fn service_comes_with_its_sockets() {
    let service = unit("cutover.service");
    assert_eq!(values(&service, "Requires"), ["cutover.socket"]);
    assert_eq!(values(&service, "Also"), ["cutover.socket"]);
}

#[test]
fn the_package_says_which_version_it_is_and_enables_nothing() {
    let version = concat!("cutover (", env!("CARGO_PKG_VERSION"), "-");
    assert!(unit("deb/changelog").starts_with(version), "a new version has a new entry");
    let preset = unit("deb/cutover.preset");
    for name in ["cutover.service", "cutover.socket"] {
        assert!(preset.contains(&format!("\ndisable {name}\n")), "{name}");
    }
}

/// What a unit file gives for `key`, in order; comments are not looked at.
fn values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    unit.lines()
        .filter_map(|line| line.split_once('='))
        .filter(|(name, _)| *name == key)
        .map(|(_, value)| value)
        .collect()
}

fn unit(name: &str) -> String {
    fs::read_to_string(unit_path(name)).expect("the unit is in the repository")
}

fn unit_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd").join(name)
}

/// What `systemd-analyze` says of the units, or nothing where it is not installed.
fn analyze(arguments: &[&str], units: &[&Path]) -> Option<Output> {
    let run = Command::new("systemd-analyze").args(arguments).args(units).output();
    match run {
        Ok(output) => Some(output),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // Not `println!`: the harness keeps back what a passing test prints.
            let _ = writeln!(io::stderr(), "skipped: systemd-analyze is not installed");
            None
        }
        Err(error) => panic!("systemd-analyze does not run: {error}"),
    }
}

fn shown(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    format!("{out}{err}")
}
