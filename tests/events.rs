//! Events out: a real daemon in this process, and a receiver that is broken and mended.

mod common;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use common::{
    House, PATIENCE, add_zone,
    pools::Pools,
    receiver::{Heard, Mood, Receiver, assert_no_gap},
};
use cutover::{
    admin::client,
    config::Settings,
    cutover::{Order, Verb},
    model::{Hook, HookKind},
};
use data_encoding::BASE64;
use ring::digest::{SHA256, digest};
use tempfile::TempDir;

const HOUR: &str = "bake = \"1h\"";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER_SECRET: &str = "the octets themselves, as they are";

fn web(receiver: &Receiver, secret_file: Option<PathBuf>) -> Hook {
    let url = receiver.url.parse().expect("a URL");
    let kind = HookKind::Web { url, secret_file };
    Hook { name: "chat".parse().expect("a name"), kind, timeout: Hook::TIMEOUT }
}

async fn house(pools: &Pools, hooks: Vec<Hook>) -> House {
    let edit = |settings: &mut Settings| settings.events = hooks;
    let house = House::start_with("127.0.0.1", &pools.file("v1", HOUR), edit).await;
    until_up(&house).await;
    house
}

async fn again(folder: TempDir, hooks: Vec<Hook>) -> House {
    House::start_in(folder, "127.0.0.1", |settings| settings.events = hooks).await
}

async fn until_up(house: &House) {
    house.until_pool_is("v1", "up").await;
    house.until_pool_is("v2", "up").await;
}

async fn rollback(house: &House) {
    let by = "user 7".to_owned();
    let order = Order { verb: Verb::Rollback, to: None, by, force: Default::default() };
    let service = "api".parse().expect("a name");
    let asked = house.daemon.inquiry().order(service, order).await.expect("it answers");
    asked.expect("there is a way back");
}

/// By the definition of HMAC (RFC 2104), and not by the code under test.
fn signature(secret: &[u8], heard: &Heard) -> String {
    let mut key = [0u8; 64];
    key[..secret.len()].copy_from_slice(secret);
    let hashed = |pad: u8, rest: &[u8]| {
        let padded = key.iter().map(|octet| octet ^ pad);
        digest(&SHA256, &padded.chain(rest.iter().copied()).collect::<Vec<u8>>())
    };
    let (id, at) = (&heard.headers["webhook-id"], &heard.headers["webhook-timestamp"]);
    let signed = [format!("{id}.{at}.").as_bytes(), &heard.body].concat();
    let mac = hashed(0x5c, hashed(0x36, &signed).as_ref());
    format!("v1,{}", BASE64.encode(mac.as_ref()))
}

/// Everything that this process logs.
static LOG: OnceLock<Mutex<Vec<u8>>> = OnceLock::new();

struct Log;

