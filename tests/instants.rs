//! Releases at an instant on the real daemon: what caches are told before it and after it.

#![cfg(target_os = "linux")] // All of 127.0.0.0/8 is there.

mod common;

use std::{
    net::IpAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use common::{
    House,
    endpoints::{self, Endpoint},
    release,
};
use cutover::{admin::status::InstantStatus, model::Timestamp};

const TTL_SECS: u64 = 60;
const SECOND: Duration = Duration::from_secs(1);

struct Scene {
    house: House,
    hosts: Vec<Endpoint>,
    v1: Vec<IpAddr>,
    v2: Vec<IpAddr>,
    port: u16,
    _servers: tokio::task::JoinSet<()>,
}

impl Scene {
    /// v1 live with one host, v2 with another one; somebody has asked.
    async fn open() -> Self {
        let (port, hosts, servers) = endpoints::start(&["127.0.1.1", "127.0.2.1"]).await;
        let [v1, v2] = [0, 1].map(|host| vec![hosts[host].address]);
        let house = House::start(&file("v1", &v1, &v2, port, "")).await;
        let scene = Self { house, hosts, v1, v2, port, _servers: servers };
        scene.house.until_pool_is("v2", "up").await;
        assert_eq!(scene.ask().await, (scene.v1.clone(), TTL_SECS));
        scene
    }

    /// Asks for v2 at a whole second, some seconds from now.
    fn release(&self, secs: u64, more: &str) -> Timestamp {
        let instant = (now() + Duration::from_secs(secs)).rounded_up();
        let more = format!("at = {instant}\n{more}");
        self.house.save(&file("v2", &self.v1, &self.v2, self.port, &more));
        instant
    }

    /// The addresses that are answered, and for how long.
    async fn ask(&self) -> (Vec<IpAddr>, u64) {
        let asked = self.house.client.ask("api.zone.test", "A").await;
        (asked.addresses, asked.ttl.expect("an answer").into())
    }

    async fn instant(&self) -> InstantStatus {
        let release = self.house.api().await.release.expect("one is under way");
        release.instant.expect("it has an instant")
    }
}

fn file(live: &str, v1: &[IpAddr], v2: &[IpAddr], port: u16, more: &str) -> String {
    release(live, v1, v2, port, more).replace("ttl = \"1s\"", &format!("ttl = \"{TTL_SECS}s\""))
}

fn now() -> Timestamp {
    Timestamp::default() + SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_ends_at_the_instant_and_then_the_new_one_is_there() {
    let scene = Scene::open().await;
    let instant = scene.release(3, "");
    scene.house.until_phase("Waiting").await;
    let seen = scene.instant().await;
    assert_eq!((seen.state.as_str(), seen.at), ("ahead", instant.to_string()));
    assert!(seen.smears_until.is_some(), "the first answer ends later");
    let mut olds = 0;
    let ttl_after = loop {
        let asked_at = now();
        let (addresses, ttl) = scene.ask().await;
        if addresses == scene.v2 {
            assert!(now() >= instant, "not before the instant");
            break ttl;
        }
        assert_eq!(addresses, scene.v1);
        // The table may be stored some milliseconds late.
        let latest = asked_at.max(instant) + SECOND;
        assert!(ttl > 0 && asked_at + Duration::from_secs(ttl) <= latest, "{ttl}");
        assert!(asked_at < instant + 5 * SECOND, "the instant has passed");
        olds += 1;
        common::pause().await;
    };
    assert!(olds > 10, "{olds}");
    assert!((TTL_SECS / 2..=TTL_SECS).contains(&ttl_after), "caches are not to stay in step");
    assert_eq!(scene.instant().await.state, "met");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instant_that_comes_before_the_new_pool_is_up_is_missed() {
    let scene = Scene::open().await;
    scene.hosts[1].set_healthy(false);
    scene.house.until_pool_is("v2", "down").await;
    let instant = scene.release(2, "");
    scene.house.until_phase("Probing").await;
    scene
        .house
        .until("the instant is missed", |status| {
            let release = status.services["api"].release.as_ref();
            let instant = release.and_then(|release| release.instant.as_ref());
            instant.is_some_and(|instant| instant.state == "missed")
        })
        .await;
    assert!(now() >= instant);
    let (addresses, ttl) = scene.ask().await;
    assert_eq!(addresses, scene.v1);
    assert!(ttl >= TTL_SECS / 2, "as long as before: {ttl}");
    scene.hosts[1].set_healthy(true);
    scene.house.until_answered(&scene.v1, &scene.v2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_clean_it_waits_for_what_caches_hold() {
    let scene = Scene::open().await;
    let given = now();
    let instant = scene.release(2, "clean = true");
    scene.house.until_phase("Waiting").await;
    let seen = scene.instant().await;
    assert_eq!(seen.put_off_from, Some(instant.to_string()));
    assert_eq!(seen.smears_until, None);
    let put_off = given + Duration::from_secs(TTL_SECS);
    assert!(seen.at >= put_off.to_string(), "{} is before {put_off}", seen.at);
}
