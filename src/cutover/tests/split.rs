//! Releases from one split to another, and splits some of whose pools are down.

use super::{super::Basis, Sim, Wanted, at, file, pool_name};
use crate::model::FailPolicy::{Closed, Open, Previous};

const CANARY: &str = "v1:90+v2:10";
const HALF: &str = "v1:50+v2:50";

/// A split that has finished its bake; every host has passed.
fn steady(live: &str, more: impl Fn(Wanted) -> Wanted) -> Sim {
    let mut sim = Sim::proven(more(file("v1")));
    sim.save(more(file(live)));
    sim.run_to(400);
    assert_eq!(sim.phase(), "Steady");
    sim.told.clear();
    sim
}

fn whys(sim: &Sim) -> Vec<&str> {
    sim.told.iter().map(|told| told.why.as_str()).collect()
}

#[test]
fn from_one_pool_to_a_split_to_another_and_back_to_one_pool() {
    let mut sim = Sim::adopt(file("v1"));
    sim.up(&[1, 2, 3]);
    sim.save(file(CANARY));
    assert_eq!(sim.phase(), "Probing", "v2 will have clients: it is asked");
    sim.up(&[4]);
    assert_eq!(sim.phase(), "Baking");
    sim.assert_shares(&[("v1", 90), ("v2", 10)]);
    let why = "2 of 2 endpoints of v2 are up (100% needed)";
    let moved = format!("answers moved from v1 to {CANARY}");
    let asked = format!("the file asks for {CANARY} instead of v1");
    assert_eq!(whys(&sim), [asked.as_str(), why, moved.as_str()]);
    sim.run_to(300);
    assert_eq!(sim.phase(), "Steady");
    sim.save(file(HALF));
    sim.assert_shares(&[("v1", 50), ("v2", 50)]);
    sim.run_to(600);
    assert_eq!(sim.phase(), "Steady");
    sim.save(file("v2"));
    sim.assert_live("v2");
    sim.run_to(900);
    assert_eq!(sim.phase(), "Steady");
    assert_eq!(whys(&sim).last(), Some(&"no cache that keeps to the TTL holds v1 any longer"));
}

#[test]
fn a_split_that_is_served_already_is_one_pool_whatever_its_weight() {
    let mut sim = Sim::proven(file("v1"));
    sim.save(file("v1:7"));
    assert_eq!(sim.edges(), []);
}

#[test]
fn a_ramp_moves_clients_from_the_old_split_to_the_new_one() {
    let mut sim = steady(CANARY, |file| file);
    sim.save(file("v2:50+v3:50").ramp(&[(20, 10)]));
    let moved = sim.cutover.answering(&sim.health).moved.expect("a share");
    assert_eq!(moved.share.get(), 20);
    // 80 % of 90 and 10, and 20 % of 50 and 50.
    sim.assert_shares(&[("v1", 72), ("v2", 18), ("v3", 10)]);
    sim.run_to(460);
    assert_eq!(sim.phase(), "Judging");
    sim.run_to(470);
    sim.assert_shares(&[("v2", 50), ("v3", 50)]);
}

#[test]
fn a_rollback_in_any_phase_gives_the_old_split_back_in_one_store() {
    let wanted = || file("v2:50+v3:50").ramp(&[(20, 10)]).bake(20);
    for (second, phase) in [(401, "Settling"), (465, "Judging"), (475, "Baking"), (495, "Draining")]
    {
        let mut sim = steady(CANARY, |file| file);
        sim.save(wanted());
        sim.run_to(second);
        assert_eq!(sim.phase(), phase);
        sim.ask(super::Verb::Rollback, false).expect("there is a way back");
        sim.assert_shares(&[("v1", 90), ("v2", 10)]);
        assert_eq!(sim.phase(), "RollingBack", "v3 is in caches: {phase}");
        sim.run_to(second + 60);
        assert_eq!(sim.phase(), "Failed", "{phase}");
        sim.assert_shares(&[("v1", 90), ("v2", 10)]);
    }
}

#[test]
fn a_rollback_between_splits_of_the_same_pools_waits_for_what_caches_hold() {
    let mut sim = steady(CANARY, |file| file);
    sim.save(file(HALF));
    sim.run_to(410);
    assert_eq!(sim.phase(), "Baking");
    sim.lingers = true;
    sim.ask(super::Verb::Rollback, false).expect("there is a way back");
    sim.assert_shares(&[("v1", 90), ("v2", 10)]);
    sim.run_to(412);
    assert_eq!(sim.cutover.next_deadline(), None, "an old table may still be answered from");
    sim.lingers = false;
    sim.handle(super::Event::Observed);
    sim.run_to(471);
    assert_eq!(sim.phase(), "RollingBack", "v2 was answered to half of them until second 412");
    sim.run_to(472);
    assert_eq!(sim.phase(), "Failed");
    let why = "no cache that keeps to the TTL holds an answer from before any longer";
    assert!(whys(&sim).last().is_some_and(|last| last.ends_with(why)), "{:?}", whys(&sim));
}

