//! What is foretold of an order is what happens when it is given.

use proptest::prelude::*;

use super::{
    super::{
        CACHE_CLOCK,
        plan::{Of, Plan, Subject, foretell_order},
    },
    Order, Refusal, Rule, Sim, Verb, file,
    plan::{Seen, ramp, run_as_assumed},
};

impl Sim {
    pub(super) fn foretell(&self, order: &Order) -> Result<Option<Plan>, Refusal> {
        let (cutover, health, horizons) = (self.cutover.clone(), self.health.clone(), self.known());
        let name = cutover.spec().name.clone();
        let subject = Subject { cutover, health, horizons, wanted: None };
        let (of, freeze) = (Of::Service(&name), self.freeze.as_ref());
        let plans = foretell_order(self.now, &[subject], freeze, order, &of)?;
        Ok(plans.into_iter().next().flatten())
    }
}

fn order(verb: Verb, force: &[Rule]) -> Order {
    Order { verb, to: None, by: "alice".to_owned(), force: force.iter().copied().collect() }
}

#[test]
fn a_refusal_is_foretold_with_the_rules_that_stand_in_the_way() {
    let mut sim = Sim::proven(file("v1"));
    sim.down(&[3]);
    sim.save(file("v2"));
    sim.set_frozen(true);
    let refusal = sim.foretell(&order(Verb::Promote, &[])).expect_err("refused");
    let rules: Vec<Rule> = refusal.rules().iter().map(|(rule, _)| *rule).collect();
    assert_eq!(rules, [Rule::Freeze, Rule::Health], "{refusal}");
    assert_eq!(refusal, sim.ask(Verb::Promote, false).expect_err("likewise"));
    let refusal = sim.foretell(&order(Verb::Promote, &[Rule::Health])).expect_err("refused");
    assert_eq!(refusal.rules().len(), 1, "{refusal}");
    let refusal = sim.foretell(&order(Verb::Retry, &[])).expect_err("refused");
    assert_eq!((refusal.rules(), refusal.to_string().as_str()), (&[][..], "no release has failed"));
    let plan = sim.foretell(&order(Verb::Promote, &[Rule::Health, Rule::Freeze]));
    assert!(plan.expect("both are broken").is_some_and(|plan| !plan.steps.is_empty()));
    assert_eq!(sim.phase(), "Probing", "nothing was done");
}

#[test]
fn a_pause_lasts() {
    let sim = Sim::baking(file("v2").bake(30));
    let plan = sim.foretell(&order(Verb::Pause, &[])).expect("it bakes").expect("news");
    let phases: Vec<_> = plan.steps.iter().map(|step| step.phase).collect();
    assert_eq!((phases, plan.to), (vec!["Paused"], plan.from));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// In whatever phase it is given: it is refused alike, or what was foretold is what happens.
    #[test]
    fn what_is_foretold_of_an_order_happens(
        (live, ramp, later) in (0..4usize, ramp(), 0..400u64),
        before in prop::option::of(0..Verb::ALL.len()),
        verb in 0..Verb::ALL.len(),
        force in prop::sample::subsequence(Rule::ALL.to_vec(), 0..3),
        to in prop::option::of(0..3usize),
        (ttl, bake) in (1..100u64, 0..100u64),
        // Of several the order in which they pass at one instant would count.
        down in prop::sample::subsequence(vec![1, 2, 3, 4, 5, 6], 0..2),
    ) {
        const LIVE: [&str; 4] = ["v2", "v3", "v1:90+v2:10", "v2:3+v3:1"];
        const POOLS: [&str; 3] = ["v1", "v2", "v3"];
        let mut sim = Sim::proven(file("v1").ttl(ttl));
        sim.cache_clock = CACHE_CLOCK;
        sim.save(file(LIVE[live]).ttl(ttl).ramp(&ramp).bake(bake));
        sim.run_to(later);
        if let Some(verb) = before {
            let _ = sim.ask(Verb::ALL[verb], false);
        }
        sim.down(&down);
        let verb = Verb::ALL[verb];
        let to = to.filter(|_| verb == Verb::Rollback);
        let to = to.map(|at| POOLS[at].parse().expect("a name"));
        let order = Order { to, ..order(verb, &force) };
        let foretold = sim.foretell(&order);
        let mut seen = Seen::default();
        sim.told.clear();
        seen.look_at(&mut sim);
        let done = sim.order(&order);
        match (foretold, done) {
            (Err(foretold), Err(refused)) => prop_assert_eq!(foretold, refused),
            (Ok(plan), Ok(())) => {
                seen.look_at(&mut sim);
                run_as_assumed(&mut sim, &mut seen);
                let plan = plan.expect("what is done is news");
                prop_assert_eq!(&Seen::foretold(&plan), &seen, "{:#?}", plan);
            }
            (foretold, done) => prop_assert!(false, "{foretold:#?} but {done:?}"),
        }
    }
}
