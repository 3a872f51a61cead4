//! A step is judged only when it is true in caches: whatever they hold was given by its share.

use super::{Event, Sim, Verb, Wanted, file, secs};

/// 10 % for 20 s, then everyone; TTL 60 s.
fn ramped(live: &str) -> Wanted {
    file(live).ramp(&[(10, 20)])
}

/// At 10 % since second 0.
fn at_ten_percent() -> Sim {
    let mut sim = Sim::proven(ramped("v1"));
    sim.save(ramped("v2"));
    assert_eq!(sim.phase(), "Settling");
    sim
}

#[test]
fn a_table_that_is_still_answered_from_after_the_next_is_stored_is_waited_for() {
    let mut sim = Sim::proven(ramped("v1"));
    sim.lingers = true;
    sim.save(ramped("v2"));
    sim.now = sim.now + secs(3);
    // Its last answers are given now.
    sim.lingers = false;
    sim.handle(Event::Observed);
    sim.run_to(62);
    assert_eq!(sim.phase(), "Settling");
    sim.run_to(63);
    assert_eq!(sim.phase(), "Judging");
}

#[test]
fn as_long_as_it_is_answered_from_nothing_is_judged() {
    let mut sim = Sim::proven(ramped("v1"));
    sim.lingers = true;
    sim.save(ramped("v2"));
    sim.now = sim.now + secs(100);
    sim.handle(Event::Observed);
    assert_eq!(sim.phase(), "Settling");
    sim.lingers = false;
    sim.handle(Event::Observed);
    sim.run_to(159);
    assert_eq!(sim.phase(), "Settling");
    sim.run_to(160);
    assert_eq!(sim.phase(), "Judging");
}

#[test]
fn a_pool_that_was_just_rolled_back_is_waited_for_too() {
    let mut sim = Sim::baking(file("v2"));
    sim.run_to(70);
    sim.save(file("v2").ttl(1));
    sim.ask(Verb::Rollback, false).expect("there is a way back");
    sim.save(ramped("v3").ttl(1));
    sim.assert_shares(&[("v1", 90), ("v3", 10)]);
    sim.run_to(129);
    assert_eq!(sim.phase(), "Settling", "v2 was answered with a TTL of 60 s at second 70");
    sim.run_to(130);
    assert_eq!(sim.phase(), "Judging");
}

#[test]
fn a_share_that_nobody_could_be_given_settles_from_when_it_is_given() {
    let mut sim = Sim::adopt(ramped("v1"));
    sim.up(&[1, 2]);
    sim.save(ramped("v2"));
    sim.ask(Verb::Promote, true).expect("by force");
    assert_eq!(sim.phase(), "Settling");
    sim.assert_live("v1");
    sim.run_to(200);
    assert_eq!(sim.phase(), "Settling", "all of v2 is yet to pass");
    sim.up(&[3, 4]);
    sim.publish();
    sim.assert_shares(&[("v1", 90), ("v2", 10)]);
    sim.run_to(259);
    assert_eq!(sim.phase(), "Settling");
    sim.run_to(260);
    assert_eq!(sim.phase(), "Judging");
}

#[test]
fn a_share_that_was_taken_away_while_it_was_judged_settles_anew() {
    let mut sim = at_ten_percent();
    sim.run_to(70);
    assert_eq!(sim.phase(), "Judging");
    sim.down(&[1, 2]);
    sim.down(&[3, 4]);
    assert_eq!(sim.cutover.answering(&sim.health).moved, None);
    sim.run_to(500);
    sim.up(&[3, 4]);
    sim.publish();
    assert_eq!(sim.phase(), "Settling", "caches hold what was given without it");
    sim.up(&[1, 2]);
    sim.assert_shares(&[("v1", 90), ("v2", 10)]);
    sim.run_to(559);
    assert_eq!(sim.phase(), "Settling");
    sim.run_to(560 + 19);
    assert_eq!(sim.phase(), "Judging");
    sim.run_to(560 + 20);
    assert_eq!(sim.phase(), "Baking");
}

/// v1 was down when the file went back to it, so it has to pass first; now v2 is down too.
#[test]
fn a_way_back_that_is_being_probed_is_taken_when_what_answers_turns_out_bad() {
    let mut sim = at_ten_percent();
    sim.down(&[1, 2]);
    sim.save(ramped("v1"));
    assert_eq!(sim.phase(), "Probing");
    sim.assert_live("v2");
    sim.down(&[3, 4]);
    assert_eq!(sim.phase(), "Probing", "nothing can take its place");
    sim.up(&[1]);
    assert_eq!(sim.phase(), "RollingBack");
    sim.assert_answers("v1", &[1], super::Basis::Live);
    sim.run_to(60);
    assert_eq!(sim.phase(), "Steady", "v1 answers, as the file asks");
}

#[test]
fn going_back_by_hand_to_what_the_file_asks_for_is_no_failure() {
    let mut sim = at_ten_percent();
    sim.down(&[1, 2]);
    sim.save(ramped("v1").deadline(30));
    sim.run_to(30);
    assert_eq!(sim.phase(), "Failed");
    sim.assert_live("v2");
    sim.ask(Verb::Rollback, true).expect("by force");
    sim.run_to(90);
    assert_eq!(sim.phase(), "Steady");
    assert!(sim.ask(Verb::Retry, true).is_err(), "there is nothing to try again");
}

/// A pause does not make it true in caches.
#[test]
fn a_share_that_was_taken_away_in_a_pause_settles_when_it_is_resumed() {
    let mut sim = at_ten_percent();
    sim.run_to(70);
    sim.ask(Verb::Pause, false).expect("it can be paused");
    sim.down(&[1, 2]);
    sim.down(&[3, 4]);
    sim.run_to(100);
    sim.up(&[3, 4, 1, 2]);
    sim.publish();
    assert_eq!(sim.phase(), "Paused");
    sim.ask(Verb::Resume, false).expect("it can be resumed");
    sim.publish();
    assert_eq!(sim.phase(), "Settling");
}
