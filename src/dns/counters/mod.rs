//! What the data plane counts. Labels are fixed sets, or names of the release file; nothing from a
//! packet becomes one.
//!
//! Each UDP worker counts in a [`mod@block`] of its own, so that counting shares no cache line; streams
//! share one. Blocks are added up when metrics are scraped.

mod block;

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use hickory_proto::op::ResponseCode;
use prometheus::{
    IntCounterVec, IntGaugeVec, Opts, Registry,
    core::{Collector, Desc},
    proto::MetricFamily,
};

use super::{
    DropCause, Transport,
    cookie::CookieState,
    tallies::{Sum, Tallies},
    tcp::{Count, Snapshot},
};
use crate::{
    model::{PoolName, ServiceName, Timestamp},
    table::Tally,
};

use block::{BATCH_BOUNDS, Counts, LIMITED};
pub(super) use block::{StreamBlock, WorkerBlock};

/// RCODEs that we send; there is room for them in [`block`].
const RCODES: [(ResponseCode, &str); 7] = [
    (ResponseCode::NoError, "NOERROR"),
    (ResponseCode::FormErr, "FORMERR"),
    (ResponseCode::ServFail, "SERVFAIL"),
    (ResponseCode::NXDomain, "NXDOMAIN"),
    (ResponseCode::NotImp, "NOTIMP"),
    (ResponseCode::Refused, "REFUSED"),
    (ResponseCode::BADVERS, "BADVERS"),
];
/// How far somebody has looked at the last answers of each worker.
#[derive(Debug, Default)]
pub struct LookedAt(Vec<u64>);

/// All blocks, and whose numbers are which.
pub struct Counters {
    blocks: Arc<Blocks>,
    streams: Arc<StreamBlock>,
}

#[derive(Default)]
struct Blocks {
    workers: Mutex<Vec<Arc<WorkerBlock>>>,
    streams: Mutex<Vec<Arc<StreamBlock>>>,
    connections: Mutex<Vec<Arc<Count>>>,
    tallies: Tallies,
}

impl Counters {
    /// Counters that `registry` will expose.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let blocks = Arc::new(Blocks::default());
        let streams = Arc::new(StreamBlock::new());
        lock(&blocks.streams).push(streams.clone());
        let scrape = Scrape { blocks: blocks.clone(), families: Families::new()?.descs() };
        registry.register(Box::new(scrape))?;
        Ok(Self { blocks, streams })
    }

    /// The block of a new worker.
    pub(super) fn worker(&self) -> Arc<WorkerBlock> {
        let block = Arc::new(WorkerBlock::new());
        lock(&self.blocks.workers).push(block.clone());
        block
    }

    /// Shows connections among the rest.
    pub(super) fn connections(&self, count: Arc<Count>) {
        lock(&self.blocks.connections).push(count);
    }

    /// The block of all streams.
    pub(super) fn streams(&self) -> &StreamBlock {
        &self.streams
    }

    /// What answers of a pool count for.
    pub fn tally(&self, service: &ServiceName, pool: &PoolName) -> Tally {
        self.blocks.tallies.of(service, pool, |tally| self.blocks.tally(tally))
    }

    /// What answers count for that name all of these pools.
    pub fn tally_of_all(&self, service: &ServiceName, pools: &[&PoolName]) -> Tally {
        self.blocks.tallies.of_all(service, pools, |tally| self.blocks.tally(tally))
    }

    /// The latest instants at which caches that keep to the TTL can hold an answer naming a pool of
    /// a service, as they received it. Of tables that nobody answers from any longer this is the
    /// last word.
    pub fn horizons(&self, service: &ServiceName) -> Vec<(PoolName, Timestamp)> {
        let pools = self.blocks.tallies.of_service(service, |tally| self.blocks.tally(tally));
        let answered = pools.into_iter().filter(|(.., sum)| sum.horizon > Timestamp::default());
        answered.map(|(pool, _, sum)| (pool, sum.horizon)).collect()
    }

    /// What each pool of a service counts for, and how often it has been answered.
    pub fn answers(&self, service: &ServiceName) -> Vec<(PoolName, Tally, u64)> {
        let pools = self.blocks.tallies.of_service(service, |tally| self.blocks.tally(tally));
        pools.into_iter().map(|(pool, tally, sum)| (pool, tally, sum.answers)).collect()
    }

    /// Shows the answers since the last look, as far as they are remembered: what each counts for,
    /// and a hash of the client's network.
    pub fn look(&self, seen: &mut LookedAt, mut show: impl FnMut(Tally, u32)) {
        let mut nth = 0;
        self.blocks.look(|counts| {
            if nth == seen.0.len() {
                seen.0.push(0);
            }
            counts.recent.look(&mut seen.0[nth], &mut show);
            nth += 1;
        });
    }

    /// Stops counting for those pools of a service that are not to be kept.
    pub fn retain(&self, service: &ServiceName, keep: impl Fn(&PoolName) -> bool) {
        self.blocks.tallies.retain(service, keep);
    }
}