#[test]
fn only_pools_that_will_have_more_clients_are_asked_at_the_gate() {
    let mut sim = steady(HALF, |file| file);
    sim.down(&[1]);
    sim.save(file("v1:10+v2:90"));
    assert_eq!(sim.phase(), "Baking", "v1 only loses clients");
    let mut sim = steady(HALF, |file| file.min_up(50));
    sim.down(&[1]);
    sim.save(file("v1:60+v2:40").min_up(51));
    assert_eq!(sim.phase(), "Probing", "v1 gains clients");
    sim.run_to(1_000);
    let why = sim.cutover.phase().trouble().unwrap_or_default();
    assert!(why.contains("only 1 of 2 endpoints of v1 are up (51% needed)"), "{why}");
    sim.assert_shares(&[("v1", 50), ("v2", 50)]);
}

#[test]
fn weights_that_say_the_same_move_nobody_and_ask_nobody() {
    let mut sim = steady(CANARY, |file| file);
    sim.down(&[1, 3]);
    sim.save(file("v1:9+v2:1").bake(0));
    sim.assert_shares(&[("v1", 90), ("v2", 10)]);
    assert!(whys(&sim).contains(&"no pool will have more clients than before"));
}

#[test]
fn any_pool_of_the_split_that_fails_in_the_bake_rolls_back() {
    for host in [3, 5] {
        let mut sim = Sim::proven(file("v1"));
        sim.save(file("v1:2+v2:1+v3:1"));
        sim.down(&[host]);
        assert_eq!(sim.phase(), "RollingBack");
        sim.assert_live("v1");
    }
}

#[test]
fn trouble_in_a_pool_that_going_back_would_give_more_clients_halts() {
    let mut sim = Sim::proven(file("v1"));
    sim.save(file(HALF).ramp(&[(10, 20)]));
    sim.down(&[1]);
    assert_eq!(sim.phase(), "Settling");
    let held = sim.cutover.phase().trouble().expect("it is held");
    let why = "1 of 2 endpoints of v1 are down (100% must be up), \
               but with v1 it would answer no fewer clients: not rolled back";
    assert_eq!(held, why);
    sim.run_to(500);
    sim.assert_shares(&[("v1", 95), ("v2", 5)]);
    // Both fail: going back takes clients away from one of them, but leaves less.
    sim.down(&[3]);
    assert_eq!(sim.phase(), "Settling");
    sim.up(&[1]);
    assert_eq!(sim.phase(), "RollingBack");
}

#[test]
fn a_pool_whose_weight_only_sinks_is_not_drained() {
    let mut sim = steady(HALF, |file| file);
    sim.save(file("v1:10+v2:90").bake(1));
    sim.told.clear();
    sim.run_to(401);
    assert_eq!(sim.edges(), [("Baking", "Draining"), ("Draining", "Steady")]);
    sim.save(file("v2:1+v3:1").bake(1));
    sim.run_to(402);
    assert_eq!(sim.phase(), "Draining", "v1 is left");
    assert_eq!(sim.cutover.next_deadline(), Some(at(461)));
}

#[test]
fn a_step_settles_although_no_pool_is_left() {
    let mut sim = steady(CANARY, |file| file);
    sim.save(file(HALF).ramp(&[(50, 10)]));
    sim.assert_shares(&[("v1", 70), ("v2", 30)]);
    sim.run_to(459);
    assert_eq!(sim.phase(), "Settling");
    sim.run_to(460);
    assert_eq!(sim.phase(), "Judging");
}

#[test]
fn a_pool_that_vanishes_from_the_file_answers_until_its_split_is_left() {
    let mut sim = steady(HALF, |file| file);
    sim.save(file("v2").without("v1").ramp(&[(50, 10)]));
    sim.assert_shares(&[("v1", 25), ("v2", 75)]);
    sim.ask(super::Verb::Rollback, false).expect("there is a way back");
    sim.assert_shares(&[("v1", 50), ("v2", 50)]);
}

