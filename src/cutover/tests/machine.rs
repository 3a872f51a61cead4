//! Random sequences of events: what must hold whatever happens.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use proptest::prelude::*;

use super::{
    super::{
        Answered, Basis,
        phase::{Phase, Release},
    },
    Event, Rule, Sim, Transition, Verb, Wanted,
    edges::{Cause, EDGES},
    file,
    instants::instants_are_kept,
    limits::{Limits, limits},
    secs,
};
use crate::{
    health::Verdict,
    model::{Endpoint, FailPolicy, Percent, Pool, PoolName, Timestamp},
};

const POOLS: [&str; 3] = ["v1", "v2", "v3"];
/// What the file may ask for.
const LIVE: [&str; 6] = ["v1", "v2", "v3", "v1:90+v2:10", "v1:1+v2:1", "v2:3+v3:1"];
const POLICIES: [FailPolicy; 3] = [FailPolicy::Previous, FailPolicy::Open, FailPolicy::Closed];
/// The phases of a step.
const IN_STEPS: [&str; 5] = ["Shifting", "Settling", "Judging", "Waiting", "Paused"];
/// More than any chain of edges needs.
const TRANSITIONS_MAX: usize = 8;

#[derive(Clone, Debug)]
enum Happens {
    Saved {
        live: usize,
        ttl: u64,
        min_up: u8,
        policy: usize,
        hosts: Vec<u8>,
        gone: Option<usize>,
        shares: Vec<u8>,
        limits: Limits,
    },
    Asked {
        verb: usize,
        forced: bool,
    },
    Frozen(bool),
    Doubted(bool),
    Vanished,
    Tried {
        host: u8,
        passes: bool,
        times: u32,
    },
    Passed {
        secs: u64,
    },
    DeadlineCame,
    Stored,
    Restarted,
    /// Tables that were replaced go on being answered from, or no longer do.
    Lingers(bool),
}

fn happens() -> impl Strategy<Value = Happens> {
    let hosts = prop::sample::subsequence(vec![1, 2, 3, 7, 8], 1..4);
    let shares = prop::sample::subsequence(vec![1, 10, 50, 99], 0..4);
    let gone = prop::option::of(0..3usize);
    let saved = (0..LIVE.len(), 1..100u64, 1..=100u8, 0..3usize, hosts, gone, shares, limits());
    prop_oneof![
        3 => saved.prop_map(|(live, ttl, min_up, policy, hosts, gone, shares, limits)| {
            Happens::Saved { live, ttl, min_up, policy, hosts, gone, shares, limits }
        }),
        2 => (0..Verb::ALL.len(), any::<bool>())
            .prop_map(|(verb, forced)| Happens::Asked { verb, forced }),
        1 => any::<bool>().prop_map(Happens::Frozen),
        1 => any::<bool>().prop_map(Happens::Doubted),
        1 => Just(Happens::Vanished),
        8 => (1..9u8, any::<bool>(), 1..4u32)
            .prop_map(|(host, passes, times)| Happens::Tried { host, passes, times }),
        2 => (0..400u64).prop_map(|secs| Happens::Passed { secs }),
        3 => Just(Happens::DeadlineCame),
        4 => Just(Happens::Stored),
        1 => Just(Happens::Restarted),
        1 => any::<bool>().prop_map(Happens::Lingers),
    ]
}

/// What the properties need to remember: hosts that were ever up, pools that ever baked.
struct Watcher {
    sim: Sim,
    last_step: Option<Timestamp>,
    proven: BTreeSet<u8>,
    baked: BTreeSet<String>,
}

impl Watcher {
    fn new() -> Self {
        let mut sim = Sim::adopt(file("v1").bake(30));
        sim.publishes = false;
        let baked = BTreeSet::from(["v1".to_owned()]);
        Self { sim, last_step: None, proven: BTreeSet::from([1, 2]), baked }
    }

