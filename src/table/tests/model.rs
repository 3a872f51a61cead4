//! The table against the simplest thing that could be one: a map of the names with services.

use std::collections::BTreeMap;

use hickory_proto::rr::RecordType;
use proptest::prelude::*;

use super::{Answer, ask, empty, removed, set, table};

const FOUR: &[&str] = &["192.0.2.1", "192.0.2.2"];
const SIX: &[&str] = &["2001:db8::1"];
const BOTH: &[&str] = &["192.0.2.1", "2001:db8::1"];
const NONE: &[&str] = &[];
/// Few labels, so that names collide, nest, and meet the zone's own `deep.er.text`.
const LABELS: [&str; 5] = ["a", "b", "er", "text", "deep"];
/// What the zone itself has, all of type TXT.
const TEXTS: [&str; 2] = ["text", "deep.er.text"];

#[derive(Clone, Debug)]
enum Edit {
    Set(String, &'static [&'static str]),
    Removed(String),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Records,
    NoData,
    Absent,
    Failure,
}

type Model = BTreeMap<String, &'static [&'static str]>;

fn name() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&LABELS[..]), 1..=3).prop_map(|l| l.join("."))
}

fn edit() -> impl Strategy<Value = Edit> {
    let pools = prop::sample::select(vec![FOUR, SIX, BOTH, NONE]);
    prop_oneof![
        3 => (name(), pools).prop_map(|(name, pool)| Edit::Set(name, pool)),
        2 => name().prop_map(Edit::Removed),
    ]
}

/// What the definitions say, found by looking at every name there is.
fn expected(model: &Model, name: &str, kind: RecordType) -> Kind {
    let below = format!(".{name}");
    let has_text = TEXTS.contains(&name);
    let has_below =
        model.keys().map(String::as_str).chain(TEXTS).any(|known| known.ends_with(&below));
    match model.get(name) {
        _ if has_text && kind == RecordType::TXT => Kind::Records,
        Some([]) if matches!(kind, RecordType::A | RecordType::AAAA) => Kind::Failure,
        Some(pool) => {
            let is_there = |family: char| pool.iter().any(|address| address.contains(family));
            match kind {
                RecordType::A if is_there('.') => Kind::Records,
                RecordType::AAAA if is_there(':') => Kind::Records,
                _ => Kind::NoData,
            }
        }
        None if has_text || has_below => Kind::NoData,
        None => Kind::Absent,
    }
}

fn kind_of(answer: &Answer<'_>) -> Kind {
    match answer {
        Answer::Records(_) => Kind::Records,
        Answer::NoData(..) => Kind::NoData,
        Answer::NxDomain(_) => Kind::Absent,
        Answer::Unavailable(_) => Kind::Failure,
        Answer::Refused | Answer::NotReady | Answer::Composed => {
            panic!("every name of the model is in the zone")
        }
    }
}

/// Every name of one to three of the labels.
fn all_names() -> Vec<String> {
    let one: Vec<String> = LABELS.map(str::to_owned).into();
    let longer = |names: &[String]| -> Vec<String> {
        names.iter().flat_map(|n| LABELS.map(|label| format!("{label}.{n}"))).collect()
    };
    let two = longer(&one);
    let three = longer(&two);
    [one, two, three].concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_table_answers_like_the_model(edits in prop::collection::vec(edit(), 1..40)) {
        let (mut model, mut table) = (Model::new(), empty());
        let names = all_names();
        for edit in edits {
            match edit {
                Edit::Set(name, pool) => {
                    table = table.with(set(&name, pool), 0);
                    model.insert(name, pool);
                }
                Edit::Removed(name) => {
                    table = table.with(removed(&name), 0);
                    model.remove(&name);
                }
            }
        }
        for name in &names {
            for kind in [RecordType::A, RecordType::AAAA, RecordType::TXT] {
                let answer = kind_of(&ask(&table, name, kind));
                prop_assert_eq!(answer, expected(&model, name, kind), "{} {}", name, kind);
            }
        }
    }

    #[test]
    fn what_is_set_and_removed_again_leaves_no_trace(names in prop::collection::vec(name(), 1..30)) {
        let before = table();
        let set_all = names.iter().fold(before.clone(), |t, name| t.with(set(name, FOUR), 0));
        let after = names.iter().fold(set_all, |t, name| t.with(removed(name), 0));
        for name in all_names() {
            let (then, now) = (ask(&before, &name, RecordType::A), ask(&after, &name, RecordType::A));
            prop_assert_eq!(kind_of(&now), kind_of(&then), "{}", name);
        }
    }
}
