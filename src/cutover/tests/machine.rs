//! Random sequences of events: what must hold whatever happens.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{
    super::{Answered, Basis, phase::Release},
    Event, Sim, Transition, Wanted, file, secs,
};
use crate::{
    health::Verdict,
    model::{Endpoint, FailPolicy, Percent},
};

const POOLS: [&str; 3] = ["v1", "v2", "v3"];
/// What the file may ask for.
const LIVE: [&str; 6] = ["v1", "v2", "v3", "v1:90+v2:10", "v1:1+v2:1", "v2:3+v3:1"];
const POLICIES: [FailPolicy; 3] = [FailPolicy::Previous, FailPolicy::Open, FailPolicy::Closed];
/// The phases of a step.
const IN_STEPS: [&str; 3] = ["Shifting", "Settling", "Judging"];
/// More than any chain of edges needs.
const TRANSITIONS_MAX: usize = 8;

/// Every edge that may be taken.
const EDGES: [(&str, &str); 32] = [
    ("Steady", "Probing"),
    ("Probing", "Steady"),
    ("Probing", "Probing"),
    ("Probing", "Shifting"),
    ("Probing", "Baking"),
    ("Probing", "RollingBack"),
    ("Probing", "Failed"),
    ("Shifting", "Probing"),
    ("Shifting", "Baking"),
    ("Shifting", "RollingBack"),
    ("Shifting", "Settling"),
    ("Settling", "Settling"),
    ("Settling", "Judging"),
    ("Settling", "Probing"),
    ("Settling", "Baking"),
    ("Settling", "RollingBack"),
    ("Judging", "Judging"),
    ("Judging", "Shifting"),
    ("Judging", "Probing"),
    ("Judging", "Baking"),
    ("Judging", "RollingBack"),
    ("Baking", "Baking"),
    ("Baking", "Probing"),
    ("Baking", "Draining"),
    ("Baking", "RollingBack"),
    ("Draining", "Probing"),
    ("Draining", "Steady"),
    ("Draining", "RollingBack"),
    ("RollingBack", "Probing"),
    ("RollingBack", "Steady"),
    ("RollingBack", "Failed"),
    ("Failed", "Probing"),
];
/// Out of `Failed`: by an edit back to the pool that answers, or because what was left answering
/// had not finished its bake.
const EDGES_OUT_OF_FAILED: [(&str, &str); 3] =
    [("Failed", "Steady"), ("Failed", "Baking"), ("Failed", "RollingBack")];

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
    },
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
}

fn happens() -> impl Strategy<Value = Happens> {
    let hosts = prop::sample::subsequence(vec![1, 2, 3, 7, 8], 1..4);
    let shares = prop::sample::subsequence(vec![1, 10, 50, 99], 0..4);
    let gone = prop::option::of(0..3usize);
    let saved = (0..LIVE.len(), 1..100u64, 1..=100u8, 0..3usize, hosts, gone, shares);
    prop_oneof![
        3 => saved.prop_map(|(live, ttl, min_up, policy, hosts, gone, shares)| {
            Happens::Saved { live, ttl, min_up, policy, hosts, gone, shares }
        }),
        1 => Just(Happens::Vanished),
        8 => (1..9u8, any::<bool>(), 1..4u32)
            .prop_map(|(host, passes, times)| Happens::Tried { host, passes, times }),
        2 => (0..400u64).prop_map(|secs| Happens::Passed { secs }),
        3 => Just(Happens::DeadlineCame),
        4 => Just(Happens::Stored),
        1 => Just(Happens::Restarted),
    ]
}

/// What the properties need to remember: hosts that were ever up, pools that ever baked.
struct Watcher {
    sim: Sim,
    proven: BTreeSet<u8>,
    baked: BTreeSet<String>,
}

impl Watcher {
    fn new() -> Self {
        let mut sim = Sim::adopt(file("v1").bake(30));
        sim.publishes = false;
        let baked = BTreeSet::from(["v1".to_owned()]);
        Self { sim, proven: BTreeSet::from([1, 2]), baked }
    }

