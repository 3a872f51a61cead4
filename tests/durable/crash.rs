//! The real binary, killed.

use std::{fs, net::SocketAddr};

use cutover::admin::{client, orders, status::Status};

use crate::{
    common::{Client, PATIENCE, pause, pools::Pools},
    process::{Files, Process},
};

/// A daemon of its own, and where it answers.
pub(crate) struct Running {
    pub(crate) process: Process,
    pub(crate) client: Client,
    pub(crate) http: SocketAddr,
}

/// Files without a handover, with an admin socket.
pub(crate) fn files(release: &str) -> Files {
    let files = Files::new();
    let text = "version = 1\nzone = \"zone.test\"\nnameservers = [\"ns.elsewhere.test\"]\n\
                hostmaster = \"h@zone.test\"\n[listen]\nhttp = \"127.0.0.1:0\"\nworkers = 1\n\
                dns = [\"127.0.0.1:0\"]\nadmin = \"admin.sock\"\n";
    fs::write(files.settings(), text).expect("writable");
    files.write_release(release);
    files
}

pub(crate) fn run(files: &Files) -> Running {
    let (mut process, dns) = files.start();
    let line = process.until_logged(": answering zone=");
    let http = line.split("http=").nth(1).expect("an address").trim();
    Running { client: Client::new(dns), http: http.parse().expect("an address"), process }
}

impl Running {
    pub(crate) async fn until(&self, what: &str, seen: impl Fn(&Status) -> bool) -> Status {
        let begun = std::time::Instant::now();
        loop {
            let status = client::status(self.http).await.expect("it says how it is");
            if seen(&status) {
                return status;
            }
            assert!(begun.elapsed() < PATIENCE, "not seen: {what}; last: {status:#?}");
            pause().await;
        }
    }

    pub(crate) async fn until_phase(&self, phase: &str) -> Status {
        self.until(phase, |status| status.services.get("api").is_some_and(|api| api.phase == phase))
            .await
    }

    pub(crate) async fn until_up(&self) {
        self.until("all are up", |status| {
            let pools = status.services.get("api").map(|api| &api.pools);
            let all = pools.into_iter().flat_map(|pools| pools.values());
            let mut all = all.flat_map(|pool| &pool.endpoints).peekable();
            all.peek().is_some() && all.all(|endpoint| endpoint.verdict == "up")
        })
        .await;
    }

    pub(crate) async fn answered(&self) -> Vec<std::net::IpAddr> {
        self.client.ask("api.zone.test", "A").await.addresses
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_it_was_doing_it_comes_back_there_and_answers_without_its_file() {
    let pools = Pools::start().await;
    let hour = "bake = \"1h\"";
    let files = files(&pools.file("v1", hour));
    let mut running = run(&files);
    running.until_up().await;
    files.write_release(&pools.file("v2", hour));
    running.until_phase("Baking").await;
    running.process.signal("KILL");
    running.process.until_ended();
    fs::remove_file(files.folder().join("release.toml")).expect("it was there");

    let mut running = run(&files);
    assert_eq!(running.answered().await, pools.v2);
    let status = running.until_phase("Baking").await;
    assert_eq!(status.services["api"].release.as_ref().expect("under way").id, 1);
    let socket = files.folder().join("admin.sock");
    let done = orders::ask(&socket, "api", cutover::cutover::Verb::Rollback, &[]).await;
    done.expect("the pool before counts as up until its probes say otherwise");
    running.process.signal("KILL");
    running.process.until_ended();

    let running = run(&files);
    assert_eq!(running.answered().await, pools.v1);
    running.until_phase("Failed").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_freeze_is_over_only_when_a_person_says_so() {
    let pools = Pools::start().await;
    let files = files(&pools.file("v1", "bake = \"1h\""));
    let mut running = run(&files);
    running.until_up().await;
    let socket = files.folder().join("admin.sock");
    let reason = "the database moves".parse().expect("one line");
    orders::ask_to_freeze(&socket, Some(&reason)).await.expect("not frozen yet");
    running.process.signal("KILL");
    running.process.until_ended();

    files.write_release(&pools.file("v2", "bake = \"1h\""));
    let mut running = run(&files);
    let status = running.until_phase("Waiting").await;
    assert_eq!(status.freeze.expect("frozen").reason.as_deref(), Some(reason.as_str()));
    assert_eq!(running.answered().await, pools.v1);
    orders::ask_to_unfreeze(&socket).await.expect("it was frozen");
    running.until_phase("Baking").await;
    running.process.signal("KILL");
    running.process.until_ended();

    let running = run(&files);
    assert!(running.until_phase("Baking").await.freeze.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_carried_out_or_not_whenever_it_is_killed() {
    let pools = Pools::start().await;
    let quick = "bake = \"0s\"\nramp = [{ share = \"50%\", bake = \"0s\" }]";
    let files = files(&pools.file("v1", quick));
    let mut running = run(&files);
    running.until_up().await;
    let mut live = ("v2", "v1");
    for round in 0..12_u64 {
        files.write_release(&pools.file(live.0, quick));
        tokio::time::sleep(std::time::Duration::from_millis(90 + 23 * round)).await;
        running.process.signal("KILL");
        running.process.until_ended();
        running = run(&files);
        let answered = running.answered().await;
        assert!(answered == pools.v1 || answered == pools.v2, "round {round}: {answered:?}");
        let log = running.process.log();
        assert!(!log.contains("ERROR"), "round {round}: {log}");
        running.until(live.0, |status| status.services["api"].serving.contains_key(live.0)).await;
        running.until_phase("Steady").await;
        live = (live.1, live.0);
    }
}
