//! A ramp on the real daemon: who has moved stays moved, and everyone goes back at once.

#![cfg(target_os = "linux")] // All of 127.0.0.0/8 is there.

mod common;

use std::{collections::BTreeSet, net::IpAddr};

use common::{Client, House, pools::Pools};
use cutover::{admin::orders, cutover::Verb};

const RAMP: &str =
    "ramp = [{ share = \"10%\", bake = \"1h\" }, { share = \"50%\", bake = \"1h\" }]";

/// Clients of different networks.
fn clients(house: &House) -> Vec<Client> {
    let of = |number: u8| Client::from(house.daemon.dns()[0], IpAddr::from([127, 9, number, 1]));
    (0..200).map(of).collect()
}

/// Which of them are answered with `pool`; the others are with `other`, whatever is asked.
async fn answered_with(pool: &[IpAddr], other: &[IpAddr], clients: &[Client]) -> BTreeSet<usize> {
    let mut answered = BTreeSet::new();
    for (number, client) in clients.iter().enumerate() {
        let asked = client.ask("api.zone.test", "A").await;
        if asked.addresses == pool {
            answered.insert(number);
        } else {
            assert_eq!(asked.addresses, other, "one pool whole");
        }
    }
    answered
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_moved_stays_moved_and_everyone_goes_back_at_once() {
    let pools = Pools::start().await;
    let (v1, v2) = (&pools.v1, &pools.v2);
    let (house, socket) = House::start_with_admin(&pools.file("v1", RAMP)).await;
    house.until_pool_is("v2", "up").await;
    let clients = clients(&house);
    house.save(&pools.file("v2", RAMP));
    house.until_phase("Settling").await;
    let at_10 = answered_with(v2, v1, &clients).await;
    assert!((10..=30).contains(&at_10.len()), "{} of 200 at 10 %", at_10.len());
    let api = house.api().await;
    assert_eq!(api.serving, [("v1".to_owned(), 90), ("v2".to_owned(), 10)].into());
    let release = api.release.expect("one is under way");
    assert_eq!((release.step, release.steps, release.share), (1, 3, 10));
    house.until_phase("Judging").await;
    let ask = |verb| orders::ask(&socket, "api", verb, &[]);
    ask(Verb::Promote).await.expect("a step");
    let at_50 = answered_with(v2, v1, &clients).await;
    assert!((80..=120).contains(&at_50.len()), "{} of 200 at 50 %", at_50.len());
    assert!(at_10.is_subset(&at_50), "nobody goes back on the way up");
    ask(Verb::Rollback).await.expect("there is a way back");
    assert_eq!(answered_with(v2, v1, &clients).await, BTreeSet::new());
}
