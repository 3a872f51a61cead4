//! The OpenAPI document: what it says of each answer is so, and everything that is answered is in it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use cutover::admin::client;
use serde_json::{Value, json};

use crate::{
    Scene,
    common::{House, PATIENCE, pause},
    http::Reply,
};

/// The document, and what has been seen of it.
pub(crate) struct Document {
    json: Value,
    seen: Mutex<BTreeSet<(String, String, u16)>>,
}

impl Document {
    pub(crate) async fn of(house: &House) -> Self {
        let page = client::get(house.daemon.http(), "/api/v1/openapi.json").await;
        let (code, page) = page.expect("it answers");
        assert_eq!(code, 200);
        let json = serde_json::from_slice(&page).expect("JSON");
        Self { json, seen: Mutex::default() }
    }

    /// Each path with its methods.
    fn operations(&self) -> BTreeMap<String, Vec<String>> {
        let paths = self.json["paths"].as_object().expect("paths");
        let methods = |item: &Value| item.as_object().expect("methods").keys().cloned().collect();
        paths.iter().map(|(path, item)| (path.clone(), methods(item))).collect()
    }

    /// The path in the document that an address has, below the root.
    fn template(&self, method: &str, address: &str) -> Option<String> {
        let path = address.split('?').next().unwrap_or_default().strip_prefix("/api/v1")?;
        let parts: Vec<&str> = path.split('/').collect();
        let fits = |template: &str| {
            let wanted: Vec<&str> = template.split('/').collect();
            let is_same =
                |(part, wanted): (&&str, &&str)| wanted.starts_with('{') || part == wanted;
            wanted.len() == parts.len() && parts.iter().zip(&wanted).all(is_same)
        };
        let mut known = self.operations().into_iter();
        let found =
            known.find(|(path, methods)| methods.iter().any(|it| it == method) && fits(path));
        found.map(|(path, _)| path)
    }

    /// An answer is as the document says.
    pub(crate) fn check(&self, method: &str, address: &str, reply: &Reply) {
        if !address.starts_with("/api/v1") {
            return;
        }
        let Some(path) = self.template(method, address) else {
            assert!([404, 405].contains(&reply.code), "{method} {address}: {reply:?}");
            self.assert_valid(&json!({ "$ref": "#/components/schemas/Undone" }), &reply.json());
            return;
        };
        let operation = &self.json["paths"][&path][method];
        let response = &operation["responses"][reply.code.to_string()];
        assert!(response.is_object(), "{method} {path} never says {}: {reply:?}", reply.code);
        let kind = &reply.headers["content-type"];
        let schema = &response["content"][kind]["schema"];
        assert!(schema.is_object(), "{method} {path} is not {kind}");
        self.assert_valid(schema, &reply.json());
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert((method.to_owned(), path, reply.code));
    }

    /// Valid, and there is nothing of which the schema does not speak.
    fn assert_valid(&self, schema: &Value, value: &Value) {
        let mut whole = json!({ "allOf": [schema], "components": self.json["components"] });
        forbid_others(&mut whole);
        let validator = jsonschema::draft202012::new(&whole).expect("a schema");
        let errors: Vec<String> = validator.iter_errors(value).map(|it| it.to_string()).collect();
        assert!(errors.is_empty(), "{errors:#?}\n{schema:#}\n{value:#}");
    }
}

