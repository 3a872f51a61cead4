//! Every finding, once at least, and none where nothing is wrong.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use hickory_proto::{
    op::{Edns, Message, MessageType, OpCode, ResponseCode},
    rr::{Name, RData, Record, RecordType, rdata},
};

use super::{Answer, Finding, Level, Lookup, ParentSeen, Reply, Seen, ServerSeen, Silence, judge};
use crate::model::{Start, StaticRecord, Ttl, ZoneSpec};

const APEX: &str = "svc.example.test.";
const TTL: u32 = 3_600;

fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("a name")
}

fn at(text: &str) -> SocketAddr {
    format!("{text}:53").parse().expect("an address")
}

fn address(text: &str) -> RData {
    match text.parse().expect("an address") {
        std::net::IpAddr::V4(it) => RData::A(it.into()),
        std::net::IpAddr::V6(it) => RData::AAAA(it.into()),
    }
}

fn zone_with(nameservers: &[&str]) -> ZoneSpec {
    let record = |owner: &str, data: &str| StaticRecord {
        owner: owner.parse().expect("a name"),
        ttl: Ttl::from_secs_const(TTL),
        data: address(data),
    };
    ZoneSpec {
        apex: APEX.parse().expect("a name"),
        nameservers: nameservers.iter().map(|it| it.parse().expect("a name")).collect(),
        hostmaster: "hostmaster.example.test".parse().expect("a name"),
        start: Start::default(),
        records: vec![
            record("ns1.svc.example.test", "192.0.2.53"),
            record("ns1.svc.example.test", "2001:db8::53"),
            record("ns2.svc.example.test", "198.51.100.53"),
        ],
    }
}

fn zone() -> ZoneSpec {
    zone_with(&["ns1.svc.example.test", "ns2.svc.example.test"])
}

fn record(owner: &str, data: RData) -> Record {
    Record::from_rdata(name(owner), TTL, data)
}

fn ns(owner: &str, target: &str) -> Record {
    record(owner, RData::NS(rdata::NS(name(target))))
}

fn soa(owner: &str, primary: &str, serial: u32) -> Record {
    let mailbox = name("hostmaster.example.test.");
    record(owner, RData::SOA(rdata::SOA::new(name(primary), mailbox, serial, 1, 1, 1, 1)))
}

fn message(edit: impl FnOnce(&mut Message)) -> Message {
    let mut message = Message::new(1, MessageType::Response, OpCode::Query);
    message.set_edns(Edns::new());
    edit(&mut message);
    message
}

fn reply(edit: impl FnOnce(&mut Message)) -> Answer {
    Ok(Reply { message: message(edit), octets: 200, truncated: false })
}

fn coded(code: ResponseCode) -> Answer {
    reply(|it| it.metadata.response_code = code)
}

fn answer(records: Vec<Record>) -> Answer {
    reply(|it| {
        it.metadata.authoritative = true;
        it.answers = records;
    })
}

fn silent() -> Answer {
    Err(Silence::Timeout(Duration::from_secs(3)))
}

fn refers(nameservers: &[&str], glue: &[(&str, &str)]) -> Answer {
    reply(|it| {
        it.authorities = nameservers.iter().map(|target| ns(APEX, target)).collect();
        it.additionals = glue.iter().map(|(owner, data)| record(owner, address(data))).collect();
    })
}

const NAMES: [&str; 2] = ["ns1.svc.example.test.", "ns2.svc.example.test."];
const GLUE: [(&str, &str); 3] =
    [(NAMES[0], "192.0.2.53"), (NAMES[0], "2001:db8::53"), (NAMES[1], "198.51.100.53")];

fn parent(server: &str, referral: Answer) -> ParentSeen {
    let absent = || {
        reply(|it| {
            it.metadata.authoritative = true;
            it.metadata.response_code = ResponseCode::NXDomain;
        })
    };
    ParentSeen { server: at(server), referral, ds: absent(), sibling: absent() }
}

