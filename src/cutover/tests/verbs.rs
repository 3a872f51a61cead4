//! What a person can ask: in each phase done, or refused with a reason and without a trace.

use super::{super::phase::Phase, Facts, Order, Refusal, Rule, Sim, Verb, Wanted, at, file};

impl Sim {
    /// A person asks for something.
    pub(super) fn ask(&mut self, verb: Verb, force: bool) -> Result<(), Refusal> {
        self.ask_breaking(verb, if force { &[Rule::Health] } else { &[] })
    }

    pub(super) fn ask_breaking(&mut self, verb: Verb, rules: &[Rule]) -> Result<(), Refusal> {
        let force = rules.iter().copied().collect();
        self.order(&Order { verb, to: None, by: "alice".to_owned(), force })
    }

    pub(super) fn order(&mut self, order: &Order) -> Result<(), Refusal> {
        self.answer();
        let horizons = self.known();
        let freeze = self.freeze.as_ref();
        let facts = Facts { health: &self.health, horizons: &horizons, freeze };
        self.told.extend(self.cutover.ask(self.now, order, facts)?);
        if self.publishes && self.cutover.phase().is_unpublished() {
            self.publish();
        }
        Ok(())
    }
}

fn ramped() -> Wanted {
    file("v2").ramp(&[(10, 20), (50, 30)])
}

/// Each phase of a release from v1 to v2, entered by what happens.
fn in_phase(phase: &str) -> Sim {
    let mut sim = Sim::proven(file("v1"));
    sim.publishes = phase != "Shifting";
    if phase == "Probing" {
        sim.down(&[3]);
    }
    if phase != "Steady" {
        sim.save(if phase == "Waiting" { ramped().at(500) } else { ramped() });
    }
    match phase {
        "Judging" => sim.run_to(60),
        "Paused" => {
            sim.run_to(60);
            sim.ask(Verb::Pause, false).expect("it is judged");
        }
        "Baking" => sim.run_to(170),
        "Draining" => {
            sim = Sim::baking(file("v2").bake(10));
            sim.run_to(10);
        }
        "RollingBack" => sim.down(&[3]),
        "Failed" => {
            sim.down(&[3]);
            sim.run_to(60);
        }
        _ => {}
    }
    assert_eq!(sim.phase(), phase);
    sim.told.clear();
    sim
}

/// Asks in each phase; what comes of it is the next phase, or nothing.
#[track_caller]
fn assert_outcomes(verb: Verb, outcomes: [Option<&str>; 11]) {
    for (phase, outcome) in Phase::NAMES.into_iter().zip(outcomes) {
        let mut sim = in_phase(phase);
        let before = format!("{:?}", sim.cutover);
        match (sim.ask(verb, false), outcome) {
            (Ok(()), Some(next)) => {
                assert_eq!(sim.phase(), next, "{verb:?} in {phase}");
                let why = &sim.told[0].why;
                assert!(why.contains(verb.name()) && why.contains("alice"), "{why}");
            }
            (Err(refusal), None) => {
                assert!(!refusal.to_string().is_empty());
                assert_eq!(format!("{:?}", sim.cutover), before, "{verb:?} in {phase}");
                assert!(sim.told.is_empty());
            }
            (got, _) => panic!("{verb:?} in {phase}: {got:?}"),
        }
    }
}

#[test]
fn rollback_in_each_phase() {
    let (back, failed) = (Some("RollingBack"), Some("Failed"));
    let outcomes = [None, failed, failed, back, back, back, back, back, back, None, None];
    assert_outcomes(Verb::Rollback, outcomes);
}

#[test]
fn promote_in_each_phase() {
    let (step, draining) = (Some("Settling"), Some("Draining"));
    let outcomes = [None, None, step, None, step, step, step, draining, None, None, None];
    assert_outcomes(Verb::Promote, outcomes);
}

#[test]
fn pause_in_each_phase() {
    let paused = Some("Paused");
    let outcomes = [None, paused, paused, None, paused, paused, None, paused, None, None, None];
    assert_outcomes(Verb::Pause, outcomes);
}

#[test]
fn resume_in_each_phase() {
    let mut outcomes = [None; 11];
    outcomes[6] = Some("Judging");
    assert_outcomes(Verb::Resume, outcomes);
}

#[test]
fn retry_in_each_phase() {
    let mut outcomes = [None; 11];
    outcomes[10] = Some("Probing");
    assert_outcomes(Verb::Retry, outcomes);
}