/// What has properties has these alone.
fn forbid_others(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if map.get("properties").is_some_and(Value::is_object) && map.contains_key("type") {
                map.entry("additionalProperties").or_insert(Value::Bool(false));
            }
            map.values_mut().for_each(forbid_others);
        }
        Value::Array(items) => items.iter_mut().for_each(forbid_others),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_a_document_of_openapi_3_1() {
    let scene = Scene::open().await;
    let json = &scene.document.json;
    assert_eq!(json["openapi"], "3.1.0");
    let mut ids = BTreeSet::new();
    for (path, methods) in scene.document.operations() {
        for method in methods {
            let operation = &json["paths"][&path][&method];
            let id = operation["operationId"].as_str().expect("an id").to_owned();
            assert!(ids.insert(id), "{path}: another operation is called so");
            let is_said = |text: &Value| text.as_str().is_some_and(|text| !text.is_empty());
            assert!(is_said(&operation["summary"]), "{path}");
            let named = operation["parameters"].as_array().expect("a list");
            let in_path = named.iter().filter(|it| it["in"] == "path").count();
            assert_eq!(in_path, path.matches('{').count(), "{path}");
        }
    }
    // What is pointed at is there, and what is there is pointed at or told on a stream.
    let text = json.to_string();
    let pointed: BTreeSet<&str> = text
        .split("\"#/components/schemas/")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    let schemas = json["components"]["schemas"].as_object().expect("schemas");
    let mut there: BTreeSet<&str> = schemas.keys().map(String::as_str).collect();
    assert!(there.remove("CloudEvent") && there.remove("Gap"), "{there:?}");
    assert_eq!(pointed, there);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_in_it_is_answered_as_it_says() {
    let scene = Scene::open().await;
    scene.release("v2", "bake = \"1h\"");
    scene.house.until_phase("Baking").await;
    let api = |verb: &str| format!("/api/v1/services/api/{verb}");
    let paths = [
        "status",
        "services/api",
        "services/api/course",
        "history",
        "history/api",
        "file",
        "openapi.json",
    ];
    for path in paths {
        assert_eq!(scene.get(&format!("/api/v1/{path}")).await.code, 200, "{path}");
    }
    assert_eq!(scene.get("/api/v1/services/web").await.code, 404);
    assert_eq!(scene.get("/api/v1/services/web/course").await.code, 404);
    assert_eq!(scene.get("/api/v1/history/a%2fb").await.code, 404);
    let dry = json!({ "dry_run": true });
    for verb in ["pause", "resume", "promote", "rollback", "retry"] {
        if verb == "retry" {
            scene.house.until_phase("Failed").await;
        }
        let dry = scene.post(&api(verb), &dry).await;
        let done = scene.post(&api(verb), &json!({})).await;
        assert_eq!((dry.code, done.code), (200, 200), "{verb}: {dry:?} {done:?}");
    }
    assert_eq!(scene.post(&api("forget"), &json!({})).await.code, 409);
    let text = scene.pools.file("v1", "bake = \"1s\"");
    assert_eq!(scene.post("/api/v1/plan", &json!({ "text": text })).await.code, 200);
    let wrong = json!({ "path": "new.toml", "text": "version = 2" });
    let mistaken = scene.post("/api/v1/plan", &wrong).await;
    assert_eq!(mistaken.code, 422);
    assert!(mistaken.body.contains("new.toml:1:11"), "{mistaken:?}");
    assert_eq!(scene.post("/api/v1/plan", &json!({})).await.code, 400);
    assert_eq!(scene.post(&api("sample"), &json!({ "clients": 10 })).await.code, 200);
    assert_eq!(scene.post(&api("sample"), &json!({ "clients": "x" })).await.code, 400);
    assert_eq!(scene.post("/api/v1/freeze", &json!({ "reason": "tests" })).await.code, 200);
    assert_eq!(scene.post("/api/v1/freeze", &json!({})).await.code, 409);
    assert_eq!(scene.post("/api/v1/unfreeze", &json!({})).await.code, 200);
    assert_eq!(scene.post("/api/v1/unfreeze", &json!({ "now": true })).await.code, 400);
    forgotten(&scene).await;
    let seen = scene.document.seen.lock().unwrap_or_else(PoisonError::into_inner);
    for (path, methods) in scene.document.operations() {
        for method in methods.into_iter().filter(|_| path != "/events") {
            let is_done = seen.contains(&(method.clone(), path.clone(), 200));
            assert!(is_done, "{method} {path} was never done");
        }
    }
}

/// The file names another service instead.
async fn forgotten(scene: &Scene) {
    let file = scene.pools.file("v1", "bake = \"1s\"");
    scene.house.save(&file.replace("services.api", "services.web"));
    scene.house.until("orphaned", |status| status.services["api"].orphaned).await;
    let path = "/api/v1/services/api/forget";
    let foretold = scene.post(path, &json!({ "dry_run": true })).await;
    assert_eq!(foretold.json()["removed"], json!(["api"]));
    assert!(scene.house.status().await.services.contains_key("api"));
    assert_eq!(scene.post(path, &json!({})).await.code, 200);
    assert!(!scene.house.status().await.services.contains_key("api"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_in_it_is_not_there() {
    let scene = Scene::open().await;
    for (path, methods) in scene.document.operations() {
        let path = format!("/api/v1{}", path.replace("{service}", "api"));
        for method in ["get", "post", "put", "delete", "patch", "options"] {
            if methods.iter().any(|it| it == method) {
                continue;
            }
            let head = format!("{} {path} HTTP/1.1\r\nhost: 127.0.0.1", method.to_uppercase());
            let reply = scene.raw(&head, "").await;
            assert_eq!(reply.code, 405, "{method} {path}: {reply:?}");
            assert_eq!(reply.undone().0, "wrong_method");
            assert!(reply.headers.contains_key("allow"), "{reply:?}");
        }
    }
    for path in ["/api/v1", "/api/v1/", "/api/v1/services/api/stop", "/api/v2/status", "/x"] {
        let reply = scene.get(path).await;
        assert_eq!((reply.code, reply.undone().0.as_str()), (404, "not_found"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_with_everything_in_it_is_as_the_document_says() {
    let ramp = "ramp = [{ share = \"10%\", bake = \"1h\" }]\n";
    let scene = Scene::open_with(ramp).await;
    let more = "tests = [{ http = { port = 1, path = \"/\" } }]";
    scene.release("v2", &format!("{ramp}{more}"));
    let begun = std::time::Instant::now();
    loop {
        let status = scene.get("/api/v1/status").await.json();
        let release = &status["services"]["api"]["release"];
        let tests = release["proof"]["tests"].as_array().map(Vec::len);
        if release["reason"].is_string() && tests > Some(0) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{status:#}");
        pause().await;
    }
}
