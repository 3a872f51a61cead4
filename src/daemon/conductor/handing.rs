//! The beginning and the end of a conductor's time: what was kept is answered again, and decisions
//! are handed over to another daemon's conductor, or taken over from it.
//!
//! At any time one daemon decides, and it alone has the state open. The predecessor stops to decide
//! before it gives anything away, so that what the successor reads is the last word; the successor
//! answers with that and decides nothing until the predecessor has closed the state. Whoever of them
//! is left alone goes on deciding.

use std::collections::BTreeMap;

use tokio::sync::oneshot;
use tracing::{error, info, warn};

use super::Conductor;
use crate::{
    daemon::{
        failpoint::{Place, pass},
        service::Service,
    },
    model::ServiceName,
    store::Found,
};

/// For how long a predecessor may go on answering what it has taken.
const LAST_WORDS: std::time::Duration = std::time::Duration::from_secs(5);

/// What one daemon asks of another's conductor, or of its own.
#[derive(Debug)]
pub(in crate::daemon) enum Handing {
    /// Decide nothing until told otherwise; told when that is so, and kept.
    Suspend(oneshot::Sender<()>),
    /// Decide again: the predecessor was to be succeeded and is not.
    Resume,
    /// Decide from now on: a predecessor has given its place up.
    Begin,
    /// Give the state up for good; told when that is so.
    Close(oneshot::Sender<()>),
}

/// What is to be done about it once the batch of events that it was in has been carried out.
#[derive(Default)]
pub(super) struct Handed(Vec<Handing>);

impl Handed {
    pub(super) fn note(&mut self, handing: Handing) {
        self.0.push(handing);
    }
}

impl Conductor {
    /// What was answered is answered again, before anything else is known.
    pub(super) fn restore(&mut self, found: Found) {
        let now = self.now();
        let mut releases: BTreeMap<ServiceName, _> = found.releases.into_iter().collect();
        self.unkept.has_gaps = !found.wrong.is_empty();
        for (name, why) in &found.wrong {
            error!(
                service = name, %why,
                "what was kept of this service cannot be understood: the release file decides"
            );
        }
        if let Some(freeze) = &found.freeze {
            warn!(%freeze, "no release takes a step until `cutover unfreeze`");
        }
        self.around.freeze = found.freeze;
        for (name, kept) in found.services {
            let (service, told) = Service::restore(now, kept, releases.remove(&name));
            self.services.insert(name.clone(), service);
            if let Some(told) = told {
                self.note_restored(now, &name, told);
            }
            self.keep(now, &name, Vec::new());
            self.touched.insert(name);
        }
        self.regroup();
        self.targets.follow(&mut self.services);
        // What is kept already, or is safer than that, need not be kept before it is answered.
        while !self.touched.is_empty() {
            self.publish();
        }
        self.tell();
        pass(Place::Restored);
        self.outbox.set_open(!self.keeper.is_elsewhere());
        self.say_that_answers_can_begin();
    }

    /// When there is something to answer with, or the release file is known to be of no use. As
    /// long as a predecessor answers, nobody is in need of answers that may be out of date.
    pub(super) fn say_that_answers_can_begin(&mut self) {
        let has_answers = !self.services.is_empty() && !self.keeper.is_elsewhere();
        let can_begin = self.file.is_known() || has_answers;
        if let Some(waiting) = self.first_look.take_if(|_| can_begin) {
            // The start may have stopped waiting.
            let _ = waiting.send(());
        }
    }

    /// Does what other daemons have asked for.
    pub(super) async fn hand(&mut self) {
        for handing in std::mem::take(&mut self.handed.0) {
            match handing {
                Handing::Suspend(reply) => {
                    self.keep_positions().await;
                    self.keeper.suspend().await;
                    pass(Place::Suspended);
                    // Whoever asked may have gone, and then says so.
                    let _ = reply.send(());
                }
                Handing::Resume => {
                    if self.keeper.resume() {
                        info!("deciding again");
                    }
                    self.outbox.set_open(true);
                }
                Handing::Begin => {
                    pass(Place::TakingOver);
                    self.take_over();
                    let _ = self.keeper.resume();
                    self.outbox.set_open(true);
                }
                Handing::Close(reply) => {
                    self.keep_positions().await;
                    self.keeper.close().await;
                    pass(Place::Closed);
                    let _ = reply.send(());
                }
            }
        }
    }

    /// Hooks are told nothing more by this daemon, and whoever comes next knows how far they have come.
    async fn keep_positions(&mut self) {
        self.outbox.set_open(false);
        self.outbox.hurry(self.now());
        if self.outbox.next_deadline().is_some() {
            // What has been held up may happen with that, and is to be kept too.
            self.persist().await;
        }
    }

    /// A predecessor has answered what was kept until now, and may not have ended yet. Whatever was
    /// not to be decided meanwhile is looked at again.
    pub(super) fn take_over(&mut self) {
        let now = self.now();
        for (name, service) in &mut self.services {
            service.take_over(now, now + LAST_WORDS);
            // What we have looked up meanwhile is newer than what it has kept.
            self.targets.tell(now, service, &self.around);
            self.touched.insert(name.clone());
        }
    }
}
