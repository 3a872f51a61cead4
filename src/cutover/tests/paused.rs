//! Releases that a person has paused, or the lack of data: nothing goes on but the guards, and the
//! way back.

use super::{Event, Sim, Verb, Wanted, at, file};

fn ramped() -> Wanted {
    file("v2").ramp(&[(10, 20), (50, 30)])
}

fn pause(sim: &mut Sim) {
    sim.ask(Verb::Pause, false).expect("it can be paused");
    assert_eq!((sim.phase(), sim.cutover.next_deadline()), ("Paused", None));
    sim.told.clear();
}

fn resume(sim: &mut Sim) {
    sim.ask(Verb::Resume, false).expect("it is paused");
    sim.told.clear();
}

/// In Judging at 10 %, with 12 of 20 seconds left, paused at second 68.
fn paused_in_judging() -> Sim {
    let mut sim = Sim::proven(file("v1"));
    sim.save(ramped());
    sim.run_to(68);
    assert_eq!(sim.phase(), "Judging");
    pause(&mut sim);
    sim
}

#[test]
fn what_was_left_is_left_when_it_resumes() {
    let mut sim = paused_in_judging();
    sim.run_to(10_000);
    sim.assert_shares(&[("v1", 90), ("v2", 10)]);
    resume(&mut sim);
    assert_eq!(sim.phase(), "Judging");
    assert_eq!(sim.cutover.next_deadline(), Some(at(10_012)));
    sim.run_to(10_012);
    sim.assert_shares(&[("v1", 50), ("v2", 50)]);

    let mut sim = Sim::baking(file("v2"));
    sim.run_to(100);
    pause(&mut sim);
    sim.run_to(5_000);
    resume(&mut sim);
    assert_eq!(sim.cutover.next_deadline(), Some(at(5_200)));
}

#[test]
fn caches_do_not_stand_still() {
    let mut sim = Sim::proven(file("v1"));
    sim.save(ramped());
    sim.run_to(30);
    pause(&mut sim);
    sim.run_to(100);
    assert_eq!(sim.phase(), "Paused");
    resume(&mut sim);
    assert_eq!(sim.phase(), "Judging");
    assert_eq!(sim.cutover.next_deadline(), Some(at(120)), "it is judged for its whole time");
}

#[test]
fn a_gate_that_opens_in_a_pause_is_passed_after_it() {
    let mut sim = Sim::adopt(file("v1"));
    sim.save(file("v2"));
    sim.run_to(500);
    pause(&mut sim);
    sim.up(&[3, 4]);
    sim.run_to(50_000);
    sim.assert_live("v1");
    assert_eq!(sim.phase(), "Paused");
    sim.down(&[4]);
    resume(&mut sim);
    assert_eq!(sim.phase(), "Probing");
    assert_eq!(sim.cutover.next_deadline(), Some(at(50_100)), "100 of 600 seconds were left");
    sim.up(&[4]);
    sim.assert_live("v2");
}

#[test]
fn an_instant_that_passes_in_a_pause_is_over_after_it() {
    let mut sim = Sim::proven(file("v1"));
    sim.save(file("v2").at(1_000));
    sim.ask(Verb::Pause, false).expect("it can be paused");
    assert_eq!(sim.cutover.next_deadline(), Some(at(1_000)), "answers do not end there for ever");
    sim.run_to(2_000);
    sim.assert_live("v1");
    resume(&mut sim);
    sim.assert_live("v2");
}

#[test]
fn the_guards_watch_and_roll_back() {
    let mut sim = paused_in_judging();
    sim.down(&[3]);
    assert_eq!(sim.edges(), [("Paused", "RollingBack")]);
    sim.assert_live("v1");

    let mut sim = Sim::baking(file("v2"));
    pause(&mut sim);
    sim.down(&[1, 2]);
    sim.down(&[3]);
    assert_eq!(sim.edges(), [("Paused", "Paused")], "held");
    let why = sim.cutover.phase().trouble().unwrap_or_default();
    assert!(why.contains("paused by alice in Baking since 2001-09-09T01:46:40Z; 1 of 2"), "{why}");
    sim.up(&[1]);
    assert_eq!(sim.edges(), [("Paused", "RollingBack")]);
}

#[test]
fn an_edit_back_and_the_verbs_do_what_they_do_otherwise() {
    let mut sim = paused_in_judging();
    sim.save(file("v1"));
    assert_eq!(sim.phase(), "RollingBack");
    sim.assert_live("v1");

    let mut sim = paused_in_judging();
    sim.ask(Verb::Rollback, false).expect("there is a way back");
    sim.assert_live("v1");

    let mut sim = paused_in_judging();
    sim.ask(Verb::Promote, false).expect("a step");
    assert_eq!(sim.phase(), "Settling");
    sim.assert_shares(&[("v1", 50), ("v2", 50)]);
}

