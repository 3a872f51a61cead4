//! Events of a daemon that is killed, succeeded, or cannot write: each that happened is told, each under
//! one name, and none that did not happen.

use std::{collections::BTreeMap, fs, time::Duration};

use cutover::{admin::orders, cutover::Verb};

use crate::{
    common::{
        pause,
        pools::Pools,
        receiver::{Heard, Mood, Receiver, assert_no_gap},
    },
    crash::{files, run},
    full::limit,
    process::Files,
};

const HOUR: &str = "bake = \"1h\"";

/// The same files with a hook.
fn with_hook(files: Files, receiver: &Receiver) -> Files {
    let path = files.settings();
    let text = fs::read_to_string(&path).expect("there");
    let hook = format!("\n[events.chat]\nurl = \"{}\"\n", receiver.url);
    fs::write(path, text + &hook).expect("writable");
    files
}

/// What was taken, once each; the same event is the same each time.
fn once_each(receiver: &Receiver) -> Vec<Heard> {
    let mut known = BTreeMap::new();
    let mut once = Vec::new();
    for heard in receiver.taken() {
        match known.insert(heard.id().to_owned(), heard.body.clone()) {
            Some(before) => assert_eq!(before, heard.body),
            None => once.push(heard),
        }
    }
    once
}

/// Each begins where the one before has ended.
fn assert_is_a_chain(heard: &[Heard]) {
    for pair in heard.windows(2) {
        assert_eq!(pair[1].event["data"]["from"], pair[0].to(), "{heard:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_that_cannot_be_kept_is_told_all_the_same() {
    let (pools, receiver) = (Pools::start().await, Receiver::start(Mood::Takes).await);
    let files = with_hook(files(&pools.file("v1", HOUR)), &receiver);
    let mut running = run(&files);
    running.until_up().await;
    files.write_release(&pools.file("v2", HOUR));
    let before = receiver.until_taken("Baking").await;
    limit(&running, Some(0));
    let socket = files.folder().join("admin.sock");
    let ask = |verb| orders::ask(&socket, "api", verb, &[]);
    ask(Verb::Promote).await.expect_err("it cannot be kept");
    ask(Verb::Rollback).await.expect("it cannot wait");
    let told = receiver.until_taken("RollingBack").await;
    assert!(running.until("now", |_| true).await.store.error.is_some(), "still not kept");
    assert_no_gap(1, &told);
    // Nobody is told of the step that was put back.
    assert_is_a_chain(&told);
    assert_eq!(told.len(), before.len() + 1);
    let rolled_back = told.last().expect("some");
    assert_ne!(rolled_back.event["source"], before[0].event["source"]);
    limit(&running, None);
    running.until("it is kept", |status| status.store.error.is_none()).await;
    receiver.until_taken("Failed").await;
    running.process.signal("KILL");
    running.process.until_ended();

    let running = run(&files);
    running.until_up().await;
    ask(Verb::Retry).await.expect("it has failed");
    running.until_phase("Baking").await;
    let is_told = |heard: &[Heard]| heard.last().is_some_and(|heard| heard.to() == "Baking");
    receiver.until("all of it", is_told).await;
    let told = once_each(&receiver);
    assert_no_gap(1, &told);
    assert_is_a_chain(&told);
}

#[tokio::test(flavor = "multi_thread")]
async fn whenever_it_is_killed_what_happened_is_told() {
    let (pools, receiver) = (Pools::start().await, Receiver::start(Mood::Takes).await);
    let quick = "bake = \"0s\"\nramp = [{ share = \"50%\", bake = \"0s\" }]";
    let files = with_hook(files(&pools.file("v1", quick)), &receiver);
    let mut running = run(&files);
    running.until_up().await;
    let mut live = ("v2", "v1");
    for round in 0..8_u64 {
        files.write_release(&pools.file(live.0, quick));
        tokio::time::sleep(Duration::from_millis(90 + 37 * round)).await;
        running.process.signal("KILL");
        running.process.until_ended();
        running = run(&files);
        running.until(live.0, |status| status.services["api"].serving.contains_key(live.0)).await;
        running.until_phase("Steady").await;
        live = (live.1, live.0);
    }
    running.until("all is told", |status| status.events["chat"].pending == 0).await;
    let told = once_each(&receiver);
    assert_no_gap(1, &told);
    assert_is_a_chain(&told);
    assert_eq!(told.last().map(Heard::to), Some("Steady"));
    assert!(told.len() > 8, "{told:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_successor_tells_what_its_predecessor_has_not() {
    let (pools, receiver) = (Pools::start().await, Receiver::start(Mood::Fails(1)).await);
    let files = with_hook(Files::new(), &receiver);
    files.write_release(&pools.file("v1", HOUR));
    let mut first = run(&files);
    first.until_up().await;
    files.write_release(&pools.file("v2", HOUR));
    first.until_phase("Baking").await;
    first.until("it fails", |status| status.events["chat"].error.is_some()).await;
    let next = run(&files);
    assert!(first.process.until_ended().success());
    receiver.set_mood(Mood::Takes);
    next.until_up().await;
    pools.hosts[2].set_healthy(false);
    next.until_phase("Failed").await;
    receiver.until_taken("Failed").await;
    let told = once_each(&receiver);
    assert_no_gap(1, &told);
    assert_is_a_chain(&told);
    // With a predecessor that goes on because nobody succeeds it, too.
    files.write_release("version = 1\n");
    let mut failed = files.begin();
    assert_eq!(failed.until_ended().code(), Some(1));
    files.write_release(&pools.file("v1", HOUR));
    next.until_phase("Steady").await;
    let count = told.len();
    while once_each(&receiver).len() == count {
        pause().await;
    }
    assert_no_gap(1, &once_each(&receiver));
}
