//! Guards that ask a server which speaks as Prometheus does; the real one is among the parts.

use cutover::model::Prometheus;

use crate::{
    common::{House, pools::Pools},
    last, release,
    server::{Asked, Server},
};

const TOKEN: &str = "only-some-know";

fn vector(values: &[&str]) -> (u16, String) {
    let series = |value: &&str| format!(r#"{{"metric":{{}},"value":[1700000000,"{value}"]}}"#);
    let series: Vec<String> = values.iter().map(series).collect();
    let result = series.join(",");
    let data = format!(r#"{{"resultType":"vector","result":[{result}]}}"#);
    (200, format!(r#"{{"status":"success","data":{data}}}"#))
}

async fn scene(pools: &Pools, server: &Server, more: &str) -> House {
    let url = format!("http://{}/prom", server.at).parse().expect("a URL");
    let house = House::start_with("127.0.0.1", &watched(pools, "v1", more), |settings| {
        let (timeout, token) = (Prometheus::TIMEOUT, settings.release_file.with_file_name("token"));
        std::fs::write(&token, format!("{TOKEN}\n")).expect("written");
        settings.outside.metrics = Some(Prometheus { url, token_file: Some(token), timeout });
    })
    .await;
    house.until_pool_is("v2", "up").await;
    house
}

/// A bake that a second of the guard is enough for.
fn watched(pools: &Pools, live: &str, more: &str) -> String {
    let query = "rate(errors{service=\"{{service}}\",pool=\"{{pool}}\"}[1m])";
    let guard = format!("{{ name = \"errors\", interval = \"1s\", query = '{query}', {more} }}");
    pools.file(live, &format!("bake = \"1h\"\nguards = [{guard}]"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_beyond_its_limit_rolls_back_within_an_interval() {
    let pools = Pools::start().await;
    let server = Server::start(|_| vector(&["0.001"])).await;
    let house = scene(&pools, &server, "max = 0.01").await;
    house.save(&watched(&pools, "v2", "max = 0.01"));
    house.until_answered(&pools.v1, &pools.v2).await;
    house
        .until("a value", |status| {
            let release = status.services["api"].release.as_ref();
            release.is_some_and(|it| it.proof.guards.iter().any(|guard| guard.value == Some(0.001)))
        })
        .await;
    let Asked { path, body, headers } = server.asked().remove(0);
    assert_eq!(path, "/prom/api/v1/query");
    assert_eq!(headers["authorization"], format!("Bearer {TOKEN}"));
    let shown = format!("{:?}", house.status().await);
    assert!(!shown.contains(TOKEN), "{shown}");
    let query = "query=rate%28errors%7Bservice%3D%22api%2Ezone%2Etest%22%2Cpool%3D%22v2%22%7D";
    assert!(body.starts_with(query), "{body}");
    server.says(|_| vector(&["0.02"]));
    house.until_answered(&pools.v2, &pools.v1).await;
    let back = last(&house).await;
    let back = back.steps.iter().find(|step| step.to == "RollingBack").expect("it went back");
    let why = "guard errors is 0.02 of v2, and it must be at most 0.01: rolled back to v1";
    assert_eq!(back.why, why);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_value_it_stands_still_and_goes_on_with_one() {
    let pools = Pools::start().await;
    let server = Server::start(|_| vector(&["0"])).await;
    let more = "max = 0.01, error_limit = 0";
    let house = scene(&pools, &server, more).await;
    house.save(&watched(&pools, "v2", more));
    house.until_answered(&pools.v1, &pools.v2).await;
    let reasons = [
        (vector(&[]), "there is no data"),
        (vector(&["NaN"]), "it is NaN"),
        (vector(&["1", "2"]), "the query gives 2 series, and must give one"),
        ((503, "no".to_owned()), "what is asked does not answer as Prometheus does (status 503)"),
    ];
    for (said, why) in reasons {
        server.says(move |_| said.clone());
        let wanted = format!("paused without data (guard errors has no value of v2: {why}");
        house
            .until(why, |status| {
                let api = &status.services["api"];
                let reason = api.release.as_ref().and_then(|it| it.reason.clone());
                api.phase == "Paused" && reason.is_some_and(|it| it.starts_with(&wanted))
            })
            .await;
        assert_eq!(house.client.ask("api.zone.test", "A").await.addresses, pools.v2);
        server.says(|_| vector(&["0"]));
        house.until_phase("Baking").await;
    }
    drop(server);
    house.until_phase("Paused").await;
    let reason = release(&house.api().await).reason.clone().unwrap_or_default();
    assert!(
        reason.contains("Prometheus cannot be asked: cannot connect to 127.0.0.1:"),
        "{reason}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relative_guard_asks_for_the_old_pool_when_it_had_clients() {
    let pools = Pools::start().await;
    let say = |new: &'static str| {
        move |asked: &Asked| match asked.body.contains("pool%3D%22v1%22") {
            true => vector(&["10"]),
            false => vector(&[new]),
        }
    };
    let server = Server::start(say("11")).await;
    let more = "max = \"1.2x\"";
    let house = scene(&pools, &server, more).await;
    house.save(&watched(&pools, "v2", more));
    house.until_answered(&pools.v1, &pools.v2).await;
    house
        .until("a value", |status| {
            let release = status.services["api"].release.as_ref();
            release.is_some_and(|it| it.proof.guards.iter().any(|guard| guard.old == Some(10.0)))
        })
        .await;
    let asked = server.asked();
    let of_old = asked.iter().find(|asked| asked.body.contains("v1")).expect("it was asked for");
    assert!(of_old.body.contains("&time="), "{of_old:?}");
    assert!(asked.iter().filter(|it| it.body.contains("v2")).all(|it| !it.body.contains("&time")));
    server.says(say("13"));
    house.until_answered(&pools.v2, &pools.v1).await;
    let back = last(&house).await;
    let back = back.steps.iter().find(|step| step.to == "RollingBack").expect("it went back");
    let why = "guard errors is 13 of v2, and it must be at most 12, 1.2x of 10 of v1: rolled back \
               to v1";
    assert_eq!(back.why, why);
}
