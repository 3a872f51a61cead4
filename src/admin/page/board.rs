//! The four questions about a release, as on the board of an airport: what is answered, what happens next,
//! whether going back is safe and how long it takes, and when the old hosts can be switched off.

use maud::{Markup, html};

use super::{
    chart::Detail,
    view::Scene,
    words::{self, many, short, span},
};
use crate::admin::status::{PoolStatus, ServiceStatus};

/// The board of one service. Among several it is told more roughly, so that it does not change all the time.
pub(super) fn board(scene: Scene<'_>, service: &ServiceStatus, detail: Detail) -> Markup {
    html! {
        dl.board {
            (cell("answered", "Answered now", answered(service, detail)))
            (cell("next", "Next", next(scene, service)))
            (cell("back", "If rolled back now", back(scene, service)))
            (cell("off", "Old hosts", off(scene, service)))
        }
    }
}

/// What is told in large letters, and the small print.
struct Told(Markup, Markup);

fn cell(class: &str, of: &str, Told(large, small): Told) -> Markup {
    html! { div.(class) { dt { (of) } dd.large { (large) } dd.small { (small) } } }
}

fn answered(service: &ServiceStatus, detail: Detail) -> Told {
    let rough = |share: f64| if detail == Detail::Small { share.round() } else { share };
    let pools = service.pools.iter();
    let known: Vec<_> =
        pools.filter_map(|(name, pool)| Some((name.as_str(), pool.answered?))).collect();
    let bar: Vec<(&str, f64)> = known.iter().map(|(name, it)| (*name, rough(it.share))).collect();
    let sum: u64 = known.iter().map(|(_, answered)| answered.answers).sum();
    let small = html! {
        span.bars {
            span { "target" } (words::bar(service, &words::targets(service)))
            @if !known.is_empty() { span { "answered" } (words::bar(service, &bar)) }
        }
        @if known.is_empty() && words::Kind::of(service) == words::Kind::Moving { "no answer has been counted yet" }
        @for (at, (name, answered)) in known.iter().enumerate() {
            @if at > 0 { ", " }
            (name) " " (short(rough(answered.share))) " %"
            @if let Some(deviation) = answered.deviation.filter(|it| *it > 0.0) {
                " ± " (short(rough(deviation)))
            }
        }
        @if !known.is_empty() {
            " of the last " (if detail == Detail::Small { words::about(sum) } else { words::count(sum) })
            " answers"
            @if let Some(clients) = service.clients {
                ", to " (many(clients.round() as usize, "equally busy network", "equally busy networks"))
            }
        }
    };
    Told(words::shares(service), small)
}

fn next(scene: Scene<'_>, service: &ServiceStatus) -> Told {
    let now = scene.now();
    match (&service.next, service.phase.as_str()) {
        (Some(next), _) => match &next.at {
            Some(at) => Told(
                words::countdown(at, now),
                html! { (next.what) ", at " (words::time(at, now)) },
            ),
            None => Told(html! { "when it is proven" }, html! { (next.what) }),
        },
        (None, "Failed") => {
            Told(html! { "nothing" }, html! { "edit the service, or " code { "cutover retry" } })
        }
        (None, "Paused") => {
            Told(html! { "paused" }, html! { code { "cutover resume" } " goes on" })
        }
        _ => Told(html! { "nothing" }, html! { "nothing is due" }),
    }
}

fn back(scene: Scene<'_>, service: &ServiceStatus) -> Told {
    let Some(back) = &service.rollback else {
        return match &service.release {
            _ if service.phase == "RollingBack" => {
                Told(html! { "under way" }, clears(scene, service))
            }
            Some(release) if release.share == 0 && service.phase != "Failed" => {
                Told(html! { "nothing to undo" }, html! { "nobody has been moved yet" })
            }
            _ => Told(html! { "nothing" }, html! { "there is nothing to go back from" }),
        };
    };
    match &back.refused {
        Some(why) => Told(html! { span.sign.bad { "refused" } }, words::said(why)),
        None => Told(
            html! { span.sign.good { "clear in " (span(back.clears_in_secs)) } },
            html! {
                "caches clear in " (span(back.clears_in_secs)) "; everyone has " b { (back.to) } " again"
            },
        ),
    }
}

/// Until when caches hold what has been taken back.
fn clears(scene: Scene<'_>, service: &ServiceStatus) -> Markup {
    let left = service.pools.values().filter(|pool| pool.share == 0 && !pool.drained);
    let last = left.filter_map(|pool| pool.horizon.as_deref()).max();
    html! {
        "it is being rolled back: "
        @match last {
            Some(at) => { "caches are clear from " (words::time(at, scene.now())) },
            None => "caches are clear",
        }
    }
}

/// Of the pools that are being left, or were.
fn off(scene: Scene<'_>, service: &ServiceStatus) -> Told {
    // The one that takes longest is what one waits for.
    let mut left: Vec<(&String, &PoolStatus)> =
        service.pools.iter().filter(|it| is_left(service, it)).collect();
    left.sort_by(|(_, a), (_, b)| b.off_from.cmp(&a.off_from));
    let Some((name, pool)) = left.first() else { return needed(service) };
    let (now, from) = (scene.now(), pool.off_from.as_deref().unwrap_or_default());
    let more = left.len() - 1;
    let small = html! {
        @if let (Some(at), false) = (&pool.horizon, pool.drained) {
            "; in caches until " (words::time(at, now))
        }
        @if more > 0 { ", and " (many(more, "more pool", "more pools")) " before" }
    };
    match pool.off {
        true => Told(
            html! { span.sign.good { "can be switched off" } },
            html! { (name) " can be switched off since " (words::time(from, now)) (small) },
        ),
        false => Told(
            words::countdown(from, now),
            html! { (name) " can be switched off from " (words::time(from, now)) (small) },
        ),
    }
}

/// Whether clients have had it and have it no longer. What a release goes to is not left, unless it has
/// been taken back.
fn is_left(service: &ServiceStatus, (name, pool): &(&String, &PoolStatus)) -> bool {
    let was_answered = pool.horizon.is_some() && pool.off_from.is_some() && pool.share == 0;
    // One that is only deployed is to be released next, and is not old.
    let was_answered = was_answered && (service.release.is_some() || pool.answers > 0);
    let is_taken_back = matches!(service.phase.as_str(), "RollingBack" | "Failed");
    let goes_to =
        service.release.as_ref().is_some_and(|release| names(&release.to).any(|it| it == *name));
    was_answered && (is_taken_back || !goes_to)
}

/// The pools of a split, as the status document writes it.
pub(super) fn names(split: &str) -> impl Iterator<Item = &str> {
    split.split('+').filter_map(|part| part.split(':').next())
}

fn needed(service: &ServiceStatus) -> Told {
    let Some(release) = &service.release else {
        return Told(html! { "none" }, html! { "no pool has been left" });
    };
    let share = |pool: &str| service.pools.get(pool).map_or(0, |pool| pool.share);
    let stays = |pool: &&str| names(&release.to).any(|it| it == *pool);
    let old: Vec<&str> = names(&release.from).filter(|pool| !stays(pool)).collect();
    let why = match old.iter().any(|pool| share(pool) > 0) {
        true => "it has clients",
        false => "it is the way back",
    };
    match old.as_slice() {
        [] => Told(html! { "none" }, html! { "no pool is left by this release" }),
        old => Told(html! { "needed" }, html! { "keep " b { (old.join(", ")) } ": " (why) }),
    }
}
