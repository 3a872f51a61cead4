//! The head of the page, and banners: what is wrong with all of it, and what there is to do.

use maud::{Markup, html};

use super::{
    view::{Fragment, Urgency},
    words::{self, said},
};
use crate::admin::status::{FileError, FileStatus, FreezeStatus, HookStatus, Status, StoreStatus};

/// Mistakes of a file that are shown; `cutover check` shows all.
const MISTAKES_MAX: usize = 8;

/// Whose page it is, and what is answered from.
pub(super) fn head(status: &Status) -> Markup {
    let file = &status.file;
    html! {
        div #head.head {
            h1 { (status.zone) }
            ul.facts {
                li { "generation " b { (status.generation) } }
                li { "serial " (status.serial) }
                li {
                    @match (&file.loaded_at, file.accepted) {
                        (_, true) if file.waiting => span.sign.warn { "file waits" },
                        (Some(at), true) => {
                            span.sign.good { "file accepted" } ", read " (words::time(at, &status.now))
                        }
                        _ => span.sign.bad { "file refused" },
                    }
                }
                @if !status.version.is_empty() { li { "cutover " (status.version) } }
            }
        }
    }
}

/// All that there are, the gravest first.
pub(super) fn banners(status: &Status) -> Vec<Fragment> {
    let banner = |id: String, html| Fragment::new(id, Urgency::Banner, html);
    let mut all = Vec::new();
    all.extend(store(status).map(|html| banner("b-store".to_owned(), html)));
    all.extend(file(status).map(|html| banner("b-file".to_owned(), html)));
    all.extend(zones(status).map(|html| banner("b-zones".to_owned(), html)));
    all.extend(doubt(status).map(|html| banner("b-doubt".to_owned(), html)));
    all.extend(freeze(status).map(|html| banner("b-freeze".to_owned(), html)));
    for (name, hook) in &status.events {
        let id = format!("b-hook-{name}");
        all.extend(self::hook(status, &id, name, hook).map(|html| banner(id.clone(), html)));
    }
    all
}

fn banner(id: &str, class: &str, what: Markup, more: Markup) -> Markup {
    html! { div.banner.(class) id=(id) { h2 { (what) } (more) } }
}

fn file(status: &Status) -> Option<Markup> {
    let file = &status.file;
    if file.accepted {
        return file.waiting.then(|| waiting(file));
    }
    let served = match &file.loaded_at {
        Some(at) => html! { "What is served is what was read " (words::time(at, &status.now)) "." },
        None if status.ready => html! {
            "What is served is what was kept; no good file has been read since the start."
        },
        None => html! { "No good one has been read since the start." },
    };
    let what = html! { "The file on disk is refused" };
    let left = file.errors.len().saturating_sub(MISTAKES_MAX);
    Some(banner(
        "b-file",
        "bad",
        what,
        html! {
            p { code { (file.path) } ": " (served) " Mend it and save: it is read by itself." }
            @if file.waiting { p { "It is to be carried out once that can be kept." } }
            @if !file.errors.is_empty() {
                ul { @for error in file.errors.iter().take(MISTAKES_MAX) { (mistake(error)) } }
            }
            @if left > 0 { p { "And " (left) " more: " code { "cutover check" } " shows all." } }
        },
    ))
}

/// A good one that cannot be carried out yet.
fn waiting(file: &FileStatus) -> Markup {
    let what = html! { "The file on disk is good, and waits" };
    let why = html! {
        p {
            code { (file.path) } ": it is to be carried out once that can be kept. "
            "Until then what is served is what was read before."
        }
    };
    banner("b-file", "warn", what, why)
}

fn zones(status: &Status) -> Option<Markup> {
    let why = status.zones_refused.as_ref()?;
    let what = html! { "A zone file on disk is refused" };
    Some(banner(
        "b-zones",
        "bad",
        what,
        html! {
            p { (said(why)) }
            p { "What is served is what was read before. Mend it and save: it is read by itself." }
        },
    ))
}

fn mistake(error: &FileError) -> Markup {
    let FileError { line, column, message, hint } = error;
    html! {
        li {
            @if *line > 0 { code { (line) ":" (column) } " " }
            (said(message))
            @if let Some(hint) = hint { " — " (said(hint)) }
        }
    }
}

fn freeze(status: &Status) -> Option<Markup> {
    let FreezeStatus { by, reason, since } = status.freeze.as_ref()?;
    let what = html! {
        "Frozen since " (words::time(since, &status.now)) " by " (by)
        @if let Some(reason) = reason { ": " (said(reason)) }
    };
    Some(banner(
        "b-freeze",
        "warn",
        what,
        html! {
            p { "No release takes a step until " code { "cutover unfreeze" } ". Rollbacks are done all the same." }
        },
    ))
}

fn doubt(status: &Status) -> Option<Markup> {
    let since = status.doubted_since.as_ref()?;
    let what = html! { "Every probe fails since " (words::time(since, &status.now)) };
    Some(banner(
        "b-doubt",
        "bad",
        what,
        html! {
            p {
                "This daemon may be cut off; verdicts stay as they were, no failure counts, and releases wait. "
                "Look at the network of this host."
            }
        },
    ))
}

fn store(status: &Status) -> Option<Markup> {
    let StoreStatus { path, error, since, unkept } = &status.store;
    let error = error.as_ref()?;
    let what = html! {
        "The state cannot be written"
        @if let Some(since) = since { " since " (words::time(since, &status.now)) }
    };
    Some(banner(
        "b-store",
        "bad",
        what,
        html! {
            p { code { (path) } ": " (said(error)) }
            p {
                "Releases stand still until it can be; answers go on. "
                @if *unkept > 0 {
                    "A restart would forget where "
                    (words::many(*unkept, "service stands", "services stand")) ". "
                }
                "Make room on the disk, or make it writable."
            }
        },
    ))
}

fn hook(status: &Status, id: &str, name: &str, hook: &HookStatus) -> Option<Markup> {
    let HookStatus { pending, error, since } = hook;
    let error = error.as_ref()?;
    let what = html! {
        "Hook " (name) " takes no events"
        @if let Some(since) = since { " since " (words::time(since, &status.now)) }
    };
    Some(banner(
        id,
        "warn",
        what,
        html! {
            p { (said(error)) ". " (words::many(*pending, "event waits", "events wait")) "; releases do not wait for it." }
        },
    ))
}