#[test]
fn what_an_edit_begins_or_changes_is_paused_too() {
    let mut sim = paused_in_judging();
    sim.save(file("v2").ramp(&[(10, 40), (50, 30)]));
    assert_eq!(sim.phase(), "Paused");
    sim.run_to(1_000);
    resume(&mut sim);
    assert_eq!(sim.cutover.next_deadline(), Some(at(1_032)), "8 of now 40 seconds have passed");

    let mut sim = paused_in_judging();
    sim.save(file("v3"));
    sim.run_to(1_000);
    assert_eq!(sim.phase(), "Paused");
    sim.assert_live("v1");
    resume(&mut sim);
    sim.assert_live("v3");
}

#[test]
fn a_paused_release_is_not_short_of_progress() {
    let mut sim = Sim::baking(file("v2").progress_deadline(400));
    sim.run_to(100);
    pause(&mut sim);
    sim.run_to(5_000);
    resume(&mut sim);
    sim.run_to(5_199);
    sim.assert_live("v2");
    sim.run_to(5_200);
    assert_eq!(sim.edges()[0], ("Baking", "Draining"));
}

/// In Judging at 10 %, with 12 of 20 seconds left, when every probe comes to fail at second 68.
fn without_data_in_judging() -> Sim {
    let mut sim = Sim::proven(file("v1"));
    sim.save(ramped());
    sim.run_to(68);
    sim.told.clear();
    sim.set_doubted(true);
    assert_eq!(sim.edges(), [("Judging", "Paused")]);
    sim
}

#[test]
fn what_lacks_data_neither_passes_nor_fails_and_goes_on_when_there_is_some() {
    let mut sim = without_data_in_judging();
    let why = sim.cutover.phase().trouble().unwrap_or_default();
    let wanted = "paused without data (every probe of every pool fails since 2001-09-09T01:47:48Z: \
                  this daemon may be cut off) in Judging since 2001-09-09T01:47:48Z";
    assert_eq!(why, wanted);
    assert_eq!(sim.cutover.next_deadline(), None);
    sim.run_to(10_000);
    sim.assert_shares(&[("v1", 90), ("v2", 10)]);
    sim.set_doubted(false);
    assert_eq!(sim.edges(), [("Paused", "Judging")]);
    assert_eq!(sim.cutover.next_deadline(), Some(at(10_012)));
    sim.run_to(10_012);
    sim.assert_shares(&[("v1", 50), ("v2", 50)]);
}

#[test]
fn no_deadline_and_no_open_gate_counts_without_data() {
    let mut sim = Sim::adopt(file("v1"));
    sim.up(&[1, 2]);
    sim.save(file("v2"));
    sim.run_to(500);
    sim.set_doubted(true);
    sim.run_to(50_000);
    assert_eq!(sim.phase(), "Paused");
    sim.set_doubted(false);
    assert_eq!(sim.cutover.next_deadline(), Some(at(50_100)), "100 of 600 seconds were left");

    let mut sim = Sim::proven(file("v1"));
    sim.set_doubted(true);
    sim.save(file("v2"));
    assert_eq!(sim.phase(), "Paused", "though every endpoint has passed before");
    sim.assert_live("v1");
    sim.set_doubted(false);
    sim.assert_live("v2");
}

#[test]
fn a_person_may_go_back_or_on_or_have_it_stay_but_not_resume_without_data() {
    let mut sim = without_data_in_judging();
    let refusal = sim.ask(Verb::Resume, false).expect_err("there is nothing to go on");
    assert!(refusal.to_string().ends_with("goes on by itself when there is some"), "{refusal}");
    sim.ask(Verb::Pause, false).expect("a person wants it to stay");
    sim.set_doubted(false);
    assert_eq!(sim.phase(), "Paused");
    sim.ask(Verb::Resume, false).expect("a person has paused it");
    assert_eq!(sim.phase(), "Judging");

    let mut sim = without_data_in_judging();
    sim.ask(Verb::Rollback, false).expect("there is a way back");
    sim.assert_live("v1");

    let mut sim = without_data_in_judging();
    sim.ask(Verb::Promote, false).expect("a step");
    sim.assert_shares(&[("v1", 50), ("v2", 50)]);
    assert_eq!(sim.phase(), "Paused", "the next one is not taken either");
}

#[test]
fn after_a_restart_it_waits_for_data_too() {
    let mut sim = without_data_in_judging();
    sim.restart();
    sim.handle(Event::Observed);
    sim.run_to(10_000);
    assert_eq!(sim.phase(), "Paused", "nothing has been tried");
    sim.observe(1, false);
    assert_eq!(sim.phase(), "Paused");
    sim.up(&[1, 2, 3, 4]);
    assert_eq!(sim.phase(), "Judging", "caches have long dropped what was before");
    assert_eq!(sim.cutover.next_deadline(), Some(at(10_020)), "it is judged for its whole time");
}

#[test]
fn only_services_with_probes_lack_their_data() {
    let mut sim = Sim::baking(file("v2").probe(crate::model::ProbeSetting::Off));
    sim.set_doubted(true);
    assert_eq!(sim.phase(), "Baking");
}
