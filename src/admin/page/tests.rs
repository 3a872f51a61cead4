//! The page as text: what is escaped, what changes and what does not, and what a watcher is sent.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::{
    frame,
    hub::Shown,
    view::{self, Scene, ViewName},
    watcher::{BUDGET, Watcher},
};
use crate::admin::{
    course::CourseStatus,
    history::Past,
    status::{EndpointStatus, Status},
};

/// So many services, of which the first ones are being released.
pub(super) fn status(services: usize, released: usize) -> Status {
    let service = |number: usize| (format!("s{number}"), service(number < released));
    let services: serde_json::Map<String, Value> = (0..services).map(service).collect();
    let status = json!({
        "now": "2026-11-26T18:00:00Z", "version": "1", "generation": 7, "serial": 1, "zone": "svc.test",
        "ready": true,
        "freeze": { "by": "user 0", "reason": "a reason", "since": "2026-11-26T18:00:00Z" },
        "doubted_since": "2026-11-26T18:00:00Z", "zones_refused": "zone.db:1:2: a mistake",
        "file": {
            "accepted": false, "path": "release.toml", "loaded_at": "2026-11-26T18:00:00Z", "waiting": true,
            "checksum": null,
            "errors": [{ "line": 1, "column": 2, "message": "a message", "hint": "a hint" }],
        },
        "store": { "path": "state", "error": "full", "since": "2026-11-26T18:00:00Z", "unkept": 1 },
        "events": { "chat": { "pending": 1, "error": "gone", "since": "2026-11-26T18:00:00Z" } },
        "services": services,
    });
    serde_json::from_value(status).expect("a status")
}

fn service(is_released: bool) -> Value {
    let at = "2026-11-26T18:01:00Z";
    let release = json!({
        "id": 1, "from": "v1", "to": "v2", "step": 1, "steps": 2, "share": 20, "started_at": at,
        "reason": "a reason",
        "instant": { "at": at, "state": "ahead", "put_off_from": at, "smears_until": at },
        "proof": {
            "tests": [{
                "pool": "v2", "address": "192.0.2.1", "test": "1 (http)", "result": "bad", "reason": "why",
                "latency_ms": 1.5, "at": at,
            }],
            "tests_wanted": 2,
            "performance": {
                "requests": 3, "requests_max": 500, "result": "good", "reason": "why", "at": at,
            },
            "guards": [{
                "name": "errors", "result": "bad", "value": 1.5, "old": 1.0, "failures": 1,
                "reason": "why", "at": at,
            }],
            "confirm": [{ "name": "board", "go": false, "reason": "why", "detail": "said", "at": at }],
        },
    });
    let pool = |share: u8| {
        json!({
            "share": share, "in_file": false, "horizon": at, "answers": 12, "drained": false,
            "answered": { "share": f64::from(share), "deviation": 1.0, "answers": 12 }, "off_from": at, "off": false,
            "clearing": { "since": "2026-11-26T17:59:00Z", "until": at, "remaining": 0.5 },
            "endpoints": [{
                "address": "192.0.2.1", "weight": 1, "answered": true, "change": "joining",
                "verdict": "down", "since": at, "reason": "refused", "warning": null, "latency_ms": 2.5,
            }],
        })
    };
    json!({
        "serving": { "v1": 80, "v2": 20 }, "desired": { "v2": 100 }, "live": "v2",
        "phase": if is_released { "Judging" } else { "Steady" }, "until": at, "health": "healthy", "ttl": 60,
        "next": is_released.then(|| json!({ "what": "step 2 of 2", "at": at })),
        "rollback": is_released.then(|| {
            json!({ "to": "v1", "refused": null, "clears_at": at, "clears_in_secs": 15 })
        }),
        "clients": 35.2, "orphaned": true, "group": "checkout", "waits": "for another", "unkept": true,
        "taken": { "v1.s0.zone.test": "v1.s0" },
        "release": is_released.then_some(release), "pools": { "v1": pool(80), "v2": pool(20) },
    })
}

fn courses(services: usize) -> BTreeMap<String, CourseStatus> {
    let point = |second: u32, target: u8| {
        let share = json!({ "target": target, "answered": 19.5, "deviation": 3.0, "answers": 9 });
        json!({
            "at": format!("2026-11-26T17:{:02}:{:02}Z", second / 60, second % 60),
            "shares": { "v2": share }, "clients": 35.0,
        })
    };
    let points: Vec<Value> =
        (0..240).map(|second| point(second, if second < 60 { 0 } else { 20 })).collect();
    let course = json!({ "release": 1, "points": points });
    let course: CourseStatus = serde_json::from_value(course).expect("a course");
    (0..services).map(|number| (format!("s{number}"), course.clone())).collect()
}