    fn happen(&mut self, what: Happens) {
        match what {
            Happens::Saved { live, ttl, min_up, policy, hosts, gone, shares, limits } => {
                let wanted = file(LIVE[live]).bake(30).ttl(ttl).min_up(min_up);
                let steps: Vec<(u8, u64)> = shares.into_iter().map(|share| (share, 20)).collect();
                let wanted = wanted.policy(POLICIES[policy]).pool("v1", &hosts).ramp(&steps);
                let wanted = limits.within(wanted);
                self.save(match gone {
                    Some(gone) if !LIVE[live].contains(POOLS[gone]) => wanted.without(POOLS[gone]),
                    _ => wanted,
                });
            }
            Happens::Asked { verb, forced } => {
                let (verb, rules) = (Verb::ALL[verb], if forced { &Rule::ALL[..] } else { &[] });
                // What is refused changes nothing, which is looked at in `verbs`.
                self.watch(Cause::Asked(verb, forced), |sim| drop(sim.ask_breaking(verb, rules)));
            }
            Happens::Frozen(frozen) => self.watch(Cause::Other, |sim| sim.set_frozen(frozen)),
            Happens::Doubted(doubted) => {
                self.watch(Cause::Other, |sim| sim.set_doubted(doubted));
            }
            Happens::Vanished => self.event(Event::Vanished),
            Happens::Tried { host, passes, times } => {
                (0..times).for_each(|_| self.tried(host, passes));
            }
            Happens::Passed { secs: count } => {
                self.sim.now = self.sim.now + secs(count);
                self.event(Event::Observed);
            }
            Happens::DeadlineCame => {
                self.sim.now = self.sim.cutover.next_deadline().unwrap_or(self.sim.now);
                self.event(Event::Observed);
            }
            Happens::Stored => self.event(Event::Published),
            Happens::Restarted => self.restart(),
            Happens::Lingers(lingers) => {
                self.sim.lingers = lingers;
                self.event(Event::Observed);
            }
        }
    }

    /// It comes back where it was, and nothing is answered but what had clients.
    fn restart(&mut self) {
        let is_on_trial = |sim: &Sim| sim.cutover.phase().is_on_trial();
        let stands = |sim: &Sim| {
            let phase = sim.cutover.phase();
            let pools = [phase.serving(), phase.main()].map(|pool| pool.clone());
            let release = phase.release().map(|release| release.id);
            (pools, phase.share(), release, is_on_trial(sim), sim.cutover.is_orphaned())
        };
        let (before, phase) = (stands(&self.sim), self.sim.phase());
        self.sim.restart();
        self.sim.told.clear();
        assert_eq!(stands(&self.sim), before);
        let is_probed_again = (phase, self.sim.phase()) == ("Waiting", "Probing");
        assert!(is_on_trial(&self.sim) || is_probed_again || self.sim.phase() == phase);
        assert_ne!(self.sim.phase(), "Judging", "caches may hold something else");
        // What had clients has passed before.
        let verdict = |host| self.sim.health.verdict(super::address(host));
        self.proven.extend((1..9).filter(|host| verdict(*host) == Verdict::Presumed));
        self.event(Event::Observed);
    }

    fn save(&mut self, wanted: Wanted) {
        self.event(Event::Desired(std::sync::Arc::new(wanted.0)));
        self.sim.retarget();
        self.event(Event::Observed);
    }

    fn tried(&mut self, host: u8, passes: bool) {
        self.watch(Cause::Other, |sim| sim.observe(host, passes));
        // The sim has told the machine of a changed verdict; once more must do no harm.
        self.event(Event::Observed);
    }

    fn event(&mut self, event: Event) {
        let cause = match event {
            Event::Published => Cause::Stored,
            Event::Desired(_) => Cause::Saved,
            _ => Cause::Other,
        };
        self.watch(cause, |sim| sim.handle(event));
    }

    /// Lets something happen and looks at everything.
    fn watch(&mut self, cause: Cause, happens: impl FnOnce(&mut Sim)) {
        let before = self.sim.cutover.phase().clone();
        happens(&mut self.sim);
        let is_up = |host: &u8| self.sim.health.verdict(super::address(*host)) == Verdict::Up;
        self.proven.extend((1..9).filter(is_up));
        let told = std::mem::take(&mut self.sim.told);
        assert!(told.len() <= TRANSITIONS_MAX, "{told:#?}");
        let moved =
            told.iter().any(|t| t.from == "Shifting" && matches!(t.to, "Baking" | "Settling"));
        assert!(matches!(cause, Cause::Stored | Cause::Saved) || !moved, "{told:#?}");
        self.shares_grow_by_judged_steps(cause, before.share(), &told);
        self.steps_are_taken_when_they_may(cause, &before, &told);
        instants_are_kept(&self.sim, &before, &told);
        self.last_step = if moved { Some(self.sim.now) } else { self.last_step };
        self.edges_are_allowed(&told, &before.serving().to_string());
        self.left_pools_are_out_of_caches(&told, before.release());
        self.only_baked_pools_are_gone_back_to();
        self.there_is_a_way_back();
        self.the_gate_was_passed();
        self.answers_are_sound();
        let next = self.sim.cutover.next_deadline();
        assert!(next.is_none_or(|next| next > self.sim.now), "the next deadline has passed");
    }

