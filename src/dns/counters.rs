//! What the data plane counts. Labels are fixed sets, or names of the release file; nothing from a
//! packet becomes one.
//!
//! Each UDP worker counts in a block of its own, so that counting shares no cache line; streams
//! share one block. Blocks are added up when metrics are scraped.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
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
    responder::{Given, Outcome},
    rrl::Limited,
    tallies::{Sum, Tallies, TallyCounts},
    tcp::{Count, Snapshot},
};
use crate::{
    model::{PoolName, ServiceName, Timestamp},
    table::Tally,
};

/// RCODEs that we send.
const RCODES: [(ResponseCode, &str); 7] = [
    (ResponseCode::NoError, "NOERROR"),
    (ResponseCode::FormErr, "FORMERR"),
    (ResponseCode::ServFail, "SERVFAIL"),
    (ResponseCode::NXDomain, "NXDOMAIN"),
    (ResponseCode::NotImp, "NOTIMP"),
    (ResponseCode::Refused, "REFUSED"),
    (ResponseCode::BADVERS, "BADVERS"),
];
/// BADVERS is the highest of them.
const CODES: usize = 17;
/// What becomes of answers over the limit.
const LIMITED: [(Limited, &str); 2] =
    [(Limited::Truncate, "truncated"), (Limited::Drop, "dropped")];
/// Upper bounds of the sizes of batches.
const BATCH_BOUNDS: [(usize, &str); 6] =
    [(1, "1"), (2, "2"), (4, "4"), (8, "8"), (16, "16"), (32, "32")];

/// Counts of one worker, or of all streams.
#[repr(align(128))]
pub(super) struct Block {
    /// Several threads count here: each count is locked for as long as it is written.
    is_shared: bool,
    queries: [[AtomicU64; CODES]; Transport::ALL.len()],
    dropped: [AtomicU64; DropCause::ALL.len()],
    /// All other replies are to questions without a cookie.
    cookies: [AtomicU64; CookieState::ALL.len()],
    /// By [`Limited`]; what passes is not counted.
    limited: [AtomicU64; 1 + LIMITED.len()],
    batches: [AtomicU64; BATCH_BOUNDS.len()],
    truncated: AtomicU64,
    general: AtomicU64,
    unsent: AtomicU64,
    generation: AtomicU64,
    tallies: TallyCounts,
}

impl Block {
    fn new(is_shared: bool) -> Self {
        let zero = |_| AtomicU64::new(0);
        Self {
            is_shared,
            queries: std::array::from_fn(|_| std::array::from_fn(zero)),
            dropped: std::array::from_fn(zero),
            cookies: std::array::from_fn(zero),
            limited: std::array::from_fn(zero),
            batches: std::array::from_fn(zero),
            truncated: AtomicU64::new(0),
            general: AtomicU64::new(0),
            unsent: AtomicU64::new(0),
            generation: AtomicU64::new(0),
            tallies: TallyCounts::new(),
        }
    }

    /// Counts what became of one packet.
    #[inline]
    pub(super) fn count(&self, outcome: &Outcome, transport: Transport) {
        match outcome {
            Outcome::Dropped(cause) => self.add(&self.dropped[*cause as usize], 1),
            Outcome::Replied(replied) => {
                let code = usize::from(replied.code.0).min(CODES - 1);
                self.add(&self.queries[transport as usize][code], 1);
                if replied.cookie_state != CookieState::Absent {
                    self.add(&self.cookies[replied.cookie_state as usize], 1);
                }
                if replied.truncated {
                    self.add(&self.truncated, 1);
                }
            }
        }
    }

    /// Counts an answer for its pool, and notes until when caches may hold it, given now.
    #[inline]
    pub(super) fn given(&self, given: Given, now: Timestamp) {
        let Some(count) = self.tallies.count(given.tally) else { return };
        self.add(&count.answers, 1);
        let horizon = (now + Duration::from_secs(given.ttl.into())).unix_micros();
        if self.is_shared {
            count.horizon.fetch_max(horizon, Relaxed);
        } else if horizon > count.horizon.load(Relaxed) {
            count.horizon.store(horizon, Relaxed);
        }
    }

    /// Counts a packet that took the general path.
    pub(super) fn general(&self) {
        self.add(&self.general, 1);
    }

    /// Counts what the limit says of an answer.
    pub(super) fn limited(&self, limited: Limited) {
        self.add(&self.limited[limited as usize], 1);
    }

    /// Counts a batch of datagrams: how many came, how many replies the system did not take, and
    /// which table answered them.
    pub(super) fn batch(&self, received: usize, unsent: usize, generation: u64) {
        let at = BATCH_BOUNDS.iter().position(|(bound, _)| received <= *bound);
        self.add(&self.batches[at.unwrap_or(BATCH_BOUNDS.len() - 1)], 1);
        if unsent > 0 {
            self.add(&self.unsent, unsent as u64);
        }
        self.generation.store(generation, Relaxed);
    }

    fn replied(&self) -> u64 {
        let counts = self.queries.iter().flatten().map(|count| count.load(Relaxed));
        counts.fold(0, u64::wrapping_add)
    }

    fn add(&self, count: &AtomicU64, by: u64) {
        if self.is_shared {
            count.fetch_add(by, Relaxed);
        } else {
            // Nobody else writes here, so nothing has to be locked.
            count.store(count.load(Relaxed).wrapping_add(by), Relaxed);
        }
    }
}

