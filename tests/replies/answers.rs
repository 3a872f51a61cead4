//! What is answered to good questions.

use domain::base::{Rtype, iana::Rcode};

use crate::{query, query_absolute};

#[test]
fn a_service_is_answered_with_its_addresses_and_its_ttl() {
    let seen = query("api", Rtype::A).udp();
    assert_eq!(seen.code(), Rcode::NOERROR);
    let record =
        |host| ("api.svc.example.test".to_owned(), Rtype::A, 60, format!("192.0.2.{host}"));
    assert_eq!(seen.answer, [record(1), record(2)]);
    assert_eq!(seen.authority, []);
    assert!(seen.header.aa());
}

#[test]
fn another_type_is_no_data() {
    for kind in [Rtype::AAAA, Rtype::MX, Rtype::TXT, Rtype::HTTPS, Rtype::from_int(65_280)] {
        query("api", kind).udp().assert_negative(Rcode::NOERROR);
    }
}

#[test]
fn a_name_that_is_not_there_is_nxdomain() {
    query("nothing", Rtype::A).udp().assert_negative(Rcode::NXDOMAIN);
    query("below.api", Rtype::A).udp().assert_negative(Rcode::NXDOMAIN);
    query("nothing", Rtype::ANY).udp().assert_negative(Rcode::NXDOMAIN);
}

#[test]
fn a_name_with_something_below_it_is_no_data() {
    query("text", Rtype::A).udp().assert_negative(Rcode::NOERROR);
    query("text", Rtype::ANY).udp().assert_negative(Rcode::NOERROR);
}

#[test]
fn static_records_are_answered() {
    let seen = query("below.text", Rtype::TXT).udp();
    let expected = ("below.text.svc.example.test".to_owned(), Rtype::TXT, 120);
    let [(owner, kind, ttl, data)] = seen.answer.as_slice() else { panic!("{seen:?}") };
    assert_eq!((owner.clone(), *kind, *ttl), expected);
    assert!(data.contains("hello"), "{data}");
}

#[test]
fn the_apex_has_its_soa_and_its_name_servers() {
    let soa = query("@", Rtype::SOA).udp();
    let [(_, Rtype::SOA, 3_600, data)] = soa.answer.as_slice() else { panic!("{soa:?}") };
    assert!(data.starts_with("ns1.svc.example.test"), "{data}");
    let ns = query("@", Rtype::NS).udp();
    let names: Vec<_> = ns.answer.iter().map(|(_, _, _, data)| data.as_str()).collect();
    let expected = ["ns1.svc.example.test", "ns2.svc.example.test"];
    assert_eq!(names.iter().map(|n| n.trim_end_matches('.')).collect::<Vec<_>>(), expected);
    assert_eq!(soa.authority, []);
}

#[test]
fn any_is_answered_with_one_small_record() {
    for name in ["api", "n100", "@"] {
        let seen = query(name, Rtype::ANY).edns(4096).udp();
        let [(_, Rtype::HINFO, 30, data)] = seen.answer.as_slice() else { panic!("{seen:?}") };
        assert!(data.contains("RFC8482"), "{data}");
        assert!(seen.header.aa() && !seen.header.tc());
        assert!(seen.len <= 100, "{} octets", seen.len);
    }
}

#[test]
fn a_service_that_lost_all_its_addresses_is_a_failure_and_not_absent() {
    let seen = query("none", Rtype::A).udp();
    assert_eq!(seen.code(), Rcode::SERVFAIL);
    assert_eq!((seen.answer.len(), seen.authority.len()), (0, 0));
    assert!(!seen.header.aa());
}

#[test]
fn names_outside_the_zone_are_refused_without_authority() {
    for name in ["example.test", ".", "xsvc.example.test", "api.svc.example.com"] {
        let seen = query_absolute(name, Rtype::A).udp();
        assert_eq!(seen.code(), Rcode::REFUSED, "{name}");
        assert!(!seen.header.aa(), "{name}");
        assert_eq!((seen.question.len(), seen.answer.len(), seen.authority.len()), (1, 0, 0));
    }
}

#[test]
fn the_answer_has_the_letters_of_the_question() {
    // Resolvers mix upper and lower case at random and compare (draft-vixie-dnsext-dns0x20).
    let mixed = "aPI.sVc.ExAmPle.TEST";
    let seen = query_absolute(mixed, Rtype::A).udp();
    assert_eq!(seen.question, [(mixed.to_owned(), Rtype::A, domain::base::iana::Class::IN)]);
    assert_eq!(seen.answer.len(), 2);
    assert!(seen.answer.iter().all(|(owner, ..)| owner == mixed), "{:?}", seen.answer);
    let absent = query_absolute("NoThing.sVc.ExAmPle.TEST", Rtype::A).udp();
    assert_eq!(absent.question[0].0, "NoThing.sVc.ExAmPle.TEST");
    absent.assert_negative(Rcode::NXDOMAIN);
}

#[test]
fn the_longest_name_is_answered() {
    // 235 octets of labels and the apex of 18 are 253; two more make it 255.
    let label = "a".repeat(63);
    let labels = [&label[..], &label, &label, &label[..44]].join(".");
    let seen = query(&labels, Rtype::A).udp();
    assert_eq!(seen.question[0].0.len(), 253);
    seen.assert_negative(Rcode::NXDOMAIN);
}

#[test]
fn the_question_comes_back_alone_in_its_section() {
    for asked in [query("api", Rtype::A), query("nothing", Rtype::AAAA), query("api", Rtype::ANY)] {
        let seen = asked.udp();
        assert_eq!(seen.question, [(asked.name.clone(), asked.kind, asked.class)]);
        assert_eq!(seen.additional_count, 0);
    }
}