fn past() -> Vec<Past> {
    let at = "2026-11-26T17:00:00Z";
    let past = json!([{
        "service": "s0", "id": 1, "from": "v0", "to": "v1", "by": "user 0", "begun": at, "ended": at,
        "result": "released", "steps": [{ "at": at, "from": "Steady", "to": "Probing", "why": "a reason" }],
        "omitted": 3,
        "tests": [{
            "pool": "v1", "address": "192.0.2.1", "test": "1", "result": "good", "reason": "why",
            "latency_ms": 1.0, "at": at,
        }],
    }]);
    serde_json::from_value(past).expect("a history")
}

/// A view at a beat, after one that was shown before.
fn shown(beat: u64, status: &Status, name: &ViewName, before: Option<(&Status, &Shown)>) -> Shown {
    let courses = courses(15);
    let scene = Scene { status, courses: &courses, acts: true, before };
    let view = match name {
        ViewName::Overview => view::overview(scene),
        ViewName::Service(name) => view::service(scene, name, &Ok(past())),
    };
    Shown::next(beat, status, name, view, before.map(|before| before.1))
}

/// Says it instead of every text of a document, in names too.
fn say_everywhere(value: Value, text: &str) -> Value {
    match value {
        Value::String(_) => Value::String(text.to_owned()),
        Value::Array(values) => values.into_iter().map(|it| say_everywhere(it, text)).collect(),
        Value::Object(values) => {
            let is_named = ["services", "pools", "events", "serving", "desired"];
            let say = |(key, value): (String, Value)| {
                let value = match (is_named.contains(&key.as_str()), value) {
                    (true, Value::Object(named)) => Value::Object(
                        named
                            .into_values()
                            .map(|it| (text.to_owned(), say_everywhere(it, text)))
                            .collect(),
                    ),
                    (_, value) => say_everywhere(value, text),
                };
                (key, value)
            };
            Value::Object(values.into_iter().map(say).collect())
        }
        other => other,
    }
}

#[test]
fn no_text_of_anybody_becomes_markup() {
    let evil = "<evil a=\"1\" b='2'>\n&</div><div data-hole>\r";
    let document = serde_json::to_value(status(3, 2)).expect("JSON");
    let status: Status = serde_json::from_value(say_everywhere(document, evil)).expect("a status");
    for name in [ViewName::Overview, ViewName::Service(evil.to_owned())] {
        let shown = shown(1, &status, &name, None);
        let page = frame::page(&name, &shown, true);
        assert!(page.contains("&lt;evil"), "it is shown");
        assert!(!page.contains("<evil") && !page.contains("\"1\" b"), "{page}");
        let event = Watcher::new(0).event(Duration::ZERO, &shown);
        let lines: Vec<&str> = event.lines().collect();
        let sent = 2 + shown.fragments.len();
        assert_eq!(lines.len() - 1, sent, "one line for each fragment, whatever is in it");
        assert!(lines[1..sent].iter().all(|line| line.starts_with("data: ")), "{event}");
    }
}

#[test]
fn latencies_and_the_time_do_not_make_rows_flicker() {
    let mut status = status(50, 3);
    let (was, before) = (status.clone(), shown(1, &status, &ViewName::Overview, None));
    status.now = "2026-11-26T18:00:01Z".to_owned();
    for service in status.services.values_mut() {
        for pool in service.pools.values_mut() {
            pool.answers += 1;
            pool.endpoints[0].latency_ms = Some(7.0);
        }
    }
    let after = shown(2, &status, &ViewName::Overview, Some((&was, &before)));
    let changed: Vec<&String> =
        after.fragments.iter().filter(|(_, held)| held.changed == 2).map(|(id, _)| id).collect();
    let may_change = |id: &&String| id.starts_with("picture-") || id.starts_with("probed-");
    assert!(changed.iter().all(may_change), "{changed:?}");
}

#[test]
fn a_card_has_the_verdicts_and_latencies_and_leaves_out_none_that_is_down() {
    let mut status = status(1, 1);
    let pool = status.services.get_mut("s0").and_then(|it| it.pools.get_mut("v2")).expect("known");
    let down = pool.endpoints[0].clone();
    let up = |number: u8| EndpointStatus {
        address: format!("192.0.2.{number}"),
        verdict: "up".to_owned(),
        latency_ms: Some(1.5),
        ..down.clone()
    };
    pool.endpoints = (10..20).map(up).chain([down.clone()]).collect();
    let shown = shown(1, &status, &ViewName::Overview, None);
    let probed = &shown.fragments["probed-s0"].html;
    assert!(probed.contains("<code>192.0.2.10</code> <span class=\"sign good\">up</span> 1.5 ms"));
    assert!(probed.contains("<code>192.0.2.1</code> <span class=\"sign bad\">down</span> 2.5 ms"));
    assert!(probed.contains(" and 5 more"), "{probed}");
}

