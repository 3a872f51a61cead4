//! A person goes back: the file asks for the pool before while a release is under way. And what
//! an edited TTL changes.

use super::{Sim, at, file};

#[test]
fn a_release_withdrawn_while_probing_has_moved_nothing() {
    let mut sim = Sim::adopt(file("v1"));
    sim.save(file("v2"));
    sim.run_to(30);
    sim.save(file("v1"));
    assert_eq!(sim.edges(), [("Steady", "Probing"), ("Probing", "Steady")]);
    assert_eq!(sim.cutover.next_deadline(), None);
    sim.assert_live("v1");
    sim.up(&[3, 4]);
    assert_eq!(sim.phase(), "Steady");
}

#[test]
fn going_back_in_the_bake_rolls_back_and_ends_steady() {
    let mut sim = Sim::baking(file("v2"));
    sim.run_to(100);
    sim.save(file("v1"));
    assert_eq!(sim.edges(), [("Baking", "RollingBack")]);
    assert_eq!(sim.cutover.phase().trouble(), None);
    sim.assert_live("v1");
    sim.run_to(159);
    assert_eq!(sim.phase(), "RollingBack");
    sim.run_to(160);
    assert_eq!(sim.edges(), [("RollingBack", "Steady")]);
}

#[test]
fn going_back_while_draining_rolls_back_and_ends_steady() {
    let mut sim = Sim::baking(file("v2").bake(10));
    sim.run_to(30);
    assert_eq!(sim.phase(), "Draining");
    sim.told.clear();
    sim.save(file("v1").bake(10));
    assert_eq!(sim.edges(), [("Draining", "RollingBack")]);
    sim.assert_live("v1");
    sim.run_to(90);
    assert_eq!(sim.edges(), [("RollingBack", "Steady")]);
}

#[test]
fn going_back_needs_one_host_that_is_up_and_not_the_whole_gate() {
    let mut sim = Sim::baking(file("v2"));
    sim.down(&[1]);
    sim.save(file("v1"));
    assert_eq!(sim.phase(), "RollingBack");
    sim.assert_answers("v1", &[2], super::Basis::Live);
}

#[test]
fn going_back_to_a_pool_that_is_down_is_a_release_with_a_gate() {
    let mut sim = Sim::baking(file("v2"));
    sim.down(&[1, 2]);
    sim.save(file("v1"));
    assert_eq!(sim.edges(), [("Baking", "Probing")]);
    sim.assert_live("v2");
    sim.up(&[1, 2]);
    assert_eq!(sim.phase(), "Baking");
    sim.assert_live("v1");
}

#[test]
fn going_back_before_the_answers_are_stored_ends_with_the_pool_before() {
    let mut sim = Sim::proven(file("v1"));
    sim.publishes = false;
    sim.save(file("v2"));
    sim.down(&[1]);
    assert_eq!(sim.phase(), "Shifting");
    sim.told.clear();
    sim.save(file("v1"));
    assert_eq!(sim.edges(), [("Shifting", "RollingBack")]);
    sim.assert_answers("v1", &[2], super::Basis::Live);
    sim.run_to(60);
    assert_eq!(sim.phase(), "Steady");
}

#[test]
fn after_the_drain_going_back_is_a_release_of_its_own() {
    let mut sim = Sim::baking(file("v2"));
    sim.run_to(300);
    assert_eq!(sim.phase(), "Steady");
    sim.told.clear();
    sim.save(file("v1"));
    let edges = [("Steady", "Probing"), ("Probing", "Shifting"), ("Shifting", "Baking")];
    assert_eq!(sim.edges(), edges);
}

#[test]
fn a_rollback_that_the_file_agrees_with_is_no_failure() {
    let mut sim = Sim::baking(file("v2"));
    sim.down(&[3]);
    sim.run_to(20);
    sim.save(file("v1"));
    assert_eq!(sim.phase(), "RollingBack");
    assert_eq!(sim.cutover.phase().trouble(), None);
    sim.run_to(60);
    assert_eq!(sim.phase(), "Steady");
}

