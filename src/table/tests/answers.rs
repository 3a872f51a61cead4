//! One question, one table: what exists, what does not, and what is none of our business.

use hickory_proto::rr::{RData, RecordType};

use super::{
    Answer, CLIENT, Change, addresses, ask, ask_as, data, empty, kind_of, negative_secs, owner,
    set, table,
};
use crate::{model::DnsName, table::Audience};

#[test]
fn the_addresses_of_a_service_are_answered_by_family() {
    let table = table();
    let v4 = ask(&table, "api", RecordType::A);
    assert_eq!(addresses(&v4), ["192.0.2.1", "192.0.2.2"]);
    let Answer::Records(records) = v4 else { panic!("{v4:?}") };
    assert_eq!((kind_of(&records), records.ttl()), (RecordType::A, 60));
    assert!(!records.depends_on_client());
    let v6 = ask(&table, "api", RecordType::AAAA);
    assert_eq!(addresses(&v6), ["2001:db8::1"]);
}

#[test]
fn other_types_of_a_service_are_no_data() {
    let table = table();
    for kind in [RecordType::TXT, RecordType::MX, RecordType::SRV, RecordType::HTTPS] {
        let answer = ask(&table, "api", kind);
        assert!(matches!(answer, Answer::NoData(..)), "{kind}: {answer:?}");
    }
}

#[test]
fn a_pool_with_one_family_is_no_data_for_the_other() {
    let table = empty().with(set("four", &["192.0.2.1"]), 0).with(set("six", &["2001:db8::1"]), 0);
    for (name, kind) in [("four", RecordType::AAAA), ("six", RecordType::A)] {
        assert!(matches!(ask(&table, name, kind), Answer::NoData(_, Audience::Everyone, _)));
    }
}

#[test]
fn a_service_without_endpoints_is_a_failure_and_never_absent() {
    let table = empty().with(set("api", &[]), super::NOON);
    for kind in [RecordType::A, RecordType::AAAA] {
        assert_eq!(ask(&table, "api", kind), Answer::Unavailable(Audience::Everyone), "{kind}");
    }
    assert!(matches!(ask(&table, "api", RecordType::TXT), Answer::NoData(..)));
}

#[test]
fn absent_names_are_known_to_be_absent_for_thirty_seconds() {
    let table = table();
    let Answer::NxDomain(soa) = ask(&table, "nothing", RecordType::A) else { panic!("NXDOMAIN") };
    assert_eq!(negative_secs(soa), (30, 30));
    let Answer::NoData(soa, ..) = ask(&table, "api", RecordType::MX) else { panic!("NODATA") };
    assert_eq!(negative_secs(soa), (30, 30));
}

#[test]
fn nothing_stands_below_a_service() {
    assert!(matches!(ask(&table(), "x.api", RecordType::A), Answer::NxDomain(_)));
}

#[test]
fn a_name_with_something_below_it_exists() {
    let table = table().with(set("a.b.c", &["192.0.2.9"]), super::NOON);
    for name in ["b.c", "c", "er.text"] {
        for kind in [RecordType::A, RecordType::ANY, RecordType::NS] {
            let answer = ask(&table, name, kind);
            assert!(matches!(answer, Answer::NoData(..)), "{name} {kind}: {answer:?}");
        }
    }
    assert!(matches!(ask(&table, "x.c", RecordType::A), Answer::NxDomain(_)));
}

#[test]
fn names_outside_the_zone_are_refused() {
    let table = table();
    let outside = [".", "test", "example.test", "other.example.test", "svc.example.test.com"];
    // The last two end with the same letters, but not with the same labels.
    let alike = ["xsvc.example.test", "a.xsvc.example.test"];
    for name in outside.into_iter().chain(alike) {
        let wire = match name {
            "." => vec![0],
            name => name.parse::<DnsName>().expect("a name").wire().to_vec(),
        };
        for kind in [RecordType::A, RecordType::SOA, RecordType::ANY] {
            assert_eq!(ask_as(&table, &wire, kind, CLIENT), Answer::Refused, "{name} {kind}");
        }
    }
}

