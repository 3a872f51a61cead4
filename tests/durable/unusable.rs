//! A file that is damaged, of another format or of another zone: it is told, nothing of it is lost, and the
//! release file decides.

use std::fs;

use redb::{Database, TableDefinition};

use crate::{
    common::pools::Pools,
    crash::{files, run},
    process::{Files, RELEASE},
};

const ABOUT: TableDefinition<'_, &str, &str> = TableDefinition::new("about");

/// A daemon has been there.
async fn used() -> Files {
    let files = files(RELEASE);
    let mut running = run(&files);
    running.until("it is kept", |status| status.services.len() == 1).await;
    running.process.signal("TERM");
    assert!(running.process.until_ended().success());
    files
}

fn names(files: &Files) -> Vec<String> {
    let entries = fs::read_dir(files.folder().join("state")).expect("there");
    let name = |entry: std::io::Result<fs::DirEntry>| {
        entry.expect("an entry").file_name().to_string_lossy().into_owned()
    };
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_set_aside_as_it_was() {
    let files = used().await;
    let path = files.folder().join("state/state.redb");
    let mut octets = fs::read(&path).expect("there");
    octets.truncate(5_000);
    fs::write(&path, &octets).expect("writable");
    let mut running = run(&files);
    assert_eq!(running.answered().await.len(), 1);
    running.process.until_logged("what was kept cannot be used");
    running.process.until_logged("it has been set aside");
    let status = running.until("it is kept", |status| status.ready).await;
    assert_eq!(status.store.error, None);
    let [new, aside] = &names(&files)[..] else { panic!("{:?}", names(&files)) };
    assert_eq!(new, "state.redb");
    assert!(aside.starts_with("state.redb."), "{aside}");
    assert_eq!(fs::read(files.folder().join("state").join(aside)).expect("there"), octets);
}

fn set_format(files: &Files, format: &str) {
    let database = Database::open(files.folder().join("state/state.redb")).expect("good");
    let writing = database.begin_write().expect("writable");
    writing.open_table(ABOUT).expect("there").insert("format", format).expect("written");
    writing.commit().expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_format_is_set_aside_and_said_to_be_one() {
    let files = used().await;
    set_format(&files, "1");
    let mut running = run(&files);
    assert_eq!(running.answered().await.len(), 1);
    running.process.until_logged("it has format 1, of an earlier version");
    running.process.until_logged("it has been set aside");
    let status = running.until("it is kept", |status| status.ready).await;
    assert_eq!(status.store.error, None);
    assert_eq!(names(&files).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_format_is_never_written_to() {
    let files = used().await;
    let path = files.folder().join("state/state.redb");
    set_format(&files, "3");
    let before = fs::read(&path).expect("there");
    let mut running = run(&files);
    assert_eq!(running.answered().await.len(), 1);
    let status = running.until("it is told", |status| status.store.error.is_some()).await;
    let error = status.store.error.expect("told");
    assert!(error.contains("it has format 3, and this version knows 2"), "{error}");
    files.write_release(&RELEASE.replace("192.0.2.1", "192.0.2.9"));
    running.until("the edit is read", |status| status.file.accepted).await;
    assert_eq!(running.answered().await[0].to_string(), "192.0.2.1", "it waits");
    running.process.signal("TERM");
    assert!(running.process.until_ended().success());
    assert_eq!(names(&files), ["state.redb"]);
    assert!(fs::read(&path).expect("there") == before, "not an octet of it is another");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_another_zone_nothing_is_answered() {
    let files = used().await;
    let settings = fs::read_to_string(files.settings()).expect("there");
    fs::write(files.settings(), settings.replace("zone.test", "other.test")).expect("writable");
    let mut running = run(&files);
    running.process.until_logged("it is of the zone zone.test");
    running.process.until_logged("it has been set aside");
    let asked = running.client.ask("api.other.test", "A").await;
    assert_eq!(asked.addresses.len(), 1);
    assert_eq!(names(&files).len(), 2);
}

/// Somebody tidies up while the daemon runs: what it decides from then on is kept all the same.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_removed_under_the_daemon_is_written_anew() {
    let pools = Pools::start().await;
    let files = files(&pools.file("v1", "bake = \"1h\""));
    let state = files.folder().join("state");
    let mut running = run(&files);
    running.until_up().await;
    for live in ["v2", "v1", "v2"] {
        match live {
            "v2" => fs::remove_dir_all(&state).expect("it was there"),
            _ => fs::remove_file(state.join("state.redb")).expect("it was there"),
        }
        files.write_release(&pools.file(live, "bake = \"1h\""));
        let phase = if live == "v2" { "Baking" } else { "Steady" };
        running.until_phase(phase).await;
        running.process.until_logged("the state was removed or replaced under us");
        running.process.signal("KILL");
        running.process.until_ended();
        running = run(&files);
        running.until_phase(phase).await;
        assert_eq!(running.answered().await, if live == "v2" { &pools.v2 } else { &pools.v1 }[..]);
        running.until_up().await;
    }
    assert_eq!(names(&files), ["state.redb"]);
}
