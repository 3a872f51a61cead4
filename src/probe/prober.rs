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

use super::{
    run_once,
    schedule::{Pace, Schedule},
};
use crate::{
    health::Outcome,
    model::{ProbeSpec, ServiceName},
};

/// Tries at once; each needs one file descriptor.
const CONCURRENT_MAX: usize = 256;
/// How long to sleep when nothing is due; a new assignment wakes us.
const NOTHING_DUE: Duration = Duration::from_secs(3_600);

/// What is to be probed of one service from now on.
#[derive(Clone, Debug)]
pub struct Assignment {
    /// The service.
    pub service: ServiceName,
    /// How; `None` to stop.
    pub spec: Option<Arc<ProbeSpec>>,
    /// Whom.
    pub addresses: BTreeSet<IpAddr>,
}

/// One try that was made.
#[derive(Clone, Debug)]
pub struct Tried {
    /// For this service.
    pub service: ServiceName,
    /// Of this endpoint.
    pub address: IpAddr,
    /// With this result.
    pub outcome: Outcome,
}

type Key = (ServiceName, IpAddr);

/// Probes every assigned endpoint at its pace.
pub struct Prober {
    schedule: Schedule<Key>,
    specs: BTreeMap<ServiceName, Arc<ProbeSpec>>,
    running: JoinSet<(Key, Outcome)>,
    began: Instant,
    tries: IntCounterVec,
    latency: HistogramVec,
}

impl Prober {
    /// A prober whose counts `registry` will expose.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let tries = IntCounterVec::new(
            Opts::new("cutover_probe_tries_total", "Tries of probes, by kind and result."),
            &["kind", "result"],
        )?;
        let latency = HistogramVec::new(
            HistogramOpts::new("cutover_probe_duration_seconds", "Duration of tries, by kind."),
            &["kind"],
        )?;
        registry.register(Box::new(tries.clone()))?;
        registry.register(Box::new(latency.clone()))?;
        let (schedule, specs, running) = (Schedule::new(), BTreeMap::new(), JoinSet::new());
        Ok(Self { schedule, specs, running, began: Instant::now(), tries, latency })
    }

    /// Probes until nobody assigns or listens any more.
    pub async fn run<E: From<Tried>>(
        mut self,
        mut assignments: mpsc::UnboundedReceiver<Assignment>,
        tried: mpsc::Sender<E>,
    ) {
        loop {
            self.begin_due();
            let due = self.schedule.next_due().filter(|_| self.running.len() < CONCURRENT_MAX);
            let wake = self.began + due.unwrap_or(self.now() + NOTHING_DUE);
            tokio::select! {
                assignment = assignments.recv() => match assignment {
                    Some(assignment) => self.assign(assignment),
                    None => return,
                },
                Some(ended) = self.running.join_next() => {
                    if let Ok((key, outcome)) = ended
                        && let Some(tried_now) = self.ended(key, outcome)
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
        let Assignment { service, spec, addresses } = assignment;
        let now = self.now();
        for key in self.schedule.keys_from((service.clone(), LEAST_ADDRESS), |key| key.0 == service)
        {
            if spec.is_none() || !addresses.contains(&key.1) {
                self.schedule.remove(&key);
            }
        }
        let Some(spec) = spec else {
            self.specs.remove(&service);
            return;
        };
        let pace = Pace { interval: spec.interval, jitter: spec.jitter };
        for address in addresses {
            self.schedule.set(now, (service.clone(), address), pace, rand::random());
        }
        self.specs.insert(service, spec);
    }

    fn begin_due(&mut self) {
        while self.running.len() < CONCURRENT_MAX
            && let Some(key) = self.schedule.begin(self.now())
        {
            let Some(spec) = self.specs.get(&key.0).cloned() else { continue };
            self.running.spawn(async move {
                // In a task of its own, so that a fault in one kind of probe is one failed try.
                let (address, patience) = (key.1, spec.timeout);
                let attempt = tokio::spawn(async move { run_once(&spec, address).await });
                let broken = |_| Outcome {
                    latency: patience,
                    result: Err("the probe itself broke; this is a fault of the daemon".to_owned()),
                };
                (key, attempt.await.unwrap_or_else(broken))
            });
        }
    }

    fn ended(&mut self, key: Key, outcome: Outcome) -> Option<Tried> {
        let spec = self.specs.get(&key.0)?;
        let kind = spec.kind.name();
        let result = if outcome.result.is_ok() { "pass" } else { "fail" };
        self.tries.with_label_values(&[kind, result]).inc();
        self.latency.with_label_values(&[kind]).observe(outcome.latency.as_secs_f64());
        self.schedule.ended(self.began.elapsed(), &key, rand::random());
        let (service, address) = key;
        Some(Tried { service, address, outcome })
    }
}

/// Sorts before every other address.
const LEAST_ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