/// All blocks, and whose numbers are which.
pub struct Counters {
    blocks: Arc<Blocks>,
    streams: Arc<Block>,
}

#[derive(Default)]
struct Blocks {
    workers: Mutex<Vec<Arc<Block>>>,
    streams: Mutex<Vec<Arc<Block>>>,
    connections: Mutex<Vec<Arc<Count>>>,
    tallies: Tallies,
}

impl Counters {
    /// Counters that `registry` will expose.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let blocks = Arc::new(Blocks::default());
        let streams = Arc::new(Block::new(true));
        lock(&blocks.streams).push(streams.clone());
        let scrape = Scrape { blocks: blocks.clone(), families: Families::new()?.descs() };
        registry.register(Box::new(scrape))?;
        Ok(Self { blocks, streams })
    }

    /// The block of a new worker.
    pub(super) fn worker(&self) -> Arc<Block> {
        let block = Arc::new(Block::new(false));
        lock(&self.blocks.workers).push(block.clone());
        block
    }

    /// Shows connections among the rest.
    pub(super) fn connections(&self, count: Arc<Count>) {
        lock(&self.blocks.connections).push(count);
    }

    /// The block of all streams.
    pub(super) fn streams(&self) -> &Block {
        &self.streams
    }

    /// What answers of a pool count for.
    pub fn tally(&self, service: &ServiceName, pool: &PoolName) -> Tally {
        self.blocks.tallies.of(service, pool, |tally| self.blocks.tally(tally))
    }

    /// The latest instants at which caches that keep to the TTL can hold an answer naming a pool of
    /// a service, as they received it. Of tables that nobody answers from any longer this is the
    /// last word.
    pub fn horizons(&self, service: &ServiceName) -> Vec<(PoolName, Timestamp)> {
        let pools = self.blocks.tallies.of_service(service, |tally| self.blocks.tally(tally));
        let answered = pools.into_iter().filter(|(_, sum)| sum.horizon > Timestamp::default());
        answered.map(|(pool, sum)| (pool, sum.horizon)).collect()
    }

    /// Stops counting for those pools of a service that are not to be kept.
    pub fn retain(&self, service: &ServiceName, keep: impl Fn(&PoolName) -> bool) {
        self.blocks.tallies.retain(service, keep);
    }
}

impl Blocks {
    fn tally(&self, tally: Tally) -> Sum {
        let of = |blocks: &Mutex<Vec<Arc<Block>>>| {
            lock(blocks).iter().map(|block| block.tallies.get(tally)).fold(Sum::default(), Sum::add)
        };
        of(&self.workers).add(of(&self.streams))
    }

    fn sum(&self, count: impl Fn(&Block) -> u64) -> u64 {
        let of = |blocks: &Mutex<Vec<Arc<Block>>>| {
            lock(blocks).iter().map(|block| count(block)).fold(0, u64::wrapping_add)
        };
        of(&self.workers).wrapping_add(of(&self.streams))
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
            accepted: family("dns_connections_accepted", "TCP connections accepted.", &[])?,
            closed: family(
                "dns_connections_closed",
                "TCP connections that ended, by cause.",
                &["cause"],
            )?,
            open: IntGaugeVec::new(open, &[])?,
        })
    }

    fn all(&self) -> [&dyn Collector; 13] {
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
            |family: &IntCounterVec, labels: &[&str], count: &dyn Fn(&Block) -> &AtomicU64| {
                let sum = blocks.sum(|block| count(block).load(Relaxed));
                family.with_label_values(labels).inc_by(sum);
            };
        for transport in Transport::ALL {
            for (code, name) in RCODES {
                let code = usize::from(u16::from(code));
                let labels = [transport.name(), name];
                set(&self.queries, &labels, &|block| &block.queries[transport as usize][code]);
            }
        }
        for cause in DropCause::ALL {
            set(&self.dropped, &[cause.name()], &|block| &block.dropped[cause as usize]);
        }
        // Nearly all questions have no cookie: these are not counted, but what is left.
        let mut without_cookie = blocks.sum(Block::replied);
        for state in CookieState::ALL {
            let count = blocks.sum(|block| block.cookies[state as usize].load(Relaxed));
            without_cookie = without_cookie.saturating_sub(count);
            self.cookies.with_label_values(&[state.name()]).inc_by(count);
        }
        self.cookies.with_label_values(&[CookieState::Absent.name()]).inc_by(without_cookie);
        for (limited, name) in LIMITED {
            set(&self.limited, &[name], &|block| &block.limited[limited as usize]);
        }
        for (at, (_, name)) in BATCH_BOUNDS.iter().enumerate() {
            set(&self.batches, &[name], &|block| &block.batches[at]);
        }
        set(&self.truncated, &[], &|block| &block.truncated);
        set(&self.general, &[], &|block| &block.general);
        set(&self.unsent, &[], &|block| &block.unsent);
        blocks.tallies.look(
            |tally| blocks.tally(tally),
            |service, pool, sum| {
                self.answers
                    .with_label_values(&[service.as_str(), pool.as_str()])
                    .inc_by(sum.answers);
            },
        );
        for (number, block) in lock(&blocks.workers).iter().enumerate() {
            let generation = block.generation.load(Relaxed).try_into().unwrap_or(i64::MAX);
            self.generation.with_label_values(&[&number.to_string()]).set(generation);
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
