//! Probes of several checks: how they are written, and what they mean on the real daemon.

#![cfg(target_os = "linux")] // All of 127.0.0.0/8 is there.

mod common;

use std::{path::Path, time::Duration};

use common::{House, endpoints, pools::Pools};
use cutover::{
    admin::status::Status,
    config::{load_settings, release},
    model::{Outside, Pass, ProbeSpec, Zones},
};

fn file(probe: &str) -> String {
    format!(
        "version = 1\n[services.api]\nlive = \"v1\"\npools.v1.endpoints = [\"127.0.1.1\"]\n{probe}\n"
    )
}

fn zone() -> Zones {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/cutover.toml");
    load_settings(&path).expect("the example loads").zones
}

fn mistakes(probe: &str) -> String {
    release::parse(Path::new("release.toml"), &file(probe), &zone(), &Outside::default())
        .expect_err("wrong")
        .to_string()
}

fn spec(probe: &str) -> ProbeSpec {
    let desired =
        release::parse(Path::new("release.toml"), &file(probe), &zone(), &Outside::default())
            .expect("good");
    let service = desired.services.values().next().expect("one");
    ProbeSpec::clone(service.probe.spec().expect("a probe"))
}

#[test]
fn a_probe_has_checks_of_each_kind_and_all_must_pass_unless_one_is_enough() {
    let probe = spec("probe = { tcp = { port = 1, latency = \"5ms\" }, http = { port = 2 } }");
    let checks: Vec<String> = probe.checks.iter().map(ToString::to_string).collect();
    assert_eq!(checks, ["tcp 1 within 5ms", "http api.svc.example.test:2/ [200]"]);
    assert_eq!(probe.pass, Pass::All);
    let probe = spec("probe = { pass = \"any\", tcp = [{ port = 1 }, { port = 2 }] }");
    assert_eq!((probe.pass, probe.checks.len()), (Pass::Any, 2));
    assert_eq!(probe.checks[0].latency, None::<Duration>);
}

#[test]
fn what_is_wrong_with_checks_is_told() {
    let many = format!("probe.tcp = [{}]", "{ port = 1 }, ".repeat(9));
    let all = [
        "probe = { pass = \"some\", tcp = { port = 1 } }",
        "probe = { pass = \"any\" }",
        "probe = { tcp = [], http = { port = 1, latency = \"0s\" } }",
        "probe = { tcp = [{ port = 1 }, { prot = 2 }], http = 8080 }",
        many.as_str(),
    ];
    insta::assert_snapshot!(all.map(mistakes).join("\n"));
}

#[test]
fn a_request_is_written_and_its_secrets_are_not_shown() {
    let probe =
        spec("probe.http = { port = 1, method = \"POST\", headers = { X-Token = \"s3\" } }");
    let shown = probe.checks[0].to_string();
    assert_eq!(shown, "http POST api.svc.example.test:1/ [200] with x-token");
}

#[test]
fn what_is_wrong_with_a_request_is_told() {
    let all = [
        "probe.http = { port = 1, method = \"get\" }",
        "probe.http = { port = 1, method = \"HEAD\", body = \"ok\" }",
        "probe.http = { port = 1, headers = { host = \"a\", A = \"x\", a = \"y\", b = 1, c = \" d\" } }",
    ];
    insta::assert_snapshot!(all.map(mistakes).join("\n"));
}

