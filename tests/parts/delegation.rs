//! `cutover check --delegation`, with NSD as the parent and a daemon of ours as the child.

use std::{fs, net::UdpSocket, process::Command};

use cutover::{config::load_settings, daemon::Daemon};
use serde_json::Value;
use tempfile::TempDir;

use super::{
    HERE, nsd,
    server::{Server, free_port},
};

/// The second name server of the zone, at another address.
const THERE: &str = "127.0.83.54";
const HEAD: &str =
    "$ORIGIN example.test.\n$TTL 3600\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\n";

/// A daemon for `svc.example.test` with two name servers, and its settings for the command line.
struct Child {
    daemon: Daemon,
    folder: TempDir,
    port: u16,
}

impl Child {
    async fn start() -> Self {
        Self::start_with("").await
    }

    /// With more settings behind the others.
    async fn start_with(more: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let port = free_port();
        let settings = format!(
            "version = 1\nzone = \"svc.example.test\"\nhostmaster = \"hostmaster@example.test\"\n\
             nameservers = [\"ns1.svc.example.test\", \"ns2.svc.example.test\"]\n\
             listen = {{ dns = [\"{HERE}:{port}\", \"{THERE}:{port}\"], http = \"127.0.0.1:0\" }}\n\
             [[records]]\nname = \"ns1\"\ntype = \"A\"\ndata = [\"{HERE}\"]\n\
             [[records]]\nname = \"ns2\"\ntype = \"A\"\ndata = [\"{THERE}\"]\n{more}"
        );
        let path = folder.path().join("cutover.toml");
        fs::write(&path, settings).expect("written");
        let release =
            "version = 1\n[services.api]\nlive = \"v1\"\npools.v1.endpoints = [\"192.0.2.1\"]\n";
        fs::write(folder.path().join("release.toml"), release).expect("written");
        let settings = load_settings(&path).unwrap_or_else(|error| panic!("{error}"));
        let daemon = Daemon::start(settings).await.expect("it starts");
        Self { daemon, folder, port }
    }

    /// What is said with these arguments, in JSON or else as text; and whether all was good.
    async fn check(&self, arguments: &[&str]) -> (bool, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cutover"));
        command.args(["check", "--delegation", "--port", &self.port.to_string()]);
        command.arg("--config").arg(self.folder.path().join("cutover.toml")).args(arguments);
        let run = tokio::task::spawn_blocking(move || command.output().expect("it runs"));
        let output = run.await.expect("it ends");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.success(), said + &String::from_utf8_lossy(&output.stderr))
    }

    async fn findings(&self, parents: &[String]) -> Vec<String> {
        let (_, report) = self.report(parents, &[]).await;
        let findings = report["findings"].as_array().expect("a list").clone();
        let code = |it: &Value| format!("{} {}", it["level"], it["code"]).replace('"', "");
        findings.iter().map(code).collect()
    }

    /// Of the only zone.
    async fn report(&self, parents: &[String], more: &[&str]) -> (bool, Value) {
        let (is_good, mut reports) = self.reports(parents, more).await;
        assert_eq!(reports.len(), 1, "{reports:?}");
        (is_good, reports.remove(0))
    }

    /// One of each zone.
    async fn reports(&self, parents: &[String], more: &[&str]) -> (bool, Vec<Value>) {
        let parents = parents.iter().flat_map(|it| ["--parent", it]);
        let arguments: Vec<&str> =
            parents.chain(more.iter().copied()).chain(["-o", "json"]).collect();
        let (is_good, said) = self.check(&arguments).await;
        let both: Value = serde_json::from_str(&said).unwrap_or_else(|_| panic!("{said}"));
        assert_eq!(both["files"].as_array().map(Vec::len), Some(2));
        (is_good, both["delegation"].as_array().expect("a list").clone())
    }
}

