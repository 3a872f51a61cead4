//! Events that wait for hooks: each hook has its own place in one queue, and takes at its own pace.
//!
//! The conductor puts in, and never waits: what is beyond [`PENDING_MAX`] pushes the oldest out.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{Notify, watch};
use tracing::warn;

use super::Counters;
use crate::{
    admin::status::HookStatus,
    model::{Label, Timestamp, TransitionEvent},
};

/// Events that wait at the most.
pub(in crate::daemon) const PENDING_MAX: usize = 10_000;
/// How often it is said that events are dropped.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

pub(super) struct Queue {
    state: Mutex<State>,
    counters: Counters,
    /// Told whenever there may be something to take.
    filled: watch::Sender<()>,
    /// Told whenever a hook has come further.
    moved: Notify,
}

struct State {
    /// By number; those that some hook has not been told.
    events: VecDeque<Arc<TransitionEvent>>,
    places: BTreeMap<Label, Place>,
    /// Whether anything is told: not before it is published, nor while another daemon does it.
    is_open: bool,
    /// How a hook has come further than was asked about last.
    moved: Option<Moved>,
    complained: Option<Instant>,
}

/// How a hook has come further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Moved {
    /// It has taken what there was.
    HasTaken,
    /// There is something that it is never told.
    HasLost,
}

/// Where a hook stands.
struct Place {
    /// The number of the first event that it has not been told.
    next: u64,
    trouble: Option<Trouble>,
}

/// The last try has failed.
struct Trouble {
    since: Timestamp,
    why: String,
}

impl Queue {
    pub(super) fn new(
        events: Vec<Arc<TransitionEvent>>,
        positions: BTreeMap<Label, u64>,
        counters: Counters,
    ) -> Self {
        let place = |(name, next)| (name, Place { next, trouble: None });
        let places = positions.into_iter().map(place).collect();
        let mut state =
            State { events: events.into(), places, is_open: false, moved: None, complained: None };
        state.forget();
        let (filled, moved) = (watch::channel(()).0, Notify::new());
        Self { state: Mutex::new(state), counters, filled, moved }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is nobody to be told anything.
    pub(super) fn is_idle(&self) -> bool {
        self.state().places.is_empty()
    }

    /// Adds events, each with a greater number than any before.
    pub(super) fn push(&self, events: impl IntoIterator<Item = Arc<TransitionEvent>>) {
        let mut state = self.state();
        state.events.extend(events);
        let over = state.events.len().saturating_sub(PENDING_MAX);
        if over > 0 {
            self.drop_oldest(&mut state, over);
        }
        drop(state);
        self.filled.send_replace(());
    }

    fn drop_oldest(&self, state: &mut State, count: usize) {
        let dropped: Vec<_> = state.events.drain(..count).collect();
        let Some(last) = dropped.last() else { return };
        for (name, place) in &mut state.places {
            let missed = dropped.iter().filter(|event| event.sequence >= place.next).count();
            self.counters.dropped(name, missed as u64);
            place.next = place.next.max(last.sequence + 1);
        }
        state.moved = Some(Moved::HasLost);
        self.moved.notify_one();
        if state.complained.is_none_or(|at| at.elapsed() > COMPLAIN_EVERY) {
            state.complained = Some(Instant::now());
            warn!(
                waiting = PENDING_MAX,
                "too many events wait for hooks: the oldest are dropped, and their numbers missing"
            );
        }
    }

    /// Lets hooks take, or not.
    pub(super) fn set_open(&self, is_open: bool) {
        self.state().is_open = is_open;
        self.filled.send_replace(());
    }

    /// Waits for an event that the hook has not been told.
    pub(super) async fn next(&self, hook: &Label) -> Arc<TransitionEvent> {
        let mut filled = self.filled.subscribe();
        loop {
            if let Some(event) = self.state().next(hook) {
                return event;
            }
            if filled.changed().await.is_err() {
                // The sender is ours.
                std::future::pending::<()>().await;
            }
        }
    }

    /// The hook has taken this one. True if the try before had failed.
    pub(super) fn delivered(&self, hook: &Label, number: u64) -> bool {
        self.counters.delivered(hook);
        self.go_past(hook, number, Moved::HasTaken)
    }

    /// The hook is not told this one any more.
    pub(super) fn give_up(&self, hook: &Label, number: u64) {
        self.counters.dropped(hook, 1);
        self.go_past(hook, number, Moved::HasLost);
    }

    fn go_past(&self, hook: &Label, number: u64, how: Moved) -> bool {
        let mut state = self.state();
        let Some(place) = state.places.get_mut(hook) else { return false };
        place.next = place.next.max(number + 1);
        let was_in_trouble = place.trouble.take().is_some();
        state.moved = state.moved.max(Some(how));
        state.forget();
        drop(state);
        self.moved.notify_one();
        was_in_trouble
    }

    /// A try has failed. True if that is news: the one before had not, or for another reason.
    pub(super) fn failed(&self, hook: &Label, now: Timestamp, why: &str) -> bool {
        self.counters.failed(hook);
        let mut state = self.state();
        let Some(place) = state.places.get_mut(hook) else { return false };
        let before = place.trouble.take();
        let is_news = before.as_ref().is_none_or(|before| before.why != why);
        let since = before.map_or(now, |before| before.since);
        place.trouble = Some(Trouble { since, why: why.to_owned() });
        is_news
    }

    /// Waits until a hook has come further.
    pub(super) async fn moved(&self) {
        self.moved.notified().await;
    }

    /// How a hook has come further than [`Queue::positions`] said last, if one has.
    pub(super) fn how_moved(&self) -> Option<Moved> {
        self.state().moved
    }

    /// Where each hook stands.
    pub(super) fn positions(&self) -> BTreeMap<Label, u64> {
        let mut state = self.state();
        state.moved = None;
        state.places.iter().map(|(name, place)| (name.clone(), place.next)).collect()
    }

    /// What waits.
    pub(super) fn events(&self) -> Vec<Arc<TransitionEvent>> {
        self.state().events.iter().cloned().collect()
    }

    pub(super) fn report(&self) -> BTreeMap<String, HookStatus> {
        let state = self.state();
        let report = |(name, place): (&Label, &Place)| {
            let status = HookStatus {
                pending: state.events.len() - state.place_of(place.next),
                error: place.trouble.as_ref().map(|trouble| trouble.why.clone()),
                since: place.trouble.as_ref().map(|trouble| trouble.since.to_string()),
            };
            (name.to_string(), status)
        };
        state.places.iter().map(report).collect()
    }
}

impl State {
    fn next(&self, hook: &Label) -> Option<Arc<TransitionEvent>> {
        let place = self.places.get(hook).filter(|_| self.is_open)?;
        self.events.get(self.place_of(place.next)).cloned()
    }

    /// How many events come before this number.
    fn place_of(&self, number: u64) -> usize {
        self.events.partition_point(|event| event.sequence < number)
    }

    /// What everyone has been told is not needed any more.
    fn forget(&mut self) {
        let first = self.places.values().map(|place| place.next).min().unwrap_or(u64::MAX);
        let done = self.place_of(first);
        self.events.drain(..done);
    }
}
