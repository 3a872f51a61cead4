//! Answers that change at a known instant, as they are sent; the paths are compared with each other
//! at each of them.

use std::time::Duration;

use cutover::{
    model::{DnsName, Endpoint, Timing, Weight},
    table::{Part, ServiceRecords, Shares},
};
use domain::base::{Rtype, iana::Rcode};

use crate::{NOW, TTL, name, pool, query};

/// A service with one IPv4 address.
fn service(service: &str, timing: Timing) -> (DnsName, ServiceRecords) {
    let endpoints = [Endpoint::new([192, 0, 2, 1].into(), Weight::ONE).expect("one host")];
    let (owner, pool) = (name(service), pool("v1"));
    let part = Part { timing, ..Part::new(&pool, TTL, &endpoints) };
    let records = ServiceRecords::new(&owner, &Shares::new(&[part]));
    (owner, records)
}

/// `ending` changes in seven seconds, `begun` has just changed.
pub(crate) fn services() -> [(DnsName, ServiceRecords); 2] {
    let instant = NOW + Duration::from_secs(7);
    [service("ending", Timing::Until(instant)), service("begun", Timing::Since(NOW))]
}

#[test]
fn an_answer_is_kept_until_the_instant() {
    let seen = query("ending", Rtype::A).udp();
    let owner = "ending.svc.example.test".to_owned();
    assert_eq!(seen.answer, [(owner, Rtype::A, 7, "192.0.2.1".to_owned())]);
    let seen = query("begun", Rtype::A).udp();
    let [(_, Rtype::A, 30..=60, _)] = seen.answer.as_slice() else { panic!("{seen:?}") };
}

/// By its TTL and by its minimum, on both paths and behind a question of any length.
#[test]
fn that_there_is_no_ipv6_is_kept_until_the_instant() {
    let seen = query("ending", Rtype::AAAA).udp();
    assert_eq!((seen.code(), seen.answer.len()), (Rcode::NOERROR, 0));
    let [(_, Rtype::SOA, 7, data)] = seen.authority.as_slice() else { panic!("{seen:?}") };
    assert!(data.ends_with(" 7"), "the minimum: {data}");
    query("ending", Rtype::TXT).udp().assert_negative(Rcode::NOERROR);
    query("begun", Rtype::AAAA).udp().assert_negative(Rcode::NOERROR);
}
