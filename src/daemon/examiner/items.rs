//! The tasks, one for each thing that is wanted.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Semaphore, SemaphorePermit, watch},
    time::{Instant, interval, sleep, sleep_until},
};

use super::{Found, Job, Teller, Tools, What};
use crate::{
    cutover::{Targets, Wanted},
    health::{
        Answer, Asked, Finding, Measured, Reading, Subject, Tested, judged_samples, judged_value,
    },
    model::{Guard, Label, Performance, PoolName, ServiceSpec, SmokeTest, Timestamp},
    probe::{measure, smoke_test},
    web::{
        confirm::{self, Question},
        file::FileReader,
        prometheus,
    },
};

/// How soon what could not be judged before the first step is made again.
const AGAIN: Duration = Duration::from_secs(5);
/// How often it is told how far a measurement has come.
const PROGRESS: Duration = Duration::from_secs(1);

/// What a task is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Item {
    Test(Subject),
    Performance,
    Guard(Label),
    Confirm(Label),
}

/// What is done. Something else is another task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Test(Arc<SmokeTest>),
    Performance(Arc<Performance>),
    Guard(Arc<Guard>),
    Confirm,
}

/// All that is wanted.
pub(super) fn wanted(spec: &ServiceSpec, wanted: &Wanted) -> BTreeMap<Item, Content> {
    let policy = &spec.release;
    let mut items = BTreeMap::new();
    for subject in &wanted.tests {
        let test = policy.tests.get(subject.number).cloned();
        items.extend(test.map(|test| (Item::Test(subject.clone()), Content::Test(test))));
    }
    let performance = policy.performance.clone().filter(|_| wanted.performance);
    items.extend(performance.map(|it| (Item::Performance, Content::Performance(it))));
    for guard in policy.guards.iter().filter(|_| wanted.guards) {
        items.insert(Item::Guard(guard.name.clone()), Content::Guard(guard.clone()));
    }
    for name in policy.confirm.iter().filter(|_| wanted.confirm) {
        items.insert(Item::Confirm(name.clone()), Content::Confirm);
    }
    items
}

/// Does it, until this is dropped or there is nothing more to do.
pub(super) async fn run<E: From<Found>>(
    item: Item,
    content: Content,
    tools: Arc<Tools>,
    job: watch::Receiver<Arc<Job>>,
    teller: Teller<E>,
) {
    let task = Task { tools, job, teller };
    match (item, content) {
        (Item::Test(subject), Content::Test(test)) => task.test(subject, test).await,
        (_, Content::Performance(performance)) => task.measure_on(performance).await,
        (_, Content::Guard(guard)) => task.look_on(guard).await,
        (Item::Confirm(name), _) => task.ask_on(name).await,
        (_, Content::Test(_) | Content::Confirm) => {}
    }
}

struct Task<E> {
    tools: Arc<Tools>,
    job: watch::Receiver<Arc<Job>>,
    teller: Teller<E>,
}

/// Waits for its turn. The semaphores are never closed.
async fn turn(semaphore: &Semaphore) -> Option<SemaphorePermit<'_>> {
    semaphore.acquire().await.ok()
}

impl<E: From<Found>> Task<E> {
    fn now(&self) -> Timestamp {
        self.tools.clock.now()
    }

    /// What is wanted now; nothing only when the service is given up.
    fn wanted(&self) -> Option<(Arc<Job>, Wanted)> {
        let job = self.job.borrow().clone();
        let wanted = job.wanted.clone()?;
        Some((job, wanted))
    }

    async fn test(self, subject: Subject, test: Arc<SmokeTest>) {
        loop {
            let (latency, finding) = {
                let _turn = turn(&self.tools.tests).await;
                smoke_test(&test, subject.address, &self.tools.means).await
            };
            let is_done = !matches!(finding, Finding::Unjudged(_));
            let tested = Tested { at: self.now(), latency, finding };
            self.teller.tell(What::Tested(subject.clone(), test.clone(), tested)).await;
            if is_done {
                return;
            }
            sleep(AGAIN).await;
        }
    }

    async fn measure_on(self, performance: Arc<Performance>) {
        loop {
            let began = Instant::now();
            if let Some(measured) = self.measure(&performance).await {
                self.teller.tell(What::Measured(performance.clone(), measured)).await;
            }
            match self.teller.scope.share {
                None => sleep(AGAIN.min(performance.interval)).await,
                Some(_) => sleep_until(began + performance.interval).await,
            }
        }
    }

