//! What became of the releases of a service, the latest first.

use maud::{Markup, html};

use super::{
    view::{Fragment, Scene, Urgency},
    words::{self, time},
};
use crate::admin::{
    history::{Past, PastStep},
    proof::test_line,
};

/// All that are known, each with its steps and why they were taken.
pub(super) fn past(scene: Scene<'_>, history: &Result<Vec<Past>, String>) -> Vec<Fragment> {
    let alone = |html| vec![Fragment::new("past-none", Urgency::Row, html)];
    match history {
        Err(why) => alone(html! { p #past-none { "It cannot be read: " (why) } }),
        Ok(history) if history.is_empty() => {
            alone(html! { p #past-none { "No release is known." } })
        }
        Ok(history) => history.iter().rev().map(|past| release(scene, past)).collect(),
    }
}

fn release(scene: Scene<'_>, past: &Past) -> Fragment {
    let Past { id, from, to, by, begun, steps, omitted, tests, .. } = past;
    let (now, element) = (scene.now(), format!("past-{id}"));
    let html = html! {
        details.past id=(element) {
            summary {
                b { "Release " (id) ": " (from) " → " (to) } " " (ending(scene, past)) " "
                span.quiet { "begun " (time(begun, now)) " by " (by) }
            }
            @if !tests.is_empty() { ul { @for test in tests { li { (words::said(&test_line(test))) } } } }
            div.scroll tabindex="0" role="region" aria-label={ "Steps of release " (id) } { table {
                thead { tr {
                    th scope="col" { "at (UTC)" } th scope="col" { "phase" } th scope="col" { "why" }
                } }
                tbody { @for PastStep { at, from, to, why } in steps { tr {
                    th scope="row" { (time(at, now)) }
                    td { (from) " → " b { (to) } }
                    td { (words::said(why)) }
                } } }
            } }
            @if *omitted > 0 { p { "And " (words::many(*omitted as usize, "more", "more")) " in between." } }
        }
    };
    Fragment::new(element, Urgency::Row, html)
}

fn ending(scene: Scene<'_>, past: &Past) -> Markup {
    let (Some(result), Some(ended)) = (&past.result, &past.ended) else {
        return html! { span.sign.open { "goes on" } };
    };
    let class = match result.as_str() {
        "released" => "good",
        "failed" | "rolled back" => "bad",
        _ => "open",
    };
    html! { span.sign.(class) { (result) } " " (time(ended, scene.now())) }
}