    fn happen(&mut self, what: Happens) {
        match what {
            Happens::Saved { live, ttl, min_up, policy, hosts, gone, shares } => {
                let wanted = file(LIVE[live]).bake(30).ttl(ttl).min_up(min_up);
                let steps: Vec<(u8, u64)> = shares.into_iter().map(|share| (share, 20)).collect();
                let wanted = wanted.policy(POLICIES[policy]).pool("v1", &hosts).ramp(&steps);
                self.save(match gone {
                    Some(gone) if !LIVE[live].contains(POOLS[gone]) => wanted.without(POOLS[gone]),
                    _ => wanted,
                });
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
        }
    }

    /// It comes back where it was, and nothing is answered but what had clients.
    fn restart(&mut self) {
        let is_on_trial = |sim: &Sim| IN_STEPS.contains(&sim.phase()) || sim.phase() == "Baking";
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
        assert!(is_on_trial(&self.sim) || self.sim.phase() == phase);
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
        self.sim.observe(host, passes);
        if self.sim.health.verdict(super::address(host)) == Verdict::Up {
            self.proven.insert(host);
        }
        // The sim has told the machine of a changed verdict; once more must do no harm.
        self.event(Event::Observed);
    }

    /// Hands over one event and looks at everything.
    fn event(&mut self, event: Event) {
        let (stored, saved) =
            (matches!(event, Event::Published), matches!(event, Event::Desired(_)));
        let before = self.sim.cutover.phase().serving().to_string();
        let share = self.sim.cutover.phase().share();
        let release = self.sim.cutover.phase().release().cloned();
        self.sim.handle(event);
        let told = std::mem::take(&mut self.sim.told);
        assert!(told.len() <= TRANSITIONS_MAX, "{told:#?}");
        let moved =
            told.iter().any(|t| t.from == "Shifting" && matches!(t.to, "Baking" | "Settling"));
        assert!(stored || saved || !moved, "{told:#?}");
        self.shares_grow_by_judged_steps(share, &told);
        self.edges_are_allowed(&told, &before);
        self.left_pools_are_out_of_caches(&told, release.as_ref());
        self.only_baked_pools_are_gone_back_to();
        self.the_gate_was_passed();
        self.answers_are_sound();
        let next = self.sim.cutover.next_deadline();
        assert!(next.is_none_or(|next| next > self.sim.now), "the next deadline has passed");
    }

    fn edges_are_allowed(&mut self, told: &[Transition], before: &str) {
        for edge in told.iter().map(|transition| (transition.from, transition.to)) {
            assert!(EDGES.contains(&edge) || EDGES_OUT_OF_FAILED.contains(&edge), "{edge:?}");
        }
        let serving = self.sim.cutover.phase().serving().to_string();
        let moves = |transition: &Transition| matches!(transition.to, "Shifting" | "RollingBack");
        // A share of the clients goes back to where the others are.
        let gives_back =
            |t: &Transition| IN_STEPS.contains(&t.from) && matches!(t.to, "Probing" | "Baking");
        // A bake that is being replaced turned out bad: its release ends, the next goes on.
        let safe = self.sim.cutover.phase().release().map(|release| release.safe.to_string());
        let left = |t: &Transition| (t.from, t.to) == ("Probing", "Probing");
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
    fn shares_grow_by_judged_steps(&self, before: Percent, told: &[Transition]) {
        let after = self.sim.cutover.phase().share();
        let judged = told.iter().any(|t| (t.from, t.to) == ("Judging", "Shifting"));
        let left = |t: &Transition| {
            IN_STEPS.contains(&t.from) && matches!(t.to, "Probing" | "Baking" | "RollingBack")
        };
        assert!(
            after <= before || judged || told.iter().any(left),
            "{before} to {after}: {told:#?}"
        );
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
            let left = left.into_iter().flat_map(|side| side.split().pools());
            for left in left.filter(|pool| !serving.has(pool)) {
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
