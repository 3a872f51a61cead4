//! Guards: more bad values than are forgiven, values that a step needs, and none at all.

use super::*;

#[test]
fn a_guard_rolls_back_when_more_values_are_bad_than_are_forgiven() {
    let guard = Guard { fail_limit: 1, ..guard() };
    let ramp = |live| file(live).guard(guard.clone()).ramp(&[(10, 300)]);
    let mut sim = Sim::proven(ramp("v1"));
    sim.save(ramp("v2"));
    assert_eq!(sim.phase(), "Settling");
    assert!(sim.wanted().guards, "clients have it");
    sim.read(&guard, bad());
    assert_eq!(sim.phase(), "Settling");
    sim.read(&guard, good());
    sim.read(&guard, bad());
    assert_eq!(sim.phase(), "RollingBack");
    let why = "it is bad, 2 times in this step (1 are forgiven): rolled back to v1";
    assert_eq!(sim.last_why(), why);
}

#[test]
fn a_step_needs_as_many_values_as_the_guard_says() {
    let ramp = |live| file(live).guard(guard()).ramp(&[(10, 30)]);
    let mut sim = Sim::proven(ramp("v1"));
    sim.save(ramp("v2"));
    sim.read(&guard(), good());
    sim.run_to(100);
    assert_eq!(sim.phase(), "Judging");
    sim.read(&guard(), good());
    assert_eq!(sim.phase(), "Judging");
    let lacks = sim.cutover.phase().trouble().map(|why| why.into_owned());
    let why = "guard errors has had 1 of the 2 values that it needs";
    assert_eq!(lacks.as_deref(), Some(why), "what settles does not count");
    sim.read(&guard(), good());
    assert_eq!(sim.phase(), "Baking");
}

#[test]
fn without_data_it_neither_passes_nor_fails_and_goes_on_when_there_is_some() {
    let mut sim = Sim::proven(file("v1").guard(guard()).bake(300));
    sim.save(file("v2").guard(guard()).bake(300));
    assert_eq!(sim.phase(), "Baking");
    sim.read(&guard(), unjudged());
    assert_eq!(sim.phase(), "Baking", "one is forgiven");
    sim.run_to(100);
    sim.read(&guard(), unjudged());
    assert_eq!(sim.phase(), "Paused");
    let why = "paused without data (there is no data, 2 times in a row (1 are forgiven))";
    assert_eq!(sim.last_why(), why);
    assert!(sim.wanted().guards, "it is still asked");
    sim.run_to(1_000);
    assert_eq!(sim.phase(), "Paused");
    sim.read(&guard(), good());
    assert_eq!((sim.phase(), sim.last_why()), ("Baking", "there is data again"));
    sim.read(&guard(), good());
    sim.run_to(1_199);
    assert_eq!(sim.phase(), "Baking", "what was left of the bake is left");
    sim.run_to(1_200);
    assert_eq!(sim.phase(), "Steady");
}

#[test]
fn without_data_what_is_bad_goes_back_all_the_same() {
    let mut sim = Sim::proven(file("v1").guard(guard()));
    sim.save(file("v2").guard(guard()));
    (0..2).for_each(|_| sim.read(&guard(), unjudged()));
    assert_eq!(sim.phase(), "Paused");
    sim.down(&[3, 4]);
    assert_eq!(sim.phase(), "RollingBack");
}

#[test]
fn a_pause_without_data_lasts_over_a_restart_until_something_is_read() {
    let mut sim = Sim::proven(file("v1").guard(guard()));
    sim.save(file("v2").guard(guard()));
    (0..2).for_each(|_| sim.read(&guard(), unjudged()));
    sim.restart();
    sim.follow();
    sim.up(&[1, 2, 3, 4]);
    assert!(
        matches!(sim.cutover.phase(), Phase::Paused(it) if matches!(it.reason, PauseReason::Guard(_)))
    );
    sim.read(&guard(), unjudged());
    assert_eq!(sim.phase(), "Paused");
    sim.read(&guard(), good());
    assert_eq!(sim.phase(), "Baking");
}

#[test]
fn the_old_pool_is_looked_at_when_it_had_clients() {
    let ramp = |live| file(live).guard(guard()).ramp(&[(10, 30)]);
    let mut sim = Sim::proven(ramp("v1"));
    sim.save(ramp("v2"));
    assert_eq!(sim.wanted().old_at, None);
    sim.run_to(90);
    (0..2).for_each(|_| sim.read(&guard(), good()));
    assert_eq!(sim.phase(), "Baking");
    assert_eq!(sim.wanted().old_at, Some(at(90)));
}

/// What replaced a bake and is taken back has taken no clients from the pool that is compared with.
#[test]
fn a_bake_that_goes_on_compares_with_when_it_began() {
    let ramp = |live| file(live).guard(guard()).ramp(&[(10, 30)]);
    let mut sim = Sim::proven(ramp("v1"));
    sim.save(ramp("v2"));
    sim.run_to(90);
    (0..2).for_each(|_| sim.read(&guard(), good()));
    assert_eq!(sim.phase(), "Baking");
    sim.run_to(100);
    sim.save(ramp("v3"));
    assert_eq!(sim.phase(), "Settling");
    sim.save(ramp("v2"));
    assert_eq!((sim.phase(), sim.wanted().old_at), ("Baking", Some(at(90))));
}
