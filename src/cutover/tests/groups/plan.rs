//! What is foretold of services that are released together.

use std::{collections::BTreeSet, sync::Arc};

use proptest::prelude::*;

use super::{Checkout, Timestamp, Wanted, at, file, of_group, ramped, secs, v2};
use crate::{
    cutover::{
        CACHE_CLOCK, Order, Refusal, Rule, Verb,
        plan::{Of, Plan, Subject, foretell, foretell_order},
    },
    model::ServiceName,
};

impl Checkout {
    /// For files of some of them.
    fn plan(&self, files: &[(usize, Wanted)]) -> Vec<Option<Plan>> {
        foretell(self.sims[0].now, &self.subjects(files), self.freeze.as_ref())
    }

    fn subjects(&self, files: &[(usize, Wanted)]) -> Vec<Subject> {
        let subject = |(nth, sim): (usize, &super::Sim)| {
            let wanted = files.iter().find(|(at, _)| *at == nth);
            let wanted = wanted.map(|(at, file)| of_group(self.name(*at).as_str(), file.clone()));
            let (cutover, health) = (sim.cutover.clone(), sim.health.clone());
            let (horizons, wanted) = (sim.known(), wanted.map(|wanted| Arc::new(wanted.0)));
            Subject { cutover, health, horizons, wanted }
        };
        self.sims.iter().enumerate().map(subject).collect()
    }

    /// For a verb that is said of one of them, or of the group.
    fn foretell(&self, verb: Verb, named: Option<usize>) -> Result<Vec<Option<Plan>>, Refusal> {
        let (name, group) = (named.map(|at| self.name(at)), "checkout".parse().expect("a name"));
        let of = name.as_ref().map_or(Of::Group(&group), Of::Service);
        let order = Order { verb, to: None, by: "alice".to_owned(), force: BTreeSet::new() };
        let (now, freeze) = (self.sims[0].now, self.freeze.as_ref());
        foretell_order(now, &self.subjects(&[]), freeze, &order, &of)
    }
}

fn phases(plan: &Plan) -> Vec<(Timestamp, &'static str)> {
    plan.steps.iter().map(|step| (step.at, step.phase)).collect()
}

#[test]
fn a_step_is_foretold_for_when_the_last_gate_opens() {
    let group = Checkout::adopt(&["api", "web"], &v2());
    let plans = group.plan(&[(0, v2()), (1, v2())]);
    for plan in &plans {
        let plan = plan.as_ref().expect("a release");
        assert_eq!(
            phases(plan)[..3],
            [(at(0), "Probing"), (at(11), "Shifting"), (at(11), "Baking")]
        );
    }
    let rule = plans[0].iter().flat_map(|plan| &plan.rules).find(|rule| rule.name == "group");
    let why = "checkout waits for web: 0 of 2 endpoints of v2 are up (100% needed), none of them with IPv4";
    assert_eq!(rule.map(|rule| (rule.holds, rule.why.as_str())), Some((false, why)));
}

#[test]
fn who_is_dragged_along_is_foretold_too() {
    let mut group = Checkout::proven(&ramped());
    group.save_all(&ramped());
    group.run_to(70);
    let plans = group.plan(&[(1, file("v1").ramp(&[(10, 20), (50, 30)]))]);
    let [api, web] = plans.as_slice() else { panic!("two") };
    let (api, web) = (api.as_ref().expect("dragged"), web.as_ref().expect("edited"));
    assert_eq!((api.changes.len(), web.changes.len()), (0, 1));
    assert_eq!(api.steps[0].phase, "RollingBack");
    assert_eq!(api.steps.last().map(|step| step.phase), Some("Failed"));
    assert_eq!(web.steps.last().map(|step| step.phase), Some("Steady"));
}

#[test]
fn who_takes_no_part_is_no_news() {
    let group = Checkout::proven(&v2());
    let plans = group.plan(&[(0, v2())]);
    assert!(plans[0].is_some() && plans[1].is_none(), "{plans:#?}");
}

