//! Which pool of a split a client is given, and who moves when a split changes.

use std::{collections::BTreeMap, sync::LazyLock};

use hickory_proto::rr::RecordType;
use proptest::prelude::*;

use super::{
    Answer, Change, NOON, NOW, ServiceRecords, Table, empty, endpoint, owner, removed, set,
};
use crate::{
    model::{ClientNetwork, Endpoint, PoolName, Share, Ttl, Weight},
    table::{Audience, Part, Question, Shares, Shift, Tally},
};

pub(super) const ALL: u64 = 1_000_000;
const TTL: Ttl = Ttl::from_secs_const(60);
pub(super) const NAMES: [&str; 4] = ["v40", "v41", "v42", "blue"];

/// Numbers of pools, and their weights.
type Pools = Vec<(usize, u64)>;

/// A share of the clients, in millionths, has moved from one split to another.
#[derive(Clone, Debug)]
struct Case {
    from: Pools,
    to: Pools,
    share: u64,
    salt: u64,
}

impl Case {
    fn of(pools: &[(usize, u64)]) -> Self {
        Self { from: pools.into(), to: pools.into(), share: 0, salt: 0 }
    }

    fn show<T>(&self, look: impl FnOnce(&Shares<'_>) -> T) -> T {
        let (from, to) = (parts(&self.from), parts(&self.to));
        let share = Share::from_millionths(self.share).expect("a share");
        let shift = Some(Shift { to: &to, share, salt: self.salt });
        look(&Shares { shift, ..Shares::new(&from) })
    }

    /// The number of the pool that the client is given.
    fn picked(&self, client: ClientNetwork) -> usize {
        let tally = |split: &Shares<'_>| {
            split.picked(&owner("api"), client, no_chance).and_then(|it| it.tally)
        };
        number(self.show(tally))
    }

    fn records(&self) -> ServiceRecords {
        self.show(records_of)
    }

    fn table(&self) -> Table {
        with(self.records())
    }

    /// How many of the first clients are given each pool.
    fn counts(&self, clients: u32) -> BTreeMap<usize, u32> {
        let (owner, mut counts) = (owner("api"), BTreeMap::new());
        self.show(|split| {
            for client in (0..clients).map(network) {
                let tally = split.picked(&owner, client, no_chance).and_then(|part| part.tally);
                *counts.entry(number(tally)).or_default() += 1;
            }
        });
        counts
    }
}

/// Each pool has an address of each family that ends with its number, and counts for its number.
pub(super) fn parts(pools: &[(usize, u64)]) -> Vec<Part<'static>> {
    static POOLS: LazyLock<[(PoolName, [Endpoint; 2]); NAMES.len()]> = LazyLock::new(|| {
        std::array::from_fn(|number| {
            let addresses = [format!("192.0.2.{number}"), format!("2001:db8::f:{number}")];
            let endpoints = addresses.map(|address| endpoint(&address, 1));
            (NAMES[number].parse().expect("the name of a pool"), endpoints)
        })
    });
    let part = |&(number, weight): &(usize, u64)| {
        let (pool, endpoints) = &POOLS[number];
        let weight = Weight::new(weight).expect("a weight");
        let tally = Some(Tally(u32::try_from(number).expect("a small number")));
        Part { weight, tally, ..Part::new(pool, TTL, endpoints) }
    };
    pools.iter().map(part).collect()
}

pub(super) fn number(tally: Option<Tally>) -> usize {
    tally.expect("what counts for a pool").0 as usize
}

fn records_of(split: &Shares<'_>) -> ServiceRecords {
    ServiceRecords::new(&owner("api"), split)
}

pub(super) fn table_of(split: &Shares<'_>) -> Table {
    with(records_of(split))
}

fn with(records: ServiceRecords) -> Table {
    empty().with(Change { set: vec![(owner("api"), records)], removed: Vec::new() }, NOON)
}

pub(super) fn ask(table: &Table, kind: RecordType, client: ClientNetwork) -> Answer<'_> {
    let owner = owner("api");
    table.answer(Question { name: owner.wire(), kind: kind.into(), client }, NOW, no_chance)
}

/// Of what is sticky.
fn no_chance() -> u64 {
    panic!("nothing is left to chance")
}

/// The number of the pool that the table gives the client.
fn answered(table: &Table, kind: RecordType, client: ClientNetwork) -> usize {
    match ask(table, kind, client) {
        Answer::Records(records) => number(records.tally()),
        other => panic!("{other:?} instead of records"),
    }
}

/// The /24 networks one after the other, from 1.0.0.0 on.
pub(super) fn network(number: u32) -> ClientNetwork {
    let [_, a, b, c] = (0x01_0000 + number).to_be_bytes();
    ClientNetwork::v4([a, b, c])
}

fn client() -> impl Strategy<Value = ClientNetwork> {
    prop_oneof![
        any::<[u8; 3]>().prop_map(ClientNetwork::v4),
        any::<[u8; 6]>().prop_map(ClientNetwork::v6),
    ]
}

