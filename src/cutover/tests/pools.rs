//! What vanishes from the file, and pools whose hosts are changed under a running service.

use super::{super::Basis, Event, Sim, address, file};

#[test]
fn a_service_that_vanishes_from_the_file_goes_on_answering() {
    let mut sim = Sim::proven(file("v1"));
    sim.handle(Event::Vanished);
    assert!(sim.cutover.is_orphaned());
    assert_eq!(sim.edges(), []);
    sim.assert_live("v1");
    sim.down(&[1]);
    sim.assert_answers("v1", &[2], Basis::Live);
}

#[test]
fn a_service_that_comes_back_is_no_orphan() {
    let mut sim = Sim::proven(file("v1"));
    sim.handle(Event::Vanished);
    sim.save(file("v1"));
    assert!(!sim.cutover.is_orphaned());
    assert_eq!(sim.edges(), []);
    sim.handle(Event::Vanished);
    sim.save(file("v2"));
    assert!(!sim.cutover.is_orphaned());
    sim.assert_live("v2");
}

#[test]
fn a_pool_that_vanishes_while_it_answers_goes_on_answering() {
    let mut sim = Sim::adopt(file("v1"));
    sim.save(file("v2").without("v1"));
    assert_eq!(sim.phase(), "Probing");
    sim.assert_live("v1");
    assert!(sim.cutover.addresses().contains(&address(1)), "and goes on being probed");
    sim.down(&[1]);
    sim.assert_answers("v1", &[2], Basis::Live);
}

#[test]
fn a_pool_that_vanishes_in_the_bake_still_takes_the_clients_back() {
    let mut sim = Sim::baking(file("v2"));
    sim.save(file("v2").without("v1"));
    sim.down(&[3]);
    assert_eq!(sim.phase(), "RollingBack");
    sim.assert_live("v1");
    sim.run_to(60);
    assert_eq!(sim.phase(), "Failed");
    sim.assert_live("v1");
}

#[test]
fn replaced_hosts_answer_until_enough_of_the_new_ones_are_up() {
    let mut sim = Sim::proven(file("v1"));
    sim.save(file("v1").pool("v1", &[7, 8]));
    sim.assert_answers("v1", &[1, 2], Basis::Live);
    sim.up(&[7]);
    sim.assert_answers("v1", &[1, 2], Basis::Live);
    sim.up(&[8]);
    sim.assert_answers("v1", &[7, 8], Basis::Live);
    assert_eq!(sim.edges(), [], "that is no release");
}

#[test]
fn enough_of_the_new_hosts_is_what_min_up_says() {
    let mut sim = Sim::proven(file("v1").min_up(50));
    sim.save(file("v1").min_up(50).pool("v1", &[7, 8]));
    sim.up(&[7]);
    sim.assert_answers("v1", &[7], Basis::Live);
}

#[test]
fn replaced_hosts_that_die_make_room_for_the_new_ones() {
    let mut sim = Sim::proven(file("v1"));
    sim.save(file("v1").pool("v1", &[7, 8]));
    sim.up(&[7]);
    sim.down(&[1, 2]);
    sim.assert_answers("v1", &[7], Basis::Live);
}

#[test]
fn an_added_host_joins_when_it_has_passed() {
    let mut sim = Sim::proven(file("v1"));
    sim.save(file("v1").pool("v1", &[1, 2, 7]));
    sim.assert_answers("v1", &[1, 2], Basis::Live);
    sim.up(&[7]);
    sim.assert_answers("v1", &[1, 2, 7], Basis::Live);
}

#[test]
fn a_removed_host_leaves_at_once() {
    let mut sim = Sim::proven(file("v1"));
    sim.save(file("v1").pool("v1", &[2]));
    sim.assert_answers("v1", &[2], Basis::Live);
    assert!(!sim.cutover.addresses().contains(&address(1)));
}

#[test]
fn a_host_that_was_removed_has_to_pass_again() {
    let mut sim = Sim::proven(file("v1"));
    sim.save(file("v1").pool("v1", &[2]));
    sim.save(file("v1"));
    sim.assert_answers("v1", &[2], Basis::Live);
    sim.up(&[1]);
    sim.assert_live("v1");
}

#[test]
fn hosts_that_are_exchanged_leave_when_as_many_are_proven() {
    let mut sim = Sim::proven(file("v1"));
    sim.save(file("v1").pool("v1", &[1, 7]));
    sim.assert_answers("v1", &[1, 2], Basis::Live);
    sim.up(&[7]);
    sim.assert_answers("v1", &[1, 7], Basis::Live);
}

#[test]
fn the_pool_that_is_gone_back_to_keeps_its_hosts_until_the_new_ones_are_proven() {
    let mut sim = Sim::baking(file("v2"));
    sim.save(file("v2").pool("v1", &[7, 8]));
    sim.down(&[3]);
    assert_eq!(sim.phase(), "RollingBack");
    sim.assert_answers("v1", &[1, 2], Basis::Live);
}

#[test]
fn the_pool_that_is_probed_follows_the_file_at_once() {
    let mut sim = Sim::adopt(file("v1"));
    sim.save(file("v2"));
    sim.save(file("v2").pool("v2", &[7]));
    sim.up(&[7]);
    sim.assert_answers("v2", &[7], Basis::Live);
}

#[test]
fn a_host_in_two_pools_has_one_verdict() {
    let shared = |live| file(live).pool("v2", &[2, 3]);
    let mut sim = Sim::proven(shared("v1"));
    sim.save(shared("v2"));
    sim.assert_answers("v2", &[2, 3], Basis::Live);
    sim.down(&[2]);
    assert_eq!(sim.phase(), "RollingBack");
    sim.assert_answers("v1", &[1], Basis::Live);
}
