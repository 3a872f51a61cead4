//! Who may ask what, over TCP.

use std::fs;

use serde_json::json;

use crate::{Scene, TOKEN, http::Reply};

const PAUSE: &str = "POST /api/v1/services/api/pause HTTP/1.1";

impl Scene {
    /// A change with these headers.
    async fn pause(&self, headers: &str, body: &str) -> Reply {
        self.raw(&format!("{PAUSE}\r\n{headers}"), body).await
    }
}

fn bearer(token: &str) -> String {
    format!("host: 127.0.0.1\r\nauthorization: Bearer {token}")
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_asked_by_address_or_by_a_name_of_its_own() {
    let scene = Scene::open().await;
    let port = scene.house.daemon.http().port();
    let get =
        async |host: &str| scene.raw(&format!("GET /metrics HTTP/1.1\r\nhost: {host}"), "").await;
    for good in [
        "127.0.0.1".to_owned(),
        format!("127.0.0.1:{port}"),
        "[::1]:80".to_owned(),
        "localhost".to_owned(),
        format!("LocalHost:{port}"),
        "cutover.example.com".to_owned(),
        "Cutover.Example.COM.:8443".to_owned(),
    ] {
        assert_eq!(get(&good).await.code, 200, "{good}");
    }
    let wrong = ["evil.test", "cutover.example.com.evil.test", "localhost.evil.test", "zone.test"];
    for (nth, wrong) in (1..).zip(wrong) {
        let reply = get(wrong).await;
        assert_eq!((reply.code, reply.undone().0.as_str()), (421, "misdirected"), "{wrong}");
        assert!(reply.undone().1.contains("`hosts` under [http] in cutover.toml"), "{reply:?}");
        assert_eq!(scene.counted("host").await, nth);
    }
    // The address as a whole counts more than the header.
    let whole = "GET http://evil.test/metrics HTTP/1.1\r\nhost: 127.0.0.1";
    assert_eq!(scene.raw(whole, "").await.code, 421);
    let twice = "GET /metrics HTTP/1.1\r\nhost: 127.0.0.1\r\nhost: 127.0.0.1";
    assert_eq!(scene.raw(twice, "").await.code, 400);
    assert_eq!(scene.raw("GET /metrics HTTP/1.1", "").await.code, 400);
    assert_eq!(scene.raw("GET /healthz HTTP/1.0", "").await.code, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_others_change_nothing() {
    let scene = Scene::open().await;
    scene.release("v2", "bake = \"1h\"");
    scene.house.until_phase("Baking").await;
    let from = |origin: &str| format!("{}\r\norigin: {origin}", bearer(TOKEN));
    for other in ["http://evil.test", "null", "http://127.0.0.1:1", "http://localhost", "x"] {
        let reply = scene.pause(&from(other), "").await;
        assert_eq!((reply.code, reply.undone().0.as_str()), (403, "forbidden"), "{other}");
        // What may be read is shown, but no other page may look at it.
        let head = format!("GET /status HTTP/1.1\r\nhost: 127.0.0.1\r\norigin: {other}");
        let read = scene.raw(&head, "").await;
        assert_eq!(read.code, 200);
        let cors = read.headers.keys().find(|name| name.starts_with("access-control-"));
        assert_eq!(cors, None);
    }
    assert_eq!(scene.house.api().await.phase, "Baking");
    assert_eq!(scene.counted("origin").await, 5);
    assert_eq!(scene.pause(&from("http://127.0.0.1"), "").await.code, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_takes_a_token() {
    let scene = Scene::open().await;
    scene.release("v2", "bake = \"1h\"");
    scene.house.until_phase("Baking").await;
    let close = format!("{}x", &TOKEN[..TOKEN.len() - 1]);
    for wrong in [
        "host: 127.0.0.1".to_owned(),
        bearer("nonsense"),
        bearer(&close),
        bearer(&TOKEN[1..]),
        bearer(""),
        format!("host: 127.0.0.1\r\nauthorization: Basic {TOKEN}"),
        format!("host: 127.0.0.1\r\nauthorization: {TOKEN}"),
    ] {
        let reply = scene.pause(&wrong, "").await;
        assert_eq!((reply.code, reply.undone().0.as_str()), (401, "unauthorized"), "{wrong}");
        assert_eq!(reply.headers["www-authenticate"], "Bearer");
        assert!(!reply.body.contains(TOKEN), "{reply:?}");
    }
    assert_eq!(scene.counted("token").await, 7);
    assert_eq!(scene.house.api().await.phase, "Baking");
    let good = format!("host: 127.0.0.1\r\nauthorization: bearer  {TOKEN}");
    assert_eq!(scene.pause(&good, "").await.code, 200);
    // Nor is anything said of a plan without it.
    let plan = "POST /api/v1/plan HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json";
    assert_eq!(scene.raw(plan, "{}").await.code, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_token_counts_without_a_restart() {
    let scene = Scene::open().await;
    let next = "b-token-that-nobody-guesses-0002";
    let code = async |token: &str| scene.pause(&bearer(token), "").await.code;
    // Nothing is being released, so whoever may ask is refused.
    assert_eq!((code(TOKEN).await, code(next).await), (409, 401));
    fs::write(&scene.token_file, next).expect("writable");
    assert_eq!((code(TOKEN).await, code(next).await), (401, 409));
    for wrong in ["short", ""] {
        fs::write(&scene.token_file, wrong).expect("writable");
        assert_eq!((code(wrong).await, code(next).await), (401, 401));
    }
    fs::remove_file(&scene.token_file).expect("there");
    assert_eq!(code(next).await, 401);
    fs::write(&scene.token_file, format!("\t{TOKEN}\n")).expect("writable");
    assert_eq!(code(TOKEN).await, 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_in_the_settings_nothing_is_changed_over_http() {
    let pools = crate::Pools::start().await;
    let house = crate::House::start(&pools.file("v1", "")).await;
    let http = house.daemon.http();
    let send = async |head: &str| {
        let stream = tokio::net::TcpStream::connect(http).await.expect("it listens");
        crate::send(stream, head, "").await
    };
    let reply = send(&format!("{PAUSE}\r\n{}", bearer(TOKEN))).await;
    assert_eq!((reply.code, reply.undone().0.as_str()), (403, "forbidden"));
    assert!(reply.undone().1.contains("tokens = { oncall = \"oncall.token\" }"), "{reply:?}");
    assert_eq!(send("GET /api/v1/status HTTP/1.1\r\nhost: 127.0.0.1").await.code, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_json_and_says_so() {
    let scene = Scene::open().await;
    let with = |kind: &str| format!("{}\r\ncontent-type: {kind}", bearer(TOKEN));
    for wrong in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx"] {
        let reply = scene.pause(&with(wrong), "{}").await;
        assert_eq!((reply.code, reply.undone().0.as_str()), (415, "not_json"), "{wrong}");
    }
    assert_eq!(scene.pause(&bearer(TOKEN), "{}").await.code, 415);
    for good in ["application/json", "Application/JSON; charset=utf-8"] {
        assert_eq!(scene.pause(&with(good), "{}").await.code, 409, "{good}");
    }
    assert_eq!(scene.pause(&bearer(TOKEN), "").await.code, 409, "nothing is said");
    for wrong in
        ["{", "[]", "1", "{} {}", "{\"dryrun\": true}", "{\"force\": \"freeze\"}", "\u{e9}"]
    {
        let reply = scene.pause(&with("application/json"), wrong).await;
        assert_eq!((reply.code, reply.undone().0.as_str()), (400, "misunderstood"), "{wrong}");
    }
    let deep = "[".repeat(3_000);
    assert_eq!(scene.pause(&with("application/json"), &deep).await.code, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_are_told_to_be_careful_with_all_of_it() {
    let scene = Scene::open().await;
    let unknown_host = "GET / HTTP/1.1\r\nhost: evil.test";
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1");
    for head in [
        get("/"),
        get("/status"),
        get("/metrics"),
        get("/nowhere"),
        get("/api/v1/status"),
        unknown_host.to_owned(),
        format!("{PAUSE}\r\nhost: 127.0.0.1"),
        "PUT / HTTP/1.1\r\nhost: 127.0.0.1".to_owned(),
    ] {
        let reply = scene.raw(&head, "").await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cache-control", "no-store"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(reply.headers.get(name).map(String::as_str), Some(value), "{head}");
        }
        let policy = &reply.headers["content-security-policy"];
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_asks_for_no_token_and_has_the_api_alone() {
    let scene = Scene::open().await;
    scene.release("v2", "bake = \"1h\"");
    scene.house.until_phase("Baking").await;
    let reply = scene.post_by_socket("/api/v1/services/api/pause", &json!({})).await;
    assert_eq!(reply.code, 200);
    assert!(reply.body.contains("pause by user "), "{reply:?}");
    for gone in ["/services/api/resume", "/freeze", "/metrics"] {
        let reply = scene.post_by_socket(gone, &json!({})).await;
        assert_eq!((reply.code, reply.undone().0.as_str()), (404, "not_found"), "{gone}");
    }
}
