//! The simulated world: caches in front of the record table, the conductor behind it, endpoints
//! that break, and a clock that goes from one event to the next.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, BinaryHeap},
    net::IpAddr,
    time::Duration,
};

use cutover::{
    cutover::{Basis, Order, Rule, Verb},
    health::{Tracker, Verdict},
    model::{DnsName, Resolution, ServiceSpec, Timestamp},
};

use super::{
    answers,
    caches::{Browser, Cache, Held, PINNED, Population},
    chance::Chance,
    conductor::Conductor,
    held::Caches,
    promises::{self, Cause, Checked, Promises, Stand},
    seen::Seen,
};

/// When every simulation starts.
pub(crate) const START: Timestamp = Timestamp::from_unix_micros(1_000_000_000_250_000);
/// How soon the conductor looks again whether a table that was replaced is still answered from.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// What is to happen, besides the machine's own deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// The worker loads the stored table.
    Loads,
    /// The conductor looks who answers from which table.
    Looks,
    /// Endpoints are probed.
    Probes,
    /// Something is found out about the release.
    Finds,
    /// A client asks this cache.
    Asks(usize),
    /// Someone opens this browser.
    Opens(usize),
}

pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) conductor: Conductor,
    pub(crate) caches: Vec<Cache>,
    pub(crate) browsers: Vec<Browser>,
    pub(crate) seen: Seen,
    /// What happened, if it is to be told.
    pub(crate) story: Option<Vec<String>>,
    /// For how long at most the worker goes on answering from a table that was replaced.
    pub(crate) lag: Duration,
    pub(crate) chance: Chance,
    broken: BTreeSet<IpAddr>,
    promises: Promises,
    queue: BinaryHeap<Reverse<(Timestamp, Due)>>,
    is_probing: bool,
    is_finding: bool,
    /// Whether what is found out is good from now on.
    pub(crate) is_all_good: bool,
}

impl World {
    /// The daemon has just started, and the caches are empty. Their clients have asked for the name
    /// for ever: from one TTL on, what caches hold is what they would always hold.
    pub(crate) fn new(spec: ServiceSpec, population: &Population, mut chance: Chance) -> Self {
        let ttl = spec.ttl.duration();
        let caches = population.caches(&mut chance);
        let mut world = Self {
            now: START,
            conductor: Conductor::adopt(START, spec),
            promises: Promises::new(&caches),
            caches,
            browsers: population.browsers(&mut chance),
            seen: Seen::default(),
            story: None,
            lag: Duration::ZERO,
            chance,
            broken: BTreeSet::new(),
            queue: BinaryHeap::new(),
            is_probing: false,
            is_finding: false,
            is_all_good: false,
        };
        for index in 0..world.caches.len() {
            let wait = world.caches[index].first_wait(ttl, &mut world.chance);
            world.is_due(wait, Due::Asks(index));
        }
        for index in 0..world.browsers.len() {
            let wait = world.chance.within(PINNED);
            world.is_due(wait, Due::Opens(index));
        }
        world.conductor.load();
        world.begin_probes();
        world
    }

    /// The clock goes on to `end`, stopping wherever something happens.
    pub(crate) fn run_to(&mut self, end: Timestamp) -> Checked {
        loop {
            let due = self.queue.peek().map(|Reverse((at, _))| *at);
            let deadline = self.conductor.cutover.next_deadline();
            let Some(next) = due.into_iter().chain(deadline).min().filter(|next| *next <= end)
            else {
                self.now = end;
                return Ok(());
            };
            self.now = next.max(self.now);
            if Some(next) == deadline {
                self.happen(Cause::Clock, |conductor, now| conductor.observe(now))?;
            } else if let Some(Reverse((_, due))) = self.queue.pop() {
                self.meet(due)?;
            }
        }
    }

    /// The release file is saved.
    pub(crate) fn save(&mut self, spec: ServiceSpec) -> Checked {
        self.happen(Cause::Edit, |conductor, now| conductor.save(now, spec))
    }

    /// The release file is saved without the service.
    pub(crate) fn vanish(&mut self) -> Checked {
        self.happen(Cause::Edit, |conductor, now| conductor.vanish(now))
    }

    /// A name was looked up that a pool points to.
    pub(crate) fn resolve(&mut self, name: DnsName, found: Resolution) -> Checked {
        self.tell(|| format!("{name} is {found:?}"));
        self.seen.lookups += 1;
        self.happen(Cause::Lookup, |conductor, now| conductor.resolve(now, name, found))
    }

