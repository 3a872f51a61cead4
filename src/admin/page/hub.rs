//! One look for all who watch: the facts are asked for once in a beat, and each view is rendered once in
//! a beat, however many watch it. Nobody watches, nothing is done.
//!
//! A beat lasts a second, or as much longer as keeps all of this within [`BUSY_MAX`].

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{sync::Mutex, time::Instant};

use super::view::{self, Fragment, Scene, Urgency, View, ViewName};
use crate::{
    admin::{Inquiry, course::CourseStatus, history::Past, status::Status},
    model::ServiceName,
};

const BEAT: Duration = Duration::from_secs(1);
/// However long a look takes, one is taken so often.
const BEAT_MAX: Duration = Duration::from_secs(4);
/// One part in so many of the time may go into looking; sending takes about as much again.
const BUSY_MAX: u32 = 100;
/// Views that are remembered; those that nobody has looked at for longest go.
const VIEWS_MAX: usize = 96;
/// History is read from disk: again when the service has changed, or after so many beats.
const HISTORY_BEATS: u64 = 30;
/// A view that nobody has looked at for so many beats goes.
const UNSEEN_BEATS: u64 = 60;

/// What everyone looks at.
pub(super) struct Hub {
    inquiry: Inquiry,
    acts: bool,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// The beats, told apart over restarts of the daemon too: the first begins with the time.
    beat: u64,
    begun: Option<Instant>,
    spent: Duration,
    status: Option<Arc<Status>>,
    views: BTreeMap<ViewName, Kept>,
}

/// One view as it was last shown.
struct Kept {
    shown: Arc<Shown>,
    /// Only where it spares rendering, which is on the page of all services: it is large.
    status: Option<Arc<Status>>,
    history: Option<History>,
}

/// What became of the releases of a service, and how it stood then.
struct History {
    told: Result<Vec<Past>, String>,
    stood: String,
    beat: u64,
}

/// A view at one beat.
pub(super) struct Shown {
    pub(super) beat: u64,
    /// The beat at which it began to be remembered: what was shown before is of no use.
    pub(super) born: u64,
    pub(super) now: String,
    pub(super) title: String,
    pub(super) fragments: BTreeMap<String, Held>,
    pub(super) orders: BTreeMap<&'static str, Order>,
    /// Whether the status knows what is looked at.
    pub(super) is_known: bool,
}

/// A fragment, and the beat at which it last changed.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) html: Arc<str>,
    pub(super) urgency: Urgency,
    pub(super) is_inside: bool,
    pub(super) changed: u64,
}

/// Which fragments a slot has, and the beat at which that last changed.
#[derive(Clone)]
pub(super) struct Order {
    pub(super) ids: Arc<[String]>,
    pub(super) changed: u64,
}

impl Hub {
    pub(super) fn new(inquiry: Inquiry, acts: bool) -> Self {
        Self { inquiry, acts, known: Mutex::default() }
    }

    /// How things are in this beat, and when the next one begins; nothing if the control plane does not
    /// say so.
    pub(super) async fn look(&self, name: &ViewName) -> (Option<Arc<Shown>>, Instant) {
        let mut known = self.known.lock().await;
        let begun = Instant::now();
        if known.begun.is_none() || known.next() <= begun {
            let status = self.inquiry.status().await;
            let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            known.beat = (known.beat + 1).max(since_1970.as_secs());
            known.status = status.map(Arc::from);
            (known.begun, known.spent) = (Some(begun), begun.elapsed());
        }
        let begun = Instant::now();
        let shown = self.show(&mut known, name).await;
        known.spent += begun.elapsed();
        (shown, known.next())
    }

    async fn show(&self, known: &mut Known, name: &ViewName) -> Option<Arc<Shown>> {
        let status = known.status.clone()?;
        let mut kept = known.views.remove(name);
        if kept.as_ref().is_none_or(|kept| kept.shown.beat != known.beat) {
            let (shown, stood, history) = match kept {
                Some(Kept { shown, status, history }) => (Some(shown), status, history),
                None => (None, None, None),
            };
            let last = shown.as_deref();
            let before = stood.as_deref().zip(last);
            let history = self.history(known.beat, &status, name, history).await;
            let courses = self.courses(&status, name).await;
            let scene = Scene { status: &status, courses: &courses, acts: self.acts, before };
            let view = render(scene, name, history.as_ref());
            let shown = Shown::next(known.beat, &status, name, view, last);
            let status = (*name == ViewName::Overview).then_some(status);
            kept = Some(Kept { shown: Arc::new(shown), status, history });
        }
        let kept = kept?;
        let shown = kept.shown.clone();
        known.make_room();
        // Anybody can ask for names that have never been any.
        if shown.is_known || shown.born < shown.beat {
            known.views.insert(name.clone(), kept);
        }
        Some(shown)
    }

    /// Of those that are drawn.
    async fn courses(&self, status: &Status, name: &ViewName) -> BTreeMap<String, CourseStatus> {
        let names: Vec<ServiceName> = match name {
            ViewName::Service(name) => name.parse().into_iter().collect(),
            ViewName::Overview => {
                view::drawn(status).filter_map(|name| name.parse().ok()).collect()
            }
        };
        match names.is_empty() {
            true => BTreeMap::new(),
            false => self.inquiry.courses(names).await.unwrap_or_default(),
        }
    }

