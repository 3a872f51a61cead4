//! A failed release stays failed for that content of the file.

use super::{Event, Sim, file};

/// v2 was asked for at second 0 and had not passed by second 600.
fn failed() -> Sim {
    let mut sim = Sim::adopt(file("v1"));
    sim.up(&[1, 2]);
    sim.save(file("v2"));
    sim.run_to(600);
    assert_eq!(sim.phase(), "Failed");
    sim.told.clear();
    sim
}

#[test]
fn a_failed_release_is_not_tried_again_by_itself() {
    let mut sim = failed();
    sim.up(&[3, 4]);
    sim.run_to(100_000);
    sim.handle(Event::Observed);
    assert_eq!(sim.edges(), []);
    sim.assert_live("v1");
}

#[test]
fn the_same_content_saved_again_does_not_try_again() {
    let mut sim = failed();
    sim.up(&[3, 4]);
    sim.save(file("v2"));
    assert_eq!(sim.edges(), []);
}

#[test]
fn a_service_that_vanishes_and_comes_back_the_same_does_not_try_again() {
    let mut sim = failed();
    sim.up(&[3, 4]);
    sim.handle(Event::Vanished);
    sim.save(file("v2"));
    assert_eq!(sim.edges(), []);
}

#[test]
fn an_edit_back_and_forth_tries_again() {
    let mut sim = failed();
    sim.save(file("v1"));
    assert_eq!(sim.edges(), [("Failed", "Steady")]);
    sim.save(file("v2"));
    assert_eq!(sim.edges(), [("Steady", "Probing")]);
    sim.up(&[3, 4]);
    sim.assert_live("v2");
}

#[test]
fn an_edit_of_the_ttl_alone_tries_again() {
    let mut sim = failed();
    sim.save(file("v2").ttl(61));
    assert_eq!(sim.edges(), [("Failed", "Probing")]);
    assert_eq!(sim.cutover.phase().release().map(|release| release.id), Some(2));
}

#[test]
fn an_edit_to_a_third_pool_is_a_release_of_its_own() {
    let mut sim = failed();
    sim.save(file("v3"));
    sim.up(&[5, 6]);
    assert_eq!(sim.phase(), "Baking");
    sim.down(&[5]);
    sim.assert_live("v1");
}

#[test]
fn a_release_that_was_rolled_back_is_latched_like_one_that_missed_its_deadline() {
    let mut sim = Sim::baking(file("v2"));
    sim.down(&[3]);
    sim.run_to(60);
    assert_eq!(sim.phase(), "Failed");
    sim.told.clear();
    sim.up(&[3]);
    sim.save(file("v2"));
    assert_eq!(sim.edges(), []);
    sim.save(file("v2").ttl(61));
    assert_eq!(sim.phase(), "Baking");
    sim.assert_live("v2");
}