/// Everything fails at once: it is more likely that this host has lost its network.
#[tokio::test(flavor = "multi_thread")]
async fn when_every_probe_fails_nothing_is_held_against_the_endpoints() {
    let (house, pools) = release_that_bakes().await;
    pools.hosts.iter().for_each(|host| host.set_healthy(false));
    let doubted = |status: &Status| status.doubted_since.is_some();
    house.until("it doubts itself", doubted).await;
    let asked: Vec<usize> = pools.hosts.iter().map(|host| host.asked()).collect();
    house
        .until("everybody is tried as often again as makes them down", |status| {
            assert!(doubted(status));
            let hosts = pools.hosts.iter().zip(&asked);
            hosts.into_iter().all(|(host, asked)| host.asked() > asked + 6)
        })
        .await;
    let api = house.api().await;
    assert_eq!(api.phase, "Paused", "it is not rolled back, nor does it go on");
    let reason = api.release.as_ref().and_then(|it| it.reason.as_deref()).unwrap_or_default();
    assert!(reason.starts_with("paused without data (every probe"), "{reason}");
    let endpoints = api.pools.values().flat_map(|pool| &pool.endpoints);
    assert!(endpoints.clone().all(|endpoint| endpoint.verdict == "up"));
    assert!(endpoints.clone().all(|endpoint| endpoint.reason.is_some()), "but it is told");
    // The old pool is there again, and the new one is not.
    pools.hosts[..2].iter().for_each(|host| host.set_healthy(true));
    house.until("it is not us", |status| status.doubted_since.is_none()).await;
    house.until_answered(&pools.v2, &pools.v1).await;
}

