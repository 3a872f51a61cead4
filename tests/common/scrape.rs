//! What a daemon shows to Prometheus, and the metrics that a text names.

use std::collections::BTreeSet;

use cutover::{
    admin::client,
    model::{Hook, HookKind, Prometheus},
};

use super::{House, pools::Pools};

/// There are none without a certificate: `tests/encrypted/` asks for these.
pub const ELSEWHERE: [&str; 1] = ["cutover_tls_reloads_total"];

/// In the middle of a release, with tests, a measurement, a guard, a hook and a client.
pub async fn metrics() -> String {
    let pools = Pools::start().await;
    let check = format!("http = {{ port = {} }}", pools.port);
    let more = format!(
        "bake = \"1h\"\nguards = [{{ name = \"a\", query = \"up\", max = 1 }}]\ntests = [{{ {check} }}]\n\
         performance = {{ {check}, p99 = \"10s\", requests = 5, samples_min = 1 }}"
    );
    let file = |live| {
        let cloud = "[services.api.pools.cloud]\nalias = \"lb.example.net\"\n";
        format!("{}{cloud}", pools.file(live, &more))
    };
    let house = House::start_with("127.0.0.1", &file("v1"), |settings| {
        settings.resolvers = Some(vec!["127.0.0.1:1".parse().expect("nobody")]);
        let url = "http://127.0.0.1:1".parse().expect("a URL");
        let timeout = Prometheus::TIMEOUT;
        settings.outside.metrics = Some(Prometheus { url, token_file: None, timeout });
        let kind = HookKind::Command { command: "/bin/true".into(), arguments: Vec::new() };
        let name = "chat".parse().expect("a label");
        settings.events.push(Hook { name, kind, timeout: Hook::TIMEOUT });
    })
    .await;
    house.until_pool_is("v2", "up").await;
    house.save(&file("v2"));
    house
        .until("the guard was asked", |status| {
            let release = status.services["api"].release.as_ref();
            release.is_some_and(|it| it.proof.guards.iter().any(|guard| guard.result.is_some()))
        })
        .await;
    // Shares are of answers.
    while house.api().await.pools["v2"].answered.is_none() {
        house.client.ask("api.zone.test", "A").await;
    }
    let page = client::get(house.daemon.http(), "/metrics").await;
    let (code, text) = page.expect("it answers");
    assert_eq!(code, 200);
    String::from_utf8(text.to_vec()).expect("text")
}

/// The metrics that there are.
pub fn names(metrics: &str) -> BTreeSet<&str> {
    let kinds = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    kinds.filter_map(|line| line.split(' ').next()).collect()
}

/// The metrics that a text names, but for those that it leaves open, as in `cutover_dns_…`.
pub fn named(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("cutover_") && !word.ends_with('_')).collect()
}