#[test]
fn a_rollback_by_hand_answers_the_old_pool_at_once_and_stays() {
    for phase in ["Settling", "Judging", "Baking", "Draining"] {
        let mut sim = in_phase(phase);
        sim.ask(Verb::Rollback, false).expect("there is a way back");
        sim.assert_live("v1");
        sim.run_to(400);
        assert_eq!(sim.phase(), "Failed", "the file still asks for it");
        sim.assert_live("v1");
        let same = (**sim.cutover.spec()).clone();
        sim.save(Wanted(same));
        assert_eq!(sim.phase(), "Failed", "the same content is no edit");
    }
}

#[test]
fn a_rollback_onto_a_pool_that_is_down_needs_force() {
    let mut sim = in_phase("Baking");
    sim.down(&[1, 2]);
    let refusal = sim.ask(Verb::Rollback, false).expect_err("nothing to go back to");
    assert_eq!(
        refusal.to_string(),
        "none of the 2 endpoints of v1 are up: only with `--force health`"
    );
    sim.assert_live("v2");
    sim.ask(Verb::Rollback, true).expect("forced");
    assert_eq!(sim.phase(), "RollingBack");
}

#[test]
fn promote_takes_one_step_and_not_two() {
    let mut sim = in_phase("Settling");
    sim.ask(Verb::Promote, false).expect("a step");
    sim.assert_shares(&[("v1", 50), ("v2", 50)]);
    assert_eq!(sim.phase(), "Settling");
    sim.ask(Verb::Promote, false).expect("the last step");
    sim.assert_shares(&[("v2", 100)]);
    assert_eq!(sim.phase(), "Baking");
}

#[test]
fn promote_passes_no_gate_unless_forced() {
    let mut sim = Sim::adopt(file("v1"));
    sim.save(ramped());
    sim.up(&[4]);
    let refusal = sim.ask(Verb::Promote, false).expect_err("the gate is closed");
    let why = "1 of 2 endpoints of v2 are up (100% needed): only with `--force health`";
    assert_eq!(refusal.to_string(), why);
    sim.ask(Verb::Promote, true).expect("forced");
    sim.assert_shares(&[("v1", 90), ("v2", 10)]);
}

/// Who forces a step knows better than the probes: if a guard took it back at once, it could not be
/// forced at all.
#[test]
fn what_was_forced_no_guard_takes_back() {
    let mut sim = Sim::adopt(file("v1"));
    sim.save(ramped());
    sim.up(&[3, 4]);
    sim.down(&[3]);
    assert_eq!(sim.phase(), "RollingBack", "a guard watches");
    sim.run_to(60);
    sim.ask(Verb::Retry, false).expect("it has failed");
    sim.ask(Verb::Promote, true).expect("forced");
    let why = "1 of 2 endpoints of v2 are down (100% must be up), \
               but a person has broken the rule health or gate: not rolled back";
    assert_eq!(sim.cutover.phase().trouble().as_deref(), Some(why));
    sim.run_to(500);
    assert_eq!(sim.phase(), "Settling", "what fails is not called good either");
    sim.restart();
    sim.down(&[3]);
    assert_eq!(sim.cutover.phase().trouble().as_deref(), Some(why));
    sim.up(&[3, 4]);
    sim.run_to(590);
    assert_eq!(sim.phase(), "Settling", "it goes on");
    sim.assert_shares(&[("v1", 50), ("v2", 50)]);
    sim.down(&[3]);
    sim.assert_shares(&[("v1", 50), ("v2", 50)]);
    sim.ask(Verb::Rollback, false).expect("a person can");
    sim.assert_live("v1");
    sim.run_to(700);
    sim.ask(Verb::Retry, false).expect("it has failed");
    let forced = sim.cutover.phase().release().map(|release| release.is_forced);
    assert_eq!(forced, Some(false), "of one release");
}

#[test]
fn retry_begins_the_release_again_with_its_whole_deadline() {
    let mut sim = in_phase("Failed");
    let number = sim.cutover.phase().release().map(|release| release.id);
    sim.ask(Verb::Retry, false).expect("it has failed");
    assert_eq!(sim.phase(), "Probing");
    assert_eq!(sim.cutover.next_deadline(), Some(at(60 + 600)));
    assert_eq!(sim.cutover.phase().release().map(|release| release.id), number.map(|id| id + 1));
    sim.up(&[3]);
    sim.assert_shares(&[("v1", 90), ("v2", 10)]);
}
