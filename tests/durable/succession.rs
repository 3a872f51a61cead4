//! A daemon takes the place of another in the middle of a release: one of them decides.

use std::fs;

use crate::{
    common::pools::Pools,
    crash::{Running, run},
    process::Files,
};

const HOUR: &str = "bake = \"1h\"";

/// A daemon with a handover socket that bakes v2.
async fn baking(pools: &Pools) -> (Files, Running) {
    let files = Files::new();
    files.write_release(&pools.file("v1", HOUR));
    let running = run(&files);
    running.until_up().await;
    files.write_release(&pools.file("v2", HOUR));
    running.until_phase("Baking").await;
    (files, running)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_successor_goes_on_with_the_release() {
    let pools = Pools::start().await;
    let (files, mut first) = baking(&pools).await;
    let mut last = first.until("under way", |_| true).await;
    for _ in 0..2 {
        let next = run(&files);
        assert!(first.process.until_ended().success());
        let status = next.until_phase("Baking").await;
        let release = |status: &cutover::admin::status::Status| {
            let release = status.services["api"].release.clone().expect("under way");
            (release.id, release.started_at)
        };
        assert_eq!(release(&status), release(&last));
        assert_eq!(next.answered().await, pools.v2);
        (first, last) = (next, status);
    }
    // It decides, and keeps what it decides.
    first.until_up().await;
    files.write_release(&pools.file("v1", HOUR));
    while first.answered().await != pools.v1 {
        crate::common::pause().await;
    }
    first.process.signal("KILL");
    first.process.until_ended();
    assert_eq!(run(&files).answered().await, pools.v1);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_successor_fails_the_predecessor_decides_again() {
    let pools = Pools::start().await;
    let (files, mut running) = baking(&pools).await;
    let good = fs::read_to_string(files.folder().join("release.toml")).expect("there");
    files.write_release("version = 1\n");
    let mut failed = files.begin();
    assert_eq!(failed.until_ended().code(), Some(1));
    running.process.until_logged("deciding again");
    files.write_release(&good);
    running.until("the file is good again", |status| status.file.accepted).await;
    pools.hosts[2].set_healthy(false);
    let status = running.until_phase("Failed").await;
    assert_eq!(status.store.error, None);
    assert_eq!(running.answered().await, pools.v1);
    running.process.signal("KILL");
    running.process.until_ended();
    assert_eq!(run(&files).answered().await, pools.v1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_successor_that_is_killed_halfway_changes_nothing() {
    let pools = Pools::start().await;
    let (files, mut running) = baking(&pools).await;
    // An edit that it sees first: nobody has decided yet.
    for _ in 0..3 {
        let mut successor = files.begin();
        successor.until_logged("what was answered is answered again");
        successor.signal("KILL");
        successor.until_ended();
        if running.process.has_ended() {
            // It was too late to kill it: it had been given everything.
            running = run(&files);
        }
    }
    let status = running.until_phase("Baking").await;
    assert_eq!(status.services["api"].release.as_ref().expect("under way").id, 1);
    running.until_up().await;
    files.write_release(&pools.file("v1", HOUR));
    while running.answered().await != pools.v1 {
        crate::common::pause().await;
    }
    running.until("it is kept", |status| status.store.error.is_none()).await;
}
