//! Random sequences of events in a group: whatever is stored, it is never half.

use proptest::prelude::*;

use super::{super::Percent, Checkout, Rule, Verb, Wanted, file, secs};

const LIVE: [&str; 4] = ["v1", "v2", "v3", "v1:90+v2:10"];

#[derive(Clone, Debug)]
enum Happens {
    Saved { members: Vec<(usize, usize)>, ttl: u64, shares: Vec<u8>, alone: bool },
    Asked { verb: usize, named: Option<usize>, forced: bool },
    Frozen(bool),
    Tried { member: usize, host: u8, passes: bool },
    Passed(u64),
    DeadlineCame,
    Stored,
    Restarted,
}

fn happens() -> impl Strategy<Value = Happens> {
    let shares = prop::sample::subsequence(vec![1, 10, 50, 99], 0..3);
    let members = prop::collection::vec((0..3usize, 0..LIVE.len()), 1..4);
    let saved = (members, 1..100u64, shares, prop::bool::weighted(0.1));
    prop_oneof![
        3 => saved.prop_map(|(members, ttl, shares, alone)| {
            Happens::Saved { members, ttl, shares, alone }
        }),
        2 => (0..Verb::ALL.len(), prop::option::of(0..3usize), any::<bool>())
            .prop_map(|(verb, named, forced)| Happens::Asked { verb, named, forced }),
        1 => any::<bool>().prop_map(Happens::Frozen),
        8 => (0..3usize, 1..7u8, prop::bool::weighted(0.7))
            .prop_map(|(member, host, passes)| Happens::Tried { member, host, passes }),
        1 => (0..400u64).prop_map(Happens::Passed),
        4 => Just(Happens::DeadlineCame),
        4 => Just(Happens::Stored),
        1 => Just(Happens::Restarted),
    ]
}

fn happen(group: &mut Checkout, what: Happens) {
    match what {
        Happens::Saved { members, ttl, shares, alone } => {
            let steps: Vec<(u8, u64)> = shares.into_iter().map(|share| (share, 20)).collect();
            let wanted = |live: usize| file(LIVE[live]).bake(30).ttl(ttl).ramp(&steps);
            let files: Vec<(usize, Wanted)> =
                members.into_iter().map(|(at, live)| (at, wanted(live))).collect();
            group.save(&files);
            if alone {
                let mut left = group.sims[0].cutover.spec().as_ref().clone();
                left.release.group = None;
                group.sims[0].save(Wanted(left));
                group.observe();
            }
        }
        Happens::Asked { verb, named, forced } => {
            let rules = if forced { &Rule::ALL[..] } else { &[] };
            let before = format!("{:?}", group.phases());
            if group.ask(Verb::ALL[verb], named, rules).is_err() {
                assert_eq!(format!("{:?}", group.phases()), before, "refused");
            }
        }
        Happens::Frozen(frozen) => group.set_frozen(frozen),
        Happens::Tried { member, host, passes } if passes => group.up(member, &[host]),
        Happens::Tried { member, host, .. } => group.down(member, &[host]),
        Happens::Passed(count) => {
            group.sims.iter_mut().for_each(|sim| sim.now = sim.now + secs(count));
            group.observe();
        }
        Happens::DeadlineCame => {
            if let Some(next) = group.next_deadline() {
                group.sims.iter_mut().for_each(|sim| sim.now = next);
            }
            group.observe();
        }
        Happens::Stored => group.publish(),
        Happens::Restarted => group.restart(),
    }
}

/// All that are in the release of the group have the same share of their clients, and so the same
/// clients, on the side that it goes to; or have all gone back.
fn nothing_is_half(group: &Checkout) {
    let members = group.sims.iter().filter(|sim| sim.cutover.group().is_some());
    let bound = members.filter_map(|sim| {
        let phase = sim.cutover.phase();
        let bond = phase.release()?.bond.as_ref()?;
        let (is_first, is_back) =
            (phase.is_before_first_step(), matches!(phase.name(), "RollingBack" | "Failed"));
        let moved = if is_first || is_back { None } else { Some((phase.share(), bond.salt)) };
        let is_shifting = phase.name() == "Shifting";
        Some((moved, is_shifting, phase.name() == "Paused", phase.name() == "Draining"))
    });
    let bound: Vec<_> = bound.collect();
    assert!(bound.windows(2).all(|pair| pair[0] == pair[1]), "{:?} {bound:?}", group.phases());
    for sim in &group.sims {
        let answering = sim.cutover.answering(&sim.health);
        let share = answering.moved.map(|moved| moved.share);
        assert!(share.is_none_or(|share| share < Percent::ALL));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_happens_nothing_is_half(events in prop::collection::vec(happens(), 1..60)) {
        let mut group = Checkout::adopt(&["api", "web", "www"], &file("v1").bake(30));
        group.publishes = false;
        for what in events {
            happen(&mut group, what);
            nothing_is_half(&group);
            let (next, now) = (group.next_deadline(), group.sims[0].now);
            prop_assert!(next.is_none_or(|next| next > now), "the next deadline has passed");
        }
    }
}
