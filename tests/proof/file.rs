//! What the files say about proof, and what is wrong with it.

use std::path::Path;

use cutover::{
    config::{release, settings},
    model::{Outside, Zones},
};

const SETTINGS: &str = r#"version = 1
zone = "zone.test"
nameservers = ["ns1.elsewhere.test"]
hostmaster = "hostmaster@zone.test"
"#;

fn outside(text: &str) -> (Zones, Outside) {
    let text = format!("{SETTINGS}{text}");
    let settings = settings::parse(Path::new("/etc/cutover/cutover.toml"), &text);
    let settings = settings.unwrap_or_else(|error| panic!("{error}"));
    (settings.zones, settings.outside)
}

fn all() -> (Zones, Outside) {
    outside(
        r#"prometheus = { url = "http://127.0.0.1:9090/prom", token_file = "token" }
[confirm.change-board]
url = "https://change.example.com/cutover"
secret_file = "/run/secret"
timeout = "5s"
interval = "1m"
"#,
    )
}

fn file(release: &str) -> String {
    format!(
        "version = 1\n[services.api]\nlive = \"v1\"\npools.v1.endpoints = [\"192.0.2.1\"]\n\
         [services.api.release]\n{release}\n"
    )
}

fn mistakes(release: &str, (zone, outside): &(Zones, Outside)) -> String {
    let parsed = release::parse(Path::new("release.toml"), &file(release), zone, outside);
    parsed.expect_err("refused").to_string()
}

#[test]
fn all_that_can_be_said_of_proof_is_read() {
    let text = r#"
confirm = ["Change-Board"]
tests = [
    { exec = { command = "/usr/lib/smoke", arguments = ["-v"] }, timeout = "5m" },
    { http = { port = 8080, path = "/smoke" } },
]
performance = { https = { port = 443 }, requests = 50, duration = "10s", concurrency = 2, rate = 20,
    samples_min = 40, timeout = "1s", interval = "2m", tolerance = "5ms", mean = "100ms", p50 = "1.1x",
    p90 = "150ms", p95 = "1.2x", p99 = "2x", errors = "0.5%", throughput = 12.5 }
guards = [
    { name = "errors", query = 'sum(rate(errors{pool="{{pool}}",service="{{service}}"}[1m]))', max = "1.5x", tolerance = 0.01, interval = "10s", count = 3, fail_limit = 1, error_limit = 0 },
    { name = "queue", query = "max(queue_length)", min = -1, max = 1e3 },
]"#;
    let (zone, outside) = all();
    let desired = release::parse(Path::new("release.toml"), &file(text), &zone, &outside);
    let desired = desired.unwrap_or_else(|error| panic!("{error}"));
    let policy = &desired.services.values().next().expect("one").release;
    let mut shown: Vec<String> = policy.tests.iter().map(ToString::to_string).collect();
    shown.extend(policy.performance.iter().map(ToString::to_string));
    shown.extend(policy.guards.iter().map(ToString::to_string));
    shown.push(format!("{:?}", policy.confirm));
    shown.push(format!("{outside:#?}"));
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn what_is_left_out_has_defaults() {
    let text = r#"
performance = { tcp = { port = 80 }, p95 = "1.2x" }
tests = [{ tcp = { port = 80 } }]
guards = [{ name = "a", query = "up", min = 1 }]"#;
    let (zone, outside) = all();
    let desired = release::parse(Path::new("release.toml"), &file(text), &zone, &outside);
    let desired = desired.unwrap_or_else(|error| panic!("{error}"));
    let policy = &desired.services.values().next().expect("one").release;
    let mut shown: Vec<String> = policy.tests.iter().map(ToString::to_string).collect();
    shown.extend(policy.performance.iter().map(ToString::to_string));
    shown.extend(policy.guards.iter().map(ToString::to_string));
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn what_is_wrong_is_told_with_its_place() {
    let texts = [
        "tests = [{}, { tcp = { port = 80 }, http = { port = 80 } }, { tcp = { port = 0 }, retries = 1 }]",
        "performance = { tcp = { port = 80 } }",
        "performance = { exec = { command = \"/bin/true\" }, p95 = \"1s\", requests = 0, rate = 5000 }",
        "performance = { tcp = { port = 80 }, requests = 10, samples_min = 11, p95 = 200, errors = \"101%\", throughput = \"fast\", mean = \"1.2345x\" }",
        "guards = [{ name = \"a b\", query = \"{{cluster}}\", interval = \"100ms\", count = 0 }]",
        "guards = [{ name = \"a\", query = \"up\", max = \"1.2x\" }, { name = \"a\", query = \"\", max = nan }]",
        "confirm = [\"change-bord\", \"legal\", \"change-board\", \"change-board\"]",
    ];
    let all = all();
    insta::assert_snapshot!(texts.map(|text| mistakes(text, &all)).join("\n"));
}

#[test]
fn who_is_asked_stands_in_the_settings() {
    let none = outside("");
    let text = "guards = [{ name = \"a\", query = \"up\", max = 1 }]\nconfirm = [\"board\"]";
    let settings_of = |text: &str| {
        let text = format!("{SETTINGS}{text}");
        let parsed = settings::parse(Path::new("cutover.toml"), &text);
        parsed.expect_err("refused").to_string()
    };
    let wrong = [
        "prometheus = { url = \"ftp://a\", timeout = \"1h\" }",
        "confirm = { a = { url = \"https://user:password@a.test/\" }, \"b.c\" = { url = \"https://a\" }, d = {} }",
    ];
    let shown: Vec<String> =
        [mistakes(text, &none)].into_iter().chain(wrong.map(settings_of)).collect();
    insta::assert_snapshot!(shown.join("\n"));
}
