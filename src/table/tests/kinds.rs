//! What a service answers beside its addresses: of one client always of one pool.

use std::{collections::BTreeMap, net::IpAddr};

use hickory_proto::rr::{
    RData, Record, RecordType,
    rdata::svcb::{SvcParamKey, SvcParamValue},
};

use super::{Answer, Change, NOON, NOW, Table, empty, endpoint, owner, to_hickory};
use crate::{
    model::{
        Binding, ClientNetwork, ClientRange, DnsName, Endpoint, Family, Kinds, PoolName, Share,
        Spread, SrvAnswers, SrvSetting, Target, TargetKind, TextRecord, Timing, Ttl,
    },
    table::{Part, Preview, Question, ServiceRecords, Shares, Shift, Tally},
};

const V1: &str = "192.0.2.";
const V2: &str = "198.51.100.";

fn port(number: u16) -> Option<std::num::NonZeroU16> {
    std::num::NonZeroU16::new(number)
}

fn kinds(answers: SrvAnswers) -> Kinds {
    let binding = Binding {
        alpn: vec!["h2".parse().expect("a protocol"), "h3".parse().expect("a protocol")],
        port: port(8443),
        ..Binding::default()
    };
    let doh_path = Some("/dns-query{?dns}".parse().expect("a path"));
    let doh = Binding { priority: port(2).expect("some"), doh_path, ..binding.clone() };
    let dns = || "_dns".parse().expect("a prefix");
    let prefix = "_http._tcp".parse().expect("a prefix");
    Kinds {
        https: Some(binding.clone()),
        svcb: vec![(dns(), binding), (dns(), doh)],
        txt: vec![
            "of the service".parse().expect("a text"),
            "x".repeat(300).parse().expect("a text"),
        ],
        srv: vec![SrvSetting { prefix, priority: 5, answers }],
        ..Kinds::default()
    }
}

/// Two pools of endpoints that weigh differently, and their texts.
pub(super) struct Scene {
    names: [PoolName; 2],
    endpoints: [Vec<Endpoint>; 2],
    texts: [Vec<TextRecord>; 2],
    kinds: Kinds,
}

impl Scene {
    pub(super) fn new(answers: SrvAnswers) -> Self {
        let of = |base: &str, v6: &str| {
            let address = |(host, weight)| endpoint(&format!("{base}{host}"), weight);
            let v4 = [(1, 1), (2, 2), (3, 5)].map(address);
            let v6 =
                [(1, 1), (2, 1)].map(|(host, weight)| endpoint(&format!("{v6}{host}"), weight));
            v4.into_iter().chain(v6).map(|it| it.on_port(port(8080))).collect::<Vec<_>>()
        };
        let text = |text: &str| vec![text.parse().expect("a text")];
        Self {
            names: ["v1", "v2"].map(|name| name.parse().expect("a name")),
            endpoints: [of(V1, "2001:db8:1::"), of(V2, "2001:db8:2::")],
            texts: [text("v1"), text("v2")],
            kinds: kinds(answers),
        }
    }

    pub(super) fn part(&self, number: usize) -> Part<'_> {
        let of = &self.endpoints[number];
        let part = Part::new(&self.names[number], Ttl::from_secs_const(60), of);
        Part { texts: &self.texts[number], tally: Some(Tally(number as u32)), ..part }
    }

    pub(super) fn table(&self, shares: &Shares<'_>) -> Table {
        let together = |pools: &[&PoolName]| Some(Tally(100 + pools.len() as u32));
        let records = ServiceRecords::all(&owner("api"), &self.kinds, shares, together);
        empty().with(Change { set: records.into_iter().collect(), removed: Vec::new() }, NOON)
    }
}

pub(super) fn half<'p>(to: &'p [Part<'p>]) -> Shift<'p> {
    Shift { to, share: Share::from_millionths(500_000).expect("a half"), salt: 1 }
}

pub(super) fn client(number: u16) -> ClientNetwork {
    let [high, low] = number.to_be_bytes();
    ClientNetwork::v4([10, high, low])
}

fn ask<'t>(
    table: &'t Table,
    name: &str,
    kind: RecordType,
    client: ClientNetwork,
    chance: u64,
) -> Answer<'t> {
    let name = owner(name);
    let question = Question { name: name.wire(), kind: kind.into(), client };
    table.answer(question, NOW, || chance)
}

