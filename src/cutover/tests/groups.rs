//! Services that are released together, on one clock: `api` and `web`, and sometimes `www`. The hosts of
//! each are its own, though they have the same numbers.

mod asked;
mod edited;
mod instants;
mod machine;
mod plan;

use super::{Event, Horizons, Order, Refusal, Rule, Sim, Timestamp, Verb, Wanted, at, file, secs};
use crate::{
    cutover::{
        Transition,
        group::{self, Member},
    },
    model::{Freeze, Percent, ServiceName},
};

/// `checkout`, whose members are stored together.
struct Checkout {
    sims: Vec<Sim>,
    told: Vec<(String, Transition)>,
    freeze: Option<Freeze>,
    /// Whether what is decided is stored at once.
    publishes: bool,
}

fn of_group(name: &str, wanted: Wanted) -> Wanted {
    let mut wanted = wanted;
    wanted.0.name = name.parse().expect("a name");
    wanted.0.owner = format!("{name}.svc.example.test").parse().expect("a name");
    wanted.0.release.group = Some("checkout".parse().expect("a name"));
    wanted
}

impl Checkout {
    /// Members that answer with v1, and whose hosts have all passed but those of `v2` and `v3` of the
    /// last.
    fn adopt(names: &[&str], wanted: &Wanted) -> Self {
        let member = |name: &&str| {
            let mut first = of_group(name, wanted.clone());
            first.0.live = super::split("v1");
            let mut sim = Sim::adopt(first);
            sim.publishes = false;
            sim
        };
        let sims: Vec<Sim> = names.iter().map(member).collect();
        let mut group = Self { sims, told: Vec::new(), freeze: None, publishes: true };
        let last = names.len() - 1;
        (0..last).for_each(|at| group.up(at, &[1, 2, 3, 4, 5, 6]));
        group.up(last, &[1, 2]);
        group
    }

    /// `api` and `web`, everything of both has passed.
    fn proven(wanted: &Wanted) -> Self {
        let mut group = Self::adopt(&["api", "web"], wanted);
        group.up(1, &[3, 4, 5, 6]);
        group.told.clear();
        group
    }

    fn save(&mut self, files: &[(usize, Wanted)]) {
        for (at, file) in files {
            let file = of_group(self.name(*at).as_str(), file.clone());
            self.sims[*at].save(file);
        }
        self.go_on();
    }

    /// The same of all.
    fn save_all(&mut self, file: &Wanted) {
        let files: Vec<_> = (0..self.sims.len()).map(|at| (at, file.clone())).collect();
        self.save(&files);
    }

    fn name(&self, at: usize) -> ServiceName {
        self.sims[at].cutover.spec().name.clone()
    }

    fn up(&mut self, at: usize, hosts: &[u8]) {
        self.sims[at].up(hosts);
        self.go_on();
    }

    fn down(&mut self, at: usize, hosts: &[u8]) {
        self.sims[at].down(hosts);
        self.go_on();
    }

