//! What is written is read again; what is damaged, foreign or later is an error and not a panic.

use std::{collections::BTreeMap, fs, time::Duration};

use tempfile::TempDir;

mod filled;

use super::*;
use crate::{
    cutover::{
        Bond, Ending, InstantState, PauseReason, Schedule, Side, Snapshot, Stage, Step,
        phase::Release,
    },
    health::{Finding, TestRecord},
    model::{
        Binding, Bound, DnsProbe, Endpoint, FailPolicy, GrpcProbe, Guard, Header, HttpProbe, Kinds,
        Limit, Measure, Method, Number, Pass, Percent, Performance, Pool, PoolName, ProbeKind,
        ProbeSetting, ProbeSpec, RampStep, ReleasePolicy, ServiceSpec, SmokeTest, Spread,
        SrvAnswers, SrvSetting, TcpProbe, Timestamp, TlsProbe, TlsSettings, Ttl, Weight, Windows,
    },
};

fn zone() -> DnsName {
    "zone.test".parse().expect("a name")
}

fn name(text: &str) -> ServiceName {
    text.parse().expect("a name")
}

fn pool(text: &str, last: u8) -> Arc<Pool> {
    let address = std::net::Ipv4Addr::new(192, 0, 2, last).into();
    let endpoint = Endpoint::new(address, Weight::new(3).expect("in range")).expect("a host");
    let endpoint = endpoint.on_port(std::num::NonZeroU16::new(8_080));
    let texts = vec![format!("it is {text}").parse().expect("a text")];
    Arc::new(Pool { texts, ..Pool::new(text.parse().expect("a name"), vec![endpoint]) })
}

fn side<const N: usize>(parts: [(&str, u8, u64); N]) -> Side {
    let part = |(name, last, weight)| (pool(name, last), Weight::new(weight).expect("in range"));
    Side::new(parts.map(part)).expect("a pool")
}

fn one_side(name: &str, last: u8) -> Side {
    side([(name, last, 1)])
}

use filled::spec;

fn release() -> Release {
    Release {
        id: 4,
        from: one_side("v1", 1),
        to: side([("v1", 1, 90), ("v2", 2, 10)]),
        safe: one_side("v1", 1),
        // Not as the file has it.
        fallback: Some(one_side("v1", 9)),
        started_at: Timestamp::from_unix_micros(1_234_567_890),
        stood: Duration::from_millis(7),
        schedule: schedule(InstantState::Ahead(Timestamp::from_unix_micros(1_300_000_000))),
        bond: Some(Bond { group: "checkout".parse().expect("a name"), salt: u64::MAX - 1 }),
        is_forced: true,
    }
}

fn schedule(state: InstantState) -> Schedule {
    let [asked, in_caches] = [1_200_000_000, 1_290_000_000].map(Timestamp::from_unix_micros);
    Schedule { asked: Some(asked), clean: true, in_caches, state }
}

fn stages() -> Vec<Stage> {
    let share = Percent::new_const(10);
    let failure = Some("all of it is \u{2014} down".to_owned());
    let instant = Timestamp::from_unix_micros(1_300_000_000);
    let scheduled = |state| Release { schedule: schedule(state), ..release() };
    vec![
        Stage::Steady { serving: one_side("v1", 1), previous: None },
        Stage::Steady { serving: one_side("v1", 1), previous: Some(one_side("v0", 7)) },
        Stage::Probing(release()),
        Stage::Shifting(release(), share),
        Stage::Settling(release(), share),
        Stage::Judging(release(), share),
        Stage::Waiting(release(), None),
        Stage::Waiting(release(), Some(share)),
        Stage::Paused(
            Box::new(Stage::Judging(release(), share)),
            PauseReason::Person("user 7".to_owned()),
        ),
        Stage::Paused(
            Box::new(Stage::Baking(release())),
            PauseReason::Guard("every probe fails".to_owned()),
        ),
        Stage::Baking(release()),
        Stage::Draining(release()),
        Stage::RollingBack { release: release(), failure },
        Stage::Failed { release: release(), serving: one_side("v1", 1), reason: "late".to_owned() },
        Stage::Probing(scheduled(InstantState::Missed(instant))),
        Stage::Baking(scheduled(InstantState::Met(instant))),
        Stage::Draining(scheduled(InstantState::None)),
    ]
}

fn kept(of: &str, stage: Stage) -> Kept {
    let pool = |text: &str| text.parse::<PoolName>().expect("a name");
    Kept {
        snapshot: Snapshot {
            spec: spec(of),
            orphaned: true,
            releases: 4,
            last_step: Some(Timestamp::from_unix_micros(8)),
            last_swap: Some(Timestamp::from_unix_micros(7)),
            stage,
        },
        given: BTreeMap::from([(pool("v1"), Ttl::from_secs_const(30))]),
        horizons: BTreeMap::from([(pool("v0"), Timestamp::from_unix_micros(77))]),
    }
}

