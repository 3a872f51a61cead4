//! The documents: what stands around the fragments.

use maud::{DOCTYPE, Markup, html};

use super::{
    assets::ASSETS,
    hub::Shown,
    view::{ViewName, filled},
    words,
};

/// How often a browser without scripts loads the page again, in seconds.
const REFRESH_SECS: u32 = 10;

/// A whole page; `acts` says whether something can be done from it.
pub(super) fn page(name: &ViewName, shown: &Shown, acts: bool) -> String {
    let watch = match name {
        ViewName::Overview => "/live".to_owned(),
        ViewName::Service(service) => format!("/live?service={service}"),
    };
    let main = match name {
        ViewName::Overview => overview(shown),
        ViewName::Service(_) if shown.is_known => service(shown),
        ViewName::Service(service) => unknown(service),
    };
    let body = html! {
        body data-watch=(watch) data-beat=(shown.beat) data-now=(shown.now) {
            a.skip href="#main" { "Skip to the content" }
            header.top {
                div.within {
                    @if shown.is_known { (one(shown, "head")) }
                    (link(&shown.now))
                }
            }
            div.within {
                div.banners #banners role="status" { (slot(shown, "banners")) }
                div.hidden role="status" { (one(shown, "spoken")) }
                main #main { (main) }
                (footer())
            }
            @if acts { (dialog()) }
        }
    };
    document(&shown.title, body)
}

/// What there is instead of a page.
pub(super) fn trouble(what: &str) -> String {
    document(
        what,
        html! {
            body {
                div.within { main #main {
                    h1 { "No page" }
                    p { (what) }
                    p { a href="/" { "All services" } }
                } }
            }
        },
    )
}

fn document(title: &str, body: Markup) -> String {
    let assets = &*ASSETS;
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                link rel="icon" type="image/svg+xml" href=(assets.icon.path);
                link rel="stylesheet" href=(assets.style.path);
                noscript { meta http-equiv="refresh" content=(REFRESH_SECS); }
                script src=(assets.script.path) defer {}
            }
            (body)
        }
    };
    document.into_string()
}

/// How fresh it is, in words.
fn link(now: &str) -> Markup {
    html! {
        p.link {
            span.scripted #link data-state="connecting" { "connecting" }
            noscript { span { "as of" } }
            " " time #clock datetime=(now) { (words::clock(now, now)) } " UTC"
        }
    }
}

fn overview(shown: &Shown) -> Markup {
    html! {
        section aria-labelledby="releases" {
            h2 #releases { "Releases" }
            div.cards #cards { (slot(shown, "cards")) }
            (one(shown, "more-cards"))
        }
        section aria-labelledby="services" {
            div.bar-of-filters {
                h2 #services { "Services" }
                (one(shown, "counts"))
                form.scripted #filters role="search" {
                    label { span { "name" } input #filter type="search" autocomplete="off" spellcheck="false"; }
                    label { span { "phase" } select #phases { option value="" { "all" } } }
                    output #found for="filter phases" {}
                }
            }
            table.services role="table" aria-labelledby="services" {
                thead role="rowgroup" { tr role="row" {
                    @for name in ["service", "answered", "phase", "health", "next"] {
                        th role="columnheader" scope="col" { (name) }
                    }
                    th.number role="columnheader" scope="col" { "ttl" }
                } }
                tbody role="rowgroup" #rows { (slot(shown, "rows")) }
            }
            (one(shown, "more-rows"))
        }
    }
}

fn service(shown: &Shown) -> Markup {
    html! {
        div #cards { (slot(shown, "cards")) }
        (one(shown, "proof"))
        section aria-labelledby="pools-heading" {
            h2 #pools-heading { "Pools" }
            div.scroll tabindex="0" role="region" aria-labelledby="pools-heading" { table {
                thead { tr {
                    th scope="col" { "pool" } th.number scope="col" { "target" }
                    th.number scope="col" { "answered" } th.number scope="col" { "answers" }
                    th scope="col" { "caches" }
                } }
                (one(shown, "pools"))
            } }
        }
        section aria-labelledby="endpoints-heading" {
            h2 #endpoints-heading { "Endpoints" }
            div.scroll tabindex="0" role="region" aria-labelledby="endpoints-heading" {
                table #endpoints {
                    thead data-keep { tr {
                        th scope="col" { "address" } th scope="col" { "pool" } th scope="col" { "verdict" }
                        th scope="col" { "since" } th.number scope="col" { "latency" }
                        th.number scope="col" { "weight" } th scope="col" { "why" }
                    } }
                    (slot(shown, "endpoints"))
                }
            }
        }
        section aria-labelledby="past-heading" {
            h2 #past-heading { "History" }
            div #past { (slot(shown, "past")) }
        }
    }
}

fn unknown(service: &str) -> Markup {
    html! {
        h1 { "No such service" }
        p { "There is no service " code { (service) } " here. " a href="/" { "All services" } }
    }
}

fn footer() -> Markup {
    html! {
        footer {
            p {
                "All times are UTC. What is said of caches holds for those that keep to the TTL: browsers, JVMs "
                "and open connections may hold on for longer."
            }
            nav aria-label="Other forms" {
                a href="/status" { "status" } " " a href="/history" { "history" } " "
                a href="/metrics" { "metrics" }
            }
        }
    }
}

/// Asks before anything is done; filled by the script.
fn dialog() -> Markup {
    html! {
        script src=(ASSETS.acts.path) defer {}
        dialog #ask aria-labelledby="ask-heading" {
            form #ask-form method="dialog" autocomplete="off" {
                h2 #ask-heading {}
                label #ask-token-label {
                    span { "token" }
                    input #ask-token type="password" autocomplete="off" spellcheck="false";
                }
                div #ask-plan tabindex="-1" {}
                p.does {
                    button #ask-do.primary type="submit" { "See what it would do" }
                    button #ask-leave type="button" { "Leave it" }
                }
            }
        }
    }
}

/// One fragment that stands alone.
fn one(shown: &Shown, id: &str) -> Markup {
    let held = shown.fragments.get(id).map(|held| (id, &*held.html));
    filled(held.as_slice(), &[])
}

/// The fragments of a slot.
fn slot(shown: &Shown, slot: &str) -> Markup {
    let ids = shown.orders.get(slot).map(|order| &*order.ids).unwrap_or_default();
    let held = |id: &'_ String| Some((id.clone(), shown.fragments.get(id)?.html.clone()));
    let held: Vec<_> = ids.iter().filter_map(held).collect();
    let held: Vec<(&str, &str)> = held.iter().map(|(id, html)| (id.as_str(), &**html)).collect();
    let inside = shown.fragments.iter().filter(|(_, held)| held.is_inside && slot == "cards");
    let inside: Vec<(&str, &str)> = inside.map(|(id, held)| (id.as_str(), &*held.html)).collect();
    filled(&held, &inside)
}
