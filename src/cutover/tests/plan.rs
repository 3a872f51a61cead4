//! What is foretold is what happens.

use std::sync::Arc;

use proptest::prelude::*;

use super::{
    super::{
        CACHE_CLOCK,
        plan::{Plan, Ruling, Shares, Subject, foretell},
    },
    Event, Sim, Timestamp, Verb, Wanted, at, file,
};

impl Sim {
    pub(super) fn plan(&self, wanted: &Wanted) -> Option<Plan> {
        let (cutover, health, horizons) = (self.cutover.clone(), self.health.clone(), self.known());
        let wanted = wanted.0.clone();
        let is_other = self.cutover.differs_from(&Arc::new(wanted.clone()));
        let wanted = is_other.then(|| Arc::new(wanted));
        let subject = Subject { cutover, health, horizons, wanted };
        let plans = foretell(self.now, &[subject], self.freeze.as_ref());
        plans.into_iter().next().flatten().filter(|_| is_other)
    }
}

fn texts(shares: &Shares) -> Vec<String> {
    shares.iter().map(|(pool, share)| format!("{pool} {share}")).collect()
}

#[test]
fn a_ramp_is_foretold_step_by_step() {
    let mut sim = Sim::proven(file("v1"));
    sim.run_to(10);
    let plan = sim.plan(&file("v2").ramp(&[(10, 20)]).bake(30)).expect("a release");
    assert_eq!(
        (texts(&plan.from), texts(&plan.to)),
        (vec!["v1 100".into()], vec!["v2 100".into()])
    );
    let steps: Vec<_> = plan.steps.iter().map(|s| (s.at, s.phase, texts(&s.shares))).collect();
    let (v1, both, v2) = (["v1 100"], ["v1 90", "v2 10"], ["v2 100"]);
    let step = |second, phase, shares: &[&str]| {
        (at(second), phase, shares.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(
        steps,
        [
            step(10, "Probing", &v1),
            step(10, "Shifting", &both),
            step(10, "Settling", &both),
            step(10 + 61, "Judging", &both),
            step(71 + 20, "Shifting", &v2),
            step(91, "Baking", &v2),
            step(91 + 30, "Draining", &v2),
            step(91 + 61, "Steady", &v2),
        ]
    );
    let left = &plan.left[0];
    assert_eq!((left.pool.as_str(), left.horizon, left.off_from), ("v1", at(152), at(212)));
    assert_eq!(sim.phase(), "Steady", "nothing was done");
}

#[test]
fn rules_say_what_holds_now() {
    let mut sim = Sim::proven(file("v1"));
    sim.down(&[2, 4]);
    let rules = |sim: &Sim, wanted: &Wanted| {
        let plan = sim.plan(wanted).expect("a release");
        let rule = |Ruling { name, holds, why }: Ruling| (name, holds, why);
        plan.rules.into_iter().map(rule).collect::<Vec<_>>()
    };
    let all = rules(&sim, &file("v2"));
    let names: Vec<&str> = all.iter().map(|(name, ..)| *name).collect();
    assert_eq!(names, ["freeze", "window", "interval", "health", "gate", "way back"]);
    assert_eq!(all[3], ("health", false, "1 of 2 endpoints of v2 are up (100% needed)".into()));
    assert_eq!(all[5], ("way back", true, "1 of 2 endpoints of v1 could take it".into()));
    assert!(all.iter().filter(|(_, holds, _)| !holds).count() == 1);
    sim.down(&[1]);
    sim.set_frozen(true);
    let all = rules(&sim, &file("v3").at(30));
    let broken: Vec<&str> =
        all.iter().filter(|(_, holds, _)| !holds).map(|(name, ..)| *name).collect();
    assert_eq!(broken, ["freeze", "at", "clean", "way back"]);
}

#[test]
fn a_freeze_and_an_instant_are_foretold() {
    let mut sim = Sim::proven(file("v1"));
    let phases = |plan: &Plan| plan.steps.iter().map(|s| (s.at, s.phase)).collect::<Vec<_>>();
    let timed = sim.plan(&file("v2").at(500)).expect("a release");
    assert_eq!(
        phases(&timed)[1..4],
        [(at(0), "Waiting"), (at(500), "Shifting"), (at(500), "Baking")]
    );
    sim.set_frozen(true);
    let frozen = sim.plan(&file("v2")).expect("a release");
    assert_eq!(phases(&frozen), [(at(0), "Probing"), (at(0), "Waiting")]);
    assert_eq!(frozen.from, frozen.to);
}

#[test]
fn the_gate_opens_when_the_last_endpoint_can_have_passed() {
    let mut sim = Sim::proven(file("v1"));
    sim.down(&[4]);
    let plan = sim.plan(&file("v2")).expect("a release");
    // The first try within a second, and as many more as it takes, five seconds apart.
    assert_eq!((plan.steps[1].phase, plan.steps[1].at), ("Shifting", at(1 + 2 * 5)));
    let late = sim.plan(&file("v2").deadline(5)).expect("a release");
    assert_eq!((late.steps[1].phase, late.steps[1].at), ("Failed", at(5)));
    assert_eq!((late.from, late.left), (late.to, Vec::new()));
}

#[test]
fn what_is_the_same_is_no_plan_and_each_difference_is_named() {
    let mut sim = Sim::proven(file("v1"));
    assert_eq!(sim.plan(&file("v1")), None);
    let wanted = file("v1").ttl(30).without("v3").pool("v2", &[3, 4, 7]).ramp(&[(10, 60)]);
    let plan = sim.plan(&wanted).expect("edited");
    let change = |key: &str| {
        let change = plan.changes.iter().find(|change| change.key == key).expect("named");
        (change.from.as_deref(), change.to.as_deref())
    };
    assert_eq!(plan.changes.len(), 4, "{:?}", plan.changes);
    assert_eq!(change("ttl"), (Some("1m"), Some("30s")));
    assert_eq!(change("release.ramp"), (Some("none"), Some("10% for 1m")));
    assert_eq!(change("pools.v3"), (Some("192.0.2.5, 192.0.2.6"), None));
    assert_eq!(change("pools.v2").1, Some("192.0.2.3, 192.0.2.4, 192.0.2.7"));
    assert!(plan.steps.is_empty() && plan.from == plan.to);
    sim.handle(Event::Vanished);
    let again = sim.plan(&file("v1")).expect("it was orphaned");
    assert_eq!(again.changes[0].key, "service");
}

#[test]
fn endpoints_that_wait_for_their_probes_are_foretold() {
    let sim = Sim::proven(file("v1"));
    let plan = sim.plan(&file("v1").pool("v1", &[7, 8])).expect("edited");
    let [step] = plan.steps.as_slice() else { panic!("{plan:?}") };
    assert_eq!((step.at, step.phase), (at(11), "Steady"));
    assert_eq!(step.why, "every pool that answers is as the file has it");
}

pub(super) fn ramp() -> impl Strategy<Value = Vec<(u8, u64)>> {
    let shares = prop::sample::subsequence(vec![1, 10, 50, 99], 0..4);
    (shares, prop::collection::vec(0..100u64, 4))
        .prop_map(|(shares, bakes)| shares.into_iter().zip(bakes).collect())
}

/// What was seen of a release: each phase that was entered, and each change of the shares.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Seen {
    phases: Vec<(Timestamp, &'static str)>,
    shares: Vec<Shares>,
}

impl Seen {
    fn see(&mut self, now: Timestamp, phases: &[&'static str], shares: Shares) {
        self.phases.extend(phases.iter().map(|phase| (now, *phase)));
        if self.shares.last() != Some(&shares) {
            self.shares.push(shares);
        }
    }

    /// What the plan says will be seen.
    pub(super) fn foretold(plan: &Plan) -> Self {
        let mut seen = Self::default();
        seen.see(Timestamp::default(), &[], plan.from.clone());
        plan.steps.iter().for_each(|step| seen.see(step.at, &[step.phase], step.shares.clone()));
        seen
    }

    pub(super) fn look_at(&mut self, sim: &mut Sim) {
        let phases: Vec<_> = sim.told.drain(..).map(|transition| transition.to).collect();
        self.see(sim.now, &phases, super::super::plan::shares(sim.cutover.phase()));
    }
}

/// The world as plans assume it: every endpoint passes from now on.
pub(super) fn run_as_assumed(sim: &mut Sim, seen: &mut Seen) {
    let mut tries = (0..3).map(|nth| sim.now + super::secs(1 + nth * 5)).collect::<Vec<_>>();
    while let Some(next) =
        sim.cutover.next_deadline().into_iter().chain(tries.first().copied()).min()
    {
        sim.now = next;
        if tries.first() == Some(&next) {
            tries.remove(0);
            (1..=6).for_each(|host| sim.observe(host, true));
        }
        sim.handle(Event::Observed);
        seen.look_at(sim);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// In whatever phase the file is saved: what was foretold is what happens, then and in that order.
    #[test]
    fn what_is_foretold_happens(
        before in (0..5usize, ramp(), 0..400u64),
        verb in prop::option::of(0..Verb::ALL.len()),
        live in 0..5usize,
        ramp in ramp(),
        (ttl, short, bake) in (1..100u64, 1..100u64, 0..100u64),
        down in prop::sample::subsequence(vec![1, 2, 3, 4, 5, 6], 0..2),
    ) {
        const LIVE: [&str; 5] = ["v1", "v2", "v3", "v1:90+v2:10", "v2:3+v3:1"];
        let mut sim = Sim::proven(file("v1").ttl(ttl));
        sim.cache_clock = CACHE_CLOCK;
        sim.save(file(LIVE[before.0]).ttl(ttl).ramp(&before.1).bake(70));
        sim.run_to(before.2);
        if let Some(verb) = verb {
            let _ = sim.ask(Verb::ALL[verb], false);
        }
        sim.down(&down);
        let wanted = file(LIVE[live]).ramp(&ramp).ttl(ttl).short_ttl(short).bake(bake);
        let Some(plan) = sim.plan(&wanted) else { return Ok(()) };
        let mut seen = Seen::default();
        sim.told.clear();
        seen.look_at(&mut sim);
        sim.save(wanted);
        seen.look_at(&mut sim);
        run_as_assumed(&mut sim, &mut seen);
        let foretold = Seen::foretold(&plan);
        prop_assert_eq!(&foretold, &seen, "{:#?}", plan);
    }
}
