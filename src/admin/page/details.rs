//! One service in full: its release, what that has proven, its pools and their endpoints.

use maud::{Markup, html};

use super::{
    board, card, chart,
    view::{Fragment, Scene, Urgency, hole},
    words::{self, clock, count, short},
};
use crate::admin::{
    proof::{GuardStatus, ProofStatus, TestStatus},
    status::{EndpointStatus, PoolStatus, ServiceStatus, TargetStatus},
};

/// Endpoints of one part of the table, which is sent as one: a pool can have a thousand.
const PART: usize = 40;

/// Which service it is, and how it is.
pub(super) fn head(scene: Scene<'_>, name: &str, service: &ServiceStatus) -> Markup {
    html! {
        div #head.head {
            nav aria-label="Where you are" { a href="/" { (scene.status.zone) } " / " }
            h1 { (name) }
            (words::phase(service)) " " (words::health(service)) (words::tags(service))
            ul.facts {
                li { "the file asks for " b { (service.live) } }
                li { "ttl " (service.ttl) " s" }
                li { "generation " (scene.status.generation) }
            }
        }
    }
}

/// The same of a service that is not answered any more.
pub(super) fn gone(scene: Scene<'_>, name: &str) -> Markup {
    html! {
        div #head.head {
            nav aria-label="Where you are" { a href="/" { (scene.status.zone) } " / " }
            h1 { (name) }
            span.sign.bad { "no longer answered" }
        }
    }
}

/// The board, and the pictures.
pub(super) fn release(scene: Scene<'_>, name: &str, service: &ServiceStatus) -> Vec<Fragment> {
    let release = service.release.as_ref();
    let (reason, instant) =
        (release.and_then(|it| it.reason.as_ref()), release.and_then(|it| it.instant.as_ref()));
    let html = html! {
        article #board.card.(words::Kind::of(service).class()) {
            @if let Some(release) = release {
                header {
                    h2 { "Release " (release.id) }
                    (card::way(release)) (card::steps(service))
                    small { "begun " (words::time(&release.started_at, scene.now())) }
                }
            } @else { header { h2 { "Answers" } } }
            (board::board(scene, service, chart::Detail::Full))
            @if let Some(reason) = reason.or(service.waits.as_ref()) {
                p.why { b { "Why: " } (words::said(reason)) }
            }
            @if let Some(instant) = instant { p.instant { (card::instant(scene, instant)) } }
            (hole("picture"))
            (card::does(scene, name, service))
        }
    };
    let pictures = card::pictures(scene, name, service, chart::Detail::Full);
    vec![
        Fragment::new("board", Urgency::Card, html),
        Fragment::inside("picture", Urgency::Picture, pictures),
    ]
}

/// What the release has to prove, and has.
pub(super) fn proof(scene: Scene<'_>, service: &ServiceStatus) -> Markup {
    let none = ProofStatus::default();
    let proof = service.release.as_ref().map_or(&none, |release| &release.proof);
    html! {
        section #proof aria-labelledby="proof-heading" hidden[*proof == none] {
            h2 #proof-heading { "What it must prove" }
            (tests(proof))
            @if let Some(performance) = &proof.performance {
                h3 { "Performance" }
                p {
                    (result(performance.result.as_deref()))
                    @if let Some(reason) = &performance.reason { " " (words::said(reason)) }
                    @if let Some(done) = performance.requests {
                        " — measuring: " (done) " of " (performance.requests_max) " requests"
                    }
                }
            }
            @if !proof.guards.is_empty() { (guards(scene, &proof.guards)) }
            @if !proof.confirm.is_empty() {
                h3 { "Who must say yes" }
                ul { @for confirm in &proof.confirm { li {
                    b { (confirm.name) } " "
                    @match (confirm.go, &confirm.reason) {
                        (Some(true), _) => span.sign.good { "says yes" },
                        (_, Some(reason)) => { span.sign.bad { "holds" } ": " (reason) }
                        _ => span.sign.open { "has not answered yet" },
                    }
                    @if !confirm.detail.is_empty() { " (" (words::said(&confirm.detail)) ")" }
                } } }
            }
        }
    }
}

fn result(result: Option<&str>) -> Markup {
    let class = match result {
        Some("good") => "good",
        Some("bad") => "bad",
        _ => "open",
    };
    html! { span.sign.(class) { (result.unwrap_or("not yet")) } }
}

fn tests(proof: &ProofStatus) -> Markup {
    let ProofStatus { tests, tests_wanted, .. } = proof;
    if tests.is_empty() && *tests_wanted == 0 {
        return html! {};
    }
    let good = tests.iter().filter(|test| test.result == "good").count();
    html! {
        h3 { "Smoke tests" }
        p { (good) " of " (tests_wanted) " have passed" }
        ul { @for test in tests.iter().filter(|test| test.result != "good") { li {
            @let TestStatus { pool, address, test, result, reason, latency_ms, .. } = test;
            (self::result(Some(result))) " " (test) " of " code { (address) } " of " (pool) ", "
            (short(*latency_ms)) " ms"
            @if let Some(reason) = reason { ": " (words::said(reason)) }
        } } }
    }
}

