//! A release that goes well, edge by edge and to the second; and one that misses its deadline.

use super::{super::Basis, Sim, at, file};

#[test]
fn a_service_seen_for_the_first_time_answers_at_once() {
    let sim = Sim::adopt(file("v1"));
    assert_eq!(sim.phase(), "Steady");
    assert_eq!(sim.cutover.next_deadline(), None);
    assert!(sim.cutover.phase().release().is_none());
    sim.assert_live("v1");
}

#[test]
fn a_release_takes_every_phase_at_its_time() {
    let mut sim = Sim::adopt(file("v1").bake(300).ttl(400));
    sim.run_to(100);
    sim.save(file("v2").bake(300).ttl(400));
    assert_eq!(sim.edges(), [("Steady", "Probing")]);
    assert_eq!(sim.cutover.next_deadline(), Some(at(700)));
    sim.run_to(150);
    sim.up(&[3]);
    sim.assert_live("v1");
    sim.up(&[4]);
    assert_eq!(sim.edges(), [("Probing", "Shifting"), ("Shifting", "Baking")]);
    assert_eq!(sim.cutover.next_deadline(), Some(at(450)));
    sim.assert_live("v2");
    sim.run_to(449);
    assert_eq!(sim.edges(), []);
    sim.run_to(450);
    assert_eq!(sim.edges(), [("Baking", "Draining")]);
    assert_eq!(sim.cutover.next_deadline(), Some(at(550)));
    sim.run_to(549);
    assert_eq!(sim.phase(), "Draining");
    sim.run_to(550);
    assert_eq!(sim.edges(), [("Draining", "Steady")]);
    sim.assert_live("v2");
}

#[test]
fn a_bake_longer_than_the_ttl_leaves_nothing_to_drain() {
    let mut sim = Sim::baking(file("v2").bake(300).ttl(60));
    sim.run_to(300);
    assert_eq!(sim.edges(), [("Baking", "Draining"), ("Draining", "Steady")]);
}

#[test]
fn without_a_bake_the_release_drains_at_once() {
    let mut sim = Sim::proven(file("v1").bake(0));
    sim.save(file("v2").bake(0));
    let all = [
        ("Steady", "Probing"),
        ("Probing", "Shifting"),
        ("Shifting", "Baking"),
        ("Baking", "Draining"),
    ];
    assert_eq!(sim.edges(), all);
    assert_eq!(sim.cutover.next_deadline(), Some(at(60)));
}

#[test]
fn answers_are_moved_only_once_they_are_stored() {
    let mut sim = Sim::proven(file("v1"));
    sim.publishes = false;
    sim.save(file("v2"));
    assert_eq!(sim.phase(), "Shifting");
    assert_eq!(sim.cutover.next_deadline(), None);
    sim.assert_live("v2");
    sim.run_to(50);
    assert_eq!(sim.phase(), "Shifting");
    sim.publish();
    assert_eq!(sim.phase(), "Baking");
    // The bake begins when clients can see the new pool, not when that was decided.
    assert_eq!(sim.cutover.next_deadline(), Some(at(350)));
}

#[test]
fn stored_answers_mean_nothing_outside_of_shifting() {
    let mut sim = Sim::proven(file("v1"));
    sim.publish();
    assert_eq!(sim.phase(), "Steady");
    sim.save(file("v2").pool("v2", &[7]));
    sim.publish();
    assert_eq!(sim.phase(), "Probing");
    assert_eq!(sim.edges(), [("Steady", "Probing")]);
}

#[test]
fn a_host_lost_while_shifting_is_noticed_when_the_bake_begins() {
    let mut sim = Sim::proven(file("v1"));
    sim.publishes = false;
    sim.save(file("v2"));
    sim.down(&[4]);
    assert_eq!(sim.phase(), "Shifting");
    sim.told.clear();
    sim.publish();
    assert_eq!(sim.edges(), [("Shifting", "Baking"), ("Baking", "RollingBack")]);
    sim.assert_live("v1");
}

#[test]
fn a_missed_deadline_fails_the_release_and_moves_nothing() {
    let mut sim = Sim::adopt(file("v1").deadline(600));
    sim.save(file("v2").deadline(600));
    sim.up(&[3]);
    sim.run_to(599);
    assert_eq!(sim.edges(), [("Steady", "Probing")]);
    sim.run_to(600);
    let why = sim.told.first().map(|told| told.why.clone()).unwrap_or_default();
    assert_eq!(sim.edges(), [("Probing", "Failed")]);
    assert!(why.contains("1 of 2 endpoints of v2") && why.contains("nothing was moved"), "{why}");
    assert_eq!(sim.cutover.phase().trouble().as_deref(), Some(why.as_str()));
    assert_eq!(sim.cutover.next_deadline(), None);
    sim.assert_live("v1");
}

#[test]
fn hosts_that_are_up_at_the_deadline_itself_are_in_time() {
    let mut sim = Sim::adopt(file("v1"));
    sim.save(file("v2"));
    sim.up(&[3]);
    sim.now = at(600);
    sim.up(&[4]);
    assert_eq!(sim.phase(), "Baking");
}

#[test]
fn the_gate_counts_what_is_up_when_it_opens_and_not_what_has_been() {
    let mut sim = Sim::adopt(file("v1"));
    sim.save(file("v2"));
    sim.up(&[3]);
    sim.down(&[3]);
    sim.up(&[4]);
    assert_eq!(sim.phase(), "Probing");
    sim.up(&[3]);
    assert_eq!(sim.phase(), "Baking");
}

#[test]
fn min_up_is_the_part_of_the_pool_that_the_gate_asks_for() {
    let of_four = |percent| file("v1").pool("v2", &[3, 4, 7, 8]).min_up(percent);
    for (percent, needed) in [(1, 1), (25, 1), (26, 2), (50, 2), (75, 3), (76, 4), (100, 4)] {
        let mut sim = Sim::adopt(of_four(percent));
        let mut wanted = of_four(percent);
        wanted.0.live = super::split("v2");
        sim.save(wanted);
        let hosts = [3, 4, 7, 8];
        sim.up(&hosts[..needed - 1]);
        assert_eq!(sim.phase(), "Probing", "{percent} % with {} up", needed - 1);
        sim.up(&hosts[needed - 1..needed]);
        assert_eq!(sim.phase(), "Baking", "{percent} % with {needed} up");
        sim.assert_answers("v2", &hosts[..needed], Basis::Live);
    }
}

#[test]
fn releases_are_numbered_and_each_transition_says_which_it_belongs_to() {
    let mut sim = Sim::proven(file("v1"));
    sim.save(file("v2"));
    sim.run_to(300);
    sim.save(file("v3"));
    let numbers: Vec<_> = sim.told.iter().map(|told| told.release).collect();
    let [first, second] = [Some(1), Some(2)];
    // The last of the first five ends release 1 and still names it.
    assert_eq!(numbers, [first, first, first, first, first, second, second, second]);
}
