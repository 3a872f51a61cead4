//! What the daemon does between the machine, the table and the caches, in few lines: the same steps
//! in the same order as `daemon::conductor` and `daemon::caches`, for one service and one worker.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc, time::Duration};

use cutover::{
    cutover::{
        Answered, Answering, CACHE_CLOCK, Cutover, Event, Facts, Horizons, Order, Refusal,
        Transition,
    },
    health::{Outcome, ServiceHealth, Verdict},
    model::{
        ClientNetwork, DnsName, Family, Freeze, PoolName, Resolution, ServiceSpec, Start,
        Timestamp, Timing, Ttl, ZoneSpec,
    },
    table::{Answer, Change, Part, Question, ServiceRecords, Shares, Shift, Table, Tally},
};

/// One service, as the daemon holds it.
pub(crate) struct Conductor {
    pub(crate) cutover: Cutover,
    pub(crate) health: ServiceHealth,
    /// What was told of the machine since this was last looked at.
    pub(crate) told: Vec<Transition>,
    /// How many tables have been stored in all.
    pub(crate) stores: u64,
    /// What the stored table answers.
    pub(crate) published: Option<Answering>,
    /// What each table has answered, the first one first.
    answered: Vec<Answering>,
    stored: Arc<Table>,
    /// The table that the worker answers from: the stored one, or one before it.
    loaded: Arc<Table>,
    leaving: Vec<(Arc<Table>, Ttl)>,
    tallies: Vec<Counted>,
    unknown_until: Timestamp,
    pub(crate) freeze: Option<Freeze>,
}

/// What a number of the table stands for.
struct Counted {
    pool: PoolName,
    is_kept: bool,
    /// The latest instant at which a cache can hold it, as far as answers have been sent.
    horizon: Timestamp,
}

impl Conductor {
    /// The first release file that is ever read: what answered before is not known.
    pub(crate) fn adopt(now: Timestamp, spec: ServiceSpec) -> Self {
        let spec = Arc::new(spec);
        let mut health = ServiceHealth::default();
        let live = spec.live_pools().flat_map(|pool| pool.addresses());
        health.retarget(now, &spec.probe, live, Verdict::Presumed);
        let table = Arc::new(Table::new(&zone(&spec), (1, 2), now.unix_secs()));
        let unknown_until = now + spec.ttl.duration() + CACHE_CLOCK;
        let mut conductor = Self {
            cutover: Cutover::adopt(spec),
            health,
            told: Vec::new(),
            stores: 0,
            published: None,
            answered: Vec::new(),
            stored: table.clone(),
            loaded: table,
            leaving: Vec::new(),
            tallies: Vec::new(),
            unknown_until,
            freeze: None,
        };
        conductor.retarget(now);
        conductor.publish(now);
        conductor
    }

    /// The release file was read.
    pub(crate) fn save(&mut self, now: Timestamp, spec: ServiceSpec) {
        self.handle(now, Event::Desired(Arc::new(spec)));
        self.handle(now, Event::Observed);
        self.publish(now);
    }

    /// A name was looked up that a pool points to.
    pub(crate) fn resolve(&mut self, now: Timestamp, name: DnsName, found: Resolution) {
        self.handle(now, Event::Resolved(name, found));
        self.observe(now);
    }

    /// A release file was read that does not name the service.
    pub(crate) fn vanish(&mut self, now: Timestamp) {
        self.handle(now, Event::Vanished);
        self.publish(now);
    }

    /// A deadline came.
    pub(crate) fn observe(&mut self, now: Timestamp) {
        self.handle(now, Event::Observed);
        self.publish(now);
    }

    /// The global stop begins, or ends.
    pub(crate) fn freeze(&mut self, now: Timestamp, frozen: bool) {
        let freeze = Freeze { by: "bob".to_owned(), reason: None, since: now };
        self.freeze = frozen.then_some(freeze);
        self.observe(now);
    }

    /// Every probe of every pool comes to fail, or something passes again.
    pub(crate) fn doubt(&mut self, now: Timestamp, doubted: bool) {
        self.health.set_doubted(doubted.then_some(now));
        self.observe(now);
    }

