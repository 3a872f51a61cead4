//! The course of a release as a picture: the target as a dashed line of steps, what was answered as a line
//! with a band of one standard deviation to each side.
//!
//! Lines are drawn in a box that is stretched to whatever room there is, text beside it keeps its size, and
//! nothing is placed by a style: so it is as sharp on a phone, and needs no script and no inline style.

use std::fmt::Write;

use maud::{Markup, html};

use super::{
    board,
    view::Scene,
    words::{self, clock, instant, secs, short},
};
use crate::admin::{
    course::{CourseStatus, PointShare, PointStatus},
    status::ServiceStatus,
};

/// Pools that are drawn: of more nobody can follow the lines.
const POOLS_MAX: usize = 4;
/// Rows of the table with the same numbers.
const NUMBERS_MAX: usize = 24;

/// How much of it is drawn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// One among several.
    Small,
    /// The one that is looked at, with its numbers.
    Full,
}

impl Detail {
    fn points_max(self) -> usize {
        if self == Self::Small { 80 } else { 240 }
    }

    /// How coarsely time is drawn, in seconds: a picture that would move by less than can be seen is not
    /// drawn anew.
    fn grain(self, span: f64) -> f64 {
        let (least, parts) = if self == Self::Small { (5.0, 60.0) } else { (1.0, 300.0) };
        f64::max(least, (span / parts).ceil())
    }
}

/// The time from one end of the picture to the other.
struct Axis {
    from: f64,
    to: f64,
    now: f64,
    /// The next event, if there is room for it.
    next: Option<f64>,
}

impl Axis {
    fn of(
        scene: Scene<'_>,
        service: &ServiceStatus,
        points: &[PointStatus],
        detail: Detail,
    ) -> Option<Self> {
        let from = secs(&points.first()?.at)?.floor();
        let now = secs(scene.now())?.max(from + 1.0);
        let age = f64::max(now - from, 10.0);
        let next = service.next.as_ref().and_then(|next| secs(next.at.as_deref()?));
        let next = next.filter(|at| *at > now && *at - now < age);
        let ahead = next.map_or(0.0, |at| (at - now) * 1.1);
        let grain = detail.grain(age);
        let drawn = from + ((now - from) / grain).floor() * grain;
        let to = from + ((age + f64::max(ahead, age * 0.05)) / grain).ceil() * grain;
        Some(Self { from, to, now: drawn.max(from + 1.0).min(to), next })
    }

    /// From 0 to 1000.
    fn x(&self, at: f64) -> f64 {
        ((at - self.from) / (self.to - self.from) * 1000.0).clamp(0.0, 1000.0)
    }

    fn percent(&self, at: f64) -> String {
        format!("{}%", short(self.x(at) / 10.0))
    }

    /// Few instants that are round numbers.
    fn ticks(&self) -> Vec<f64> {
        const STEPS: [f64; 18] = [
            1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0,
            7200.0, 21600.0, 43200.0, 86400.0, 604800.0,
        ];
        let span = self.to - self.from;
        let step = STEPS.into_iter().find(|step| span / step <= 4.0).unwrap_or(span);
        let first = (self.from / step).ceil() * step;
        let ticks = (0..5).map(|nth| first + f64::from(nth) * step);
        // At the ends there is no room for the text.
        ticks.filter(|at| (60.0..=940.0).contains(&self.x(*at))).collect()
    }
}

/// One pool through time.
struct Line<'a> {
    pool: &'a str,
    hue: String,
    points: Vec<(f64, &'a PointStatus)>,
}

/// The picture, its text alternative, and the numbers if there is room for them.
pub(super) fn chart(
    scene: Scene<'_>,
    name: &str,
    service: &ServiceStatus,
    course: &CourseStatus,
    detail: Detail,
) -> Markup {
    let Some(axis) = Axis::of(scene, service, &course.points, detail) else { return html! {} };
    let is_past = |point: &&PointStatus| secs(&point.at).is_some_and(|at| at <= axis.now + 0.5);
    let past = course.points.iter().filter(is_past).count();
    let points = thinned(&course.points[..past], detail.points_max());
    let lines: Vec<Line<'_>> = drawn(service, &course.points)
        .into_iter()
        .map(|pool| Line {
            pool,
            hue: words::hue(service, pool),
            points: points.iter().filter_map(|point| Some((secs(&point.at)?, *point))).collect(),
        })
        .collect();
    let names: Vec<&str> = lines.iter().map(|line| line.pool).collect();
    let (title, desc) =
        (format!("Share of {} of {name}", names.join(", ")), told(scene, &axis, &lines));
    html! {
        figure.course {
            figcaption { (legend(&lines)) }
            div.plot {
                span.ys aria-hidden="true" { span { "100 %" } span { "50" } span { "0" } }
                svg.frame height="158" role="img" aria-label=(title) {
                    title { (title) } desc { (desc) }
                    (field(&axis, &lines))
                    (marks(scene, &axis, &lines))
                }
            }
            p.hidden { (desc) }
            @if detail == Detail::Full { (numbers(scene, &course.points, &lines)) }
        }
    }
}

