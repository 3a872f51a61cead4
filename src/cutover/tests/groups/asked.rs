//! What a person asks of one member, or of the group.

use super::{Checkout, Order, Rule, Verb, file, ramped, v2};

#[test]
fn a_verb_said_of_one_is_said_of_all() {
    for named in [None, Some(0), Some(1)] {
        let mut group = Checkout::proven(&ramped());
        group.save_all(&ramped());
        group.ask(Verb::Promote, named, &[]).expect("nothing stands in the way");
        group.assert_shares(&[("v1", 50), ("v2", 50)]);
        group.ask(Verb::Pause, named, &[]).expect("it goes on");
        group.assert_phases("Paused");
        group.run_to(10_000);
        group.assert_phases("Paused");
        group.ask(Verb::Resume, named, &[]).expect("it is paused");
        group.ask(Verb::Rollback, named, &[]).expect("there is a way back");
        group.assert_phases("RollingBack");
        group.run_to(20_000);
        group.assert_phases("Failed");
        group.ask(Verb::Retry, named, &[]).expect("it has failed");
        group.assert_shares(&[("v1", 90), ("v2", 10)]);
    }
}

#[test]
fn what_one_refuses_nobody_does() {
    let mut group = Checkout::adopt(&["api", "web"], &v2());
    group.save_all(&v2());
    let refusal = group.ask(Verb::Promote, Some(0), &[]).expect_err("web is not up");
    assert!(refusal.to_string().starts_with("web: 0 of 2 endpoints of v2 are up"), "{refusal}");
    group.assert_phases("Probing");
    group.up(1, &[3]);
    group.ask(Verb::Promote, Some(0), &[Rule::Health]).expect("by force");
    group.assert_shares(&[("v2", 100)]);
    group.down(0, &[1, 2]);
    let refusal = group.ask(Verb::Rollback, None, &[]).expect_err("nothing of v1 is up");
    assert!(refusal.to_string().starts_with("api: none of the 2 endpoints of v1"), "{refusal}");
    group.assert_phases("Baking");
}

#[test]
fn without_a_release_it_is_asked_of_whom_it_names() {
    let mut group = Checkout::proven(&v2());
    let refusal = group.ask(Verb::Pause, None, &[]).expect_err("nothing goes on");
    assert!(refusal.to_string().starts_with("api: nothing is being released"), "{refusal}");
    let refusal = group.ask(Verb::Pause, Some(1), &[]).expect_err("nothing goes on");
    assert!(refusal.to_string().starts_with("nothing is being released"), "{refusal}");
}

#[test]
fn who_takes_no_part_stands_for_the_others() {
    let mut group = Checkout::proven(&v2());
    group.save(&[(0, v2())]);
    group.ask(Verb::Rollback, Some(1), &[]).expect("of api");
    assert_eq!(group.phases(), ["RollingBack", "Steady"]);
    group.sims[1].assert_live("v1");
    assert_eq!(group.sims[1].cutover.spec().live, file("v1").0.live);
}

#[test]
fn a_pool_to_go_back_to_is_named_for_all() {
    let mut group = Checkout::proven(&v2());
    group.save_all(&v2());
    group.run_to(1_000);
    group.assert_phases("Steady");
    let to = |pool: &str| Order {
        verb: Verb::Rollback,
        to: Some(super::super::pool_name(pool)),
        by: "alice".to_owned(),
        force: [].into(),
    };
    let refusal = group.carry_out(&to("v4"), Some(1)).expect_err("there is none");
    assert!(refusal.to_string().starts_with("api: there is no pool `v4`"), "{refusal}");
    group.carry_out(&to("v1"), Some(1)).expect("it is up");
    group.assert_phases("RollingBack");
    group.assert_shares(&[("v1", 100)]);
    group.run_to(2_000);
    group.assert_phases("Failed");
    group.ask(Verb::Retry, Some(0), &[]).expect("it has failed");
    group.assert_phases("Baking");
}

#[test]
fn who_lacks_data_has_the_others_wait_and_a_pause_of_all_takes_it_in() {
    let mut group = Checkout::proven(&ramped());
    group.save_all(&ramped());
    group.sims[1].set_doubted(true);
    group.run_to(10_000);
    assert_eq!(group.phases(), ["Judging", "Paused"]);
    group.assert_shares(&[("v1", 90), ("v2", 10)]);
    let waits = group.sims[0].cutover.waits().map(|waits| waits.why.clone()).unwrap_or_default();
    assert!(waits.starts_with("checkout waits for web: paused without data"), "{waits}");
    let refusal = group.ask(Verb::Resume, None, &[]).expect_err("web has no data");
    assert!(refusal.to_string().starts_with("api: it is not paused"), "{refusal}");
    group.ask(Verb::Pause, None, &[]).expect("both take steps");
    group.sims[1].set_doubted(false);
    group.run_to(20_000);
    group.assert_phases("Paused");
    group.ask(Verb::Resume, None, &[]).expect("a person has paused both");
    group.run_to(30_000);
    group.assert_shares(&[("v2", 100)]);
}

#[test]
fn time_in_which_one_stands_still_is_no_lack_of_progress_of_the_others() {
    let mut file = ramped();
    file.0.release.progress_deadline = Some(super::super::secs(3_000));
    let mut group = Checkout::proven(&file);
    group.save_all(&file);
    group.sims[1].set_doubted(true);
    group.run_to(10_000);
    assert_eq!(group.phases(), ["Judging", "Paused"], "neither back nor on");
    group.sims[1].set_doubted(false);
    group.run_to(20_000);
    group.assert_shares(&[("v2", 100)]);
}

#[test]
fn who_is_ready_and_waits_for_another_has_its_whole_time_when_it_is_not_ready_any_more() {
    let file = super::super::file("v2").deadline(600);
    let mut group = Checkout::adopt(&["api", "web"], &file);
    let paused = |group: &mut Checkout, doubted| group.sims[1].set_doubted(doubted);
    group.save_all(&file);
    paused(&mut group, true);
    group.run_to(5_000);
    assert_eq!(group.phases(), ["Probing", "Paused"]);
    group.down(0, &[3]);
    group.run_to(5_100);
    assert_eq!(group.phases(), ["Probing", "Paused"], "it is not its time that has passed");
    group.up(0, &[3]);
    paused(&mut group, false);
    group.up(1, &[3, 4]);
    group.assert_phases("Baking");
}

/// It failed alone, before it was of the group again: a retry would join the others in the middle.
#[test]
fn what_failed_alone_is_not_retried_while_the_others_are_under_way() {
    let v2 = super::super::file("v2");
    let mut group = Checkout::proven(&v2.clone().ramp(&[(50, 5_000)]));
    group.down(0, &[3]);
    let mut alone = super::of_group("api", v2.clone());
    alone.0.release.group = None;
    group.sims[0].save(alone);
    group.save(&[(1, v2.clone().ramp(&[(50, 5_000)]))]);
    group.save(&[(0, v2)]);
    group.run_to(601);
    assert_eq!(group.phases(), ["Failed", "Judging"]);
    let refusal = group.ask(Verb::Retry, Some(0), &[]).expect_err("web is under way").to_string();
    let why = "it begins when the release of web, now in Judging, is over";
    assert_eq!(refusal, why);
}
