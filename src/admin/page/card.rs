//! A release that is under way, or has failed.

use maud::{Markup, html};

use super::{
    board, chart, clearing,
    view::{Fragment, Scene, Urgency, hole},
    words,
};
use crate::admin::status::{EndpointStatus, InstantStatus, ReleaseStatus, ServiceStatus};

/// Endpoints of one pool on a card; its own page has all of them.
const SHOWN_MAX: usize = 6;

/// As on the page of all services.
pub(super) fn card(scene: Scene<'_>, name: &str, service: &ServiceStatus) -> Vec<Fragment> {
    let [id, picture, probed] = ["card", "picture", "probed"].map(|what| format!("{what}-{name}"));
    let heading = html! {
        h3 { a href={ "/services/" (name) } { (name) } }
        @if let Some(release) = &service.release { (way(release)) }
    };
    let html = html! {
        article.card.(words::Kind::of(service).class()) id=(id) {
            header { (heading) (words::phase(service)) (steps(service)) (words::tags(service)) }
            (board::board(scene, service, chart::Detail::Small))
            (stands(scene, name, service))
            (hole(&picture))
            (hole(&probed))
            (does(scene, name, service))
        }
    };
    let pictures = pictures(scene, name, service, chart::Detail::Small);
    vec![
        Fragment::new(id, Urgency::Card, html),
        Fragment::inside(&picture, Urgency::Picture, pictures),
        // Of its own, because each try has another latency.
        Fragment::inside(&probed, Urgency::Picture, verdicts(name, service)),
    ]
}

/// From which pool or split to which.
pub(super) fn way(release: &ReleaseStatus) -> Markup {
    html! {
        span.way {
            (release.from) " " span.hidden { "to" } span aria-hidden="true" { "→" } " " b { (release.to) }
        }
    }
}

/// How far it has come.
pub(super) fn steps(service: &ServiceStatus) -> Markup {
    let Some(release) = &service.release else { return html! {} };
    let ReleaseStatus { step, steps, share, .. } = release;
    let class = |nth: usize| match (nth.cmp(step), *share) {
        (std::cmp::Ordering::Less, _) => "taken",
        (std::cmp::Ordering::Equal, 1..) => "here",
        _ => "ahead",
    };
    html! {
        span.steps {
            span.track aria-hidden="true" { @for nth in 1..=*steps { i.(class(nth)) {} } }
            " step " (step) " of " (steps) ": " b { (share) " %" }
        }
    }
}

/// Why it stands where it stands, and what has been found out.
fn stands(scene: Scene<'_>, name: &str, service: &ServiceStatus) -> Markup {
    let reason = service.release.as_ref().and_then(|release| release.reason.as_ref());
    let instant = service.release.as_ref().and_then(|release| release.instant.as_ref());
    let proof = service.release.as_ref().map(|release| release.proof.lines()).unwrap_or_default();
    html! {
        @if let Some(reason) = reason.or(service.waits.as_ref()) {
            p.why { b { "Why: " } (words::said(reason)) }
        }
        @if let Some(instant) = instant { p.instant { (self::instant(scene, instant)) } }
        @if !proof.is_empty() {
            ul.proof aria-label={ "What " (name) " has proven" } {
                @for line in proof { li.(tone(&line)) { (words::said(&line)) } }
            }
        }
    }
}

/// Good or bad, by the words of the line itself, which stand for it without the colour.
fn tone(line: &str) -> &'static str {
    let has = |word: &str| line.contains(word);
    match () {
        () if has(" bad: ") || has("FAILED") || has(" holds: ") => "bad",
        () if has(" good: ") || has(" says yes") => "good",
        () => "open",
    }
}

