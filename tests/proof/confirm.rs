//! Who must say yes before a step.

use std::{fs, net::SocketAddr, time::Duration};

use cutover::model::Confirmer;
use data_encoding::BASE64;
use ring::hmac;

use crate::{
    common::{House, add_zone, pools::Pools},
    release,
    server::Server,
};

const SECRET: &str = "a secret that is long enough";

async fn scene(pools: &Pools, server: &Server, more: &str) -> House {
    scene_at(pools, server.at, Duration::from_secs(5), more).await
}

async fn scene_at(pools: &Pools, at: SocketAddr, timeout: Duration, more: &str) -> House {
    let url = format!("http://{at}/ask").parse().expect("a URL");
    let file = pools.file("v1", more);
    let house = House::start_with("127.0.0.1", &file, |settings| {
        let secret = settings.release_file.with_file_name("secret");
        fs::write(&secret, SECRET).expect("written");
        let hook = Confirmer {
            url,
            secret_file: Some(secret),
            timeout,
            interval: Duration::from_millis(50),
        };
        settings.outside.confirm.insert("board".parse().expect("a label"), hook);
    })
    .await;
    house.until_pool_is("v2", "up").await;
    house
}

#[tokio::test(flavor = "multi_thread")]
async fn each_step_waits_for_a_yes_and_what_is_asked_is_signed() {
    let pools = Pools::start().await;
    let server = Server::start(|_| (423, "not before\nMonday".to_owned())).await;
    let more = "confirm = [\"board\"]\nbake = \"0s\"\nramp = [{ share = \"50%\", bake = \"0s\" }]";
    let house = scene(&pools, &server, more).await;
    house.save(&pools.file("v2", more));
    let status = house
        .until("an answer", |status| {
            let release = status.services["api"].release.as_ref();
            release.is_some_and(|it| it.reason.as_ref().is_some_and(|why| why.contains("holds")))
        })
        .await;
    let api = &status.services["api"];
    assert_eq!((api.phase.as_str(), api.serving["v1"]), ("Waiting", 100));
    assert_eq!(release(api).reason.as_deref(), Some("board holds: status 423"));
    let confirm = &release(api).proof.confirm[0];
    assert_eq!((confirm.go, confirm.detail.as_str()), (Some(false), "not before"));
    let asked = server.asked().remove(0);
    let header = |name: &str| asked.headers[name].clone();
    let signed = format!("{}.{}.{}", header("webhook-id"), header("webhook-timestamp"), asked.body);
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let tag = BASE64.encode(hmac::sign(&key, signed.as_bytes()).as_ref());
    assert_eq!(header("webhook-signature"), format!("v1,{tag}"));
    let body: serde_json::Value = serde_json::from_str(&asked.body).expect("JSON");
    assert_eq!(
        (&body["service"], &body["share"], &body["next_share"]),
        (&"api".into(), &0.into(), &50.into())
    );
    // Yes to the first step alone.
    server.says(|asked| match asked.body.contains("\"share\":0,") {
        true => (204, String::new()),
        false => (500, "broken".to_owned()),
    });
    let status = house
        .until("the second question", |status| {
            let api = &status.services["api"];
            let why = api.release.as_ref().and_then(|it| it.reason.as_deref());
            api.phase == "Waiting" && why == Some("board holds: status 500")
        })
        .await;
    assert_eq!(status.services["api"].serving["v2"], 50);
    server.says(|_| (200, "go".to_owned()));
    house.until_phase("Steady").await;
    assert_eq!(house.api().await.serving["v2"], 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_asked_is_told_the_zone_of_the_service() {
    let pools = Pools::start().await;
    let server = Server::start(|_| (423, String::new())).await;
    let more = "confirm = [\"board\"]\nbake = \"0s\"";
    let file = |live| pools.file(live, more).replacen("live =", "zone = \"other.test\"\nlive =", 1);
    let url = format!("http://{}/ask", server.at).parse().expect("a URL");
    let (timeout, interval) = (Duration::from_secs(5), Duration::from_millis(50));
    let hook = Confirmer { url, secret_file: None, timeout, interval };
    let house = House::start_with("127.0.0.1", &file("v1"), |settings| {
        settings.outside.confirm.insert("board".parse().expect("a label"), hook);
        add_zone(settings, "other.test");
    })
    .await;
    house.until_pool_is("v2", "up").await;
    house.save(&file("v2"));
    house.until("a question", |_| !server.asked().is_empty()).await;
    let body: serde_json::Value = serde_json::from_str(&server.asked()[0].body).expect("JSON");
    assert_eq!((&body["zone"], &body["service"]), (&"other.test".into(), &"api".into()));
    house.daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_nothing_in_time_holds() {
    let pools = Pools::start().await;
    // It takes connections, and that is all.
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let more = "confirm = [\"board\"]\nbake = \"0s\"";
    let at = silent.local_addr().expect("bound");
    let house = scene_at(&pools, at, Duration::from_secs(1), more).await;
    house.save(&pools.file("v2", more));
    let holds = "board holds: no answer within 1s";
    house
        .until(holds, |status| {
            let release = status.services["api"].release.as_ref();
            release.is_some_and(|it| it.reason.as_deref() == Some(holds))
        })
        .await;
    assert_eq!(house.client.ask("api.zone.test", "A").await.addresses, pools.v1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_answer_holds() {
    let pools = Pools::start().await;
    let server = Server::start(|_| (200, String::new())).await;
    let more = "confirm = [\"board\"]\nbake = \"0s\"";
    let house = scene(&pools, &server, more).await;
    drop(server);
    house.save(&pools.file("v2", more));
    let status = house
        .until("an answer", |status| {
            let release = status.services["api"].release.as_ref();
            release.is_some_and(|it| it.reason.as_ref().is_some_and(|why| why.contains("holds")))
        })
        .await;
    let reason = release(&status.services["api"]).reason.clone().unwrap_or_default();
    assert!(reason.starts_with("board holds: cannot connect to 127.0.0.1:"), "{reason}");
    assert_eq!(house.client.ask("api.zone.test", "A").await.addresses, pools.v1);
}