    fn edges_are_allowed(&mut self, told: &[Transition], before: &str) {
        for edge in told.iter().map(|transition| (transition.from, transition.to)) {
            let known = EDGES.iter().any(|(from, to)| *from == edge.0 && to.contains(&edge.1));
            assert!(known, "{edge:?}");
        }
        let serving = self.sim.cutover.phase().serving().to_string();
        let moves = |transition: &Transition| matches!(transition.to, "Shifting" | "RollingBack");
        // A share of the clients goes back to where the others are.
        let gives_back = |t: &Transition| {
            IN_STEPS.contains(&t.from) && matches!(t.to, "Probing" | "Baking" | "Paused")
        };
        // A bake that is being replaced turned out bad: its release ends, the next goes on.
        let safe = self.sim.cutover.phase().release().map(|release| release.safe.to_string());
        let left =
            |t: &Transition| matches!(t.from, "Probing" | "Waiting" | "Paused") && t.to == t.from;
        let gave_up = told.iter().any(left) && safe.as_ref() == Some(&serving);
        let moved = told.is_empty()
            || told.iter().any(moves)
            || told.iter().any(gives_back)
            || gave_up
            || serving == before;
        assert!(moved, "from {before} to {serving} by {told:#?}");
        let done = |transition: &Transition| transition.to == "Draining";
        if told.iter().any(done) {
            self.baked.insert(serving);
        }
    }

    /// The share of the new pool grows only when the step before has been judged, and is the only one
    /// that a release begins with.
    fn shares_grow_by_judged_steps(&self, cause: Cause, before: Percent, told: &[Transition]) {
        let after = self.sim.cutover.phase().share();
        let judged =
            told.iter().any(|t| matches!(t.from, "Judging" | "Waiting") && t.to == "Shifting");
        let promoted = matches!(cause, Cause::Asked(Verb::Promote, _));
        let left = |t: &Transition| {
            let given_back = matches!(t.to, "Probing" | "Baking" | "Paused" | "RollingBack");
            IN_STEPS.contains(&t.from) && given_back
        };
        assert!(
            after <= before || judged || promoted || told.iter().any(left),
            "{before} to {after}: {told:#?}"
        );
    }

    /// Not in a pause or a freeze, without data, outside the windows, too soon, before the instant of
    /// the release, nor with less of the pool up than is asked for; unless a person wants it so.
    fn steps_are_taken_when_they_may(&self, cause: Cause, before: &Phase, told: &[Transition]) {
        let promoted = matches!(cause, Cause::Asked(Verb::Promote, _));
        let goes_on = told.iter().any(|t| matches!(t.to, "Shifting" | "Draining"));
        let lacks_data = self.sim.health.lacks_data().is_some();
        assert!(promoted || !lacks_data || !goes_on, "{told:#?}");
        let is_stopped = match before {
            Phase::Paused(paused) => !paused.lacks_data() || lacks_data,
            _ => false,
        };
        let awake = promoted || matches!(cause, Cause::Asked(Verb::Resume, _)) || !is_stopped;
        assert!(awake || !goes_on, "{told:#?}");
        let Some(step) = told.iter().find(|t| t.to == "Shifting") else { return };
        if cause == Cause::Asked(Verb::Promote, true) {
            return;
        }
        let (cutover, now) = (&self.sim.cutover, self.sim.now);
        let policy = &cutover.spec().release;
        let is_first = step.from == "Probing" || before.share() == Percent::ALL;
        assert!(promoted || !is_first || policy.at.is_none_or(|at| at <= now), "{told:#?}");
        assert!(self.sim.freeze.is_none(), "{told:#?}");
        assert_eq!(policy.windows.next_opening(now), now, "{told:#?}");
        let next = self.last_step.map(|last| last + policy.min_change_interval);
        assert!(next.is_none_or(|next| next <= now), "{told:#?}");
        let release = cutover.phase().release().expect("a step is of a release");
        let is_ready = |pool: &Arc<Pool>| self.sim.health.tally(pool).is_ready(policy);
        assert!(release.to.gaining(&release.from).all(is_ready), "{told:#?}");
    }

    /// In every phase, though by force, but where it has been gone.
    fn there_is_a_way_back(&self) {
        let cutover = &self.sim.cutover;
        let Some(release) = cutover.phase().release() else { return };
        let mut back = Sim { cutover: cutover.clone(), ..self.sim.clone() };
        let result = back.ask_breaking(Verb::Rollback, &Rule::ALL);
        let phase = back.cutover.phase();
        assert!(result.is_ok() || matches!(phase.name(), "RollingBack" | "Failed"), "{phase:#?}");
        let serving = phase.serving().split();
        let good = [release.safe.split(), release.from.split()];
        assert!(good.contains(&serving), "{phase:#?}");
        assert_eq!(phase.share(), Percent::ALL, "{phase:#?}");
    }