#[test]
fn going_forward_again_while_rolling_back_is_a_new_release() {
    let mut sim = Sim::baking(file("v2"));
    sim.save(file("v1"));
    sim.told.clear();
    sim.save(file("v2"));
    let edges = [("RollingBack", "Probing"), ("Probing", "Shifting"), ("Shifting", "Baking")];
    assert_eq!(sim.edges(), edges);
    assert_eq!(sim.cutover.phase().release().map(|release| release.id), Some(2));
}

#[test]
fn an_edit_while_probing_gives_the_whole_deadline_again() {
    let mut sim = Sim::adopt(file("v1"));
    sim.save(file("v2"));
    sim.run_to(500);
    sim.save(file("v2").pool("v2", &[3, 4, 7]));
    assert_eq!(sim.cutover.next_deadline(), Some(at(1_100)));
    assert_eq!(sim.cutover.phase().release().map(|release| release.id), Some(1));
    sim.up(&[3, 4]);
    assert_eq!(sim.phase(), "Probing", "the added host must be up too");
    sim.up(&[7]);
    assert_eq!(sim.phase(), "Baking");
}

#[test]
fn a_file_saved_without_a_change_changes_nothing() {
    let mut sim = Sim::adopt(file("v1"));
    sim.save(file("v2"));
    sim.run_to(500);
    sim.told.clear();
    sim.save(file("v2"));
    assert_eq!(sim.edges(), []);
    assert_eq!(sim.cutover.next_deadline(), Some(at(600)));
}

#[test]
fn an_edited_ttl_is_answered_at_once() {
    let mut sim = Sim::proven(file("v1").ttl(3_600));
    sim.save(file("v1").ttl(30));
    assert_eq!(sim.cutover.answering(&sim.health).ttl.secs(), 30);
    assert_eq!(sim.phase(), "Steady");
}

#[test]
fn after_a_lowered_ttl_the_drain_waits_for_the_old_longer_one() {
    let mut sim = Sim::proven(file("v1").ttl(3_600).bake(10));
    sim.save(file("v1").ttl(30).bake(10));
    sim.run_to(100);
    sim.save(file("v2").ttl(30).bake(10));
    sim.run_to(110);
    assert_eq!(sim.phase(), "Draining");
    assert_eq!(sim.cutover.next_deadline(), Some(at(3_600)));
}

#[test]
fn a_ttl_lowered_in_the_edit_that_releases_is_waited_for_too() {
    let mut sim = Sim::proven(file("v1").ttl(3_600).bake(10));
    sim.run_to(100);
    sim.save(file("v2").ttl(30).bake(10));
    sim.run_to(110);
    assert_eq!(sim.cutover.next_deadline(), Some(at(3_700)));
}

#[test]
fn a_ttl_lowered_long_ago_is_waited_for_no_longer() {
    let mut sim = Sim::proven(file("v1").ttl(3_600).bake(10));
    sim.save(file("v1").ttl(30).bake(10));
    sim.run_to(4_000);
    sim.save(file("v2").ttl(30).bake(10));
    sim.run_to(4_010);
    assert_eq!(sim.cutover.next_deadline(), Some(at(4_030)));
}

#[test]
fn a_ttl_lowered_twice_is_waited_for_by_the_longest() {
    let mut sim = Sim::proven(file("v1").ttl(3_600).bake(10));
    sim.save(file("v1").ttl(300).bake(10));
    sim.run_to(60);
    sim.save(file("v2").ttl(30).bake(10));
    sim.run_to(70);
    assert_eq!(sim.cutover.next_deadline(), Some(at(3_600)));
}

#[test]
fn a_raised_ttl_counts_from_the_next_release_on() {
    let mut sim = Sim::proven(file("v1").ttl(30).bake(10));
    sim.save(file("v1").ttl(300).bake(10));
    sim.save(file("v2").ttl(300).bake(10));
    sim.run_to(10);
    assert_eq!(sim.cutover.next_deadline(), Some(at(300)));
}
