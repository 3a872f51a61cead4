//! For whom an answer holds that is one of several.

use std::collections::BTreeMap;

use hickory_proto::rr::RecordType;

use super::{
    Answer, addresses, endpoint, owner,
    splits::{ALL, NAMES, ask, network, number, parts, table_of},
};
use crate::{
    model::{Family, Share, Ttl},
    table::{Part, Shares, Shift},
};

/// What clients of each pool are answered, and for whom it holds.
fn audiences(split: &Shares<'_>, kind: RecordType) -> Vec<(&'static str, bool)> {
    let table = table_of(split);
    let mut seen: Vec<_> = (0..64)
        .map(|client| {
            let answer = ask(&table, kind, network(client));
            let what = match answer {
                Answer::Records(records) => NAMES[number(records.tally())],
                Answer::NoData(..) => "no data",
                Answer::Unavailable(_) => "lost",
                other => panic!("{other:?}"),
            };
            (what, answer.depends_on_client())
        })
        .collect();
    seen.sort_unstable();
    seen.dedup();
    seen
}

/// Half of the clients have moved.
fn half<'p>(to: &'p [Part<'p>]) -> Shift<'p> {
    Shift { to, share: Share::from_millionths(ALL / 2).expect("a half"), salt: 1 }
}

#[test]
fn an_answer_depends_on_the_client_when_another_one_can_get_another() {
    let (a, aaaa) = (RecordType::A, RecordType::AAAA);
    let parts = parts(&[(0, 1), (1, 1)]);
    let [v40, v41] = [parts[0], parts[1]];
    let two = |one, other| audiences(&Shares::new(&[one, other]), a);
    let moving = |from: Part<'_>, to: Part<'_>, kind| {
        audiences(&Shares { shift: Some(half(&[to])), ..Shares::new(&[from]) }, kind)
    };
    assert_eq!(two(v40, v41), [("v40", true), ("v41", true)]);
    assert_eq!(moving(v40, v41, a), [("v40", true), ("v41", true)]);
    // Two pools with the same answer.
    let alike = Part { endpoints: v40.endpoints, ..v41 };
    assert_eq!(two(v40, alike), [("v40", false), ("v41", false)]);
    assert_eq!(moving(v40, alike, a), [("v40", false), ("v41", false)]);
    let longer = Part { ttl: Ttl::from_secs_const(61), ..alike };
    assert_eq!(two(v40, longer), [("v40", true), ("v41", true)]);
    // Pools of which one has no IPv6, or none has.
    let [four, other_four] = [v40, v41].map(|it| Part { endpoints: &it.endpoints[..1], ..it });
    assert_eq!(moving(four, v41, aaaa), [("no data", true), ("v41", true)]);
    assert_eq!(moving(v40, other_four, aaaa), [("no data", true), ("v40", true)]);
    assert_eq!(moving(four, other_four, aaaa), [("no data", false)]);
    assert_eq!(moving(four, v41, RecordType::TXT), [("no data", false)]);
    // Pools that have lost theirs.
    let [lost, other_lost] = [four, other_four].map(|it| Part { lost: &[Family::V6], ..it });
    assert_eq!(moving(lost, v41, aaaa), [("lost", true), ("v41", true)]);
    assert_eq!(moving(lost, other_four, aaaa), [("lost", true), ("no data", true)]);
    assert_eq!(moving(lost, other_lost, aaaa), [("lost", false)]);
    // Nobody is given a pool that none or all have moved to.
    let (from, to) = ([four], [v41]);
    let at = |share| {
        let shift = Some(Shift { share, ..half(&to) });
        audiences(&Shares { shift, ..Shares::new(&from) }, aaaa)
    };
    assert_eq!(at(Share::NONE), [("no data", false)]);
    assert_eq!(at(Share::ALL), [("v41", false)]);
}

#[test]
fn endpoints_of_a_pool_have_weights_in_a_split_too() {
    let parts = parts(&[(0, 1), (1, 1)]);
    let weighted = [endpoint("192.0.2.10", 1), endpoint("192.0.2.11", 3)];
    let split = [parts[0], Part { endpoints: &weighted, ..parts[1] }];
    let (table, alone) = (table_of(&Shares::new(&split)), table_of(&Shares::new(&split[1..])));
    let mut seen = BTreeMap::new();
    for client in (0..200).map(network) {
        let answer = ask(&table, RecordType::A, client);
        assert!(answer.depends_on_client());
        let given = addresses(&answer);
        assert_eq!(given.len(), 1);
        if given[0] != "192.0.2.0" {
            assert_eq!(given, addresses(&ask(&alone, RecordType::A, client)));
        }
        *seen.entry(given[0].clone()).or_insert(0) += 1;
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert!(seen["192.0.2.10"] < seen["192.0.2.11"], "{seen:?}");
}

#[test]
fn a_side_without_pools_has_no_data() {
    let parts = parts(&[(0, 1)]);
    let split = Shares { shift: Some(half(&[])), ..Shares::new(&parts) };
    assert_eq!(audiences(&split, RecordType::A), [("no data", true), ("v40", true)]);
    assert_eq!(audiences(&Shares::new(&[]), RecordType::A), [("no data", false)]);
    assert!(Shares::new(&[]).picked(&owner("api"), network(1), || 0).is_none());
}
