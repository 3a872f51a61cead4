//! Splits on the real daemon: who is answered with which pool, from one pool to a split and on.

#![cfg(target_os = "linux")] // All of 127.0.0.0/8 is there.

mod common;

use std::{collections::BTreeSet, net::IpAddr, time::SystemTime};

use common::{Client, House, pools::Pools};
use cutover::admin::status::Status;

const CLIENTS: u8 = 200;

/// A daemon, and clients of different networks.
struct Scene {
    house: House,
    pools: Pools,
    clients: Vec<Client>,
}

impl Scene {
    async fn open() -> Self {
        let pools = Pools::start().await;
        let house = House::start(&pools.file("v1", "bake = \"0s\"")).await;
        let of = |number| Client::from(house.daemon.dns()[0], IpAddr::from([127, 9, number, 1]));
        let clients = (0..CLIENTS).map(of).collect();
        house.until_pool_is("v1", "up").await;
        house.until_pool_is("v2", "up").await;
        Self { house, pools, clients }
    }

    async fn release(&self, live: &str) {
        self.release_with(live, "").await;
    }

    async fn release_with(&self, live: &str, more: &str) {
        let file = self.pools.file("LIVE", "bake = \"0s\"");
        self.house.save(&file.replace("\"LIVE\"", &format!("{live}\n{more}")));
        let asked = live.replace(['{', '}', ' ', '"'], "").replace(" = ", ":");
        let asked = asked.replace('=', ":").replace(',', "+");
        self.house
            .until(&asked, |status| {
                let api = &status.services["api"];
                api.live == asked && api.phase == "Steady" && api.serving == api.desired
            })
            .await;
    }

    /// The clients that are answered with v2; the others are with v1, each with one pool whole.
    async fn with_v2(&self) -> BTreeSet<usize> {
        let mut answered = BTreeSet::new();
        for (number, client) in self.clients.iter().enumerate() {
            let asked = client.ask("api.zone.test", "A").await;
            if asked.addresses == self.pools.v2 {
                answered.insert(number);
            } else {
                assert_eq!(asked.addresses, self.pools.v1, "one pool whole");
            }
        }
        answered
    }

    async fn shares(&self) -> Vec<(String, u8)> {
        self.house.api().await.serving.into_iter().collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn weights_are_shares_of_clients_and_who_stays_stays() {
    let scene = Scene::open().await;
    scene.release("{ v1 = 3, v2 = 1 }").await;
    assert_eq!(scene.shares().await, [("v1".to_owned(), 75), ("v2".to_owned(), 25)]);
    let quarter = scene.with_v2().await;
    assert!((30..=70).contains(&quarter.len()), "{} of 200 at 25 %", quarter.len());
    assert_eq!(scene.with_v2().await, quarter, "who is asked again answers the same");
    scene.release("{ v1 = 1, v2 = 1 }").await;
    let half = scene.with_v2().await;
    assert!((75..=125).contains(&half.len()), "{} of 200 at 50 %", half.len());
    assert!(quarter.is_subset(&half), "a greater weight takes nobody away");
    scene.release("\"v2\"").await;
    assert_eq!(scene.with_v2().await.len(), scene.clients.len());
    assert_eq!(scene.shares().await, [("v2".to_owned(), 100)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_is_down_leaves_its_clients_to_the_others() {
    let scene = Scene::open().await;
    scene.release("{ v1 = 3, v2 = 1 }").await;
    let quarter = scene.with_v2().await;
    scene.pools.hosts[2..].iter().for_each(|host| host.set_healthy(false));
    let house = &scene.house;
    let status = house.until("v1 alone", |s| s.services["api"].serving["v1"] == 100).await;
    let api = &status.services["api"];
    assert_eq!((api.phase.as_str(), api.health.as_str()), ("Steady", "degraded"));
    assert_eq!(scene.with_v2().await, BTreeSet::new());
    let is_over =
        |horizon: &str| humantime::parse_rfc3339(horizon).expect("a time") < SystemTime::now();
    let over = |status: &Status| {
        status.services["api"].pools["v2"].horizon.as_deref().is_some_and(is_over)
    };
    let status = house.until("out of caches", over).await;
    let v2 = &status.services["api"].pools["v2"];
    assert_eq!((v2.share, v2.drained, v2.off), (0, false, false), "it still serves");
    scene.pools.hosts[2..].iter().for_each(|host| host.set_healthy(true));
    house.until_pool_is("v2", "up").await;
    assert_eq!(scene.with_v2().await, quarter, "the same as before");
}

#[tokio::test(flavor = "multi_thread")]
async fn at_random_one_client_is_given_either_pool() {
    let scene = Scene::open().await;
    scene.release_with("{ v1 = 3, v2 = 1 }", "spread = \"random\"").await;
    let (mut with_v2, client) = (0, &scene.clients[0]);
    for _ in 0..CLIENTS {
        let asked = client.ask("api.zone.test", "A").await;
        let is_v2 = asked.addresses == scene.pools.v2;
        assert!(is_v2 || asked.addresses == scene.pools.v1, "one pool whole");
        with_v2 += u32::from(is_v2);
    }
    assert!((25..=80).contains(&with_v2), "{with_v2} of 200 questions at 25 %");
    scene.release("{ v1 = 1, v2 = 1 }").await;
    let asked = client.ask("api.zone.test", "A").await;
    for _ in 0..20 {
        assert_eq!(client.ask("api.zone.test", "A").await, asked, "the client's own again");
    }
}
