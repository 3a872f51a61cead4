//! Replies of resolvers, good and bad; and names over simulated hours.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use hickory_proto::{
    op::{Message, MessageType, OpCode, ResponseCode},
    rr::{RData, Record, RecordType, rdata},
};
use proptest::prelude::*;

use super::{ALIASES_MAX, Lookups, Trouble, read};
use crate::{
    model::{DnsName, ENDPOINTS_MAX, Family, Resolution, Timestamp, Ttl},
    table::to_hickory,
};

fn name(text: &str) -> DnsName {
    text.parse().expect("a name")
}

/// In any case.
fn record(owner: &str, ttl: u32, data: RData) -> Record {
    let owner = hickory_proto::rr::Name::from_ascii(format!("{owner}.")).expect("a name");
    Record::from_rdata(owner, ttl, data)
}

fn alias(owner: &str, ttl: u32, to: &str) -> Record {
    record(owner, ttl, RData::CNAME(rdata::CNAME(to_hickory(&name(to)))))
}

fn address(owner: &str, ttl: u32, address: &str) -> Record {
    let data = match address.parse().expect("an address") {
        IpAddr::V4(v4) => RData::A(rdata::A(v4)),
        IpAddr::V6(v6) => RData::AAAA(rdata::AAAA(v6)),
    };
    record(owner, ttl, data)
}

/// Of a resolver.
fn reply<const N: usize>(code: ResponseCode, answers: [Record; N]) -> Message {
    let mut message = Message::new(1, MessageType::Response, OpCode::Query);
    message.metadata.response_code = code;
    message.metadata.recursion_available = true;
    message.add_answers(answers);
    message
}

fn good<const N: usize>(answers: [Record; N]) -> Message {
    reply(ResponseCode::NoError, answers)
}

fn of(a: &Message, aaaa: &Message) -> Result<Resolution, Trouble> {
    read(&name("lb.cloud.example"), &[name("svc.example.test")], [a, aaaa])
}

#[track_caller]
fn says(result: Result<Resolution, Trouble>, sentence: &str, is_definite: bool) {
    let trouble = result.expect_err(sentence);
    assert_eq!((trouble.to_string().as_str(), trouble.is_definite()), (sentence, is_definite));
}

#[test]
fn addresses_stand_at_the_end_of_the_aliases_and_hold_as_long_as_the_least_record() {
    let a = good([
        // Neither order nor case counts.
        address("EDGE.cdn.example", 60, "192.0.2.1"),
        address("edge.cdn.example", 50, "192.0.2.2"),
        address("other.cdn.example", 1, "192.0.2.9"),
        alias("Lb.Cloud.Example", 40, "a.cdn.example"),
        alias("A.cdn.example", 300, "edge.CDN.example"),
    ]);
    let aaaa = good([
        alias("lb.cloud.example", 41, "a.cdn.example"),
        alias("a.cdn.example", 300, "edge.cdn.example"),
        address("edge.cdn.example", 30, "2001:db8::1"),
        address("edge.cdn.example", 2, "192.0.2.9"),
    ]);
    let found = of(&a, &aaaa).expect("addresses");
    let addresses = ["192.0.2.1", "192.0.2.2", "2001:db8::1"].map(|it| it.parse().expect("one"));
    assert_eq!(found.addresses, BTreeSet::from(addresses));
    assert_eq!(found.ttl.secs(), 30);
    // A family without records adds nothing.
    let none = good([alias("lb.cloud.example", 7, "edge.cdn.example")]);
    let found = of(&a, &none).expect("addresses");
    assert_eq!((found.addresses.len(), found.ttl.secs()), (2, 40));
    let found = of(&none, &aaaa).expect("addresses");
    assert_eq!((found.addresses.len(), found.ttl.secs()), (1, 30));
}

#[test]
fn aliases_below_a_dname_record_are_followed() {
    // The codec has no type of its own for it.
    let rdata = rdata::NULL::with(name("cdn.example").wire().to_vec());
    let dname = RData::Unknown { code: RecordType::DNAME, rdata };
    let a = good([
        record("cloud.example", 20, dname),
        alias("lb.cloud.example", 20, "lb.cdn.example"),
        address("lb.cdn.example", 60, "192.0.2.1"),
    ]);
    assert_eq!(of(&a, &good([])).expect("an address").ttl.secs(), 20);
}

