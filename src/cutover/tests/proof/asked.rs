//! Who must say yes, the rule `gate`, and what a plan says of proof.

use super::*;

#[test]
fn before_each_step_somebody_says_yes() {
    let ramp = |live| file(live).confirm().ramp(&[(10, 30)]);
    let mut sim = Sim::proven(ramp("v1"));
    sim.save(ramp("v2"));
    assert_eq!(sim.phase(), "Waiting");
    assert!(sim.last_why().ends_with("; board has not said yes yet"), "{}", sim.last_why());
    assert!(sim.wanted().confirm);
    sim.answered(Err("status 423"));
    assert_eq!((sim.phase(), sim.last_why()), ("Waiting", "board holds: status 423"));
    let told = sim.told.len();
    sim.answered(Err("status 423"));
    assert_eq!(sim.told.len(), told, "the same is not told again");
    sim.assert_live("v1");
    sim.answered(Ok(()));
    assert_eq!(sim.phase(), "Settling");
    sim.run_to(100);
    assert_eq!(sim.phase(), "Waiting", "each step is a question of its own");
    sim.answered(Ok(()));
    assert_eq!(sim.phase(), "Baking");
}

#[test]
fn who_has_said_yes_can_take_it_back_until_the_step_is_taken() {
    let later = |live| file(live).confirm().at(100);
    let mut sim = Sim::proven(later("v1"));
    sim.save(later("v2"));
    sim.answered(Ok(()));
    assert_eq!(sim.phase(), "Waiting", "for the instant");
    sim.answered(Err("status 409"));
    sim.run_to(200);
    assert_eq!(sim.phase(), "Waiting");
    sim.answered(Ok(()));
    assert_eq!(sim.phase(), "Baking");
}

#[test]
fn a_person_breaks_the_rule_gate_by_its_name() {
    let confirmed = |live| file(live).performance().confirm();
    let mut sim = Sim::proven(confirmed("v1"));
    sim.save(confirmed("v2"));
    let refusal = sim.ask(Verb::Promote, false).expect_err("nothing is proven").to_string();
    let why = "the performance of v2 is not measured yet; board has not said yes yet: only with \
               `--force gate`";
    assert_eq!(refusal, why);
    sim.ask_breaking(Verb::Promote, &[Rule::Gate]).expect("forced");
    assert_eq!(sim.phase(), "Baking");
    sim.measured(bad());
    assert_eq!(sim.phase(), "RollingBack", "what was not known yet is no reason to stay");
}

#[test]
fn what_was_known_to_be_bad_when_it_was_forced_no_guard_undoes() {
    let ramp = |live| file(live).performance().ramp(&[(10, 300)]);
    let mut sim = Sim::proven(ramp("v1"));
    sim.save(ramp("v2"));
    sim.measured(good());
    sim.run_to(60);
    sim.down(&[1, 2]);
    sim.measured(bad());
    assert_eq!(sim.phase(), "Judging", "there is nothing to go back to");
    let refusal = sim.ask(Verb::Promote, false).expect_err("it is bad").to_string();
    assert_eq!(refusal, "it is bad: only with `--force gate`");
    sim.ask_breaking(Verb::Promote, &[Rule::Gate]).expect("forced");
    sim.up(&[1, 2]);
    sim.measured(bad());
    assert_eq!(sim.phase(), "Baking");
    let held = "it is bad, but a person has broken the rule health or gate: not rolled back";
    assert_eq!(sim.last_why(), held);
    sim.ask(Verb::Rollback, false).expect("a person can");
    sim.assert_live("v1");
}

#[test]
fn a_yes_is_of_this_wait_and_not_of_one_before() {
    let mut sim = Sim::proven(file("v1").confirm());
    sim.save(file("v2").confirm());
    sim.ask(Verb::Pause, false).expect("it waits");
    assert!(sim.wanted().confirm, "it is asked in a pause too");
    sim.answered(Ok(()));
    sim.run_to(1_000);
    sim.ask(Verb::Resume, false).expect("it is paused");
    assert_eq!(sim.phase(), "Waiting", "that yes is of before it went on");
    sim.answered(Ok(()));
    assert_eq!(sim.phase(), "Baking");
    // And of before it was probed again.
    let later = |live| file(live).confirm().at(2_000);
    let mut sim = Sim::proven(later("v1"));
    sim.save(later("v2"));
    sim.answered(Ok(()));
    sim.down(&[3, 4]);
    sim.run_to(2_000);
    assert_eq!(sim.phase(), "Probing");
    sim.up(&[3, 4]);
    assert_eq!(sim.phase(), "Waiting");
}

#[test]
fn a_plan_says_what_is_to_be_proven_and_how_long_that_takes() {
    let guard = Guard { interval: secs(20), count: 3, ..guard() };
    let ramp = |live| {
        file(live).tests(1).performance().guard(guard.clone()).confirm().ramp(&[(10, 5)]).bake(5)
    };
    let sim = Sim::proven(ramp("v1"));
    let plan = sim.plan(&ramp("v2")).expect("a release");
    let gate = plan.rules.iter().find(|rule| rule.name == "gate").expect("it is asked for");
    let why = "0 of 2 smoke tests have passed: number 1 has not on 192.0.2.3 of v2; board has not \
               said yes yet";
    assert_eq!((gate.holds, gate.why.as_str()), (false, why));
    let at = |phase| plan.steps.iter().find(|step| step.phase == phase).map(|step| step.at);
    // 500 requests at 50 in a second would take 10 s, and three values of the guard a minute.
    let judged = at("Judging").expect("it is judged");
    assert_eq!(at("Baking"), Some(judged + secs(60)));
    assert_eq!(at("Draining"), Some(judged + secs(120)));
}