/// The instant of a release.
pub(super) fn instant(scene: Scene<'_>, instant: &InstantStatus) -> Markup {
    let InstantStatus { at, state, put_off_from, smears_until } = instant;
    let now = scene.now();
    html! {
        "Instant " b { (words::time(at, now)) } " " (state)
        @if let Some(asked) = put_off_from { ", put off from " (words::time(asked, now)) }
        @if let Some(end) = smears_until { ": caches smear it until " (words::time(end, now)) }
        @if state == "missed" { ": the new pool had not passed" }
    }
}

/// What the last tries of the endpoints said, of pools that have clients or are to have some.
fn verdicts(name: &str, service: &ServiceStatus) -> Markup {
    let is_of_use =
        |pool: &str| service.serving.contains_key(pool) || service.desired.contains_key(pool);
    html! {
        ul.verdicts aria-label={ "Endpoints of " (name) } {
            @for (pool, status) in service.pools.iter().filter(|(pool, _)| is_of_use(pool)) {
                li { i.dot.(words::hue(service, pool)) {} b { (pool) } (of_pool(&status.endpoints)) }
            }
        }
    }
}

/// Those that are down are not among those that are left out.
fn of_pool(endpoints: &[EndpointStatus]) -> Markup {
    let mut shown: Vec<&EndpointStatus> = endpoints.iter().collect();
    shown.sort_by_key(|endpoint| words::verdict(&endpoint.verdict) == "good");
    let left = shown.len().saturating_sub(SHOWN_MAX);
    html! {
        @for EndpointStatus { address, verdict, latency_ms, .. } in shown.into_iter().take(SHOWN_MAX) {
            " " span.probed {
                code { (address) } " " span.sign.(words::verdict(verdict)) { (verdict) }
                @if let Some(latency) = latency_ms { " " (words::short(*latency)) " ms" }
            }
        }
        @if left > 0 { " and " (words::many(left, "more", "more")) }
    }
}

/// The pictures of a release: its course, and how caches clear.
pub(super) fn pictures(
    scene: Scene<'_>,
    name: &str,
    service: &ServiceStatus,
    detail: chart::Detail,
) -> Markup {
    let course = scene.courses.get(name).filter(|course| !course.points.is_empty());
    html! {
        div.pictures {
            @if let Some(course) = course { (chart::chart(scene, name, service, course, detail)) }
            @for (pool, status) in &service.pools {
                @if let Some(clearing) = &status.clearing {
                    (clearing::clearing(scene, service, pool, clearing))
                }
            }
        }
    }
}

/// The verbs that are of use, as buttons for those with scripts and a token, else as commands.
pub(super) fn does(scene: Scene<'_>, name: &str, service: &ServiceStatus) -> Markup {
    let verbs: Vec<(&str, String)> = verbs(service);
    if verbs.is_empty() {
        return html! {};
    }
    let to = service.rollback.as_ref().map_or("", |back| back.to.as_str());
    html! {
        p.does {
            @if scene.acts {
                @for (verb, label) in &verbs {
                    button.scripted.(verb) type="button" data-verb=(verb) data-service=(name) data-to=(to) {
                        (label)
                    }
                    " "
                }
            }
            span.commands {
                @for (at, (verb, _)) in verbs.iter().enumerate() {
                    @if at > 0 { ", " }
                    code { "cutover " (verb) " " (name) }
                }
            }
        }
    }
}

fn verbs(service: &ServiceStatus) -> Vec<(&'static str, String)> {
    let back = |to: &str| ("rollback", format!("Roll back to {to}"));
    let rollback = service.rollback.as_ref().map(|rollback| back(&rollback.to));
    let named = |verb: &'static str, label: &str| (verb, label.to_owned());
    let mut verbs = match service.phase.as_str() {
        "Probing" | "Waiting" | "Settling" | "Judging" | "Baking" => {
            vec![named("promote", "Promote"), named("pause", "Pause")]
        }
        "Paused" => vec![named("resume", "Resume"), named("promote", "Promote")],
        "Failed" => vec![named("retry", "Retry")],
        _ => Vec::new(),
    };
    verbs.extend(rollback);
    verbs
}
