//! How caches let go of a pool that was left: from the swap down to the horizon, in a straight line.

use maud::{Markup, html};

use super::{
    view::Scene,
    words::{self, secs, short},
};
use crate::admin::status::{ClearingStatus, ServiceStatus};

/// The curve of one pool.
pub(super) fn clearing(
    scene: Scene<'_>,
    service: &ServiceStatus,
    pool: &str,
    clearing: &ClearingStatus,
) -> Markup {
    let ClearingStatus { since, until, remaining } = clearing;
    let (Some(from), Some(to)) = (secs(since), secs(until)) else { return html! {} };
    let (now, left) = (scene.now(), (remaining * 100.0).clamp(0.0, 100.0).round());
    // The line is straight, so where it stands is also when that is.
    let x = if to > from { 100.0 - left } else { 100.0 };
    let (title, hue) = (format!("{pool} in caches"), words::hue(service, pool));
    let at_the_end = x > 75.0;
    html! {
        figure.clearing {
            figcaption {
                span.key { i.dot.(hue) {} b { (pool) } " in caches" }
                span { "about " b { (left) " %" } ", gone " (words::countdown(until, now)) }
            }
            div.plot {
                span.ys aria-hidden="true" { span { "100 %" } span { "50" } span { "0" } }
                svg.frame height="158" role="img" aria-label=(title) {
                    title { (title) }
                    desc {
                        "Falls in a straight line from 100 % at " (words::clock(since, now)) " to nothing at "
                        (words::clock(until, now)) "; about " (left) " % is left."
                    }
                    svg.field x="0" y="8" width="100%" height="124" viewBox="0 0 100 100"
                        preserveAspectRatio="none" {
                        @for y in [0, 25, 50, 75, 100] { line.grid x1="0" x2="100" y1=(y) y2=(y) {} }
                        path.gone.(hue) d={ "M0 0L" (short(x)) " " (short(x)) "L" (short(x)) " 100L0 100Z" } {}
                        path.left.(hue) d={ "M" (short(x)) " " (short(x)) "L100 100L" (short(x)) " 100Z" } {}
                        line.answered.(hue) x1="0" y1="0" x2="100" y2="100" {}
                        line.now x1=(short(x)) x2=(short(x)) y1="0" y2="100" {}
                    }
                    g.marks aria-hidden="true" {
                        text x="0" y="150" text-anchor="start" { (words::clock(since, now)) }
                        text x="100%" y="150" text-anchor="end" { (words::clock(until, now)) }
                        text.nowmark x={ (short(x)) "%" } y="20" dx=(if at_the_end { "-5" } else { "5" })
                            text-anchor=(if at_the_end { "end" } else { "start" }) { "now " (left) " %" }
                    }
                }
            }
            p.hidden {
                (pool) " was left at " (words::time(since, now)) ". No cache that keeps to the TTL holds it after "
                (words::time(until, now)) "."
            }
        }
    }
}