fn record(id: u64) -> Record {
    let mut record =
        Record::begin(id, "v1".into(), "v2".into(), "user 7".into(), Timestamp::default());
    record.steps.push(Step {
        at: Timestamp::from_unix_micros(5),
        from: "Steady".into(),
        to: "Probing".into(),
        why: "because".into(),
    });
    record.ended = Some((Timestamp::from_unix_micros(6), Ending::RolledBack));
    let why = "exit status 1".to_owned();
    for finding in [Finding::Bad(why.clone()), Finding::Unjudged(why), Finding::Good(String::new())]
    {
        record.tests.push(TestRecord {
            pool: "v2".parse().expect("a name"),
            address: std::net::Ipv4Addr::LOCALHOST.into(),
            test: "1 (exec)".into(),
            at: Timestamp::from_unix_micros(4),
            latency: Duration::from_millis(3),
            finding,
        });
    }
    record
}

fn scratch() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let path = folder.path().join("state.redb");
    (folder, path)
}

fn one(of: &str, stage: Stage) -> Batch {
    Batch { services: vec![(name(of), kept(of, stage))], ..Batch::default() }
}

#[test]
fn every_stage_is_read_as_it_was_written() {
    let (_folder, path) = scratch();
    let store = Store::open(&path, &zone()).expect("a new file");
    let all: Vec<_> = (0..).zip(stages()).map(|(at, stage)| (format!("s{at}"), stage)).collect();
    let services = all.iter().map(|(of, stage)| (name(of), kept(of, stage.clone())));
    let mut services: Vec<_> = services.collect();
    let batch = Batch {
        services: services.clone(),
        history: vec![(name("s0"), record(4))],
        ..Batch::default()
    };
    store.write(&batch).expect("written");
    // As after kill -9: the file is as it lies there, and whoever has it is not asked.
    let found = look(&path, &zone()).expect("good").expect("there");
    services.sort_by(|a, b| a.0.as_str().cmp(b.0.as_str()));
    assert_eq!(found.services, services);
    assert_eq!(found.releases, [(name("s0"), record(4))]);
    assert!(found.wrong.is_empty(), "{:?}", found.wrong);
}

#[test]
fn history_is_bounded_and_goes_with_its_service() {
    let (_folder, path) = scratch();
    let store = Store::open(&path, &zone()).expect("a new file");
    let mut batch = one("api", stages().remove(0));
    batch.history = (1..=RELEASES_MAX + 10).map(|id| (name("api"), record(id))).collect();
    batch.history.push((name("apj"), record(1)));
    store.write(&batch).expect("written");
    let history =
        |of: Option<&str>| store.reader().history(of.map(name).as_ref()).expect("readable");
    let ids: Vec<u64> = history(Some("api")).iter().map(|(_, record)| record.id).collect();
    assert_eq!(ids, (11..=RELEASES_MAX + 10).collect::<Vec<u64>>(), "the latest ones");
    assert_eq!(history(None).len() as u64, RELEASES_MAX + 1);
    let gone = Batch { removed: vec![name("api")], ..Batch::default() };
    store.write(&gone).expect("written");
    assert!(look(&path, &zone()).expect("good").expect("there").services.is_empty());
    assert_eq!(history(None), [("apj".to_owned(), record(1))]);
}

#[test]
fn a_freeze_is_there_until_it_is_over() {
    let (_folder, path) = scratch();
    let store = Store::open(&path, &zone()).expect("a new file");
    let freeze = |reason: Option<&str>| Freeze {
        by: "user 7".to_owned(),
        reason: reason.map(|reason| reason.parse().expect("one line")),
        since: Timestamp::from_unix_micros(7),
    };
    for freeze in [Some(freeze(None)), Some(freeze(Some("the \"database\""))), None, None] {
        store.write(&Batch { freeze: Some(freeze.clone()), ..Batch::default() }).expect("written");
        store.write(&one("api", stages().remove(0))).expect("written");
        assert_eq!(look(&path, &zone()).expect("good").expect("there").freeze, freeze);
    }
}

#[test]
fn no_file_and_an_empty_file_are_a_first_start() {
    let (_folder, path) = scratch();
    assert!(look(&path, &zone()).expect("good").is_none());
    fs::write(&path, "").expect("writable");
    assert!(look(&path, &zone()).expect("good").is_none());
    Store::open(&path, &zone()).expect("a new file");
    assert!(look(&path, &zone()).expect("good").expect("there").services.is_empty());
}

/// Wherever the disk has changed an octet, it is seen, or it is an octet that means nothing.
#[test]
fn a_damaged_file_is_an_error_and_never_another_answer() {
    let (_folder, path) = scratch();
    let store = Store::open(&path, &zone()).expect("a new file");
    store.write(&one("api", stages().remove(6))).expect("written");
    drop(store);
    let good = fs::read(&path).expect("readable");
    let is_as_written = |found: &Found| {
        found.services == [(name("api"), kept("api", stages().remove(6)))] && found.wrong.is_empty()
    };
    let mut errors = 0;
    for at in (0..good.len()).step_by(509) {
        let mut bad = good.clone();
        bad[at] ^= 0x5a;
        fs::write(&path, bad).expect("writable");
        match look(&path, &zone()) {
            Ok(Some(found)) => assert!(is_as_written(&found), "octet {at}: {found:?}"),
            Ok(None) => panic!("octet {at}: taken for a first start"),
            Err(_) => errors += 1,
        }
    }
    assert!(errors > 0);
    for len in [1, 100, 4_096, good.len() / 2] {
        fs::write(&path, &good[..len]).expect("writable");
        assert!(matches!(look(&path, &zone()), Err(StoreError::Damaged(_))), "{len} octets");
    }
    fs::write(&path, "not a database, but long enough to be one\n".repeat(500)).expect("writable");
    assert!(matches!(look(&path, &zone()), Err(StoreError::Damaged(_))));
}

