//! A view: what is on one page, as fragments that are sent anew only when they have changed.
//!
//! Pure: from the status document to text. A fragment is one element with an id. Slots are elements
//! with fragments as their children, in an order; a hole is an element inside of a fragment that is a
//! fragment of its own, so that a picture can change without what stands around it.

use std::collections::BTreeMap;

use maud::{Markup, PreEscaped, html};

use super::{banners, card, details, hub::Shown, past, rows, words};
use crate::admin::{
    course::CourseStatus,
    history::Past,
    status::{ServiceStatus, Status},
};

/// More cards than anybody watches at once.
const CARDS_MAX: usize = 12;
/// More rows than a browser draws well.
const ROWS_MAX: usize = 2000;

/// What is looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum ViewName {
    /// All services.
    Overview,
    /// One of them.
    Service(String),
}

/// What there is to be shown.
#[derive(Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) status: &'a Status,
    pub(super) courses: &'a BTreeMap<String, CourseStatus>,
    /// Whether something can be done from the page.
    pub(super) acts: bool,
    /// What was shown last, so that what has not changed need not be rendered again.
    pub(super) before: Option<(&'a Status, &'a Shown)>,
}

impl<'a> Scene<'a> {
    /// The server's time.
    pub(super) fn now(&self) -> &'a str {
        &self.status.now
    }

    /// Whether a service is on the same day what it was, and has been shown so under that id.
    pub(super) fn is_same(&self, id: &str, name: &str, service: &ServiceStatus) -> bool {
        self.before.is_some_and(|(before, shown)| {
            let is_today = before.now.get(..10) == self.now().get(..10);
            let known = before.services.get(name);
            is_today && known == Some(service) && shown.fragments.contains_key(id)
        })
    }
}

/// How long a fragment may wait when not everything can be sent at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    Banner,
    Card,
    Row,
    Picture,
}

/// One element with an id.
#[derive(Clone, Debug)]
pub(super) struct Fragment {
    pub(super) id: String,
    pub(super) urgency: Urgency,
    /// None where it is what it was.
    pub(super) html: Option<String>,
    /// Whether it fills a hole of another one.
    pub(super) is_inside: bool,
}

impl Fragment {
    pub(super) fn new(id: impl Into<String>, urgency: Urgency, html: Markup) -> Self {
        Self { id: id.into(), urgency, html: Some(html.into_string()), is_inside: false }
    }

    /// One that has not changed.
    pub(super) fn same(id: String, urgency: Urgency) -> Self {
        Self { id, urgency, html: None, is_inside: false }
    }

    /// One that fills the hole with its id.
    pub(super) fn inside(id: &str, urgency: Urgency, html: Markup) -> Self {
        let html = html! { div id=(id) data-hole { (html) } };
        Self { is_inside: true, ..Self::new(id, urgency, html) }
    }
}

/// The place of a fragment inside of another one.
pub(super) fn hole(id: &str) -> Markup {
    html! { div id=(id) data-hole {} }
}

/// Everything on one page.
pub(super) struct View {
    /// Of the document.
    pub(super) title: String,
    pub(super) fragments: Vec<Fragment>,
    /// The slots: which fragments, in which order.
    pub(super) orders: Vec<(&'static str, Vec<String>)>,
}

impl View {
    fn new(title: String) -> Self {
        Self { title, fragments: Vec::new(), orders: Vec::new() }
    }

    fn alone(&mut self, id: &str, urgency: Urgency, html: Markup) {
        self.fragments.push(Fragment::new(id, urgency, html));
    }

