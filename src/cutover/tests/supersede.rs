//! A third pool is asked for before the release to the second is done.

use super::{Sim, at, file};

/// v2 bakes since second 0, v3 is asked for at second 100 and has host 5 to prove.
fn superseding() -> Sim {
    let mut sim = Sim::baking(file("v2"));
    sim.down(&[5]);
    sim.run_to(100);
    sim.save(file("v3"));
    assert_eq!(sim.edges(), [("Baking", "Probing")]);
    sim.assert_live("v2");
    sim
}

#[test]
fn a_third_pool_while_probing_begins_anew_and_nothing_was_moved() {
    let mut sim = Sim::adopt(file("v1"));
    sim.save(file("v2"));
    sim.run_to(500);
    sim.told.clear();
    sim.save(file("v3"));
    assert_eq!(sim.edges(), [("Probing", "Probing")]);
    assert_eq!(sim.cutover.next_deadline(), Some(at(1_100)));
    sim.up(&[3, 4]);
    assert_eq!(sim.phase(), "Probing", "nobody asks for v2 any longer");
    sim.assert_live("v1");
    sim.up(&[5, 6]);
    assert_eq!(sim.phase(), "Baking");
    sim.down(&[5]);
    assert_eq!(sim.phase(), "RollingBack");
    sim.assert_live("v1");
}

#[test]
fn a_third_pool_in_the_bake_rolls_back_to_the_last_that_finished_its_bake() {
    let mut sim = superseding();
    sim.up(&[5]);
    sim.assert_live("v3");
    sim.run_to(200);
    sim.down(&[6]);
    assert_eq!(sim.phase(), "RollingBack");
    sim.assert_live("v1");
    sim.run_to(260);
    assert_eq!(sim.phase(), "Failed");
    sim.assert_live("v1");
}

#[test]
fn a_third_pool_in_the_bake_can_finish_in_place_of_the_second() {
    let mut sim = superseding();
    sim.run_to(150);
    sim.up(&[5]);
    assert_eq!(sim.cutover.next_deadline(), Some(at(450)));
    sim.run_to(450);
    assert_eq!(sim.phase(), "Steady");
    sim.assert_live("v3");
}

#[test]
fn withdrawing_the_third_pool_bakes_the_second_anew() {
    let mut sim = superseding();
    sim.run_to(200);
    sim.save(file("v2"));
    assert_eq!(sim.edges(), [("Probing", "Baking")]);
    assert_eq!(sim.cutover.next_deadline(), Some(at(500)));
    sim.down(&[3]);
    assert_eq!(sim.phase(), "RollingBack");
    sim.assert_live("v1");
}

#[test]
fn going_back_to_the_first_while_the_third_is_probed_is_a_rollback() {
    let mut sim = superseding();
    sim.run_to(200);
    sim.save(file("v1"));
    assert_eq!(sim.edges(), [("Probing", "RollingBack")]);
    sim.assert_live("v1");
    sim.run_to(260);
    assert_eq!(sim.edges(), [("RollingBack", "Steady")]);
}

#[test]
fn a_third_pool_that_misses_its_deadline_leaves_the_second_answering() {
    let mut sim = superseding();
    sim.run_to(700);
    assert_eq!(sim.phase(), "Failed");
    sim.assert_live("v2");
}

#[test]
fn a_bake_is_watched_while_it_is_being_replaced() {
    let mut sim = superseding();
    sim.told.clear();
    sim.down(&[3]);
    assert_eq!(sim.edges(), [("Probing", "Probing")]);
    sim.assert_live("v1");
    sim.up(&[5]);
    assert_eq!(sim.phase(), "Baking");
    sim.assert_live("v3");
}

#[test]
fn a_second_pool_left_over_by_a_failed_third_is_still_watched() {
    let mut sim = superseding();
    sim.run_to(700);
    sim.told.clear();
    sim.down(&[3]);
    assert_eq!(sim.edges(), [("Failed", "RollingBack")]);
    sim.assert_live("v1");
    let release = sim.cutover.phase().release().expect("what is given up");
    assert_eq!((release.from.to_string(), release.to.to_string()), ("v1".into(), "v2".into()));
}

#[test]
fn a_second_pool_left_over_by_a_failed_third_still_has_to_bake() {
    let mut sim = superseding();
    sim.run_to(700);
    sim.told.clear();
    sim.save(file("v2"));
    assert_eq!(sim.edges(), [("Failed", "Baking")]);
    sim.down(&[3]);
    assert_eq!(sim.phase(), "RollingBack");
    sim.assert_live("v1");
}

#[test]
fn a_third_pool_while_draining_rolls_back_to_the_second() {
    let mut sim = Sim::baking(file("v2").bake(10));
    sim.run_to(10);
    assert_eq!(sim.phase(), "Draining");
    sim.save(file("v3").bake(10));
    assert_eq!(sim.phase(), "Baking");
    sim.down(&[5]);
    assert_eq!(sim.phase(), "RollingBack");
    sim.assert_live("v2");
}

#[test]
fn a_third_pool_before_the_second_is_stored_rolls_back_to_the_first() {
    let mut sim = Sim::proven(file("v1"));
    sim.publishes = false;
    sim.save(file("v2"));
    sim.down(&[5]);
    sim.save(file("v3"));
    assert_eq!(sim.phase(), "Probing");
    sim.publishes = true;
    sim.up(&[5]);
    sim.assert_live("v3");
    sim.down(&[6]);
    assert_eq!(sim.phase(), "RollingBack");
    sim.assert_live("v1");
}

#[test]
fn a_third_pool_while_rolling_back_starts_from_the_safe_one() {
    let mut sim = Sim::baking(file("v2"));
    sim.down(&[3]);
    assert_eq!(sim.phase(), "RollingBack");
    sim.save(file("v3"));
    assert_eq!(sim.phase(), "Baking");
    sim.down(&[5]);
    sim.assert_live("v1");
}
