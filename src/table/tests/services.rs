//! Which addresses of a service one client is given.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use hickory_proto::rr::RecordType;

use super::{Answer, Change, NOON, Table, addresses, ask_as, empty, endpoint, one_pool, owner};

fn weighted(name: &str, weights: &[(&str, u64)]) -> Table {
    let endpoints: Vec<_> = weights.iter().map(|&(host, weight)| endpoint(host, weight)).collect();
    let set = vec![(owner(name), one_pool(name, 60, &endpoints, &[]))];
    empty().with(Change { set, removed: Vec::new() }, NOON)
}

fn one_to_three() -> Table {
    weighted("api", &[("192.0.2.1", 1), ("192.0.2.2", 3)])
}

fn given(table: &Table, name: &str, client: IpAddr) -> Vec<String> {
    addresses(&ask_as(table, owner(name).wire(), RecordType::A, client))
}

/// A resolver in the n-th network of 10.0.0.0/8.
fn network(number: u16, host: u8) -> IpAddr {
    let [high, low] = number.to_be_bytes();
    Ipv4Addr::new(10, high, low, host).into()
}

/// Computed from the definitions by another program: an upgrade moves nobody.
#[test]
fn what_a_client_is_given_never_changes() {
    let hosts = ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"];
    for (client, of_three, of_four) in [
        ("198.51.100.7", [2], [2, 4]),
        ("203.0.113.1", [3], [2, 4]),
        ("192.0.2.255", [1], [1, 3]),
        ("10.0.0.1", [3], [3, 4]),
        ("2001:db8:1::1", [3], [2, 4]),
        ("2001:db8:ff00::1", [2], [2, 4]),
    ] {
        let client: IpAddr = client.parse().expect("an address");
        for (weights, expected) in [(&[10, 30, 60][..], &of_three[..]), (&[1, 2, 2, 3], &of_four)] {
            let endpoints: Vec<_> = hosts.into_iter().zip(weights.iter().copied()).collect();
            let expected: Vec<String> = expected.iter().map(|n| format!("192.0.2.{n}")).collect();
            assert_eq!(given(&weighted("api", &endpoints), "api", client), expected, "{client}");
        }
    }
}

#[test]
fn shares_of_clients_are_the_weights() {
    let table = one_to_three();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for number in 0..10_000 {
        let given = given(&table, "api", network(number, 1));
        assert_eq!(given.len(), 1, "{given:?}");
        *counts.entry(given[0].clone()).or_default() += 1;
    }
    // 2,500 expected of 10,000, with a standard deviation of 43: five of them are allowed.
    let light = counts["192.0.2.1"];
    assert!((2_285..=2_715).contains(&light), "{counts:?}");
}

#[test]
fn equal_weights_give_every_address_to_everyone() {
    let table = weighted("api", &[("192.0.2.1", 5), ("192.0.2.2", 5), ("2001:db8::1", 9)]);
    assert_eq!(given(&table, "api", network(1, 1)), ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(given(&table, "api", network(2, 1)), ["192.0.2.1", "192.0.2.2"]);
}

#[test]
fn a_client_is_given_the_same_each_time_and_by_every_name_server() {
    let (table, twin) = (one_to_three(), Table::new(&super::zone(), (77, 78), 5));
    let set = Change { set: vec![], removed: vec![] };
    let mut again = one_to_three().with(set, NOON + 9);
    again = again.with(super::set("other", &["192.0.2.9"]), NOON + 10);
    let endpoints = [endpoint("192.0.2.1", 1), endpoint("192.0.2.2", 3)];
    let set = vec![(owner("api"), one_pool("api", 5, &endpoints, &[]))];
    let twin = twin.with(Change { set, removed: vec![] }, 6);
    for number in 0..200 {
        let client = network(number, 1);
        let first = given(&table, "api", client);
        assert_eq!(first, given(&table, "api", client));
        assert_eq!(first, given(&again, "api", client), "another generation");
        assert_eq!(first, given(&twin, "api", client), "another name server");
    }
}

#[test]
fn a_client_is_its_network() {
    let table = one_to_three();
    for number in 0..200 {
        let first = given(&table, "api", network(number, 1));
        assert_eq!(first, given(&table, "api", network(number, 254)), "one /24");
        let IpAddr::V4(plain) = network(number, 1) else { panic!("IPv4") };
        assert_eq!(first, given(&table, "api", plain.to_ipv6_mapped().into()), "a mapped address");
        let v6 = |subnet, host| Ipv6Addr::new(0x2001, 0xdb8, number, subnet, 0, 0, 0, host).into();
        let first = given(&table, "api", v6(0, 1));
        assert_eq!(first, given(&table, "api", v6(0xffff, 2)), "one /48");
    }
}

#[test]
fn services_share_no_pick() {
    let hosts = [("192.0.2.1", 1), ("192.0.2.2", 3)];
    let (api, www) = (weighted("api", &hosts), weighted("www", &hosts));
    let pairs: BTreeSet<_> = (0..200)
        .map(|number| {
            (given(&api, "api", network(number, 1)), given(&www, "www", network(number, 1)))
        })
        .collect();
    assert_eq!(pairs.len(), 4, "every pair of picks comes up: {pairs:?}");
}

#[test]
fn each_family_has_shares_of_its_own() {
    let table = weighted("api", &[("192.0.2.1", 1), ("2001:db8::1", 1), ("2001:db8::2", 2)]);
    for number in 0..50 {
        let client = network(number, 1);
        assert_eq!(given(&table, "api", client), ["192.0.2.1"]);
        let v6 = ask_as(&table, owner("api").wire(), RecordType::AAAA, client);
        assert!(matches!(&v6, Answer::Records(records) if records.count() == 1), "{v6:?}");
    }
}
