//! Answers that change, or have changed, at a known instant: for how long caches may keep them.

use std::time::Duration;

use hickory_proto::rr::{RData, RecordType};
use proptest::prelude::*;

use super::{
    Answer, NOON, NOW, endpoint, one_pool, owner,
    splits::{ALL, network, parts, table_of},
};
use crate::{
    model::{ClientNetwork, Share, Spread, Timestamp, Timing},
    table::{Change, Part, Question, ServiceRecords, Shares, Shift, Table},
};

const A: RecordType = RecordType::A;
const AAAA: RecordType = RecordType::AAAA;
const SECOND: u64 = 1_000_000;

fn second(count: u64) -> Timestamp {
    NOW + Duration::from_secs(count)
}

fn ask(table: &Table, kind: RecordType, client: ClientNetwork, now: Timestamp) -> Answer<'_> {
    table.answer(Question { name: owner("api").wire(), kind: kind.into(), client }, now, || 0)
}

/// For how long the answer to the client may be kept, as it is written.
fn ttl(table: &Table, kind: RecordType, client: u32, now: Timestamp) -> u32 {
    match ask(table, kind, network(client), now) {
        Answer::Records(records) => {
            let (decoded, _) = records.decode(&super::to_hickory(&owner("api")));
            assert!(decoded.iter().all(|record| record.ttl == records.ttl()));
            records.ttl()
        }
        Answer::NoData(authority, _, ttl) => {
            let [record] = &authority.records(ttl)[..] else { panic!("one SOA record") };
            let RData::SOA(soa) = &record.data else { panic!("{record}") };
            assert_eq!((record.ttl, soa.minimum), (ttl, ttl), "both count");
            ttl
        }
        other => panic!("{other:?}"),
    }
}

/// The service with one pool of both families, or of the first one only.
fn table_with(timing: Timing, families: usize) -> Table {
    let [pool] = parts(&[(0, 1)])[..] else { panic!("one pool") };
    table_of(&Shares::new(&[Part { timing, endpoints: &pool.endpoints[..families], ..pool }]))
}

#[test]
fn an_answer_ends_at_the_instant() {
    let table = table_with(Timing::Until(second(100)), 2);
    for (now, expected) in [(0, 60), (40, 60), (41, 59), (99, 1), (100, 1), (500, 1)] {
        assert_eq!(ttl(&table, A, 0, second(now)), expected, "{now}");
        assert_eq!(ttl(&table, AAAA, 0, second(now)), expected, "{now}");
    }
}

#[test]
fn that_there_is_none_of_a_family_ends_too() {
    let table = table_with(Timing::Until(second(100)), 1);
    for (now, expected) in [(0, 30), (69, 29), (70, 30), (71, 29), (99, 1), (100, 1)] {
        assert_eq!(ttl(&table, AAAA, 0, second(now)), expected, "{now}");
    }
    assert_eq!(ttl(&table, RecordType::TXT, 0, second(99)), 30, "no pool has texts");
    let after = table_with(Timing::Since(second(100)), 1);
    assert_eq!(ttl(&after, AAAA, 0, second(100)), 30);
}

#[test]
fn after_the_instant_ttls_differ_for_as_long_as_one() {
    let table = table_with(Timing::Since(second(100)), 2);
    let at = |now| (0..200).map(move |client| (client, now));
    let ttls = |now| at(now).map(|(client, now)| ttl(&table, A, client, second(now)));
    assert!(ttls(99).chain(ttls(160)).all(|ttl| ttl == 60));
    for now in [100, 130, 159] {
        let mut seen: Vec<u32> = ttls(now).collect();
        seen.sort_unstable();
        seen.dedup();
        assert!(seen.iter().all(|ttl| (30..=60).contains(ttl)), "{seen:?}");
        assert!(seen.len() > 20, "spread: {seen:?}");
    }
    let of_one = (0..20).map(|millis| {
        let now = second(100) + Duration::from_millis(millis);
        ttl(&table, A, 0, now)
    });
    assert!(of_one.collect::<std::collections::BTreeSet<_>>().len() > 5, "not by the client alone");
}

/// A tenth of the clients will move: they alone ask again at the instant, and they are the ones.
#[test]
fn only_the_answers_of_those_who_will_move_end() {
    let [old, new] = parts(&[(0, 1), (1, 1)])[..] else { panic!("two pools") };
    let share = Share::from_millionths(ALL / 10).expect("a tenth");
    let ending = [Part { timing: Timing::Until(second(100)), ..old }];
    let side = |to| {
        let shift = Some(Shift { to, share, salt: 7 });
        table_of(&Shares { shift, ..Shares::new(&[old]) })
    };
    let (before, after) = (side(&ending), side(&[new]));
    let mut moved = 0;
    for client in 0..1_000 {
        let Answer::Records(records) = ask(&after, A, network(client), second(100)) else {
            panic!("no records");
        };
        let moves = records.tally() == new.tally;
        moved += u32::from(moves);
        let expected = if moves { 10 } else { 60 };
        assert_eq!(ttl(&before, A, client, second(90)), expected, "{client}");
        let answer = ask(&before, A, network(client), second(90));
        assert!(answer.depends_on_client(), "another one may keep it longer");
    }
    assert!((60..140).contains(&moved), "{moved}");
}

