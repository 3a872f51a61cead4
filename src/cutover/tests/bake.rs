//! What the guards see while the new pool is watched: rollback, and a bake that is held.

use super::{super::Basis, Sim, at, file};

#[test]
fn a_host_lost_in_the_bake_rolls_back_in_one_step() {
    let mut sim = Sim::baking(file("v2"));
    sim.run_to(100);
    sim.down(&[4]);
    assert_eq!(sim.edges(), [("Baking", "RollingBack")]);
    sim.assert_live("v1");
    assert_eq!(sim.cutover.next_deadline(), Some(at(160)));
    let why = sim.cutover.phase().trouble().unwrap_or_default();
    assert_eq!(why, "1 of 2 endpoints of v2 are down (100% must be up)");
}

#[test]
fn a_rollback_has_failed_once_no_cache_holds_the_new_pool() {
    let mut sim = Sim::baking(file("v2"));
    sim.run_to(100);
    sim.down(&[4]);
    sim.run_to(159);
    assert_eq!(sim.phase(), "RollingBack");
    sim.told.clear();
    sim.run_to(160);
    assert_eq!(sim.edges(), [("RollingBack", "Failed")]);
    assert!(sim.cutover.phase().trouble().is_some());
    sim.assert_live("v1");
}

#[test]
fn a_pool_that_heals_while_it_is_left_is_left_all_the_same() {
    let mut sim = Sim::baking(file("v2"));
    sim.down(&[4]);
    sim.up(&[4]);
    assert_eq!(sim.phase(), "RollingBack");
    sim.run_to(1_000);
    assert_eq!(sim.phase(), "Failed");
    sim.assert_live("v1");
}

#[test]
fn min_up_says_how_many_may_be_lost_in_the_bake() {
    let four = |live| file(live).pool("v2", &[3, 4, 7, 8]).min_up(50);
    let mut sim = Sim::adopt(four("v1"));
    sim.save(four("v2"));
    sim.up(&[3, 4, 7, 8]);
    sim.down(&[3, 4]);
    assert_eq!(sim.phase(), "Baking");
    sim.assert_answers("v2", &[7, 8], Basis::Live);
    sim.down(&[7]);
    assert_eq!(sim.phase(), "RollingBack");
    sim.assert_live("v1");
}

/// Caches may have forgotten it long before: a rollback needs it all the same.
#[test]
fn what_a_rollback_would_go_to_is_needed_until_the_release_is_done() {
    let needed = |sim: &Sim| {
        let pools = ["v1", "v2", "v3"];
        pools.map(|pool| sim.cutover.phase().needs(&super::pool_name(pool)))
    };
    let mut sim = Sim::proven(file("v1"));
    assert_eq!(needed(&sim), [true, false, false]);
    sim.down(&[4]);
    sim.save(file("v2"));
    assert_eq!((sim.phase(), needed(&sim)), ("Probing", [true, true, false]));
    sim.up(&[4]);
    sim.run_to(299);
    assert_eq!((sim.phase(), needed(&sim)), ("Baking", [true, true, false]));
    sim.run_to(300);
    assert_eq!(needed(&sim), [false, true, false]);
    sim.save(file("v3"));
    sim.up(&[5, 6]);
    sim.down(&[5]);
    assert_eq!((sim.phase(), needed(&sim)), ("RollingBack", [false, true, false]));
}

#[test]
fn a_host_not_judged_yet_is_not_held_against_the_bake() {
    let half = |live| file(live).min_up(50);
    let mut sim = Sim::adopt(half("v1"));
    sim.save(half("v2"));
    sim.up(&[3]);
    sim.assert_answers("v2", &[3], Basis::Live);
    sim.save(file("v2"));
    assert_eq!(sim.phase(), "Baking");
    sim.run_to(300);
    assert_eq!(sim.phase(), "Steady");
}

#[test]
fn with_both_pools_down_the_bake_is_held_and_not_rolled_back() {
    let mut sim = Sim::baking(file("v2"));
    sim.down(&[1, 2]);
    assert_eq!(sim.edges(), []);
    sim.down(&[4]);
    assert_eq!(sim.edges(), [("Baking", "Baking")]);
    sim.assert_answers("v2", &[3], Basis::Live);
    assert_eq!(sim.cutover.next_deadline(), None, "it waits for a verdict");
    sim.run_to(5_000);
    sim.handle(super::Event::Observed);
    assert_eq!(sim.edges(), [], "told once");
    assert!(sim.cutover.phase().trouble().is_some_and(|why| why.contains("not rolled back")));
}

