//! Pools of both address families: clients of one family are never left with nothing.

use super::{super::Basis, Sim, file};
use crate::model::{
    FailPolicy::{Closed, Open, Previous},
    Family,
};

#[test]
fn the_gate_wants_something_of_each_family() {
    let mut sim = Sim::adopt(file("v1").min_up(50).pool("v2", &[3, 103]));
    sim.save(file("v2").min_up(50).pool("v2", &[3, 103]));
    sim.up(&[103]);
    assert_eq!(sim.phase(), "Probing");
    sim.up(&[3]);
    sim.assert_answers("v2", &[3, 103], Basis::Live);
}

#[test]
fn a_release_that_waits_for_a_family_says_so() {
    let mut sim = Sim::adopt(file("v1").min_up(50).pool("v2", &[3, 103]));
    sim.save(file("v2").min_up(50).pool("v2", &[3, 103]));
    sim.up(&[103]);
    sim.run_to(600);
    let reason = sim.cutover.phase().trouble().expect("it failed");
    assert!(reason.contains("none of them with IPv4"), "{reason}");
}

#[test]
fn a_bake_that_loses_a_family_is_rolled_back() {
    let pools = |live| file(live).min_up(50).pool("v1", &[1, 101]).pool("v2", &[3, 103]);
    let mut sim = Sim::adopt(pools("v1"));
    sim.up(&[1, 101, 3, 103]);
    sim.save(pools("v2"));
    sim.down(&[103]);
    assert_eq!(sim.phase(), "RollingBack");
    sim.assert_answers("v1", &[1, 101], Basis::Live);
}

#[test]
fn a_serving_pool_that_loses_a_family_falls_back() {
    let mut sim = Sim::adopt(file("v1").policy(Open).pool("v1", &[1, 2, 101]));
    sim.up(&[1, 2, 101]);
    sim.down(&[2, 101]);
    sim.assert_answers("v1", &[1, 101], Basis::Open);
    sim.up(&[101]);
    sim.assert_answers("v1", &[1, 101], Basis::Live);
}

#[test]
fn only_a_pool_with_the_lost_family_stands_in() {
    let pools = |live| file(live).policy(Previous).pool("v2", &[3, 103]);
    let mut sim = Sim::adopt(pools("v1"));
    sim.up(&[1, 2, 3, 103]);
    sim.save(pools("v2"));
    sim.run_to(300);
    assert_eq!(sim.phase(), "Steady");
    sim.down(&[103]);
    sim.assert_answers("v2", &[3, 103], Basis::Open);
}

#[test]
fn closed_loses_only_the_family_that_is_down() {
    let mut sim = Sim::adopt(file("v1").policy(Closed).pool("v1", &[1, 101]));
    sim.up(&[1, 101]);
    sim.down(&[101]);
    sim.assert_answers("v1", &[1], Basis::Closed);
    assert_eq!(sim.cutover.answering(&sim.health).parts[0].lost, [Family::V6]);
}

#[test]
fn a_family_that_is_down_does_not_freeze_the_pool() {
    let with = |hosts: &[u8]| file("v1").pool("v1", hosts);
    let mut sim = Sim::adopt(with(&[1, 2, 101]));
    sim.up(&[1, 2, 101]);
    sim.down(&[101]);
    sim.save(with(&[1, 101]));
    sim.assert_answers("v1", &[1, 101], Basis::Open);
    sim.save(with(&[1, 3, 101]));
    sim.up(&[3]);
    sim.assert_answers("v1", &[1, 3, 101], Basis::Open);
}

/// v1 has lost IPv6; v2 never had it and bakes.
fn dropping_ipv6() -> (Sim, super::Wanted) {
    let pools = |live| file(live).pool("v1", &[1, 2, 101]);
    let mut sim = Sim::adopt(pools("v1"));
    sim.up(&[1, 2, 101, 3, 4]);
    sim.down(&[101]);
    sim.save(pools("v2"));
    assert_eq!(sim.phase(), "Baking");
    (sim, pools("v1"))
}

#[test]
fn a_family_that_the_new_pool_never_had_does_not_keep_from_rolling_back() {
    let (mut sim, _) = dropping_ipv6();
    sim.down(&[3]);
    assert_eq!(sim.phase(), "RollingBack");
}

#[test]
fn a_person_can_go_back_to_a_pool_that_has_lost_a_family() {
    let (mut sim, back) = dropping_ipv6();
    sim.save(back);
    assert_eq!(sim.phase(), "RollingBack");
}

#[test]
fn a_pool_that_cannot_answer_is_left_even_for_a_smaller_one() {
    let pools = |live| file(live).pool("v1", &[1, 2, 101]).pool("v2", &[3, 4, 5, 103]);
    let mut sim = Sim::adopt(pools("v1"));
    sim.up(&[1, 2, 101, 3, 4, 5, 103]);
    sim.save(pools("v2"));
    sim.down(&[2]);
    sim.down(&[103]);
    assert_eq!(sim.phase(), "RollingBack");
    sim.assert_answers("v1", &[1, 101], Basis::Live);
}
