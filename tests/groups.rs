//! Services that are released together, on the real daemon: what is answered for two names, and what
//! people are told of it.

#![cfg(target_os = "linux")] // All of 127.0.0.0/8 is there.

mod common;

use std::{net::IpAddr, path::PathBuf, time::Instant};

use common::{House, PATIENCE, endpoints, endpoints::Endpoint, pause};
use cutover::{
    admin::orders::{self, OrderError, Undone},
    cutover::Verb,
};

const NAMES: [&str; 2] = ["api", "web"];

struct Scene {
    house: House,
    /// Of api v1 and v2, and of web v1 and v2.
    hosts: Vec<Endpoint>,
    port: u16,
    socket: PathBuf,
    _servers: tokio::task::JoinSet<()>,
}

fn file(live: [&str; 2], hosts: &[Endpoint], port: u16) -> String {
    let service = |(at, name): (usize, &str)| {
        let [v1, v2] = [&hosts[2 * at], &hosts[2 * at + 1]].map(|host| host.address);
        let live = live[at];
        format!(
            r#"
[services.{name}]
live = "{live}"
ttl = "1s"
pools.v1.endpoints = ["{v1}"]
pools.v2.endpoints = ["{v2}"]
probe = {{ http = {{ port = {port} }}, interval = "100ms", timeout = "100ms", rise = 2, fall = 2 }}
release = {{ group = "checkout", bake = "1h" }}
"#
        )
    };
    let services: String = NAMES.into_iter().enumerate().map(service).collect();
    format!("version = 1\n{services}")
}

impl Scene {
    /// v1 of both is live; v2 of api is up, v2 of web is not.
    async fn open() -> Self {
        let all = ["127.0.1.1", "127.0.2.1", "127.0.3.1", "127.0.4.1"];
        let (port, hosts, servers) = endpoints::start(&all).await;
        hosts[3].set_healthy(false);
        let (house, socket) = House::start_with_admin(&file(["v1"; 2], &hosts, port)).await;
        house.until_pool_is("v2", "up").await;
        Self { house, hosts, port, socket, _servers: servers }
    }

    fn save(&self, live: [&str; 2]) {
        self.house.save(&file(live, &self.hosts, self.port));
    }

    async fn until_both(&self, phase: &str) {
        let is_so = |name: &&str, status: &cutover::admin::status::Status| {
            status.services[*name].phase == phase
        };
        self.house.until(phase, |status| NAMES.iter().all(|name| is_so(name, status))).await;
    }

    async fn ask(&self, verb: Verb, of: &str) -> Result<orders::Done, OrderError> {
        orders::ask(&self.socket, of, verb, &[]).await
    }

    /// Whether what is answered for a service is its v2.
    async fn is_moved(&self, at: usize) -> bool {
        let asked = self.house.client.ask(&format!("{}.zone.test", NAMES[at]), "A").await;
        let [old, new]: [IpAddr; 2] = [2 * at, 2 * at + 1].map(|host| self.hosts[host].address);
        assert!(asked.addresses == [old] || asked.addresses == [new], "{asked:?}");
        asked.addresses == [new]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_names_move_in_one_table_and_go_back_in_one() {
    let scene = Scene::open().await;
    scene.save(["v2", "v2"]);
    let why = "checkout waits for web: 0 of 1 endpoints of v2 are up (100% needed), none of them \
               with IPv4";
    let status = scene
        .house
        .until("api waits", |status| status.services["api"].waits.as_deref() == Some(why))
        .await;
    let api = &status.services["api"];
    assert_eq!((api.phase.as_str(), api.group.as_deref()), ("Probing", Some("checkout")));
    assert_eq!(api.release.as_ref().and_then(|release| release.reason.as_deref()), Some(why));
    assert!(!scene.is_moved(0).await && !scene.is_moved(1).await);
    scene.hosts[3].set_healthy(true);
    let begun = Instant::now();
    // Whoever is asked second answers from the same table or a later one.
    for turn in 0.. {
        let (first, second) = (turn % 2, 1 - turn % 2);
        let was_moved = scene.is_moved(first).await;
        let is_moved = scene.is_moved(second).await;
        assert!(is_moved || !was_moved, "{} and not {}", NAMES[first], NAMES[second]);
        if was_moved {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "nothing was moved");
        pause().await;
    }
    scene.until_both("Baking").await;
    let done = scene.ask(Verb::Rollback, "checkout").await.expect("there is a way back");
    assert!(!scene.is_moved(0).await && !scene.is_moved(1).await, "it is so when it says so");
    let whys: Vec<&str> = done.transitions.iter().map(|told| told.why.as_str()).collect();
    assert!(whys[0].starts_with("api: rollback by ") && whys[1].starts_with("web: "), "{whys:?}");
    scene.until_both("Failed").await;
    scene.ask(Verb::Retry, "web").await.expect("it has failed");
    scene.until_both("Baking").await;
    // A person in a hurry takes one back.
    scene.save(["v1", "v2"]);
    scene.house.until("api taken back", |status| status.services["api"].phase == "Steady").await;
    assert!(!scene.is_moved(0).await && !scene.is_moved(1).await);
    scene.house.until("web failed", |status| status.services["web"].phase == "Failed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_refuses_and_what_nobody_knows() {
    let scene = Scene::open().await;
    scene.save(["v2", "v2"]);
    scene.until_both("Probing").await;
    let refused = scene.ask(Verb::Promote, "api").await.expect_err("web is not up");
    let refused = refused.to_string();
    assert!(refused.starts_with("refused: web: 0 of 1 endpoints"), "{refused}");
    let together = "(api is Probing; `rollback` and `pause` would be done)";
    assert!(refused.ends_with(together), "what api would do alone is no help: {refused}");
    let unknown = scene.ask(Verb::Promote, "chekout").await.expect_err("there is none");
    assert!(matches!(unknown, OrderError::Undone(Undone::Unknown(_))), "{unknown}");
    assert!(unknown.to_string().ends_with("did you mean `checkout`?"), "{unknown}");
    scene.ask(Verb::Rollback, "web").await.expect("nothing was moved");
    scene.until_both("Failed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_finds_all_where_they_were() {
    let scene = Scene::open().await;
    scene.hosts[3].set_healthy(true);
    scene.save(["v2", "v2"]);
    scene.until_both("Baking").await;
    let Scene { house, hosts, port, socket, _servers } = scene;
    let folder = house.stop().await;
    let house = House::start_in(folder, "127.0.0.1", |settings| {
        settings.admin = Some(settings.release_file.with_file_name("admin.sock"));
    })
    .await;
    let scene = Scene { house, hosts, port, socket, _servers };
    assert!(scene.is_moved(0).await && scene.is_moved(1).await);
    scene.until_both("Baking").await;
    scene.hosts[1].set_healthy(false);
    scene.until_both("Failed").await;
    assert!(!scene.is_moved(0).await && !scene.is_moved(1).await);
}
