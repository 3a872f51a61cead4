//! The performance gate: a pool that is slow is stopped before it has clients, and one that turns slow
//! goes back.

use crate::{common::pools::Pools, last, release, standing};

/// Measures up to 60 requests, each second anew; `limit` is what they may show.
fn measured(pools: &Pools, limit: &str, more: &str) -> String {
    let port = pools.port;
    format!(
        "{more}\nperformance = {{ http = {{ port = {port} }}, requests = 60, rate = 200, \
         samples_min = 30, concurrency = 8, duration = \"10s\", interval = \"1s\", {limit} }}"
    )
}

/// So much that no stall of a machine looks like it; the probes of these hosts have 100 ms.
const SLOW_MS: u64 = 60;
const LIMIT: &str = "p50 = \"3x\", tolerance = \"10ms\"";

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_pool_never_has_a_client() {
    let pools = Pools::start().await;
    pools.hosts[..2].iter().for_each(|host| host.set_delay(SLOW_MS / 4));
    let more = measured(&pools, LIMIT, "bake = \"1h\"");
    let house = standing(&pools, &more).await;
    pools.hosts[2..].iter().for_each(|host| host.set_delay(SLOW_MS));
    house.save(&pools.file("v2", &more));
    house.until_phase("Failed").await;
    assert_eq!(house.client.ask("api.zone.test", "A").await.addresses, pools.v1);
    let past = last(&house).await;
    let phases: Vec<&str> = past.steps.iter().map(|step| step.to.as_str()).collect();
    assert_eq!(phases, ["Probing", "Failed"], "at share 0");
    let reason = release(&house.api().await).reason.clone().unwrap_or_default();
    assert!(reason.starts_with("p50 of v2 is "), "{reason}");
    assert!(reason.contains(" (60 requests), and it must be at most "), "{reason}");
    assert!(reason.contains(", 3x of the ") && reason.contains(" of v1 (60 requests)"), "{reason}");
    assert!(reason.ends_with("; nothing was moved"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_turns_slow_under_traffic_goes_back() {
    let pools = Pools::start().await;
    pools.hosts.iter().for_each(|host| host.set_delay(SLOW_MS / 4));
    let more = measured(&pools, LIMIT, "bake = \"1h\"");
    let house = standing(&pools, &more).await;
    house.save(&pools.file("v2", &more));
    house.until_answered(&pools.v1, &pools.v2).await;
    house
        .until("a good measurement", |status| {
            let api = &status.services["api"];
            let performance = release(api).proof.performance.as_ref().expect("it is measured");
            assert_ne!(performance.result.as_deref(), Some("bad"), "{performance:?}");
            api.phase == "Baking" && performance.result.is_some()
        })
        .await;
    pools.hosts[2..].iter().for_each(|host| host.set_delay(SLOW_MS));
    house.until_answered(&pools.v2, &pools.v1).await;
    house.until_phase("Failed").await;
    let past = last(&house).await;
    let back = past.steps.iter().find(|step| step.to == "RollingBack").expect("it went back");
    assert!(back.why.starts_with("p50 of v2 is "), "{}", back.why);
    assert!(back.why.ends_with(": rolled back to v1"), "{}", back.why);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_are_bad_whatever_they_take_and_too_few_are_no_verdict() {
    let pools = Pools::start().await;
    let few = "p95 = \"5s\", samples_min = 60, errors = \"100%\"";
    let more = measured(&pools, few, "bake = \"0s\"").replace("samples_min = 30, ", "");
    // A page that is not there: the probe asks another one.
    let more = more.replace("http = { port", "http = { path = \"/x\", status = [204], port");
    let house = standing(&pools, &more).await;
    house.save(&pools.file("v2", &more));
    let status = house
        .until("a measurement", |status| {
            let release = status.services["api"].release.as_ref();
            release
                .is_some_and(|it| it.reason.as_ref().is_some_and(|why| why.contains("not judged")))
        })
        .await;
    let api = &status.services["api"];
    assert_eq!(api.phase, "Probing");
    let why = "p95 of v2 is not judged on 0 answers: 60 are needed; the first failure: ";
    let reason = release(api).reason.clone().unwrap_or_default();
    assert!(reason.starts_with(why), "{reason}");
    let strict = more.replace("errors = \"100%\"", "errors = \"1%\"");
    house.save(&pools.file("v2", &strict));
    house.until_phase("Failed").await;
    let reason = release(&house.api().await).reason.clone().unwrap_or_default();
    let why = "errors of v2 is 100% (60 requests), and it must be at most 1%; the first one: ";
    assert!(reason.starts_with(why), "{reason}");
    assert!(reason.contains("status 200, expected 204"), "{reason}");
}
