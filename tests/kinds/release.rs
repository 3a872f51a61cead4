//! Every type moves with the addresses, and an edit of what is said is no release.

use super::{
    ALL,
    ask::{Ask, Said},
    common::{House, pause, pools::Pools},
    file,
};

/// The names and types that are of one pool.
const OF_ONE: [(&str, &str); 4] = [
    ("api.zone.test", "A"),
    ("api.zone.test", "HTTPS"),
    ("api.zone.test", "TXT"),
    ("_own._tcp.api.zone.test", "SRV"),
];

async fn ask(house: &House, name: &str, kind: &str) -> Said {
    Ask::new(house.daemon.dns()[0], name, kind).send().await
}

/// What tells the pools apart in an answer.
fn sign(kind: &str, number: u8) -> String {
    match kind {
        "TXT" => format!("pool=v{number}"),
        "SRV" => format!(".v{number}."),
        _ => format!("127.0.{number}.1"),
    }
}

/// Which pool an answer is of.
fn pool_of(kind: &str, said: &Said) -> u8 {
    match (said.has(&sign(kind, 1)), said.has(&sign(kind, 2))) {
        (true, false) => 1,
        (false, true) => 2,
        _ => panic!("of one pool: {said:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_types_move_together() {
    let pools = Pools::start().await;
    let house = House::start(&file(&pools, "\"v1\"", ALL, "bake = \"0s\"")).await;
    house.until_pool_is("v2", "up").await;
    let https = ask(&house, "api.zone.test", "HTTPS").await;
    assert_eq!((https.rcode.as_str(), https.ttl, https.answers.len()), ("NOERROR", Some(1), 1));
    for part in ["1 . ", "alpn=h2,h3", "port=8443", "ipv4hint=127.0.1.1,127.0.1.2"] {
        assert!(https.has(part), "{part} in {https:?}");
    }
    let svcb = ask(&house, "_dns.api.zone.test", "SVCB").await;
    assert_eq!(svcb.answers, ["1 api.zone.test. alpn=dot port=853"], "{svcb:?}");
    let txt = ask(&house, "api.zone.test", "TXT").await;
    assert_eq!(txt.answers, ["\"owner=platform\"", "\"pool=v1\""]);
    let srv = ask(&house, "_own._tcp.api.zone.test", "SRV").await;
    assert_eq!(srv.answers[0], "3 65280 8080 127-0-1-1.v1.api.zone.test");
    assert_eq!(srv.additional[0], "127-0-1-1.v1.api.zone.test 127.0.1.1");
    let target = ask(&house, "127-0-2-2.v2.api.zone.test", "A").await;
    assert_eq!(target.answers, ["127.0.2.2"], "of a pool that has no clients yet too");
    house.save(&file(&pools, "\"v2\"", ALL, "bake = \"0s\""));
    let mut before = [1; OF_ONE.len()];
    while before != [2; OF_ONE.len()] {
        for (at, (name, kind)) in OF_ONE.into_iter().enumerate() {
            let now = pool_of(kind, &ask(&house, name, kind).await);
            let others = before.iter().copied().max().expect("some");
            // One table has them all: once one has moved, the ones that are asked after it have.
            assert!(now >= others, "{kind} after {before:?}");
            before[at] = now;
        }
        pause().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_what_is_said_holds_at_once_is_no_release_and_is_kept() {
    let pools = Pools::start().await;
    let house = House::start(&file(&pools, "\"v1\"", "", "bake = \"0s\"")).await;
    assert_eq!(ask(&house, "api.zone.test", "HTTPS").await.answers, [""; 0]);
    house.save(&file(&pools, "\"v1\"", ALL, "bake = \"0s\""));
    house.until("it is read", |status| status.file.accepted && status.generation > 2).await;
    while ask(&house, "api.zone.test", "HTTPS").await.answers.is_empty() {
        pause().await;
    }
    assert!(ask(&house, "api.zone.test", "TXT").await.has("owner=platform"));
    // The texts of a pool, too.
    let edited = file(&pools, "\"v1\"", ALL, "bake = \"0s\"").replace("pool=v1", "pool=first");
    house.save(&edited);
    while !ask(&house, "api.zone.test", "TXT").await.has("pool=first") {
        pause().await;
    }
    let api = house.api().await;
    assert_eq!((api.phase.as_str(), api.release.is_none()), ("Steady", true));
    let said = ask(&house, "api.zone.test", "HTTPS").await;
    let srv = ask(&house, "_http._tcp.api.zone.test", "SRV").await;
    let folder = house.stop().await;
    std::fs::write(folder.path().join("release.toml"), "broken").expect("written");
    let house = House::start_in(folder, "127.0.0.1", |_| {}).await;
    assert_eq!(ask(&house, "api.zone.test", "HTTPS").await, said);
    assert_eq!(ask(&house, "_http._tcp.api.zone.test", "SRV").await, srv);
    assert!(ask(&house, "api.zone.test", "TXT").await.has("pool=first"));
    assert_eq!(ask(&house, "v2.api.zone.test", "A").await.answers, ["127.0.2.1", "127.0.2.2"]);
}
