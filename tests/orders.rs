//! The operator's verbs against the real daemon: through its socket, and what clients are answered.

mod common;

use std::{os::unix::fs::PermissionsExt, path::PathBuf};

use common::{House, pools::Pools};
use cutover::{
    admin::{
        orders::{self, OrderError, Undone},
        sample::{self, Clients},
    },
    cutover::Verb,
};

struct Scene {
    house: House,
    pools: Pools,
    socket: PathBuf,
}

impl Scene {
    /// v1 live, v2 healthy; a release bakes for an hour.
    async fn open() -> Self {
        let pools = Pools::start().await;
        let (house, socket) = House::start_with_admin(&pools.file("v1", "bake = \"1h\"")).await;
        house.until_pool_is("v2", "up").await;
        Self { house, pools, socket }
    }

    fn release_v2(&self) {
        self.house.save(&self.pools.file("v2", "bake = \"1h\""));
    }

    async fn ask(&self, verb: Verb) -> Result<orders::Done, OrderError> {
        orders::ask(&self.socket, "api", verb, &[]).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_rollback_the_next_answer_is_the_old_pool() {
    let scene = Scene::open().await;
    let house = &scene.house;
    scene.release_v2();
    house.until_answered(&scene.pools.v1, &scene.pools.v2).await;
    let done = scene.ask(Verb::Rollback).await.expect("there is a way back");
    // Not soon: the reply says that it is so.
    assert_eq!(house.client.ask("api.zone.test", "A").await.addresses, scene.pools.v1);
    assert_eq!(
        (done.transitions[0].from.as_str(), done.transitions[0].to.as_str()),
        ("Baking", "RollingBack")
    );
    assert!(done.transitions[0].why.contains("rollback by user "), "{done:?}");
    assert!(house.status().await.generation >= done.generation);
    house.until_phase("Failed").await;
    let refused = scene.ask(Verb::Rollback).await.expect_err("nothing left to do");
    let why = "refused: v1 answers everyone already (api is Failed; `retry` would be done)";
    assert_eq!(refused.to_string(), why);
    scene.ask(Verb::Retry).await.expect("it has failed");
    house.until_answered(&scene.pools.v1, &scene.pools.v2).await;
    scene.ask(Verb::Promote).await.expect("it bakes");
    house.until("it is done", |status| status.services["api"].phase == "Steady").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_changes_nothing() {
    let scene = Scene::open().await;
    let before = scene.house.status().await.generation;
    for verb in Verb::ALL {
        let refused = scene.ask(verb).await.expect_err("nothing is being released");
        assert!(matches!(refused, OrderError::Undone(Undone::Refused(_))), "{refused:?}");
    }
    let unknown = orders::ask(&scene.socket, "web", Verb::Rollback, &[]).await;
    let unknown = unknown.expect_err("no such service");
    assert_eq!(unknown.to_string(), "there is no service or group `web`; there are: api");
    let meant = "there is no service or group `apy`; did you mean `api`?";
    let mistyped = orders::ask(&scene.socket, "apy", Verb::Rollback, &[]).await;
    assert_eq!(mistyped.expect_err("mistyped").to_string(), meant);
    let meant = "there is no service `apy`; did you mean `api`?";
    let mistyped = orders::forget_service(&scene.socket, "apy").await;
    assert_eq!(mistyped.expect_err("mistyped").to_string(), meant);
    let clients = Clients::Synthetic { count: 1, seed: 0 };
    let mistyped = sample::ask(&scene.socket, "apy", &clients).await;
    assert_eq!(mistyped.expect_err("mistyped").to_string(), meant);
    assert_eq!(scene.house.status().await.generation, before);
    assert_eq!(scene.house.client.ask("api.zone.test", "A").await.addresses, scene.pools.v1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_is_for_its_user_alone() {
    let scene = Scene::open().await;
    let mode = std::fs::metadata(&scene.socket).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let elsewhere = scene.socket.with_file_name("nobody.sock");
    let error = orders::ask(&elsewhere, "api", Verb::Rollback, &[]).await.expect_err("nobody");
    assert!(error.to_string().contains("no daemon takes orders at"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_of_yesterday_is_taken_back_to_the_pool_that_is_named() {
    let scene = Scene::open().await;
    let house = &scene.house;
    let [v2, v9] = ["v2", "v9"].map(|name| name.parse().expect("a name"));
    let gone = orders::roll_back_to(&scene.socket, "api", &v9, &[]);
    let why =
        "refused: there is no pool `v9`; there are: v1, v2 (api is Steady; no verb is of use now)";
    assert_eq!(gone.await.expect_err("no such pool").to_string(), why);
    orders::roll_back_to(&scene.socket, "api", &v2, &[]).await.expect("it is up");
    // Not soon: the reply says that it is so.
    assert_eq!(house.client.ask("api.zone.test", "A").await.addresses, scene.pools.v2);
    house.until_phase("Failed").await;
    scene.ask(Verb::Retry).await.expect("the file asks for v1");
    house.until_answered(&scene.pools.v2, &scene.pools.v1).await;
}