/// The records, and the additional ones.
fn decoded(answer: &Answer<'_>, name: &DnsName) -> (Vec<Record>, Vec<Record>) {
    let Answer::Records(records) = answer else { panic!("{answer:?} instead of records") };
    let (answers, additional) = records.decode(&to_hickory(name));
    assert_eq!(additional.len(), usize::from(records.additional()));
    let without = records.without_additional();
    assert_eq!(without.decode(&to_hickory(name)), (answers.clone(), Vec::new()));
    assert!(answers.iter().all(|record| record.name == to_hickory(name)));
    (answers, additional)
}

fn data(table: &Table, name: &str, kind: RecordType, who: (ClientNetwork, u64)) -> Vec<RData> {
    let answer = ask(table, name, kind, who.0, who.1);
    decoded(&answer, &owner(name)).0.into_iter().map(|record| record.data).collect()
}

fn addresses(table: &Table, kind: RecordType, who: (ClientNetwork, u64)) -> Vec<IpAddr> {
    let ip = |data| match data {
        RData::A(a) => a.0.into(),
        RData::AAAA(aaaa) => aaaa.0.into(),
        other => panic!("{other:?}"),
    };
    data(table, "api", kind, who).into_iter().map(ip).collect()
}

/// The hints of a binding, IPv4 first.
fn hints(data: &RData) -> Vec<IpAddr> {
    let svcb = match data {
        RData::HTTPS(https) => &https.0,
        RData::SVCB(svcb) => svcb,
        other => panic!("{other:?}"),
    };
    let keys: Vec<SvcParamKey> = svcb.svc_params.iter().map(|(key, _)| *key).collect();
    assert!(keys.is_sorted() && keys.contains(&SvcParamKey::Alpn), "{keys:?}");
    let of = |(_, value): &(SvcParamKey, SvcParamValue)| match value {
        SvcParamValue::Ipv4Hint(hint) => hint.0.iter().map(|a| IpAddr::V4(a.0)).collect(),
        SvcParamValue::Ipv6Hint(hint) => hint.0.iter().map(|a| IpAddr::V6(a.0)).collect(),
        _ => Vec::new(),
    };
    svcb.svc_params.iter().flat_map(of).collect()
}

fn texts(data: &[RData]) -> Vec<String> {
    let text = |data: &RData| match data {
        RData::TXT(txt) => {
            txt.txt_data.iter().map(|part| String::from_utf8_lossy(part)).collect::<String>()
        }
        other => panic!("{other:?}"),
    };
    data.iter().map(text).collect()
}

/// Number of the pool that all answers to a client are of.
fn pool_of(table: &Table, who: (ClientNetwork, u64), has_srv: bool) -> usize {
    let v4 = addresses(table, RecordType::A, who);
    let both = [v4.clone(), addresses(table, RecordType::AAAA, who)].concat();
    let is_v1 = v4[0].to_string().starts_with(V1);
    let https = data(table, "api", RecordType::HTTPS, who);
    assert_eq!(hints(&https[0]), both, "{https:?}");
    let svcb = data(table, "_dns.api", RecordType::SVCB, who);
    assert_eq!((hints(&svcb[0]), hints(&svcb[1])), (both.clone(), both));
    let texts = texts(&data(table, "api", RecordType::TXT, who));
    assert_eq!(texts, ["of the service", &"x".repeat(300), if is_v1 { "v1" } else { "v2" }]);
    if has_srv {
        let srv = data(table, "_http._tcp.api", RecordType::SRV, who);
        let of_pool = |data: &RData| match data {
            RData::SRV(srv) => srv.target.to_string().contains(if is_v1 { ".v1." } else { ".v2." }),
            other => panic!("{other:?}"),
        };
        assert!(srv.len() == 5 && srv.iter().all(of_pool), "{srv:?}");
    }
    usize::from(!is_v1)
}

#[test]
fn every_type_is_of_the_clients_pool() {
    let scene = Scene::new(SrvAnswers::One);
    let (from, to) = ([scene.part(0)], [scene.part(1)]);
    let moving = Shares { shift: Some(half(&to)), ..Shares::new(&from) };
    let split = [scene.part(0), scene.part(1)];
    for shares in [moving, Shares::new(&split)] {
        let table = scene.table(&shares);
        let mut counts = [0; 2];
        for number in 0..300 {
            counts[pool_of(&table, (client(number), 0), true)] += 1;
        }
        assert!(counts.iter().all(|count| (100..=200).contains(count)), "{counts:?}");
        let random = scene.table(&Shares { spread: Spread::Random, ..shares });
        let mut counts = [0; 2];
        for chance in 0..300 {
            // Drawn alike for each type, but for what is picked among its endpoints.
            let https = data(&random, "api", RecordType::TXT, (client(1), chance));
            counts[usize::from(texts(&https)[2] == "v2")] += 1;
        }
        assert!(counts.iter().all(|count| (100..=200).contains(count)), "{counts:?}");
    }
}

