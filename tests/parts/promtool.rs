//! What promtool, which comes with Prometheus, says of the metrics and of the alerts.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use super::{
    common::scrape::{ELSEWHERE, metrics, named, names},
    server::program,
};

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
    let exist = names(&metrics);
    let text = fs::read_to_string(alerts()).expect("readable");
    let asked = named(&text);
    assert!(asked.len() > 10, "the names were not found: {asked:?}");
    let missing: Vec<&&str> = asked.difference(&exist).collect();
    assert_eq!(missing, ELSEWHERE.iter().collect::<Vec<_>>());
}
