//! What stands in the way of steps forward, and of no step back: freeze, windows, the interval
//! between steps, health; and who breaks which rule.

use super::{Basis, Rule, Sim, Verb, Wanted, at, file};

/// The simulation starts on a Sunday, 2001-09-09, at 01:46:40 UTC; 02:00 is second 800.
const TWO_O_CLOCK: u64 = 800;
const HOUR: u64 = 3_600;

fn ramped() -> Wanted {
    file("v2").ramp(&[(10, 20), (50, 30)])
}

fn reason(sim: &Sim) -> String {
    sim.cutover.phase().trouble().expect("it waits for something").into_owned()
}

fn last_why(sim: &Sim) -> &str {
    &sim.told.last().expect("something was told").why
}

#[test]
fn steps_are_taken_within_a_window_and_the_way_back_at_any_time() {
    let mut sim = Sim::proven(file("v1"));
    let wanted = ramped().windows(&["daily 02:00-02:01"]);
    sim.save(wanted);
    assert_eq!(reason(&sim), "the release window opens at 2001-09-09T02:00:00Z");
    sim.run_to(TWO_O_CLOCK - 1);
    sim.assert_live("v1");
    sim.run_to(TWO_O_CLOCK);
    sim.assert_shares(&[("v1", 90), ("v2", 10)]);
    // Settled and judged after 80 s, when the window has closed.
    sim.run_to(TWO_O_CLOCK + 80);
    assert_eq!(sim.phase(), "Waiting");
    sim.run_to(TWO_O_CLOCK + 24 * HOUR - 1);
    sim.assert_shares(&[("v1", 90), ("v2", 10)]);
    let mut broken = Sim { told: Vec::new(), ..sim };
    broken.down(&[3]);
    assert_eq!(broken.edges(), [("Waiting", "RollingBack")]);
    broken.assert_live("v1");
}

#[test]
fn the_next_step_is_taken_when_the_window_opens_again() {
    let mut sim = Sim::proven(file("v1"));
    sim.save(ramped().windows(&["daily 02:00-02:01"]));
    sim.run_to(TWO_O_CLOCK + 24 * HOUR);
    sim.assert_shares(&[("v1", 50), ("v2", 50)]);
}

#[test]
fn an_instant_outside_the_windows_waits_for_the_next_one() {
    let mut sim = Sim::proven(file("v1"));
    sim.save(file("v2").at(100).windows(&["daily 02:00-02:30"]));
    assert!(reason(&sim).ends_with("the release window opens at 2001-09-09T02:00:00Z"));
    assert_eq!(sim.cutover.phase().until(), Some(at(TWO_O_CLOCK)));
    sim.run_to(TWO_O_CLOCK - 1);
    sim.assert_live("v1");
    sim.run_to(TWO_O_CLOCK);
    sim.assert_live("v2");
}

#[test]
fn in_a_freeze_no_step_is_taken_and_nothing_is_moved_by_an_edit() {
    let mut sim = Sim::proven(file("v1"));
    sim.set_frozen(true);
    sim.save(ramped());
    assert_eq!(reason(&sim), "frozen since 2001-09-09T01:46:40Z by bob");
    assert_eq!(sim.cutover.phase().until(), None);
    sim.run_to(1_000);
    sim.assert_live("v1");
    sim.set_frozen(false);
    sim.assert_shares(&[("v1", 90), ("v2", 10)]);
    sim.run_to(1_010);
    sim.set_frozen(true);
    sim.run_to(9_000);
    assert_eq!(sim.phase(), "Waiting");
    sim.assert_shares(&[("v1", 90), ("v2", 10)]);
    sim.set_frozen(false);
    sim.assert_shares(&[("v1", 50), ("v2", 50)]);
}

#[test]
fn in_a_freeze_the_endpoints_that_answer_stay() {
    let mut sim = Sim::proven(file("v1"));
    sim.set_frozen(true);
    sim.save(file("v1").pool("v1", &[1, 3]));
    assert!(sim.cutover.waits_for_thaw());
    sim.assert_answers("v1", &[1, 2], Basis::Live);
    sim.down(&[2]);
    sim.assert_answers("v1", &[1], Basis::Live);
    sim.set_frozen(false);
    sim.assert_answers("v1", &[1, 3], Basis::Live);
    assert!(!sim.cutover.waits_for_thaw());
}