/// Of many points as many as are drawn; the last one and those at which a target changes stay.
fn thinned(points: &[PointStatus], max: usize) -> Vec<&PointStatus> {
    let every = points.len().div_ceil(max).max(1);
    let targets = |point: &PointStatus| -> Vec<u8> {
        point.shares.values().map(|share| share.target).collect()
    };
    let is_kept = |at: usize| {
        let turns = |a: usize, b: usize| targets(&points[a]) != targets(&points[b]);
        let before = at > 0 && turns(at - 1, at);
        let after = at + 1 < points.len() && turns(at, at + 1);
        at.is_multiple_of(every) || at + 1 == points.len() || before || after
    };
    (0..points.len()).filter(|at| is_kept(*at)).map(|at| &points[at]).collect()
}

/// The pools that a release gives clients, or else all whose share changes.
fn drawn<'a>(service: &'a ServiceStatus, points: &'a [PointStatus]) -> Vec<&'a str> {
    let target = |point: &PointStatus, pool: &str| point.shares.get(pool).map_or(0, |it| it.target);
    let known = || service.pools.keys().map(String::as_str);
    let changes = |pool: &str| points.iter().any(|p| target(p, pool) != target(&points[0], pool));
    let wanted = service.release.as_ref().map_or(service.live.as_str(), |release| &release.to);
    let wanted: Vec<&str> = board::names(wanted).collect();
    let mut pools: Vec<&str> = known().filter(|pool| wanted.contains(pool)).collect();
    if pools.len() > 1 && pools.iter().any(|pool| changes(pool)) {
        pools.retain(|pool| changes(pool));
    }
    pools.truncate(POOLS_MAX);
    pools
}