fn guards(scene: Scene<'_>, guards: &[GuardStatus]) -> Markup {
    html! {
        h3 { "Guards" }
        div.scroll tabindex="0" role="region" aria-label="Guards" { table {
            thead { tr {
                th scope="col" { "guard" } th scope="col" { "result" } th.number scope="col" { "value" }
                th.number scope="col" { "old pool" } th.number scope="col" { "bad values" }
                th scope="col" { "what it is, and must be" } th scope="col" { "at (UTC)" }
            } }
            tbody { @for guard in guards { tr {
                @let GuardStatus { name, result, value, old, failures, reason, at } = guard;
                th scope="row" { (name) }
                td { (self::result(result.as_deref())) }
                td.number { @if let Some(value) = value { (value) } }
                td.number { @if let Some(old) = old { (old) } }
                td.number { (failures) }
                td { (words::said(reason.as_deref().unwrap_or("not asked yet"))) }
                td { @if let Some(at) = at { (words::time(at, scene.now())) } }
            } } }
        } }
    }
}

/// The pools: target and answered shares, and what caches hold.
pub(super) fn pools(scene: Scene<'_>, service: &ServiceStatus) -> Markup {
    html! {
        tbody #pools { @for (name, pool) in &service.pools { tr {
            th scope="row" {
                i.dot.(words::hue(service, name)) {} (name)
                @if let Some(why) = unlike(pool) { " " span.tag { (why) } }
                @if let Some(target) = &pool.target { (points(target)) }
            }
            td.number { (pool.share) " %" }
            td.number {
                @if let Some(answered) = &pool.answered {
                    (short(answered.share)) " %"
                    @if let Some(deviation) = answered.deviation { " ± " (short(deviation)) }
                } @else { span.quiet { "—" } }
            }
            td.number { (count(pool.answers)) }
            td { (caches(scene, pool)) }
        } } }
    }
}

fn points(target: &TargetStatus) -> Markup {
    html! {
        div.quiet { (target.kind) " " (target.name) }
        @if let Some(why) = &target.trouble {
            div { span.sign.bad { "cannot be looked up" } " " (words::said(why)) }
        }
    }
}

fn unlike(pool: &PoolStatus) -> Option<&'static str> {
    let moves = pool.endpoints.iter().any(|endpoint| endpoint.change.is_some());
    match (pool.in_file, moves) {
        (true, _) => None,
        (false, true) => Some("follows the file once as many endpoints are proven"),
        (false, false) => Some("not in the file"),
    }
}

/// Whether caches may still hold it, and what follows from that.
fn caches(scene: Scene<'_>, pool: &PoolStatus) -> Markup {
    let now = scene.now();
    let at = |at: &str| html! { (words::time(at, now)) };
    html! {
        @match (&pool.horizon, &pool.off_from, pool.share) {
            (Some(horizon), _, 1..) => { "in caches until " (at(horizon)) }
            (None, _, 1..) => { "nobody has asked yet" }
            (_, Some(off), _) if pool.off => {
                span.sign.good { "can be switched off" } " since " (at(off))
            }
            (Some(_), Some(off), _) if pool.drained => {
                "in no cache; can be switched off from " (at(off)) ", " (words::countdown(off, now))
            }
            (Some(horizon), Some(off), _) => {
                "in caches until " (at(horizon)) "; can be switched off from " (at(off)) ", "
                (words::countdown(off, now))
            }
            (Some(_), None, _) => { "needed: it may be given clients" }
            (None, ..) => { "in no cache" }
        }
    }
}

/// The endpoints of all pools, in parts.
pub(super) fn endpoints(scene: Scene<'_>, service: &ServiceStatus) -> Vec<Fragment> {
    let mut parts = Vec::new();
    for (name, pool) in &service.pools {
        for (nth, endpoints) in pool.endpoints.chunks(PART).enumerate() {
            let id = format!("endpoints-{name}-{nth}");
            let html = html! {
                tbody id=(id) { @for endpoint in endpoints { (self::endpoint(scene, service, name, endpoint)) } }
            };
            parts.push(Fragment::new(id, Urgency::Row, html));
        }
    }
    parts
}

fn endpoint(
    scene: Scene<'_>,
    service: &ServiceStatus,
    pool: &str,
    endpoint: &EndpointStatus,
) -> Markup {
    let EndpointStatus { address, weight, answered, change, verdict, .. } = endpoint;
    let class = words::verdict(verdict);
    let note = endpoint.reason.as_ref().or(endpoint.warning.as_ref());
    html! {
        tr {
            th scope="row" { code { (address) } @if let Some(change) = change { " " span.tag { (change) } } }
            td { i.dot.(words::hue(service, pool)) {} (pool) }
            td { span.sign.(class) { (verdict) } @if *answered { ", answered" } }
            td { @if let Some(since) = &endpoint.since { time datetime=(since) { (clock(since, scene.now())) } } }
            td.number { @if let Some(latency) = endpoint.latency_ms { (short(latency)) " ms" } }
            td.number { (weight) }
            td { @if let Some(note) = note { (words::said(note)) } }
        }
    }
}