    /// An endpoint was probed; true when that changed its verdict.
    pub(crate) fn tried(&mut self, now: Timestamp, address: IpAddr, passes: bool) -> bool {
        let result = if passes { Ok(()) } else { Err(String::new()) };
        let outcome = Outcome { latency: Duration::ZERO, result, warning: None };
        if !passes && self.health.lacks_data().is_some() {
            self.health.doubt(address, outcome);
            return false;
        }
        self.health.observe(now, address, outcome)
    }

    /// A person asks for something.
    pub(crate) fn ask(&mut self, now: Timestamp, order: &Order) -> Result<(), Refusal> {
        let horizons = self.horizons(now);
        let freeze = self.freeze.as_ref();
        let facts = Facts { health: &self.health, horizons: &horizons, freeze };
        self.told.extend(self.cutover.ask(now, order, facts)?);
        self.retarget(now);
        self.publish(now);
        Ok(())
    }

    /// The worker takes the stored table for the questions that come from now on.
    pub(crate) fn load(&mut self) {
        self.loaded = self.stored.clone();
    }

    /// Looks whether tables that were replaced are still answered from; true if some are.
    pub(crate) fn look(&mut self, now: Timestamp) -> bool {
        let before = self.leaving.len();
        self.leaving.retain_mut(|(table, _)| Arc::get_mut(table).is_none());
        if self.leaving.len() < before {
            self.observe(now);
        }
        !self.leaving.is_empty()
    }

