//! A disk that takes nothing more: answers go on, releases stand still, and go on by themselves.
//!
//! The limit on the size of files stands for the disk: it needs no right, and comes and goes while
//! the daemon runs.

use std::io::Write;

use cutover::{
    admin::{client, orders, status::Status},
    cutover::Verb,
};
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::{
    common::{pause, pools::Pools},
    crash::{Running, files, run},
};

const HOUR: &str = "bake = \"1h\"";

pub(crate) fn limit(running: &Running, octets: Option<u64>) {
    let id = Pid::from_raw(running.process.id().try_into().expect("an ID"));
    let limit = Rlimit { current: octets, maximum: None };
    prlimit(id, Resource::Fsize, limit).expect("ours");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_and_verdicts_go_on_and_releases_wait() {
    let pools = Pools::start().await;
    let files = files(&pools.file("v1", HOUR));
    let mut running = run(&files);
    running.until_up().await;
    limit(&running, Some(0));
    files.write_release(&pools.file("v2", HOUR));
    let full = running.until("it is told", |status| status.store.error.is_some()).await;
    assert!(full.store.path.ends_with("state/state.redb"), "{:?}", full.store);
    assert_eq!(full.services["api"].phase, "Steady");
    assert!(full.file.accepted && full.file.waiting);
    // Endpoints still come and go.
    pools.hosts[0].set_healthy(false);
    while running.answered().await != pools.v1[1..] {
        pause().await;
    }
    pools.hosts[0].set_healthy(true);
    running.until_up().await;
    assert_eq!(running.answered().await, pools.v1);
    let page = |path| client::get(running.http, path);
    assert_eq!(page("/healthz").await.expect("shown").0, 200);
    let (_, metrics) = page("/metrics").await.expect("shown");
    let metrics = String::from_utf8_lossy(&metrics).into_owned();
    assert!(metrics.contains("cutover_store_writable 0"), "{metrics}");
    assert!(metrics.contains("cutover_file_accepted 0"), "it is not being carried out: {metrics}");
    let (_, tree) = page("/").await.expect("shown");
    let tree = String::from_utf8_lossy(&tree).into_owned();
    assert!(tree.contains("CANNOT BE WRITTEN since"), "{tree}");
    assert!(tree.contains(" WAITS: good, read "), "{tree}");
    assert_eq!(running.answered().await, pools.v1);
    limit(&running, None);
    // Nobody has to ask again.
    running.until_phase("Baking").await;
    assert_eq!(running.answered().await, pools.v2);
    running.until("it is kept", |status| status.store.error.is_none()).await;
    let log = running.process.log();
    let complaints = log.lines().filter(|line| line.contains("cannot be written")).count();
    assert!((1..=2).contains(&complaints), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_does_not_wait_and_is_kept_later() {
    let pools = Pools::start().await;
    let files = files(&pools.file("v1", HOUR));
    let mut running = run(&files);
    running.until_up().await;
    files.write_release(&pools.file("v2", HOUR));
    running.until_phase("Baking").await;
    limit(&running, Some(0));
    let socket = files.folder().join("admin.sock");
    let ask = |verb| orders::ask(&socket, "api", verb, &[]);
    let refused = ask(Verb::Promote).await.expect_err("it cannot be kept").to_string();
    assert!(refused.contains("the state cannot be written ("), "{refused}");
    assert!(refused.contains("nothing has changed"), "{refused}");
    assert!(refused.ends_with("(api is Baking; `rollback` would be done)"), "{refused}");
    assert_eq!(running.until_phase("Baking").await.store.unkept, 0);
    ask(Verb::Rollback).await.expect("it cannot wait");
    assert_eq!(running.answered().await, pools.v1);
    let status = running.until("it is told", |status| status.services["api"].unkept).await;
    assert_eq!(status.store.unkept, 1);
    limit(&running, None);
    running.until("it is kept", |status| status.store.error.is_none()).await;
    running.until("all of it", |status| !status.services["api"].unkept).await;
    running.process.signal("KILL");
    running.process.until_ended();
    let running = run(&files);
    assert_eq!(running.answered().await, pools.v1);
    running.until_phase("Failed").await;
    let told = client::history(running.http, None).await.expect("told");
    let steps: Vec<&str> = told[0].steps.iter().map(|step| step.to.as_str()).collect();
    assert!(steps.contains(&"RollingBack"), "{told:#?}");
    assert_eq!(told[0].result.as_deref(), Some("rolled back"));
}

/// What a machine would do at once, each time that it is looked at, is tried once for each event and
/// not for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_gate_that_opens_meanwhile_waits_and_nothing_else_does() {
    for group in ["", "\ngroup = \"shop\""] {
        let pools = Pools::start().await;
        let more = format!("{HOUR}{group}");
        let file = |live| {
            let api = pools.file(live, &more);
            let web = api.replace("services.api", "services.web").replace("version = 1", "");
            if group.is_empty() { api } else { format!("{api}\n{web}") }
        };
        let files = files(&file("v1"));
        let running = run(&files);
        running.until_up().await;
        pools.hosts[2].set_healthy(false);
        let is_down =
            |status: &Status| status.services["api"].pools["v2"].endpoints[0].verdict == "down";
        running.until("v2 is down", is_down).await;
        files.write_release(&file("v2"));
        running.until_phase("Probing").await;
        limit(&running, Some(0));
        pools.hosts[2].set_healthy(true);
        running.until("it is told", |status| status.store.error.is_some()).await;
        assert_eq!(running.until_phase("Probing").await.services["api"].pools["v1"].share, 100);
        pools.hosts[0].set_healthy(false);
        while running.answered().await != pools.v1[1..] {
            pause().await;
        }
        limit(&running, None);
        running.until_phase("Baking").await;
        assert_eq!(running.answered().await, pools.v2, "{group}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_not_forgotten_before_that_can_be_kept() {
    let pools = Pools::start().await;
    let api = pools.file("v1", HOUR);
    let web = "[services.web]\nlive = \"a\"\npools.a.endpoints = [\"192.0.2.1\"]\n";
    let files = files(&format!("{api}\n{web}"));
    let running = run(&files);
    running.until("both", |status| status.services.contains_key("web")).await;
    files.write_release(&api);
    running.until("it is orphaned", |status| status.services["web"].orphaned).await;
    limit(&running, Some(0));
    let socket = files.folder().join("admin.sock");
    let refused = orders::forget_service(&socket, "web").await.expect_err("it cannot be kept");
    assert!(refused.to_string().contains("the state cannot be written ("), "{refused}");
    assert!(running.until("told", |_| true).await.services.contains_key("web"));
    limit(&running, None);
    running.until("it works again", |status| status.store.error.is_none()).await;
    orders::forget_service(&socket, "web").await.expect("it can be kept");
    let status = running.until("it is gone", |status| !status.services.contains_key("web")).await;
    assert!(status.services.contains_key("api"));
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_back_by_itself_too() {
    let pools = Pools::start().await;
    let files = files(&pools.file("v1", HOUR));
    let running = run(&files);
    running.until_up().await;
    files.write_release(&pools.file("v2", HOUR));
    running.until_phase("Baking").await;
    limit(&running, Some(0));
    pools.hosts[2].set_healthy(false);
    running.until("it is told", |status| status.services["api"].unkept).await;
    assert_eq!(running.answered().await, pools.v1);
    running.until_phase("Failed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_without_a_place_for_the_state_answers_all_the_same() {
    let pools = Pools::start().await;
    let files = files(&pools.file("v1", HOUR));
    // No directory can be made where a file is.
    let _ = std::fs::File::create(files.folder().join("state")).and_then(|mut f| f.write_all(b"x"));
    let mut running = run(&files);
    assert_eq!(running.answered().await, pools.v1);
    running.until("it is told", |status| status.store.error.is_some()).await;
    running.until_up().await;
    files.write_release(&pools.file("v2", HOUR));
    running
        .until("the edit is read", |status| status.services["api"].desired.contains_key("v1"))
        .await;
    assert_eq!(running.answered().await, pools.v1);
    std::fs::remove_file(files.folder().join("state")).expect("ours");
    running.until_phase("Baking").await;
    running.process.signal("KILL");
    running.process.until_ended();
    let running = run(&files);
    running.until_phase("Baking").await;
    assert_eq!(running.answered().await, pools.v2);
}
