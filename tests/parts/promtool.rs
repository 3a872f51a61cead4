//! What promtool, which comes with Prometheus, says of the metrics and of the alerts.

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use cutover::model::{Hook, HookKind, Prometheus};

use super::{
    common::{House, pools::Pools},
    server::program,
};

/// There are none without a certificate: `tests/encrypted/` asks for these.
const ELSEWHERE: [&str; 1] = ["cutover_tls_reloads_total"];

fn alerts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/prometheus/alerts.yml")
}

fn run(promtool: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(promtool);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it runs");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

fn said(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    format!("{out}{err}")
}

/// In the middle of a release, with tests, a measurement, a guard and a hook.
async fn metrics() -> String {
    let pools = Pools::start().await;
    let check = format!("http = {{ port = {} }}", pools.port);
    let more = format!(
        "bake = \"1h\"\nguards = [{{ name = \"a\", query = \"up\", max = 1 }}]\ntests = [{{ {check} }}]\n\
         performance = {{ {check}, p99 = \"10s\", requests = 5, samples_min = 1 }}"
    );
    let more = more.as_str();
    let house = House::start_with("127.0.0.1", &pools.file("v1", more), |settings| {
        let url = "http://127.0.0.1:1".parse().expect("a URL");
        let timeout = Prometheus::TIMEOUT;
        settings.outside.metrics = Some(Prometheus { url, token_file: None, timeout });
        let kind = HookKind::Command { command: "/bin/true".into(), arguments: Vec::new() };
        let name = "chat".parse().expect("a label");
        settings.events.push(Hook { name, kind, timeout: Hook::TIMEOUT });
    })
    .await;
    house.until_pool_is("v2", "up").await;
    house.save(&pools.file("v2", more));
    house
        .until("the guard was asked", |status| {
            let release = status.services["api"].release.as_ref();
            release.is_some_and(|it| it.proof.guards.iter().any(|guard| guard.result.is_some()))
        })
        .await;
    let page = cutover::admin::client::get(house.daemon.http(), "/metrics").await;
    let (code, text) = page.expect("it answers");
    assert_eq!(code, 200);
    String::from_utf8(text.to_vec()).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn promtool_finds_nothing_wrong_with_the_metrics() {
    let Some(promtool) = program("promtool") else { return };
    let metrics = metrics().await;
    let checked = run(&promtool, &["check", "metrics"], &metrics);
    assert!(checked.status.success() && said(&checked).is_empty(), "{}", said(&checked));
    // It would say so.
    let helpless = |line: &&str| !line.starts_with("# HELP cutover_ready ");
    let wrong: String = metrics.lines().filter(helpless).map(|line| format!("{line}\n")).collect();
    assert!(!run(&promtool, &["check", "metrics"], &wrong).status.success());
}

#[test]
fn the_alerts_pass_their_tests() {
    let Some(promtool) = program("promtool") else { return };
    let alerts = alerts().display().to_string();
    let checked = run(&promtool, &["check", "rules", &alerts], "");
    assert!(checked.status.success(), "{}", said(&checked));
    let folder = tempfile::tempdir().expect("a folder");
    let tests = folder.path().join("alerts.yml");
    let text = include_str!("alerts.yml").replace("[RULES]", &format!("[{alerts:?}]"));
    fs::write(&tests, text).expect("written");
    let tested = run(&promtool, &["test", "rules", &tests.display().to_string()], "");
    assert!(tested.status.success(), "{}", said(&tested));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_alerts_ask_for_metrics_that_exist() {
    let metrics = metrics().await;
    let kinds = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let exist: BTreeSet<&str> = kinds.filter_map(|line| line.split(' ').next()).collect();
    let text = fs::read_to_string(alerts()).expect("readable");
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let asked: BTreeSet<&str> = words.filter(|word| word.starts_with("cutover_")).collect();
    assert!(asked.len() > 10, "the names were not found: {asked:?}");
    let missing: Vec<&&str> = asked.difference(&exist).collect();
    assert_eq!(missing, ELSEWHERE.iter().collect::<Vec<_>>());
}
