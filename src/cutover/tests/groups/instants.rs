//! The instant of a release of several.

use super::{Checkout, at, file, v2};

#[test]
fn an_instant_is_one_for_all_and_missed_by_all() {
    let wanted = || {
        let mut wanted = v2();
        wanted.0.release.at = Some(at(300));
        wanted
    };
    let mut group = Checkout::proven(&wanted());
    group.save_all(&wanted());
    group.assert_phases("Waiting");
    group.run_to(299);
    group.assert_shares(&[("v1", 100)]);
    group.run_to(300);
    group.assert_phases("Baking");
    let mut group = Checkout::adopt(&["api", "web"], &wanted());
    group.save_all(&wanted());
    group.run_to(310);
    assert_eq!(group.phases(), ["Waiting", "Probing"]);
    let answering = group.sims[0].cutover.answering(&group.sims[0].health);
    assert_eq!(answering.ttl_max(at(400)), answering.ttl, "whole TTLs again");
    group.up(1, &[3, 4]);
    group.assert_phases("Baking");
}

#[test]
fn an_instant_that_is_put_off_is_put_off_for_all() {
    let mut group = Checkout::proven(&v2());
    let clean = |ttl| {
        let mut wanted = v2().ttl(ttl);
        (wanted.0.release.at, wanted.0.release.clean) = (Some(at(100)), true);
        wanted
    };
    group.save(&[(1, file("v1").ttl(300))]);
    group.save(&[(0, clean(60)), (1, clean(300))]);
    group.run_to(299);
    group.assert_phases("Waiting");
    group.run_to(300);
    group.assert_phases("Baking");
}
