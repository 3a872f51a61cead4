//! Verbs: by a token, with the history saying whose; and what is foretold of them is what happens.

use std::time::Instant;

use cutover::admin::client;
use serde_json::{Value, json};

use crate::{
    Scene,
    common::{PATIENCE, pause},
};

const RAMP: &str = "ramp = [{ share = \"10%\", bake = \"1h\" }]\nbake = \"1h\"";

impl Scene {
    async fn until_phase(&self, phase: &str) {
        self.house.until_phase(phase).await;
    }

    /// The last change of phase in the history of which it says why.
    async fn why(&self, verb: &str) -> String {
        let begun = Instant::now();
        loop {
            let name = "api".parse().expect("a name");
            let past = client::history(self.house.daemon.http(), Some(&name)).await;
            let past = past.expect("it answers");
            let steps = past.iter().flat_map(|past| &past.steps);
            if let Some(step) = steps.rev().find(|step| step.why.starts_with(verb)) {
                return step.why.clone();
            }
            assert!(begun.elapsed() < PATIENCE, "{verb}: {past:#?}");
            pause().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_verb_is_done_by_a_token_and_the_history_says_whose() {
    let scene = Scene::open_with(RAMP).await;
    scene.release("v2", RAMP);
    scene.until_phase("Judging").await;
    for (verb, phase) in [("pause", "Paused"), ("resume", "Judging"), ("promote", "Baking")] {
        assert_eq!(scene.verb(verb).await.code, 200, "{verb}");
        // Not soon: the reply says that it is so.
        let now = scene.house.api().await.phase;
        assert!(now == phase || (verb == "promote" && now == "Shifting"), "{verb}: {now}");
        assert!(scene.why(verb).await.ends_with("by token oncall"), "{verb}");
    }
    assert_eq!(scene.house.client.ask("api.zone.test", "A").await.addresses, scene.pools.v2);
    assert_eq!(scene.verb("rollback").await.code, 200);
    assert_eq!(scene.house.client.ask("api.zone.test", "A").await.addresses, scene.pools.v1);
    assert!(scene.why("rollback").await.starts_with("rollback by token oncall"));
    scene.until_phase("Failed").await;
    assert_eq!(scene.verb("retry").await.code, 200);
    assert_eq!(scene.why("retry").await, "retry by token oncall");
    let name = "api".parse().expect("a name");
    let past = client::history(scene.house.daemon.http(), Some(&name)).await.expect("it answers");
    assert_eq!(past.last().map(|past| past.by.as_str()), Some("token oncall"));
    // By its name, and with a rule to break although none stands in the way.
    scene.release("v1", RAMP);
    scene.until_phase("Steady").await;
    let back = json!({ "to": "v2", "force": ["health"] });
    let reply = scene.post("/api/v1/services/api/rollback", &back).await;
    assert_eq!(reply.code, 200, "{reply:?}");
    assert_eq!(scene.house.client.ask("api.zone.test", "A").await.addresses, scene.pools.v2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_says_whose_it_is_and_is_a_rule_with_a_name() {
    let scene = Scene::open_with(RAMP).await;
    scene.release("v2", RAMP);
    scene.until_phase("Judging").await;
    let freeze = json!({ "reason": "moving the database" });
    assert_eq!(scene.post("/api/v1/freeze", &freeze).await.code, 200);
    let frozen = scene.house.status().await.freeze.expect("frozen");
    assert_eq!(frozen.by, "token oncall");
    assert_eq!(frozen.reason.as_deref(), Some("moving the database"));
    for body in [json!({}), json!({ "dry_run": true })] {
        let reply = scene.post("/api/v1/services/api/promote", &body).await;
        assert_eq!(reply.code, 409);
        let refused = &reply.json()["refused"];
        assert_eq!(refused["rules"][0]["name"], "freeze", "{refused:#}");
        assert_eq!(refused["rules"][0]["holds"], false);
        assert_eq!(refused["stands"]["phase"], "Judging");
    }
    let force = json!({ "force": ["freeze"] });
    let reply = scene.post("/api/v1/services/api/promote", &force).await;
    assert_eq!(reply.code, 200, "{reply:?}");
    assert!(scene.why("promote").await.contains("who breaks freeze"));
    assert_eq!(scene.post("/api/v1/unfreeze", &json!({})).await.code, 200);
}

/// The phases that are foretold, with what is answered in each.
fn foretold(plan: &Value) -> Vec<(String, Value)> {
    let steps = plan["changed"]["api"]["steps"].as_array().expect("steps");
    let step =
        |step: &Value| (step["phase"].as_str().unwrap_or("?").to_owned(), step["shares"].clone());
    steps.iter().map(step).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_foretold_is_what_happens_and_nothing_is_done_by_it() {
    let quick = "ramp = [{ share = \"10%\", bake = \"1h\" }]\nbake = \"1s\"\n\
                 pin_allowance = \"0s\"\ndrain_grace = \"0s\"";
    let scene = Scene::open_with(quick).await;
    scene.release("v2", quick);
    scene.until_phase("Judging").await;
    let before = scene.house.status().await.generation;
    let dry = json!({ "dry_run": true });
    let plan = scene.post("/api/v1/services/api/promote", &dry).await.json();
    assert_eq!(scene.house.api().await.phase, "Judging");
    assert_eq!(scene.house.status().await.generation, before, "nothing was done");
    let foretold = foretold(&plan);
    let phases: Vec<&str> = foretold.iter().map(|(phase, _)| phase.as_str()).collect();
    assert_eq!(phases, ["Shifting", "Baking", "Draining", "Steady"], "{plan:#}");
    assert_eq!(foretold[0].1, json!({ "v2": 100 }));
    assert_eq!(plan["changed"]["api"]["left"][0]["pool"], "v1");
    let listener = scene.connect().await;
    let mut listener = crate::http::Listener::begin(listener, "/api/v1/events", "").await;
    assert_eq!(scene.verb("promote").await.code, 200);
    let heard: Vec<String> = listener.until("Steady").await.iter().map(|it| it.to()).collect();
    assert_eq!(heard, phases);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_is_foretold_as_one_and_so_is_what_it_refuses() {
    let group = "group = \"checkout\"\nbake = \"1h\"";
    let scene = Scene::open().await;
    let both = |live: &str| {
        let api = scene.pools.file(live, group);
        let web = api.trim_start_matches("version = 1\n").replace("services.api", "services.web");
        format!("{api}{web}")
    };
    scene.house.save(&both("v1"));
    scene
        .house
        .until("web is up", |status| {
            let web = status.services.get("web");
            web.is_some_and(|web| web.pools["v2"].endpoints.iter().all(|it| it.verdict == "up"))
        })
        .await;
    scene.house.save(&both("v2"));
    scene.until_phase("Baking").await;
    for of in ["api", "web", "checkout"] {
        let path = format!("/api/v1/services/{of}/rollback");
        let plan = scene.post(&path, &json!({ "dry_run": true })).await.json();
        let changed: Vec<&String> = plan["changed"].as_object().expect("plans").keys().collect();
        assert_eq!(changed, ["api", "web"], "{of}: {plan:#}");
        assert_eq!(foretold(&plan)[0].0, "RollingBack");
    }
    let unknown = scene.post("/api/v1/services/nobody/rollback", &json!({ "dry_run": true })).await;
    assert_eq!((unknown.code, unknown.undone().0.as_str()), (404, "unknown"));
    assert_eq!(scene.house.api().await.phase, "Baking");
    assert_eq!(scene.post("/api/v1/services/checkout/rollback", &json!({})).await.code, 200);
    assert_eq!(scene.house.client.ask("web.zone.test", "A").await.addresses, scene.pools.v1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_and_a_sample_are_as_over_the_socket() {
    let scene = Scene::open().await;
    let draft = json!({ "path": "new.toml", "text": scene.pools.file("v2", "bake = \"1h\"") });
    let sample = json!({ "clients": 1000, "seed": 3 });
    for (path, body) in [("plan", draft), ("services/api/sample", sample)] {
        let path = format!("/api/v1/{path}");
        let [mut one, mut other] = [
            scene.post(&path, &body).await.json(),
            scene.post_by_socket(&path, &body).await.json(),
        ];
        if path.ends_with("plan") {
            assert_eq!(one["changed"]["api"]["to"], json!({ "v2": 100 }));
            // Times pass.
            for it in [&mut one, &mut other] {
                it["at"] = Value::Null;
                it["changed"] = Value::Null;
            }
        }
        assert_eq!(one, other);
    }
}