    async fn history(
        &self,
        beat: u64,
        status: &Status,
        name: &ViewName,
        known: Option<History>,
    ) -> Option<History> {
        let ViewName::Service(name) = name else { return None };
        let service = status.services.get(name)?;
        let release = service.release.as_ref().map(|release| (release.id, release.share));
        let stood = format!("{} {release:?}", service.phase);
        if let Some(known) = known
            && known.stood == stood
            && beat < known.beat + HISTORY_BEATS
        {
            return Some(known);
        }
        let service: ServiceName = name.parse().ok()?;
        let told = self.inquiry.history(Some(service)).await;
        let told = told.unwrap_or_else(|| Err("the control plane does not answer".to_owned()));
        Some(History { told, stood, beat })
    }
}

fn render(scene: Scene<'_>, name: &ViewName, history: Option<&History>) -> View {
    match (name, history) {
        (ViewName::Service(name), Some(History { told, .. })) => view::service(scene, name, told),
        (ViewName::Service(name), None) => view::service(scene, name, &Ok(Vec::new())),
        (ViewName::Overview, _) => view::overview(scene),
    }
}

impl Known {
    fn next(&self) -> Instant {
        let Some(begun) = self.begun else { return Instant::now() };
        begun + (self.spent * BUSY_MAX).clamp(BEAT, BEAT_MAX)
    }

    fn make_room(&mut self) {
        self.views.retain(|_, kept| kept.shown.beat + UNSEEN_BEATS >= self.beat);
        while self.views.len() >= VIEWS_MAX {
            let oldest = self.views.iter().min_by_key(|(_, kept)| kept.shown.beat);
            let Some(oldest) = oldest.map(|(name, _)| name.clone()) else { return };
            self.views.remove(&oldest);
        }
    }
}

impl Shown {
    /// What has not changed since `before` stays what it was.
    pub(super) fn next(
        beat: u64,
        status: &Status,
        name: &ViewName,
        view: View,
        before: Option<&Self>,
    ) -> Self {
        let View { title, fragments, orders } = view;
        let held = |Fragment { id, urgency, html, is_inside }| {
            let html = html.map(on_one_line);
            let known = before.and_then(|before| before.fragments.get(&id));
            let is_same = |known: &&Held| html.as_ref().is_none_or(|html| *html == *known.html);
            let held = match known.filter(is_same) {
                Some(known) => known.clone(),
                None => {
                    let html = html.unwrap_or_default().into();
                    Held { html, urgency, is_inside, changed: beat }
                }
            };
            (id, held)
        };
        let order = |(slot, ids): (&'static str, Vec<String>)| {
            let known = before.and_then(|before| before.orders.get(slot));
            let order = match known.filter(|known| *known.ids == *ids) {
                Some(known) => known.clone(),
                None => Order { ids: ids.into(), changed: beat },
            };
            (slot, order)
        };
        Self {
            beat,
            born: before.map_or(beat, |before| before.born),
            now: status.now.clone(),
            title,
            fragments: fragments.into_iter().map(held).collect(),
            orders: orders.into_iter().map(order).collect(),
            is_known: match name {
                ViewName::Overview => true,
                ViewName::Service(name) => status.services.contains_key(name),
            },
        }
    }
}

/// Line feeds can only be those of texts, where they can be written otherwise: so a fragment is one line
/// of an event.
fn on_one_line(html: String) -> String {
    match html.contains(['\n', '\r']) {
        true => html.replace('\n', "&#10;").replace('\r', "&#13;"),
        false => html,
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::admin::{Request, page::tests::status};

    /// One that is told of three services.
    fn hub() -> Hub {
        let (requests, mut asked) = mpsc::channel(1);
        tokio::spawn(async move {
            while let Some(request) = asked.recv().await {
                if let Request::Status(reply) = request {
                    drop(reply.send(Box::new(status(3, 0))));
                }
            }
        });
        Hub::new(Inquiry::new(requests), false)
    }

    #[tokio::test]
    async fn only_what_is_of_use_is_remembered() {
        let (hub, service) = (hub(), |name: &str| ViewName::Service(name.to_owned()));
        for name in [ViewName::Overview, service("s0"), service("nobody")] {
            let (shown, _) = hub.look(&name).await;
            assert!(shown.is_some(), "{name:?} is shown, if only to say that it is none");
        }
        let names = async || hub.known.lock().await.views.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names().await, [ViewName::Overview, service("s0")]);
        let kept = |known: &Known, name| known.views[name].status.is_some();
        {
            let mut known = hub.known.lock().await;
            assert!(kept(&known, &ViewName::Overview) && !kept(&known, &service("s0")));
            known.beat += UNSEEN_BEATS;
        }
        hub.look(&ViewName::Overview).await;
        assert_eq!(names().await.len(), 2);
        hub.known.lock().await.beat += 1;
        hub.look(&ViewName::Overview).await;
        assert_eq!(names().await, [ViewName::Overview], "nobody looks at the other one");
    }

    #[tokio::test]
    async fn a_service_that_goes_is_remembered_for_as_long_as_somebody_looks() {
        let (hub, name) = (hub(), ViewName::Service("s0".to_owned()));
        let (first, _) = hub.look(&name).await;
        let born = first.expect("shown").born;
        {
            let mut known = hub.known.lock().await;
            known.status = Some(Arc::new(status(0, 0)));
            known.beat += 1;
        }
        let (shown, _) = hub.look(&name).await;
        let shown = shown.expect("shown");
        assert_eq!((shown.is_known, shown.born), (false, born), "so it is not sent over and over");
    }
}
