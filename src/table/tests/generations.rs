//! From one table to the next: what stays, what goes, which numbers grow.

use hickory_proto::rr::{RData, RecordType};

use super::{
    Answer, Change, NOON, Table, addresses, ask, data, empty, owner, records, removed, set, table,
    zone,
};

fn soa_serial(answer: &Answer<'_>) -> u32 {
    let data = match answer {
        Answer::Records(_) => data(answer),
        Answer::NxDomain(authority) | Answer::NoData(authority, ..) => {
            authority.rrset().data.clone()
        }
        other => panic!("{other:?} instead of an SOA record"),
    };
    match data.as_slice() {
        [RData::SOA(soa)] => soa.serial,
        other => panic!("{other:?} instead of one SOA record"),
    }
}

/// RFC 1982 §3.2, for numbers that are not 2^31 apart.
fn is_later(serial: u32, than: u32) -> bool {
    serial != than && serial.wrapping_sub(than) < 1 << 31
}

#[test]
fn an_old_table_is_not_changed_by_the_next_one() {
    let old = table();
    let new = old.with(set("api", &["192.0.2.77"]), NOON + 2).with(removed("text"), NOON + 3);
    let new = new.with(set("other", &["192.0.2.78"]), NOON + 4);
    assert_eq!(addresses(&ask(&old, "api", RecordType::A)), ["192.0.2.1", "192.0.2.2"]);
    assert!(matches!(ask(&old, "other", RecordType::A), Answer::NxDomain(_)));
    assert_eq!(addresses(&ask(&new, "api", RecordType::A)), ["192.0.2.77"]);
    assert!(matches!(ask(&new, "other", RecordType::A), Answer::Records(_)));
    assert_ne!(old.serial(), new.serial());
    assert_eq!(soa_serial(&ask(&old, "@", RecordType::SOA)), old.serial());
}

#[test]
fn generations_count_up_from_one() {
    let first = empty();
    let second = first.with(Change::default(), NOON);
    let third = second.with(Change::default(), 0);
    assert_eq!([first, second, third].map(|table| table.generation()), [1, 2, 3]);
}

#[test]
fn all_that_changes_together_is_seen_together() {
    let both = Change {
        set: ["a", "b"].map(|name| (owner(name), records(name, &["192.0.2.5"]))).into(),
        removed: vec![owner("api")],
    };
    let next = table().with(both, NOON);
    assert_eq!(next.generation(), table().generation() + 1);
    for name in ["a", "b"] {
        assert_eq!(addresses(&ask(&next, name, RecordType::A)), ["192.0.2.5"]);
    }
    assert!(matches!(ask(&next, "api", RecordType::A), Answer::NxDomain(_)));
}

#[test]
fn removing_a_service_removes_the_names_that_only_led_to_it() {
    let with = |name: &str, table: &Table| table.with(set(name, &["192.0.2.9"]), NOON);
    let both = with("x.b.c", &with("a.b.c", &table()));
    let one = both.with(removed("a.b.c"), NOON);
    assert!(matches!(ask(&one, "a.b.c", RecordType::A), Answer::NxDomain(_)));
    assert!(matches!(ask(&one, "b.c", RecordType::A), Answer::NoData(..)));
    let none = one.with(removed("x.b.c"), NOON);
    for name in ["x.b.c", "b.c", "c"] {
        let answer = ask(&none, name, RecordType::A);
        assert!(matches!(answer, Answer::NxDomain(_)), "{name}: {answer:?}");
    }
    assert!(matches!(ask(&none, "@", RecordType::SOA), Answer::Records(_)));
}

#[test]
fn a_removed_service_leaves_what_stands_above_and_below_it() {
    let with = |name: &str, table: &Table| table.with(set(name, &["192.0.2.9"]), NOON);
    let table = with("c", &with("b.c", &with("a.b.c", &table())));
    let table = table.with(removed("b.c"), NOON);
    assert!(matches!(ask(&table, "a.b.c", RecordType::A), Answer::Records(_)));
    assert!(matches!(ask(&table, "b.c", RecordType::A), Answer::NoData(..)));
    assert!(matches!(ask(&table, "c", RecordType::A), Answer::Records(_)));
    let table = table.with(removed("a.b.c"), NOON);
    assert!(matches!(ask(&table, "b.c", RecordType::A), Answer::NxDomain(_)));
    assert!(matches!(ask(&table, "c", RecordType::A), Answer::Records(_)));
}

#[test]
fn removing_what_is_not_there_changes_no_answer() {
    let table = table();
    let next = table.with(removed("nothing"), NOON).with(removed("text"), NOON);
    assert!(matches!(ask(&next, "nothing", RecordType::A), Answer::NxDomain(_)));
    assert!(matches!(ask(&next, "text", RecordType::TXT), Answer::Records(_)));
    assert!(matches!(ask(&next, "deep.er.text", RecordType::TXT), Answer::Records(_)));
    assert_eq!(ask(&next, "api", RecordType::A), ask(&table, "api", RecordType::A));
}

#[test]
fn the_serial_is_the_time_of_day_and_never_stands_still() {
    let first = empty();
    assert_eq!(u64::from(first.serial()), NOON);
    let second = first.with(Change::default(), NOON + 10);
    assert_eq!(u64::from(second.serial()), NOON + 10);
    let same_second = second.with(Change::default(), NOON + 10);
    assert_eq!(u64::from(same_second.serial()), NOON + 11);
    let clock_set_back = same_second.with(Change::default(), NOON - 1_000_000);
    assert_eq!(u64::from(clock_set_back.serial()), NOON + 12);
    let clock_right_again = clock_set_back.with(Change::default(), NOON + 20);
    assert_eq!(u64::from(clock_right_again.serial()), NOON + 20);
}

#[test]
fn every_soa_record_of_a_table_has_its_serial() {
    let table = table().with(Change::default(), NOON + 99);
    for (name, kind) in
        [("@", RecordType::SOA), ("nothing", RecordType::A), ("api", RecordType::MX)]
    {
        assert_eq!(soa_serial(&ask(&table, name, kind)), table.serial(), "{name} {kind}");
    }
}

#[test]
fn the_serial_grows_over_the_end_of_its_numbers() {
    let end = u64::from(u32::MAX);
    let mut table = Table::new(&zone(), (1, 2), end - 1);
    // The clock stands still, goes on over the end, and is set back before it.
    for unix_secs in [end, end, end, end + 1, end + 2, end, 3, end + 100] {
        let next = table.with(Change::default(), unix_secs);
        let (serial, before) = (next.serial(), table.serial());
        assert!(is_later(serial, before), "{serial} after {before} at {unix_secs}");
        table = next;
    }
}

#[test]
fn the_serial_grows_even_when_the_clock_says_1970() {
    let mut table = Table::new(&zone(), (1, 2), 0);
    for unix_secs in [0, 0, 0, NOON] {
        let next = table.with(Change::default(), unix_secs);
        assert!(is_later(next.serial(), table.serial()), "at {unix_secs}");
        table = next;
    }
    assert_eq!(u64::from(table.serial()), NOON);
}
