//! Pools at names of their own, and new ones that some networks are shown.

use super::{
    ask::{Ask, Said},
    common::{House, pause, pools::Pools},
    file,
};

async fn ask(house: &House, name: &str) -> Said {
    Ask::new(house.daemon.dns()[0], name, "A").send().await
}

async fn until_answered(house: &House, name: &str, addresses: &[&str]) {
    while ask(house, name).await.answers != addresses {
        pause().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_pool_is_reachable_by_its_own_name() {
    let pools = Pools::start().await;
    let house = House::start(&file(&pools, "\"v1\"", "", "bake = \"0s\"")).await;
    house.until_pool_is("v2", "up").await;
    let said = ask(&house, "v2.api.zone.test").await;
    assert_eq!((said.answers, said.ttl), (vec!["127.0.2.1".into(), "127.0.2.2".into()], Some(1)));
    assert_eq!(ask(&house, "v1.api.zone.test").await.answers, ["127.0.1.1", "127.0.1.2"]);
    // Nobody waits for those who look at a pool by its name.
    assert_eq!(house.api().await.pools["v2"].answers, 0);
    pools.hosts[2].set_healthy(false);
    until_answered(&house, "v2.api.zone.test", &["127.0.2.2"]).await;
    pools.hosts[3].set_healthy(false);
    house.until_pool_is("v2", "down").await;
    until_answered(&house, "v2.api.zone.test", &["127.0.2.1", "127.0.2.2"]).await;
    let called = file(&pools, "\"v1\"", "previews = \"{pool}-{service}\"", "bake = \"0s\"");
    house.save(&called);
    until_answered(&house, "v2-api.zone.test", &["127.0.2.1", "127.0.2.2"]).await;
    assert_eq!(ask(&house, "v2.api.zone.test").await.rcode, "NXDOMAIN");
    house.save(&file(&pools, "\"v1\"", "previews = false", "bake = \"0s\""));
    while ask(&house, "v2-api.zone.test").await.rcode != "NXDOMAIN" {
        pause().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn some_networks_are_shown_the_new_pool_before_its_gate_opens() {
    let pools = Pools::start().await;
    pools.hosts[3].set_healthy(false);
    let release = "bake = \"0s\"\npreview = [\"127.9.0.0/16\"]";
    let house = House::start(&file(&pools, "\"v1\"", "https = true", release)).await;
    house.until_pool_is("v1", "up").await;
    let dns = house.daemon.dns()[0];
    let shown = || Ask::new(dns, "api.zone.test", "A").from([127, 9, 5, 1]);
    assert_eq!(shown().send().await.answers, ["127.0.1.1", "127.0.1.2"], "nothing is released");
    house.save(&file(&pools, "\"v2\"", "https = true", release));
    house.until_phase("Probing").await;
    while shown().send().await.answers != ["127.0.2.1"] {
        pause().await;
    }
    let https = Ask::new(dns, "api.zone.test", "HTTPS").from([127, 9, 5, 1]).send().await;
    assert!(https.has("ipv4hint=127.0.2.1") && !https.has("127.0.1."), "{https:?}");
    let others = Ask::new(dns, "api.zone.test", "A");
    assert_eq!(others.send().await.answers, ["127.0.1.1", "127.0.1.2"], "the gate is closed");
    // What the resolver tells of its clients counts, and for how much of it the answer holds.
    let told = |subnet| Ask::new(dns, "api.zone.test", "A").for_subnet(subnet).send();
    let (of_shown, of_others) = (told([127, 9, 7]).await, told([198, 51, 100]).await);
    assert_eq!((of_shown.answers, of_shown.scope), (vec!["127.0.2.1".to_owned()], Some(24)));
    assert_eq!((of_others.answers.len(), of_others.scope), (2, Some(24)));
    let status = house.status().await;
    let v2 = &status.services["api"].pools["v2"];
    assert!(v2.answers >= 3 && v2.horizon.is_some() && v2.share == 0, "{v2:?}");
    assert_eq!(status.services["api"].phase, "Probing");
    // It ends with the release.
    house.save(&file(&pools, "\"v1\"", "https = true", release));
    while shown().send().await.answers != ["127.0.1.1", "127.0.1.2"] {
        pause().await;
    }
    assert_eq!(told([127, 9, 7]).await.scope, Some(0), "all are answered alike");
    house.until("v2 is out of caches", |status| status.services["api"].pools["v2"].drained).await;
}
