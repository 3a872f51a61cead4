//! Ramps: shift, settle, judge for each step; back at once when something breaks.

use super::{Basis, Sim, Wanted, file};
use crate::model::FailPolicy;

/// 10 % for 20 s, 50 % for 30 s, then everyone for 300 s; TTL 60 s.
fn ramped() -> Wanted {
    file("v2").ramp(&[(10, 20), (50, 30)])
}

/// At 10 % since second 0.
fn at_ten_percent() -> Sim {
    let mut sim = Sim::proven(file("v1"));
    sim.save(ramped());
    assert_eq!(sim.phase(), "Settling");
    sim.told.clear();
    sim
}

#[test]
fn each_step_is_shift_settle_judge_and_the_last_is_everyone() {
    let mut sim = at_ten_percent();
    sim.assert_shares(&[("v1", 90), ("v2", 10)]);
    sim.run_to(59);
    assert_eq!(sim.phase(), "Settling", "caches hold answers from before");
    sim.run_to(60);
    assert_eq!(sim.phase(), "Judging");
    sim.run_to(79);
    sim.assert_shares(&[("v1", 90), ("v2", 10)]);
    sim.run_to(80);
    assert_eq!(sim.phase(), "Settling");
    sim.assert_shares(&[("v1", 50), ("v2", 50)]);
    sim.run_to(140 + 29);
    sim.assert_shares(&[("v1", 50), ("v2", 50)]);
    sim.run_to(140 + 30);
    assert_eq!(sim.phase(), "Baking");
    sim.assert_live("v2");
    sim.run_to(170 + 300);
    assert_eq!(sim.phase(), "Steady");
    let edges = [
        ("Settling", "Judging"),
        ("Judging", "Shifting"),
        ("Shifting", "Settling"),
        ("Settling", "Judging"),
        ("Judging", "Shifting"),
        ("Shifting", "Baking"),
        ("Baking", "Draining"),
        ("Draining", "Steady"),
    ];
    assert_eq!(sim.edges(), edges);
}

#[test]
fn on_trial_answers_are_short_lived_and_so_is_what_is_waited_for() {
    let ttl = |sim: &Sim| sim.cutover.answering(&sim.health).ttl.secs();
    let mut sim = Sim::proven(file("v1"));
    assert_eq!(ttl(&sim), 60);
    sim.save(ramped().short_ttl(5));
    assert_eq!(ttl(&sim), 5);
    sim.run_to(80);
    sim.assert_shares(&[("v1", 50), ("v2", 50)]);
    sim.run_to(85);
    assert_eq!(sim.phase(), "Judging", "answers of the step before lived for 5 s");
    sim.run_to(115);
    assert_eq!((sim.phase(), ttl(&sim)), ("Baking", 5));
    sim.down(&[3]);
    assert_eq!((sim.phase(), ttl(&sim)), ("RollingBack", 60));
    sim.run_to(120);
    assert_eq!(sim.phase(), "Failed", "rolled back out of caches within 5 s");
}

#[test]
fn a_short_ttl_that_is_longer_than_the_service_s_own_changes_nothing() {
    let mut sim = Sim::proven(file("v1").ttl(10));
    sim.save(ramped().ttl(10).short_ttl(20));
    assert_eq!(sim.cutover.answering(&sim.health).ttl.secs(), 10);
}

#[test]
fn no_client_is_given_the_new_pool_before_the_gate() {
    let mut sim = Sim::adopt(file("v1"));
    sim.save(ramped());
    sim.assert_shares(&[("v1", 100)]);
    sim.up(&[3]);
    sim.assert_shares(&[("v1", 100)]);
    sim.up(&[4]);
    sim.assert_shares(&[("v1", 90), ("v2", 10)]);
}

#[test]
fn trouble_in_any_step_takes_the_whole_share_back_in_one_store() {
    for second in [0, 59, 60, 79, 80, 139, 140, 169] {
        let mut sim = at_ten_percent();
        sim.run_to(second);
        sim.down(&[3]);
        assert_eq!(sim.phase(), "RollingBack", "at {second}");
        sim.assert_live("v1");
        sim.run_to(second + 60);
        assert_eq!(sim.phase(), "Failed", "at {second}");
        sim.assert_live("v1");
    }
}

