//! The release file on a bad day: whatever stands in its place, the answers stay, it is said
//! loudly, and all is well again when the file is good again.

mod common;

use std::{
    fs::{self, File, Permissions},
    net::IpAddr,
    os::unix::{fs::PermissionsExt, fs::symlink, process::CommandExt},
    path::Path,
    process::{Child, Command},
    time::Instant,
};

use common::House;
use cutover::admin::{client, status::Status};

/// A file whose releases need no probes.
fn asking_for(live: &str) -> String {
    format!(
        r#"version = 1
[services.api]
live = "{live}"
[services.api.pools.v1]
endpoints = ["192.0.2.1"]
[services.api.pools.v2]
endpoints = ["192.0.2.2"]
[services.api.release]
bake = "1h"
"#
    )
}

fn addresses(live: &str) -> [IpAddr; 1] {
    [if live == "v1" { [192, 0, 2, 1] } else { [192, 0, 2, 2] }.into()]
}

/// Puts `spoiled` in place of the file, sees that it is refused and told, mends it with
/// `mended`, and sees that a release works again.
async fn bad_day(spoil: impl FnOnce(&Path), expected: &str, mend: impl FnOnce(&Path)) {
    let house = House::start(&asking_for("v1")).await;
    house.until_answered(&[], &addresses("v1")).await;
    spoil(&house.release_path());
    // To spoil it may take more than one step, and what lies between is refused likewise.
    let told = |status: &Status| status.file.errors.iter().any(|it| it.message.contains(expected));
    let status = house.until(expected, |status| !status.file.accepted && told(status)).await;
    assert_eq!(house.client.ask("api.zone.test", "A").await.addresses, addresses("v1"));
    let (code, metrics) = client::get(house.daemon.http(), "/metrics").await.expect("metrics");
    let metrics = String::from_utf8_lossy(&metrics).into_owned();
    assert_eq!(code, 200);
    assert!(metrics.contains("cutover_file_accepted 0"), "{metrics}");
    assert!(metrics.contains("cutover_file_loads_total{result=\"rejected\"}"), "{metrics}");
    assert_eq!(status.generation, house.status().await.generation);

    mend(&house.release_path());
    house.save(&asking_for("v2"));
    house.until_answered(&addresses("v1"), &addresses("v2")).await;
    assert!(house.status().await.file.accepted);
}

fn nothing(_: &Path) {}