fn overwrite(path: &Path, table: TableDefinition<'static, &str, &[u8]>, key: &str, row: &[u8]) {
    let database = Database::open(path).expect("good");
    let writing = database.begin_write().expect("writable");
    writing.open_table(table).expect("there").insert(key, row).expect("written");
    writing.commit().expect("written");
}

#[test]
fn a_strange_row_is_told_and_the_others_are_read() {
    let (_folder, path) = scratch();
    let store = Store::open(&path, &zone()).expect("a new file");
    store.write(&one("api", stages().remove(0))).expect("written");
    drop(store);
    let good = serde_json::to_string(&Row::of(&kept("web", stages().remove(6)))).expect("JSON");
    let strange = [
        ("not JSON", "{".to_owned()),
        ("no pool", good.replace("[\"v2\",10]", "[\"v9\",10]")),
        ("no split", good.replace("\"live\":[[\"v1\",90],[\"v2\",10]]", "\"live\":[]")),
        ("a pool twice", good.replace("\"to\":[[0,90],[1,10]]", "\"to\":[[0,90],[0,10]]")),
        ("no address of a host", good.replace("192.0.2.2", "0.0.0.0")),
        ("no weight", good.replace("\"192.0.2.2\",3", "\"192.0.2.2\",0")),
        ("no TTL", good.replace("\"ttl\":30", "\"ttl\":0")),
        ("no pool at that place", good.replace("\"safe\":[[0,", "\"safe\":[[17,")),
        ("a key that is missing", good.replace("\"orphaned\":true,", "")),
        ("a bake of ages", good.replace("\"bake\":300000000", "\"bake\":18446744073709551615")),
        ("a ramp that falls", good.replace("[10,60000000],[50,0]", "[50,0],[10,60000000]")),
    ];
    for (what, row) in strange {
        assert_ne!(row, good, "{what}: nothing was changed");
        overwrite(&path, SERVICES, "web", row.as_bytes());
        let found = look(&path, &zone()).expect("good").expect("there");
        assert_eq!(found.services.len(), 1, "{what}");
        assert_eq!(found.wrong.len(), 1, "{what}");
        assert_eq!(found.wrong[0].0, "web", "{what}");
    }
    overwrite(&path, SERVICES, "web", good.as_bytes());
    assert_eq!(look(&path, &zone()).expect("good").expect("there").services.len(), 2);
}

#[test]
fn what_is_of_another_format_or_zone_is_never_written_to() {
    let (_folder, path) = scratch();
    drop(Store::open(&path, &zone()).expect("a new file"));
    let other: DnsName = "other.test".parse().expect("a name");
    assert!(matches!(look(&path, &other), Err(StoreError::OtherZone(of)) if of == "zone.test"));
    assert!(matches!(Store::open(&path, &other), Err(StoreError::OtherZone(_))));
    let format = |text: &str| {
        let database = Database::open(&path).expect("good");
        let writing = database.begin_write().expect("writable");
        writing.open_table(ABOUT).expect("there").insert("format", text).expect("written");
        writing.commit().expect("written");
    };
    format("3");
    assert!(matches!(look(&path, &zone()), Err(StoreError::Newer(of)) if of == "3"));
    assert!(matches!(Store::open(&path, &zone()), Err(StoreError::Newer(_))));
    // One of before is not taken for one whose rows are damaged.
    format("1");
    assert!(matches!(look(&path, &zone()), Err(StoreError::Older(1))));
    assert!(matches!(Store::open(&path, &zone()), Err(StoreError::Older(1))));
}

#[test]
fn a_file_is_set_aside_under_a_name_that_nobody_has() {
    let (_folder, path) = scratch();
    for content in ["a", "b", "c"] {
        fs::write(&path, content).expect("writable");
        let aside = set_aside(&path, 1_000).expect("renamed");
        assert_eq!(fs::read_to_string(aside).expect("there"), content);
        assert!(!path.exists());
    }
}

#[test]
fn a_directory_has_one_daemon() {
    let (folder, path) = scratch();
    let lock = Lock::take(folder.path()).expect("free");
    assert!(matches!(Lock::take(folder.path()), Err(LockError::Taken)));
    let store = Store::open(&path, &zone()).expect("a new file");
    assert!(matches!(Store::open(&path, &zone()), Err(StoreError::Taken)));
    drop((lock, store));
    Lock::take(folder.path()).expect("free again");
}