#[test]
fn who_has_the_page_is_sent_nothing_twice() {
    let mut status = status(10, 0);
    let (was, before) = (status.clone(), shown(5, &status, &ViewName::Overview, None));
    let mut watcher = Watcher::new(5);
    let event = watcher.event(Duration::ZERO, &before);
    assert_eq!(event.lines().count(), 3, "what concerns the whole page, and nothing else: {event}");
    status.services.get_mut("s7").expect("there").health = "degraded".to_owned();
    let after = shown(6, &status, &ViewName::Overview, Some((&was, &before)));
    assert_eq!(after.fragments["row-s8"].html, before.fragments["row-s8"].html);
    let event = watcher.event(Duration::from_secs(1), &after);
    let of_s7 = event.lines().filter(|line| line.contains("id=\"row-s7\"")).count();
    assert_eq!((of_s7, event.contains("id=\"row-s8\"")), (1, false), "{event}");

    // One who has what an earlier daemon has shown, or what is no longer remembered, is sent all.
    let event = Watcher::new(4).event(Duration::ZERO, &before);
    assert!(event.contains("id=\"row-s8\"") && event.contains("\"rows\":["), "{event}");
}

#[test]
fn a_watcher_is_never_sent_more_than_its_budget_and_what_matters_comes_first() {
    let mut status = status(1000, 12);
    let (mut was, mut before) = (status.clone(), shown(1, &status, &ViewName::Overview, None));
    let (mut watcher, mut sent, mut rows) = (Watcher::new(0), 0, 0);
    let mut first = None;
    for second in 0..60_u64 {
        // The pictures change all the time, as they do when somebody answers.
        let minute = 1 + second / 60;
        status.now = format!("2026-11-26T18:{minute:02}:{:02}Z", second % 60);
        before = shown(2 + second, &status, &ViewName::Overview, Some((&was, &before)));
        was = status.clone();
        let event = watcher.event(Duration::from_secs(second), &before);
        assert!(event.len() <= BUDGET + 20_000, "{} octets at once", event.len());
        sent += event.len();
        rows += event.matches("id=\"row-").count();
        first.get_or_insert(event);
    }
    assert!(sent <= 61 * BUDGET, "{sent} octets in a minute");
    assert_eq!(
        rows, 1000,
        "all rows have come, and each once, though pictures never ceased to change"
    );
    let first = first.expect("an event");
    let at = |what: &str| first.find(what).unwrap_or_else(|| panic!("no {what} at first"));
    assert!(at("id=\"b-file\"") < at("id=\"card-s0\""), "banners first");
    assert!(!first.contains("id=\"row-") && !first.contains("<svg class=\"frame"), "then cards");
}

#[test]
fn what_is_larger_than_the_budget_is_sent_and_paid_for() {
    let mut status = status(1, 0);
    let pool = status.services.get_mut("s0").expect("there").pools.get_mut("v1").expect("there");
    pool.endpoints[0].reason = Some("x".repeat(2 * BUDGET));
    let shown = shown(1, &status, &ViewName::Service("s0".to_owned()), None);
    let (mut watcher, mut large) = (Watcher::new(0), Vec::new());
    for second in 0..6_u64 {
        let event = watcher.event(Duration::from_secs(second), &shown);
        large.push(event.len() > BUDGET);
    }
    assert_eq!(large.iter().filter(|is_large| **is_large).count(), 1, "{large:?}");
}

#[test]
fn cards_and_rows_are_bounded_and_say_what_is_left() {
    let status = status(2500, 15);
    let shown = shown(1, &status, &ViewName::Overview, None);
    let ids = |slot: &str| shown.orders[slot].ids.len();
    assert_eq!((ids("cards"), ids("rows")), (12, 2000));
    let page = frame::page(&ViewName::Overview, &shown, true);
    assert!(page.contains("And 3 more") && page.contains("And 500 more"), "what is left is said");
    assert_eq!(
        page.matches("role=\"img\"").count(),
        12 * 3,
        "a course and two pools that clear, each"
    );
    assert!(
        shown.orders["rows"].ids.contains(&"row-s0".to_owned()),
        "what is going on is not left out"
    );
}

