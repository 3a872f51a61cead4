//! What is answered of pools at names of their own, and of the new side before its time.

use std::sync::Arc;

use super::*;
use crate::model::{Kinds, SrvSetting};

const OFFICE: &str = "198.51.100.0/24";

fn shown_file(live: &str) -> Wanted {
    let mut file = file(live);
    file.0.release.preview = vec![OFFICE.parse().expect("a network")];
    file
}

/// The pools that clients in the office are shown, and how many endpoints of each.
fn shown(sim: &Sim) -> Vec<(String, usize)> {
    let shown = sim.cutover.answering(&sim.health).shown;
    let parts = shown.into_iter().flat_map(|shown| shown.parts);
    parts.map(|part| (part.pool.to_string(), part.endpoints.len())).collect()
}

#[test]
fn the_new_side_is_shown_as_far_as_it_is_up_until_everyone_has_it() {
    let mut sim = Sim::adopt(shown_file("v1"));
    sim.up(&[1, 2]);
    assert_eq!(shown(&sim), [], "nothing is released");
    sim.save(shown_file("v2").ramp(&[(10, 60)]));
    assert_eq!((sim.phase(), shown(&sim)), ("Probing", vec![]), "nothing of it has passed");
    sim.up(&[3]);
    assert_eq!((sim.phase(), shown(&sim)), ("Probing", vec![("v2".to_owned(), 1)]));
    sim.up(&[4]);
    assert_eq!((sim.phase(), shown(&sim)), ("Settling", vec![("v2".to_owned(), 2)]));
    sim.run_to(150);
    assert_eq!((sim.phase(), shown(&sim)), ("Baking", vec![]), "everyone has it");
}

#[test]
fn it_ends_with_the_release_and_caches_may_hold_it_until_then() {
    let mut sim = Sim::proven(shown_file("v1"));
    sim.down(&[4]);
    sim.save(shown_file("v2"));
    assert_eq!((sim.phase(), shown(&sim)), ("Probing", vec![("v2".to_owned(), 1)]));
    let answering = sim.cutover.answering(&sim.health);
    assert!(answering.pools().any(|pool| *pool == pool_name("v2")), "it is in the horizons");
    assert_eq!(answering.share_of(&pool_name("v2")), 0, "and has no share");
    sim.save(shown_file("v1"));
    assert_eq!((sim.phase(), shown(&sim)), ("Steady", vec![]));
}

#[test]
fn a_pool_is_answered_by_name_with_the_best_of_it() {
    let mut wanted = file("v1");
    let name = "v2.api.svc.example.test".parse().expect("a name");
    wanted.0.kinds =
        Arc::new(Kinds { previews: [(pool_name("v2"), name)].into(), ..Kinds::default() });
    let mut sim = Sim::adopt(wanted);
    let by_name = |sim: &Sim| {
        let by_name = sim.cutover.answering(&sim.health).by_name;
        let [answered] = by_name.as_slice() else { panic!("one pool has a name: {by_name:?}") };
        assert_eq!(answered.pool, pool_name("v2"));
        answered.endpoints.iter().map(Endpoint::address).collect::<Vec<_>>()
    };
    assert_eq!(by_name(&sim), [address(3), address(4)], "nothing is known of either");
    sim.up(&[3]);
    assert_eq!(by_name(&sim), [address(3)]);
    sim.down(&[3]);
    assert_eq!(by_name(&sim), [address(4)], "which may be up");
    sim.down(&[4]);
    assert_eq!(by_name(&sim), [address(3), address(4)]);
}

#[test]
fn what_is_answered_beside_addresses_is_edited_without_a_release() {
    let mut sim = Sim::proven(file("v1"));
    let mut edited = file("v1");
    let prefix = "_http._tcp".parse().expect("a prefix");
    let srv = SrvSetting { prefix, priority: 0, answers: Default::default() };
    edited.0.kinds = Arc::new(Kinds { srv: vec![srv], ..Kinds::default() });
    sim.set_frozen(true);
    sim.told.clear();
    sim.save(edited.clone());
    assert_eq!((sim.phase(), sim.told.len()), ("Steady", 0));
    let answering = sim.cutover.answering(&sim.health);
    assert_eq!(answering.kinds, edited.0.kinds, "at once, also in a freeze");
    let named: Vec<&str> = answering.named.iter().map(|pool| pool.name.as_str()).collect();
    assert_eq!(named, ["v1", "v2", "v3"]);
}