impl Blocks {
    fn tally(&self, tally: Tally) -> Sum {
        let mut sum = Sum::default();
        self.look(|counts| sum = sum.add(counts.tallies.get(tally)));
        sum
    }

    fn sum(&self, count: impl Fn(&Counts) -> u64) -> u64 {
        let mut sum = 0_u64;
        self.look(|counts| sum = sum.wrapping_add(count(counts)));
        sum
    }

    fn look(&self, mut show: impl FnMut(&Counts)) {
        // In an order that lasts when a worker comes.
        lock(&self.streams).iter().for_each(|block| show(block.counts()));
        lock(&self.workers).iter().for_each(|block| show(block.counts()));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No invariant is half made when a thread panics here.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Adds the blocks up for each scrape, into families made for it: so a pool that is gone leaves no
/// label behind.
struct Scrape {
    blocks: Arc<Blocks>,
    families: Vec<Desc>,
}

impl Collector for Scrape {
    fn desc(&self) -> Vec<&Desc> {
        self.families.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // It was made once at the start: the names are good.
        let Ok(families) = Families::new() else { return Vec::new() };
        families.fill(&self.blocks);
        families.all().into_iter().flat_map(Collector::collect).collect()
    }
}

struct Families {
    queries: IntCounterVec,
    dropped: IntCounterVec,
    cookies: IntCounterVec,
    limited: IntCounterVec,
    batches: IntCounterVec,
    truncated: IntCounterVec,
    general: IntCounterVec,
    unsent: IntCounterVec,
    answers: IntCounterVec,
    generation: IntGaugeVec,
    by_worker: IntCounterVec,
    accepted: IntCounterVec,
    closed: IntCounterVec,
    open: IntGaugeVec,
}

impl Families {
    fn new() -> Result<Self, prometheus::Error> {
        let family = |name: &str, help: &str, labels: &[&str]| {
            IntCounterVec::new(Opts::new(format!("cutover_{name}_total"), help), labels)
        };
        let open = Opts::new("cutover_dns_connections_open", "TCP connections that are open.");
        let generation = Opts::new(
            "cutover_dns_worker_generation",
            "Number of the record table that the worker answered its last batch from.",
        );
        Ok(Self {
            queries: family(
                "dns_queries",
                "Questions answered, by transport and RCODE.",
                &["transport", "rcode"],
            )?,
            dropped: family("dns_dropped", "Packets without a reply, by cause.", &["cause"])?,
            cookies: family(
                "dns_cookies",
                "Questions answered, by what their DNS cookie proved.",
                &["state"],
            )?,
            limited: family(
                "dns_rate_limited",
                "Answers over the response rate limit, by what became of them; counted, and sent \
                 all the same, while `log_only` is set.",
                &["action"],
            )?,
            batches: family(
                "dns_batches",
                "Batches of datagrams, by how many they held at most.",
                &["size"],
            )?,
            truncated: family("dns_truncated", "Replies sent with TC set.", &[])?,
            general: family("dns_general_path", "Packets that took the general path.", &[])?,
            unsent: family("dns_unsent", "Replies that the system did not take.", &[])?,
            answers: family(
                "answers",
                "Answers that named addresses of the pool.",
                &["service", "pool"],
            )?,
            generation: IntGaugeVec::new(generation, &["worker"])?,
            by_worker: family(
                "dns_worker_queries",
                "Questions answered by each worker of UDP.",
                &["worker"],
            )?,
            accepted: family("dns_connections_accepted", "TCP connections accepted.", &[])?,
            closed: family(
                "dns_connections_closed",
                "TCP connections that ended, by cause.",
                &["cause"],
            )?,
            open: IntGaugeVec::new(open, &[])?,
        })
    }

    fn all(&self) -> [&dyn Collector; 14] {
        [
            &self.queries,
            &self.dropped,
            &self.cookies,
            &self.limited,
            &self.batches,
            &self.truncated,
            &self.general,
            &self.unsent,
            &self.answers,
            &self.generation,
            &self.by_worker,
            &self.accepted,
            &self.closed,
            &self.open,
        ]
    }

    fn descs(&self) -> Vec<Desc> {
        self.all().into_iter().flat_map(Collector::desc).cloned().collect()
    }

    fn fill(&self, blocks: &Blocks) {
        let set =
            |family: &IntCounterVec, labels: &[&str], count: &dyn Fn(&Counts) -> &AtomicU64| {
                let sum = blocks.sum(|counts| count(counts).load(Relaxed));
                family.with_label_values(labels).inc_by(sum);
            };
        for transport in Transport::ALL {
            for (code, name) in RCODES {
                let code = usize::from(u16::from(code));
                let labels = [transport.name(), name];
                set(&self.queries, &labels, &|counts| &counts.queries[transport as usize][code]);
            }
        }
        for cause in DropCause::ALL {
            set(&self.dropped, &[cause.name()], &|counts| &counts.dropped[cause as usize]);
        }
        // Nearly all questions have no cookie: these are not counted, but what is left.
        let mut without_cookie = blocks.sum(Counts::replied);
        for state in CookieState::ALL {
            let count = blocks.sum(|counts| counts.cookies[state as usize].load(Relaxed));
            without_cookie = without_cookie.saturating_sub(count);
            self.cookies.with_label_values(&[state.name()]).inc_by(count);
        }
        self.cookies.with_label_values(&[CookieState::Absent.name()]).inc_by(without_cookie);
        for (limited, name) in LIMITED {
            set(&self.limited, &[name], &|counts| &counts.limited[limited as usize]);
        }
        for (at, (_, name)) in BATCH_BOUNDS.iter().enumerate() {
            set(&self.batches, &[name], &|counts| &counts.batches[at]);
        }
        set(&self.truncated, &[], &|counts| &counts.truncated);
        set(&self.general, &[], &|counts| &counts.general);
        set(&self.unsent, &[], &|counts| &counts.unsent);
        blocks.tallies.look(
            |tally| blocks.tally(tally),
            |service, pool, sum| {
                self.answers
                    .with_label_values(&[service.as_str(), pool.as_str()])
                    .inc_by(sum.answers);
            },
        );
        for (number, block) in lock(&blocks.workers).iter().enumerate() {
            let generation = block.counts().generation.load(Relaxed).try_into().unwrap_or(i64::MAX);
            let worker = number.to_string();
            self.generation.with_label_values(&[&worker]).set(generation);
            self.by_worker.with_label_values(&[&worker]).inc_by(block.counts().replied());
        }
        let none: [&str; 0] = [];
        for count in lock(&blocks.connections).iter() {
            let Snapshot { accepted, open, closed } = count.snapshot();
            self.accepted.with_label_values(&none).inc_by(accepted);
            self.open.with_label_values(&none).add(open.try_into().unwrap_or(i64::MAX));
            for (cause, count) in closed {
                self.closed.with_label_values(&[cause.name()]).inc_by(count);
            }
        }
    }
}
