//! What people and their tools want of the conductor: to know how things are, and the operator's
//! verbs.

use std::collections::{BTreeMap, BTreeSet};

use tokio::{sync::oneshot, task::spawn_blocking};
use tracing::{info, warn};

use super::{Conductor, persist::FreezeIs, planning};
use crate::{
    admin::{
        Request,
        course::CourseStatus,
        history::Past,
        orders::{Done, Refused, Stands, Stop, Told, Undone},
        sample::{Clients, Sample},
        status::{FreezeStatus, Status},
    },
    cutover::{Order, Transition, Verb},
    daemon::{
        failpoint::{Place, pass},
        report, sample,
        service::Service,
    },
    model::{Freeze, ServiceName, Unknown},
};

type Reply = oneshot::Sender<Result<Done, Undone>>;

/// What a person asked for was done, and is to be told them once it is being answered from.
pub(super) struct Ordered {
    /// Those that it has changed.
    services: BTreeSet<ServiceName>,
    reply: Reply,
    transitions: Vec<Told>,
    /// Whether the service was to go.
    is_to_go: bool,
}

impl Conductor {
    /// Answers a request; what it changes is answered when it is being answered from.
    pub(super) fn heed(&mut self, request: Request) -> Option<Ordered> {
        if request.is_given_up() {
            // They have been told that it is not done: then it must not be.
            info!("whoever asked for a change waits no longer: it is not done");
            return None;
        }
        let (file, services) = (&self.file, &self.services);
        let (now, keeping) = (self.now(), (&self.keeper, &self.unkept));
        match request {
            Request::Order(name, order, reply) => return self.order(&name, &order, reply),
            Request::Stop(stop, reply) => return self.stop(stop, reply),
            Request::Forget(name, by, reply) => return self.forget(&name, &by, reply),
            Request::Plan(desired, text, reply) => self.plan(desired, text, reply),
            Request::ForetellOrder(name, order, reply) => self.foretell_order(&name, order, reply),
            Request::ForetellForgetting(name, reply) => self.foretell_forgetting(&name, reply),
            Request::Sample(name, clients, reply) => self.sample(&name, clients, reply),
            Request::History(service, reply) => self.tell_history(service, reply),
            // Whoever asked may have gone, here and below.
            Request::File(reply) => drop(reply.send(report::file_status(file, &self.unkept))),
            Request::Status(reply) => {
                let (table, around) =
                    (self.plane.store.load(), (&self.around.caches, &self.courses, &self.targets));
                drop(reply.send(Box::new(Status {
                    freeze: self.around.freeze.as_ref().map(FreezeStatus::from),
                    events: self.outbox.report(),
                    doubted_since: self.doubt.since().map(|since| since.to_string()),
                    zones_refused: self.zones.rejected.clone(),
                    ..report::status(now, &table, file, services, around, keeping, &self.names)
                })));
            }
            Request::Courses(names, reply) => drop(reply.send(self.tell_courses(&names))),
            Request::Pulse(reply) => {
                let table = self.plane.store.load();
                drop(reply.send(report::pulse(&table, file, services, &self.keeper)));
            }
        }
        None
    }

    fn tell_courses(&self, names: &[ServiceName]) -> BTreeMap<String, CourseStatus> {
        let of =
            |name: &ServiceName| Some((name.to_string(), report::course(self.courses.of(name)?)));
        names.iter().filter_map(of).collect()
    }

    /// Does what a person asks, or tells them why not.
    fn order(&mut self, name: &ServiceName, order: &Order, reply: Reply) -> Option<Ordered> {
        let now = self.now();
        match self.ask(now, name, order) {
            None => {
                let groups = self.groups.names();
                let known = self.services.keys().map(ServiceName::as_str).chain(groups);
                let unknown = Unknown::of("service or group", name.as_str(), known);
                let _ = reply.send(Err(Undone::Unknown(unknown)));
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
                self.note_told(now, told);
                self.unkept.by = None;
                Some(Ordered { services, reply, transitions, is_to_go: false })
            }
            Some(Err(refusal)) => {
                info!(service = %name, %order, %refusal, "refused");
                let refused = planning::refused(&refusal, self.stands(name));
                let _ = reply.send(Err(Undone::Refused(refused)));
                None
            }
        }
    }

    /// A service that the file no longer names goes, as if the file had it in `removed`.
    fn forget(&mut self, name: &ServiceName, by: &str, reply: Reply) -> Option<Ordered> {
        if let Some(undone) = self.cannot_forget(name) {
            let _ = reply.send(Err(undone));
            return None;
        }
        info!(service = %name, by, "to be forgotten");
        self.remove(name);
        let (services, transitions) = (BTreeSet::from([name.clone()]), Vec::new());
        Some(Ordered { services, reply, transitions, is_to_go: true })
    }

