//! What became of a release: who began it, what it did, and how it ended.

use super::Transition;
use crate::{health::TestRecord, model::Timestamp};

/// Steps of one release that are kept: the first ones and the last ones.
pub const STEPS_MAX: usize = 64;
/// Smoke tests of one release that are kept.
const TESTS_MAX: usize = 64;
/// Of the steps, so many of the first ones.
const FIRST_STEPS: usize = 16;

/// One release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its number within the service.
    pub id: u64,
    /// What answered when it began.
    pub from: String,
    /// What was to answer.
    pub to: String,
    /// Who began it.
    pub by: String,
    /// When.
    pub begun: Timestamp,
    /// When it ended, and how.
    pub ended: Option<(Timestamp, Ending)>,
    /// Its changes of phase.
    pub steps: Vec<Step>,
    /// How many more there were in the middle.
    pub omitted: u64,
    /// Its smoke tests, first of those that have failed; some of them, if there were many.
    pub tests: Vec<TestRecord>,
}

/// A change of phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// The phase that was left.
    pub from: String,
    /// The phase that was entered.
    pub to: String,
    /// Why.
    pub why: String,
}

/// How a release ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its pool answers, and no cache holds the one before.
    Released,
    /// Clients were moved, and went back.
    RolledBack,
    /// Nothing was moved.
    Failed,
    /// Nothing was moved, because the file was edited back.
    Withdrawn,
    /// Another release began.
    Replaced,
}

impl Ending {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Released, Self::RolledBack, Self::Failed, Self::Withdrawn, Self::Replaced];

    /// The words for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::RolledBack => "rolled back",
            Self::Failed => "failed",
            Self::Withdrawn => "withdrawn",
            Self::Replaced => "replaced",
        }
    }
}

impl Record {
    /// A release that begins.
    pub fn begin(id: u64, from: String, to: String, by: String, begun: Timestamp) -> Self {
        Self {
            id,
            from,
            to,
            by,
            begun,
            ended: None,
            steps: Vec::new(),
            omitted: 0,
            tests: Vec::new(),
        }
    }

    /// A change of phase that belongs to it.
    pub fn note(&mut self, now: Timestamp, transition: &Transition) {
        let Transition { from, to, why, .. } = transition;
        let (from, to, why) = ((*from).to_owned(), (*to).to_owned(), why.clone());
        self.steps.push(Step { at: now, from, to, why });
        if self.steps.len() > STEPS_MAX {
            self.steps.remove(FIRST_STEPS);
            self.omitted += 1;
        }
        let ending = self.ending(transition);
        self.ended = ending.map(|ending| (now, ending)).or(self.ended);
    }

    /// What came of its smoke tests so far.
    pub fn note_tests(&mut self, mut tests: Vec<TestRecord>) {
        tests.truncate(TESTS_MAX);
        if !tests.is_empty() {
            self.tests = tests;
        }
    }

    /// Another release has begun.
    pub fn replace(&mut self, now: Timestamp) {
        self.ended.get_or_insert((now, Ending::Replaced));
    }

    fn ending(&self, transition: &Transition) -> Option<Ending> {
        let was_rolled_back = || self.steps.iter().any(|step| step.to == "RollingBack");
        match (transition.from, transition.to) {
            // It ended before.
            ("Failed", "Steady") => None,
            ("Draining", "Steady") => Some(Ending::Released),
            ("RollingBack", "Steady") => Some(Ending::RolledBack),
            (_, "Steady") => Some(Ending::Withdrawn),
            (_, "Failed") if was_rolled_back() => Some(Ending::RolledBack),
            (_, "Failed") => Some(Ending::Failed),
            _ => None,
        }
    }
}
