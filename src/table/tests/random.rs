//! Splits of which each question draws.

use std::collections::BTreeMap;

use hickory_proto::rr::RecordType;
use proptest::prelude::*;

use super::{
    Answer, NOW, Question, Table, owner,
    splits::{ALL, network, number, parts, table_of},
};
use crate::{
    model::{Share, Spread},
    table::{Part, Shares, Shift},
};

const QUESTIONS: u64 = 20_000;

fn random<'p>(parts: &'p [Part<'p>]) -> Shares<'p> {
    Shares { spread: Spread::Random, ..Shares::new(parts) }
}

/// The number of the pool that a client is given.
fn drawn(table: &Table, kind: RecordType, client: u32, chance: u64) -> usize {
    let (owner, client) = (owner("api"), network(client));
    let answer =
        table.answer(Question { name: owner.wire(), kind: kind.into(), client }, NOW, || chance);
    assert!(!answer.depends_on_client());
    let Answer::Records(records) = answer else { panic!("{answer:?} instead of records") };
    number(records.tally())
}

/// Percent of the questions of one client, by pool.
fn shares(shares: &Shares<'_>) -> BTreeMap<usize, f64> {
    let (table, mut shares) = (table_of(shares), BTreeMap::new());
    for chance in 0..QUESTIONS {
        let number = drawn(&table, RecordType::A, 7, chance);
        *shares.entry(number).or_default() += 100.0 / QUESTIONS as f64;
    }
    shares
}

#[track_caller]
fn assert_near(shares: &BTreeMap<usize, f64>, wanted: &[(usize, f64)]) {
    let is_near = |(number, share): &(usize, f64)| (shares[number] - share).abs() < 1.0;
    assert!(shares.len() == wanted.len() && wanted.iter().all(is_near), "{shares:?}");
}

#[test]
fn one_client_is_given_each_pool_as_often_as_its_weight_says() {
    assert_near(&shares(&random(&parts(&[(0, 90), (1, 10)]))), &[(0, 90.0), (1, 10.0)]);
    let three = parts(&[(0, 1), (1, 2), (2, 1)]);
    assert_near(&shares(&random(&three)), &[(0, 25.0), (1, 50.0), (2, 25.0)]);
}

#[test]
fn a_ramp_is_a_share_of_the_questions() {
    let (from, to) = (parts(&[(0, 1)]), parts(&[(1, 1), (2, 1)]));
    let share = Share::from_millionths(ALL / 5).expect("a fifth");
    let shift = Some(Shift { to: &to, share, salt: 3 });
    let wanted = [(0, 80.0), (1, 10.0), (2, 10.0)];
    assert_near(&shares(&Shares { shift, ..random(&from) }), &wanted);
}

#[test]
fn one_pool_is_not_drawn_for() {
    let parts = parts(&[(2, 7)]);
    let table = table_of(&random(&parts));
    let (owner, client) = (owner("api"), network(1));
    let question = Question { name: owner.wire(), kind: RecordType::A.into(), client };
    let answer = table.answer(question, NOW, || panic!("nothing to choose from"));
    assert!(matches!(answer, Answer::Records(_)));
}

proptest! {
    /// So that what `picked` says of many clients is what the table does.
    #[test]
    fn it_hangs_on_chance_alone_and_the_table_gives_what_is_picked(
        chance: u64,
        clients in prop::array::uniform2(0..1_000u32),
        share in 0..=ALL,
    ) {
        let (from, to) = (parts(&[(0, 3), (1, 1)]), parts(&[(1, 1), (2, 1)]));
        let share = Share::from_millionths(share).expect("a share");
        let shift = Some(Shift { to: &to, share, salt: 3 });
        let shares = Shares { shift, ..random(&from) };
        let table = table_of(&shares);
        for client in clients {
            let picked = shares.picked(&owner("api"), network(client), || chance);
            let picked = number(picked.and_then(|part| part.tally));
            prop_assert_eq!(drawn(&table, RecordType::A, client, chance), picked);
            prop_assert_eq!(drawn(&table, RecordType::AAAA, client, chance), picked);
        }
    }
}