#[test]
fn a_held_bake_tells_again_when_it_gets_worse() {
    let mut sim = Sim::baking(file("v2"));
    sim.down(&[1, 2, 4]);
    sim.down(&[3]);
    assert_eq!(sim.edges(), [("Baking", "Baking"), ("Baking", "Baking")]);
    sim.assert_answers("v2", &[3, 4], Basis::Open);
}

#[test]
fn a_held_bake_rolls_back_when_the_safe_pool_comes_back() {
    let mut sim = Sim::baking(file("v2"));
    sim.down(&[1, 2, 3]);
    sim.run_to(400);
    sim.told.clear();
    sim.up(&[2]);
    assert_eq!(sim.edges(), [("Baking", "RollingBack")]);
    sim.assert_answers("v1", &[2], Basis::Live);
    assert_eq!(sim.cutover.next_deadline(), Some(at(460)));
}

#[test]
fn a_held_bake_goes_on_when_the_new_pool_heals_in_time() {
    let mut sim = Sim::baking(file("v2"));
    sim.down(&[1, 2, 3]);
    sim.run_to(200);
    sim.told.clear();
    sim.up(&[3]);
    assert_eq!(sim.edges(), [("Baking", "Baking")]);
    assert_eq!(sim.cutover.phase().trouble(), None);
    assert_eq!(sim.cutover.next_deadline(), Some(at(300)));
}

#[test]
fn a_bake_held_past_its_end_is_done_when_the_new_pool_heals() {
    let mut sim = Sim::baking(file("v2"));
    sim.down(&[1, 2, 3]);
    sim.run_to(1_000);
    assert_eq!(sim.phase(), "Baking");
    sim.told.clear();
    sim.up(&[3]);
    assert_eq!(sim.edges(), [("Baking", "Draining"), ("Draining", "Steady")]);
    sim.assert_live("v2");
}

#[test]
fn after_the_bake_a_lost_host_is_an_outage_and_not_a_rollback() {
    let mut sim = Sim::baking(file("v2").bake(10));
    sim.run_to(10);
    assert_eq!(sim.phase(), "Draining");
    sim.down(&[4]);
    assert_eq!(sim.phase(), "Draining");
    sim.assert_answers("v2", &[3], Basis::Live);
    sim.run_to(60);
    assert_eq!(sim.phase(), "Steady");
    sim.assert_answers("v2", &[3], Basis::Live);
}

#[test]
fn a_rollback_ends_with_the_ttl_that_the_new_pool_was_answered_with() {
    let mut sim = Sim::baking(file("v2").ttl(1_000).bake(5_000));
    sim.run_to(10);
    sim.save(file("v2").ttl(5).bake(5_000));
    sim.run_to(20);
    sim.down(&[4]);
    assert_eq!(sim.phase(), "RollingBack");
    assert_eq!(sim.cutover.next_deadline(), Some(at(1_010)));
}

#[test]
fn a_rollback_that_would_leave_less_is_held() {
    let pools = |live| file(live).pool("v1", &[1, 2, 7]).pool("v2", &[3, 4, 8]);
    let mut sim = Sim::adopt(pools("v1"));
    sim.up(&[1, 2, 7, 3, 4, 8]);
    sim.save(pools("v2"));
    sim.down(&[1, 2]);
    sim.down(&[3]);
    assert_eq!(sim.phase(), "Baking");
    sim.assert_answers("v2", &[4, 8], Basis::Live);
    let held = sim.cutover.phase().trouble().expect("it is held");
    assert!(held.contains("only 1 of 3 endpoints of v1 are up: not rolled back"), "{held}");
    sim.up(&[1]);
    assert_eq!(sim.phase(), "RollingBack");
    sim.assert_answers("v1", &[1, 7], Basis::Live);
}

#[test]
fn a_bake_follows_the_file() {
    let mut sim = Sim::baking(file("v2"));
    sim.run_to(10);
    sim.save(file("v2").bake(20));
    assert_eq!(sim.cutover.next_deadline(), Some(at(20)));
    sim.run_to(60);
    assert_eq!(sim.phase(), "Steady");
}
