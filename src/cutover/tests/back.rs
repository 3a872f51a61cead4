//! Back to a pool that a person names.

use proptest::prelude::*;

use super::{Basis, Event, Order, Refusal, Rule, Sim, Verb, file, pool_name};
use crate::model::Percent;

fn order(to: &str, force: bool) -> Order {
    let force = force.then_some(Rule::Health).into_iter().collect();
    Order { verb: Verb::Rollback, to: Some(pool_name(to)), by: "alice".to_owned(), force }
}

fn go_back(sim: &mut Sim, to: &str) -> Result<(), Refusal> {
    sim.order(&order(to, false))
}

#[track_caller]
fn assert_refused(sim: &mut Sim, to: &str, why: &str) {
    let before = format!("{:?}", sim.cutover);
    let refusal = go_back(sim, to).expect_err("no way back");
    assert_eq!(refusal.to_string(), why);
    assert_eq!(format!("{:?}", sim.cutover), before);
}

#[test]
fn a_release_that_was_done_long_ago_is_taken_back_in_one_swap_and_stays_failed() {
    let mut sim = Sim::proven(file("v2"));
    sim.ask(Verb::Rollback, false).expect_err("nothing was good before");
    go_back(&mut sim, "v1").expect("it is in the file, and up");
    assert_eq!(sim.edges(), [("Steady", "RollingBack")]);
    sim.assert_live("v1");
    sim.run_to(59);
    assert_eq!(sim.phase(), "RollingBack", "v2 is in caches");
    sim.run_to(60);
    assert_eq!(sim.phase(), "Failed");
    sim.assert_live("v1");
    let trouble = sim.cutover.phase().trouble().map(|why| why.into_owned());
    assert_eq!(trouble.as_deref(), Some("rollback to v1 by alice"));
    sim.save(file("v2"));
    assert_eq!(sim.phase(), "Failed", "the same content is no edit");
    sim.ask(Verb::Retry, false).expect("it has failed");
    sim.assert_live("v2");
}

#[test]
fn editing_the_file_to_the_same_pool_makes_it_good() {
    let mut sim = Sim::proven(file("v2"));
    go_back(&mut sim, "v1").expect("up");
    sim.save(file("v1"));
    assert_eq!(sim.phase(), "RollingBack");
    sim.run_to(60);
    assert_eq!(sim.phase(), "Steady");
    sim.assert_live("v1");
}

#[test]
fn in_the_middle_of_a_ramp_everyone_goes_to_the_pool_that_was_named() {
    let mut sim = Sim::proven(file("v1"));
    sim.save(file("v2").ramp(&[(10, 20), (50, 30)]));
    sim.run_to(100);
    sim.assert_shares(&[("v1", 50), ("v2", 50)]);
    go_back(&mut sim, "v3").expect("up");
    sim.assert_live("v3");
    sim.run_to(159);
    assert_eq!(sim.phase(), "RollingBack", "v1 and v2 are in caches");
    sim.run_to(160);
    assert_eq!(sim.phase(), "Failed");
    sim.down(&[5, 6]);
    sim.assert_answers("v1", &[1, 2], Basis::Previous);
}

#[test]
fn a_rollback_under_way_can_be_led_elsewhere() {
    let mut sim = Sim::baking(file("v2"));
    sim.run_to(50);
    sim.ask(Verb::Rollback, false).expect("there is a way back");
    sim.run_to(70);
    go_back(&mut sim, "v3").expect("up");
    sim.assert_live("v3");
    sim.run_to(129);
    assert_eq!(sim.phase(), "RollingBack", "v1 is in caches");
    sim.run_to(130);
    assert_eq!(sim.phase(), "Failed");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut sim = Sim::proven(file("v2"));
    assert_refused(&mut sim, "v9", "there is no pool `v9`; there are: v1, v2, v3");
    assert_refused(&mut sim, "v2", "v2 answers everyone already");
    sim.save(file("v1").ramp(&[(10, 20)]));
    let forward = "v1 is what the file asks for: that way leads forward";
    assert_refused(&mut sim, "v1", forward);
}

#[test]
fn a_pool_that_is_not_up_needs_force() {
    let mut sim = Sim::proven(file("v2"));
    sim.down(&[1]);
    let why = "1 of 2 endpoints of v1 are up (100% needed): only with `--force health`";
    assert_refused(&mut sim, "v1", why);
    sim.order(&order("v1", true)).expect("forced");
    assert_eq!(sim.phase(), "RollingBack");
}

/// As with a rollback that names no pool: it was good, and something of it is up.
#[test]
fn the_pool_that_was_good_before_needs_one_endpoint_and_no_more() {
    let mut sim = Sim::baking(file("v2"));
    sim.down(&[1]);
    go_back(&mut sim, "v1").expect("something of it is up");
    assert_eq!(sim.phase(), "RollingBack");
}

#[test]
fn a_release_that_is_paused_or_waits_can_be_taken_elsewhere() {
    for waits in [true, false] {
        let mut sim = Sim::proven(file("v1"));
        let ramp = file("v2").ramp(&[(10, 20)]);
        sim.save(if waits { ramp.at(500) } else { ramp });
        if !waits {
            sim.ask(Verb::Pause, false).expect("it settles");
        }
        assert_eq!(sim.phase(), if waits { "Waiting" } else { "Paused" });
        go_back(&mut sim, "v3").expect("up");
        sim.assert_live("v3");
        sim.run_to(59);
        assert_eq!(sim.phase(), "RollingBack", "v1 is in caches");
        sim.run_to(60);
        assert_eq!(sim.phase(), "Failed");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Wherever it stands: everyone is given the pool in one store, and what was left leaves caches
    /// before that counts as done; or nothing changes.
    #[test]
    fn it_is_done_whole_or_not_at_all(
        saves in prop::collection::vec((0..6usize, 0..200u64), 1..4),
        down in prop::sample::subsequence(vec![1, 3, 4, 5, 6], 0..3),
        to in 0..3usize,
    ) {
        const LIVE: [&str; 6] = ["v1", "v2", "v3", "v1:90+v2:10", "v1:1+v2:1", "v2:3+v3:1"];
        let mut sim = Sim::proven(file("v1"));
        for (live, later) in saves {
            sim.save(file(LIVE[live]).ramp(&[(10, 20), (50, 30)]).bake(40));
            let now = sim.now.since(super::at(0)).as_secs();
            sim.run_to(now + later);
        }
        sim.down(&down);
        let before = format!("{:?}", sim.cutover);
        let answered = sim.cutover.answering(&sim.health);
        if go_back(&mut sim, LIVE[to]).is_err() {
            prop_assert_eq!(format!("{:?}", sim.cutover), before);
            return Ok(());
        }
        let phase = sim.cutover.phase();
        prop_assert_eq!((phase.serving().to_string(), phase.share()), (LIVE[to].to_owned(), Percent::ALL));
        while let Some(next) = sim.cutover.next_deadline().filter(|_| sim.phase() == "RollingBack") {
            sim.now = next;
            sim.handle(Event::Observed);
        }
        prop_assert_eq!(sim.phase(), "Failed");
        for left in answered.pools().filter(|pool| pool.as_str() != LIVE[to]) {
            prop_assert!(sim.horizons.get(left).is_none_or(|end| *end <= sim.now), "{left}");
        }
    }
}
