//! What the file says, and does not say, about the probe itself.

use super::{super::Basis, Sim, file, probe, probe_of};
use crate::model::ProbeSetting::{Off, Unset};

#[test]
fn a_file_that_is_silent_about_the_probe_keeps_the_old_one() {
    let mut sim = Sim::adopt(file("v1"));
    sim.save(file("v2").probe(Unset));
    assert_eq!(sim.cutover.spec().probe, probe());
    assert_eq!(sim.phase(), "Probing", "the gate is still there");
    sim.assert_live("v1");
}

#[test]
fn only_losing_the_probe_is_no_edit() {
    let mut sim = Sim::adopt(file("v1"));
    sim.save(file("v2"));
    sim.run_to(600);
    assert_eq!(sim.phase(), "Failed");
    sim.told.clear();
    sim.save(file("v2").probe(Unset));
    assert_eq!(sim.edges(), []);
}

#[test]
fn a_probe_that_is_turned_off_opens_the_gate() {
    let mut sim = Sim::adopt(file("v1"));
    sim.save(file("v2"));
    assert_eq!(sim.phase(), "Probing");
    sim.save(file("v2").probe(Off));
    assert_eq!(sim.phase(), "Baking");
    sim.assert_live("v2");
}

#[test]
fn a_file_silent_about_a_probe_that_is_off_keeps_it_off() {
    let mut sim = Sim::adopt(file("v1").probe(Off));
    sim.save(file("v2").probe(Unset));
    assert_eq!(sim.cutover.spec().probe, Off);
    sim.assert_live("v2");
}

#[test]
fn a_service_that_never_had_a_probe_is_released_without_one() {
    let mut sim = Sim::adopt(file("v1").probe(Unset));
    sim.save(file("v2").probe(Unset));
    assert_eq!(sim.phase(), "Baking");
}

#[test]
fn turning_the_probe_on_does_not_move_the_answers() {
    let mut sim = Sim::adopt(file("v1").probe(Off));
    sim.save(file("v2").probe(Off));
    sim.run_to(300);
    assert_eq!(sim.phase(), "Steady");
    sim.save(file("v2"));
    sim.assert_live("v2");
    sim.down(&[3]);
    sim.assert_answers("v2", &[4], Basis::Live);
}

#[test]
fn verdicts_of_a_probe_that_was_off_since_are_void() {
    let mut sim = Sim::adopt(file("v1"));
    sim.down(&[1]);
    sim.assert_answers("v1", &[2], Basis::Live);
    sim.save(file("v1").probe(Off));
    sim.assert_live("v1");
    sim.save(file("v1"));
    sim.assert_live("v1");
}

#[test]
fn a_probe_turned_on_is_a_gate_for_the_next_release() {
    let mut sim = Sim::adopt(file("v1").probe(Off));
    sim.save(file("v1"));
    sim.save(file("v2"));
    assert_eq!(sim.phase(), "Probing");
    sim.up(&[3, 4]);
    sim.assert_live("v2");
}

#[test]
fn a_probe_turned_on_by_the_edit_that_releases_is_its_gate() {
    let mut sim = Sim::adopt(file("v1").probe(Off));
    sim.save(file("v2"));
    assert_eq!(sim.edges(), [("Steady", "Probing")]);
    sim.assert_live("v1");
    sim.up(&[3, 4]);
    sim.assert_live("v2");
}

#[test]
fn another_probe_is_the_gate_of_the_edit_that_brings_it() {
    let mut sim = Sim::proven(file("v1"));
    sim.save(file("v2").probe(probe_of(81)));
    assert_eq!(sim.edges(), [("Steady", "Probing")]);
    sim.assert_live("v1");
    sim.up(&[3, 4]);
    sim.assert_live("v2");
}

#[test]
fn another_probe_leaves_the_answers_until_it_has_judged() {
    let mut sim = Sim::proven(file("v1"));
    sim.down(&[1]);
    sim.save(file("v1").probe(probe_of(81)));
    sim.assert_answers("v1", &[2], Basis::Live);
    sim.up(&[1]);
    sim.assert_live("v1");
}

#[test]
fn another_probe_in_the_bake_gets_the_whole_bake() {
    let mut sim = Sim::baking(file("v2"));
    sim.run_to(299);
    sim.save(file("v2").probe(probe_of(81)));
    assert_eq!(sim.cutover.next_deadline(), Some(super::at(599)));
    sim.run_to(400);
    assert_eq!(sim.phase(), "Baking");
    sim.up(&[1, 2, 4]);
    sim.down(&[3]);
    assert_eq!(sim.phase(), "RollingBack");
}
