//! The dashboard: each of its queries is put to a real Prometheus that scrapes a daemon in the middle of a
//! release, and must find something there.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use cutover::model::{Hook, HookKind};
use serde_json::Value;

use super::{
    common::{House, pools::Pools},
    prometheus::{Exporter, Prometheus},
};

/// Whatever is scraped twice in this time has a rate.
const RANGE: &str = "30s";
/// What there need not be in the middle of a ramp on which all is well.
const MAY_BE_EMPTY: [&str; 7] = [
    "cutover_release_duration_seconds_bucket",
    "cutover_events_dropped_total",
    "phase=\"RollingBack\"",
    "result!=\"good\"",
    "cutover_confirmed",
    "cutover_pool_cached_ratio",
    "changes(",
];

/// Everything in the dashboard that is asked of Prometheus.
fn queries() -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/grafana/cutover.json");
    let text = fs::read_to_string(path).expect("readable");
    let dashboard: Value = serde_json::from_str(&text).expect("JSON");
    let mut queries = BTreeSet::new();
    collect(&dashboard, &mut queries);
    queries
}

fn collect(value: &Value, queries: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            queries.extend(members.get("expr").and_then(Value::as_str).map(plain));
            members.values().for_each(|member| collect(member, queries));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, queries)),
        _ => {}
    }
}

/// As Grafana asks it: with all services, daemons and some range.
fn plain(query: &str) -> String {
    let all = query.replace("$instance", ".+").replace("$service", ".+");
    all.replace("$__rate_interval", RANGE).replace("$__range", RANGE)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_query_of_the_dashboard_finds_something() {
    let errors = Exporter::start(&[("errors_ratio", 0.01)]).await;
    let target = errors.target();
    let Some(guards) = Prometheus::start(Duration::from_millis(200), &[(&target, &[])]).await
    else {
        return;
    };
    guards.wait_for("errors_ratio", |values| values == [0.01]).await;
    let pools = Pools::start().await;
    let check = format!("{{ http = {{ port = {} }} }}", pools.port);
    let more = format!(
        "ramp = [{{ share = \"50%\", bake = \"1h\" }}]\ntests = [{check}]\n\
         guards = [{{ name = \"errors\", query = \"errors_ratio\", max = 0.5, interval = \"1s\" }}]\n\
         performance = {{ http = {{ port = {} }}, p99 = \"10s\", requests = 5, samples_min = 1 }}\n",
        pools.port
    );
    let house = House::start_with("127.0.0.1", &pools.file("v1", &more), |settings| {
        let (url, timeout) = (guards.url().parse().expect("a URL"), Hook::TIMEOUT);
        let metrics = cutover::model::Prometheus { url, token_file: None, timeout };
        settings.outside.metrics = Some(metrics);
        let kind = HookKind::Command { command: "/bin/true".into(), arguments: Vec::new() };
        settings.events.push(Hook { name: "chat".parse().expect("a label"), kind, timeout });
    })
    .await;
    house.until_pool_is("v2", "up").await;
    let scraped = house.daemon.http().to_string();
    let scraping = Prometheus::start(Duration::from_millis(500), &[(&scraped, &[])]).await;
    let Some(scraping) = scraping else { return };
    scraping.wait_for("cutover_ready", |values| values == [1.0]).await;
    house.save(&pools.file("v2", &more));
    house.until_phase("Judging").await;
    let mut missing: Vec<String> = queries().into_iter().filter(|query| must_find(query)).collect();
    assert!(missing.len() > 30, "the queries were not found: {missing:?}");
    let begun = std::time::Instant::now();
    while !missing.is_empty() {
        // Shares are of answers, and rates of what goes on.
        house.client.ask("api.zone.test", "A").await;
        let mut empty = Vec::new();
        for query in missing {
            if scraping.values(&query).await.is_empty() {
                empty.push(query);
            }
        }
        missing = empty;
        assert!(begun.elapsed() < super::PATIENCE, "these find nothing: {missing:#?}");
    }
    // They are asked all the same, and understood.
    for query in queries().into_iter().filter(|query| !must_find(query)) {
        scraping.values(&query).await;
    }
}

fn must_find(query: &str) -> bool {
    !MAY_BE_EMPTY.iter().any(|part| query.contains(part))
}
