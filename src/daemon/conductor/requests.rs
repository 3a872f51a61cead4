//! What people and their tools want of the conductor: to know how things are, and the operator's
//! verbs.

use std::collections::BTreeSet;

use tokio::sync::oneshot;
use tracing::{info, warn};

use super::{Conductor, persist::FreezeIs};
use crate::{
    admin::{
        Request,
        history::Past,
        orders::{Done, Stop, Told, Undone},
        status::{FreezeStatus, Status},
    },
    cutover::{Order, Transition},
    daemon::report,
    model::{Freeze, ServiceName},
};

/// What a person asked for was done, and is to be told them once it is being answered from.
pub(super) struct Ordered {
    /// Those that it has changed.
    services: BTreeSet<ServiceName>,
    reply: oneshot::Sender<Result<Done, Undone>>,
    transitions: Vec<Told>,
}

impl Conductor {
    /// Does what a person asks, or tells them why not.
    pub(super) fn order(
        &mut self,
        name: &ServiceName,
        order: &Order,
        reply: oneshot::Sender<Result<Done, Undone>>,
    ) -> Option<Ordered> {
        let now = self.now();
        match self.ask(now, name, order) {
            None => {
                let _ = reply.send(Err(Undone::Unknown(name.to_string())));
                None
            }
            Some(Ok(told)) => {
                let services: BTreeSet<ServiceName> =
                    told.iter().map(|(name, _)| name.clone()).collect();
                let is_one = services.len() <= 1;
                let transition = |(name, transition): &(ServiceName, Transition)| {
                    let told = Told::from(transition);
                    let why = if is_one { told.why } else { format!("{name}: {}", told.why) };
                    Told { why, ..told }
                };
                let transitions = told.iter().map(transition).collect();
                self.unkept.by = Some(order.by.clone());
                self.note_told(told);
                self.unkept.by = None;
                Some(Ordered { services, reply, transitions })
            }
            Some(Err(refusal)) => {
                info!(service = %name, %order, %refusal, "refused");
                let _ = reply.send(Err(Undone::Refused(refusal.to_string())));
                None
            }
        }
    }

    /// Begins or ends the global stop, or tells them why not.
    pub(super) fn stop(
        &mut self,
        stop: Stop,
        reply: oneshot::Sender<Result<Done, Undone>>,
    ) -> Option<Ordered> {
        let now = self.now();
        let undone = match (&stop, &self.around.freeze) {
            (Stop::Freeze { .. }, Some(freeze)) => Some(freeze.to_string()),
            (Stop::Unfreeze { .. }, None) => Some("nothing is frozen".to_owned()),
            _ if self.keeper.is_elsewhere() => self.keeper.refusal(),
            _ => None,
        };
        if let Some(refusal) = undone {
            let _ = reply.send(Err(Undone::Refused(refusal)));
            return None;
        }
        self.around.freeze = match stop {
            Stop::Freeze { by, reason } => {
                let freeze = Freeze { by, reason, since: now };
                warn!(%freeze, "no release takes a step until `cutover unfreeze`");
                Some(freeze)
            }
            Stop::Unfreeze { by } => {
                info!(by, "no longer frozen");
                None
            }
        };
        self.unkept.freeze = FreezeIs::New;
        let waiting = self.services.iter().filter(|(_, service)| service.cutover.waits_for_thaw());
        let waiting: Vec<ServiceName> = waiting.map(|(name, _)| name.clone()).collect();
        waiting.into_iter().for_each(|name| self.observe(now, name));
        Some(Ordered { services: BTreeSet::new(), transitions: Vec::new(), reply })
    }

    /// Tells a person that what they asked for is being answered from, or that it cannot be kept.
    pub(super) fn confirm(&mut self, ordered: Option<Ordered>) {
        let put_back = self.unkept.take_put_back();
        let Some(Ordered { services, reply, transitions }) = ordered else { return };
        let generation = self.plane.store.load().generation();
        let done = match self.keeper.refusal() {
            Some(why) if !services.is_disjoint(&put_back) => {
                let names: Vec<&str> = services.iter().map(ServiceName::as_str).collect();
                info!(service = names.join(", "), why, "refused");
                Err(Undone::Refused(why))
            }
            _ => Ok(Done { transitions, generation }),
        };
        // Whoever asked may have gone.
        let _ = reply.send(done);
    }

    /// Says how things are.
    pub(super) fn answer(&self, request: Request) {
        let (table, file, services) = (self.plane.store.load(), &self.file, &self.services);
        let (now, keeping) = (self.now(), (&self.keeper, &self.unkept));
        // Whoever asked may have gone.
        let _ = match request {
            Request::Status(reply) => reply
                .send(Box::new(Status {
                    freeze: self.around.freeze.as_ref().map(FreezeStatus::from),
                    ..report::status(now, &table, file, services, &self.around.caches, keeping)
                }))
                .is_ok(),
            Request::Pulse(reply) => {
                reply.send(report::pulse(&table, file, services, &self.keeper)).is_ok()
            }
            Request::History(service, reply) => self.tell_history(service, reply),
            // Carried out where they come in.
            Request::Order(..) | Request::Stop(..) => false,
        };
    }

    /// Reads on another thread what was kept. What is not kept yet is not in it.
    fn tell_history(
        &self,
        service: Option<ServiceName>,
        reply: oneshot::Sender<Result<Vec<Past>, String>>,
    ) -> bool {
        let Some(reader) = self.keeper.reader() else {
            let why = self.keeper.refusal();
            return reply.send(Err(why.unwrap_or_else(|| "not open yet".to_owned()))).is_ok();
        };
        tokio::task::spawn_blocking(move || {
            let history = reader.history(service.as_ref()).map_err(|error| error.to_string());
            let _ = reply.send(history.map(|records| {
                records.iter().map(|(name, record)| report::past(name, record)).collect()
            }));
        });
        true
    }
}