#[test]
fn what_is_left_of_the_split_before_stands_in() {
    let mut sim = steady("v2:1+v3:1", |file| file);
    sim.save(file("v1"));
    sim.run_to(800);
    assert_eq!(sim.phase(), "Steady");
    sim.save(file("v1").without("v3"));
    assert!(!sim.cutover.holds(&pool_name("v3")));
    sim.down(&[1, 2]);
    sim.assert_answers("v2", &[3, 4], Basis::Previous);
}

#[test]
fn the_others_answer_for_a_pool_of_the_split_that_is_down() {
    for policy in [Previous, Open, Closed] {
        let mut sim = steady("v1:60+v2:30+v3:10", |file| file.policy(policy));
        sim.down(&[3]);
        sim.assert_shares(&[("v1", 60), ("v2", 30), ("v3", 10)]);
        sim.down(&[4]);
        sim.assert_shares(&[("v1", 86), ("v3", 14)]);
        sim.assert_answers("v1:60+v2:30+v3:10", &[1, 2, 5, 6], Basis::Live);
        let out: Vec<_> = sim.cutover.answering(&sim.health).out().cloned().collect();
        assert_eq!(out, [pool_name("v2")]);
        sim.up(&[4]);
        sim.assert_shares(&[("v1", 60), ("v2", 30), ("v3", 10)]);
    }
}

#[test]
fn with_all_of_the_split_down_the_fail_policy_decides() {
    let down = |policy, more: &[u8]| {
        let mut sim = steady("v2:1+v3:1", |file| file.policy(policy));
        sim.down(&[3, 4, 5, 6]);
        sim.down(more);
        sim
    };
    down(Previous, &[]).assert_answers("v1", &[1, 2], Basis::Previous);
    down(Previous, &[1, 2]).assert_answers("v2:1+v3:1", &[3, 4, 5, 6], Basis::Open);
    down(Open, &[]).assert_answers("v2:1+v3:1", &[3, 4, 5, 6], Basis::Open);
    down(Closed, &[]).assert_answers("v2:1+v3:1", &[], Basis::Closed);
}

#[test]
fn a_pool_without_a_family_does_not_answer_for_one_that_has_it() {
    let pools = |file: Wanted| file.pool("v1", &[1, 101]).pool("v2", &[3]);
    let down = |policy| {
        let mut sim = Sim::adopt(pools(file("v1").policy(policy)));
        sim.up(&[1, 101, 3]);
        sim.save(pools(file("v1:1+v2:1").policy(policy)));
        sim.run_to(400);
        sim.down(&[101]);
        sim
    };
    down(Open).assert_answers("v1:1+v2:1", &[1, 101, 3], Basis::Open);
    let sim = down(Closed);
    sim.assert_answers("v1:1+v2:1", &[1, 3], Basis::Closed);
    let parts = sim.cutover.answering(&sim.health).parts;
    assert_eq!([parts[0].lost.len(), parts[1].lost.len()], [1, 0]);
    // The other way round nothing is missed.
    let mut sim = down(Open);
    sim.up(&[101]);
    sim.down(&[3]);
    sim.assert_shares(&[("v1", 100)]);
}

#[test]
fn of_a_split_before_the_pools_that_are_up_stand_in() {
    let mut sim = steady("v2:1+v3:1", |file| file);
    sim.save(file("v1"));
    sim.run_to(800);
    sim.down(&[1, 2, 5, 6]);
    sim.assert_answers("v2:1+v3:1", &[3, 4], Basis::Previous);
    sim.assert_shares(&[("v2", 100)]);
}

#[test]
fn a_pool_that_clients_have_keeps_its_hosts_when_it_is_asked_for_again() {
    let mut sim = Sim::proven(file("v1"));
    sim.save(file("v1:50+v2:50").pool("v1", &[7, 8]));
    sim.assert_answers("v1:50+v2:50", &[1, 2, 3, 4], Basis::Live);
    sim.up(&[7, 8]);
    sim.assert_answers("v1:50+v2:50", &[7, 8, 3, 4], Basis::Live);
}

#[test]
fn no_pool_of_the_new_split_has_clients_while_none_can_answer() {
    let mut sim = Sim::proven(file("v1"));
    sim.save(file("v2:1+v3:1").ramp(&[(10, 20)]).min_up(1));
    sim.assert_shares(&[("v1", 90), ("v2", 5), ("v3", 5)]);
    sim.down(&[1, 2]);
    sim.assert_answers("v2:1+v3:1", &[3, 4, 5, 6], Basis::Previous);
    sim.assert_shares(&[("v2", 50), ("v3", 50)]);
    assert_eq!(sim.cutover.answering(&sim.health).moved, None, "all are given the same");
    sim.down(&[3, 4]);
    sim.assert_shares(&[("v3", 100)]);
}