    /// What the worker answers; `chance` is what it would draw.
    pub(crate) fn answer(
        &self,
        client: ClientNetwork,
        family: Family,
        now: Timestamp,
        chance: u64,
    ) -> Answer<'_> {
        answer(&self.loaded, self.question(client, family), now, chance)
    }

    /// What the stored table says, whether the worker has loaded it or not; drawn always alike.
    pub(crate) fn stored_answer(&self, client: ClientNetwork, family: Family) -> Answer<'_> {
        answer(&self.stored, self.question(client, family), Timestamp::default(), 0)
    }

    /// Notes an answer that the worker has sent, and which table it was made from.
    pub(crate) fn sent(&mut self, now: Timestamp, tally: Tally, ttl: u32) -> u64 {
        let counted = &mut self.tallies[tally.0 as usize];
        counted.horizon = counted.horizon.max(now + Duration::from_secs(ttl.into()));
        self.loaded.generation()
    }

    /// What a table has answered; nothing of the one before the first.
    pub(crate) fn answered(&self, generation: u64) -> Option<&Answering> {
        self.answered.get(usize::try_from(generation).ok()?.checked_sub(2)?)
    }

    /// What the worker's table answers.
    pub(crate) fn loaded(&self) -> Option<&Answering> {
        self.answered(self.loaded.generation())
    }

    /// The number of the stored table.
    pub(crate) fn generation(&self) -> u64 {
        self.stored.generation()
    }

    /// The name of a pool that was answered.
    pub(crate) fn pool_of(&self, tally: Tally) -> &PoolName {
        &self.tallies[tally.0 as usize].pool
    }

    /// Until when caches may hold what was answered.
    pub(crate) fn horizons(&self, now: Timestamp) -> Horizons {
        let still_answered = self.leaving.iter().map(|(_, ttl)| now + ttl.duration() + CACHE_CLOCK);
        let floor = still_answered.max().unwrap_or_default().max(self.unknown_until);
        let kept = self.tallies.iter().filter(|t| t.is_kept && t.horizon > Timestamp::default());
        let mut known: BTreeMap<PoolName, Timestamp> =
            kept.map(|counted| (counted.pool.clone(), counted.horizon + CACHE_CLOCK)).collect();
        if let Some(answering) = &self.published {
            for pool in answering.pools() {
                let given_now = now + answering.ttl_max(now).duration() + CACHE_CLOCK;
                let horizon = known.entry(pool.clone()).or_default();
                *horizon = given_now.max(*horizon);
            }
        }
        Horizons::new(known, floor).unsettled(!self.leaving.is_empty())
    }

    /// The number that answers of a pool count for; a new one if it has none.
    pub(crate) fn tally(&mut self, pool: &PoolName) -> Tally {
        let kept = self.tallies.iter().position(|t| t.is_kept && t.pool == *pool);
        let index = kept.unwrap_or_else(|| {
            let horizon = Timestamp::default();
            self.tallies.push(Counted { pool: pool.clone(), is_kept: true, horizon });
            self.tallies.len() - 1
        });
        Tally(index as u32)
    }

    fn question(&self, client: ClientNetwork, family: Family) -> Question<'_> {
        const A: u16 = 1;
        const AAAA: u16 = 28;
        let kind = if family == Family::V4 { A } else { AAAA };
        Question { name: self.cutover.spec().owner.wire(), kind, client }
    }

    fn handle(&mut self, now: Timestamp, event: Event) {
        let horizons = self.horizons(now);
        let freeze = self.freeze.as_ref();
        let facts = Facts { health: &self.health, horizons: &horizons, freeze };
        self.told.extend(self.cutover.handle(now, event, facts));
        self.retarget(now);
    }

    fn retarget(&mut self, now: Timestamp) {
        let addresses = self.cutover.addresses();
        let spec = self.cutover.spec();
        self.health.retarget(now, &spec.probe, addresses, Verdict::Unproven);
        self.health.evidence.follow(self.cutover.scope(), &spec.release);
    }

    /// Stores what the machine wants answered, until it wants nothing else.
    fn publish(&mut self, now: Timestamp) {
        loop {
            let answering = self.cutover.answering(&self.health);
            if self.published.as_ref() != Some(&answering) {
                self.store(now, answering);
            }
            self.handle(now, Event::Published);
            if self.published.as_ref() == Some(&self.cutover.answering(&self.health)) {
                return;
            }
        }
    }

    fn store(&mut self, now: Timestamp, answering: Answering) {
        let owner = self.cutover.spec().owner.clone();
        let records = self.records(&answering);
        let change = Change { set: vec![(owner, records)], removed: Vec::new() };
        let next = self.stored.with(change, now.unix_secs());
        let before = std::mem::replace(&mut self.stored, Arc::new(next));
        self.stores += 1;
        let horizons = self.horizons(now);
        let off_after = self.cutover.spec().release.off_after();
        for counted in &mut self.tallies {
            let pool = &counted.pool;
            counted.is_kept &= horizons.of(pool) + off_after > now
                || self.cutover.holds(pool)
                || answering.pools().any(|it| it == pool);
        }
        self.answered.push(answering.clone());
        let left = self.published.replace(answering);
        self.leaving.extend(left.map(|left| (before, left.ttl_max(now))));
    }

    fn records(&mut self, answering: &Answering) -> ServiceRecords {
        let Answering { parts, ttl, moved, timed, spread, .. } = answering;
        let apart = match (moved, timed) {
            (Some(moved), _) => Some((&moved.parts, moved.share, moved.salt)),
            (None, timed) => timed.map(|timed| (parts, timed.share, timed.salt)),
        };
        let timing = timed.map(|timed| timed.timing).unwrap_or_default();
        let main: Vec<Part<'_>> =
            parts.iter().map(|it| self.part(it, *ttl, Timing::Lasting)).collect();
        let to: Option<Vec<Part<'_>>> =
            apart.map(|(parts, ..)| parts.iter().map(|it| self.part(it, *ttl, timing)).collect());
        let shift = apart.zip(to.as_ref());
        let shift = shift.map(|((_, share, salt), to)| Shift { to, share: share.into(), salt });
        let shares = Shares { parts: &main, shift, preview: None, spread: *spread };
        ServiceRecords::new(&self.cutover.spec().owner, &shares)
    }

    fn part<'a>(&mut self, answered: &'a Answered, ttl: Ttl, timing: Timing) -> Part<'a> {
        let Answered { pool, weight, endpoints, lost, .. } = answered;
        let tally = Some(self.tally(pool));
        Part { weight: *weight, lost, tally, timing, ..Part::new(pool, ttl, endpoints) }
    }
}

fn answer<'t>(table: &'t Table, question: Question<'_>, now: Timestamp, chance: u64) -> Answer<'t> {
    table.answer(question, now, || chance)
}

fn zone(spec: &ServiceSpec) -> ZoneSpec {
    let name = |text: &str| text.parse().expect("a name");
    let apex = "svc.example.test";
    debug_assert!(spec.owner.to_string().ends_with(apex));
    ZoneSpec {
        apex: name(apex),
        nameservers: vec![name("ns1.svc.example.test")],
        hostmaster: name("hostmaster.example.test"),
        start: Start::default(),
        records: Vec::new(),
    }
}
