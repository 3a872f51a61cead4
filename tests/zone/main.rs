//! A zone file with every odd case, served by us, by NSD and by Knot: who asks must not be able to tell
//! which of them it was. Where they differ, [`differences`] lists it, with the reason.
//!
//! One that is not installed is said to be skipped: `apt-get install nsd knot`, and `CUTOVER_QUERIES=1000000 cargo test --test zone` for more questions.

#![cfg(target_os = "linux")] // All of 127.0.0.0/8 is there.

mod differences;
mod mistakes;
mod questions;
#[path = "../parts/server.rs"]
mod server;
mod servers;
#[path = "../common/wire.rs"]
mod wire;

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv4Addr},
    time::{Duration, Instant},
};

use cutover::admin::status::Status;
use differences::{Known, explain};
use questions::Questions;
use servers::{Asker, Ours};
use wire::{Message, Section};

/// An address of the tests here alone, so that nobody takes a port of it that was free a moment ago.
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 83, 54));
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(10);
const ZONE: &str = include_str!("zone.db");
const QUERIES: u64 = 24_000;

/// Lets others run before the next look; nothing depends on how long it is.
async fn pause() {
    tokio::time::sleep(LOOK_EVERY).await;
}

/// What a reply says: code, flags, and records as sets.
#[derive(Clone, PartialEq, Eq)]
struct Says {
    code: u16,
    /// AA, TC, RD, RA.
    flags: [bool; 4],
    answers: Vec<Record>,
    authorities: Vec<Record>,
    additionals: Vec<Record>,
}

impl fmt::Debug for Says {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, flags, answers, authorities, additionals } = self;
        write!(f, "code {code}, AA TC RD RA {flags:?}")?;
        for (section, records) in [("an", answers), ("au", authorities), ("ad", additionals)] {
            for (owner, kind, ttl, data) in records {
                let [owner, data] = [owner, data].map(|octets| octets.escape_ascii().to_string());
                write!(f, "\n    {section} {owner} {ttl} TYPE{kind} {data}")?;
            }
        }
        Ok(())
    }
}

/// Owner, type, TTL, data.
type Record = (Vec<u8>, u16, u32, Vec<u8>);

