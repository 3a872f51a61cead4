//! What a release has to prove: smoke tests, performance, guards and confirmations.

mod asked;
mod guards;

use super::*;
use crate::{
    cutover::{PauseReason, phase::Phase},
    health::{Answer, Finding, Measured, Reading, Subject, Tested},
    model::{Bound, Guard, Label, Limit, Measure, Number, Performance, SmokeTest},
};

fn test(port: u16) -> SmokeTest {
    SmokeTest { kind: ProbeKind::Tcp(TcpProbe { port }), timeout: SmokeTest::TIMEOUT }
}

fn performance() -> Performance {
    let limit = Limit {
        measure: Measure::Percentile(95),
        bound: Bound::Ratio("1.2x".parse().expect("one")),
    };
    Performance {
        kind: ProbeKind::Tcp(TcpProbe { port: 80 }),
        requests: Performance::REQUESTS,
        duration: Performance::DURATION,
        concurrency: Performance::CONCURRENCY,
        rate: Performance::RATE,
        timeout: Performance::TIMEOUT,
        samples_min: Performance::SAMPLES_MIN,
        interval: Performance::INTERVAL,
        tolerance: Duration::ZERO,
        limits: vec![limit],
    }
}

fn guard() -> Guard {
    Guard {
        name: label("errors"),
        query: "up".to_owned(),
        min: None,
        max: Some(Bound::Value(Number::HUNDREDTH)),
        tolerance: Number::ZERO,
        interval: Guard::INTERVAL,
        count: 2,
        fail_limit: 0,
        error_limit: 1,
    }
}

fn label(text: &str) -> Label {
    text.parse().expect("a label")
}

impl Wanted {
    fn tests(mut self, count: u16) -> Self {
        self.0.release.tests = (1..=count).map(|port| Arc::new(test(port))).collect();
        self
    }

    fn performance(mut self) -> Self {
        self.0.release.performance = Some(Arc::new(performance()));
        self
    }

    fn guard(mut self, guard: Guard) -> Self {
        self.0.release.guards.push(Arc::new(guard));
        self
    }

    fn confirm(mut self) -> Self {
        self.0.release.confirm = vec![label("board")];
        self
    }
}

fn good() -> Finding {
    Finding::Good("it is good".to_owned())
}

fn bad() -> Finding {
    Finding::Bad("it is bad".to_owned())
}

fn unjudged() -> Finding {
    Finding::Unjudged("there is no data".to_owned())
}

impl Sim {
    fn tested(&mut self, host: u8, number: usize, finding: Finding) {
        let subject = Subject { pool: pool_name("v2"), address: address(host), number };
        let tested = Tested { at: self.now, latency: Duration::ZERO, finding };
        let test = test(number as u16 + 1);
        self.health.evidence.tests.tested(subject, &test, tested);
        self.handle(Event::Observed);
    }

    fn measured(&mut self, finding: Finding) {
        let members = (1..=6).map(address).collect();
        let measured = Measured { begun: self.now, members, finding };
        self.health.evidence.performance.measured(&performance(), measured);
        self.handle(Event::Observed);
    }

    fn read(&mut self, guard: &Guard, finding: Finding) {
        let reading = Reading { at: self.now, value: None, old: None, finding };
        self.health.evidence.guards.read(guard, reading);
        self.handle(Event::Observed);
    }

    fn answered(&mut self, result: Result<(), &str>) {
        let result = result.map_err(str::to_owned);
        let answer = Answer { at: self.now, result, detail: String::new() };
        self.health.evidence.answered(label("board"), answer);
        self.handle(Event::Observed);
    }

    fn wanted(&self) -> crate::cutover::Wanted {
        self.cutover.wanted(&self.health).expect("something is to be found out")
    }

    fn last_why(&self) -> &str {
        &self.told.last().expect("something was told").why
    }
}

#[test]
fn each_endpoint_that_is_up_is_tested_once_before_anybody_is_moved() {
    let mut sim = Sim::adopt(file("v1").tests(2));
    sim.up(&[1, 2]);
    sim.save(file("v2").tests(2));
    assert_eq!(sim.cutover.wanted(&sim.health), None, "nothing is up yet");
    sim.up(&[3, 4]);
    assert_eq!(sim.phase(), "Probing");
    assert_eq!(sim.wanted().tests.len(), 4);
    sim.tested(3, 0, good());
    sim.tested(3, 1, good());
    sim.tested(4, 0, good());
    let left: Vec<_> = sim.wanted().tests.into_iter().collect();
    assert_eq!(left, [Subject { pool: pool_name("v2"), address: address(4), number: 1 }]);
    sim.tested(4, 1, unjudged());
    assert_eq!(sim.wanted().tests.len(), 1, "what could not be made is made again");
    assert_eq!(sim.phase(), "Probing");
    sim.assert_live("v1");
    sim.tested(4, 1, good());
    assert_eq!(sim.phase(), "Baking");
    sim.assert_live("v2");
}