    fn only_baked_pools_are_gone_back_to(&self) {
        let phase = self.sim.cutover.phase();
        let serving = phase.serving().to_string();
        if matches!(phase.name(), "Steady" | "Draining" | "RollingBack") {
            assert!(self.baked.contains(&serving), "{} with {serving}", phase.name());
        }
        if let Some(release) = phase.release() {
            assert!(self.baked.contains(&release.safe.to_string()), "{release:#?}");
        }
    }

    /// When a drain or a rollback says that it is over, it is.
    fn left_pools_are_out_of_caches(&self, told: &[Transition], release: Option<&Release>) {
        let Some(release) = release else { return };
        for transition in told {
            let left = match (transition.from, transition.to) {
                ("Draining", "Steady") => vec![&release.from, &release.safe],
                ("RollingBack", "Steady" | "Failed") => vec![&release.to],
                _ => continue,
            };
            let serving = self.sim.cutover.phase().serving().split();
            // Of a failed release, the pools may answer in place of what is down.
            let answering = self.sim.cutover.answering(&self.sim.health);
            let is_left =
                |pool: &&PoolName| !serving.has(pool) && answering.pools().all(|p| p != *pool);
            let left = left.into_iter().flat_map(|side| side.split().pools());
            for left in left.filter(is_left) {
                let horizon = self.sim.horizons.get(left).copied().unwrap_or_default();
                assert!(horizon <= self.sim.now, "{left} is in caches until {horizon}: {told:#?}");
            }
        }
    }

    /// Hosts that get clients by a release have passed; `Open` alone may answer others, and only
    /// when there is nothing else.
    fn the_gate_was_passed(&self) {
        let (_, hosts, basis) = self.sim.answers();
        if matches!(basis, Basis::Live | Basis::Previous) {
            let unproven = hosts.iter().find(|host| !self.proven.contains(host));
            assert_eq!(unproven, None, "gets clients and has never passed");
        }
    }

    fn answers_are_sound(&self) {
        let answering = self.sim.cutover.answering(&self.sim.health);
        let is_eligible = |e: &Endpoint| self.sim.health.verdict(e.address()).is_eligible();
        let is_empty = |part: &Answered| part.endpoints.is_empty();
        assert!(!answering.parts.is_empty());
        match answering.basis {
            Basis::Closed => assert!(answering.parts.iter().any(|part| !part.lost.is_empty())),
            _ => assert!(!answering.parts.iter().any(is_empty)),
        }
        if matches!(answering.basis, Basis::Live | Basis::Previous) {
            assert!(answering.endpoints().all(is_eligible));
        }
        let probed = self.sim.cutover.addresses();
        assert!(answering.endpoints().all(|e| probed.contains(&e.address())));
        if let Some(moved) = &answering.moved {
            assert!(!moved.parts.is_empty() && !moved.parts.iter().any(is_empty));
            assert!(moved.parts.iter().flat_map(|part| &part.endpoints).all(is_eligible));
            assert_ne!(self.sim.cutover.phase().serving().split(), &answering.split);
        }
        let shares: u32 = answering.shares().values().map(|share| u32::from(*share)).sum();
        assert_eq!(shares, 100);
        self.one_pool_has_one_content();
    }

    /// Or else one tally and one horizon would count for two.
    fn one_pool_has_one_content(&self) {
        let mut contents = BTreeMap::new();
        for pool in self.sim.cutover.phase().pools() {
            assert_eq!(*contents.entry(&pool.name).or_insert(pool), pool);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_happens_the_machine_keeps_its_word(events in prop::collection::vec(happens(), 1..60)) {
        let mut watcher = Watcher::new();
        events.into_iter().for_each(|what| watcher.happen(what));
    }

    /// The gate, exactly: when the answers move, as many hosts are up as the file asks for.
    #[test]
    fn the_answers_move_when_enough_hosts_are_up_and_not_before(
        min_up in 1..=100u8,
        tries in prop::collection::vec((3..=4u8, any::<bool>()), 1..40),
    ) {
        let mut sim = Sim::adopt(file("v1").min_up(min_up));
        sim.publishes = false;
        sim.save(file("v2").min_up(min_up));
        for (host, passes) in tries {
            let was_probing = sim.phase() == "Probing";
            sim.observe(host, passes);
            let up = [3, 4].map(|host| sim.health.verdict(super::address(host)) == Verdict::Up);
            let count = up.iter().filter(|&&up| up).count();
            let enough = count * 100 >= usize::from(min_up) * up.len();
            if was_probing {
                prop_assert_eq!(sim.phase() == "Shifting", enough, "{} of 2 up", count);
            }
        }
    }
}