#[test]
fn in_a_freeze_there_are_ways_back() {
    let in_a_freeze = || {
        let mut sim = Sim::baking(file("v2"));
        sim.set_frozen(true);
        sim
    };
    let mut sim = in_a_freeze();
    sim.down(&[3]);
    sim.assert_live("v1");
    let mut sim = in_a_freeze();
    sim.save(file("v1"));
    sim.assert_live("v1");
    let mut sim = in_a_freeze();
    sim.ask(Verb::Rollback, false).expect("there is a way back");
    sim.assert_live("v1");
}

#[test]
fn from_one_step_to_the_next_the_interval_passes_whichever_release_it_is() {
    let mut sim = Sim::proven(file("v1"));
    sim.save(ramped().interval(500));
    sim.run_to(80);
    assert_eq!(reason(&sim), "8m 20s must pass after the last step, until 2001-09-09T01:55:00Z");
    sim.run_to(499);
    sim.assert_shares(&[("v1", 90), ("v2", 10)]);
    sim.run_to(500);
    sim.assert_shares(&[("v1", 50), ("v2", 50)]);
    sim.run_to(600);
    // Back is no step: neither does it wait, nor is it waited for.
    sim.save(file("v1").interval(500));
    sim.assert_live("v1");
    sim.run_to(700);
    sim.save(file("v3").interval(500));
    sim.run_to(999);
    sim.assert_live("v1");
    sim.run_to(1_000);
    sim.assert_live("v3");
}

#[test]
fn a_release_that_makes_no_progress_is_rolled_back() {
    let mut sim = Sim::proven(file("v1"));
    sim.save(ramped().progress_deadline(100));
    sim.run_to(99);
    sim.assert_shares(&[("v1", 50), ("v2", 50)]);
    sim.run_to(100);
    assert_eq!(sim.phase(), "RollingBack");
    sim.assert_live("v1");
    sim.run_to(200);
    assert_eq!(sim.phase(), "Failed");
    assert_eq!(reason(&sim), "not done within 1m 40s (progress_deadline)");
}

#[test]
fn progress_counts_from_the_beginning_and_not_while_it_waits() {
    let mut sim = Sim::adopt(file("v1"));
    sim.save(file("v2").progress_deadline(100));
    sim.run_to(100);
    assert_eq!(sim.phase(), "Failed");
    assert!(reason(&sim).contains("(progress_deadline): only 0 of 2"), "{}", reason(&sim));

    let mut sim = Sim::proven(file("v1"));
    sim.save(file("v2").at(1_000).bake(50).progress_deadline(60));
    sim.run_to(1_049);
    assert_eq!(sim.phase(), "Baking");
    sim.run_to(1_050);
    assert_eq!(sim.phase(), "Steady", "nothing is left to drain after an instant");
}

#[test]
fn a_release_without_progress_halts_where_nothing_could_take_its_place() {
    let mut sim = Sim::baking(file("v2").progress_deadline(100));
    sim.down(&[1, 2]);
    sim.run_to(1_000);
    assert_eq!(sim.phase(), "Baking");
    sim.assert_live("v2");
    assert!(reason(&sim).ends_with("0 of 2 endpoints of v1 are up: not rolled back"));
    sim.up(&[1, 2]);
    sim.assert_live("v1");
}