#[test]
fn a_label_that_holds_the_apex_in_its_octets_is_not_the_apex() {
    // One label whose octets are "\x03svc\x07example\x04test": the same octets, another name.
    let mut wire = vec![17];
    wire.extend_from_slice(&super::apex().wire()[..17]);
    wire.push(0);
    assert_eq!(wire.len(), 19);
    assert_eq!(ask_as(&table(), &wire, RecordType::A, CLIENT), Answer::Refused);
}

#[test]
fn static_records_are_answered_with_the_least_ttl_of_their_type() {
    let table = table();
    let Answer::Records(records) = ask(&table, "ns1", RecordType::A) else { panic!("static") };
    assert_eq!((records.ttl(), records.count()), (1_800, 2));
    let below = ask(&table, "deep.er.text", RecordType::TXT);
    assert_eq!(data(&below), [super::text("below")]);
    assert!(matches!(ask(&table, "ns1", RecordType::AAAA), Answer::NoData(..)));
}

#[test]
fn the_apex_has_its_authority_and_its_name_servers() {
    let table = table();
    let answer = ask(&table, "@", RecordType::SOA);
    let data = data(&answer);
    let [RData::SOA(data)] = data.as_slice() else { panic!("{data:?}") };
    assert!(matches!(answer, Answer::Records(records) if records.ttl() == 3_600));
    assert_eq!(data.serial, table.serial());
    assert_eq!(data.mname.to_string(), "ns1.svc.example.test.");
    assert_eq!(data.rname.to_string(), "hostmaster.svc.example.test.");
    // One of them has its address here, which is sent along.
    assert_eq!(ask(&table, "@", RecordType::NS), Answer::Composed);
    assert!(matches!(ask(&table, "@", RecordType::A), Answer::NoData(..)));
    assert!(matches!(ask(&table, "api", RecordType::SOA), Answer::NoData(..)));
}

#[test]
fn any_is_answered_with_one_small_record() {
    let table = table();
    for name in ["api", "ns1", "@"] {
        let answer = ask(&table, name, RecordType::ANY);
        let data = data(&answer);
        let [RData::HINFO(hinfo)] = data.as_slice() else { panic!("{name}: {data:?}") };
        assert_eq!((&*hinfo.cpu, &*hinfo.os), (&b"RFC8482"[..], &b""[..]));
    }
    assert!(matches!(ask(&table, "nothing", RecordType::ANY), Answer::NxDomain(_)));
}

#[test]
fn until_the_services_are_known_no_name_is_said_to_be_absent() {
    let table = empty();
    assert_eq!(ask(&table, "api", RecordType::A), Answer::NotReady);
    assert_eq!(ask(&table, "x.y.z", RecordType::ANY), Answer::NotReady);
    assert!(matches!(ask(&table, "ns1", RecordType::A), Answer::Records(_)));
    assert!(matches!(ask(&table, "@", RecordType::SOA), Answer::Records(_)));
    // A service may have the name of the zone, or one on the way to others; no name with records.
    assert_eq!(ask(&table, "@", RecordType::A), Answer::NotReady);
    assert_eq!(ask(&table, "er.text", RecordType::A), Answer::NotReady);
    assert!(matches!(ask(&table, "ns1", RecordType::AAAA), Answer::NoData(..)));
    let outside: DnsName = "example.test".parse().expect("a name");
    assert_eq!(ask_as(&table, outside.wire(), RecordType::A, CLIENT), Answer::Refused);
    let known = table.with(Change::default(), super::NOON);
    assert!(matches!(ask(&known, "api", RecordType::A), Answer::NxDomain(_)));
}

#[test]
fn a_service_and_static_records_share_a_name() {
    let table = table().with(set("text", &["192.0.2.9"]), super::NOON);
    assert_eq!(addresses(&ask(&table, "text", RecordType::A)), ["192.0.2.9"]);
    assert!(matches!(ask(&table, "text", RecordType::TXT), Answer::Records(_)));
    assert!(owner("text").is_within(table.apex()));
}
