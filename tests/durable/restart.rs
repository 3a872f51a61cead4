//! A daemon that ends and is started again goes on where it was.

use std::fs;

use cutover::{
    admin::{client, history, status::Status},
    cutover::Verb,
    daemon::Daemon,
};

use crate::{
    common::{House, PATIENCE, pools::Pools, settings},
    process::RELEASE,
    scene::{addresses, ask, house, restarted, started},
};

const HOUR: &str = "bake = \"1h\"";

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_by_hand_survives_though_the_file_names_the_other_pool() {
    let pools = Pools::start().await;
    let house = house(&pools, HOUR).await;
    house.save(&pools.file("v2", HOUR));
    house.until_answered(&pools.v1, &pools.v2).await;
    ask(&house, Verb::Rollback).await.expect("there is a way back");
    let house = restarted(house).await;
    // The first question already.
    assert_eq!(addresses(&house).await, pools.v1);
    house.until("the file is read", |status| status.file.accepted).await;
    house.until_phase("Failed").await;
    house.until_pool_is("v2", "up").await;
    assert_eq!(addresses(&house).await, pools.v1);
    ask(&house, Verb::Retry).await.expect("it has failed");
    house.until_answered(&pools.v1, &pools.v2).await;
    assert_eq!(house.api().await.release.expect("under way").id, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_good_release_file_it_answers_what_it_answered() {
    let pools = Pools::start().await;
    let mut house = house(&pools, "bake = \"0s\"").await;
    house.save(&pools.file("v2", "bake = \"0s\""));
    house.until_answered(&pools.v1, &pools.v2).await;
    house.until_phase("Steady").await;
    for broken in [None, Some(""), Some("version = 1\n"), Some("services = 7")] {
        let folder = house.stop().await;
        let path = folder.path().join("release.toml");
        let _ = match broken {
            None => fs::remove_file(&path),
            Some(text) => fs::write(&path, text),
        };
        house = started(folder).await;
        assert_eq!(addresses(&house).await, pools.v2, "{broken:?}");
        let status = house.until("it is refused", |status| !status.file.errors.is_empty()).await;
        assert!(status.ready && !status.file.accepted, "{broken:?}");
        assert_eq!(addresses(&house).await, pools.v2, "{broken:?}");
    }
    house.save(&pools.file("v1", "bake = \"0s\""));
    house.until_answered(&pools.v2, &pools.v1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_goes_on_and_what_it_watched_is_watched_anew() {
    let pools = Pools::start().await;
    let ramp = "bake = \"1h\"\nramp = [{ share = \"50%\", bake = \"1h\" }]";
    let house = house(&pools, ramp).await;
    house.save(&pools.file("v2", ramp));
    house.until_phase("Judging").await;
    let before = house.api().await;
    let house = restarted(house).await;
    let after = house.api().await;
    assert_eq!(after.phase, "Settling");
    assert_eq!(after.serving, before.serving);
    let [before, after] = [before, after].map(|api| api.release.expect("under way"));
    assert_eq!((before.id, before.started_at, before.share), (after.id, after.started_at, 50));
    house.until_phase("Judging").await;
    // It still goes back by itself.
    pools.hosts[2].set_healthy(false);
    house.until_phase("Failed").await;
    assert_eq!(addresses(&house).await, pools.v1);
    let house = restarted(house).await;
    let reason = house.api().await.release.and_then(|release| release.reason);
    assert!(reason.expect("kept").contains("1 of 2 endpoints of v2 are down"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_was_made_meanwhile_is_a_release() {
    let pools = Pools::start().await;
    let house = house(&pools, HOUR).await;
    pools.hosts[2].set_healthy(false);
    let folder = house.stop().await;
    fs::write(folder.path().join("release.toml"), pools.file("v2", HOUR)).expect("writable");
    let house = started(folder).await;
    house.until_phase("Probing").await;
    assert_eq!(addresses(&house).await, pools.v1, "the gate counts");
    pools.hosts[2].set_healthy(true);
    house.until_answered(&pools.v1, &pools.v2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_removed_stays_removed_and_an_orphan_stays_an_orphan() {
    let two = "version = 1\n[services.api]\nlive = \"v1\"\npools.v1.endpoints = [\"192.0.2.1\"]\n\
               [services.web]\nlive = \"v1\"\npools.v1.endpoints = [\"192.0.2.2\"]\n";
    let one = two.split("[services.web]").next().expect("the first");
    let house = House::start(two).await;
    house.save(one);
    house.until("an orphan", |status| status.services["web"].orphaned).await;
    let house = restarted(house).await;
    assert!(house.status().await.services["web"].orphaned);
    assert_eq!(house.client.ask("web.zone.test", "A").await.addresses.len(), 1);
    house.save(&format!("removed = [\"web\"]\n{one}"));
    house.until("it is gone", |status| !status.services.contains_key("web")).await;
    let folder = house.stop().await;
    let _ = fs::remove_file(folder.path().join("release.toml"));
    let house = started(folder).await;
    assert_eq!(house.client.ask("web.zone.test", "A").await.rcode, "NXDOMAIN");
    assert_eq!(house.client.ask("api.zone.test", "A").await.addresses.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_had_left_keeps_its_horizon_and_one_that_was_answered_gets_a_new_one() {
    let pools = Pools::start().await;
    let house = house(&pools, "bake = \"0s\"\npin_allowance = \"0s\"").await;
    house.client.ask("api.zone.test", "A").await;
    house.save(&pools.file("v2", "bake = \"0s\"\npin_allowance = \"0s\""));
    house.until_phase("Steady").await;
    let before = house.until("v1 is off", |status| status.services["api"].pools["v1"].off).await;
    let house = restarted(house).await;
    let after = house.status().await;
    let horizon = |status: &Status, pool: &str| {
        status.services["api"].pools[pool].horizon.clone().expect("answered")
    };
    assert!(after.services["api"].pools["v1"].off, "it was out of all caches");
    assert_eq!(horizon(&after, "v1"), horizon(&before, "v1"));
    assert!(horizon(&after, "v2") > horizon(&before, "v1"));
    // A pool that was being answered when the daemon ended may be held for a while.
    house.save(&pools.file("v1", "bake = \"0s\"\npin_allowance = \"0s\""));
    house.until_answered(&pools.v2, &pools.v1).await;
    assert!(!house.api().await.pools["v2"].drained);
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_told_over_restarts() {
    let pools = Pools::start().await;
    let house = house(&pools, HOUR).await;
    house.save(&pools.file("v2", HOUR));
    house.until_answered(&pools.v1, &pools.v2).await;
    ask(&house, Verb::Rollback).await.expect("there is a way back");
    house.until_phase("Failed").await;
    ask(&house, Verb::Retry).await.expect("it has failed");
    house.until_answered(&pools.v1, &pools.v2).await;
    let house = restarted(house).await;
    house.until("something is kept", |status| status.store.error.is_none()).await;
    let tell = || async {
        let told = house.daemon.inquiry().history(None).await;
        told.expect("the control plane answers")
    };
    let begun = std::time::Instant::now();
    let told = loop {
        match tell().await {
            Ok(told) => break told,
            Err(why) => assert!(begun.elapsed() < PATIENCE, "{why}"),
        }
    };
    let [first, second] = told.as_slice() else { panic!("{told:#?}") };
    assert_eq!((first.service.as_str(), first.id, second.id), ("api", 1, 2));
    assert_eq!((first.from.as_str(), first.to.as_str()), ("v1", "v2"));
    assert_eq!((first.by.as_str(), second.by.as_str()), ("the release file", "user 7"));
    assert_eq!(first.result.as_deref(), Some("rolled back"));
    assert_eq!(second.result, None);
    let phases: Vec<&str> = first.steps.iter().map(|step| step.to.as_str()).collect();
    assert_eq!(phases, ["Probing", "Shifting", "Baking", "RollingBack", "Failed"]);
    assert!(first.steps[3].why.contains("rollback by user 7"), "{first:#?}");
    for (name, many) in [("api", 2), ("web", 0)] {
        let service = name.parse().expect("a name");
        let of = client::history(house.daemon.http(), Some(&service)).await;
        assert_eq!(of.expect("told over HTTP"), told[..many]);
    }
    let shown = history::text(&told);
    assert!(shown.contains("api  release 1: v1 → v2, begun "), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_daemons_do_not_share_their_state() {
    let house = House::start(RELEASE).await;
    let second = settings(house.folder(), "127.0.0.1");
    let Err(refused) = Daemon::start(second).await else {
        panic!("two daemons with one state");
    };
    assert!(refused.to_string().contains("another daemon keeps its state in "), "{refused}");
    let mut third = settings(house.folder(), "127.0.0.1");
    third.state_dir = house.folder().join("of-its-own");
    Daemon::start(third).await.expect("it has its own").stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn verdicts_alone_write_nothing() {
    let pools = Pools::start().await;
    let house = house(&pools, HOUR).await;
    let writes = || async {
        let (_, page) = client::get(house.daemon.http(), "/metrics").await.expect("shown");
        let page = String::from_utf8_lossy(&page).into_owned();
        let line = page.lines().find(|line| line.starts_with("cutover_store_write_seconds_count"));
        line.expect("counted").to_owned()
    };
    let before = writes().await;
    pools.hosts[0].set_healthy(false);
    house.until_answered(&pools.v1, &pools.v1[1..]).await;
    pools.hosts[0].set_healthy(true);
    house.until_answered(&pools.v1[1..], &pools.v1).await;
    assert_eq!(writes().await, before);
}
