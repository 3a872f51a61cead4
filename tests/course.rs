//! The course of a release on the real daemon: which share was to be answered and which was, how a
//! rollback would go, and how the old pool leaves caches.

#![cfg(target_os = "linux")] // All of 127.0.0.0/8 is there.

mod common;

use std::net::IpAddr;

use common::{Client, House, pools::Pools};
use cutover::{
    admin::{
        course::CourseStatus,
        status::{PoolStatus, ServiceStatus},
    },
    cutover::Verb,
};

const RAMP: &str = "ramp = [{ share = \"50%\", bake = \"1h\" }]\nbake = \"1h\"";
const NETWORKS: u8 = 100;

/// Each network asks once.
async fn all_ask(house: &House) {
    for number in 0..NETWORKS {
        let client = Client::from(house.daemon.dns()[0], IpAddr::from([127, 9, number, 1]));
        client.ask("api.zone.test", "A").await;
    }
}

async fn course(house: &House) -> CourseStatus {
    let api = vec!["api".parse().expect("a service")];
    let mut courses = house.daemon.inquiry().courses(api).await.expect("the control plane answers");
    courses.remove("api").expect("it is counted")
}

/// Asks until `seen` holds of what has been counted.
async fn ask_until(house: &House, mut seen: impl FnMut(&ServiceStatus) -> bool) -> ServiceStatus {
    let begun = std::time::Instant::now();
    loop {
        all_ask(house).await;
        let api = house.api().await;
        if seen(&api) {
            return api;
        }
        assert!(begun.elapsed() < common::PATIENCE, "not seen: {api:#?}");
    }
}

fn pool<'a>(api: &'a ServiceStatus, name: &str) -> &'a PoolStatus {
    &api.pools[name]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_shows_its_course_its_way_back_and_how_the_old_pool_leaves_caches() {
    let pools = Pools::start().await;
    let (house, socket) = House::start_with_admin(&pools.file("v1", RAMP)).await;
    house.until_pool_is("v2", "up").await;
    let api = house.api().await;
    assert_eq!((&api.next, &api.rollback, api.clients), (&None, &None, None));
    assert_eq!(pool(&api, "v1").answered, None, "nothing is counted in lulls");

    house.save(&pools.file("v2", RAMP));
    house.until_phase("Judging").await;
    let api = ask_until(&house, |api| {
        let answered = pool(api, "v2").answered;
        // So many that what was asked before the step no longer counts.
        answered.is_some_and(|answered| answered.answers >= 1_000) && api.clients.is_some()
    });
    let api = api.await;
    let answered = pool(&api, "v2").answered.expect("just seen");
    let clients = api.clients.expect("just seen");
    assert!((85.0..115.0).contains(&clients), "{clients} networks ask equally often");
    let deviation = answered.deviation.expect("they have been counted");
    assert!((4.0..7.0).contains(&deviation), "sqrt(0.5 · 0.5 / 100) is 5 points: {answered:?}");
    let off = (answered.share - 50.0).abs();
    assert!(off < 5.0 * deviation, "{answered:?}");
    let both = pool(&api, "v1").answered.expect("of both").share + answered.share;
    assert!((both - 100.0).abs() < 1e-6, "{both}");
    let next = api.next.expect("a step");
    assert_eq!(next.what, "step 2 of 2: all clients move to v2");
    let back = api.rollback.expect("there is a way back");
    assert_eq!((back.to.as_str(), back.refused), ("v1", None));
    assert!((1..=3).contains(&back.clears_in_secs), "the TTL is 1 s: {}", back.clears_in_secs);

    let course = course(&house).await;
    assert_eq!(course.release, Some(1));
    let targets: Vec<u8> =
        course.points.iter().filter_map(|point| Some(point.shares.get("v2")?.target)).collect();
    assert!(targets.is_sorted(), "{targets:?}");
    assert_eq!(targets.last(), Some(&50));

    cutover::admin::orders::ask(&socket, "api", Verb::Promote, &[]).await.expect("a step");
    let api = house.api().await;
    // What was counted before the step is not told of it.
    let answered = pool(&api, "v1").answered;
    assert!(answered.is_none_or(|answered| answered.share < 10.0), "{answered:?}");
    let clearing = pool(&api, "v1").clearing.as_ref().expect("caches hold it");
    assert!((0.0..=1.0).contains(&clearing.remaining), "{clearing:?}");
    assert_eq!(pool(&api, "v2").clearing, None);
    let gone = |status: &cutover::admin::status::Status| {
        status.services["api"].pools["v1"].clearing.is_none()
    };
    house.until("v1 out of caches", gone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_split_is_counted_without_a_release() {
    let pools = Pools::start().await;
    let split =
        pools.file("v1", "bake = \"1h\"").replace("live = \"v1\"", "live = { v1 = 1, v2 = 1 }");
    let house = House::start(&split).await;
    let api = ask_until(&house, |api| pool(api, "v2").answered.is_some()).await;
    assert!(api.release.is_none());
    assert!(pool(&api, "v2").answers > 0);
    assert_eq!(course(&house).await.release, None);
}
