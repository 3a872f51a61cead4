//! The instant of a release: what its answers are kept for before it and after it, and what becomes
//! of it when it is too near, or when the new pool is not there in time.

use super::{
    super::{InstantState, Side, phase::Phase},
    Sim, Transition, Verb, Wanted, at, file, secs,
};
use crate::model::{Percent, Timing};

/// A TTL of 300 s, and v2 at this second.
fn wanted(second: u64) -> Wanted {
    file("v2").ttl(300).at(second)
}

/// v1 has been answered for a long time, with a TTL of 300 s; now v2 is asked for.
fn released(wanted: Wanted) -> Sim {
    let mut sim = Sim::proven(file("v1").ttl(300));
    sim.run_to(500);
    sim.save(wanted);
    sim
}

fn timing(sim: &Sim) -> Timing {
    sim.cutover.answering(&sim.health).timed.map(|timed| timed.timing).unwrap_or_default()
}

fn ttl(sim: &Sim) -> u32 {
    sim.cutover.answering(&sim.health).ttl_max(sim.now).secs()
}

fn instant(sim: &Sim) -> InstantState {
    sim.cutover.phase().release().expect("one is under way").schedule.state
}

fn horizon(sim: &Sim, pool: &str) -> crate::model::Timestamp {
    sim.horizons[&super::pool_name(pool)]
}

#[test]
fn answers_end_at_the_instant_from_when_it_is_known() {
    let mut sim = released(wanted(1_000));
    assert_eq!((timing(&sim), ttl(&sim)), (Timing::Until(at(1_000)), 300));
    assert!(sim.told[0].why.ends_with("caches are made to expire at 2001-09-09T02:03:20Z"));
    for (second, left) in [(700, 300), (701, 299), (990, 10), (999, 1)] {
        sim.run_to(second);
        assert_eq!(ttl(&sim), left, "{second}");
    }
    sim.run_to(1_000);
    sim.assert_live("v2");
    assert_eq!(
        (timing(&sim), instant(&sim)),
        (Timing::Since(at(1_000)), InstantState::Met(at(1_000)))
    );
    assert!(horizon(&sim, "v1") <= at(1_001), "{}", horizon(&sim, "v1"));
    sim.run_to(1_000 + 301);
    assert_eq!((sim.phase(), timing(&sim)), ("Steady", Timing::Lasting));
}

#[test]
fn answers_end_while_the_gate_is_still_closed_too() {
    let mut sim = Sim::adopt(file("v1"));
    sim.save(file("v2").at(500));
    assert_eq!((sim.phase(), timing(&sim)), ("Probing", Timing::Until(at(500))));
    sim.run_to(499);
    assert_eq!(ttl(&sim), 1);
    sim.up(&[3, 4]);
    assert_eq!((sim.phase(), timing(&sim)), ("Waiting", Timing::Until(at(500))));
    sim.run_to(500);
    assert_eq!(instant(&sim), InstantState::Met(at(500)));
}

/// The gate goes first: then it is a release like any other, and caches that have asked at the
/// instant have the old answer for a whole TTL again.
#[test]
fn an_instant_is_missed_when_the_gate_is_not_passed() {
    let mut sim = Sim::adopt(file("v1"));
    sim.save(file("v2").at(500));
    sim.up(&[3]);
    sim.told.clear();
    sim.run_to(500);
    assert_eq!(sim.told.len(), 1, "{:?}", sim.told);
    assert!(sim.told[0].why.contains("is missed: 1 of 2 endpoints of v2"), "{}", sim.told[0].why);
    assert_eq!((sim.phase(), instant(&sim)), ("Probing", InstantState::Missed(at(500))));
    assert_eq!((timing(&sim), ttl(&sim)), (Timing::Since(at(500)), 60));
    sim.assert_live("v1");
    let mut late = sim;
    late.run_to(550);
    late.up(&[4]);
    late.assert_live("v2");
    assert_eq!(instant(&late), InstantState::Missed(at(500)));
    let mut never = Sim::adopt(file("v1"));
    never.save(file("v2").at(500));
    never.run_to(600);
    assert_eq!((never.phase(), timing(&never)), ("Failed", Timing::Lasting));
}