#[test]
fn load_balancers_are_told_all_pools_by_their_shares() {
    let scene = Scene::new(SrvAnswers::All);
    let (from, to) = ([scene.part(0)], [scene.part(1)]);
    let tenth = Share::from_millionths(100_000).expect("a tenth");
    let shift = Some(Shift { to: &to, share: tenth, salt: 1 });
    let table = scene.table(&Shares { shift, ..Shares::new(&from) });
    let name = owner("_http._tcp.api");
    let answer = ask(&table, "_http._tcp.api", RecordType::SRV, client(1), 0);
    assert_eq!(answer, ask(&table, "_http._tcp.api", RecordType::SRV, client(77), 9));
    assert!(!answer.depends_on_client());
    let Answer::Records(records) = answer else { panic!("{answer:?}") };
    assert_eq!(records.tally(), Some(Tally(102)), "of two pools together");
    let (srv, additional) = decoded(&answer, &name);
    let mut sums: BTreeMap<bool, u32> = BTreeMap::new();
    let mut targets = Vec::new();
    for record in &srv {
        let RData::SRV(srv) = &record.data else { panic!("{record:?}") };
        assert_eq!((srv.priority, srv.port, record.ttl), (5, 8080, 60));
        *sums.entry(srv.target.to_string().contains(".v2.")).or_default() += u32::from(srv.weight);
        targets.push(srv.target.clone());
    }
    let share = f64::from(sums[&true]) / f64::from(sums[&true] + sums[&false]);
    assert!((share - 0.1).abs() < 0.001, "{sums:?}");
    assert_eq!(srv.len(), 10);
    assert_eq!(additional.iter().map(|record| record.name.clone()).collect::<Vec<_>>(), targets);
    assert_eq!(additional[0].data.to_string(), "198.51.100.1", "the new pool first");
    assert_eq!(targets[3].to_string(), "2001-db8-2-0-0-0-0-1.v2.api.svc.example.test.");
}

#[test]
fn an_instant_holds_for_every_type() {
    let scene = Scene::new(SrvAnswers::All);
    let until = Timing::Until(NOW + std::time::Duration::from_secs(7));
    let (from, to) = ([scene.part(0)], [Part { timing: until, ..scene.part(0) }]);
    let shift = Some(Shift { to: &to, share: Share::ALL, salt: 1 });
    let table = scene.table(&Shares { shift, ..Shares::new(&from) });
    let own = [RecordType::A, RecordType::HTTPS, RecordType::TXT].map(|kind| ("api", kind));
    let below = [("_dns.api", RecordType::SVCB), ("_http._tcp.api", RecordType::SRV)];
    for (name, kind) in own.into_iter().chain(below) {
        let answer = ask(&table, name, kind, client(1), 0);
        let (records, additional) = decoded(&answer, &owner(name));
        let ttls: Vec<u32> = records.iter().chain(&additional).map(|record| record.ttl).collect();
        assert!(ttls.iter().all(|ttl| *ttl == 7), "{kind}: {ttls:?}");
    }
}

