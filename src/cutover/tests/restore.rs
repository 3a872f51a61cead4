//! A restart in every phase: the machine comes back where it was, or to a safer place, and what it
//! was watching it watches anew.

use super::{Basis, Sim, Verb, at, file};

fn ramp(live: &str) -> super::Wanted {
    file(live).bake(100).ramp(&[(10, 50), (50, 50)])
}

/// A release from v1 to v2 whose first step is settling.
fn settling() -> Sim {
    let mut sim = Sim::proven(ramp("v1"));
    sim.save(ramp("v2"));
    assert_eq!(sim.phase(), "Settling");
    sim.told.clear();
    sim
}

#[test]
fn steady_is_steady_and_the_pool_before_is_remembered() {
    let mut sim = Sim::baking(file("v2"));
    sim.run_to(1_000);
    assert_eq!(sim.phase(), "Steady");
    sim.told.clear();
    sim.restart();
    assert_eq!((sim.phase(), sim.edges()), ("Steady", Vec::from([])));
    sim.assert_live("v2");
    assert_eq!(sim.cutover.phase().fallback().expect("kept").to_string(), "v1");
    // It was left long ago: it has to pass before it is given clients.
    sim.down(&[3, 4]);
    sim.assert_answers("v2", &[3, 4], Basis::Open);
    sim.up(&[1, 2]);
    sim.assert_answers("v1", &[1, 2], Basis::Previous);
}

#[test]
fn probing_begins_its_deadline_anew_and_opens_only_when_the_probes_have_passed_again() {
    let mut sim = Sim::adopt(file("v1"));
    sim.save(file("v2"));
    sim.up(&[3]);
    sim.run_to(500);
    sim.restart();
    assert_eq!(sim.phase(), "Probing");
    sim.assert_live("v1");
    assert_eq!(sim.cutover.next_deadline(), Some(at(500 + 600)));
    sim.up(&[4]);
    assert_eq!(sim.phase(), "Probing", "one of them has not passed since");
    sim.up(&[3]);
    assert_eq!(sim.phase(), "Baking");
}

#[test]
fn a_share_stays_and_its_step_begins_anew() {
    for (until, phase) in [(0, "Settling"), (70, "Judging")] {
        let mut sim = settling();
        sim.run_to(until);
        assert_eq!(sim.phase(), phase);
        sim.told.clear();
        sim.restart();
        assert_eq!(sim.phase(), "Settling");
        sim.assert_shares(&[("v1", 90), ("v2", 10)]);
        // Caches may have been given something just before the end.
        sim.run_to(until + 59);
        assert_eq!(sim.phase(), "Settling");
        sim.run_to(until + 60);
        assert_eq!(sim.phase(), "Judging");
        sim.run_to(until + 60 + 49);
        sim.assert_shares(&[("v1", 90), ("v2", 10)]);
        sim.run_to(until + 60 + 50);
        assert_eq!(sim.phase(), "Waiting", "nothing has passed its probes since");
        sim.up(&[3, 4]);
        sim.assert_shares(&[("v1", 50), ("v2", 50)]);
    }
}

#[test]
fn a_share_that_was_about_to_be_given_counts_as_given() {
    let mut sim = Sim::proven(ramp("v1"));
    sim.publishes = false;
    sim.save(ramp("v2"));
    assert_eq!(sim.phase(), "Shifting");
    sim.told.clear();
    sim.restart();
    assert_eq!(sim.edges(), [("Shifting", "Settling")]);
    sim.assert_shares(&[("v1", 90), ("v2", 10)]);

    let mut sim = Sim::proven(file("v1"));
    sim.publishes = false;
    sim.save(file("v2"));
    sim.restart();
    assert_eq!(sim.phase(), "Baking");
}

#[test]
fn a_bake_begins_anew_and_still_rolls_back() {
    let mut sim = Sim::baking(file("v2"));
    sim.run_to(299);
    sim.restart();
    assert_eq!(sim.phase(), "Baking");
    sim.run_to(299 + 299);
    assert_eq!(sim.phase(), "Baking");
    sim.restart();
    sim.down(&[3]);
    assert_eq!(sim.phase(), "RollingBack");
    sim.assert_live("v1");
}