#[test]
fn an_instant_behind_the_deadline_of_the_gate_is_given_up_with_it() {
    let mut sim = Sim::adopt(file("v1"));
    sim.save(file("v2").at(5_000));
    sim.run_to(600);
    assert_eq!((sim.phase(), timing(&sim)), ("Failed", Timing::Lasting));
}

#[test]
fn an_instant_is_missed_when_the_pool_is_lost_before_it() {
    let mut sim = released(wanted(1_000));
    sim.down(&[4]);
    assert_eq!(timing(&sim), Timing::Until(at(1_000)), "it may be up again in time");
    sim.run_to(1_000);
    assert_eq!((sim.phase(), instant(&sim)), ("Probing", InstantState::Missed(at(1_000))));
    assert!(sim.told.last().is_some_and(|told| told.why.contains("is missed")));
    assert_eq!(ttl(&sim), 300);
}

#[test]
fn an_instant_that_is_nearer_than_what_caches_hold_smears_and_says_so() {
    let mut sim = released(wanted(540));
    let smears = |sim: &Sim| {
        let horizons = super::Horizons::new(sim.horizons.clone(), Default::default());
        sim.cutover.phase().release().and_then(|release| release.smears_until(&horizons))
    };
    assert_eq!(smears(&sim), Some(at(800)));
    assert!(sim.told[0].why.ends_with("it smears until 2001-09-09T02:00:00Z"), "{:?}", sim.told);
    sim.run_to(540);
    sim.assert_live("v2");
    let far = released(wanted(800));
    assert_eq!(smears(&far), None);
}

/// Answers that end at the instant do not put it off for as long as they are given.
#[test]
fn with_clean_the_instant_is_put_off_instead() {
    let mut sim = released(wanted(540).clean());
    assert_eq!(
        (timing(&sim), instant(&sim)),
        (Timing::Until(at(800)), InstantState::Ahead(at(800)))
    );
    let reason = sim.cutover.phase().trouble().expect("it waits").into_owned();
    assert!(reason.ends_with("until caches are clean, put off from 2001-09-09T01:55:40Z"));
    assert!(sim.told[0].why.contains("put off from"), "{:?}", sim.told);
    sim.run_to(700);
    sim.save(wanted(540).clean().bake(10));
    assert_eq!(instant(&sim), InstantState::Ahead(at(800)), "another edit changes nothing of it");
    sim.run_to(799);
    sim.assert_live("v1");
    sim.run_to(800);
    sim.assert_live("v2");
    assert!(horizon(&sim, "v1") <= at(801), "{}", horizon(&sim, "v1"));
}

#[test]
fn with_clean_an_instant_that_is_far_enough_stays() {
    let sim = released(wanted(1_000).clean());
    assert_eq!(instant(&sim), InstantState::Ahead(at(1_000)));
    let past = released(wanted(100).clean());
    assert_eq!(instant(&past), InstantState::Ahead(at(800)), "one that has passed is put off too");
}

#[test]
fn another_instant_in_the_file_is_another_instant() {
    let mut sim = released(wanted(1_000));
    sim.run_to(900);
    sim.save(wanted(2_000));
    assert_eq!(timing(&sim), Timing::Until(at(2_000)));
    sim.save(file("v2").ttl(300));
    sim.assert_live("v2");
    assert_eq!(timing(&sim), Timing::Lasting, "a plain swap");
}

#[test]
fn only_those_whom_the_first_step_moves_ask_again() {
    let mut sim = released(wanted(1_000).ramp(&[(10, 20), (50, 30)]));
    let timed = sim.cutover.answering(&sim.health).timed.expect("an instant");
    assert_eq!((timed.share, ttl(&sim)), (Percent::new_const(10), 300));
    sim.run_to(1_000);
    let answering = sim.cutover.answering(&sim.health);
    let moved = answering.moved.expect("a tenth");
    assert_eq!((moved.share, moved.salt), (timed.share, timed.salt), "the same clients");
    assert_eq!(answering.timed.map(|timed| timed.timing), Some(Timing::Since(at(1_000))));
}

#[test]
fn whoever_does_not_wait_for_the_instant_has_a_plain_release() {
    let mut sim = released(wanted(1_000));
    sim.ask(Verb::Promote, false).expect("the gate is passed");
    sim.assert_live("v2");
    assert_eq!(timing(&sim), Timing::Lasting);
}