fn server(of: &str, address: &str) -> ServerSeen {
    let soa = || answer(vec![soa(APEX, NAMES[0], 1_790_000_000)]);
    let ns = answer(NAMES.iter().map(|target| ns(APEX, target)).collect());
    ServerSeen { name: name(of), server: at(address), udp: soa(), tcp: soa(), ns }
}

fn good() -> Seen {
    Seen {
        parent: Some(name("example.test.")),
        parents: ["192.0.2.1", "192.0.2.2"].map(|it| parent(it, refers(&NAMES, &GLUE))).into(),
        servers: vec![server(NAMES[0], "192.0.2.53"), server(NAMES[1], "198.51.100.53")],
        ..Seen::default()
    }
}

/// What is found when one thing is not as it should be.
fn found(edit: impl FnOnce(&mut Seen)) -> Vec<Finding> {
    let mut seen = good();
    edit(&mut seen);
    judge(&zone(), &seen)
}

fn codes(findings: &[Finding]) -> Vec<(Level, &'static str)> {
    findings.iter().map(|finding| (finding.level, finding.code)).collect()
}

/// The only finding, when both servers of the parent say the same.
fn only(referral: impl Fn() -> Answer) -> Finding {
    let mut findings =
        found(|seen| seen.parents.iter_mut().for_each(|it| it.referral = referral()));
    assert_eq!(findings.len(), 1, "{findings:#?}");
    findings.remove(0)
}

#[track_caller]
fn says(finding: &Finding, level: Level, code: &str, what: &str) {
    assert_eq!((finding.level, finding.code), (level, code), "{finding:#?}");
    assert!(finding.what.contains(what), "{finding:#?}");
    assert!(!finding.advice.is_empty());
}

use Level::{Error, Warning};

#[test]
fn nothing_is_wrong_with_a_good_delegation() {
    assert_eq!(found(|_| {}), []);
}

#[test]
fn a_parent_that_does_not_delegate_says_it_in_many_ways() {
    let nxdomain = only(|| coded(ResponseCode::NXDomain));
    says(&nxdomain, Error, "not-delegated", "it says NXDOMAIN");
    assert_eq!(nxdomain.at, [at("192.0.2.1"), at("192.0.2.2")], "found once, at both");
    assert!(nxdomain.advice.contains("svc.example.test. NS ns1.svc.example.test."), "{nxdomain:?}");
    assert!(nxdomain.advice.contains("ns1.svc.example.test. AAAA 2001:db8::53"), "{nxdomain:?}");
    let no_data = only(|| {
        reply(|it| {
            it.metadata.authoritative = true;
            it.authorities = vec![soa("example.test.", "ns.example.test.", 1)];
        })
    });
    says(&no_data, Error, "not-delegated", "but no NS records");
    let alias = only(|| answer(vec![record(APEX, RData::CNAME(rdata::CNAME(name("a.test."))))]));
    says(&alias, Error, "cname-at-cut", "to a.test");
    let own = only(|| answer(vec![ns(APEX, NAMES[0])]));
    says(&own, Error, "answered-by-parent", "with authority");
}

#[test]
fn a_wildcard_answers_where_there_is_no_delegation() {
    let findings = found(|seen| {
        for parent in &mut seen.parents {
            parent.referral = coded(ResponseCode::NoError);
            parent.sibling = answer(vec![record("x.example.test.", address("192.0.2.80"))]);
        }
    });
    assert_eq!(codes(&findings), [(Error, "parent-wildcard")]);
    // It matters no longer where there is one.
    let delegated = found(|seen| {
        seen.parents[0].sibling = answer(vec![record("x.example.test.", address("192.0.2.80"))]);
    });
    assert_eq!(delegated, []);
}

#[test]
fn a_parent_that_cannot_tell_is_an_error_only_when_none_can() {
    type Said = fn() -> Answer;
    let cases: [(&str, Said, &str); 4] = [
        ("parent-silent", silent, "no answer within 3 s"),
        ("parent-refuses", || coded(ResponseCode::Refused), "REFUSED"),
        ("parent-is-cache", || reply(|it| it.answers = vec![ns(APEX, NAMES[0])]), "from a cache"),
        (
            "parent-refers",
            || reply(|it| it.authorities = vec![ns("test.", "a.nic.test.")]),
            "servers of test",
        ),
    ];
    for (code, said, what) in cases {
        says(&only(said), Error, code, what);
        let one = found(|seen| seen.parents[1].referral = said());
        assert_eq!(codes(&one), [(Warning, code)]);
        assert_eq!(one[0].at, [at("192.0.2.2")]);
    }
}

