//! What has been told: the last changes of phase, for those who listen to the stream of them, and for
//! those who come back and ask what they have missed.
//!
//! What an event looks like is made elsewhere, once, for hooks as well. Held in memory alone.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::body::Bytes;
use futures_util::stream::{self, Stream};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::stream::event;
use crate::model::ServiceName;

/// How many are held.
pub const HELD_MAX: usize = 1_000;

/// One change of phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldEvent {
    /// What no other event of any daemon is called.
    pub id: String,
    /// Of which service.
    pub service: ServiceName,
    /// As hooks are sent it: a CloudEvent.
    pub json: String,
}

/// What a listener is told first that has missed something.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq, schemars::JsonSchema)]
pub struct Gap {
    /// The event after which it asked.
    pub after: String,
    /// The first one that is still held, if any is.
    pub first: Option<String>,
    /// Why what came after that event is not known.
    pub why: String,
}

/// The last of them, in the order in which they were told.
pub struct ToldEvents {
    state: Mutex<State>,
    grown: watch::Sender<()>,
}

struct State {
    held: VecDeque<Arc<ToldEvent>>,
    /// The place of the first one that is held; places only grow.
    first: u64,
    /// The one before the first that is held, if that is known.
    before: Option<String>,
}

/// Where a listener begins.
struct Start {
    place: u64,
    gap: Option<Gap>,
}

impl ToldEvents {
    /// None yet; the next one comes after `before`.
    pub fn new(before: Option<String>) -> Self {
        let state = State { held: VecDeque::new(), first: 0, before };
        Self { state: Mutex::new(state), grown: watch::channel(()).0 }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what has been told now; it is being answered from.
    pub fn tell(&self, events: impl IntoIterator<Item = ToldEvent>) {
        self.state().add(events);
        self.grown.send_replace(());
    }

    /// So many have been told that nobody could still ask for; the last of them had this id.
    pub fn leave_out(&self, count: usize, last: String) {
        self.state().leave_out(count, last);
    }

    /// The ids of those that are held.
    #[cfg(test)]
    pub(crate) fn ids(&self) -> Vec<String> {
        self.state().held.iter().map(|event| event.id.clone()).collect()
    }

    /// What is told from now on, or from after the event with this id on; of one service, or of all.
    /// It ends when the listener is further behind than is held.
    pub(super) fn follow(
        self: Arc<Self>,
        after: Option<String>,
        service: Option<ServiceName>,
    ) -> impl Stream<Item = Bytes> + Send + 'static {
        let Start { place, gap } = self.state().start(after);
        // Something is said at once, so that it is known to have begun.
        let hello = match gap.as_ref().map(serde_json::to_string) {
            Some(Ok(gap)) => event("gap", None, &gap),
            _ => Bytes::from_static(b":\n\n"),
        };
        let grown = self.grown.subscribe();
        let rest = stream::unfold((self, place, grown, service), |listener| async move {
            let (events, mut place, mut grown, service) = listener;
            loop {
                grown.borrow_and_update();
                let next = events.state().at(place)?;
                let Some(next) = next else {
                    grown.changed().await.ok()?;
                    continue;
                };
                place += 1;
                if service.as_ref().is_none_or(|service| *service == next.service) {
                    let told = event("transition", Some(&next.id), &next.json);
                    return Some((told, (events, place, grown, service)));
                }
            }
        });
        stream::StreamExt::chain(stream::once(std::future::ready(hello)), rest)
    }
}

impl State {
    fn add(&mut self, events: impl IntoIterator<Item = ToldEvent>) {
        for event in events {
            self.held.push_back(Arc::new(event));
            if self.held.len() > HELD_MAX {
                self.before = self.held.pop_front().map(|event| event.id.clone());
                self.first += 1;
            }
        }
    }

    fn leave_out(&mut self, count: usize, last: String) {
        self.first += (self.held.len() + count) as u64;
        self.held.clear();
        self.before = Some(last);
    }

    /// Where to begin after an event.
    fn start(&self, after: Option<String>) -> Start {
        let Some(after) = after else {
            return Start { place: self.first + self.held.len() as u64, gap: None };
        };
        if self.before.as_ref() == Some(&after) {
            return Start { place: self.first, gap: None };
        }
        // The latest are asked for the most.
        if let Some(at) = self.held.iter().rposition(|event| event.id == after) {
            return Start { place: self.first + at as u64 + 1, gap: None };
        }
        let first = self.held.front().map(|event| event.id.clone());
        let why = format!(
            "that event is not among the last {HELD_MAX}, or of another source: what came after it \
             and before the next one here is not known"
        );
        Start { place: self.first, gap: Some(Gap { after, first, why }) }
    }

    /// The event at a place, if it has been told; `None` when it is not held any longer.
    fn at(&self, place: u64) -> Option<Option<Arc<ToldEvent>>> {
        let at = usize::try_from(place.checked_sub(self.first)?).ok()?;
        Some(self.held.get(at).cloned())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, StreamExt};

    use super::*;

    fn told(number: usize, service: &str) -> ToldEvent {
        let service = service.parse().expect("a name");
        ToldEvent { id: format!("a-{number}"), service, json: format!("{{\"n\":{number}}}") }
    }