fn write(content: impl AsRef<[u8]>) -> impl FnOnce(&Path) {
    move |path| fs::write(path, content).expect("writable")
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted() {
    bad_day(|path| fs::remove_file(path).expect("removed"), "does not exist", nothing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn empty() {
    bad_day(write(""), "`version` is missing", nothing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_between_two_lines() {
    let whole = asking_for("v2");
    let cut = whole.find("[services.api.pools").expect("there");
    bad_day(write(whole[..cut].to_owned()), "`pools` is missing", nothing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_in_the_middle_of_a_line() {
    let whole = asking_for("v2");
    let cut = whole.find("192.0.2.2").expect("there");
    bad_day(write(whole[..cut].to_owned()), "unclosed array", nothing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn naming_no_service() {
    bad_day(write("version = 1\n[services]\n"), "names no service", nothing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn binary() {
    bad_day(write([0xff, 0x00, 0xfe]), "not UTF-8", nothing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_megabytes() {
    let huge = |path: &Path| File::create(path).and_then(|f| f.set_len(100 << 20)).expect("grown");
    bad_day(huge, "larger than 64 MiB", nothing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipe() {
    let pipe = |path: &Path| {
        fs::remove_file(path).expect("removed");
        assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo runs").success());
    };
    bad_day(pipe, "a pipe", nothing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory() {
    let directory = |path: &Path| {
        fs::remove_file(path).expect("removed");
        fs::create_dir(path).expect("made");
    };
    bad_day(directory, "a directory", |path| fs::remove_dir(path).expect("removed")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn edited_by_every_kind_of_tool() {
    let house = House::start(&asking_for("v1")).await;
    house.until_answered(&[], &addresses("v1")).await;
    let path = house.release_path();
    // In place.
    fs::write(&path, asking_for("v2")).expect("writable");
    house.until_answered(&addresses("v1"), &addresses("v2")).await;
    // sed makes a new file and renames it.
    let sed =
        Command::new("sed").args(["-i", "s/live = \"v2\"/live = \"v1\"/"]).arg(&path).status();
    assert!(sed.expect("sed runs").success());
    house.until_answered(&addresses("v2"), &addresses("v1")).await;
    // Deleted, and made again.
    fs::remove_file(&path).expect("removed");
    house.until("missing", |status| !status.file.accepted).await;
    fs::write(&path, asking_for("v2")).expect("writable");
    house.until_answered(&addresses("v1"), &addresses("v2")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn swapped_by_kubernetes() {
    let house = House::start(&asking_for("v1")).await;
    house.until_answered(&[], &addresses("v1")).await;
    let folder = house.folder();
    let mount = |name: &str, live: &str| {
        fs::create_dir(folder.join(name)).expect("made");
        fs::write(folder.join(name).join("release.toml"), asking_for(live)).expect("writable");
        symlink(name, folder.join("..data_tmp")).expect("linked");
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).expect("renamed");
    };
    mount("..2026_11_24_1", "v1");
    symlink("..data/release.toml", folder.join("link")).expect("linked");
    fs::rename(folder.join("link"), house.release_path()).expect("renamed");
    // Only the directory link changes from here on.
    mount("..2026_11_24_2", "v2");
    house.until_answered(&addresses("v1"), &addresses("v2")).await;
    fs::remove_dir_all(folder.join("..2026_11_24_1")).expect("removed");
    mount("..2026_11_24_3", "v1");
    house.until_answered(&addresses("v2"), &addresses("v1")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_folder_that_is_replaced_as_a_whole() {
    let house = House::start(&asking_for("v1")).await;
    house.until_answered(&[], &addresses("v1")).await;
    let away = tempfile::tempdir().expect("a scratch folder");
    fs::rename(house.folder(), away.path().join("old")).expect("renamed");
    fs::create_dir(house.folder()).expect("made");
    fs::write(house.release_path(), asking_for("v2")).expect("writable");
    house.until_answered(&addresses("v1"), &addresses("v2")).await;
    // And the new folder is watched as the old one was.
    house.save(&asking_for("v1"));
    house.until_answered(&addresses("v2"), &addresses("v1")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_at_the_start_is_waited_for() {
    let house = House::start("version = 1\nservices = 3\n").await;
    let (ready, _) = client::get(house.daemon.http(), "/readyz").await.expect("a page");
    let (healthy, _) = client::get(house.daemon.http(), "/healthz").await.expect("a page");
    assert_eq!((ready, healthy), (503, 200));
    // Not NXDOMAIN: that the service does not exist is not known.
    assert_eq!(house.client.ask("api.zone.test", "A").await.rcode, "SERVFAIL");
    assert_eq!(house.client.ask("ns1.zone.test", "A").await.rcode, "NOERROR");
    house.save(&asking_for("v1"));
    house.until("ready", |status| status.ready).await;
    assert_eq!(house.client.ask("api.zone.test", "A").await.addresses, addresses("v1"));
    let (ready, _) = client::get(house.daemon.http(), "/readyz").await.expect("a page");
    assert_eq!(ready, 200);
}

/// A daemon of its own process, because the superuser may read everything: there the daemon runs
/// as somebody else.
struct Process(Child);

impl Process {
    fn start(folder: &Path) -> Self {
        let binary = folder.join("cutover");
        fs::copy(env!("CARGO_BIN_EXE_cutover"), &binary).expect("copied");
        fs::set_permissions(folder, Permissions::from_mode(0o755)).expect("readable");
        let mut command = Command::new(binary);
        command.args(["serve", "--log", "error", "--config"]).arg(folder.join("cutover.toml"));
        if fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0)
        {
            command.uid(65_534).gid(65_534);
        }
        Self(command.spawn().expect("starts"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_to_read_it() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    // On an address of its own, so that no other test gets the port in the meantime.
    let free = || {
        let listener = std::net::TcpListener::bind("127.0.9.1:0").expect("a port");
        listener.local_addr().expect("bound")
    };
    let (dns, http) = (free(), free());
    let settings = format!(
        "version = 1\nzone = \"zone.test\"\nnameservers = [\"ns.elsewhere.test\"]\n\
         hostmaster = \"h@zone.test\"\nlisten = {{ dns = [\"{dns}\"], http = \"{http}\" }}\n"
    );
    fs::write(folder.path().join("cutover.toml"), settings).expect("writable");
    let path = folder.path().join("release.toml");
    fs::write(&path, asking_for("v1")).expect("writable");
    let _process = Process::start(folder.path());
    let until = async |accepted: bool| {
        let begun = Instant::now();
        loop {
            match client::status(http).await {
                Ok(status) if status.file.accepted == accepted => break status,
                other => assert!(begun.elapsed() < common::PATIENCE, "{other:?}"),
            }
            common::pause().await;
        }
    };
    until(true).await;
    fs::set_permissions(&path, Permissions::from_mode(0o000)).expect("changed");
    let status = until(false).await;
    assert!(status.file.errors[0].message.contains("may not be read"), "{status:?}");
    let asked = common::Client::new(dns).ask("api.zone.test", "A").await;
    assert_eq!(asked.addresses, addresses("v1"));
    fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("changed");
    until(true).await;
}
