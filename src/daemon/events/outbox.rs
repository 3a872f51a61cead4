//! The conductor's end: transitions become events with numbers, are kept with what they tell of, and go
//! to the hooks when that is published.
//!
//! What machines told and is neither kept nor put back is `fresh`. A batch offers it under the next
//! numbers. If that is kept, they are given; if it is not, what was put back has never happened, and the
//! rest, which goes on all the same, is told under numbers of another instance: what the file holds then
//! is not known, and after a crash its numbers may be given again. Where there is no hook nothing is kept,
//! and those who listen are told under numbers of an instance of this process alone.

use std::{collections::BTreeSet, mem, sync::Arc, time::Duration};

use super::{Queue, queue::Moved};
use crate::{
    admin::{
        cloud,
        status::HookStatus,
        told::{HELD_MAX, ToldEvent, ToldEvents},
    },
    cutover::Transition,
    model::{DnsName, Instance, ServiceName, Timestamp, TransitionEvent, event_id},
    store::Outgoing,
};

/// The number of the first event of all.
pub(super) const FIRST: u64 = 1;
/// How much later than a hook has come further that is kept, if nothing else is kept before: a write of its
/// own, for which the conductor waits.
const KEEP_WITHIN: Duration = Duration::from_secs(30);
/// For how long at the most that gives way to steps that are about to come.
const GIVE_WAY_MAX: Duration = Duration::from_secs(30);

/// Who gives the numbers, and the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Numbering {
    pub(super) instance: Instance,
    pub(super) next: u64,
}

pub(in crate::daemon) struct Outbox {
    queue: Arc<Queue>,
    numbering: Numbering,
    /// In place of these, where there is no hook.
    of_this_process: Option<Numbering>,
    /// Those who listen.
    told: Arc<ToldEvents>,
    /// The first one.
    zone: DnsName,
    /// Whether the instance may be in the file.
    is_known: bool,
    /// Whether the file may hold something else than it should.
    is_unsure: bool,
    fresh: Vec<Fresh>,
    /// What is kept, or goes on without, and is not published yet.
    decided: Vec<Arc<TransitionEvent>>,
    /// When it is to be kept how far hooks have come, whatever else is to be kept.
    keep: Option<Keep>,
}

#[derive(Clone, Copy)]
struct Keep {
    at: Timestamp,
    /// It is not put off for longer.
    latest: Timestamp,
}

struct Fresh {
    at: Timestamp,
    zone: DnsName,
    service: ServiceName,
    transition: Transition,
    /// Whether it has happened even if its service is put back.
    is_certain: bool,
}

impl Outbox {
    /// One that goes on with these numbers, or begins with its own.
    pub(super) fn new(queue: Arc<Queue>, numbering: Option<Numbering>, zone: DnsName) -> Self {
        let is_known = numbering.is_some();
        let begin = || Numbering { instance: Instance::new(rand::random()), next: FIRST };
        let of_this_process = queue.is_idle().then(begin);
        let Numbering { instance, next } =
            of_this_process.or(numbering).unwrap_or(Numbering { next: FIRST, ..begin() });
        let last = (next > FIRST).then(|| event_id(instance, next - 1));
        Self {
            of_this_process,
            told: Arc::new(ToldEvents::new(last)),
            zone,
            // Hooks that are gone are forgotten, and those that are new are known.
            is_unsure: is_known || !queue.is_idle(),
            queue,
            numbering: numbering.unwrap_or_else(begin),
            is_known,
            fresh: Vec::new(),
            decided: Vec::new(),
            keep: None,
        }
    }

    /// Lets hooks be told, or not.
    pub(in crate::daemon) fn set_open(&self, is_open: bool) {
        self.queue.set_open(is_open);
    }

    /// Machines have told this, of a service in this zone.
    pub(in crate::daemon) fn note(
        &mut self,
        at: Timestamp,
        service: (&DnsName, &ServiceName),
        told: &[Transition],
    ) {
        self.add(at, service, told, false);
    }

    /// A machine has told this, and it is so whatever is put back.
    pub(in crate::daemon) fn note_certain(
        &mut self,
        at: Timestamp,
        service: (&DnsName, &ServiceName),
        told: &Transition,
    ) {
        self.add(at, service, std::slice::from_ref(told), true);
    }

    fn add(
        &mut self,
        at: Timestamp,
        (zone, service): (&DnsName, &ServiceName),
        told: &[Transition],
        is_certain: bool,
    ) {
        let fresh = |transition: &Transition| Fresh {
            at,
            zone: zone.clone(),
            service: service.clone(),
            transition: transition.clone(),
            is_certain,
        };
        self.fresh.extend(told.iter().map(fresh));
    }

    /// What is to be kept now, if anything is. `is_due` says that the store is to be tried anyway, and
    /// `has_others` that other things are to be kept now: how far hooks have come is kept with them.
    pub(in crate::daemon) fn batch(
        &mut self,
        now: Timestamp,
        is_due: bool,
        has_others: bool,
    ) -> Option<Outgoing> {
        let is_late = self.keep.is_some_and(|keep| keep.at <= now);
        let is_along = has_others && self.queue.how_moved().is_some();
        let is_wanted = is_late || is_along || (is_due && self.is_unsure);
        // Nobody needs it to be kept where there is no hook.
        let fresh = match self.of_this_process {
            Some(_) => Vec::new(),
            None => self.numbered(),
        };
        if fresh.is_empty() && !is_wanted {
            return None;
        }
        (self.keep, self.is_known) = (None, true);
        let Numbering { instance, next } = self.numbering;
        let next = next + fresh.len() as u64;
        let positions = self.queue.positions();
        let first = positions.values().copied().min().unwrap_or(next);
        let events = match self.is_unsure {
            true => {
                self.queue.events().into_iter().chain(self.decided.clone()).chain(fresh).collect()
            }
            false => fresh,
        };
        Some(Outgoing { instance, next, events, is_whole: self.is_unsure, first, positions })
    }