#[test]
fn a_test_that_fails_is_the_end_of_the_release_and_nothing_has_been_moved() {
    let mut sim = Sim::proven(file("v1").tests(1));
    sim.save(file("v2").tests(1));
    sim.tested(3, 0, good());
    sim.tested(4, 0, Finding::Bad("exit status 1: 3 rows are missing".to_owned()));
    assert_eq!(sim.phase(), "Failed");
    let why = "smoke test 1 (tcp) failed on 192.0.2.4 of v2: exit status 1: 3 rows are missing; \
               nothing was moved";
    assert_eq!(sim.last_why(), why);
    assert_eq!(sim.cutover.phase().trouble().as_deref(), Some(why));
    sim.assert_live("v1");
    assert_eq!(sim.health.evidence.tests.records().len(), 2, "the results can still be seen");
    sim.ask(Verb::Retry, false).expect("it can be tried again");
    sim.follow();
    assert_eq!(sim.wanted().tests.len(), 2, "and all is tested again");
}

#[test]
fn what_is_not_tested_by_the_deadline_has_failed() {
    let mut sim = Sim::proven(file("v1").tests(1));
    sim.save(file("v2").tests(1));
    sim.tested(3, 0, good());
    sim.run_to(600);
    assert_eq!(sim.phase(), "Failed");
    let why = "after 10m 1 of 2 smoke tests have passed: number 1 has not on 192.0.2.4 of v2; \
               nothing was moved";
    assert_eq!(sim.last_why(), why);
}

#[test]
fn tests_that_are_edited_are_made_anew() {
    let mut sim = Sim::proven(file("v1").tests(2));
    sim.save(file("v2").tests(2));
    sim.tested(3, 0, good());
    sim.save(file("v2").tests(1));
    assert_eq!(sim.wanted().tests.len(), 1, "what is the same as before is not made again");
    let mut other = file("v2").tests(1);
    other.0.release.tests = vec![Arc::new(test(9))];
    sim.save(other);
    assert_eq!(sim.wanted().tests.len(), 2);
}

#[test]
fn a_slow_pool_is_stopped_before_anybody_is_moved() {
    let mut sim = Sim::proven(file("v1").tests(1).performance());
    sim.save(file("v2").tests(1).performance());
    assert!(!sim.wanted().performance, "tests first");
    sim.tested(3, 0, good());
    sim.tested(4, 0, good());
    let wanted = sim.wanted();
    assert!(wanted.performance);
    assert_eq!((wanted.new.name(), wanted.old.name()), ("v2".to_owned(), "v1".to_owned()));
    assert_eq!(wanted.old.addresses, [address(1), address(2)]);
    sim.measured(unjudged());
    assert_eq!(sim.phase(), "Probing", "too little is no verdict");
    sim.measured(bad());
    assert_eq!(sim.phase(), "Failed");
    assert_eq!(sim.last_why(), "it is bad; nothing was moved");
    sim.assert_live("v1");
}

#[test]
fn a_step_is_over_only_when_it_has_been_measured_in_it() {
    let ramp = |live| file(live).performance().ramp(&[(10, 30)]).bake(60);
    let mut sim = Sim::proven(ramp("v1"));
    sim.save(ramp("v2"));
    sim.measured(good());
    assert_eq!(sim.phase(), "Settling");
    assert_eq!(sim.cutover.wanted(&sim.health), None, "the share is not true yet");
    sim.run_to(60);
    assert_eq!(sim.phase(), "Judging");
    assert!(sim.wanted().performance);
    sim.run_to(200);
    assert_eq!(sim.phase(), "Judging", "the bake is over");
    let why =
        "v2 was good at 10% for 30s, but its performance has not been found good in this step";
    assert_eq!(sim.last_why(), why);
    assert_eq!(sim.cutover.next_deadline(), None, "it waits for no clock");
    sim.measured(good());
    assert_eq!(sim.phase(), "Baking");
    sim.run_to(230);
    sim.measured(good());
    sim.run_to(259);
    assert_eq!(sim.phase(), "Baking");
    sim.run_to(260);
    assert_eq!(sim.phase(), "Steady");
}