    /// Fragments that are the children of a slot, but for those in holes.
    fn slot(&mut self, slot: &'static str, fragments: Vec<Fragment>) {
        let ids = fragments.iter().filter(|fragment| !fragment.is_inside);
        self.orders.push((slot, ids.map(|fragment| fragment.id.clone()).collect()));
        self.fragments.extend(fragments);
    }
}

/// All services.
pub(super) fn overview(scene: Scene<'_>) -> View {
    let status = scene.status;
    let mut view = View::new(title(status));
    view.alone("spoken", Urgency::Banner, html! { p #spoken { (spoken(status)) } });
    view.alone("head", Urgency::Card, banners::head(status));
    view.slot("banners", banners::banners(status));
    view.alone("counts", Urgency::Card, rows::counts(status));
    let released = released(status);
    let cards = released.iter().take(CARDS_MAX);
    view.slot(
        "cards",
        cards.flat_map(|(name, service)| card::card(scene, name, service)).collect(),
    );
    let left = released.len().saturating_sub(CARDS_MAX);
    view.alone("more-cards", Urgency::Card, html! {
        p #more-cards {
            @if released.is_empty() { "No release is under way." }
            @if left > 0 { "And " (words::many(left, "more", "more")) ", among the services below." }
        }
    });
    let mut shown: Vec<(&String, &ServiceStatus)> = status.services.iter().collect();
    if shown.len() > ROWS_MAX {
        // Those of which there is something to be seen.
        shown.sort_by_key(|(_, service)| service.phase == "Steady" && service.health == "healthy");
        shown.truncate(ROWS_MAX);
    }
    let left = status.services.len() - shown.len();
    view.slot("rows", shown.into_iter().map(|(name, it)| rows::row(scene, name, it)).collect());
    view.alone("more-rows", Urgency::Row, html! {
        p #more-rows {
            @if left > 0 {
                "And " (words::many(left, "more", "more"))
                ": each has a page at /services/NAME, and " code { "cutover status" } " shows all."
            }
        }
    });
    view
}

/// One service, with what became of its releases.
pub(super) fn service(scene: Scene<'_>, name: &str, history: &Result<Vec<Past>, String>) -> View {
    let status = scene.status;
    let Some(service) = status.services.get(name) else {
        let mut view = View::new(format!("{name} is not answered — {}", status.zone));
        let gone =
            html! { p #spoken { (name) " is no longer answered: nothing here is known of it." } };
        view.alone("spoken", Urgency::Banner, gone);
        view.alone("head", Urgency::Card, details::gone(scene, name));
        view.slot("banners", banners::banners(status));
        // Whoever watched it while it was there still has all of this.
        ["cards", "endpoints", "past"].into_iter().for_each(|slot| view.slot(slot, Vec::new()));
        view.alone("proof", Urgency::Card, html! { section #proof hidden {} });
        view.alone("pools", Urgency::Row, html! { tbody #pools {} });
        return view;
    };
    let mut view = View::new(format!("{} — {}", sign_of(name, service), status.zone));
    view.alone("spoken", Urgency::Banner, html! { p #spoken { (told(name, service)) } });
    view.alone("head", Urgency::Card, details::head(scene, name, service));
    view.slot("banners", banners::banners(status));
    view.slot("cards", details::release(scene, name, service));
    view.alone("proof", Urgency::Card, details::proof(scene, service));
    view.alone("pools", Urgency::Row, details::pools(scene, service));
    view.slot("endpoints", details::endpoints(scene, service));
    view.slot("past", past::past(scene, history));
    view
}

/// Releases under way, those of one group beside each other; then those that have failed.
fn released(status: &Status) -> Vec<(&String, &ServiceStatus)> {
    let services = status.services.iter();
    let mut released: Vec<_> = services.filter(|(_, service)| service.release.is_some()).collect();
    released.sort_by_key(|(name, service)| {
        (service.phase == "Failed", service.group.as_ref().unwrap_or(name).clone(), *name)
    });
    released
}

/// The services of which there are pictures.
pub(super) fn drawn(status: &Status) -> impl Iterator<Item = &String> {
    released(status).into_iter().take(CARDS_MAX).map(|(name, _)| name)
}

/// A service and what becomes of it, for a tab.
fn sign_of(name: &str, service: &ServiceStatus) -> String {
    let sign = match words::Kind::of(service) {
        words::Kind::Calm => return format!("{name} {}", service.phase),
        words::Kind::Bad => "✕",
        words::Kind::Held => "‖",
        words::Kind::Back => "↩",
        words::Kind::Moving => "●",
    };
    format!("{sign} {name} {}", service.phase)
}

fn title(status: &Status) -> String {
    let released = released(status);
    let zone = &status.zone;
    let stands = match released.as_slice() {
        [] => match status.file.accepted {
            true if status.file.waiting => "⚠ the file waits".to_owned(),
            true => "Steady".to_owned(),
            false => "⚠ the file is refused".to_owned(),
        },
        [(name, service)] => sign_of(name, service),
        more => {
            let failed = more.iter().filter(|(_, service)| service.phase == "Failed").count();
            match (failed, more.len() - failed) {
                (0, under_way) => format!("● {under_way} releases"),
                (failed, 0) => format!("✕ {failed} failed"),
                (failed, under_way) => format!("● {under_way} releases, ✕ {failed} failed"),
            }
        }
    };
    format!("{stands} — {zone}")
}

/// What is read out when it changes: short, and without what changes all the time.
fn spoken(status: &Status) -> String {
    const NAMED_MAX: usize = 4;
    let released = released(status);
    let named = released.iter().take(NAMED_MAX).map(|(name, service)| told(name, service));
    let mut said: Vec<String> = named.collect();
    if released.len() > NAMED_MAX {
        said.push(format!("And {} more releases.", released.len() - NAMED_MAX));
    }
    if said.is_empty() {
        said.push(format!(
            "{}; no release is under way.",
            words::many(status.services.len(), "service is answered", "services are answered")
        ));
    }
    said.join(" ")
}

fn told(name: &str, service: &ServiceStatus) -> String {
    let phase = &service.phase;
    match &service.release {
        Some(release) => {
            let (to, share) = (&release.to, release.share);
            format!("{name} is {phase}: {share} % of the clients have {to}.")
        }
        None => format!("{name} is {phase}."),
    }
}

/// The fragments of a slot one after the other, with their holes filled.
pub(super) fn filled(fragments: &[(&str, &str)], inside: &[(&str, &str)]) -> Markup {
    let mut html: String = fragments.iter().map(|(_, html)| *html).collect();
    for (id, filling) in inside {
        // Names cannot imitate it: all text is escaped.
        html = html.replacen(&hole(id).into_string(), filling, 1);
    }
    PreEscaped(html)
}
