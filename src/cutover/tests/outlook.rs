//! What is said to lie ahead is what then happens.

use super::{Next, Sim, Timestamp, at, file, pool_name};
use crate::cutover::{Order, Verb, WayBack};

fn next(sim: &Sim) -> (String, Option<Timestamp>) {
    let Next { what, at } = sim.cutover.next().expect("something happens next");
    (what, at)
}

fn way_back(sim: &Sim) -> Option<WayBack> {
    sim.cutover.way_back(&sim.health, &sim.known())
}

#[test]
fn each_phase_of_a_ramp_says_what_comes_next_and_when() {
    let ramped = || file("v2").ramp(&[(10, 20), (50, 30)]);
    let mut sim = Sim::adopt(file("v1"));
    sim.up(&[1, 2]);
    assert_eq!(sim.cutover.next(), None, "nothing is being released");
    sim.save(ramped());
    let fails = "the release fails, unless v2 has passed by then".to_owned();
    assert_eq!(next(&sim), (fails, Some(at(600))));
    sim.up(&[3, 4]);
    let watched = "caches hold nothing from before 10%; then that is watched for 20s".to_owned();
    assert_eq!(next(&sim), (watched, Some(at(60))));
    sim.run_to(60);
    let second = "step 2 of 3: 50% of the clients have v2".to_owned();
    assert_eq!(next(&sim), (second, Some(at(80))));
    sim.run_to(140);
    let third = "step 3 of 3: all clients move to v2".to_owned();
    assert_eq!(next(&sim), (third, Some(at(170))));
    sim.run_to(170);
    assert_eq!(next(&sim), ("the release to v2 is done".to_owned(), Some(at(470))));
    sim = Sim::proven(file("v1"));
    sim.save(file("v2").bake(10));
    sim.run_to(10);
    assert_eq!(next(&sim), ("no cache holds v1 any longer".to_owned(), Some(at(60))));
    sim.run_to(60);
    assert_eq!(sim.cutover.next(), None);
}

#[test]
fn what_waits_for_the_clock_says_which_step_it_waits_for() {
    let mut wanted = file("v2");
    wanted.0.release.at = Some(at(3_600));
    let mut sim = Sim::proven(file("v1"));
    sim.save(wanted);
    assert_eq!(sim.phase(), "Waiting");
    assert_eq!(next(&sim), ("all clients move to v2".to_owned(), Some(at(3_600))));
    sim.set_frozen(true);
    assert_eq!(next(&sim).1, None, "nobody knows how long a freeze lasts");
}

/// The bar of the line "if rolled back now": what it says is what a rollback then takes.
#[test]
fn a_rollback_takes_as_long_as_was_said() {
    for (share, short_ttl) in [(10, 15), (50, 60)] {
        let mut sim = Sim::proven(file("v1"));
        assert_eq!(way_back(&sim), None, "nothing is being released");
        sim.save(file("v2").ramp(&[(share, 600)]).short_ttl(short_ttl));
        sim.run_to(100);
        let back = way_back(&sim).expect("clients have v2");
        assert_eq!((back.to.to_string().as_str(), &back.refused), ("v1", &None));
        assert_eq!(back.clears_at, at(100 + short_ttl));
        let order = Order::plain(Verb::Rollback);
        let (health, horizons) = (sim.health.clone(), sim.known());
        let facts = super::Facts { health: &health, horizons: &horizons, freeze: None };
        sim.cutover.ask(sim.now, &order, facts).expect("there is a way back");
        assert_eq!(sim.phase(), "RollingBack");
        sim.publish();
        assert_eq!(next(&sim), ("no cache holds v2 any longer".to_owned(), Some(back.clears_at)));
        assert_eq!(way_back(&sim), None, "it has been gone");
        sim.run_to(100 + short_ttl);
        assert_eq!(sim.phase(), "Failed");
        assert!(sim.known().of(&pool_name("v2")) <= sim.now);
    }
}

#[test]
fn a_way_back_that_is_down_is_refused_with_the_reason() {
    let mut sim = Sim::baking(file("v2"));
    sim.down(&[1, 2]);
    let back = way_back(&sim).expect("clients have v2");
    let why = "none of the 2 endpoints of v1 are up";
    assert_eq!(back.refused.as_deref(), Some(why));
    let (health, horizons) = (sim.health.clone(), sim.known());
    let facts = super::Facts { health: &health, horizons: &horizons, freeze: None };
    let refusal = sim.cutover.ask(sim.now, &Order::plain(Verb::Rollback), facts);
    assert!(refusal.expect_err("refused").to_string().starts_with(why));
}

#[test]
fn before_the_first_step_there_is_nothing_to_go_back_from() {
    let mut sim = Sim::adopt(file("v1"));
    sim.up(&[1, 2]);
    sim.save(file("v2"));
    assert_eq!((sim.phase(), way_back(&sim)), ("Probing", None));
}