fn pools() -> impl Strategy<Value = Pools> {
    let some = prop::sample::subsequence((0..NAMES.len()).collect::<Vec<_>>(), 1..=NAMES.len());
    let weights = prop::array::uniform4(1..=1_000_u64);
    (some, weights).prop_map(|(some, weights)| some.into_iter().map(|n| (n, weights[n])).collect())
}

fn case() -> impl Strategy<Value = Case> {
    (pools(), pools(), prop_oneof![Just(0), Just(ALL), 0..=ALL], any::<u64>())
        .prop_map(|(from, to, share, salt)| Case { from, to, share, salt })
}

/// Computed from the definitions by another program, in numbers of ninety digits: an upgrade
/// moves nobody.
#[test]
fn the_pool_of_a_client_never_changes() {
    let splits: [&[(usize, u64)]; 3] =
        [&[(1, 90), (2, 10)], &[(0, 1), (1, 2), (2, 3)], &[(0, 1), (1, 1), (2, 1), (3, 1)]];
    for (client, expected, place) in [
        (ClientNetwork::v4([198, 51, 100]), ["v41", "v42", "blue"], 363_635),
        (ClientNetwork::v4([203, 0, 113]), ["v42", "v42", "v42"], 498_282),
        (ClientNetwork::v4([192, 0, 2]), ["v41", "v42", "blue"], 160_190),
        (ClientNetwork::v4([10, 0, 0]), ["v41", "v41", "v41"], 882_674),
        (ClientNetwork::v4([10, 0, 1]), ["v42", "v42", "v42"], 897_643),
        (ClientNetwork::v4([10, 0, 2]), ["v41", "v41", "v40"], 885_481),
        (ClientNetwork::v6([0x20, 1, 0x0d, 0xb8, 0, 1]), ["v41", "v41", "blue"], 714_934),
        (ClientNetwork::v6([0x20, 1, 0x0d, 0xb8, 0, 2]), ["v41", "v42", "blue"], 357_723),
    ] {
        let picked = splits.map(|pools| NAMES[Case::of(pools).picked(client)]);
        assert_eq!(picked, expected, "{client:?}");
        // In a ramp a client has its place, in millionths: it moves with the next share.
        let at = |share| {
            let case = Case { from: vec![(1, 1)], to: vec![(2, 1)], share, salt: 0x5eed };
            (NAMES[case.picked(client)], NAMES[answered(&case.table(), RecordType::A, client)])
        };
        assert_eq!([at(place), at(place + 1)], [("v41", "v41"), ("v42", "v42")], "{client:?}");
    }
}

#[test]
fn a_share_is_a_share_of_clients() {
    for (salt, percent) in [(1, 1), (1, 10), (2, 10), (1, 50), (2, 50), (3, 50), (9, 90), (9, 99)] {
        let (from, to) = (vec![(0, 1)], vec![(1, 1)]);
        let case = Case { from, to, share: percent * ALL / 100, salt };
        let moved = f64::from(case.counts(100_000)[&1]) / 1_000.0;
        assert!((moved - percent as f64).abs() < 0.5, "{moved} instead of {percent} with {salt}");
    }
}

#[test]
fn shares_of_clients_are_the_weights_of_pools() {
    for weights in [&[60, 30, 10][..], &[1, 1], &[1, 1, 1, 1], &[999_999, 1_000_000], &[97, 1, 2]] {
        let pools: Pools = weights.iter().copied().enumerate().collect();
        let total: u64 = weights.iter().sum();
        let counts = Case::of(&pools).counts(100_000);
        for (number, weight) in pools {
            let share = f64::from(counts[&number]) / 1_000.0;
            let expected = 100.0 * weight as f64 / total as f64;
            assert!((share - expected).abs() < 0.5, "{share} instead of {expected}: {weights:?}");
        }
    }
}

#[test]
fn a_pool_is_left_by_the_same_share_of_its_clients_as_any_other() {
    let from = vec![(0, 1), (1, 3)];
    let before = Case::of(&from);
    let case = Case { from, to: vec![(2, 1)], share: ALL / 2, salt: 1 };
    for number in [0, 1] {
        let clients = || (0..40_000).map(network).filter(|it| before.picked(*it) == number);
        let moved = clients().filter(|client| case.picked(*client) == 2).count() as f64;
        let share = moved / clients().count() as f64;
        assert!((share - 0.5).abs() < 0.02, "{share} of the clients of {}", NAMES[number]);
    }
}

#[test]
fn another_release_moves_others_first() {
    let [one, other] = [1, 2].map(|salt| {
        let case = Case { from: vec![(0, 1)], to: vec![(1, 1)], share: ALL / 2, salt };
        (0..1_000).filter(|number| case.picked(network(*number)) == 1).collect::<Vec<_>>()
    });
    let both = one.iter().filter(|number| other.contains(number)).count();
    assert!((200..300).contains(&both), "{both} of {} and {}", one.len(), other.len());
}

