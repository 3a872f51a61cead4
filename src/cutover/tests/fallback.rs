//! Never an empty answer: what is answered when nothing of the serving pool is up.

use super::{super::Basis, Event, Sim, file};
use crate::model::FailPolicy::{Closed, Open, Previous};

/// v2 serves, v1 served before.
fn steady(policy: crate::model::FailPolicy) -> Sim {
    let mut sim = Sim::baking(file("v2").policy(policy));
    sim.run_to(300);
    assert_eq!(sim.phase(), "Steady");
    sim
}

#[test]
fn the_previous_pool_answers_while_it_is_up() {
    let mut sim = steady(Previous);
    sim.down(&[3, 4, 1]);
    sim.assert_answers("v1", &[2], Basis::Previous);
    sim.up(&[4]);
    sim.assert_answers("v2", &[4], Basis::Live);
}

#[test]
fn with_the_previous_pool_down_too_the_serving_one_answers_in_full() {
    let mut sim = steady(Previous);
    sim.down(&[1, 2, 3, 4]);
    sim.assert_answers("v2", &[3, 4], Basis::Open);
}

#[test]
fn without_a_previous_pool_the_serving_one_answers_in_full() {
    let mut sim = Sim::adopt(file("v1"));
    sim.down(&[1, 2]);
    sim.assert_answers("v1", &[1, 2], Basis::Open);
}

#[test]
fn open_does_not_look_at_the_previous_pool() {
    let mut sim = steady(Open);
    sim.down(&[3, 4]);
    sim.assert_answers("v2", &[3, 4], Basis::Open);
}

#[test]
fn open_leaves_out_hosts_that_have_never_passed() {
    let mut sim = steady(Open);
    sim.save(file("v2").policy(Open).pool("v2", &[3, 4, 7]));
    sim.down(&[3, 4]);
    sim.assert_answers("v2", &[3, 4], Basis::Open);
    sim.up(&[7]);
    sim.assert_answers("v2", &[7], Basis::Live);
    sim.down(&[7]);
    sim.assert_answers("v2", &[3, 4, 7], Basis::Open);
}

#[test]
fn open_keeps_to_hosts_that_have_passed_once_until_new_ones_have() {
    let mut sim = Sim::adopt(file("v1").policy(Open));
    sim.down(&[1, 2]);
    sim.save(file("v1").policy(Open).pool("v1", &[7, 8]));
    sim.assert_answers("v1", &[1, 2], Basis::Open);
    sim.up(&[7]);
    sim.assert_answers("v1", &[7], Basis::Live);
}

#[test]
fn a_pool_that_failed_and_was_mended_stands_in_when_all_else_is_down() {
    let mut sim = Sim::baking(file("v2"));
    sim.down(&[3]);
    sim.run_to(60);
    assert_eq!(sim.phase(), "Failed");
    sim.up(&[3]);
    sim.down(&[1, 2]);
    sim.assert_answers("v2", &[3, 4], Basis::Previous);
}

#[test]
fn closed_answers_nothing_at_all() {
    let mut sim = steady(Closed);
    sim.down(&[3]);
    sim.assert_answers("v2", &[4], Basis::Live);
    sim.down(&[4]);
    sim.assert_answers("v2", &[], Basis::Closed);
}

#[test]
fn the_previous_pool_is_forgotten_with_the_file() {
    let mut sim = steady(Previous);
    sim.save(file("v2").without("v1"));
    assert!(!sim.cutover.addresses().contains(&super::address(1)));
    sim.down(&[3, 4]);
    sim.assert_answers("v2", &[3, 4], Basis::Open);
}

#[test]
fn a_draining_pool_takes_the_clients_of_one_that_dies() {
    let mut sim = Sim::baking(file("v2").bake(10));
    sim.run_to(10);
    assert_eq!(sim.phase(), "Draining");
    sim.down(&[3, 4]);
    sim.assert_answers("v1", &[1, 2], Basis::Previous);
}

#[test]
fn a_pool_that_stands_in_is_not_drained_before_its_last_answer_has_expired() {
    let mut sim = Sim::baking(file("v2").bake(10));
    sim.run_to(10);
    sim.down(&[3, 4]);
    sim.run_to(500);
    assert_eq!(sim.phase(), "Draining");
    sim.assert_answers("v1", &[1, 2], Basis::Previous);
    sim.up(&[3]);
    sim.assert_answers("v2", &[3], Basis::Live);
    assert_eq!(sim.cutover.next_deadline(), Some(super::at(560)));
    sim.run_to(560);
    assert_eq!(sim.phase(), "Steady");
}

#[test]
fn a_pool_that_could_stand_in_but_may_not_is_drained_in_time() {
    let mut sim = Sim::baking(file("v2").bake(10).policy(Open));
    sim.run_to(10);
    sim.down(&[3, 4]);
    sim.run_to(60);
    assert_eq!(sim.phase(), "Steady");
    sim.assert_answers("v2", &[3, 4], Basis::Open);
}

#[test]
fn a_rolled_back_service_falls_back_to_the_pool_before_and_not_to_the_failed_one() {
    let mut sim = steady(Previous);
    sim.save(file("v3"));
    sim.down(&[5]);
    assert_eq!(sim.phase(), "RollingBack");
    sim.down(&[3, 4]);
    sim.assert_answers("v1", &[1, 2], Basis::Previous);
    sim.run_to(1_000);
    assert_eq!(sim.phase(), "Failed");
    sim.assert_answers("v1", &[1, 2], Basis::Previous);
}

#[test]
fn a_service_without_a_probe_counts_as_up() {
    let mut sim = Sim::adopt(file("v1").probe(crate::model::ProbeSetting::Off));
    sim.down(&[1, 2]);
    sim.assert_live("v1");
    sim.handle(Event::Observed);
    assert_eq!(sim.edges(), []);
}

#[test]
fn a_pool_that_failed_and_would_fail_again_does_not_stand_in() {
    let mut sim = Sim::adopt(file("v1"));
    sim.up(&[1, 2, 3]);
    sim.save(file("v2"));
    sim.run_to(600);
    assert_eq!(sim.phase(), "Failed");
    sim.down(&[1, 2]);
    sim.assert_answers("v1", &[1, 2], Basis::Open);
}