#[test]
fn a_ttl_is_at_least_a_second() {
    for ttl in [0, u32::MAX, 1 << 31] {
        let a = good([address("lb.cloud.example", ttl, "192.0.2.1")]);
        assert_eq!(of(&a, &good([])).expect("an address").ttl.secs(), 1, "{ttl}");
    }
    let a = good([address("lb.cloud.example", 1 << 30, "192.0.2.1")]);
    assert_eq!(of(&a, &good([])).expect("an address").ttl.secs(), 1 << 30);
}

#[test]
fn what_leads_back_to_us_is_refused() {
    let back = |to: &str| good([alias("lb.cloud.example", 60, to)]);
    let sentence = "it leads back to api.svc.example.test, which is ours";
    let own = back("API.svc.example.test");
    says(of(&own, &good([])), sentence, true);
    says(of(&good([address("lb.cloud.example", 60, "192.0.2.1")]), &own), sentence, true);
    // Also where the resolver has run into it.
    let code = ResponseCode::ServFail;
    let failed = reply(code, [alias("lb.cloud.example", 60, "api.svc.example.test")]);
    says(of(&failed, &failed), sentence, true);
    let first = read(&name("x.cloud.example"), &[name("cloud.example")], [&good([]), &good([])]);
    says(first, "it leads back to x.cloud.example, which is ours", true);
    let beside = back("xsvc.example.test");
    says(of(&beside, &beside), NO_ADDRESS_BESIDE, true);
}

const NO_ADDRESS_BESIDE: &str =
    "it leads to xsvc.example.test, and it has no address: neither A nor AAAA records";

#[test]
fn aliases_end_somewhere() {
    let circle = good([
        alias("lb.cloud.example", 60, "a.example"),
        alias("a.example", 60, "b.example"),
        alias("b.example", 60, "A.example"),
    ]);
    let sentence = "its aliases go round in a circle, from a.example back to a.example";
    says(of(&circle, &circle), sentence, true);
    let chain = |len: usize| {
        let mut message = good([alias("lb.cloud.example", 60, "n1.example")]);
        for n in 1..len {
            let (here, there) = (format!("n{n}.example"), format!("n{}.example", n + 1));
            message.add_answer(alias(&here, 60, &there));
        }
        message.add_answer(address(&format!("n{len}.example"), 60, "192.0.2.1"));
        of(&message, &good([]))
    };
    assert!(chain(ALIASES_MAX).is_ok());
    let sentence = "it leads to an alias of an alias, and so on, more than 16 times";
    says(chain(ALIASES_MAX + 1), sentence, true);
}

#[test]
fn a_name_that_is_not_there_is_told_of_by_name() {
    let none = reply(ResponseCode::NXDomain, []);
    says(of(&none, &none), "there is no such name", true);
    let other = reply(
        ResponseCode::NXDomain,
        [alias("lb.cloud.example", 60, "a.example"), alias("a.example", 60, "b.example")],
    );
    let sentence = "it leads to b.example, and there is no such name";
    says(of(&other, &other), sentence, true);
    // One that denies a name for which it has addresses is broken (RFC 4074 §4.2).
    let a = good([address("lb.cloud.example", 60, "192.0.2.1")]);
    says(of(&a, &none), "there is no such name, asked for AAAA records", true);
    says(of(&good([]), &good([])), "it has no address: neither A nor AAAA records", true);
}

#[test]
fn what_the_resolver_fails_at_says_nothing_of_the_name() {
    let a = good([address("lb.cloud.example", 60, "192.0.2.1")]);
    let failed = reply(ResponseCode::ServFail, []);
    says(of(&failed, &failed), "the resolver says SERVFAIL", false);
    says(of(&a, &failed), "the resolver says SERVFAIL, asked for AAAA records", false);
    let refused = reply(ResponseCode::Refused, []);
    says(of(&refused, &failed), "the resolver says REFUSED, asked for A records", false);
    // Another resolver may know better.
    let none = reply(ResponseCode::NXDomain, []);
    says(of(&none, &failed), "the resolver says SERVFAIL, asked for AAAA records", false);
}

#[test]
fn a_name_server_that_leaves_the_rest_to_others_denies_nothing() {
    let sentence = "the resolver does not look it up to the end, but leaves that to others";
    let mut partial = good([alias("lb.cloud.example", 60, "a.example")]);
    partial.metadata.recursion_available = false;
    says(of(&partial, &partial), sentence, false);
    let mut referral = good([]);
    let ns = RData::NS(rdata::NS(to_hickory(&name("ns.cloud.example"))));
    referral.add_authority(record("cloud.example", 60, ns));
    says(of(&referral, &referral), sentence, false);
    // The zone itself may say that there is nothing.
    let mut denied = good([]);
    denied.metadata.recursion_available = false;
    let apex = to_hickory(&name("cloud.example"));
    let soa = rdata::SOA::new(apex.clone(), apex, 1, 1, 1, 1, 1);
    denied.add_authority(record("cloud.example", 60, RData::SOA(soa)));
    assert!(of(&denied, &denied).expect_err("nothing").is_definite());
}

