//! Finds out what releases want to know: makes their smoke tests, measures, looks at guards, asks who
//! must say yes.
//!
//! The machines say what they want ([`Job`]); each part of that is a task of its own in [`items`], which
//! goes on until it is wanted no longer, and tells what it has [`Found`]. What that means is decided by
//! the machines. Nobody waits for it.

mod items;

use std::{collections::BTreeMap, sync::Arc};

use arc_swap::ArcSwap;
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::AbortHandle,
};

use crate::{
    cutover::Wanted,
    dns::Clock,
    health::{Answer, Measured, Reading, Scope, Subject, Tested},
    model::{Guard, Label, Outside, Performance, ServiceName, ServiceSpec, SmokeTest, Zones},
    probe::Means,
    web::Client,
};
use items::{Content, Item};

/// Smoke tests at once, of all services.
const TESTS_MAX: usize = 32;
/// Measurements at once: more would measure each other.
const MEASUREMENTS_MAX: usize = 4;
/// Queries at once, and as many questions.
const QUERIES_MAX: usize = 32;

/// What is wanted of a service's release; nothing any more, if `wanted` is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) service: ServiceName,
    pub(super) spec: Arc<ServiceSpec>,
    pub(super) wanted: Option<Wanted>,
    /// What answers, what is to, the share that it has and the one that it is to have: for people.
    pub(super) step: (String, String, u8, u8),
}

impl Job {
    /// Nothing any more.
    pub(super) fn none(spec: Arc<ServiceSpec>) -> Self {
        let service = spec.name.clone();
        Self { service, spec, wanted: None, step: Default::default() }
    }
}

/// What was found out.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) service: ServiceName,
    pub(super) scope: Scope,
    pub(super) what: What,
}

/// By kind.
#[derive(Debug)]
pub(super) enum What {
    Tested(Subject, Arc<SmokeTest>, Tested),
    /// Requests so far, of so many.
    Progress(u32, u32),
    Measured(Arc<Performance>, Measured),
    Read(Arc<Guard>, Reading),
    Answered(Label, Answer),
}

/// What all tasks use.
pub(super) struct Tools {
    pub(super) client: Client,
    pub(super) outside: Outside,
    pub(super) zones: Arc<ArcSwap<Zones>>,
    /// Not those of probes: a long test does not keep these from being made.
    pub(super) means: Arc<Means>,
    pub(super) clock: Clock,
    tests: Semaphore,
    measurements: Semaphore,
    queries: Semaphore,
    questions: Semaphore,
}

impl Tools {
    pub(super) fn new(
        outside: Outside,
        zones: Arc<ArcSwap<Zones>>,
        means: Arc<Means>,
        clock: Clock,
    ) -> Self {
        let [tests, measurements, queries, questions] =
            [TESTS_MAX, MEASUREMENTS_MAX, QUERIES_MAX, QUERIES_MAX].map(Semaphore::new);
        let client = Client::new();
        Self { client, outside, zones, means, clock, tests, measurements, queries, questions }
    }

    /// The apex of the zone that a service is in.
    fn zone_of(&self, spec: &ServiceSpec) -> String {
        let zones = self.zones.load();
        zones.of(&spec.owner).unwrap_or(zones.first()).apex.to_string()
    }
}

/// A task that ends with this.
struct Task(AbortHandle);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// One service's tasks, and what they are told of endpoints that come and go.
struct Running {
    job: watch::Sender<Arc<Job>>,
    tasks: BTreeMap<Item, (Scope, Content, Task)>,
}

/// Starts and ends the tasks.
pub(super) struct Examiner {
    tools: Arc<Tools>,
    running: BTreeMap<ServiceName, Running>,
}

impl Examiner {
    pub(super) fn new(tools: Tools) -> Self {
        Self { tools: Arc::new(tools), running: BTreeMap::new() }
    }

    /// Works until nobody wants anything any more.
    pub(super) async fn run<E: From<Found> + Send + 'static>(
        mut self,
        mut jobs: mpsc::UnboundedReceiver<Job>,
        found: mpsc::Sender<E>,
    ) {
        while let Some(job) = jobs.recv().await {
            self.take(job, &found);
        }
    }

    fn take<E: From<Found> + Send + 'static>(&mut self, job: Job, found: &mpsc::Sender<E>) {
        let Some(wanted) = &job.wanted else {
            self.running.remove(&job.service);
            return;
        };
        let (scope, contents) = (wanted.scope, items::wanted(&job.spec, wanted));
        let (service, job) = (job.service.clone(), Arc::new(job));
        let running = self.running.entry(service.clone()).or_insert_with(|| Running {
            job: watch::channel(job.clone()).0,
            tasks: BTreeMap::new(),
        });
        running.job.send_replace(job);
        let is_wanted = |item: &Item, of: Scope, content: &Content| {
            of == scope && contents.get(item) == Some(content)
        };
        running.tasks.retain(|item, (of, content, _)| is_wanted(item, *of, content));
        for (item, content) in contents {
            if running.tasks.contains_key(&item) {
                continue;
            }
            let (tools, job) = (self.tools.clone(), running.job.subscribe());
            let teller = Teller { service: service.clone(), scope, found: found.clone() };
            let task = items::run(item.clone(), content.clone(), tools, job, teller);
            let task = Task(tokio::spawn(task).abort_handle());
            running.tasks.insert(item, (scope, content, task));
        }
    }
}

/// The way to tell what was found out.
struct Teller<E> {
    service: ServiceName,
    scope: Scope,
    found: mpsc::Sender<E>,
}

impl<E: From<Found>> Teller<E> {
    /// Tells it if that can be done at once.
    fn try_to_tell(&self, what: What) {
        let Self { service, scope, found } = self;
        let told = Found { service: service.clone(), scope: *scope, what };
        let _ = found.try_send(told.into());
    }

    /// Fails only when the daemon ends.
    async fn tell(&self, what: What) {
        let Self { service, scope, found } = self;
        let told = Found { service: service.clone(), scope: *scope, what };
        let _ = found.send(told.into()).await;
    }
}