    /// What there is to be told now.
    fn heard(stream: &mut (impl Stream<Item = Bytes> + Unpin)) -> Vec<String> {
        let mut heard = Vec::new();
        while let Some(Some(told)) = stream.next().now_or_never() {
            heard.push(String::from_utf8_lossy(&told).into_owned());
        }
        heard
    }

    fn numbers(heard: &[String]) -> Vec<&str> {
        let id = |told: &String| told.contains("id: ").then(|| told.find("id: ")).flatten();
        let ids = heard.iter().filter_map(|told| Some(&told[id(told)? + 4..]));
        ids.filter_map(|rest| rest.lines().next()).collect()
    }

    fn follow(events: &Arc<ToldEvents>, after: Option<&str>) -> impl Stream<Item = Bytes> + Unpin {
        Box::pin(events.clone().follow(after.map(str::to_owned), None))
    }

    #[test]
    fn whoever_comes_new_is_told_what_happens_from_then_on() {
        let events = Arc::new(ToldEvents::new(None));
        events.tell([told(1, "api")]);
        let mut listener = follow(&events, None);
        assert_eq!(heard(&mut listener), [":\n\n"]);
        events.tell([told(2, "api"), told(3, "web")]);
        let said = heard(&mut listener);
        assert_eq!(said[0], "event: transition\nid: a-2\ndata: {\"n\":2}\n\n");
        assert_eq!(numbers(&said), ["a-2", "a-3"]);
    }

    #[test]
    fn whoever_comes_back_is_told_what_it_has_missed() {
        let events = Arc::new(ToldEvents::new(Some("a-0".to_owned())));
        events.tell((1..=3).map(|number| told(number, "api")));
        assert_eq!(numbers(&heard(&mut follow(&events, Some("a-1")))), ["a-2", "a-3"]);
        assert_eq!(numbers(&heard(&mut follow(&events, Some("a-3")))), [""; 0]);
        // It had been told everything by the daemon before this one.
        let all = heard(&mut follow(&events, Some("a-0")));
        assert!(!all[0].contains("gap"), "{all:?}");
        assert_eq!(numbers(&all), ["a-1", "a-2", "a-3"]);
    }

    #[test]
    fn what_is_not_known_is_said_to_be_missing() {
        let events = Arc::new(ToldEvents::new(None));
        events.tell((1..=HELD_MAX + 5).map(|number| told(number, "api")));
        let said = heard(&mut follow(&events, Some("a-5")));
        assert_eq!((said.len(), numbers(&said)[0]), (HELD_MAX + 1, "a-6"), "nothing is missing");
        for unknown in ["a-4", "b-1000", "a-1006", "nonsense"] {
            let said = heard(&mut follow(&events, Some(unknown)));
            let gap = said[0].strip_prefix("event: gap\ndata: ").expect("a gap");
            let gap: Gap = serde_json::from_str(gap.trim()).expect("JSON");
            assert_eq!((gap.after.as_str(), gap.first.as_deref()), (unknown, Some("a-6")));
            assert_eq!(numbers(&said).len(), HELD_MAX);
        }
        let none = Arc::new(ToldEvents::new(None));
        assert!(heard(&mut follow(&none, Some("a-1")))[0].contains("\"first\":null"));
    }

    #[test]
    fn whoever_falls_behind_is_cut_off_and_nothing_is_kept_for_them() {
        let events = Arc::new(ToldEvents::new(None));
        let (mut slow, mut quick) = (follow(&events, None), follow(&events, None));
        assert_eq!(heard(&mut quick).len(), 1);
        events.tell((0..HELD_MAX).map(|number| told(number, "api")));
        assert_eq!(heard(&mut quick).len(), HELD_MAX);
        events.tell([told(HELD_MAX, "api")]);
        assert_eq!(heard(&mut quick).len(), 1);
        assert_eq!(slow.next().now_or_never(), Some(Some(Bytes::from_static(b":\n\n"))));
        assert_eq!(slow.next().now_or_never(), Some(None), "it ends");
    }

    #[test]
    fn what_nobody_could_still_ask_for_is_not_written_out() {
        let events = Arc::new(ToldEvents::new(None));
        events.tell([told(1, "api")]);
        let mut behind = follow(&events, None);
        events.leave_out(7, "a-8".to_owned());
        events.tell([told(9, "api")]);
        let said = heard(&mut follow(&events, Some("a-8")));
        assert_eq!((said.len(), numbers(&said)), (2, vec!["a-9"]), "nothing is missing");
        assert!(heard(&mut follow(&events, Some("a-1")))[0].contains("gap"));
        assert_eq!(behind.next().now_or_never(), Some(Some(Bytes::from_static(b":\n\n"))));
        assert_eq!(behind.next().now_or_never(), Some(None), "it is further behind than is held");
    }

    #[test]
    fn one_service_alone_can_be_listened_to() {
        let events = Arc::new(ToldEvents::new(Some("a-0".to_owned())));
        events.tell([told(1, "api"), told(2, "web"), told(3, "api")]);
        let web = Some("web".parse().expect("a name"));
        let mut listener = Box::pin(events.clone().follow(Some("a-0".to_owned()), web));
        assert_eq!(numbers(&heard(&mut listener)), ["a-2"]);
    }
}