#[test]
fn addresses_are_those_of_endpoints_and_no_more_than_a_pool_can_have() {
    for (text, sentence) in [
        ("0.0.0.0", "0.0.0.0 is the unspecified address: no client can reach it"),
        ("224.0.0.1", "224.0.0.1 is not the address of one host"),
    ] {
        let a = good([
            address("lb.cloud.example", 60, "192.0.2.1"),
            address("lb.cloud.example", 60, text),
        ]);
        let sentence = format!("one of its addresses cannot be used: {sentence}");
        says(of(&a, &good([])), &sentence, true);
    }
    let many = |count: usize| {
        let mut message = good([]);
        for n in 0..count {
            let text = format!("198.18.{}.{}", n / 256, n % 256);
            message.add_answer(address("lb.cloud.example", 60, &text));
        }
        message
    };
    let v6 = good([address("lb.cloud.example", 60, "2001:db8::1")]);
    assert!(of(&many(ENDPOINTS_MAX - 1), &v6).is_ok());
    says(of(&many(ENDPOINTS_MAX), &v6), "it has 1001 addresses; a pool has at most 1000", true);
}

#[test]
fn each_family_has_a_type_of_record() {
    let types = Family::ALL.map(|family| super::record_type(family).to_string());
    assert_eq!(types, ["A", "AAAA"]);
}

fn at(secs: u64) -> Timestamp {
    Timestamp::from_unix_micros(secs * 1_000_000)
}

fn names<const N: usize>(texts: [&str; N]) -> BTreeSet<DnsName> {
    texts.map(name).into()
}

fn found(ttl: u32) -> Result<Resolution, Trouble> {
    let addresses = BTreeSet::from(["192.0.2.1".parse().expect("an address")]);
    Ok(Resolution { addresses, ttl: Ttl::of_record(ttl) })
}

#[test]
fn a_name_is_looked_up_again_when_what_was_found_no_longer_holds() {
    let mut lookups = Lookups::default();
    assert_eq!(lookups.next_deadline(), None);
    lookups.follow(at(100), names(["a", "b"]));
    assert_eq!(lookups.take_due(at(100), 1), [name("a")]);
    assert_eq!(lookups.take_due(at(100), 9), [name("b")]);
    assert_eq!((lookups.take_due(at(9_999), 9), lookups.next_deadline()), (vec![], None));
    for (ttl, pause) in [(1, 5), (5, 5), (60, 60), (3_601, 3_600)] {
        assert!(lookups.note(at(200), &name("a"), &found(ttl)));
        assert_eq!(lookups.next_deadline(), Some(at(200 + pause)));
        assert_eq!(lookups.take_due(at(200 + pause - 1), 9), []);
        assert_eq!(lookups.take_due(at(200 + pause), 9), [name("a")]);
    }
    // One that is not being looked up has no result.
    assert!(lookups.note(at(200), &name("a"), &found(60)));
    assert!(!lookups.note(at(201), &name("a"), &found(60)));
}

#[test]
fn after_trouble_the_pause_doubles_up_to_a_minute_until_it_is_over() {
    let mut lookups = Lookups::default();
    lookups.follow(at(0), names(["a"]));
    let mut now = at(0);
    let mut pause_after = |result: Result<Resolution, Trouble>| {
        assert_eq!(lookups.take_due(now, 9).len(), 1);
        assert!(lookups.note(now, &name("a"), &result));
        let next = lookups.next_deadline().expect("again");
        let pause = next.since(now).as_secs();
        now = next;
        pause
    };
    let pauses = [(); 6].map(|()| pause_after(Err(Trouble::NoResolver)));
    assert_eq!(pauses, [5, 10, 20, 40, 60, 60]);
    assert_eq!((pause_after(found(30)), pause_after(Err(Trouble::TooLong))), (30, 5));
}