async fn release_that_bakes() -> (House, Pools) {
    let pools = Pools::start().await;
    // Long enough for all to have failed before one of them is down.
    let file = |live| pools.file(live, "bake = \"1h\"").replace("fall = 2", "fall = 4");
    let house = House::start(&file("v1")).await;
    house.until_pool_is("v1", "up").await;
    house.until_pool_is("v2", "up").await;
    house.save(&file("v2"));
    house.until_phase("Baking").await;
    (house, pools)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_is_up_when_as_many_checks_pass_as_must() {
    let (port, hosts, _servers) = endpoints::start(&["127.0.1.1"]).await;
    let probe = |pass: &str| {
        let checks = format!("http = {{ port = {port} }}, tcp = {{ port = {port} }}");
        let pace = "interval = \"100ms\", timeout = \"100ms\", rise = 1, fall = 1";
        file(&format!("probe = {{ pass = \"{pass}\", {checks}, {pace} }}"))
    };
    let house = House::start(&probe("all")).await;
    house.until_pool_is("v1", "up").await;
    hosts[0].set_healthy(false);
    house.until_pool_is("v1", "down").await;
    let endpoint = &house.api().await.pools["v1"].endpoints[0];
    let reason = endpoint.reason.as_deref().expect("it is down");
    assert!(reason.starts_with("http: status 503"), "{reason}");
    house.save(&probe("any"));
    house.until_pool_is("v1", "up").await;
}

#[test]
fn a_probe_over_tls_asks_for_its_host_unless_it_is_told_otherwise() {
    let shown = |probe: &str| spec(probe).checks[0].to_string();
    let all = [
        "probe.https = { port = 443 }",
        "probe.https = { port = 443, host = \"[2001:db8::1]:8443\", http2 = true, body_regex = \"^a\" }",
        "probe.https = { port = 443, host = \"www.example.test:8443\", ca = \"/etc/ca.pem\" }",
        "probe.tls = { port = 443, server_name = \"192.0.2.1\", validity_min = \"7d\" }",
    ];
    insta::assert_snapshot!(all.map(shown).join("\n"));
}

#[test]
fn what_is_wrong_with_a_probe_over_tls_is_told() {
    let all = [
        "probe.https = { port = 443, body_regex = \"a(\", host = \"a b\" }",
        "probe.https = { port = 443, method = \"HEAD\", body_regex = \"a\", http2 = \"yes\" }",
        "probe.tls = { server_name = \"a..b\", ca = \"ca.pem\", validity_min = \"400d\", path = \"/\" }",
    ];
    insta::assert_snapshot!(all.map(mistakes).join("\n"));
}

/// `cutover probe api …` beside these files; how it ended, and what it said on both outputs.
async fn by_hand(release: &str, more: &[&str]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/cutover.toml");
    let settings = folder.path().join("cutover.toml");
    let example = std::fs::read_to_string(example).expect("readable");
    let example = example.replace("#commands = []", "commands = [\"/bin/sh\"]");
    std::fs::write(&settings, example).expect("written");
    std::fs::write(folder.path().join("release.toml"), release).expect("written");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_cutover"));
    command.arg("--config").arg(&settings).args(["probe", "api"]).args(more);
    let ended = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic");
    let ended = ended.expect("it runs");
    let said = [ended.stdout, ended.stderr].concat();
    (ended.status.code(), String::from_utf8(said).expect("text"))
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_are_made_by_hand_and_each_try_is_told() {
    let (port, hosts, _servers) = endpoints::start(&["127.0.1.1"]).await;
    let probe = format!(
        "probe = {{ http = {{ port = {port} }}, interval = \"100ms\", timeout = \"90ms\", fall = 2 }}"
    );
    let v2 = "pools.v2.endpoints = [\"127.0.1.9\", \"169.254.169.254\"]";
    let release = file(&format!("{v2}\n{probe}"));
    let (code, said) = by_hand(&release, &["v1"]).await;
    assert_eq!(code, Some(0), "{said}");
    let tries: Vec<&str> = said.lines().skip(1).collect();
    assert_eq!(tries.len(), 3, "{said}");
    assert!(tries[1].starts_with("v1  127.0.1.1        pass   unproven  "), "{said}");
    assert!(tries[2].starts_with("v1  127.0.1.1        pass   up        "), "{said}");

    hosts[0].set_healthy(false);
    let (code, said) = by_hand(&release, &["--once"]).await;
    assert_eq!(code, Some(1));
    let reasons = [
        "status 503, expected 200",
        "cannot connect to 127.0.1.9",
        "169.254.169.254 is link-local: not probed unless `probes.allow` in the settings has it",
    ];
    for reason in reasons {
        assert!(said.contains(reason), "{reason:?}: {said}");
    }
    let (_, said) = by_hand(&release, &["v1", "--once", "-o", "json"]).await;
    let tries: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(tries[0]["checks"][0]["reason"], "status 503, expected 200", "{said}");
    assert_eq!((&tries[0]["pool"], &tries[0]["result"]), (&"v1".into(), &"fail".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_probed_by_hand_is_told() {
    let probed = file("probe.tcp = { port = 1 }");
    for (release, more, why) in [
        (
            probed.as_str(),
            &["v11"][..],
            "in the release file there is no pool `v11`; did you mean `v1`?",
        ),
        (&file(""), &[], "the file has no probe for api"),
        (&file("probe = \"none\""), &[], "api has probe = \"none\""),
        (
            &probed.replace("services.api", "services.web"),
            &[],
            "in the release file there is no service `api`",
        ),
        (&probed.replace("live", "life"), &[], "unknown key `life`"),
    ] {
        let (code, said) = by_hand(release, more).await;
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(why), "{why:?}: {said}");
    }
}

#[test]
fn a_probe_by_grpc_or_dns_is_read_and_shown() {
    let shown = |probe: &str| spec(probe).checks[0].to_string();
    let all = [
        "probe.grpc = { port = 50051 }",
        "probe.grpc = { port = 443, service = \"a.B\", tls = true, host = \"b.test:443\", latency = \"1s\" }",
        "probe.dns = { name = \"example.com\" }",
        "probe.dns = { name = \"Example.com.\", port = 5300, tcp = true, type = \"A\", data = \"192.0.2.1\" }",
        "probe.dns = { name = \"none.example.com\", rcode = \"NXDOMAIN\" }",
    ];
    insta::assert_snapshot!(all.map(shown).join("\n"));
}

#[test]
fn what_is_wrong_with_a_probe_by_grpc_or_dns_is_told() {
    let all = [
        "probe.grpc = { port = 0, service = \"a b\", host = \"\", ca = \"/ca.pem\" }",
        "probe.dns = { type = \"ANY\", rcode = \"OK\", tcp = 1 }",
        "probe.dns = { name = \"a\", rcode = \"REFUSED\", data = \"x\" }",
    ];
    insta::assert_snapshot!(all.map(mistakes).join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_run_if_the_settings_allow_it_and_has_no_descriptors_of_ours() {
    let exec = |command: &str, script: &str| {
        file(&format!(
            "probe.exec = {{ command = \"{command}\", arguments = [\"-c\", '{script}'] }}"
        ))
    };
    // Those of the pipe and those that this test was started with are not among them.
    let from = |first: u32| {
        let numbers: Vec<String> = (first..64).map(|number| number.to_string()).collect();
        let each = "[ -e /proc/$$/fd/$n ] && echo it has $n && exit 1";
        format!("for n in {}; do {each}; done; exit 0", numbers.join(" "))
    };
    let (code, said) = by_hand(&exec("/bin/sh", &from(3)), &["--once"]).await;
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = by_hand(&exec("/bin/sh", &from(2)), &["--once"]).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("exit status 1: it has 2"), "{said}");
    let (code, said) = by_hand(&exec("/bin/bash", "exit 0"), &["--once"]).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("/bin/bash is not run unless `probes.commands`"), "{said}");
}

#[test]
fn a_probe_by_a_command_or_a_file_is_read_and_what_is_wrong_is_told() {
    let shown = |probe: &str| spec(probe).checks[0].to_string();
    let good = [
        "probe.exec = { command = \"/usr/lib/check\", arguments = [\"-x\", \"a b\"] }",
        "probe.file = { path = \"/run/health/{address}\", content = \"up\", max_age = \"30s\" }",
    ];
    let bad = [
        "probe.exec = { command = \"check\", arguments = [1, \"\\u0000\"] }",
        "probe.file = { path = \"/run/../etc/passwd\", content = \" up\", max_age = \"0s\" }",
        "probe.file = {}",
    ];
    let all: Vec<String> = good.map(shown).into_iter().chain(bad.map(mistakes)).collect();
    insta::assert_snapshot!(all.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_does_not_wait_for_a_long_interval() {
    let pools = Pools::start().await;
    let file = |live| {
        let file = pools.file(live, "bake = \"0s\"").replace("100ms", "1h");
        assert!(file.contains("interval = \"1h\"") && file.contains("rise = 2"), "{file}");
        file
    };
    let house = House::start(&file("v1")).await;
    // Once soon, and then an hour later.
    house.until("v2 was tried", |_| pools.hosts[2..].iter().all(|host| host.asked() > 0)).await;
    house.save(&file("v2"));
    house.until_answered(&pools.v1, &pools.v2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn why_an_endpoint_cannot_be_probed_is_shown() {
    let (port, _hosts, _servers) = endpoints::start(&["127.0.1.1"]).await;
    let pace = "interval = \"100ms\", timeout = \"100ms\", rise = 1";
    let probe = |kind: &str| file(&format!("probe = {{ {kind}, {pace} }}"));
    let house = House::start(&probe(&format!("tcp = {{ port = {port} }}"))).await;
    house.until_pool_is("v1", "up").await;
    house.save(&probe(&format!("tls = {{ port = {port}, ca = \"/nowhere/ca.pem\" }}")));
    let status = house
        .until("a reason", |status| {
            status.services["api"].pools["v1"].endpoints[0].reason.is_some()
        })
        .await;
    let endpoint = &status.services["api"].pools["v1"].endpoints[0];
    let reason = endpoint.reason.as_deref().unwrap_or_default();
    let wanted = "could not be probed: the CA file /nowhere/ca.pem cannot be read: ";
    assert!(reason.starts_with(wanted), "{reason}");
    assert_eq!(endpoint.verdict, "presumed", "it is answered as before");
}