/// A server of the parent that has this in its zone.
async fn parent(records: &str) -> Option<(Server, String)> {
    let (server, port) = nsd::serve(&[("example.test", &format!("{HEAD}{records}"))]).await?;
    Some((server, format!("{HERE}:{port}")))
}

fn good() -> String {
    format!("svc NS ns1.svc\nsvc NS ns2.svc\nns1.svc A {HERE}\nns2.svc A {THERE}\n* A 192.0.2.80\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delegation_is_good_when_the_parent_leads_to_each_name_server() {
    let Some((_nsd, parent)) = parent(&good()).await else { return };
    let child = Child::start().await;
    let (is_good, said) = child.check(&["--parent", &parent]).await;
    assert!(is_good, "{said}");
    let port = child.port;
    for line in [
        "delegation of svc.example.test by example.test\n",
        &format!("  parent  {parent}  delegates to ns1.svc.example.test, ns2.svc.example.test\n"),
        &format!("  server  {HERE}:{port}  ns1.svc.example.test answers by UDP and TCP, serial "),
        "\nthe delegation is good\n",
    ] {
        assert!(said.contains(line), "{line:?} is not in\n{said}");
    }
    let (is_good, report) = child.report(&[parent], &[]).await;
    assert!(is_good && report["findings"] == serde_json::json!([]), "{report}");
    child.daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_in_the_parent_is_found() {
    let wrong = format!(
        "$TTL 60\nsvc NS ns1.svc\nsvc NS old.svc\nns1.svc A 127.0.83.99\nns1.svc A {HERE}\n\
         old.svc A {THERE}\nsvc DS 1 13 2 {}\n",
        "ab".repeat(32)
    );
    let Some((_nsd, parent)) = parent(&wrong).await else { return };
    let child = Child::start().await;
    let (is_good, said) = child.check(&["--parent", &parent]).await;
    assert!(!is_good);
    for finding in [
        "error: example.test has a DS record for svc.example.test, which is not signed: resolvers that \
         validate say SERVFAIL [ds]",
        "error: example.test delegates svc.example.test to old.svc.example.test, which `nameservers` does \
         not have [ns-superfluous]",
        "error: example.test has 127.0.83.99 as glue for ns1.svc.example.test, which [[records]] does not \
         have [glue-wrong]",
        "error: ns1.svc.example.test answers neither by UDP (nobody listens there (connection refused)) nor \
         by TCP",
        "warning: example.test does not delegate svc.example.test to ns2.svc.example.test, which \
         `nameservers` has [ns-missing]",
        "warning: the NS records in example.test have a TTL of 60 s",
        "\nerrors: 4, warnings: 2\n",
    ] {
        assert!(said.contains(finding), "{finding:?} is not in\n{said}");
    }
    child.daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_parent_that_does_not_delegate_is_told_from_one_that_answers_itself() {
    let Some((_none, none)) = parent("").await else { return };
    let Some((_wildcard, wildcard)) = parent("* A 192.0.2.80\n").await else { return };
    let Some((_cname, cname)) = parent("svc CNAME www\nwww A 192.0.2.80\n").await else { return };
    let zones = [(
        "svc.example.test",
        "$ORIGIN svc.example.test.\n$TTL 60\n@ SOA a b 1 1 1 1 1\n@ NS a\na A 192.0.2.1\n",
    )];
    let Some((_own, own)) = nsd::serve(&zones).await else { return };
    let child = Child::start().await;
    assert_eq!(child.findings(&[none]).await, ["error not-delegated"]);
    assert_eq!(child.findings(&[wildcard]).await, ["error parent-wildcard"]);
    assert_eq!(child.findings(&[cname]).await, ["error cname-at-cut"]);
    let own = child.findings(&[format!("{HERE}:{own}")]).await;
    assert_eq!(own, ["error answered-by-parent"]);
    child.daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_of_the_parent_that_differ_or_are_silent_are_named() {
    let Some((_one, one)) = parent(&good()).await else { return };
    let Some((_other, other)) = parent(&good().replace("ns2.svc A", "other A")).await else {
        return;
    };
    let silent = UdpSocket::bind((HERE, 0)).expect("a socket");
    let silent = silent.local_addr().map(|it| (silent, it.to_string())).expect("bound");
    let child = Child::start().await;
    let found = child.findings(&[one, other, silent.1.clone()]).await;
    let expected = ["error glue-missing", "warning parent-silent", "warning parents-disagree"];
    assert_eq!(found, expected);
    let (is_good, report) = child.report(&[silent.1], &[]).await;
    assert!(!is_good);
    let what = &report["findings"][0]["what"];
    assert_eq!(what, "a server of the parent zone cannot be asked: no answer within 3 s");
    child.daemon.stop().await;
}

/// The parent's servers are asked at port 53, where nobody is in tests: that they are found is what counts.
#[tokio::test(flavor = "multi_thread")]
async fn the_parent_is_looked_up() {
    let zone = "ns A 127.0.83.99\n";
    let Some((_nsd, resolver)) = parent(zone).await else { return };
    let child = Child::start().await;
    let (is_good, report) = child.report(&[], &["--resolver", &resolver]).await;
    assert!(!is_good);
    assert_eq!(report["parent"], "example.test");
    assert_eq!(report["parents"][0]["server"], "127.0.83.99:53");
    assert_eq!(report["findings"][0]["code"], "parent-silent");
    let silent = UdpSocket::bind((HERE, 0)).expect("a socket");
    let nobody = silent.local_addr().expect("bound").to_string();
    let (_, report) = child.report(&[], &["--resolver", &nobody]).await;
    assert_eq!(report["findings"][0]["code"], "parent-not-found");
    let what = report["findings"][0]["what"].as_str().expect("text");
    assert!(what.contains("cannot be asked: no answer within 3 s"), "{what}");
    child.daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_zone_has_a_delegation_of_its_own() {
    let second = format!(
        "[[zones]]\nzone = \"web.example.test\"\nhostmaster = \"hostmaster@example.test\"\n\
         nameservers = [\"ns1.web.example.test\", \"ns2.web.example.test\"]\n\
         [[zones.records]]\nname = \"ns1\"\ntype = \"A\"\ndata = [\"{HERE}\"]\n\
         [[zones.records]]\nname = \"ns2\"\ntype = \"A\"\ndata = [\"{THERE}\"]\n"
    );
    let both =
        format!("{}{}", good(), good().replace("svc", "web").replace("* A 192.0.2.80\n", ""));
    let Some((_nsd, right)) = parent(&both).await else { return };
    let wrong = both.replace("web NS ns2.web\n", "web NS ns3.web\nns3.web A 127.0.83.99\n");
    let Some((_other, wrong)) = parent(&wrong).await else { return };
    let child = Child::start_with(&second).await;
    let (is_good, reports) = child.reports(&[right], &[]).await;
    let zones: Vec<&Value> = reports.iter().map(|report| &report["zone"]).collect();
    assert_eq!(zones, ["svc.example.test", "web.example.test"]);
    let is_nothing = |report: &Value| report["findings"] == serde_json::json!([]);
    assert!(is_good && reports.iter().all(is_nothing), "{reports:#?}");
    // A mistake in one is told of that one.
    let (is_good, reports) = child.reports(std::slice::from_ref(&wrong), &[]).await;
    assert!(!is_good && is_nothing(&reports[0]) && !is_nothing(&reports[1]), "{reports:#?}");
    let (is_good, said) = child.check(&["--parent", &wrong]).await;
    assert!(!is_good);
    let (first, second) = said.split_once("\ndelegation of web.example.test").expect("two zones");
    assert!(first.contains("\nthe delegation is good\n"), "{said}");
    for code in ["[ns-superfluous]", "[ns-missing]"] {
        assert!(second.contains(code), "{code} is not in\n{said}");
    }
    child.daemon.stop().await;
}