impl Write for Log {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        let log = LOG.get_or_init(Mutex::default);
        log.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn log() -> String {
    let log = LOG.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    String::from_utf8_lossy(&log).into_owned()
}

fn begin_log() {
    // Another test may have done it.
    let _ = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(|| Log)
        .try_init();
}

async fn page(house: &House, path: &str) -> String {
    let (_, page) = client::get(house.daemon.http(), path).await.expect("shown");
    String::from_utf8_lossy(&page).into_owned()
}

/// In the second of two zones.
#[tokio::test(flavor = "multi_thread")]
async fn events_name_the_zone_of_their_service_and_one_source() {
    let (pools, receiver) = (Pools::start().await, Receiver::start(Mood::Takes).await);
    let in_other =
        |live| pools.file(live, HOUR).replacen("live =", "zone = \"other.test\"\nlive =", 1);
    let folder = tempfile::tempdir().expect("a folder");
    let edit = |settings: &mut Settings| {
        settings.events = vec![web(&receiver, None)];
        add_zone(settings, "other.test");
    };
    fs::write(folder.path().join("release.toml"), in_other("v1")).expect("writable");
    let house = House::start_in(folder, "127.0.0.1", edit).await;
    until_up(&house).await;
    house.save(&in_other("v2"));
    let told = receiver.until_taken("Baking").await;
    // Also those that are told after a crash are told as they were kept.
    receiver.set_mood(Mood::Fails(0));
    rollback(&house).await;
    let is_back = |heard: &[Heard]| heard.iter().any(|heard| heard.to() == "RollingBack");
    receiver.until("the way back", is_back).await;
    let folder = house.stop().await;
    let house = House::start_in(folder, "127.0.0.1", edit).await;
    receiver.set_mood(Mood::Takes);
    let again = receiver.until_taken("RollingBack").await;
    for heard in told.iter().chain(&again) {
        assert_eq!(heard.event["data"]["zone"], "other.test");
        let source = heard.event["source"].as_str().expect("a text");
        assert!(source.starts_with("/cutover/zone.test/"), "{source}");
    }
    house.daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_and_its_rollback_are_told_in_order_without_a_gap_and_signed() {
    let (pools, receiver) = (Pools::start().await, Receiver::start(Mood::Takes).await);
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("chat.secret");
    fs::write(&secret, format!("{SECRET}\n")).expect("writable");
    let house = house(&pools, vec![web(&receiver, Some(secret.clone()))]).await;
    house.save(&pools.file("v2", HOUR));
    receiver.until_taken("Baking").await;
    // Another secret counts from the next try on.
    fs::write(&secret, OTHER_SECRET).expect("writable");
    pools.hosts[2].set_healthy(false);
    let taken = receiver.until_taken("Failed").await;
    assert_no_gap(1, &taken);
    let mut before = "Steady".to_owned();
    for heard in &taken {
        let data = &heard.event["data"];
        assert_eq!(data["from"], before, "{taken:#?}");
        before = heard.to().to_owned();
        assert_eq!((&data["zone"], &data["service"]), (&"zone.test".into(), &"api".into()));
        assert_eq!(heard.headers["content-type"], "application/cloudevents+json");
        assert_eq!(heard.headers["webhook-id"], heard.id());
        assert_eq!(heard.event["source"], taken[0].event["source"]);
    }
    let key = BASE64.decode(SECRET.trim_start_matches("whsec_").as_bytes()).expect("base64");
    assert_eq!(taken[0].headers["webhook-signature"], signature(&key, &taken[0]));
    let last = taken.last().expect("some");
    let signed = signature(OTHER_SECRET.as_bytes(), last);
    assert_eq!(last.headers["webhook-signature"], signed);
    assert_eq!(last.event["data"]["release"], 1);
    let told = last.event["data"]["why"].as_str().expect("a text");
    assert!(!told.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_fails_and_recovers_is_told_everything_and_no_secret_is_shown() {
    begin_log();
    let (pools, receiver) = (Pools::start().await, Receiver::start(Mood::Fails(1)).await);
    let folder = tempfile::tempdir().expect("a folder");
    let secret = folder.path().join("chat.secret");
    let hook = web(&receiver, Some(secret.clone()));
    let house = house(&pools, vec![hook.clone()]).await;
    house.save(&pools.file("v2", HOUR));
    let why = "the secret in ";
    let failing = |why: &'static str| {
        move |status: &cutover::admin::status::Status| {
            let error = status.events["chat"].error.as_deref();
            error.is_some_and(|error| error.contains(why))
        }
    };
    house.until("it cannot be signed", failing(why)).await;
    assert_eq!(receiver.heard().len(), 0, "it is not sent without a signature");
    fs::write(&secret, SECRET).expect("writable");
    house.until_phase("Baking").await;
    let status = house.until("the receiver fails", failing("status 503")).await;
    assert!(status.events["chat"].pending >= 1 && status.events["chat"].since.is_some());
    let shown = page(&house, "/").await;
    assert!(shown.contains("hook chat TAKES NO EVENTS since "), "{shown}");
    let metrics = page(&house, "/metrics").await;
    assert!(metrics.contains("cutover_events_delivered_total{hook=\"chat\"} 1"), "{metrics}");
    assert!(!metrics.contains("cutover_events_failed_total{hook=\"chat\"} 0"), "{metrics}");
    let pending = metrics.lines().find(|line| line.starts_with("cutover_events_pending{"));
    assert!(pending.is_some_and(|line| !line.ends_with(" 0")), "{metrics}");
    rollback(&house).await;
    receiver.set_mood(Mood::Takes);
    assert_no_gap(1, &receiver.until_taken("Failed").await);
    let all_is_well = |status: &cutover::admin::status::Status| {
        status.events["chat"].error.is_none() && status.events["chat"].pending == 0
    };
    house.until("all is well", all_is_well).await;
    let pages = [page(&house, "/").await, page(&house, "/status").await, metrics, shown];
    let debug = format!("{hook:?}");
    let log = log();
    assert!(log.contains("the hook has not taken an event"), "{log}");
    assert!(log.contains("the hook takes events again"), "{log}");
    for text in pages.iter().chain([&debug, &log]) {
        for secret in [&SECRET[6..], "only-some-know"] {
            assert!(!text.contains(secret), "{secret} is shown: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_hangs_slows_nothing() {
    let (pools, receiver) = (Pools::start().await, Receiver::start(Mood::Hangs).await);
    // Longer than anybody waits here: were it waited for, nothing below would be seen.
    let hook = Hook { timeout: 10 * PATIENCE, ..web(&receiver, None) };
    let house = house(&pools, vec![hook]).await;
    house.save(&pools.file("v2", HOUR));
    receiver.until("the first", |heard| heard.len() == 1).await;
    house.until_answered(&pools.v1, &pools.v2).await;
    house.until_phase("Baking").await;
    rollback(&house).await;
    let asked = house.client.ask("api.zone.test", "A").await;
    assert_eq!(asked.addresses, pools.v1);
    let status = house.until("they wait", |status| status.events["chat"].pending > 2).await;
    assert_eq!(receiver.heard().len(), 1);
    assert_eq!(status.events["chat"].error, None, "it may still take it");
    // Nor is the end waited for.
    house.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_tells_what_was_not_taken_and_goes_on_with_the_numbers() {
    let (pools, receiver) = (Pools::start().await, Receiver::start(Mood::Fails(2)).await);
    let hook = web(&receiver, None);
    let first = house(&pools, vec![hook.clone()]).await;
    first.save(&pools.file("v2", HOUR));
    first.until_phase("Baking").await;
    first.until("it fails", |status| status.events["chat"].error.is_some()).await;
    let pending = first.status().await.events["chat"].pending;
    let tried = receiver.heard().last().expect("some").clone();
    let folder = first.stop().await;

    receiver.set_mood(Mood::Takes);
    let second = again(folder, vec![hook.clone()]).await;
    receiver
        .until("all of it", |heard| heard.iter().filter(|it| it.is_taken).count() >= 2 + pending)
        .await;
    let taken = receiver.taken();
    assert_no_gap(1, &taken);
    assert_eq!((taken[2].id(), &taken[2].body), (tried.id(), &tried.body), "the same again");
    until_up(&second).await;
    rollback(&second).await;
    let taken = receiver.until_taken("Failed").await;
    assert_no_gap(1, &taken);
    assert!(taken.iter().all(|heard| heard.event["source"] == taken[0].event["source"]));

    // Without its state it is another source, whose numbers begin again.
    let is_told = |status: &cutover::admin::status::Status| status.events["chat"].pending == 0;
    second.until("all is told", is_told).await;
    let folder = second.stop().await;
    fs::remove_dir_all(folder.path().join("state")).expect("there");
    let third = again(folder, vec![hook]).await;
    until_up(&third).await;
    third.save(&pools.file("v1", HOUR));
    let count = taken.len();
    receiver.until("news", |heard| heard.iter().filter(|it| it.is_taken).count() > count).await;
    let other = receiver.taken()[count].clone();
    assert_eq!(other.sequence(), 1);
    assert_ne!(other.event["source"], taken[0].event["source"]);
    assert!(taken.iter().all(|heard| heard.id() != other.id()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_has_the_event_as_its_input_and_in_its_environment() {
    let pools = Pools::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let [script, input, said] = ["hook.sh", "input", "said"].map(|name| folder.path().join(name));
    let text = format!(
        "[ -e {0}/go ] || {{ echo not yet >&2; exit 3; }}\n\
         cat >> {1}; echo >> {1}\n\
         echo \"$CUTOVER_SERVICE $CUTOVER_FROM $CUTOVER_TO $CUTOVER_SEQUENCE $CUTOVER_WHY\" >> {2}\n",
        folder.path().display(),
        input.display(),
        said.display()
    );
    fs::write(&script, text).expect("writable");
    let arguments = vec![script.display().to_string()];
    let hook = Hook {
        name: "page".parse().expect("a name"),
        kind: HookKind::Command { command: "/bin/sh".into(), arguments },
        timeout: Duration::from_secs(10),
    };
    let house = house(&pools, vec![hook]).await;
    house.save(&pools.file("v2", HOUR));
    house
        .until("it fails", |status| {
            status.events["page"].error.as_deref() == Some("exit status 3: not yet")
        })
        .await;
    fs::write(folder.path().join("go"), "").expect("writable");
    let lines = |path: &Path| -> Vec<String> {
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    };
    house
        .until("all is told", |status| {
            status.services["api"].phase == "Baking" && status.events["page"].pending == 0
        })
        .await;
    let (events, said) = (lines(&input), lines(&said));
    assert_eq!(events.len(), said.len());
    for (at, (event, said)) in (1..).zip(events.iter().zip(&said)) {
        let event: serde_json::Value = serde_json::from_str(event).expect("JSON");
        let data = &event["data"];
        let text = |key: &str| data[key].as_str().expect("a text");
        let expected = format!("api {} {} {at} {}", text("from"), text("to"), text("why"));
        assert_eq!(said, &expected);
    }
    assert!(said.last().expect("some").contains(" Baking "), "{said:?}");
}
