//! The task that runs the tries that are due, so many at once and no more.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tracing::warn;

use super::{
    Checked, Failure, Means, Try, run_once,
    schedule::{Pace, Schedule},
};
use crate::{
    health::Outcome,
    model::{ProbeSpec, ServiceName},
};

/// Checks at once; each needs one file descriptor.
const CONCURRENT_MAX: usize = 256;
const _: () = assert!(ProbeSpec::CHECKS_MAX <= CONCURRENT_MAX);
/// The longest interval while a release waits.
const AWAITED: Duration = Duration::from_secs(1);
/// How often it is said that tries cannot be made.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);
/// How long to sleep when nothing is due; a new assignment wakes us.
const NOTHING_DUE: Duration = Duration::from_secs(3_600);

/// What is to be probed of one service from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The service.
    pub service: ServiceName,
    /// How; `None` to stop.
    pub spec: Option<Arc<ProbeSpec>>,
    /// Whom.
    pub addresses: BTreeSet<IpAddr>,
    /// For whose verdicts a release waits.
    pub awaited: BTreeSet<IpAddr>,
}

/// One try that was made.
#[derive(Clone, Debug)]
pub struct Tried {
    /// For this service.
    pub service: ServiceName,
    /// Of this endpoint.
    pub address: IpAddr,
    /// By this probe, which the service may have changed since.
    pub spec: Arc<ProbeSpec>,
    /// With this result; or why it could not be made.
    pub outcome: Result<Outcome, String>,
}

type Key = (ServiceName, IpAddr);

/// A try that has ended, or why it could not be made.
struct Ended {
    key: Key,
    spec: Arc<ProbeSpec>,
    result: Try,
}

/// Probes every assigned endpoint at its pace.
pub struct Prober {
    schedule: Schedule<Key>,
    specs: BTreeMap<ServiceName, Arc<ProbeSpec>>,
    running: JoinSet<Ended>,
    /// How many checks the running tries have together.
    checks: usize,
    /// When it was last said that tries cannot be made.
    complained: Option<Instant>,
    began: Instant,
    means: Arc<Means>,
    tries: IntCounterVec,
    latency: HistogramVec,
}

impl Prober {
    /// A prober whose counts `registry` will expose.
    pub fn register(means: Arc<Means>, registry: &Registry) -> Result<Self, prometheus::Error> {
        let tries = IntCounterVec::new(
            Opts::new(
                "cutover_probe_tries_total",
                "Checks of endpoints, by kind and result; `error`: could not be made.",
            ),
            &["kind", "result"],
        )?;
        let latency = HistogramVec::new(
            HistogramOpts::new("cutover_probe_duration_seconds", "Duration of checks, by kind."),
            &["kind"],
        )?;
        registry.register(Box::new(tries.clone()))?;
        registry.register(Box::new(latency.clone()))?;
        Ok(Self {
            schedule: Schedule::new(),
            specs: BTreeMap::new(),
            running: JoinSet::new(),
            checks: 0,
            complained: None,
            began: Instant::now(),
            means,
            tries,
            latency,
        })
    }

    /// Probes until nobody assigns or listens any more.
    pub async fn run<E: From<Tried>>(
        mut self,
        mut assignments: mpsc::UnboundedReceiver<Assignment>,
        tried: mpsc::Sender<E>,
    ) {
        loop {
            self.begin_due();
            let due = self.schedule.next_due().filter(|_| self.has_room());
            let wake = self.began + due.unwrap_or(self.now() + NOTHING_DUE);
            tokio::select! {
                assignment = assignments.recv() => match assignment {
                    Some(assignment) => self.assign(assignment),
                    None => return,
                },
                Some(ended) = self.running.join_next() => {
                    if let Ok(ended) = ended
                        && let Some(tried_now) = self.ended(ended)
                        && tried.send(tried_now.into()).await.is_err()
                    {
                        return;
                    }
                },
                () = sleep_until(wake) => {}
            }
        }
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn assign(&mut self, assignment: Assignment) {
        let Assignment { service, spec, addresses, awaited } = assignment;
        let now = self.now();
        // A try of another kind that is still running says nothing of this one.
        let is_another = match (self.specs.get(&service), &spec) {
            (Some(known), Some(wanted)) => !known.looks_like(wanted),
            (known, wanted) => known.is_some() != wanted.is_some(),
        };
        for key in self.schedule.keys_from((service.clone(), LEAST_ADDRESS), |key| key.0 == service)
        {
            if spec.is_none() || is_another || !addresses.contains(&key.1) {
                self.schedule.remove(&key);
            }
        }
        let Some(spec) = spec else {
            self.specs.remove(&service);
            return;
        };
        for address in addresses {
            let most = if awaited.contains(&address) { AWAITED } else { spec.interval };
            let pace = Pace { interval: spec.interval.min(most), jitter: spec.jitter };
            self.schedule.set(now, (service.clone(), address), pace, rand::random());
        }
        self.specs.insert(service, spec);
    }

    fn begin_due(&mut self) {
        while self.has_room()
            && let Some(key) = self.schedule.begin(self.now())
        {
            let Some(spec) = self.specs.get(&key.0).cloned() else { continue };
            self.checks += spec.checks.len();
            let means = self.means.clone();
            self.running.spawn(async move {
                // In a task of its own, so that a fault in one kind of probe is one failed try.
                let (address, given) = (key.1, spec.clone());
                let attempt = tokio::spawn(async move { run_once(&given, address, &means).await });
                let result = attempt.await.unwrap_or_else(|_| Try::broken());
                Ended { key, spec, result }
            });
        }
    }

    /// Whether another try may begin, however many checks it has.
    fn has_room(&self) -> bool {
        self.checks + ProbeSpec::CHECKS_MAX <= CONCURRENT_MAX
    }

    fn ended(&mut self, ended: Ended) -> Option<Tried> {
        let Ended { key, spec, result } = ended;
        self.checks -= spec.checks.len();
        if !self.schedule.ended(self.began.elapsed(), &key, rand::random()) {
            return None;
        }
        for (check, Checked { latency, result }) in spec.checks.iter().zip(&result.checks) {
            let kind = check.kind.name();
            let word = match result {
                Ok(_) => "pass",
                Err(Failure::Endpoint(_)) => "fail",
                Err(Failure::Ours(_)) => "error",
            };
            self.tries.with_label_values(&[kind, word]).inc();
            if word != "error" {
                self.latency.with_label_values(&[kind]).observe(latency.as_secs_f64());
            }
        }
        let ((service, address), outcome) = (key, result.outcome);
        if let Err(reason) = &outcome {
            self.complain(reason);
        }
        Some(Tried { service, address, spec, outcome })
    }

    /// Says that tries cannot be made; not for each of them.
    fn complain(&mut self, reason: &str) {
        if self.complained.is_none_or(|at| at.elapsed() > COMPLAIN_EVERY) {
            warn!(reason, "endpoints cannot be probed, for a reason of our own; verdicts stay");
            self.complained = Some(Instant::now());
        }
    }
}

/// Sorts before every other address.
const LEAST_ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