#[test]
fn some_networks_are_shown_the_new_pool() {
    let scene = Scene::new(SrvAnswers::All);
    let (from, to) = ([scene.part(0)], [scene.part(1)]);
    let office = ClientRange::of(&"10.0.4.0/22".parse().expect("a network")).expect("large enough");
    let preview = Some(Preview { clients: &[office], to: &to });
    for spread in [Spread::Sticky, Spread::Random] {
        let shares = Shares { preview, spread, ..Shares::new(&from) };
        let table = scene.table(&shares);
        for number in 0..20 {
            let is_in = (4..8).contains(&number);
            assert_eq!(pool_of(&table, (client(number), 5), false), usize::from(is_in), "{number}");
            let picked = shares.picked(&owner("api"), client(number), || 5).expect("some");
            assert_eq!(*picked.pool, scene.names[usize::from(is_in)]);
            let answer = ask(&table, "api", RecordType::A, client(number), 5);
            assert!(answer.depends_on_client());
            let Answer::Records(records) = answer else { panic!("{answer:?}") };
            assert_eq!(records.tally(), Some(Tally(is_in.into())));
            let srv = ask(&table, "_http._tcp.api", RecordType::SRV, client(number), 5);
            assert!(srv.depends_on_client());
            let (srv, _) = decoded(&srv, &owner("_http._tcp.api"));
            let wanted = if is_in { ".v2." } else { ".v1." };
            assert!(srv.iter().all(|record| record.data.to_string().contains(wanted)), "{srv:?}");
        }
    }
    // On a ramp too.
    let shift = Some(half(&to));
    let table = scene.table(&Shares { preview, shift, ..Shares::new(&from) });
    assert!((4..8).all(|number| pool_of(&table, (client(number), 0), false) == 1));
}

#[test]
fn that_there_is_nothing_is_kept_no_longer_than_what_there_is() {
    let scene = Scene::new(SrvAnswers::All);
    let office = ClientRange::of(&"10.0.4.0/22".parse().expect("a network")).expect("large enough");
    for (ttl, kept) in [(5, 5), (60, 30)] {
        let ttl = crate::model::Ttl::from_secs_const(ttl);
        let [from, to] = [0, 1].map(|number| [Part { ttl, ..scene.part(number) }]);
        let without = [Part { endpoints: &[], ..to[0] }];
        let shown = Some(Preview { clients: &[office], to: &without });
        let preview = scene.table(&Shares { preview: shown, ..Shares::new(&from) });
        let moved = scene.table(&Shares { shift: Some(half(&without)), ..Shares::new(&from) });
        for table in [&preview, &moved] {
            let answers = (0..20).map(|at| ask(table, "api", RecordType::A, client(at), 0));
            let nothing = answers.filter_map(|answer| match answer {
                Answer::NoData(_, _, ttl) => Some(ttl),
                _ => None,
            });
            let nothing: Vec<u32> = nothing.collect();
            assert!(!nothing.is_empty() && nothing.iter().all(|ttl| *ttl == kept), "{nothing:?}");
        }
    }
}

#[test]
fn what_is_lost_is_not_bound_and_has_no_target() {
    let scene = Scene::new(SrvAnswers::All);
    let part = [Part { endpoints: &[], lost: &Family::ALL, ..scene.part(0) }];
    let table = scene.table(&Shares::new(&part));
    for (name, kind) in [("api", RecordType::HTTPS), ("_http._tcp.api", RecordType::SRV)] {
        let answer = ask(&table, name, kind, client(1), 0);
        assert!(matches!(answer, Answer::Unavailable(_)), "{answer:?}");
    }
    let text = texts(&data(&table, "api", RecordType::TXT, (client(1), 0)));
    assert_eq!(text[2], "v1", "a text says nothing of addresses");
}

#[test]
fn more_than_a_message_holds_is_never_answered_in_part() {
    let scene = Scene::new(SrvAnswers::All);
    let many = |count: u32| {
        let address = |n: u32| std::net::Ipv4Addr::from_bits(0x0a00_0000 + n).into();
        let one = |n| Endpoint::new(address(n), crate::model::Weight::ONE).expect("one host");
        (1..=count).map(|n| one(n).on_port(port(80))).collect::<Vec<_>>()
    };
    let asked = |endpoints: &[Endpoint]| {
        let part = [Part { endpoints, ..scene.part(0) }];
        let table = scene.table(&Shares::new(&part));
        let answer = ask(&table, "_http._tcp.api", RecordType::SRV, client(1), 0);
        match answer {
            Answer::Records(records) => Some((records.count(), records.additional())),
            Answer::Unavailable(_) => None,
            other => panic!("{other:?}"),
        }
    };
    // Pointers lead no further than 16 KiB.
    let (count, additional) = asked(&many(800)).expect("it fits");
    assert!(count == 800 && (200..400).contains(&additional), "{additional}");
    let (count, additional) = asked(&many(1_180)).expect("it fits alone");
    assert_eq!((count, additional), (1_180, 0));
    assert_eq!(asked(&many(1_300)), None);
}

fn name_of(pool: &str) -> Target {
    let name = format!("{pool}.lb.example.net").parse().expect("a name");
    Target { kind: TargetKind::Cname, name, port: port(443) }
}

