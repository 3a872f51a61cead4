//! All services, one row each. What changes all the time, as latencies do, is not in it.

use maud::{Markup, html};

use super::{
    view::{Fragment, Scene, Urgency},
    words,
};
use crate::admin::status::{PoolStatus, ServiceStatus, Status};

/// How many services there are in each phase.
pub(super) fn counts(status: &Status) -> Markup {
    let by_phase = words::by_phase(status);
    let ill = status.services.values().filter(|service| service.health != "healthy").count();
    html! {
        p #counts.counts {
            span { b { (words::count(status.services.len() as u64)) } " in all" }
            @for (phase, number) in by_phase { span { b { (words::count(number as u64)) } " " (phase) } }
            @if ill > 0 { span.sign.warn { b { (words::count(ill as u64)) } " not healthy" } }
        }
    }
}

/// One service.
pub(super) fn row(scene: Scene<'_>, name: &str, service: &ServiceStatus) -> Fragment {
    let id = format!("row-{name}");
    if scene.is_same(&id, name, service) {
        return Fragment::same(id, Urgency::Row);
    }
    let step = service.release.as_ref().filter(|release| release.steps > 1);
    let html = html! {
        tr role="row" id=(id) data-phase=(service.phase) data-health=(service.health) {
            th role="rowheader" scope="row" {
                a href={ "/services/" (name) } { (name) } (words::tags(service))
            }
            td role="cell" {
                (words::bar(service, &words::targets(service))) (words::shares(service))
            }
            td role="cell" {
                (words::phase(service))
                @if let Some(release) = step { " " small { (release.step) " of " (release.steps) } }
            }
            td role="cell" { (words::health(service)) }
            td role="cell" { (next(scene, service)) }
            td.number role="cell" { (service.ttl) " s" }
        }
    };
    Fragment::new(id, Urgency::Row, html)
}

fn next(scene: Scene<'_>, service: &ServiceStatus) -> Markup {
    let now = scene.now();
    let leaves = |(_, pool): &(&String, &PoolStatus)| {
        !pool.off && pool.off_from.is_some() && pool.answers > 0
    };
    if let Some(next) = &service.next {
        return html! {
            @if let Some(at) = &next.at { (words::countdown(at, now)) ": " }
            (next.what)
        };
    }
    match service.pools.iter().filter(leaves).find(|(_, pool)| pool.horizon.is_some()) {
        Some((name, PoolStatus { off_from: Some(at), .. })) => html! {
            (words::countdown(at, now)) ": " (name) " can be switched off"
        },
        _ => html! { span.quiet { "nothing" } },
    }
}