    fn together<T>(&mut self, act: impl FnOnce(&mut [Member<'_>], Option<&Freeze>) -> T) -> T {
        let member = |sim| {
            let Sim { cutover, health, horizons, .. }: &mut Sim = sim;
            let horizons = Horizons::new(horizons.clone(), Timestamp::default());
            Member { cutover, health, horizons }
        };
        let sims = self.sims.iter_mut().filter(|sim| sim.cutover.group().is_some());
        let mut members: Vec<Member<'_>> = sims.map(member).collect();
        let done = act(&mut members, self.freeze.as_ref());
        self.sims.iter_mut().for_each(|sim| {
            sim.retarget();
            sim.answer();
        });
        done
    }

    /// As the conductor does it: they go on, are stored in one table, and go on.
    fn go_on(&mut self) {
        let now = self.sims[0].now;
        let told = self.together(|members, freeze| group::go_on(now, members, freeze));
        self.note(told);
        if self.publishes && self.sims.iter().any(|sim| sim.phase() == "Shifting") {
            self.publish();
        }
    }

    fn publish(&mut self) {
        self.sims.iter_mut().for_each(|sim| sim.hand_over(Event::Published));
        self.go_on();
    }

    fn note(&mut self, told: group::Told) {
        self.told.extend(told.into_iter().map(|(name, told)| (name.to_string(), told)));
    }

    fn ask(&mut self, verb: Verb, named: Option<usize>, force: &[Rule]) -> Result<(), Refusal> {
        let (by, force) = ("alice".to_owned(), force.iter().copied().collect());
        self.carry_out(&Order { verb, to: None, by, force }, named)
    }

    fn carry_out(&mut self, order: &Order, named: Option<usize>) -> Result<(), Refusal> {
        let now = self.sims[0].now;
        let named = named.map(|at| self.name(at));
        let told = self
            .together(|members, freeze| group::ask(now, order, members, freeze, named.as_ref()))?;
        self.note(told);
        if self.publishes && self.sims.iter().any(|sim| sim.phase() == "Shifting") {
            self.publish();
        }
        Ok(())
    }

    fn set_frozen(&mut self, frozen: bool) {
        let freeze = Freeze { by: "bob".to_owned(), reason: None, since: self.sims[0].now };
        self.freeze = frozen.then_some(freeze);
        self.observe();
    }

    fn observe(&mut self) {
        for sim in &mut self.sims {
            sim.freeze.clone_from(&self.freeze);
            sim.hand_over(Event::Observed);
        }
        self.go_on();
    }

    fn next_deadline(&self) -> Option<Timestamp> {
        self.sims.iter().filter_map(|sim| sim.cutover.next_deadline()).min()
    }

    fn run_to(&mut self, second: u64) {
        while let Some(deadline) = self.next_deadline().filter(|&d| d <= at(second)) {
            assert!(deadline > self.sims[0].now, "the deadline {deadline} has passed");
            self.sims.iter_mut().for_each(|sim| sim.now = deadline);
            self.observe();
        }
        self.sims.iter_mut().for_each(|sim| {
            sim.now = at(second);
            sim.answer();
        });
    }

    fn restart(&mut self) {
        self.sims.iter_mut().for_each(Sim::restart);
        self.observe();
    }

    fn phases(&self) -> Vec<&'static str> {
        self.sims.iter().map(Sim::phase).collect()
    }

    #[track_caller]
    fn assert_phases(&self, phase: &str) {
        assert!(self.phases().iter().all(|it| *it == phase), "{:?}", self.phases());
    }

    #[track_caller]
    fn assert_shares(&self, wanted: &[(&str, u8)]) {
        self.sims.iter().for_each(|sim| sim.assert_shares(wanted));
    }

    fn waits(&self, at: usize) -> &str {
        self.sims[at].cutover.waits().map(|waits| waits.why.as_str()).unwrap_or_default()
    }

    fn why(&self, at: usize) -> String {
        self.sims[at].cutover.phase().trouble().unwrap_or_default().into_owned()
    }
}

fn v2() -> Wanted {
    file("v2")
}

fn ramped() -> Wanted {
    file("v2").ramp(&[(10, 20), (50, 30)])
}

#[test]
fn no_member_shifts_before_every_gate_is_passed() {
    let mut group = Checkout::adopt(&["api", "web"], &v2());
    group.save_all(&v2());
    group.assert_phases("Probing");
    group.up(1, &[3]);
    assert_eq!(
        group.waits(0),
        "checkout waits for web: 1 of 2 endpoints of v2 are up (100% needed)"
    );
    group.assert_shares(&[("v1", 100)]);
    group.publishes = false;
    group.up(1, &[4]);
    group.assert_phases("Shifting");
    group.publish();
    group.assert_phases("Baking");
    assert_eq!((group.waits(0), group.waits(1)), ("", ""));
}

#[test]
fn a_deadline_that_one_misses_fails_all() {
    let mut group = Checkout::adopt(&["api", "web"], &v2());
    group.save_all(&v2());
    group.run_to(600);
    group.assert_phases("Failed");
    assert!(group.why(0).starts_with("web, of the same group: after 10m only 0 of 2"));
    assert!(group.why(1).starts_with("after 10m only 0 of 2"), "{}", group.why(1));
    group.assert_shares(&[("v1", 100)]);
    group.up(1, &[3, 4]);
    group.run_to(10_000);
    group.assert_phases("Failed");
}

#[test]
fn who_does_not_change_takes_no_part() {
    let mut group = Checkout::adopt(&["api", "web"], &v2());
    group.save(&[(0, v2())]);
    assert_eq!(group.phases(), ["Baking", "Steady"]);
    group.down(1, &[1, 2]);
    group.run_to(400);
    assert_eq!(group.phases(), ["Steady", "Steady"]);
    group.sims[0].assert_live("v2");
}

#[test]
fn a_step_waits_for_the_latest_cache_and_the_latest_watch() {
    let mut group = Checkout::proven(&ramped());
    // Caches keep what web answers five minutes.
    group.save(&[(1, file("v1").ttl(300).ramp(&[(10, 20), (50, 30)]))]);
    group.save(&[(0, ramped()), (1, ramped().ttl(300))]);
    group.assert_shares(&[("v1", 90), ("v2", 10)]);
    group.run_to(100);
    assert_eq!(group.phases(), ["Judging", "Settling"]);
    assert!(group.waits(0).starts_with("checkout waits for web: Settling until "));
    group.run_to(319);
    group.assert_shares(&[("v1", 90), ("v2", 10)]);
    group.run_to(320);
    group.assert_shares(&[("v1", 50), ("v2", 50)]);
    group.run_to(3_000);
    group.assert_phases("Steady");
    group.assert_shares(&[("v2", 100)]);
}

#[test]
fn the_same_clients_are_moved_for_all() {
    let mut group = Checkout::proven(&ramped());
    group.save_all(&ramped());
    let salt = |group: &Checkout, at: usize| {
        let answering = group.sims[at].cutover.answering(&group.sims[at].health);
        answering.moved.map(|moved| (moved.salt, moved.share))
    };
    let first = salt(&group, 0).expect("some are moved");
    assert_eq!(first.1, Percent::new_const(10));
    assert_eq!(salt(&group, 1), Some(first));
    group.restart();
    assert_eq!([salt(&group, 0), salt(&group, 1)], [Some(first); 2]);
    let mut other = Checkout::proven(&ramped());
    other.save_all(&file("v3").ramp(&[(10, 20)]));
    assert_ne!(salt(&other, 0).map(|(salt, _)| salt), Some(first.0), "for each release anew");
}

#[test]
fn trouble_of_one_takes_all_back() {
    // In Settling, Judging, at 50 %, Baking, in Paused.
    for second in [10, 70, 150, 400] {
        let mut group = Checkout::proven(&ramped());
        group.save_all(&ramped());
        group.run_to(second);
        group.down(1, &[3]);
        group.assert_phases("RollingBack");
        group.assert_shares(&[("v1", 100)]);
        assert!(group.why(0).starts_with("web, of the same group: 1 of 2 endpoints of v2"));
        group.run_to(3_000);
        group.assert_phases("Failed");
    }
}

#[test]
fn trouble_in_a_pause_takes_all_back() {
    let mut group = Checkout::proven(&ramped());
    group.save_all(&ramped());
    group.run_to(70);
    group.ask(Verb::Pause, None, &[]).expect("it goes on");
    group.assert_phases("Paused");
    group.down(0, &[3]);
    group.assert_phases("RollingBack");
}

#[test]
fn one_that_has_nothing_to_go_back_to_holds_all() {
    let mut group = Checkout::proven(&v2());
    group.save_all(&v2());
    group.down(0, &[1, 2]);
    group.assert_phases("Baking");
    group.down(1, &[3]);
    group.assert_phases("Baking");
    let why = "1 of 2 endpoints of v2 are down (100% must be up), but of api only 0 of 2 endpoints \
               of v1 are up: not rolled back";
    assert_eq!(group.why(1), why);
    group.run_to(5_000);
    group.assert_phases("Baking");
    assert_eq!(group.waits(0), format!("checkout waits for web: {why}"));
    // As soon as it can, it does.
    group.up(0, &[1]);
    group.up(0, &[2]);
    group.assert_phases("RollingBack");
}

#[test]
fn the_bake_and_the_drain_end_for_all() {
    let mut group = Checkout::proven(&v2());
    group.save(&[(1, file("v1").ttl(300))]);
    group.save(&[(0, v2()), (1, v2().ttl(300))]);
    group.down(1, &[3]);
    group.assert_phases("RollingBack");
    let mut group = Checkout::proven(&v2());
    group.save(&[(0, v2().bake(10)), (1, v2().bake(10).ttl(300))]);
    group.run_to(20);
    group.assert_phases("Draining");
    group.run_to(100);
    group.assert_phases("Draining");
    group.ask(Verb::Rollback, Some(0), &[]).expect("there is a way back");
    group.assert_phases("RollingBack");
}

#[test]
fn a_freeze_holds_all() {
    let mut group = Checkout::proven(&v2());
    group.set_frozen(true);
    group.save_all(&v2());
    group.assert_phases("Waiting");
    group.set_frozen(false);
    group.assert_phases("Baking");
}

#[test]
fn after_a_restart_all_stand_where_they_were() {
    let mut group = Checkout::proven(&ramped());
    group.save_all(&ramped());
    group.run_to(70);
    group.restart();
    group.assert_phases("Settling");
    group.assert_shares(&[("v1", 90), ("v2", 10)]);
    // Before anything was moved.
    let mut group = Checkout::adopt(&["api", "web"], &v2());
    group.save_all(&v2());
    group.restart();
    group.assert_phases("Probing");
    group.up(0, &[1, 2, 3, 4]);
    group.assert_phases("Probing");
    group.up(1, &[1, 2, 3, 4]);
    group.assert_phases("Baking");
}
