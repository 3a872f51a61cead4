//! What people and their tools want of the conductor: to know how things are, and the operator's
//! verbs.

use tokio::sync::oneshot;
use tracing::info;

use super::Conductor;
use crate::{
    admin::{
        Request,
        orders::{Done, Told, Undone},
    },
    cutover::Order,
    daemon::report,
    model::ServiceName,
};

/// What a person asked for was done, and is to be told them once it is being answered from.
pub(super) struct Ordered {
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
        let Some(service) = self.services.get_mut(name) else {
            let _ = reply.send(Err(Undone::Unknown(name.to_string())));
            return None;
        };
        match service.ask(now, order, &self.caches) {
            Ok(told) => {
                let transitions = told.iter().map(Told::from).collect();
                self.keep(name, told);
                self.touched.insert(name.clone());
                Some(Ordered { reply, transitions })
            }
            Err(refusal) => {
                info!(service = %name, %order, %refusal, "refused");
                let _ = reply.send(Err(Undone::Refused(refusal.to_string())));
                None
            }
        }
    }

    /// Tells a person that what they asked for is being answered from.
    pub(super) fn confirm(&self, Ordered { reply, transitions }: Ordered) {
        let generation = self.plane.store.load().generation();
        // Whoever asked may have gone.
        let _ = reply.send(Ok(Done { transitions, generation }));
    }

    /// Says how things are.
    pub(super) fn answer(&self, request: Request) {
        let (table, file, services) = (self.plane.store.load(), &self.file, &self.services);
        let now = self.now();
        // Whoever asked may have gone.
        let _ = match request {
            Request::Status(reply) => reply
                .send(Box::new(report::status(now, &table, file, services, &self.caches)))
                .is_ok(),
            Request::Pulse(reply) => reply.send(report::pulse(&table, file, services)).is_ok(),
            // Carried out where they come in.
            Request::Order(..) => false,
        };
    }
}