    /// Why a service cannot be forgotten, if it cannot.
    pub(super) fn cannot_forget(&self, name: &ServiceName) -> Option<Undone> {
        let Some(service) = self.services.get(name) else {
            return Some(self.unknown(name));
        };
        let why = "the release file names it: delete it there first";
        let (stands, rules) = (self.stands(name), Vec::new());
        let refused = || Undone::Refused(Refused { why: why.to_owned(), stands, rules });
        (!service.cutover.is_orphaned()).then(refused)
    }

    /// Begins or ends the global stop, or tells them why not.
    fn stop(&mut self, stop: Stop, reply: Reply) -> Option<Ordered> {
        let now = self.now();
        let undone = match (&stop, &self.around.freeze) {
            (Stop::Freeze { .. }, Some(freeze)) => Some(freeze.to_string()),
            (Stop::Unfreeze { .. }, None) => Some("nothing is frozen".to_owned()),
            _ if self.keeper.is_elsewhere() => self.keeper.refusal(),
            _ => None,
        };
        if let Some(refusal) = undone {
            self.refuse(None, refusal, reply);
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
        Some(Ordered { services: BTreeSet::new(), transitions: Vec::new(), reply, is_to_go: false })
    }

    /// Tells a person that what they asked for is being answered from, or that it cannot be kept.
    pub(super) fn confirm(&mut self, ordered: Option<Ordered>) {
        let put_back = self.unkept.take_put_back();
        let Some(Ordered { services, reply, transitions, is_to_go }) = ordered else { return };
        pass(Place::BeforeReply);
        let is_undone = services.iter().any(|name| match is_to_go {
            true => self.services.contains_key(name),
            false => put_back.contains(name),
        });
        match self.keeper.refusal() {
            Some(why) if is_undone => {
                let names: Vec<&str> = services.iter().map(ServiceName::as_str).collect();
                info!(service = names.join(", "), why, "refused");
                self.refuse(services.first(), why, reply);
            }
            _ => {
                let generation = self.plane.store.load().generation();
                let _ = reply.send(Ok(Done { transitions, generation }));
            }
        }
    }

    /// What is no service, though it may be a group.
    pub(super) fn unknown(&self, name: &ServiceName) -> Undone {
        let known = self.services.keys().map(ServiceName::as_str);
        Undone::Unknown(Unknown::of("service", name.as_str(), known))
    }

    /// Tells a person why not, and what can be done instead.
    fn refuse(&self, name: Option<&ServiceName>, why: String, reply: Reply) {
        let (stands, rules) = (name.and_then(|name| self.stands(name)), Vec::new());
        let _ = reply.send(Err(Undone::Refused(Refused { why, stands, rules })));
    }

    pub(super) fn stands(&self, name: &ServiceName) -> Option<Stands> {
        let service = self.services.get(name)?;
        let mut possible = self.possible(name, service);
        if self.keeper.refusal().is_some() {
            // Nothing else goes without being kept.
            possible.retain(|verb| *verb == Verb::Rollback);
        }
        Some(Stands {
            service: name.to_string(),
            phase: service.cutover.phase().name().to_owned(),
            possible: possible.into_iter().map(|verb| verb.name().to_owned()).collect(),
        })
    }

    /// Says which pool these clients would be given. Many are counted elsewhere, so that nothing has
    /// to wait for them.
    fn sample(
        &self,
        name: &ServiceName,
        clients: Clients,
        reply: oneshot::Sender<Result<Sample, Undone>>,
    ) {
        let Some(Service { cutover, health, .. }) = self.services.get(name) else {
            let _ = reply.send(Err(self.unknown(name)));
            return;
        };
        let (phase, owner) = (cutover.phase().name(), cutover.spec().owner.clone());
        let answering = cutover.answering(health);
        spawn_blocking(move || {
            let _ = reply.send(Ok(sample::sample(phase, &owner, &answering, &clients)));
        });
    }

    /// Reads on another thread what was kept. What is not kept yet is not in it.
    fn tell_history(
        &self,
        service: Option<ServiceName>,
        reply: oneshot::Sender<Result<Vec<Past>, String>>,
    ) {
        let Some(reader) = self.keeper.reader() else {
            let why = self.keeper.refusal();
            let _ = reply.send(Err(why.unwrap_or_else(|| "not open yet".to_owned())));
            return;
        };
        spawn_blocking(move || {
            let history = reader.history(service.as_ref()).map_err(|error| error.to_string());
            let _ = reply.send(history.map(|records| {
                records.iter().map(|(name, record)| report::past(name, record)).collect()
            }));
        });
    }
}