    fn numbered(&self) -> Vec<Arc<TransitionEvent>> {
        let Numbering { instance, next } = self.of_this_process.unwrap_or(self.numbering);
        let event = |(sequence, fresh): (u64, &Fresh)| {
            let Fresh { at, zone, service, transition, is_certain: _ } = fresh;
            let Transition { from, to, why, release } = transition.clone();
            let (from, to) = (from.to_owned(), to.to_owned());
            let (at, zone, service) = (*at, zone.clone(), service.clone());
            let event =
                TransitionEvent { instance, sequence, at, zone, service, from, to, why, release };
            Arc::new(event)
        };
        (next..).zip(&self.fresh).map(event).collect()
    }

    /// All of the batch is kept.
    pub(in crate::daemon) fn kept(&mut self, outgoing: Option<&Outgoing>) {
        if outgoing.is_some() || self.of_this_process.is_some() {
            self.decide();
        }
        self.is_unsure &= outgoing.is_none();
    }

    /// Nothing is kept: these services are put back, and the others go on all the same.
    pub(in crate::daemon) fn not_kept(&mut self, put_back: &BTreeSet<ServiceName>) {
        self.is_unsure |= self.is_known;
        self.forget(put_back);
        if self.fresh.is_empty() {
            return;
        }
        if mem::take(&mut self.is_known) {
            self.numbering.instance = Instance::new(rand::random());
        }
        self.decide();
    }

    /// Nothing is decided here: these services are put back, and the others wait.
    pub(in crate::daemon) fn not_ours(&mut self, put_back: &BTreeSet<ServiceName>) {
        self.is_unsure |= self.is_known;
        self.forget(put_back);
    }

    /// What services have told that are put back has never happened.
    fn forget(&mut self, put_back: &BTreeSet<ServiceName>) {
        self.fresh.retain(|fresh| fresh.is_certain || !put_back.contains(&fresh.service));
    }

    fn decide(&mut self) {
        let events = self.numbered();
        let numbering = self.of_this_process.as_mut().unwrap_or(&mut self.numbering);
        numbering.next += events.len() as u64;
        self.fresh.clear();
        self.decided.extend(events);
    }

    /// The file that it was kept in is not there any more.
    pub(in crate::daemon) fn nothing_is_kept(&mut self, now: Timestamp) {
        if self.is_known {
            (self.is_unsure, self.keep) = (true, Some(Keep { at: now, latest: now }));
        }
    }

    /// What was decided is published: hooks may know of it, and those who listen are told.
    pub(in crate::daemon) fn publish(&mut self) {
        if self.decided.is_empty() {
            return;
        }
        let decided = mem::take(&mut self.decided);
        // Of very many no more is written out than is held.
        let (older, held) = decided.split_at(decided.len().saturating_sub(HELD_MAX));
        if let Some(last) = older.last() {
            self.told.leave_out(older.len(), last.id());
        }
        self.told.tell(held.iter().map(|event| ToldEvent {
            id: event.id(),
            service: event.service.clone(),
            json: cloud::text(event, &self.zone),
        }));
        if self.of_this_process.is_none() {
            self.queue.push(decided);
        }
    }

    /// For those who listen.
    pub(super) fn told(&self) -> Arc<ToldEvents> {
        self.told.clone()
    }

    /// Waits until a hook has come further, beside the outbox.
    pub(in crate::daemon) fn moved(&self) -> impl Future<Output = ()> + use<> {
        let queue = self.queue.clone();
        async move { queue.moved().await }
    }

    /// A hook has come further. That is kept with whatever is to be kept next, or else after a while; at
    /// once, if an event was dropped or given up: after a crash it would be tried for another day.
    pub(in crate::daemon) fn note_moved(&mut self, now: Timestamp) {
        let Some(moved) = self.queue.how_moved() else { return };
        let keep = |at| Keep { at, latest: at + GIVE_WAY_MAX };
        match moved {
            Moved::HasLost => self.keep = Some(keep(now)),
            Moved::HasTaken => drop(self.keep.get_or_insert_with(|| keep(now + KEEP_WITHIN))),
        }
    }

    /// A step is about to come, which is not to wait for a write of this alone.
    pub(in crate::daemon) fn give_way(&mut self, until: Timestamp) {
        if let Some(Keep { at, latest }) = &mut self.keep {
            *at = until.min(*latest).max(*at);
        }
    }

    /// It is to be kept now how far hooks have come, if that is not known.
    pub(in crate::daemon) fn hurry(&mut self, now: Timestamp) {
        if self.queue.how_moved().is_some() {
            self.keep = Some(Keep { at: now, latest: now });
        }
    }

    /// When something is to be kept although nothing happens.
    pub(in crate::daemon) fn next_deadline(&self) -> Option<Timestamp> {
        self.keep.map(|keep| keep.at)
    }

    /// How it is with each hook.
    pub(in crate::daemon) fn report(&self) -> std::collections::BTreeMap<String, HookStatus> {
        self.queue.report()
    }
}