#[test]
fn whom_an_answer_holds_for_hangs_on_what_is_known_of_its_end() {
    let [pool] = parts(&[(0, 1)])[..] else { panic!("one pool") };
    let share = Share::from_millionths(ALL / 2).expect("a half");
    let depends = |timing, families: usize, kind| {
        let pool = Part { endpoints: &pool.endpoints[..families], ..pool };
        let to = [Part { timing, ..pool }];
        let shift = Some(Shift { to: &to, share, salt: 7 });
        let table = table_of(&Shares { shift, ..Shares::new(&[pool]) });
        ask(&table, kind, network(0), NOW).depends_on_client()
    };
    let (until, since) = (Timing::Until(second(9)), Timing::Since(second(9)));
    assert!(depends(until, 2, A) && depends(since, 2, A) && !depends(Timing::Lasting, 2, A));
    assert!(depends(until, 1, AAAA) && !depends(since, 1, AAAA), "what has not come has no jitter");
}

#[test]
fn a_pool_that_is_lost_is_lost_at_any_time() {
    let timing = Timing::Until(second(5));
    let [pool] = parts(&[(0, 1)])[..] else { panic!("one pool") };
    let lost = &crate::model::Family::ALL;
    let table = table_of(&Shares::new(&[Part { timing, lost, endpoints: &[], ..pool }]));
    assert!(matches!(ask(&table, A, network(0), NOW), Answer::Unavailable(_)));
}

#[test]
fn an_instant_stands_beside_weights() {
    let endpoints = [endpoint("192.0.2.1", 1), endpoint("192.0.2.2", 3)];
    let pool = "v1".parse().expect("the name of a pool");
    let sixty = crate::model::Ttl::from_secs_const(60);
    let part = Part::new(&pool, sixty, &endpoints);
    let timed = Part { timing: Timing::Until(second(5)), ..part };
    let of = |part| ServiceRecords::new(&owner("api"), &Shares::new(&[part]));
    let with = |records| {
        super::empty().with(Change { set: vec![(owner("api"), records)], removed: vec![] }, NOON)
    };
    let (timed, lasting) = (with(of(timed)), with(of(part)));
    for client in 0..50 {
        let [one, other] = [&timed, &lasting].map(|table| ask(table, A, network(client), NOW));
        assert_eq!(super::data(&one), super::data(&other), "{client}");
        assert_eq!((ttl(&timed, A, client, NOW), ttl(&lasting, A, client, NOW)), (5, 60));
    }
}

/// Whom the first step will move, chance says only then: so every answer ends.
#[test]
fn an_instant_stands_beside_pools_that_are_drawn() {
    let timing = Timing::Until(second(9));
    let pools = parts(&[(0, 1), (1, 1)]);
    let ending: Vec<_> = pools.iter().map(|&part| Part { timing, ..part }).collect();
    let shift = Some(Shift { to: &ending, share: Share::ALL, salt: 7 });
    let table = table_of(&Shares { spread: Spread::Random, shift, ..Shares::new(&pools) });
    let owner = owner("api");
    let question = Question { name: owner.wire(), kind: A.into(), client: network(0) };
    let tallies = (0..50).map(|chance| {
        let Answer::Records(records) = table.answer(question, NOW, || chance) else {
            panic!("no records");
        };
        assert_eq!(records.ttl(), 9);
        records.tally()
    });
    assert_eq!(tallies.collect::<std::collections::BTreeSet<_>>().len(), 2);
}

/// Answers that do not change cost what they did: their memory is the same.
#[test]
fn what_lasts_lies_as_before() {
    let endpoints = [endpoint("192.0.2.1", 1)];
    let records = one_pool("api", 60, &endpoints, &[]);
    let octets = b"\x01\0\x01\0\x3c\0\0\0\xff\xff\xff\xff\x04\0\0\x84\xc0\0\x02\x01";
    assert_eq!(*records.packed, *octets);
}

proptest! {
    /// Whatever is sent before the instant, to whomever, ends at the instant within a second.
    #[test]
    fn answers_end_at_the_instant_or_by_themselves(
        whole in 1..=900_u32,
        ahead_micros in 0..1_800 * SECOND,
        client in 0..1_000_u32,
        aaaa: bool,
    ) {
        let instant = second(1_800);
        let sent = Timestamp::from_unix_micros(instant.unix_micros() - ahead_micros);
        let [pool] = parts(&[(0, 1)])[..] else { panic!("one pool") };
        let part = Part {
            timing: Timing::Until(instant),
            ttl: crate::model::Ttl::from_secs_const(whole),
            endpoints: &pool.endpoints[..1],
            ..pool
        };
        let table = table_of(&Shares::new(&[part]));
        let (kind, whole) = if aaaa { (AAAA, whole.min(30)) } else { (A, whole) };
        let ttl = ttl(&table, kind, client, sent);
        let (end, one) = (sent + Duration::from_secs(ttl.into()), Duration::from_secs(1));
        let by_itself = sent + Duration::from_secs(whole.into());
        prop_assert!(ttl >= 1 && end <= instant + one && end <= by_itself);
        prop_assert!(end + one >= by_itself.min(instant));
    }
}
