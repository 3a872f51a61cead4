//! What a release waits for after its gate and before a step, and what is watched meanwhile.

use super::{Basis, Rule, Sim, Verb, Wanted, at, file, probe_of};

/// v2 at second 1000: its probes have passed, and nothing has moved.
fn waiting() -> Sim {
    let mut sim = Sim::proven(file("v1"));
    sim.save(file("v2").at(1_000));
    assert_eq!(sim.edges(), [("Steady", "Probing"), ("Probing", "Waiting")]);
    sim
}

fn reason(sim: &Sim) -> String {
    sim.cutover.phase().trouble().expect("it waits for something").into_owned()
}

#[test]
fn the_answers_move_at_the_instant_and_not_before() {
    let mut sim = waiting();
    assert_eq!(sim.cutover.next_deadline(), Some(at(1_000)));
    assert_eq!(reason(&sim), "it waits for 2001-09-09T02:03:20Z, as `at` says");
    sim.run_to(999);
    sim.assert_live("v1");
    sim.run_to(1_000);
    assert_eq!(sim.phase(), "Baking");
    sim.assert_live("v2");
    assert_eq!(sim.edges(), [("Waiting", "Shifting"), ("Shifting", "Baking")]);
}

#[test]
fn an_instant_in_the_past_means_at_once_and_says_so() {
    let mut sim = Sim::proven(file("v1"));
    sim.run_to(1_000);
    sim.save(file("v2").at(1_000));
    assert_eq!(sim.phase(), "Baking");
    let why = &sim.told[1].why;
    assert!(why.ends_with("the instant that `at` names, has passed: at once"), "{why}");
}

#[test]
fn only_the_first_step_waits_for_the_instant() {
    let mut sim = Sim::proven(file("v1"));
    sim.save(file("v2").at(500).ramp(&[(10, 20), (50, 30)]));
    sim.run_to(500);
    sim.assert_shares(&[("v1", 90), ("v2", 10)]);
    sim.save(file("v2").at(10_000).ramp(&[(10, 20), (50, 30)]));
    sim.run_to(500 + 80);
    sim.assert_shares(&[("v1", 50), ("v2", 50)]);
}

#[test]
fn a_pool_that_is_lost_while_it_waits_is_not_moved_until_it_is_up_again() {
    let mut sim = waiting();
    sim.down(&[4]);
    assert_eq!(sim.edges(), [("Waiting", "Waiting")]);
    assert!(reason(&sim).starts_with("1 of 2 endpoints of v2 are up (100% needed)"));
    sim.up(&[4]);
    assert_eq!(sim.edges(), [("Waiting", "Waiting")]);
    assert!(!reason(&sim).contains("endpoints"), "{}", reason(&sim));
    sim.run_to(1_000);
    sim.assert_live("v2");
}

#[test]
fn a_pool_that_is_lost_when_the_wait_is_over_has_its_whole_deadline() {
    let mut sim = waiting();
    sim.down(&[4]);
    sim.run_to(1_000);
    assert_eq!(sim.phase(), "Probing");
    assert_eq!(sim.cutover.next_deadline(), Some(at(1_600)));
    let mut late = sim;
    late.run_to(1_300);
    late.assert_live("v1");
    late.up(&[4]);
    late.assert_live("v2");
    let mut never = waiting();
    never.down(&[4]);
    never.run_to(1_600);
    assert_eq!(never.phase(), "Failed");
    never.assert_live("v1");
}

#[test]
fn an_edit_moves_the_instant_or_takes_it_away() {
    let mut sim = waiting();
    sim.save(file("v2").at(2_000));
    assert_eq!(sim.edges(), [("Waiting", "Waiting")]);
    sim.run_to(1_500);
    sim.assert_live("v1");
    sim.save(file("v2"));
    sim.assert_live("v2");
}

#[test]
fn an_edit_back_or_to_another_pool_ends_the_wait() {
    let mut sim = waiting();
    sim.save(file("v1"));
    assert_eq!(sim.edges(), [("Waiting", "Steady")]);
    let mut sim = waiting();
    sim.save(file("v3"));
    sim.assert_live("v3");
}

#[test]
fn endpoints_that_join_while_it_waits_pass_the_gate_like_the_others() {
    let mut sim = waiting();
    let more = |wanted: Wanted| wanted.pool("v2", &[3, 4, 7]);
    sim.save(more(file("v2").at(1_000)));
    assert!(reason(&sim).starts_with("2 of 3 endpoints of v2 are up (100% needed)"));
    sim.up(&[7]);
    sim.run_to(1_000);
    sim.assert_answers("v2", &[3, 4, 7], Basis::Live);
}

/// It would replace a release that was still baking, and that one breaks.
#[test]
fn a_bake_that_breaks_while_its_successor_waits_is_rolled_back() {
    let mut sim = Sim::baking(file("v2"));
    sim.save(file("v3").at(1_000));
    assert_eq!(sim.phase(), "Waiting");
    sim.down(&[3]);
    assert_eq!(sim.phase(), "Waiting");
    sim.assert_live("v1");
    sim.run_to(1_000);
    sim.assert_live("v3");
    assert_eq!(sim.cutover.phase().fallback().map(ToString::to_string), Some("v1".to_owned()));
}

#[test]
fn a_host_not_judged_since_the_step_before_is_waited_for() {
    let mut sim = Sim::proven(file("v1"));
    sim.save(file("v2").ramp(&[(10, 20)]).min_up(50));
    // Everything must be up from here on, and one host has never been judged.
    let joined = file("v2").ramp(&[(10, 20)]).pool("v2", &[4, 7]);
    sim.save(joined.clone().min_up(50));
    sim.save(joined);
    sim.run_to(80);
    assert_eq!(sim.phase(), "Waiting");
    sim.assert_shares(&[("v1", 90), ("v2", 10)]);
    sim.up(&[7]);
    sim.assert_answers("v2", &[4, 7], Basis::Live);
}

#[test]
fn another_probe_that_comes_while_a_step_is_waited_for_judges_the_one_before_anew() {
    let ramped = || file("v2").ramp(&[(10, 20)]).windows(&["daily 03:00-04:00"]);
    let mut sim = Sim::proven(file("v1"));
    sim.save(ramped());
    sim.ask_breaking(Verb::Promote, &[Rule::Window]).expect("by force");
    sim.run_to(80);
    assert_eq!(sim.phase(), "Waiting");
    sim.save(ramped().probe(probe_of(81)));
    assert_eq!(sim.phase(), "Judging");
    assert_eq!(sim.cutover.next_deadline(), Some(at(100)));
}

/// v2 has yet to finish its bake, and follows the file when the freeze ends; v3 has gone down meanwhile.
#[test]
fn what_turns_out_bad_when_the_wait_ends_is_told() {
    let mut sim = Sim::baking(file("v2").pool("v2", &[3]));
    sim.set_frozen(true);
    sim.save(file("v3"));
    assert_eq!(sim.phase(), "Waiting");
    sim.down(&[4, 5]);
    sim.assert_answers("v2", &[3], Basis::Live);
    sim.told.clear();
    sim.set_frozen(false);
    assert_eq!(sim.phase(), "Probing");
    sim.assert_live("v1");
    let why = &sim.told.last().expect("it moved").why;
    assert!(why.contains("1 of 2 endpoints of v2 are down"), "{why}");
    assert!(why.contains("rolled back to v1; v3 is still waiting"), "{why}");
}
