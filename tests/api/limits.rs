//! How much of it: whoever is at the other end, the daemon holds out, and goes on answering others.

use cutover::admin::{
    server::{CONNECTIONS_MAX, HEAD_LEN_MAX, HEADERS_MAX},
    stream::STREAMS_MAX,
};
use tokio::{io::AsyncWriteExt, net::TcpStream};

use crate::{
    Scene, TOKEN,
    common::{PATIENCE, pause},
    http::{Listener, rest, send},
};

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_come_to_an_end_is_left() {
    let scene = Scene::open().await;
    let silent = scene.connect().await;
    let mut slow = scene.connect().await;
    slow.write_all(b"GET /status HTTP/1.1\r\nhost: ").await.expect("taken");
    // One that has been answered, and is kept for nothing.
    let mut idle = scene.connect().await;
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").await.expect("taken");
    let (silent, slow, idle) = tokio::join!(rest(silent), rest(slow), rest(idle));
    assert_eq!((silent.code, slow.code, idle.code), (0, 0, 200));
    assert_eq!(idle.body, "ok\n", "and nothing more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_is_so_long_and_no_longer() {
    let scene = Scene::open().await;
    let with = |more: &str| format!("GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n{more}");
    let long = |len: usize| with(&format!("x-long: {}", "x".repeat(len)));
    assert_eq!(scene.raw(&long(HEAD_LEN_MAX - 300), "").await.code, 200);
    assert_eq!(scene.raw(&long(HEAD_LEN_MAX), "").await.code, 431);
    assert_eq!(scene.raw(&long(100 * HEAD_LEN_MAX), "").await.code, 431);
    // Three of them are there already.
    let many = |count: usize| with(&vec!["x: y"; count].join("\r\n"));
    assert_eq!(scene.raw(&many(HEADERS_MAX - 3), "").await.code, 200);
    assert_eq!(scene.raw(&many(HEADERS_MAX), "").await.code, 431);
    let target = format!("GET /{} HTTP/1.1\r\nhost: 127.0.0.1", "x".repeat(HEAD_LEN_MAX));
    assert!([414, 431].contains(&scene.raw(&target, "").await.code));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_so_long_and_no_longer() {
    let scene = Scene::open().await;
    let post = |path: &str| {
        format!(
            "POST /api/v1/{path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {TOKEN}\r\n\
             content-type: application/json"
        )
    };
    let long = format!("{{\"reason\": \"{}\"}}", "x".repeat(100_000));
    let reply = scene.raw(&post("freeze"), &long).await;
    assert_eq!((reply.code, reply.undone().0.as_str()), (413, "too_long"));
    // A body without a length is counted as it comes.
    let mut stream = scene.connect().await;
    let head = format!("{}\r\ntransfer-encoding: chunked\r\n\r\n", post("freeze"));
    stream.write_all(head.as_bytes()).await.expect("taken");
    let piece = format!("4000\r\n{}\r\n", "x".repeat(0x4000));
    for _ in 0..5 {
        if stream.write_all(piece.as_bytes()).await.is_err() {
            break;
        }
    }
    assert_eq!(rest(stream).await.code, 413);
    // A draft may be as long as a file.
    let draft = serde_json::json!({ "text": "#\n".repeat(1 << 20) }).to_string();
    assert_eq!(scene.raw(&post("plan"), &draft).await.code, 422, "it lacks a version");
    assert_eq!(scene.house.status().await.freeze, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_so_many_connections_and_one_more_is_told_so() {
    let scene = Scene::open().await;
    let mut crowd: Vec<TcpStream> = Vec::new();
    // Those that tests before have let go may not have gone yet.
    for _ in 0..CONNECTIONS_MAX {
        crowd.push(scene.connect().await);
    }
    let begun = std::time::Instant::now();
    let head = "GET /healthz HTTP/1.1\r\nhost: 127.0.0.1";
    let told = loop {
        let reply = scene.raw(head, "").await;
        if reply.code == 503 {
            break reply;
        }
        crowd.push(scene.connect().await);
        assert!(begun.elapsed() < PATIENCE, "{reply:?}");
    };
    assert_eq!(told.headers["retry-after"], "1");
    assert!(told.undone().1.contains("256 connections"), "{told:?}");
    // Questions are none of it, nor are verbs.
    assert_eq!(scene.house.client.ask("api.zone.test", "A").await.addresses, scene.pools.v1);
    let nothing = serde_json::json!({});
    let verb = scene.post_by_socket("/api/v1/services/api/pause", &nothing).await;
    assert_eq!(verb.code, 409);
    drop(crowd);
    loop {
        let reply = scene.raw(head, "").await;
        if reply.code == 200 {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "{reply:?}");
        pause().await;
    }
    assert!(scene.counted("connections").await >= 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_so_many_streams() {
    let scene = Scene::open().await;
    let mut listeners = Vec::new();
    for _ in 0..STREAMS_MAX {
        let listener = Listener::begin(scene.connect().await, "/api/v1/events", "").await;
        assert_eq!(listener.code, 200);
        listeners.push(listener);
    }
    let one_more = scene.get("/api/v1/events").await;
    assert_eq!((one_more.code, one_more.undone().0.as_str()), (503, "unavailable"));
    assert_eq!(scene.counted("streams").await, 1);
    let open = async || {
        let metrics = scene.get("/metrics").await.body;
        let line = metrics.lines().find_map(|it| it.strip_prefix("cutover_http_streams "));
        line.expect("counted").parse::<usize>().expect("a number")
    };
    assert_eq!(open().await, STREAMS_MAX);
    listeners.pop();
    let begun = std::time::Instant::now();
    // That somebody has gone is noticed.
    while open().await == STREAMS_MAX {
        assert!(begun.elapsed() < PATIENCE);
        pause().await;
    }
    let listener = Listener::begin(scene.connect().await, "/api/v1/events", "").await;
    assert_eq!(listener.code, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_http_is_turned_away() {
    let scene = Scene::open().await;
    for nonsense in ["\0\0\0", "GET", "PRI * HTTP/2.0\r\n\r\nSM", "GET / HTTP/9.9"] {
        let reply = send(scene.connect().await, nonsense, "").await;
        assert!([0, 400, 505].contains(&reply.code), "{nonsense:?}: {reply:?}");
    }
    assert_eq!(scene.get("/healthz").await.code, 200);
}