    /// Everything is frozen, or thaws.
    pub(crate) fn freeze(&mut self, frozen: bool) -> Checked {
        self.tell(|| format!("frozen: {frozen}"));
        self.happen(Cause::Clock, |conductor, now| conductor.freeze(now, frozen))
    }

    /// The daemon comes to doubt its probes, or no longer does.
    pub(crate) fn doubt(&mut self, doubted: bool) -> Checked {
        self.tell(|| format!("doubted: {doubted}"));
        self.happen(Cause::Clock, |conductor, now| conductor.doubt(now, doubted))
    }

    /// A person asks for something; true when it was done.
    pub(crate) fn ask(&mut self, verb: Verb, force: bool) -> Result<bool, String> {
        let rules: &[Rule] = if force { &Rule::ALL } else { &[] };
        let by = "alice".to_owned();
        let order = Order { verb, to: None, by, force: rules.iter().copied().collect() };
        let before = Stand::of(&self.conductor);
        let wanted = promises::rollback_is_done(&self.conductor, force);
        let cause = Cause::Asked { verb, force };
        let done = self.happen(cause, |conductor, now| conductor.ask(now, &order).is_ok())?;
        self.tell(|| {
            format!("{order} (force: {force}): {}", if done { "done" } else { "refused" })
        });
        if verb == Verb::Rollback && done != wanted {
            return Err(format!("rollback in {}: done is {done}", before.phase));
        }
        if !done && Stand::of(&self.conductor) != before {
            return Err(format!("{} was refused and changed {before:?}", order.verb.name()));
        }
        self.seen.asked(verb, before.phase, done);
        Ok(done)
    }

    /// From now on probes of these endpoints fail, or pass.
    pub(crate) fn set_broken(&mut self, addresses: &[IpAddr], is_broken: bool) {
        self.tell(|| format!("{addresses:?} break: {is_broken}"));
        for address in addresses {
            match is_broken {
                true => self.broken.insert(*address),
                false => self.broken.remove(address),
            };
        }
        self.begin_probes();
    }

    /// All endpoints pass again.
    pub(crate) fn mend_all(&mut self) {
        self.broken.clear();
        self.begin_probes();
    }

