//! How soon a rollback by hand is answered, in a daemon that has a million services.

use std::{
    fmt::Write,
    fs,
    net::IpAddr,
    time::{Duration, Instant},
};

use cutover::{
    admin::{orders, plan},
    cutover::Verb,
    daemon::Daemon,
    model::PoolName,
};

use crate::common::{Client, pause, settings};

const SERVICES: usize = 1_000_000;
const ROLLBACKS: usize = 20;

/// One service with two pools among many small ones, whose file stays below the limit of its length.
fn file() -> String {
    let mut text = "version = 1\n[services]\n".to_owned();
    for number in 1..SERVICES {
        let pools = "{live=\"a\",pools={a={endpoints=[\"10.0.0.1\"]}}}";
        writeln!(text, "s{number}={pools}").expect("a text grows");
    }
    text.push_str("[services.api]\nlive = \"v1\"\nttl = \"1s\"\n");
    text.push_str("pools.v1.endpoints = [\"192.0.2.1\"]\npools.v2.endpoints = [\"192.0.2.2\"]\n");
    text + "release = { bake = \"1h\" }\n"
}

pub(crate) async fn rollbacks() {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let text = file();
    fs::write(folder.path().join("release.toml"), &text).expect("writable");
    let mut settings = settings(folder.path(), "127.0.0.1");
    // A client that never pauses is what rate limiting is there for, which is measured elsewhere.
    settings.rrl.enabled = false;
    let socket = folder.path().join("admin.sock");
    settings.admin = Some(socket.clone());
    let begun = Instant::now();
    let daemon = Daemon::start(settings).await.expect("starts");
    let pulse = async || daemon.inquiry().pulse().await;
    while pulse().await.is_none_or(|pulse| pulse.services < SERVICES) {
        pause().await;
    }
    println!("{SERVICES} services are answered after {:.1?}", begun.elapsed());

    let asked = Instant::now();
    let plan = plan::ask(&socket, "release.toml".as_ref(), text).await.expect("good");
    assert!(plan.nothing);
    println!("the plan for the same file is there after {:.1?}", asked.elapsed());

    let client = Client::new(daemon.dns()[0]);
    let [v1, v2] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse::<IpAddr>().expect("one"));
    let answered = async |wanted: IpAddr| {
        while client.ask("api.zone.test", "A").await.addresses != [wanted] {}
    };
    let pool: PoolName = "v2".parse().expect("a name");
    let mut delays = Vec::with_capacity(ROLLBACKS);
    for nth in 0..ROLLBACKS {
        answered(v1).await;
        let asked = Instant::now();
        let order = async {
            match nth {
                0 => orders::roll_back_to(&socket, "api", &pool, &[]).await,
                _ => orders::ask(&socket, "api", Verb::Rollback, &[]).await,
            }
        };
        let seen = async {
            answered(v2).await;
            asked.elapsed()
        };
        let (done, delay) = tokio::join!(order, seen);
        done.expect("there is a way back");
        delays.push(delay);
        let has_failed = |(service, phase): &(String, &str)| service == "api" && *phase == "Failed";
        while pulse().await.is_none_or(|pulse| !pulse.busy.iter().any(has_failed)) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        orders::ask(&socket, "api", Verb::Retry, &[]).await.expect("it has failed");
    }
    println!("rollback by hand to first changed answer, among {SERVICES} services:");
    println!("one after the other {delays:.1?}");
    delays.sort();
    println!("median {:.1?}, most {:.1?}", delays[ROLLBACKS / 2], delays[ROLLBACKS - 1]);
}