    /// Both sides at the same time.
    async fn measure(&self, performance: &Performance) -> Option<Measured> {
        let _turn = turn(&self.tools.measurements).await;
        let (_, Wanted { new, old, .. }) = self.wanted()?;
        let (begun, means) = (self.now(), &self.tools.means);
        let [done, done_old] = [0, 0].map(AtomicU32::new);
        let up = |side: fn(Wanted) -> Targets| {
            self.wanted().map(|(_, wanted)| side(wanted).addresses).unwrap_or_default()
        };
        let of_new = measure(performance, new.name(), || up(|it| it.new), means, &done);
        let members = new.members;
        let is_compared = performance.is_relative() && !old.addresses.is_empty();
        let of_old = async {
            let of_old = measure(performance, old.name(), || up(|it| it.old), means, &done_old);
            if is_compared { Some(of_old.await) } else { None }
        };
        let both = async { tokio::join!(of_new, of_old) };
        let mut both = std::pin::pin!(both);
        let mut progress = interval(PROGRESS);
        let (new, old) = loop {
            tokio::select! {
                both = &mut both => break both,
                _ = progress.tick() => {
                    let done = done.load(Ordering::Relaxed);
                    self.teller.try_to_tell(What::Progress(done, performance.requests));
                }
            }
        };
        Some(Measured { begun, members, finding: judged_samples(performance, new, old) })
    }

    async fn look_on(self, guard: Arc<Guard>) {
        let mut token = FileReader::default();
        loop {
            let began = Instant::now();
            if let Some(reading) = self.look(&guard, &mut token).await {
                self.teller.tell(What::Read(guard.clone(), reading)).await;
            }
            sleep_until(began + guard.interval).await;
        }
    }

    async fn look(&self, guard: &Guard, token: &mut FileReader<String>) -> Option<Reading> {
        let (job, wanted) = self.wanted()?;
        let (at, mut new) = (self.now(), Vec::new());
        let owner = job.spec.owner.to_string();
        let guard = &Guard { query: guard.query.replace(Guard::SERVICE, &owner), ..guard.clone() };
        if guard.query.contains(Guard::POOL) {
            for pool in &wanted.new.pools {
                new.push(self.asked(guard, token, Some(pool), None).await);
            }
        } else {
            new.push(self.asked(guard, token, None, None).await);
        }
        let compared = wanted.old.pools.first().filter(|_| guard.is_relative());
        let old = match compared {
            Some(pool) => Some(self.asked(guard, token, Some(pool), wanted.old_at).await),
            None => None,
        };
        Some(judged_value(at, guard, &new, old.as_ref()))
    }

    async fn asked(
        &self,
        guard: &Guard,
        token: &mut FileReader<String>,
        pool: Option<&PoolName>,
        at: Option<Timestamp>,
    ) -> Asked {
        let name = pool.map(PoolName::as_str).unwrap_or_default();
        let query = guard.query.replace(Guard::POOL, name);
        let _turn = turn(&self.tools.queries).await;
        let value = match &self.tools.outside.metrics {
            Some(server) => prometheus::query(&self.tools.client, server, token, &query, at).await,
            None => Err("no Prometheus is named in the settings".to_owned()),
        };
        Asked { pool: pool.cloned(), value }
    }

    async fn ask_on(self, name: Label) {
        let Some(hook) = self.tools.outside.confirm.get(&name).cloned() else {
            let result = Err("it is not named in the settings".to_owned());
            let answer = Answer { at: self.now(), result, detail: String::new() };
            self.teller.tell(What::Answered(name, answer)).await;
            return;
        };
        let mut secret = FileReader::default();
        loop {
            let began = Instant::now();
            let Some((job, wanted)) = self.wanted() else { return };
            let (from, to, share, next_share) = job.step.clone();
            let (zone, service) = (self.tools.zone_of(&job.spec), job.service.to_string());
            let release = wanted.scope.release;
            let question = Question { zone, service, release, from, to, share, next_share };
            let (result, detail) = {
                let _turn = turn(&self.tools.questions).await;
                confirm::ask(&self.tools.client, &hook, &mut secret, &question).await
            };
            let answer = Answer { at: self.now(), result, detail };
            self.teller.tell(What::Answered(name.clone(), answer)).await;
            sleep_until(began + hook.interval).await;
        }
    }
}