#[test]
fn a_parent_that_is_not_found_is_said_to_be() {
    let findings = found(|seen| {
        seen.parents.clear();
        seen.trouble = Some("no zone above example.test was found".to_owned());
    });
    says(&findings[0], Error, "parent-not-found", "no zone above");
}

#[test]
fn names_that_only_one_side_has_are_named() {
    let missing = only(|| refers(&NAMES[..1], &GLUE[..2]));
    says(&missing, Warning, "ns-missing", "to ns2.svc.example.test, which `nameservers` has");
    let more = ["ns1.svc.example.test.", "ns2.svc.example.test.", "old.example.test."];
    let superfluous = only(|| refers(&more, &GLUE));
    says(&superfluous, Error, "ns-superfluous", "to old.example.test, which");
}

#[test]
fn glue_is_there_right_and_whole() {
    let missing = only(|| refers(&NAMES, &GLUE[..2]));
    says(&missing, Error, "glue-missing", "no glue for ns2.svc.example.test");
    assert!(missing.advice.contains("198.51.100.53"), "{missing:?}");
    let incomplete = only(|| refers(&NAMES, &[GLUE[0], GLUE[2]]));
    says(&incomplete, Warning, "glue-incomplete", "not 2001:db8::53");
    let wrong = only(|| refers(&NAMES, &[&GLUE[..], &[(NAMES[1], "198.51.100.99")]].concat()));
    says(&wrong, Error, "glue-wrong", "198.51.100.99 as glue for ns2");
    let alone = found(|seen| seen.parents[0].referral = refers(&NAMES, &GLUE[..2]));
    let expected = [(Error, "glue-missing"), (Warning, "parents-disagree")];
    assert_eq!(codes(&alone), expected, "that the others have it is said too");
}

#[test]
fn a_ds_record_of_a_zone_that_is_not_signed_is_an_error() {
    let ds = || {
        let data = rdata::NULL::with(vec![0; 36]);
        answer(vec![record(APEX, RData::Unknown { code: RecordType::DS, rdata: data })])
    };
    let findings = found(|seen| seen.parents[0].ds = ds());
    assert_eq!(codes(&findings), [(Error, "ds")]);
}

#[test]
fn ttls_and_sizes_that_will_hurt_are_warned_of() {
    let with_ttl = |ttl| {
        move || {
            let mut answer = refers(&NAMES, &GLUE);
            let reply = answer.as_mut().expect("a reply");
            reply.message.authorities.iter_mut().for_each(|record| record.ttl = ttl);
            answer
        }
    };
    says(&only(with_ttl(60)), Warning, "ns-ttl", "again and again");
    says(&only(with_ttl(7 * 86_400)), Warning, "ns-ttl", "that was replaced");
    let sized = |octets, truncated| {
        move || refers(&NAMES, &GLUE).map(|reply| Reply { octets, truncated, ..reply })
    };
    says(&only(sized(513, false)), Warning, "referral-large", "513 octets");
    says(&only(sized(2_000, true)), Warning, "referral-large", "does not fit into a datagram");
}

#[test]
fn name_servers_are_two_at_two_addresses() {
    let one = zone_with(&["ns1.svc.example.test"]);
    let mut seen = good();
    seen.parents.iter_mut().for_each(|it| it.referral = refers(&NAMES[..1], &GLUE[..2]));
    seen.servers = Vec::new();
    assert_eq!(codes(&judge(&one, &seen)), [(Warning, "one-name-server")]);
    let mut same = zone();
    same.records[2].data = address("192.0.2.53");
    let glue = [GLUE[0], GLUE[1], (NAMES[1], "192.0.2.53")];
    let mut seen = good();
    seen.parents.iter_mut().for_each(|it| it.referral = refers(&NAMES, &glue));
    assert_eq!(codes(&judge(&same, &seen)), [(Warning, "same-address")]);
}