fn says(reply: &[u8]) -> Says {
    let message = Message::read(reply).unwrap_or_else(|fault| panic!("{fault:?}: {reply:02x?}"));
    let section = |section| {
        let records = message.section(section).filter(|record| record.kind != wire::OPT);
        let mut records: Vec<Record> = records
            .map(|record| {
                let mut data = message.data(record).to_vec();
                if record.kind == wire::SOA {
                    // The serial is each server's own.
                    let at = data.len() - 20;
                    data[at..at + 4].fill(0);
                }
                if matches!(record.kind, 39 | 46) || record.kind == wire::SRV {
                    data.make_ascii_lowercase();
                }
                (message.owner(record).to_vec(), record.kind, record.ttl, data)
            })
            .collect();
        records.sort();
        records
    };
    let [two, three] = [reply[2], reply[3]];
    Says {
        code: message.code(),
        flags: [two & 4 != 0, two & 2 != 0, two & 1 != 0, three & 0x80 != 0],
        answers: section(Section::Answer),
        authorities: section(Section::Authority),
        additionals: section(Section::Additional),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_is_said_as_by_nsd_and_by_knot() {
    let others = [("NSD", servers::nsd(ZONE).await), ("Knot", servers::knot(ZONE).await)];
    let others: Vec<_> =
        others.into_iter().filter_map(|(name, server)| Some((name, server?))).collect();
    let ours = Ours::start().await;
    let wanted = std::env::var("CUTOVER_QUERIES").ok();
    let count = wanted.map_or(QUERIES, |count| count.parse().expect("a number of queries"));
    let address = ours.address();
    let asking = tokio::task::spawn_blocking(move || {
        let mut us = Asker::new(address);
        let mut them: Vec<_> =
            others.iter().map(|(name, (_, at))| (*name, Asker::new(*at))).collect();
        let mut seen: BTreeMap<(&str, Known), u64> = BTreeMap::new();
        let mut unknown = Vec::new();
        let questions = Questions::new(ZONE);
        for number in 0..count {
            let question = questions.question(number);
            let packet = question.packet(number as u16);
            let we_say = says(&us.ask(&packet));
            for (name, server) in &mut them {
                let they_say = says(&server.ask(&packet));
                match explain(&question, &we_say, &they_say) {
                    Ok(known) => {
                        known.into_iter().for_each(|it| *seen.entry((name, it)).or_default() += 1)
                    }
                    Err(()) => {
                        unknown.push(format!("{question}\n  us {we_say:?}\n  {name} {they_say:?}"))
                    }
                }
            }
        }
        (seen, unknown, them.len())
    });
    let (seen, unknown, servers) = asking.await.expect("no panic");
    let shown = unknown.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    assert!(
        unknown.is_empty(),
        "{} differences without a reason:\n{shown}\n{seen:#?}",
        unknown.len()
    );
    if servers == 2 && count >= QUERIES {
        // Each that is listed is there: the list does not outlive its reasons.
        for known in Known::ALL {
            assert!(seen.keys().any(|(_, it)| *it == known), "not seen: {known:?}; {seen:#?}");
        }
    }
    ours.daemon.stop().await;
}

/// The addresses, texts and names in the answers to a question, and its code.
async fn asked(ours: &Ours, name: &str, kind: u16) -> Says {
    let (address, packet) = (ours.address(), questions::packet(name, kind));
    let asking = tokio::task::spawn_blocking(move || says(&Asker::new(address).ask(&packet)));
    asking.await.expect("no panic")
}

const A: u16 = wire::A;
const SETTINGS: &str = r#"version = 1
zone = "zone.test"
zone_file = "zone.db"
listen = { dns = ["127.0.83.54:0"], http = "127.0.0.1:0" }

[[zones]]
zone = "child.zone.test"
nameservers = ["ns.elsewhere.test"]
hostmaster = "hostmaster@elsewhere.test"
records = [{ name = "note", type = "TXT", data = ["of the child"] }]

[[zones]]
zone = "bücher.test"
nameservers = ["ns.elsewhere.test"]
hostmaster = "hostmaster@elsewhere.test"
records = [
    { name = "Straße", type = "CNAME", data = ["api.zone.test."] },
    { name = "*", type = "A", data = ["192.0.2.99"] },
]
"#;
const RELEASE: &str = r#"version = 1
services.api = { live = "v1", pools.v1.endpoints = ["192.0.2.1"] }
[services.child]
zone = "child.zone.test"
name = "api"
live = "v1"
pools.v1.endpoints = ["192.0.2.2"]
[services.kid]
zone = "bücher.test"
name = "MÜNCHEN"
live = "v1"
pools.v1.endpoints = ["192.0.2.3"]
"#;
const SMALL: &str = "$TTL 60\n@ SOA ns hostmaster 7 3600 600 86400 60\n@ NS ns\nns A 192.0.2.53\n\
                     www CNAME api\nchild DS 1 13 2 00\nother CNAME api.child\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_may_be_more_than_a_label_below_another_that_delegates_it() {
    let settings = SETTINGS.replace("child.zone.test", "child.deep.zone.test");
    let release = RELEASE.replace("child.zone.test", "child.deep.zone.test");
    let zone = "$TTL 60\n@ SOA ns hostmaster 7 3600 600 86400 60\n@ NS ns\nns A 192.0.2.53\n\
                child.deep NS ns.child.deep\nchild.deep DS 1 13 2 00\nns.child.deep A 192.0.2.54\n\
                * A 192.0.2.98\n";
    let ours = Ours::start_with(&settings, &release, zone).await;
    let api = asked(&ours, "api.child.deep.zone.test", A).await;
    assert_eq!(api.answers[0].3, [192, 0, 2, 2], "{api:?}");
    // The name between the two is there, and so no wildcard stands for what is not below it.
    let between = asked(&ours, "deep.zone.test", A).await;
    assert_eq!((between.code, between.answers.len()), (0, 0), "{between:?}");
    assert_eq!(asked(&ours, "x.deep.zone.test", A).await.code, 3);
    assert_eq!(asked(&ours, "x.zone.test", A).await.answers[0].3, [192, 0, 2, 98]);
    // What the zone above says of the child is said by the child, but for DS records.
    let servers = asked(&ours, "child.deep.zone.test", 2).await;
    assert!(servers.flags[0] && servers.answers[0].3.starts_with(b"\x02ns\x09elsewhere"));
    assert_eq!(asked(&ours, "child.deep.zone.test", 43).await.answers.len(), 1);
    assert_eq!(asked(&ours, "ns.child.deep.zone.test", A).await.code, 3);
    ours.daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_zones_answer_each_for_itself() {
    let ours = Ours::start_with(SETTINGS, RELEASE, SMALL).await;
    let address = |says: &Says| says.answers.last().map(|record| record.3.clone());
    let at = |last| Some(vec![192, 0, 2, last]);
    for (name, host) in [
        ("api.zone.test", 1),
        ("api.child.zone.test", 2),
        ("xn--mnchen-3ya.xn--bcher-kva.test", 3),
        ("any.xn--bcher-kva.test", 99),
        // The names of pools.
        ("v1.api.child.zone.test", 2),
        ("v1.xn--mnchen-3ya.xn--bcher-kva.test", 3),
    ] {
        assert_eq!(address(&asked(&ours, name, A).await), at(host), "{name}");
    }
    // Aliases lead to services, from one zone to the other, and to what the client is given there.
    for (name, host) in
        [("www.zone.test", 1), ("other.zone.test", 2), ("xn--strae-oqa.xn--bcher-kva.test", 1)]
    {
        let says = asked(&ours, name, A).await;
        assert!(says.answers.iter().any(|it| it.3 == [192, 0, 2, host]), "{name}: {says:?}");
        assert!(says.flags[0] && says.answers.len() == 2, "{name}: {says:?}");
    }
    // What is absent is said by the zone that the name is in, DS records by the zone above.
    for (name, kind, apex) in [
        ("nothing.zone.test", A, &b"\x04zone\x04test\0"[..]),
        ("nothing.child.zone.test", A, b"\x05child\x04zone\x04test\0"),
        ("child.zone.test", A, b"\x05child\x04zone\x04test\0"),
    ] {
        let says = asked(&ours, name, kind).await;
        assert_eq!(says.authorities[0].0, apex, "{name}: {says:?}");
    }
    let above = asked(&ours, "child.zone.test", 43).await;
    assert_eq!((above.answers.len(), above.answers[0].1), (1, 43), "{above:?}");
    let none = asked(&ours, "zone.test", 43).await;
    assert_eq!(none.authorities[0].0, b"\x04zone\x04test\0", "{none:?}");
    assert_eq!(asked(&ours, "test", A).await.code, 5);
    ours.daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_is_not_answered_below_a_delegation() {
    let release = RELEASE.replace("services.api =", "services.\"api.below\" =");
    let ours = Ours::start_with(SETTINGS, &release, SMALL).await;
    assert_eq!(asked(&ours, "api.below.zone.test", A).await.answers.len(), 1);
    // The release file cannot be used, so that nothing but what was kept decides.
    let zone = format!("{SMALL}below NS ns.elsewhere.test.\n");
    let ours = ours.restart("version = 1\n", &zone).await;
    let status = ours.daemon.inquiry().status().await.expect("a status");
    assert!(!status.services.contains_key("api.below"), "{:?}", status.services.keys());
    assert!(status.services.contains_key("child"));
    let referral = asked(&ours, "api.below.zone.test", A).await;
    assert_eq!((referral.answers.len(), referral.authorities.len()), (0, 1), "{referral:?}");
    ours.daemon.stop().await;
}

fn serial(reply: &[u8]) -> u32 {
    let message = Message::read(reply).expect("a message");
    let soa =
        message.records.iter().find(|record| record.kind == wire::SOA).expect("an SOA record");
    let data = message.data(soa);
    u32::from_be_bytes(*data[..data.len() - 16].last_chunk().expect("five numbers"))
}

async fn serial_of(ours: &Ours, zone: &str) -> u32 {
    let (address, packet) = (ours.address(), questions::packet(zone, wire::SOA));
    let asking = tokio::task::spawn_blocking(move || serial(&Asker::new(address).ask(&packet)));
    asking.await.expect("no panic")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zone_file_is_read_again_and_a_broken_one_changes_nothing() {
    let ours = Ours::start_with(SETTINGS, RELEASE, SMALL).await;
    let before = [serial_of(&ours, "zone.test").await, serial_of(&ours, "child.zone.test").await];
    ours.save(&SMALL.replace("www CNAME", "web CNAME"));
    ours.daemon.reload();
    until(&ours, "the new name", |status| status.zones["zone.test"].serial != before[0]).await;
    assert_eq!(asked(&ours, "web.zone.test", A).await.answers.len(), 2);
    assert_eq!(asked(&ours, "www.zone.test", A).await.code, 3);
    let after = [serial_of(&ours, "zone.test").await, serial_of(&ours, "child.zone.test").await];
    assert!(after[0].wrapping_sub(before[0]) < 1 << 31, "{before:?} {after:?}");
    assert_eq!(after[1], before[1], "nothing of it has changed");
    // Two mistakes, and then names that a service has.
    for (broken, why) in [
        (SMALL.replace("ns A 192.0.2.53", "ns A 192.0.2"), "zone.db: line 4, column"),
        (format!("{SMALL}api TXT \"no\"\n"), "the service api is being answered"),
        (format!("{SMALL}v1.api TXT \"no\"\n"), "v1.api.zone.test already has static records"),
    ] {
        ours.save(&broken);
        ours.daemon.reload();
        let seen =
            |status: &Status| status.zones_refused.as_ref().is_some_and(|said| said.contains(why));
        until(&ours, why, seen).await;
        assert_eq!(asked(&ours, "web.zone.test", A).await.answers.len(), 2);
    }
    ours.save(SMALL);
    ours.daemon.reload();
    until(&ours, "a good one", |status| status.zones_refused.is_none()).await;
    assert_eq!(asked(&ours, "www.zone.test", A).await.answers.len(), 2);
    ours.daemon.stop().await;
}

async fn until(ours: &Ours, what: &str, seen: impl Fn(&Status) -> bool) {
    let begun = Instant::now();
    while !ours.daemon.inquiry().status().await.is_some_and(|status| seen(&status)) {
        assert!(begun.elapsed() < PATIENCE, "not seen: {what}");
        pause().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_another_stood_in_the_way_of_is_judged_anew() {
    let ours = Ours::start_with(SETTINGS, RELEASE, SMALL).await;
    let www = "services.www = { live = \"v1\", pools.v1.endpoints = [\"192.0.2.4\"] }\n";
    let with = |line: &str| RELEASE.replacen('\n', &format!("\n{line}"), 1);
    ours.save_release(&with(www));
    until(&ours, "the alias in the way", |status| !status.file.accepted).await;
    ours.save(&SMALL.replace("www CNAME", "web CNAME"));
    until(&ours, "the service", |status| status.file.accepted && status.services.len() == 4).await;
    assert_eq!(asked(&ours, "www.zone.test", A).await.answers[0].3, [192, 0, 2, 4]);
    // The other way about.
    ours.save(SMALL);
    until(&ours, "the service in the way", |status| status.zones_refused.is_some()).await;
    ours.save_release(&with("removed = [\"www\"]\n"));
    until(&ours, "the alias", |status| status.zones_refused.is_none()).await;
    assert_eq!(asked(&ours, "www.zone.test", A).await.answers.len(), 2);
    ours.daemon.stop().await;
}