#[test]
fn a_pool_that_is_answered_by_name_is_that_name_for_every_type_and_nothing_beside_it() {
    let scene = Scene::new(SrvAnswers::All);
    let targets = [name_of("v1"), name_of("v2")];
    let part = |number: usize| Part { cname: Some(&targets[number]), ..scene.part(number) };
    let (from, to) = ([part(0)], [part(1)]);
    let shares = Shares { shift: Some(half(&to)), ..Shares::new(&from) };
    let table = scene.table(&shares);
    let mut seen = [0, 0];
    for number in 0..400 {
        let client = client(number);
        let answers = [RecordType::A, RecordType::AAAA, RecordType::TXT, RecordType::HTTPS]
            .into_iter()
            .chain([RecordType::CNAME, RecordType::MX, RecordType::ANY])
            .map(|kind| {
                let answer = ask(&table, "api", kind, client, 0);
                let (answers, additionals) = decoded(&answer, &owner("api"));
                assert_eq!((answers.len(), additionals.len()), (1, 0));
                assert!(answer.depends_on_client());
                let RData::CNAME(target) = &answers[0].data else { panic!("{answers:?}") };
                (target.0.to_string(), answers[0].ttl)
            })
            .collect::<Vec<_>>();
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        let (target, ttl) = &answers[0];
        assert_eq!(*ttl, 60);
        seen[usize::from(target == "v2.lb.example.net.")] += 1;
    }
    assert!(seen.iter().all(|seen| (150..250).contains(seen)), "{seen:?}");
    // What a client cannot be told of a name: where it leads when somebody asks.
    let dns = owner("_dns.api");
    let answer = ask(&table, "_dns.api", RecordType::SVCB, client(1), 0);
    for record in decoded(&answer, &dns).0 {
        let RData::SVCB(svcb) = &record.data else { panic!("{record}") };
        let keys: Vec<_> = svcb.svc_params.iter().map(|(key, _)| *key).collect();
        assert!(!keys.contains(&SvcParamKey::Ipv4Hint), "{record}");
    }
}

#[test]
fn balancers_are_sent_to_the_name_that_a_pool_points_to() {
    let scene = Scene::new(SrvAnswers::All);
    let target = name_of("v1");
    let parts = [Part { cname: Some(&target), ..scene.part(0) }];
    let table = scene.table(&Shares::new(&parts));
    let answer = ask(&table, "_http._tcp.api", RecordType::SRV, client(1), 0);
    let (answers, additionals) = decoded(&answer, &owner("_http._tcp.api"));
    let [record] = answers.as_slice() else { panic!("one target: {answers:?}") };
    let RData::SRV(srv) = &record.data else { panic!("{record}") };
    assert_eq!((srv.target.to_string().as_str(), srv.port), ("v1.lb.example.net.", 443));
    assert_eq!(additionals, []);
}

#[test]
fn where_a_name_and_addresses_meet_the_name_is_given_to_nobody() {
    let scene = Scene::new(SrvAnswers::All);
    let target = name_of("v1");
    let parts = [Part { cname: Some(&target), ..scene.part(0) }, scene.part(1)];
    let table = scene.table(&Shares::new(&parts));
    for number in 0..100 {
        let answer = ask(&table, "api", RecordType::A, client(number), 0);
        let kinds = decoded(&answer, &owner("api")).0;
        assert!(kinds.iter().all(|record| record.record_type() == RecordType::A));
    }
}

#[test]
fn a_static_alias_leads_to_the_name_that_a_service_is_answered_with() {
    let scene = Scene::new(SrvAnswers::All);
    let target = name_of("v1");
    let parts = [Part { cname: Some(&target), ..scene.part(0) }];
    let records = ServiceRecords::new(&owner("api"), &Shares::new(&parts));
    let change = Change { set: vec![(owner("api"), records)], removed: Vec::new() };
    let table = empty().with(change, NOON);
    let alias = owner("alias");
    let question = Question { name: alias.wire(), kind: RecordType::A.into(), client: client(1) };
    let composition = table.compose(question, NOW, 0);
    let targets: Vec<_> =
        composition.answers.iter().map(|record| record.data.to_string()).collect();
    assert_eq!(targets, ["api.svc.example.test.", "v1.lb.example.net."]);
    assert_eq!(composition.given.map(|(tally, ttl)| (tally.0, ttl)), Some((0, 60)));
}