#[test]
fn what_turns_slow_under_traffic_is_rolled_back() {
    for share in [10, 100] {
        let ramp = |live| file(live).performance().ramp(&[(10, 300)]);
        let mut sim = Sim::proven(ramp("v1"));
        sim.save(ramp("v2"));
        sim.measured(good());
        sim.run_to(60);
        if share == 100 {
            sim.measured(good());
            sim.run_to(360);
            assert_eq!(sim.phase(), "Baking");
        }
        sim.measured(good());
        sim.measured(bad());
        assert_eq!(sim.phase(), "RollingBack");
        assert_eq!(sim.last_why(), "it is bad: rolled back to v1");
        sim.assert_live("v1");
    }
}

#[test]
fn what_is_bad_stays_where_there_is_nothing_to_go_back_to() {
    let mut sim = Sim::proven(file("v1").performance());
    sim.save(file("v2").performance());
    sim.measured(good());
    assert_eq!(sim.phase(), "Baking");
    sim.down(&[1, 2]);
    sim.measured(bad());
    assert_eq!(sim.phase(), "Baking");
    let why = "it is bad, but only 0 of 2 endpoints of v1 are up: not rolled back";
    assert_eq!(sim.last_why(), why);
    sim.measured(good());
    assert_eq!(sim.last_why(), "v2 is healthy again");
}

#[test]
fn a_restart_proves_again_what_had_been_proven() {
    let mut sim = Sim::proven(file("v1").tests(1).confirm());
    sim.save(file("v2").tests(1).confirm());
    sim.tested(3, 0, good());
    sim.tested(4, 0, good());
    assert_eq!(sim.phase(), "Waiting");
    sim.restart();
    sim.follow();
    sim.up(&[1, 2, 3, 4]);
    assert_eq!((sim.phase(), sim.wanted().tests.len()), ("Probing", 2));
}

#[test]
fn other_hosts_are_measured_anew_before_they_have_clients() {
    let later = |live| file(live).performance().at(1_000);
    let mut sim = Sim::proven(later("v1"));
    sim.save(later("v2"));
    sim.measured(good());
    assert_eq!(sim.phase(), "Waiting");
    sim.save(later("v2").pool("v2", &[3, 9]));
    sim.up(&[9]);
    sim.run_to(1_000);
    assert_eq!(sim.phase(), "Probing", "nobody has measured host 9");
    assert!(sim.wanted().performance);
}

#[test]
fn a_release_in_which_no_pool_gains_has_nothing_to_prove() {
    let even = |live| file(live).performance().guard(guard()).tests(1).bake(10);
    let mut sim = Sim::proven(even("v1:90+v2:10"));
    sim.save(even("v1:9+v2:1"));
    assert_eq!(sim.phase(), "Baking");
    assert_eq!(sim.cutover.wanted(&sim.health), None);
    sim.run_to(10);
    assert_eq!(sim.phase(), "Steady");
}

#[test]
fn what_is_held_is_told_once_however_its_value_changes() {
    let mut sim = Sim::proven(file("v1").guard(guard()));
    sim.save(file("v2").guard(guard()));
    sim.down(&[1, 2]);
    for value in ["0.0231", "0.0229", "0.0240"] {
        sim.read(&guard(), Finding::Bad(format!("guard errors is {value}")));
    }
    let held = sim.told.iter().filter(|told| told.why.contains("not rolled back")).count();
    assert_eq!(held, 1);
    let shown = sim.cutover.phase().trouble().map(|why| why.into_owned());
    assert!(shown.is_some_and(|why| why.starts_with("guard errors is 0.0240")), "but it is shown");
}

#[test]
fn a_guard_that_is_added_while_a_step_waits_judges_that_step() {
    let ramp = |live| file(live).confirm().ramp(&[(10, 30)]);
    let mut sim = Sim::proven(ramp("v1"));
    sim.save(ramp("v2"));
    sim.answered(Ok(()));
    sim.run_to(100);
    assert_eq!(sim.phase(), "Waiting");
    sim.save(ramp("v2").guard(guard()));
    assert_eq!(sim.phase(), "Judging");
    sim.run_to(200);
    assert_eq!(sim.phase(), "Judging");
    (0..2).for_each(|_| sim.read(&guard(), good()));
    assert_eq!(sim.phase(), "Waiting");
}