#[test]
fn who_is_followed_no_longer_is_forgotten_and_who_is_known_keeps_its_time() {
    let mut lookups = Lookups::default();
    lookups.follow(at(0), names(["a", "b"]));
    assert_eq!(lookups.take_due(at(0), 9).len(), 2);
    assert!(lookups.note(at(0), &name("a"), &found(60)));
    lookups.follow(at(10), names(["a", "c"]));
    assert_eq!(lookups.take_due(at(10), 9), [name("c")]);
    assert_eq!(lookups.next_deadline(), Some(at(60)));
    // It comes back while it is being looked up, and so is not looked up twice.
    lookups.follow(at(11), names(["a", "b"]));
    assert_eq!(lookups.take_due(at(11), 9), []);
    assert!(lookups.note(at(12), &name("b"), &found(60)));
    assert!(!lookups.note(at(12), &name("c"), &found(60)), "nobody waits for it");
    lookups.follow(at(13), names(["c"]));
    assert_eq!(lookups.take_due(at(13), 9), [name("c")]);
    lookups.follow(at(13), names([]));
    assert!(!lookups.note(at(14), &name("c"), &found(60)));
    assert_eq!(lookups.next_deadline(), None);
}

/// What can happen to the schedule.
#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Follow(BTreeSet<u8>),
    Take(usize),
    /// One of those that are being looked up.
    Note(usize, Option<u32>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..100u64).prop_map(Step::Pass),
        prop::collection::btree_set(0..6u8, 0..6).prop_map(Step::Follow),
        (0..4usize).prop_map(Step::Take),
        (0..6usize, prop::option::of(0..5_000u32)).prop_map(|(which, ttl)| Step::Note(which, ttl)),
        (0..6usize, prop::option::of(0..5_000u32)).prop_map(|(which, ttl)| Step::Note(which, ttl)),
    ]
}

fn numbered(number: u8) -> DnsName {
    name(&format!("n{number}"))
}

/// Nothing is due before that.
#[derive(Default)]
struct Judge {
    followed: BTreeSet<DnsName>,
    not_before: BTreeMap<DnsName, Timestamp>,
    running: Vec<DnsName>,
}

impl Judge {
    fn taken(&mut self, now: Timestamp, taken: Vec<DnsName>) -> Result<(), TestCaseError> {
        for name in taken {
            prop_assert!(self.followed.contains(&name), "nobody follows {name}");
            prop_assert!(!self.running.contains(&name), "{name} is looked up twice at once");
            let not_before = self.not_before.get(&name).copied().unwrap_or_default();
            prop_assert!(not_before <= now, "{name} comes too early");
            self.running.push(name);
        }
        Ok(())
    }

    fn note(&mut self, now: Timestamp, name: &DnsName, ttl: Option<u32>) {
        let pause = ttl.map_or(5, |ttl| u64::from(ttl).clamp(5, 3_600));
        self.not_before.insert(name.clone(), now + Duration::from_secs(pause));
    }

    fn follow(&mut self, names: BTreeSet<DnsName>) {
        self.not_before.retain(|name, _| names.contains(name));
        self.followed = names;
    }
}

proptest! {
    #[test]
    fn no_name_is_looked_up_twice_at_once_too_early_or_never(
        steps in prop::collection::vec(step(), 0..80),
    ) {
        let (mut lookups, mut judge) = (Lookups::default(), Judge::default());
        let mut now = at(1_000);
        for step in steps {
            match step {
                Step::Pass(secs) => now = now + Duration::from_secs(secs),
                Step::Follow(numbers) => {
                    let names: BTreeSet<_> = numbers.into_iter().map(numbered).collect();
                    judge.follow(names.clone());
                    lookups.follow(now, names);
                }
                Step::Take(max) => {
                    let taken = lookups.take_due(now, max);
                    prop_assert!(taken.len() <= max);
                    judge.taken(now, taken)?;
                }
                Step::Note(which, ttl) if which < judge.running.len() => {
                    let name = judge.running.remove(which);
                    let result = ttl.map_or(Err(Trouble::NoResolver), found);
                    let is_followed = judge.followed.contains(&name);
                    prop_assert_eq!(lookups.note(now, &name, &result), is_followed);
                    if is_followed {
                        judge.note(now, &name, ttl);
                    }
                }
                Step::Note(..) => {}
            }
            prop_assert!(judge.followed.iter().all(|name| judge.running.contains(name))
                || lookups.next_deadline().is_some());
        }
        // Whoever is followed has its turn, an hour later at the latest, and one at a time.
        now = now + Duration::from_secs(3_600);
        let due = judge.followed.iter().filter(|name| !judge.running.contains(name)).count();
        for _ in 0..due {
            let taken = lookups.take_due(now, 1);
            prop_assert_eq!(taken.len(), 1);
            judge.taken(now, taken)?;
        }
        prop_assert_eq!(lookups.next_deadline(), None);
    }
}