#[test]
fn services_share_no_pool_pick() {
    let parts = parts(&[(0, 1), (1, 1)]);
    let split = Shares::new(&parts);
    let picked =
        |name, client| split.picked(&owner(name), client, no_chance).map(|part| part.tally);
    let alike = (0..1_000).map(network).filter(|it| picked("api", *it) == picked("www", *it));
    assert!((450..550).contains(&alike.count()), "half of them by chance");
}

#[test]
fn none_and_all_are_exact() {
    let (from, to) = (vec![(0, 1), (1, 2)], vec![(2, 1)]);
    let at = |share| Case { from: from.clone(), to: to.clone(), share, salt: 3 }.records();
    let alone = |pools| records_of(&Shares::new(&parts(pools)));
    assert_eq!(at(0), alone(&from));
    assert_eq!(at(ALL), alone(&to));
    assert_ne!(at(1), at(0));
    assert_ne!(at(ALL - 1), at(ALL));
}

/// So that the node of most names stays on two lines of memory during a release.
#[test]
fn a_release_from_one_pool_to_another_is_no_larger_than_it_must_be() {
    let case = |from: &[(usize, u64)]| {
        let case = Case { from: from.into(), to: vec![(3, 1)], share: ALL / 2, salt: 3 };
        case.records().packed.len()
    };
    // Heads of 16, salts with a share or a weight of 12, addresses of 4 and 16.
    let (shift, drawn) = (2 * (16 + 12), 12);
    let part = (16 + 4) + (16 + 16);
    assert_eq!(case(&[(0, 1)]), shift + 2 * part);
    assert_eq!(case(&[(0, 1), (1, 1)]), shift + 2 * 16 + 2 * (2 * drawn + part) + part);
}

#[test]
fn a_split_stays_when_its_name_is_packed_anew() {
    let case = Case { from: vec![(0, 1), (1, 2)], to: vec![(2, 1)], share: ALL / 2, salt: 3 };
    let table = case.table();
    let above = table.with(set("x.api", &["192.0.2.9"]), NOON);
    let alone = above.with(removed("x.api"), NOON);
    let gone = above.with(removed("api"), NOON);
    for client in (0..100).map(network) {
        for kind in [RecordType::A, RecordType::AAAA, RecordType::TXT] {
            let answer = ask(&table, kind, client);
            match answer {
                Answer::NoData(..) => assert_eq!(kind, RecordType::TXT),
                answer => {
                    assert_eq!(ask(&above, kind, client), answer);
                    assert_eq!(ask(&alone, kind, client), answer);
                }
            }
            assert!(matches!(ask(&gone, kind, client), Answer::NoData(_, Audience::Everyone, _)));
        }
    }
}

proptest! {
    #[test]
    fn the_table_gives_both_families_what_is_picked(
        case in case(),
        clients in prop::collection::vec(client(), 20),
    ) {
        let table = case.table();
        for client in clients {
            let picked = case.picked(client);
            prop_assert_eq!(answered(&table, RecordType::A, client), picked);
            prop_assert_eq!(answered(&table, RecordType::AAAA, client), picked);
        }
    }

    #[test]
    fn a_growing_share_moves_nobody_back(
        case in case(),
        mut shares in prop::collection::vec(0..=ALL, 1..6),
        clients in prop::collection::vec(client(), 20),
    ) {
        shares.sort_unstable();
        let [before, after] = [&case.from, &case.to].map(|pools| Case::of(pools));
        for client in clients {
            let (old, new) = (before.picked(client), after.picked(client));
            let mut last = old;
            for &share in &shares {
                let picked = Case { share, ..case.clone() }.picked(client);
                prop_assert!(picked == last || picked == new, "from {} to {}", last, picked);
                last = picked;
            }
        }
    }

    #[test]
    fn a_changed_weight_moves_clients_to_or_from_its_pool_only(
        pools in pools(),
        which: prop::sample::Index,
        weight in 1..=1_000_u64,
        clients in prop::collection::vec(client(), 50),
    ) {
        let mut changed = pools.clone();
        let (number, before) = pools[which.index(pools.len())];
        changed[which.index(pools.len())] = (number, weight);
        for client in clients {
            let (then, now) = (Case::of(&pools).picked(client), Case::of(&changed).picked(client));
            if then != now {
                prop_assert_eq!(if weight > before { now } else { then }, number);
            }
        }
    }

    #[test]
    fn a_pool_that_goes_takes_nobody_elses_clients_along(
        pools in pools(),
        which: prop::sample::Index,
        clients in prop::collection::vec(client(), 50),
    ) {
        let mut fewer = pools.clone();
        let (gone, _) = fewer.remove(which.index(pools.len()));
        for client in clients.into_iter().filter(|_| !fewer.is_empty()) {
            let before = Case::of(&pools).picked(client);
            if before != gone {
                prop_assert_eq!(Case::of(&fewer).picked(client), before);
            }
        }
    }

    #[test]
    fn the_order_of_pools_makes_no_difference(
        pools in pools(),
        clients in prop::collection::vec(client(), 20),
    ) {
        let mut other_way: Pools = pools.clone();
        other_way.reverse();
        for client in clients {
            prop_assert_eq!(Case::of(&pools).picked(client), Case::of(&other_way).picked(client));
        }
    }
}