#[test]
fn as_many_endpoints_and_as_much_weight_must_be_up_as_the_file_says() {
    let four = |live| file(live).pool("v2", &[3, 4, 7, 8]).min_up(50).min_up_endpoints(3);
    let mut sim = Sim::adopt(four("v1"));
    sim.save(four("v2"));
    sim.up(&[3, 4]);
    assert_eq!(sim.phase(), "Probing");
    sim.up(&[7]);
    sim.assert_answers("v2", &[3, 4, 7], Basis::Live);
    sim.down(&[8]);
    assert_eq!(sim.phase(), "Baking");
    sim.down(&[7]);
    assert_eq!(sim.phase(), "RollingBack");
    let why = "2 of 4 endpoints of v2 are down (50% and at least 3 must be up)";
    assert_eq!(reason(&sim), why);

    let heavy = |live| file(live).weights("v2", &[(3, 1), (4, 9)]).min_up(50).min_up_weight(60);
    let mut sim = Sim::adopt(heavy("v1"));
    sim.save(heavy("v2"));
    sim.up(&[3]);
    assert_eq!(sim.phase(), "Probing");
    sim.up(&[4]);
    sim.down(&[3]);
    sim.assert_answers("v2", &[4], Basis::Live);
    sim.up(&[3]);
    sim.down(&[4]);
    assert_eq!(sim.phase(), "RollingBack");
    let why = "1 of 2 endpoints of v2 (90% of the weight) are down \
               (50% and 60% of the weight must be up)";
    assert_eq!(reason(&sim), why);
}

#[test]
fn a_refusal_names_each_rule_that_stands_in_the_way_and_how_to_break_it() {
    let mut sim = Sim::adopt(file("v1"));
    sim.set_frozen(true);
    sim.save(ramped().windows(&["daily 02:00-03:00"]));
    sim.up(&[3]);
    let refusal = sim.ask(Verb::Promote, false).expect_err("three rules");
    let whys = "frozen since 2001-09-09T01:46:40Z by bob; \
                1 of 2 endpoints of v2 are up (100% needed); \
                the release window opens at 2001-09-09T02:00:00Z";
    let all = [Rule::Freeze, Rule::Health, Rule::Window];
    let how = "only with `--force freeze --force health --force window`";
    assert_eq!(refusal.to_string(), format!("{whys}: {how}"));
    let refusal = sim.ask_breaking(Verb::Promote, &all[..2]).expect_err("one is left");
    assert!(refusal.to_string().ends_with("only with `--force window`"), "{refusal}");
    sim.told.clear();
    sim.ask_breaking(Verb::Promote, &all).expect("all are broken");
    sim.assert_shares(&[("v1", 90), ("v2", 10)]);
    let why = &sim.told[0].why;
    assert!(why.starts_with("promote by alice, who breaks freeze (frozen since "), "{why}");
    assert!(why.contains(" and health (1 of 2 ") && why.contains(" and window (the "), "{why}");
    // It is one step that was forced.
    sim.run_to(5 * HOUR);
    sim.assert_shares(&[("v1", 90), ("v2", 10)]);
}

/// The window is open now, though not when the interval is over.
#[test]
fn a_step_that_is_taken_now_asks_for_a_window_now() {
    let mut sim = Sim::proven(file("v1"));
    sim.save(ramped().interval(HOUR).windows(&["daily 01:00-02:00"]));
    sim.ask_breaking(Verb::Promote, &[Rule::Interval]).expect("only the interval is broken");
    sim.assert_shares(&[("v1", 50), ("v2", 50)]);
}

#[test]
fn a_rule_that_does_not_stand_in_the_way_is_not_told_as_broken() {
    let mut sim = Sim::proven(file("v1"));
    sim.save(ramped());
    sim.ask_breaking(Verb::Promote, &Rule::ALL).expect("a step");
    assert!(sim.told.iter().any(|told| told.why == "promote by alice"), "{:?}", sim.told);
    sim.down(&[1, 2]);
    sim.ask_breaking(Verb::Rollback, &Rule::ALL).expect("by force");
    let why = "rollback by alice, who breaks health (none of the 2 endpoints of v1 are up): \
               rolled back to v1";
    assert_eq!(last_why(&sim), why);
}

#[test]
fn promote_does_not_wait_for_the_instant_of_the_release() {
    let mut sim = Sim::proven(file("v1"));
    sim.save(file("v2").at(1_000));
    sim.ask(Verb::Promote, false).expect("it waits for nothing else");
    sim.assert_live("v2");
}

#[test]
fn the_rules_are_known_by_their_names() {
    for rule in Rule::ALL {
        assert_eq!(rule.name().parse(), Ok(rule));
    }
    let error = "windows".parse::<Rule>().expect_err("no such rule");
    let list = Rule::ALL.map(Rule::name);
    assert!(list.iter().all(|name| error.to_string().contains(name)), "{error}");
}
