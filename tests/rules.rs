//! Pauses, freezes and the other rules on the real daemon: through its socket, and what clients are
//! answered meanwhile.

#![cfg(target_os = "linux")] // All of 127.0.0.0/8 is there.

mod common;

use std::{
    net::IpAddr,
    path::PathBuf,
    time::{Duration, SystemTime},
};

use common::{House, pools::Pools};
use cutover::{
    admin::{
        client,
        orders::{self, Done, OrderError},
    },
    cutover::{Rule, Verb},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

struct Scene {
    house: House,
    pools: Pools,
    socket: PathBuf,
}

impl Scene {
    /// v1 live, v2 healthy.
    async fn open() -> Self {
        let pools = Pools::start().await;
        let (house, socket) = House::start_with_admin(&pools.file("v1", "")).await;
        house.until_pool_is("v1", "up").await;
        house.until_pool_is("v2", "up").await;
        Self { house, pools, socket }
    }

    fn release_v2(&self, more: &str) {
        let more = format!("bake = \"1h\"\n{more}");
        self.house.save(&self.pools.file("v2", &more));
    }

    async fn ask(&self, verb: Verb, force: &[Rule]) -> Result<Done, OrderError> {
        orders::ask(&self.socket, "api", verb, force).await
    }

    async fn assert_answered(&self, pool: &[IpAddr]) {
        assert_eq!(self.house.client.ask("api.zone.test", "A").await.addresses, pool);
    }

    async fn reason(&self) -> String {
        let release = self.house.api().await.release;
        release.and_then(|release| release.reason).expect("a reason")
    }

    async fn metrics(&self) -> String {
        let (code, page) = client::get(self.house.daemon.http(), "/metrics").await.expect("a page");
        assert_eq!(code, 200);
        String::from_utf8_lossy(&page).into_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_freeze_answers_stay_and_it_is_shown_and_over_when_a_person_says_so() {
    let scene = Scene::open().await;
    let reason = "the database is being moved".parse().expect("one line");
    orders::ask_to_freeze(&scene.socket, Some(&reason)).await.expect("not frozen yet");
    let again = orders::ask_to_freeze(&scene.socket, None).await.expect_err("it is");
    let said = again.to_string();
    assert!(
        said.starts_with("refused: frozen since ") && said.ends_with(reason.as_str()),
        "{said}"
    );
    scene.release_v2("");
    scene.house.until_phase("Waiting").await;
    scene.assert_answered(&scene.pools.v1).await;
    assert!(scene.reason().await.starts_with("frozen since "), "{}", scene.reason().await);
    let status = scene.house.status().await;
    let freeze = status.freeze.as_ref().expect("shown");
    assert_eq!(freeze.reason.as_deref(), Some(reason.as_str()));
    let tree = cutover::admin::tree::tree(&status);
    assert!(tree.contains("FROZEN since ") && tree.contains(reason.as_str()), "{tree}");
    assert!(scene.metrics().await.contains("cutover_frozen 1"));
    orders::ask_to_unfreeze(&scene.socket).await.expect("it was frozen");
    // Not soon: the reply says that it is so.
    scene.assert_answered(&scene.pools.v2).await;
    assert!(scene.metrics().await.contains("cutover_frozen 0"));
    let thawed = orders::ask_to_unfreeze(&scene.socket).await.expect_err("no longer");
    assert_eq!(thawed.to_string(), "refused: nothing is frozen");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_is_broken_by_its_name_and_told() {
    let scene = Scene::open().await;
    orders::ask_to_freeze(&scene.socket, None).await.expect("not frozen yet");
    scene.release_v2("");
    scene.house.until_phase("Waiting").await;
    let refused = scene.ask(Verb::Promote, &[Rule::Window]).await.expect_err("frozen");
    assert!(refused.to_string().contains("only with `--force freeze`"), "{refused}");
    scene.assert_answered(&scene.pools.v1).await;
    let done = scene.ask(Verb::Promote, &[Rule::Freeze]).await.expect("by force");
    assert!(done.transitions[0].why.contains("who breaks freeze (frozen since"), "{done:?}");
    scene.assert_answered(&scene.pools.v2).await;
    scene.ask(Verb::Rollback, &[]).await.expect("a way back stands open in a freeze");
    scene.assert_answered(&scene.pools.v1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_is_none_is_refused_with_the_list() {
    let scene = Scene::open().await;
    let mut stream = UnixStream::connect(&scene.socket).await.expect("it listens");
    let body = "{\"force\": [\"freeze\", \"windows\"]}";
    let length = body.len();
    let request = format!(
        "POST /api/v1/services/api/promote HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await.expect("taken");
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.expect("answered");
    assert!(reply.starts_with("HTTP/1.1 400 "), "{reply}");
    let said =
        "there is no rule `windows`; the rules are freeze, window, interval, health and gate";
    assert!(reply.contains(said), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_release_stays_where_it_is_until_it_is_resumed() {
    let scene = Scene::open().await;
    scene.release_v2("ramp = [{ share = \"10%\", bake = \"0s\" }]");
    scene.house.until_phase("Settling").await;
    scene.ask(Verb::Pause, &[]).await.expect("a step settles");
    // Answers live for a second: it would be over by then.
    let seen = scene.house.until("caches are clear", |status| {
        status.services["api"].pools["v2"].share == 10
            && status.services["api"].phase == "Paused"
            && status.services["api"].until.is_none()
    });
    seen.await;
    assert!(scene.reason().await.starts_with("paused by user "), "{}", scene.reason().await);
    let paused_at = SystemTime::now();
    while paused_at.elapsed().expect("later") < Duration::from_secs(3) {
        assert_eq!(scene.house.api().await.phase, "Paused");
        common::pause().await;
    }
    scene.ask(Verb::Resume, &[]).await.expect("it is paused");
    scene.house.until_phase("Baking").await;
    scene.assert_answered(&scene.pools.v2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_answers_move_at_the_instant() {
    let scene = Scene::open().await;
    let at = SystemTime::now() + Duration::from_secs(3);
    scene.release_v2(&format!("at = {}", humantime::format_rfc3339_seconds(at)));
    scene.house.until_phase("Waiting").await;
    let api = scene.house.api().await;
    let until = humantime::parse_rfc3339(&api.until.expect("the clock ends it")).expect("a time");
    scene.house.until_answered(&scene.pools.v1, &scene.pools.v2).await;
    assert!(SystemTime::now() >= until, "too early");
}