#[test]
fn who_takes_the_release_back_has_whole_ttls_again() {
    let mut sim = released(wanted(1_000));
    sim.save(file("v1").ttl(300));
    assert_eq!((sim.phase(), timing(&sim)), ("Steady", Timing::Lasting));
    let mut sim = released(wanted(1_000));
    sim.ask(Verb::Rollback, false).expect("nothing was moved");
    assert_eq!((sim.phase(), timing(&sim)), ("Failed", Timing::Lasting));
    let mut sim = released(wanted(1_000));
    sim.run_to(1_001);
    sim.down(&[3]);
    assert_eq!((sim.phase(), timing(&sim)), ("RollingBack", Timing::Lasting));
    assert_eq!(sim.now, at(1_000) + secs(1));
}

#[test]
fn a_pause_lets_the_instant_pass_by() {
    let mut sim = released(wanted(1_000));
    sim.ask(Verb::Pause, false).expect("it waits");
    assert_eq!((sim.phase(), timing(&sim)), ("Paused", Timing::Until(at(1_000))), "in time?");
    sim.run_to(1_000);
    assert_eq!((sim.phase(), instant(&sim)), ("Paused", InstantState::Missed(at(1_000))));
    assert_eq!(timing(&sim), Timing::Since(at(1_000)));
    sim.ask(Verb::Resume, false).expect("it is paused");
    sim.assert_live("v2");
    let mut back = released(wanted(1_000));
    back.ask(Verb::Pause, false).expect("it waits");
    back.run_to(900);
    back.ask(Verb::Resume, false).expect("it is paused");
    back.run_to(1_000);
    assert_eq!(instant(&back), InstantState::Met(at(1_000)));
}

#[test]
fn a_freeze_lets_the_instant_pass_by() {
    let mut sim = released(wanted(1_000));
    sim.set_frozen(true);
    sim.run_to(1_000);
    assert_eq!((sim.phase(), instant(&sim)), ("Waiting", InstantState::Missed(at(1_000))));
    assert!(sim.told.last().is_some_and(|told| told.why.contains("is missed")), "{:?}", sim.told);
    assert_eq!(ttl(&sim), 300);
}

/// What caches were given ends at it, whoever answers then.
#[test]
fn a_restart_keeps_the_instant() {
    let mut sim = released(wanted(540).clean());
    sim.run_to(700);
    sim.restart();
    assert_eq!(
        (timing(&sim), instant(&sim)),
        (Timing::Until(at(800)), InstantState::Ahead(at(800)))
    );
    sim.up(&[1, 2, 3, 4]);
    sim.run_to(800);
    assert_eq!(instant(&sim), InstantState::Met(at(800)));
    let mut late = released(wanted(1_000));
    late.now = at(1_100);
    late.restart();
    late.handle(super::Event::Observed);
    assert_eq!(instant(&late), InstantState::Missed(at(1_000)), "nobody was there");
}

/// Answers end at an instant that is to come, and at no other. Where everyone moves at it and it
/// could be put off, no cache holds what was answered before.
pub(super) fn instants_are_kept(sim: &Sim, before: &Phase, told: &[Transition]) {
    if let Timing::Until(instant) = timing(sim) {
        assert!(instant > sim.now, "{instant} has come: {told:#?}");
        assert!(matches!(sim.phase(), "Probing" | "Waiting" | "Paused"), "{told:#?}");
    }
    let (cutover, was) = (&sim.cutover, before.release().map(|release| release.schedule.state));
    let Some(release) = cutover.phase().release() else { return };
    let is_first_step = told.iter().any(|t| (t.from, t.to) == ("Waiting", "Shifting"));
    let moves_all = before.share() == Percent::ALL && cutover.phase().share() == Percent::ALL;
    let (Some(InstantState::Ahead(_)), InstantState::Met(instant)) = (was, release.schedule.state)
    else {
        return;
    };
    if !is_first_step || !moves_all || !cutover.spec().release.clean {
        return;
    }
    let sides = [&release.from, &release.safe].into_iter().chain(&release.fallback);
    let pools = sides.flat_map(Side::pools).filter(|pool| !release.to.split().has(&pool.name));
    for pool in pools {
        let horizon = sim.horizons.get(&pool.name).copied().unwrap_or_default();
        assert!(horizon <= instant.max(sim.now) + secs(1), "{horizon}: {told:#?}");
    }
}