#[test]
fn a_course_is_drawn_and_told_in_words_and_numbers() {
    let status = status(1, 1);
    let shown = shown(1, &status, &ViewName::Service("s0".to_owned()), None);
    let picture = &shown.fragments["picture"].html;
    // Of the hour of the picture the target was 0 for the first minute, and 20 % since.
    assert!(picture.contains("<path class=\"target p1\" d=\"M0 100L"), "{picture}");
    assert!(
        picture.contains("Target of v2: 20 % at 17:01:00. Answered of late: 19.5 % ± 3."),
        "{picture}"
    );
    assert!(picture.contains("<td class=\"number\">19.5 % ± 3</td>"), "{picture}");
    assert!(picture.contains("v1 was left at"), "how caches clear is told in words too: {picture}");
    let rows = picture.matches("<th scope=\"row\">").count();
    assert!((20..40).contains(&rows), "{rows} rows are enough to follow it, and not too many");
}

#[test]
fn a_rollback_under_way_says_until_when_caches_hold_what_it_takes_back() {
    let mut status = status(1, 1);
    let service = status.services.get_mut("s0").expect("there");
    service.phase = "RollingBack".to_owned();
    service.rollback = None;
    service.release.as_mut().expect("there").share = 0;
    service.pools.get_mut("v2").expect("there").share = 0;
    let shown = shown(1, &status, &ViewName::Service("s0".to_owned()), None);
    let board = &shown.fragments["board"].html;
    assert!(board.contains("under way") && !board.contains("nothing to undo"), "{board}");
    let until = "caches are clear from <time datetime=\"2026-11-26T18:01:00Z\">18:01:00</time>";
    assert!(board.contains(until), "{board}");
}

#[test]
fn who_comes_again_is_sent_what_was_still_waiting() {
    let status = status(1000, 0);
    let shown = shown(5, &status, &ViewName::Overview, None);
    let beat_of = |event: &str| {
        let head = event.lines().nth(1).and_then(|line| line.strip_prefix("data: "));
        let head: Value = serde_json::from_str(head.expect("a head")).expect("JSON");
        head["beat"].as_u64().expect("a number")
    };
    let mut watcher = Watcher::new(0);
    let event = watcher.event(Duration::ZERO, &shown);
    assert!(!event.contains("id=\"row-s999\""), "not all at once");
    let again = Watcher::new(beat_of(&event)).event(Duration::from_secs(1), &shown);
    assert!(again.contains("id=\"row-s0\""), "what waited is sent: {again}");
    let mut seconds = 1..120;
    let last = seconds.find_map(|second| {
        let event = watcher.event(Duration::from_secs(second), &shown);
        (beat_of(&event) == 5).then_some(event)
    });
    assert!(last.expect("all is sent").contains("id=\"row-"), "told with the last of it");
    let after =
        self::shown(6, &self::status(1000, 500), &ViewName::Overview, Some((&status, &shown)));
    let event = Watcher::new(5).event(Duration::ZERO, &after);
    assert_eq!(beat_of(&event), 5, "it still has what it had");
}

#[test]
fn who_has_a_later_beat_than_there_has_been_is_sent_all() {
    let shown = shown(5, &status(10, 0), &ViewName::Overview, None);
    let event = Watcher::new(6).event(Duration::ZERO, &shown);
    assert!(event.contains("id=\"row-s8\"") && event.contains("\"rows\":["), "{event}");
}

#[test]
fn a_good_file_that_cannot_be_kept_yet_is_not_said_to_be_carried_out() {
    let mut status = status(1, 0);
    status.file.accepted = true;
    let shown = shown(1, &status, &ViewName::Overview, None);
    let head = &shown.fragments["head"].html;
    assert!(head.contains("file waits") && !head.contains("sign good"), "{head}");
    assert!(shown.fragments["b-file"].html.contains("once that can be kept"));
    assert!(shown.title.contains("the file waits"), "{}", shown.title);
}

#[test]
fn nothing_of_a_service_that_has_gone_stays_on_its_page() {
    let name = ViewName::Service("s0".to_owned());
    let (was, mut status) = (status(1, 1), status(0, 0));
    status.freeze = None;
    let before = shown(5, &was, &name, None);
    let after = shown(6, &status, &name, Some((&was, &before)));
    let event = Watcher::new(5).event(Duration::ZERO, &after);
    for slot in ["cards", "endpoints", "past"] {
        assert!(event.contains(&format!("\"{slot}\":[]")), "{event}");
    }
    assert!(event.contains("no longer answered") && event.contains("<tbody id=\"pools\"></tbody>"));
    assert!(event.contains("<section id=\"proof\" hidden></section>"), "{event}");
    assert!(!event.contains("sign good"), "{event}");
    let page = frame::page(&name, &after, true);
    assert_eq!(page.matches("<h1>").count(), 1, "one who asks for it anew is told so once");
}