#[test]
fn draining_and_rolling_back_go_on_to_their_horizons() {
    let mut sim = Sim::baking(file("v2").bake(10));
    sim.run_to(20);
    assert_eq!(sim.phase(), "Draining");
    sim.restart();
    // v1 had left when it was kept.
    assert_eq!(sim.cutover.next_deadline(), Some(at(60)));
    sim.run_to(60);
    assert_eq!(sim.phase(), "Steady");

    let mut sim = Sim::baking(file("v2"));
    sim.run_to(100);
    sim.down(&[3, 4]);
    sim.run_to(130);
    sim.restart();
    assert_eq!((sim.phase(), sim.cutover.next_deadline()), ("RollingBack", Some(at(160))));
    sim.run_to(160);
    assert_eq!(sim.phase(), "Failed");
}

#[test]
fn failed_stays_failed_until_somebody_says_so() {
    let mut sim = Sim::baking(file("v2"));
    sim.ask(Verb::Rollback, false).expect("there is a way back");
    sim.run_to(200);
    assert_eq!(sim.phase(), "Failed");
    sim.restart();
    assert_eq!(sim.phase(), "Failed");
    // The file still names the other one, and says nothing new.
    sim.save(file("v2"));
    sim.up(&[1, 2, 3, 4]);
    assert_eq!(sim.phase(), "Failed");
    sim.assert_live("v1");
    sim.ask(Verb::Retry, false).expect("it has failed");
    assert_eq!(sim.phase(), "Baking");
    assert_eq!(sim.cutover.phase().release().map(|release| release.id), Some(2));
}

#[test]
fn an_orphan_stays_an_orphan() {
    let mut sim = Sim::proven(file("v1"));
    sim.handle(super::Event::Vanished);
    sim.restart();
    assert!(sim.cutover.is_orphaned());
    sim.assert_live("v1");
}

#[test]
fn what_goes_back_is_told_from_what_goes_on() {
    let mut sim = settling();
    let before = sim.cutover.clone();
    sim.run_to(70);
    assert_eq!(sim.phase(), "Judging");
    assert!(!sim.cutover.has_gone_back(&before), "it has gone on");
    let before = sim.cutover.clone();
    sim.down(&[3]);
    assert_eq!(sim.phase(), "RollingBack");
    assert!(sim.cutover.has_gone_back(&before));
    assert!(!sim.cutover.has_gone_back(&sim.cutover.clone()), "nothing has happened");

    let mut sim = Sim::adopt(file("v1"));
    let before = sim.cutover.clone();
    sim.save(file("v2"));
    assert!(!sim.cutover.has_gone_back(&before));
    let before = sim.cutover.clone();
    sim.ask(Verb::Rollback, false).expect("nothing was moved yet");
    assert!(sim.cutover.has_gone_back(&before), "it has been given up");
}

#[test]
fn what_waited_before_the_first_step_passes_its_gate_and_waits_again() {
    let mut sim = Sim::proven(file("v1"));
    sim.save(file("v2").at(1_000));
    sim.told.clear();
    sim.restart();
    assert_eq!(sim.edges(), [("Waiting", "Probing")]);
    sim.up(&[1, 2, 3, 4]);
    assert_eq!(sim.phase(), "Waiting");
    sim.assert_live("v1");
    sim.run_to(1_000);
    sim.assert_live("v2");
}

#[test]
fn what_waited_between_two_steps_settles_and_is_judged_anew() {
    let mut sim = settling();
    sim.save(ramp("v2").interval(1_000));
    sim.run_to(200);
    assert_eq!(sim.phase(), "Waiting");
    sim.told.clear();
    sim.restart();
    assert_eq!(sim.edges(), [("Waiting", "Settling")]);
    sim.up(&[1, 2, 3, 4]);
    sim.run_to(999);
    sim.assert_shares(&[("v1", 90), ("v2", 10)]);
    sim.run_to(1_000);
    sim.assert_shares(&[("v1", 50), ("v2", 50)]);
}

#[test]
fn what_a_person_has_paused_is_paused() {
    let mut sim = Sim::baking(file("v2"));
    sim.run_to(200);
    sim.ask(Verb::Pause, false).expect("it bakes");
    sim.told.clear();
    sim.restart();
    assert_eq!((sim.phase(), sim.edges()), ("Paused", Vec::from([])));
    sim.run_to(5_000);
    sim.assert_live("v2");
    sim.ask(Verb::Resume, false).expect("it is paused");
    assert_eq!(sim.cutover.next_deadline(), Some(at(5_300)), "it bakes anew");
}
