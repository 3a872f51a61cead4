//! What editors tell of a key, which is what the examples say of it: the ranges and the defaults are true.

use std::time::Duration;

use humantime::{format_duration, parse_duration};
use serde_json::Value;

use super::{
    files::{File, Schema, files},
    node::{Node, Place},
};

/// Each place of all files, once, with what there is to say of it.
fn each_place(mut look: impl FnMut(&File, &Place, &str, &Value)) {
    let mut seen = std::collections::BTreeSet::new();
    for file in files() {
        let schema = Schema::of(&file);
        for place in file.text.places() {
            let (path, node) = schema.at(&place);
            if seen.insert((file.is_settings, path.clone())) {
                look(&file, &place, &path, node);
            }
        }
    }
}

#[test]
fn each_key_is_described() {
    let mut silent = Vec::new();
    each_place(|_, _, path, node| {
        let is_key = !path.ends_with("[]") && !path.ends_with(".*");
        if is_key && node["description"].as_str().is_none_or(str::is_empty) {
            silent.push(path.to_owned());
        }
    });
    assert!(silent.is_empty(), "{silent:?}");
}

#[test]
fn a_default_that_is_told_is_what_is_done_without_the_key() {
    let (mut wrong, mut count) = (Vec::new(), 0);
    each_place(|file, place, path, node| {
        let Some(default) = node.get("default") else { return };
        count += 1;
        // In whichever order things are kept.
        let sorted = |shown: String| {
            let mut parts: Vec<String> =
                shown.split(['[', ']', '{', '}', ',', ' ']).map(str::to_owned).collect();
            parts.sort();
            parts
        };
        let result = |text: &Node| {
            file.parse(text).map(sorted).map_err(|rejected| {
                let messages = rejected.findings.into_iter().map(|finding| finding.message);
                messages.collect::<Vec<_>>()
            })
        };
        let said = result(&file.text.with(place, Node::of_json(default)));
        if said != result(&file.text.without(place)) {
            wrong.push(format!("{path}: {default}"));
        }
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 70, "{count}");
}

#[test]
fn the_range_of_a_number_is_that_of_the_parser() {
    let mut count = 0;
    each_place(|file, place, path, node| {
        let [Some(least), Some(most)] = ["minimum", "maximum"].map(|end| node[end].as_i64()) else {
            return;
        };
        count += 1;
        let refused = |number: i64| refusals(file, place, Node::Integer(number));
        let range = format!("from {least} to {most}");
        for inside in [least, most] {
            let why = refused(inside);
            assert!(!why.iter().any(|why| why.contains(&range)), "{path} {inside}: {why:?}");
        }
        assert!(refused(most + 1).iter().any(|why| why.contains(&range)), "{path} {range}");
        assert!(!refused(least - 1).is_empty(), "{path} {range}");
    });
    assert!(count > 20, "{count}");
}

/// How long something may be stands in what is told: `from "1s" to "7d"`, or to what another key says.
#[test]
fn the_range_of_a_duration_that_is_told_is_that_of_the_parser() {
    let mut count = 0;
    each_place(|file, place, path, node| {
        let is_duration = node["pattern"].as_str().is_some_and(|it| it.contains("minutes"));
        if !is_duration {
            return;
        }
        count += 1;
        let told = node["description"].as_str().expect("something is told");
        let (least, most) = range(told).unwrap_or_else(|| panic!("{path} has no range: {told}"));
        let refused =
            |time: Duration| refusals(file, place, Node::Text(format_duration(time).to_string()));
        let ends = |why: &String, end: &str, time: Duration| {
            why.starts_with("must be from")
                && why.contains(&format!("{end} {}", format_duration(time)))
        };
        assert!(refused(least).iter().all(|why| !ends(why, "from", least)), "{path}: {told}");
        if let Some(below) = least.checked_sub(Duration::from_nanos(1)) {
            assert!(refused(below).iter().any(|why| ends(why, "from", least)), "{path}: {told}");
        }
        let Some(most) = most else { return };
        assert!(refused(most).iter().all(|why| !ends(why, "to", most)), "{path}: {told}");
        let above = refused(most + Duration::from_nanos(1));
        assert!(above.iter().any(|why| ends(why, "to", most)), "{path}: {told}: {above:?}");
    });
    assert!(count > 40, "{count}");
}

fn refusals(file: &File, place: &Place, value: Node) -> Vec<String> {
    let parsed = file.parse(&file.text.with(place, value));
    let findings = parsed.err().map(|rejected| rejected.findings).unwrap_or_default();
    findings.into_iter().map(|finding| finding.message).collect()
}

/// `"1s" to "7d"`, or `"10ms" to the interval`.
fn range(told: &str) -> Option<(Duration, Option<Duration>)> {
    told.match_indices("\" to ").find_map(|(at, between)| {
        let least = told[..at].rsplit('"').next()?;
        let behind = &told[at + between.len()..];
        let most = behind.strip_prefix('"').and_then(|it| it.split('"').next());
        Some((parse_duration(least).ok()?, most.and_then(|most| parse_duration(most).ok())))
    })
}