#[test]
fn a_verb_is_foretold_of_all_and_refused_by_one() {
    let mut group = Checkout::proven(&ramped());
    group.save_all(&ramped());
    for named in [None, Some(0), Some(1)] {
        let plans = group.foretell(Verb::Rollback, named).expect("there is a way back");
        for plan in &plans {
            let plan = plan.as_ref().expect("all go back");
            assert_eq!(phases(plan)[0], (at(0), "RollingBack"));
            assert_eq!(plan.steps.last().map(|step| step.phase), Some("Failed"));
        }
    }
    group.down(1, &[1, 2]);
    let refusal = group.foretell(Verb::Rollback, Some(0)).expect_err("web cannot go back");
    assert!(refusal.to_string().starts_with("web: "), "{refusal}");
    assert_eq!(refusal.rules()[0].0, Rule::Health);
    assert_eq!(group.ask(Verb::Rollback, Some(0), &[]).expect_err("likewise"), refusal);
}

type Happened = Vec<(Timestamp, String, &'static str)>;

fn foretold(plans: &[Option<Plan>], of: &[ServiceName]) -> Happened {
    let each = plans.iter().zip(of).flat_map(|(plan, name)| {
        plan.iter().flat_map(move |plan| {
            phases(plan).into_iter().map(move |(at, phase)| (at, name.to_string(), phase))
        })
    });
    let mut all: Happened = each.collect();
    all.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Whatever is edited of whom, and when: what was foretold is what happens, and then.
    #[test]
    fn what_is_foretold_happens(
        before in prop::option::of((0..2usize, 0..300u64)),
        edits in prop::collection::vec((0..2usize, 0..3usize, 1..100u64), 1..3),
        bake in 0..100u64,
        down in prop::sample::subsequence(vec![3, 4, 5], 0..2),
    ) {
        const LIVE: [&str; 3] = ["v1", "v2", "v3"];
        let mut group = Checkout::proven(&ramped());
        group.sims.iter_mut().for_each(|sim| sim.cache_clock = CACHE_CLOCK);
        if let Some((which, later)) = before {
            group.save(&[(which, ramped()), (1 - which, ramped())][..1 + which]);
            group.run_to(later);
        }
        group.down(1, &down);
        let files: Vec<(usize, Wanted)> = edits
            .into_iter()
            .map(|(at, live, step)| (at, file(LIVE[live]).ramp(&[(10, step)]).bake(bake)))
            .collect();
        // The last edit of each is what stands in the file.
        let files: Vec<_> = (0..2).filter_map(|at| files.iter().rfind(|(of, _)| *of == at).cloned()).collect();
        let plans = group.plan(&files);
        group.told.clear();
        group.sims.iter_mut().for_each(|sim| sim.told.clear());
        let names = [group.name(0), group.name(1)];
        let mut seen = Happened::new();
        let look = |group: &mut Checkout, seen: &mut Happened| {
            let now = group.sims[0].now;
            for (at, name) in names.iter().enumerate() {
                let own = std::mem::take(&mut group.sims[at].told);
                seen.extend(own.into_iter().map(|told| (now, name.to_string(), told.to)));
            }
            seen.extend(group.told.drain(..).map(|(name, told)| (now, name, told.to)));
        };
        group.save(&files);
        look(&mut group, &mut seen);
        let begun = group.sims[0].now;
        let mut tries: Vec<Timestamp> = (0..3).map(|nth| begun + secs(1 + nth * 5)).collect();
        while let Some(next) = group.next_deadline().into_iter().chain(tries.first().copied()).min() {
            group.sims.iter_mut().for_each(|sim| sim.now = next);
            if tries.first() == Some(&next) {
                tries.remove(0);
                group.sims.iter_mut().for_each(|sim| (1..=6).for_each(|host| sim.observe(host, true)));
            }
            group.observe();
            look(&mut group, &mut seen);
        }
        let of = |all: &Happened, name: &ServiceName| -> Vec<(Timestamp, &'static str)> {
            let own = all.iter().filter(|(_, of, _)| *of == name.to_string());
            // The order within an instant is not kept by who looks.
            let mut own: Vec<_> = own.map(|(at, _, phase)| (*at, *phase)).collect();
            own.sort();
            own
        };
        let foretold = foretold(&plans, &names);
        for name in &names {
            prop_assert_eq!(of(&foretold, name), of(&seen, name), "{}: {:#?}", name, plans);
        }
    }
}
