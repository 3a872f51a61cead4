//! What load balancers are told, and what follows from it for caches.

use std::time::{Duration, SystemTime};

use super::{
    ALL,
    ask::Ask,
    common::{House, pause, pools::Pools},
    file,
};

const SPLIT: &str = "{ v1 = 90, v2 = 10 }";

/// Weights of each pool, summed up.
fn weights(answers: &[String]) -> [u32; 2] {
    let mut sums = [0; 2];
    for answer in answers {
        let weight = answer.split(' ').nth(1).and_then(|weight| weight.parse::<u32>().ok());
        sums[usize::from(answer.contains(".v2."))] += weight.expect("a weight");
    }
    sums
}

#[tokio::test(flavor = "multi_thread")]
async fn shares_are_weights_and_what_is_down_is_not_told() {
    let pools = Pools::start().await;
    let house = House::start(&file(&pools, SPLIT, ALL, "bake = \"0s\"")).await;
    house.until_pool_is("v1", "up").await;
    house.until_pool_is("v2", "up").await;
    let ask = || Ask::new(house.daemon.dns()[0], "_http._tcp.api.zone.test", "SRV").send();
    let said = ask().await;
    let [old, new] = weights(&said.answers);
    let share = f64::from(new) / f64::from(old + new);
    assert!((share - 0.1).abs() < 0.001, "{said:?}");
    assert_eq!((said.answers.len(), said.additional.len()), (4, 4));
    pools.hosts[1].set_healthy(false);
    while ask().await.answers.len() > 3 {
        pause().await;
    }
    let said = ask().await;
    assert!(!said.has("127-0-1-2."), "{said:?}");
    let [old, new] = weights(&said.answers);
    assert!(
        (f64::from(new) / f64::from(old + new) - 0.1).abs() < 0.001,
        "the pool keeps its share"
    );
}

/// Nobody has asked for anything else: it is this answer that both pools are known by.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_names_both_pools_is_in_the_horizons_of_both() {
    let pools = Pools::start().await;
    let of_api = |live: &str| {
        let api = file(&pools, live, ALL, "bake = \"0s\"").replace("ttl = \"1s\"", "ttl = \"20s\"");
        format!("{api}\n[services.web]\nlive = \"w\"\npools.w.endpoints = [\"192.0.2.1\"]\n")
    };
    let web = "version = 1\n[services.web]\nlive = \"w\"\npools.w.endpoints = [\"192.0.2.1\"]\n";
    // At the start somebody may have answered before: of a service that comes later it is known.
    let house = House::start(web).await;
    house.save(&of_api(SPLIT));
    house.until("api is answered", |status| status.services.contains_key("api")).await;
    house.until_pool_is("v1", "up").await;
    house.until_pool_is("v2", "up").await;
    let dns = house.daemon.dns()[0];
    let said = Ask::new(dns, "_http._tcp.api.zone.test", "SRV").send().await;
    let (answered, ttl) = (SystemTime::now(), Duration::from_secs(20));
    assert_eq!((said.answers.len(), said.ttl), (4, Some(20)));
    // Asked for when the answer that led there is about to expire.
    let address = Ask::new(dns, "127-0-1-1.v1.api.zone.test", "A").send().await;
    assert_eq!((address.answers.len(), address.ttl), (1, Some(5)));
    house.save(&of_api("\"v1\""));
    house.until_phase("Draining").await;
    // Once nobody answers from the table before any longer, it is the last word.
    let mut horizon = None;
    for _ in 0..100 {
        horizon = house.api().await.pools["v2"].horizon.clone();
        pause().await;
    }
    let horizon = horizon.expect("it is in caches");
    let horizon = humantime::parse_rfc3339(&horizon).expect("a time");
    // The reply came after it was noted, at the latest.
    let earliest = answered + ttl - Duration::from_secs(2);
    assert!(horizon >= earliest, "{horizon:?} before {earliest:?}");
    let answers = house.api().await.pools["v2"].answers;
    assert_eq!(answers, 0, "no client was given this pool rather than the other");
}
