//! Edits in the middle of a release: nothing is half.

use super::{Checkout, Event, Verb, at, file, ramped, v2};

#[test]
fn who_takes_one_back_takes_all_back() {
    for second in [10, 70, 150, 400] {
        let mut group = Checkout::proven(&ramped());
        group.save_all(&ramped());
        group.run_to(second);
        group.save(&[(1, file("v1").ramp(&[(10, 20), (50, 30)]))]);
        group.assert_phases("RollingBack");
        group.assert_shares(&[("v1", 100)]);
        assert_eq!(group.why(0), "the file takes web back, of the same group");
        group.run_to(3_000);
        // The file still asks for v2 of api.
        assert_eq!(group.phases(), ["Failed", "Steady"]);
        group.save(&[(0, file("v1"))]);
        group.assert_phases("Steady");
    }
}

#[test]
fn before_the_first_step_as_well() {
    let mut group = Checkout::adopt(&["api", "web"], &v2());
    group.save_all(&v2());
    group.save(&[(1, file("v1"))]);
    assert_eq!(group.phases(), ["Failed", "Steady"]);
    assert_eq!(group.why(0), "the file takes web back, of the same group: nothing was moved");
    // All of them taken back at once is no failure.
    let mut group = Checkout::adopt(&["api", "web"], &v2());
    group.save_all(&v2());
    group.save_all(&file("v1"));
    group.assert_phases("Steady");
}

#[test]
fn what_cannot_be_taken_back_goes_on_until_it_can() {
    let mut group = Checkout::proven(&v2());
    group.save_all(&v2());
    group.down(0, &[1, 2]);
    group.save(&[(1, file("v1"))]);
    group.assert_phases("Baking");
    assert_eq!(group.waits(1), "the file takes web back, but nothing of v1 of api is up");
    group.up(0, &[1]);
    group.assert_phases("RollingBack");
}

#[test]
fn before_the_first_step_others_join() {
    let mut group = Checkout::adopt(&["api", "web", "www"], &v2());
    group.save(&[(0, v2()), (2, v2())]);
    group.run_to(500);
    group.save(&[(1, v2())]);
    group.assert_phases("Probing");
    // With the whole deadline once more.
    group.run_to(1_099);
    group.assert_phases("Probing");
    group.up(2, &[3, 4]);
    group.assert_phases("Baking");
}

#[test]
fn after_a_step_something_new_waits_until_it_is_over() {
    let mut group = Checkout::adopt(&["api", "web", "www"], &ramped());
    group.save(&[(0, ramped()), (1, ramped())]);
    group.run_to(10);
    group.save(&[(1, file("v3").ramp(&[(10, 20), (50, 30)]))]);
    group.save(&[(2, ramped())]);
    group.up(2, &[3, 4]);
    assert_eq!(group.phases(), ["Settling", "Settling", "Steady"]);
    assert_eq!(group.waits(2), "it begins when the release of api, now in Settling, is over");
    for sim in &group.sims[..2] {
        sim.assert_shares(&[("v1", 90), ("v2", 10)]);
    }
    group.run_to(469);
    assert_eq!(group.phases(), ["Baking", "Baking", "Steady"]);
    // api is where it is asked to be; the others go where they are asked to go, together.
    group.run_to(470);
    assert_eq!(group.phases(), ["Steady", "Settling", "Settling"]);
    group.sims[1].assert_shares(&[("v2", 90), ("v3", 10)]);
    group.sims[2].assert_shares(&[("v1", 90), ("v2", 10)]);
}

#[test]
fn a_failed_release_begins_again_for_all_when_one_is_edited() {
    let mut group = Checkout::adopt(&["api", "web"], &v2());
    group.save_all(&v2());
    group.run_to(600);
    group.assert_phases("Failed");
    group.up(1, &[3, 4]);
    group.assert_phases("Failed");
    group.save(&[(0, file("v3"))]);
    group.assert_phases("Baking");
    assert_eq!(group.sims[0].cutover.phase().serving().to_string(), "v3");
    assert_eq!(group.sims[1].cutover.phase().serving().to_string(), "v2");
}

#[test]
fn who_vanishes_or_leaves_ends_the_release_with_the_others() {
    let mut group = Checkout::proven(&ramped());
    group.save_all(&ramped());
    group.sims[1].handle(Event::Vanished);
    // Of api, the file says that it is released alone, in other steps, and longer.
    let mut left = ramped().ramp(&[(10, 100), (60, 30)]);
    left.0.release.group = None;
    group.sims[0].save(left);
    group.go_on();
    group.run_to(100);
    group.assert_shares(&[("v1", 90), ("v2", 10)]);
    group.run_to(161);
    group.assert_shares(&[("v1", 50), ("v2", 50)]);
    group.down(1, &[3]);
    group.assert_phases("RollingBack");
}

#[test]
fn an_edit_back_in_a_pause_takes_all_back() {
    let mut group = Checkout::proven(&ramped());
    group.save_all(&ramped());
    group.ask(Verb::Pause, None, &[]).expect("it goes on");
    group.save(&[(0, file("v1"))]);
    group.assert_phases("RollingBack");
    assert!(group.next_deadline().is_some_and(|next| next > at(0)));
}