fn legend(lines: &[Line<'_>]) -> Markup {
    html! {
        @for Line { pool, hue, .. } in lines {
            span.key { svg.swatch width="22" height="10" aria-hidden="true" {
                line.target.(hue) x1="0" y1="5" x2="22" y2="5" {}
            } (pool) ", target" }
            span.key { svg.swatch width="22" height="10" aria-hidden="true" {
                rect.band.(hue) width="22" height="10" {} line.answered.(hue) x1="0" y1="5" x2="22" y2="5" {}
            } "answered, ± 1 sd" }
        }
    }
}

/// What is stretched: 1000 by 100 units, zero at the top.
fn field(axis: &Axis, lines: &[Line<'_>]) -> Markup {
    let now = axis.x(axis.now);
    html! {
        svg.field x="0" y="8" width="100%" height="124" viewBox="0 0 1000 100" preserveAspectRatio="none" {
            rect.future x=(short(now)) y="0" width=(short(1000.0 - now)) height="100" {}
            @for y in [0, 25, 50, 75, 100] { line.grid x1="0" x2="1000" y1=(y) y2=(y) {} }
            @for line in lines {
                path.band.(line.hue) d=(band(axis, line)) {}
                path.answered.(line.hue) d=(answered(axis, line)) {}
                path.target.(line.hue) d=(target(axis, line)) {}
            }
            line.now x1=(short(now)) x2=(short(now)) y1="0" y2="100" {}
            @if let Some(next) = axis.next {
                line.next x1=(short(axis.x(next))) x2=(short(axis.x(next))) y1="0" y2="100" {}
            }
        }
    }
}

/// What keeps its size: instants below, and the steps where they were taken.
fn marks(scene: Scene<'_>, axis: &Axis, lines: &[Line<'_>]) -> Markup {
    let now = scene.now();
    let at_the_end = axis.x(axis.now) > 900.0;
    html! {
        g.marks aria-hidden="true" {
            @for (at, share) in lines.first().map(turns).unwrap_or_default() {
                @let is_late = axis.x(at) > 900.0;
                @let y = 8.0 + 124.0 * (100.0 - f64::from(share)) / 100.0;
                text.turn x=(axis.percent(at)) y=(short(if y < 24.0 { y + 15.0 } else { y - 5.0 }))
                    dx=(if is_late { "-4" } else { "4" })
                    text-anchor=(if is_late { "end" } else { "start" }) { (share) " %" }
            }
            @for at in axis.ticks() {
                text x=(axis.percent(at)) y="150" text-anchor="middle" { (clock(&instant(at), now)) }
            }
            @if let Some(next) = axis.next {
                text x=(axis.percent(next)) y="20" dx="-4" text-anchor="end" { "next" }
            }
            text.nowmark x=(axis.percent(axis.now)) y="128"
                dx=(if at_the_end { "-4" } else { "4" })
                text-anchor=(if at_the_end { "end" } else { "start" }) { "now" }
        }
    }
}

/// Where the target changes, and to what.
fn turns(line: &Line<'_>) -> Vec<(f64, u8)> {
    let mut turns: Vec<(f64, u8)> = Vec::new();
    for (at, point) in &line.points {
        let target = point.shares.get(line.pool).map_or(0, |share| share.target);
        if turns.last().map_or(target > 0, |(_, known)| *known != target) {
            turns.push((*at, target));
        }
    }
    turns
}

fn y(share: f64) -> f64 {
    100.0 - share.clamp(0.0, 100.0)
}

/// One point of a path, in whole units of width and tenths of height.
fn point(path: &mut String, axis: &Axis, at: f64, share: f64) {
    let word = if path.is_empty() { 'M' } else { 'L' };
    // A text grows without fail.
    let _ = write!(path, "{word}{:.0} {}", axis.x(at), short(y(share)));
}

fn target(axis: &Axis, line: &Line<'_>) -> String {
    let mut path = String::new();
    let mut before: Option<u8> = None;
    for (at, shown) in &line.points {
        let target = shown.shares.get(line.pool).map_or(0, |share| share.target);
        if before.is_none() || before != Some(target) {
            if let Some(before) = before {
                point(&mut path, axis, *at, f64::from(before));
            }
            point(&mut path, axis, *at, f64::from(target));
        }
        before = Some(target);
    }
    if let Some(last) = before {
        point(&mut path, axis, axis.now, f64::from(last));
    }
    path
}

fn answered(axis: &Axis, line: &Line<'_>) -> String {
    let mut path = String::new();
    for (at, shown) in &line.points {
        if let Some(share) = shown.shares.get(line.pool).and_then(|share| share.answered) {
            point(&mut path, axis, *at, share);
        }
    }
    path
}

/// There along the upper edge, and back along the lower one.
fn band(axis: &Axis, line: &Line<'_>) -> String {
    let edges: Vec<(f64, f64, f64)> = line
        .points
        .iter()
        .filter_map(|(at, shown)| {
            let share = shown.shares.get(line.pool)?;
            Some((*at, share.answered?, share.deviation.unwrap_or_default()))
        })
        .collect();
    let mut path = String::new();
    for (at, share, sd) in &edges {
        point(&mut path, axis, *at, share + sd);
    }
    for (at, share, sd) in edges.iter().rev() {
        point(&mut path, axis, *at, share - sd);
    }
    if !path.is_empty() {
        path.push('Z');
    }
    path
}

/// The picture in words.
fn told(scene: Scene<'_>, axis: &Axis, lines: &[Line<'_>]) -> String {
    let now = scene.now();
    let mut said = format!("From {} on.", clock(&instant(axis.from), now));
    for line in lines {
        let turns = turns(line).into_iter();
        let turns = turns.map(|(at, share)| format!("{share} % at {}", clock(&instant(at), now)));
        let turns: Vec<String> = turns.collect();
        if !turns.is_empty() {
            let _ = write!(said, " Target of {}: {}.", line.pool, turns.join(", "));
        }
        let last = line.points.last().and_then(|(_, point)| point.shares.get(line.pool));
        if let Some((share, answered)) = last.and_then(|share| Some((share, share.answered?))) {
            let sd = share.deviation.filter(|sd| *sd > 0.0);
            let sd = sd.map(|sd| format!(" ± {}", short(sd))).unwrap_or_default();
            let _ = write!(said, " Answered of late: {} %{sd}.", short(answered));
        }
    }
    said
}

/// The same numbers as a table.
fn numbers(scene: Scene<'_>, points: &[PointStatus], lines: &[Line<'_>]) -> Markup {
    let points = thinned(points, NUMBERS_MAX);
    html! {
        details id="numbers" {
            summary { "The same as numbers" }
            div.scroll tabindex="0" role="region" aria-label="The course as numbers" { table {
                thead { tr {
                    th scope="col" { "at (UTC)" }
                    @for Line { pool, .. } in lines {
                        th.number scope="col" { (pool) ", target" }
                        th.number scope="col" { (pool) ", answered" }
                    }
                    th.number scope="col" { "networks" }
                } }
                tbody { @for shown in points.iter().rev() { tr {
                    th scope="row" { (words::time(&shown.at, scene.now())) }
                    @for Line { pool, .. } in lines {
                        @let share = shown.shares.get(*pool);
                        td.number { (share.map_or(0, |share| share.target)) " %" }
                        td.number { (share.map(measured).unwrap_or_default()) }
                    }
                    td.number { (shown.clients.map(short).unwrap_or_default()) }
                } } }
            } }
        }
    }
}

fn measured(share: &PointShare) -> String {
    let Some(answered) = share.answered else { return "nobody asked".to_owned() };
    let sd = share.deviation.map(|sd| format!(" ± {}", short(sd))).unwrap_or_default();
    format!("{} %{sd}", short(answered))
}