    /// Adds to the story, if there is one.
    pub(crate) fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            let after = self.now.since(START).as_secs_f64();
            story.push(format!("{after:12.6} s  {}", line()));
        }
    }

    /// Hands something to the conductor, and looks at everything.
    fn happen<T>(
        &mut self,
        cause: Cause,
        what: impl FnOnce(&mut Conductor, Timestamp) -> T,
    ) -> Result<T, String> {
        let before = Stand::of(&self.conductor);
        let done = what(&mut self.conductor, self.now);
        let told = std::mem::take(&mut self.conductor.told);
        for transition in &told {
            self.tell(|| format!("{} → {}: {}", transition.from, transition.to, transition.why));
            self.seen.transition(transition);
        }
        if self.conductor.stores > before.stores {
            if self.story.is_some() {
                let shown = promises::shown(&self.conductor);
                self.tell(|| format!("stored: {shown}"));
            }
            let published = self.conductor.published.as_ref();
            let stands_in = published.is_some_and(|answering| answering.basis != Basis::Live);
            self.seen.fallbacks += u64::from(stands_in);
            self.begin_load();
        }
        self.promises.check(self.now, cause, &before, &told, &self.conductor)?;
        let Self { conductor, caches, browsers, seen, .. } = self;
        Caches { conductor, caches, browsers }.check(self.now, cause, &before, &told, seen)?;
        self.begin_probes();
        self.begin_to_find();
        Ok(done)
    }

    fn meet(&mut self, due: Due) -> Checked {
        match due {
            Due::Asks(index) => self.cache_asks(index),
            Due::Opens(index) => self.browser_opens(index),
            Due::Probes => self.probe(),
            Due::Finds => self.find(),
            Due::Loads => {
                self.conductor.load();
                Ok(())
            }
            Due::Looks => {
                if self.happen(Cause::Clock, |conductor, now| conductor.look(now))? {
                    self.is_due(LOOK_AGAIN, Due::Looks);
                }
                Ok(())
            }
        }
    }

    fn cache_asks(&mut self, index: usize) -> Checked {
        if self.caches[index].holds(self.now).is_none() {
            self.fill(index)?;
        }
        let until_empty = match self.caches[index].holds(self.now) {
            Some(held) => held.expires.since(self.now),
            None => Duration::ZERO,
        };
        let wait = self.chance.wait(self.caches[index].per_second);
        self.is_due(until_empty + wait, Due::Asks(index));
        Ok(())
    }

    fn browser_opens(&mut self, index: usize) -> Checked {
        let Browser { behind, per_second, .. } = self.browsers[index];
        if self.caches[behind].holds(self.now).is_none() {
            self.fill(behind)?;
        }
        let pinned = |held| Held { expires: self.now + PINNED, ..held };
        self.browsers[index].held = self.caches[behind].holds(self.now).map(pinned);
        let wait = PINNED + self.chance.wait(per_second);
        self.is_due(wait, Due::Opens(index));
        Ok(())
    }

    /// A cache asks, and keeps what it is answered.
    fn fill(&mut self, index: usize) -> Checked {
        let Cache { network, family, keeping, .. } = self.caches[index];
        self.seen.answers += 1;
        let chance = self.chance.number();
        self.caches[index].held =
            match answers::given(&self.conductor, network, family, self.now, chance)? {
                // SERVFAIL is not kept.
                None => None,
                Some(given) => {
                    let generation = self.conductor.sent(self.now, given.pool, given.ttl);
                    let ttl = Duration::from_secs(given.ttl.into());
                    let expires = keeping.expiry(self.now, ttl);
                    Some(Held { pool: given.pool, generation, expires })
                }
            };
        Ok(())
    }

    /// Endpoints are probed, unless the outcome is known to change nothing: it is the verdict, and
    /// was the last outcome too.
    fn probe(&mut self) -> Checked {
        let mut tries = Vec::new();
        for address in self.conductor.cutover.addresses() {
            let passes = !self.broken.contains(&address);
            if self.conductor.health.tracker(address).is_some_and(|t| is_open(t, passes)) {
                tries.push((address, passes));
            }
        }
        self.is_probing = !tries.is_empty();
        let Some(probe) = self.conductor.cutover.spec().probe.spec() else { return Ok(()) };
        if !tries.is_empty() {
            self.is_due(probe.interval, Due::Probes);
        }
        for (address, passes) in tries {
            if self.conductor.tried(self.now, address, passes) {
                self.happen(Cause::Verdict, |conductor, now| conductor.observe(now))?;
            }
        }
        Ok(())
    }

    fn begin_probes(&mut self) {
        if !self.is_probing
            && let Some(probe) = self.conductor.cutover.spec().probe.spec()
        {
            let wait = self.chance.within(probe.interval);
            self.is_due(wait, Due::Probes);
            self.is_probing = true;
        }
    }

    /// What the release wants to know by now is found out.
    fn find(&mut self) -> Checked {
        self.is_finding = false;
        let Self { now, conductor, promises, chance, is_all_good, .. } = self;
        let Some(wanted) = conductor.cutover.wanted(&conductor.health) else { return Ok(()) };
        let found = promises.log.find(*now, &wanted, conductor, chance, *is_all_good);
        self.tell(|| found);
        self.happen(Cause::Verdict, |conductor, now| conductor.observe(now))
    }

    fn begin_to_find(&mut self) {
        let is_wanted = self.conductor.cutover.wanted(&self.conductor.health).is_some();
        if is_wanted && !self.is_finding {
            let ttl = self.conductor.cutover.spec().ttl.duration();
            let wait = self.chance.within(ttl) + Duration::from_millis(1);
            self.is_due(wait, Due::Finds);
            self.is_finding = true;
        }
    }

    fn begin_load(&mut self) {
        let wait = self.chance.within(self.lag);
        match wait.is_zero() {
            true => self.conductor.load(),
            false => self.is_due(wait, Due::Loads),
        }
        self.is_due(wait + LOOK_AGAIN, Due::Looks);
    }

    fn is_due(&mut self, wait: Duration, due: Due) {
        self.queue.push(Reverse((self.now + wait, due)));
    }
}

/// Whether one more such outcome may change something.
fn is_open(tracker: &Tracker, passes: bool) -> bool {
    let agrees = tracker.verdict() == if passes { Verdict::Up } else { Verdict::Down };
    let repeats = tracker.last().is_some_and(|last| last.result.is_ok() == passes);
    !(agrees && repeats)
}