#[test]
fn editing_back_takes_the_share_back_and_is_no_failure() {
    for second in [10, 65, 100, 150] {
        let mut sim = at_ten_percent();
        sim.run_to(second);
        sim.save(file("v1").ramp(&[(10, 20), (50, 30)]));
        assert_eq!(sim.phase(), "RollingBack", "at {second}");
        sim.assert_live("v1");
        sim.run_to(second + 60);
        assert_eq!(sim.phase(), "Steady", "at {second}");
    }
}

#[test]
fn editing_back_to_a_pool_that_is_down_waits_until_it_has_passed() {
    let mut sim = at_ten_percent();
    sim.down(&[1, 2]);
    sim.save(file("v1").ramp(&[(10, 20), (50, 30)]));
    assert_eq!(sim.phase(), "Probing");
    sim.assert_live("v2");
    sim.run_to(100);
    sim.assert_live("v2");
    sim.up(&[1, 2]);
    sim.assert_shares(&[("v2", 90), ("v1", 10)]);
}

#[test]
fn another_release_begins_from_where_most_clients_are() {
    let mut sim = at_ten_percent();
    sim.run_to(70);
    sim.save(file("v3").ramp(&[(10, 20)]));
    assert_eq!(sim.phase(), "Settling", "v3 is up");
    sim.assert_shares(&[("v1", 90), ("v3", 10)]);
    sim.down(&[5, 6]);
    sim.assert_live("v1");
}

#[test]
fn a_release_that_replaces_a_bake_gives_its_share_back_to_that_one() {
    let mut sim = Sim::baking(file("v2"));
    sim.save(file("v3").ramp(&[(10, 20)]));
    sim.assert_shares(&[("v2", 90), ("v3", 10)]);
    sim.save(file("v2").ramp(&[(10, 20)]));
    assert_eq!(sim.phase(), "Baking");
    sim.assert_live("v2");
    sim.down(&[3, 4]);
    sim.assert_live("v1");
}

#[test]
fn a_ramp_that_is_edited_goes_on_with_the_next_greater_share() {
    let mut sim = at_ten_percent();
    sim.run_to(70);
    sim.save(file("v2").ramp(&[(5, 12), (20, 7)]));
    assert_eq!(sim.phase(), "Judging");
    sim.assert_shares(&[("v1", 90), ("v2", 10)]);
    sim.run_to(71);
    sim.assert_shares(&[("v1", 90), ("v2", 10)]);
    // It is judged for as long as the step below it now says.
    sim.run_to(72);
    sim.assert_shares(&[("v1", 80), ("v2", 20)]);
}

#[test]
fn it_stays_where_it_is_when_nothing_could_take_its_place() {
    let mut sim = at_ten_percent();
    sim.down(&[1, 2]);
    sim.down(&[3]);
    assert_eq!(sim.phase(), "Settling", "halted");
    sim.assert_answers("v1", &[1, 2], Basis::Open);
    sim.run_to(500);
    assert_eq!(sim.phase(), "Settling", "no step is taken while something is wrong");
    sim.up(&[3]);
    assert_eq!(sim.phase(), "Judging");
}

#[test]
fn a_healthy_new_pool_stands_in_for_an_old_one_that_dies() {
    let mut sim = at_ten_percent();
    sim.down(&[1, 2]);
    sim.assert_answers("v2", &[3, 4], Basis::Previous);
    sim.assert_shares(&[("v2", 100)]);
    sim.up(&[1]);
    sim.assert_shares(&[("v1", 90), ("v2", 10)]);
}

#[test]
fn a_closed_service_fails_only_those_whose_pool_is_down() {
    let mut sim = Sim::proven(file("v1").policy(FailPolicy::Closed));
    sim.save(ramped().policy(FailPolicy::Closed));
    sim.down(&[1, 2]);
    sim.assert_answers("v1", &[], Basis::Closed);
    sim.assert_shares(&[("v1", 90), ("v2", 10)]);
}

/// Computed by another implementation. Changing it would move clients between the name servers of
/// one zone while they are upgraded.
#[test]
fn who_moves_first_hangs_on_the_release_and_never_changes() {
    let salt = |to: &str| {
        let mut sim = Sim::proven(file("v1"));
        sim.save(file(to).ramp(&[(10, 20)]));
        sim.cutover.answering(&sim.health).moved.map(|moved| moved.salt)
    };
    assert_eq!(salt("v2"), Some(0x90ea_a771_b9d6_cc05));
    assert_ne!(salt("v3"), salt("v2"));
}
