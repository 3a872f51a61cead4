//! What is found out about releases besides verdicts: drawn at random, noted, and compared with what
//! moved. No step is taken that was not proven, and nothing stays that was found bad.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use cutover::{
    cutover::{Transition, Wanted, phase::Release},
    health::{Answer, Finding, Measured, Reading, Scope, Tested},
    model::{
        Bound, Guard, Label, Number, Performance, ProbeKind, ReleasePolicy, SmokeTest, TcpProbe,
        Timestamp,
    },
};

use super::{
    chance::Chance,
    conductor::Conductor,
    promises::{Checked, Stand},
};

/// How many values a step needs.
const COUNT: u32 = 2;
/// How many times there may be none.
const ERROR_LIMIT: u32 = 1;

/// Has a release prove something, or nothing.
pub(crate) fn random_policy(policy: &mut ReleasePolicy, chance: &mut Chance) {
    let kind = || ProbeKind::Tcp(TcpProbe { port: 80 });
    if chance.once_in(5) {
        policy.tests = vec![Arc::new(SmokeTest { kind: kind(), timeout: SmokeTest::TIMEOUT })];
    }
    if chance.once_in(5) {
        policy.performance = Some(Arc::new(Performance {
            kind: kind(),
            requests: Performance::REQUESTS,
            duration: Performance::DURATION,
            concurrency: Performance::CONCURRENCY,
            rate: Performance::RATE,
            timeout: Performance::TIMEOUT,
            samples_min: Performance::SAMPLES_MIN,
            interval: Performance::INTERVAL,
            tolerance: Default::default(),
            limits: Vec::new(),
        }));
    }
    if chance.once_in(5) {
        policy.guards = vec![Arc::new(Guard {
            name: label("errors"),
            query: "up".to_owned(),
            min: None,
            max: Some(Bound::Value(Number::ZERO)),
            tolerance: Number::ZERO,
            interval: Guard::INTERVAL,
            count: COUNT,
            fail_limit: 0,
            error_limit: ERROR_LIMIT,
        })];
    }
    if chance.once_in(6) {
        policy.confirm = vec![label("board")];
    }
}

fn label(text: &str) -> Label {
    text.parse().expect("a label")
}

/// What was found last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Good,
    Bad,
    Unjudged,
}

impl Word {
    fn finding(self) -> Finding {
        match self {
            Self::Good => Finding::Good(String::new()),
            Self::Bad => Finding::Bad("it was found bad".to_owned()),
            Self::Unjudged => Finding::Unjudged("nothing was found".to_owned()),
        }
    }
}

/// What was found of the step that is under way, noted apart from the machine.
#[derive(Debug, Default)]
pub(crate) struct Log {
    scope: Option<Scope>,
    /// Endpoints whose test was passed in this release.
    tested: BTreeSet<IpAddr>,
    measured: Option<(Timestamp, Word)>,
    /// Of these endpoints.
    members: BTreeSet<IpAddr>,
    /// When there were values, and how many times in a row there have been none since.
    values: Vec<Timestamp>,
    without: u32,
    /// Whether the last value was bad.
    is_bad_value: bool,
    is_confirmed: bool,
    /// What has just been found is a reason to go back.
    is_bad: bool,
}

impl Log {
    /// Something of what is wanted is found, of which most is good.
    pub(crate) fn find(
        &mut self,
        now: Timestamp,
        wanted: &Wanted,
        conductor: &mut Conductor,
        chance: &mut Chance,
        is_all_good: bool,
    ) -> String {
        let word = match chance.below(16) {
            _ if is_all_good => Word::Good,
            0 => Word::Bad,
            1..4 => Word::Unjudged,
            _ => Word::Good,
        };
        let policy = conductor.cutover.spec().release.clone();
        let evidence = &mut conductor.health.evidence;
        for subject in &wanted.tests {
            let tested = Tested { at: now, latency: Default::default(), finding: word.finding() };
            evidence.tests.tested(subject.clone(), &policy.tests[subject.number], tested);
            self.is_bad |= word == Word::Bad;
            if word == Word::Good {
                self.tested.insert(subject.address);
            }
        }
        if let Some(performance) = policy.performance.filter(|_| wanted.performance) {
            let members = wanted.new.members.clone();
            self.members.clone_from(&members);
            let measured = Measured { begun: now, members, finding: word.finding() };
            evidence.performance.measured(&performance, measured);
            self.measured = Some((now, word));
            self.is_bad |= word == Word::Bad;
        }
        for guard in policy.guards.iter().filter(|_| wanted.guards) {
            let reading = Reading { at: now, value: None, old: None, finding: word.finding() };
            evidence.guards.read(guard, reading);
            match word {
                Word::Unjudged => self.without += 1,
                Word::Good | Word::Bad => {
                    self.without = 0;
                    self.values.push(now);
                    self.is_bad_value = word == Word::Bad;
                }
            }
            self.is_bad |= word == Word::Bad;
        }
        if wanted.confirm {
            let result = if word == Word::Good { Ok(()) } else { Err("not yet".to_owned()) };
            let answer = Answer { at: now, result, detail: String::new() };
            evidence.answered(label("board"), answer);
            self.is_confirmed = word == Word::Good;
        }
        format!("{word:?} is found of {wanted:?}")
    }

    /// Looks at what moved since the last event.
    pub(crate) fn check(
        &mut self,
        watched_since: Timestamp,
        is_asked: bool,
        told: &[Transition],
        before: &Stand,
        conductor: &Conductor,
    ) -> Checked {
        let result = self.compare(watched_since, is_asked, told, before, conductor);
        self.is_bad = false;
        // What was said before it began to wait is of another day.
        self.is_confirmed &= !told.iter().any(begins_to_wait);
        self.follow(conductor.cutover.scope());
        result
    }