#[test]
fn name_servers_elsewhere_have_addresses_and_are_no_aliases() {
    let elsewhere = zone_with(&["ns1.svc.example.test", "ns.example.net"]);
    let names = [NAMES[0], "ns.example.net."];
    let judged = |lookup: Lookup| {
        let mut seen = good();
        seen.parents.iter_mut().for_each(|it| it.referral = refers(&names, &GLUE[..2]));
        seen.servers = Vec::new();
        seen.elsewhere.insert(name(names[1]), lookup);
        codes(&judge(&elsewhere, &seen))
    };
    let known = BTreeSet::from(["203.0.113.53".parse().expect("an address")]);
    let found = Lookup { addresses: known, ..Lookup::default() };
    assert_eq!(judged(found.clone()), []);
    assert_eq!(judged(Lookup::default()), [(Error, "ns-without-address")]);
    let failure = Some("the resolver is away".to_owned());
    assert_eq!(judged(Lookup { failure, ..Lookup::default() }), [(Warning, "ns-not-looked-up")]);
    let alias = Some(name("host.example.net."));
    assert_eq!(judged(Lookup { alias, ..found }), [(Error, "ns-alias")]);
}

#[test]
fn our_name_servers_answer_by_udp_and_tcp() {
    let both = found(|seen| (seen.servers[0].udp, seen.servers[0].tcp) = (silent(), silent()));
    says(&both[0], Error, "server-silent", "neither by UDP (no answer within 3 s) nor by TCP");
    let udp = found(|seen| seen.servers[0].udp = silent());
    says(&udp[0], Error, "server-no-udp", "by TCP, but not by UDP");
    let refused = Err(Silence::Unreachable("nobody listens there".to_owned()));
    let tcp = found(|seen| seen.servers[1].tcp = refused);
    says(&tcp[0], Error, "server-no-tcp", "not by TCP: nobody listens there");
    assert_eq!([both.len(), udp.len(), tcp.len()], [1, 1, 1]);
}

#[test]
fn our_name_servers_answer_for_the_zone_with_authority() {
    let answers = |edit: fn() -> Answer| found(|seen| seen.servers[1].udp = edit());
    let refuses = answers(|| coded(ResponseCode::Refused));
    says(&refuses[0], Error, "server-refuses", "it says REFUSED");
    let cache = answers(|| reply(|it| it.answers = vec![soa(APEX, NAMES[0], 1)]));
    says(&cache[0], Error, "server-not-authoritative", "without authority");
    let other = answers(|| answer(Vec::new()));
    says(&other[0], Error, "server-no-soa", "has no zone");
}

#[test]
fn our_name_servers_have_the_same_settings() {
    let other_soa =
        found(|seen| seen.servers[1].udp = answer(vec![soa(APEX, "a.test.", 1_790_000_000)]));
    says(&other_soa[0], Warning, "server-other-soa", "has a.test and hostmaster.example.test");
    let other_ns = found(|seen| seen.servers[1].ns = answer(vec![ns(APEX, NAMES[0])]));
    says(&other_ns[0], Warning, "server-other-ns", "names ns1.svc.example.test as name servers");
    let serial = 1_790_000_000_u32.wrapping_add(1 << 31);
    let serials = found(|seen| seen.servers[1].udp = answer(vec![soa(APEX, NAMES[0], serial)]));
    says(&serials[0], Warning, "serials", "cannot be compared");
    let later =
        found(|seen| seen.servers[1].udp = answer(vec![soa(APEX, NAMES[0], 1_790_000_777)]));
    assert_eq!(later, [], "each daemon counts by itself");
}

#[test]
fn our_name_servers_know_edns_and_have_short_answers() {
    let edns = found(|seen| {
        seen.servers[0].udp.as_mut().expect("a reply").message.edns = None;
    });
    assert_eq!(codes(&edns), [(Warning, "no-edns")]);
    let large = found(|seen| seen.servers[0].ns.as_mut().expect("a reply").truncated = true);
    assert_eq!(codes(&large), [(Warning, "server-large")]);
}