    fn compare(
        &self,
        watched_since: Timestamp,
        is_asked: bool,
        told: &[Transition],
        before: &Stand,
        conductor: &Conductor,
    ) -> Checked {
        let policy = &conductor.cutover.spec().release;
        // Of what begins within one event nothing can be known.
        let mut is_known = self.scope.is_some() || told.is_empty();
        let mut is_confirmed = policy.confirm.is_empty() || self.is_confirmed;
        for transition in told {
            let Transition { from, to, why, release } = transition;
            let is_new = self.scope.map(|scope| scope.release) != *release;
            let is_first = self.scope.is_some_and(|scope| scope.share.is_none());
            let is_proven = match (*from, *to) {
                (_, "Shifting" | "Draining") if is_asked => true,
                // It has begun within this event.
                ("Probing" | "Waiting", "Shifting") if is_new => {
                    let asks_nothing = policy.tests.is_empty() && policy.performance.is_none();
                    let is_nobody = nobody_gains(*release, before, conductor);
                    policy.confirm.is_empty() && (asks_nothing || is_nobody)
                }
                ("Probing" | "Waiting", "Shifting") if is_first => {
                    let release = before.release.as_ref().filter(|_| is_known);
                    is_confirmed && self.is_first_proven(release, policy, conductor)
                }
                ("Waiting", "Shifting") => is_confirmed,
                ("Judging", "Shifting" | "Waiting") | ("Baking", "Draining") => {
                    let step = self.is_step_proven(watched_since, is_known, policy);
                    step || nobody_gains(*release, before, conductor)
                }
                _ => true,
            };
            if !is_proven {
                return Err(format!("not proven, {from} to {to}: {why}: {self:?}"));
            }
            let known = self.scope.map(|scope| scope.release);
            is_confirmed &= policy.confirm.is_empty() || !begins_to_wait(transition);
            is_known &= *from != "Shifting" && *release == known;
        }
        let after = conductor.cutover.phase();
        if self.is_bad {
            let trouble = after.trouble().unwrap_or_default();
            let is_gone = matches!(after.name(), "RollingBack" | "Failed" | "Steady" | "Draining");
            if !is_gone && !trouble.contains("not rolled back") {
                return Err(format!("{} goes on though it was found bad", after.name()));
            }
        }
        let is_judged = matches!(after.name(), "Judging" | "Baking");
        let is_held = after.trouble().is_some_and(|why| why.contains("not rolled back"));
        if is_judged && self.is_bad_value && self.scope == conductor.cutover.scope() && !is_held {
            return Err(format!("{} forgets that it was found bad", after.name()));
        }
        if is_judged && self.without > ERROR_LIMIT && self.scope == conductor.cutover.scope() {
            return Err(format!("{} goes on without data", after.name()));
        }
        Ok(())
    }

    fn is_first_proven(
        &self,
        release: Option<&Release>,
        policy: &ReleasePolicy,
        conductor: &Conductor,
    ) -> bool {
        let asks_nothing = policy.tests.is_empty() && policy.performance.is_none();
        let Some(release) = release else { return asks_nothing };
        let (from, to) = (release.from.split(), release.to.split());
        let gaining = || release.to.pools().filter(|pool| to.gives_more(&pool.name, from));
        let addresses = || gaining().flat_map(|pool| pool.addresses());
        let is_up = |address: &IpAddr| conductor.health.verdict(*address).is_proven();
        let are_tested = addresses().filter(is_up).all(|address| self.tested.contains(&address));
        let are_measured = addresses().all(|address| self.members.contains(&address))
            && self.is_measured(Timestamp::default());
        gaining().next().is_none()
            || (policy.tests.is_empty() || are_tested)
                && (policy.performance.is_none() || are_measured)
    }

    fn is_step_proven(&self, since: Timestamp, is_known: bool, policy: &ReleasePolicy) -> bool {
        let values = self.values.iter().filter(|at| **at >= since).count();
        (policy.performance.is_none() || is_known && self.is_measured(since))
            && (policy.guards.is_empty() || is_known && values >= COUNT as usize)
    }

    fn is_measured(&self, since: Timestamp) -> bool {
        self.measured.is_some_and(|(at, word)| word == Word::Good && at >= since)
    }

    fn follow(&mut self, scope: Option<Scope>) {
        let release = |scope: Option<Scope>| scope.map(|scope| scope.release);
        if self.scope == scope {
            return;
        }
        let is_same = release(self.scope) == release(scope);
        let tested = std::mem::take(&mut self.tested);
        let tested = if is_same { tested } else { BTreeSet::new() };
        *self = Self { scope, tested, ..Self::default() };
    }
}

/// Whether in a release each pool has as many clients after it as before, or fewer: then there is nothing
/// that could be looked at.
fn nobody_gains(number: Option<u64>, before: &Stand, conductor: &Conductor) -> bool {
    let after = conductor.cutover.phase().release();
    let known = [before.release.as_ref(), after].into_iter().flatten();
    let release = known.into_iter().find(|release| Some(release.id) == number);
    // It has begun and ended within one event.
    let all_at_once = (&before.serving, &conductor.cutover.spec().live);
    let (from, to) = release.map_or(all_at_once, |it| (it.from.split(), it.to.split()));
    to.pools().all(|pool| !to.gives_more(pool, from))
}

fn begins_to_wait(transition: &Transition) -> bool {
    // It is asked on in a pause.
    transition.to == "Waiting" && !matches!(transition.from, "Waiting" | "Paused")
}
