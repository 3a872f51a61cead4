//! What is known of a release besides the verdicts of probes: smoke tests, measurements of its
//! performance, guards and confirmations.
//!
//! Each is of one release, and but for the tests of one step of it: when that is over, nothing is
//! known any more. Whatever was found out of what the file asks for no longer is forgotten. What all
//! of it means for the release is decided in `cutover`.

mod guards;
mod performance;
mod smoke;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
    time::Duration,
};

pub use guards::{Asked, Reading, Watched, judged_value};
pub use performance::{Measured, Sample, judged_samples};
pub use smoke::{Subject, TestRecord, Tested};

use crate::model::{Label, Percent, ReleasePolicy, Timestamp};
use guards::Guards;
use performance::Measurements;
use smoke::Tests;

/// Of what something is found out: a release, and the share of the clients that it has given by then;
/// none before its first step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The number of the release.
    pub release: u64,
    /// The share.
    pub share: Option<Percent>,
}

/// What something means for a release, in one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It may go on.
    Good(String),
    /// It is to go back.
    Bad(String),
    /// Neither: there is nothing to judge by.
    Unjudged(String),
}

impl Finding {
    /// Every name that [`Finding::name`] can give.
    pub const NAMES: [&str; 3] = ["good", "bad", "unjudged"];

    /// The word for people.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Good(_) => "good",
            Self::Bad(_) => "bad",
            Self::Unjudged(_) => "unjudged",
        }
    }

    /// Where it `is_doubted` that failures are the endpoints', what is bad says nothing.
    pub fn doubt(&mut self, is_doubted: bool) {
        if let Self::Bad(why) = self
            && is_doubted
        {
            *self = Self::Unjudged(format!("every probe failed meanwhile, and so did this: {why}"));
        }
    }

    /// The sentence.
    pub fn why(&self) -> &str {
        match self {
            Self::Good(why) | Self::Bad(why) | Self::Unjudged(why) => why,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.why())
    }
}

/// Why a release is to go back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What says so: a guard by its name, or the performance.
    pub cause: String,
    /// In one sentence, with the value and the limit.
    pub why: String,
}

/// What somebody has answered who must say yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// When.
    pub at: Timestamp,
    /// Yes; or why it is not, in a few words that stay the same.
    pub result: Result<(), String>,
    /// What they said with it.
    pub detail: String,
}

/// Everything that is known.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    scope: Option<Scope>,
    /// Of endpoints, before the first step.
    pub tests: Tests,
    /// Of pools.
    pub performance: Measurements,
    /// By query.
    pub guards: Guards,
    answers: BTreeMap<Label, Answer>,
}

impl Evidence {
    /// A release goes on to another step, or there is another or none, or its file has changed.
    pub fn follow(&mut self, scope: Option<Scope>, policy: &ReleasePolicy) {
        let release = |scope: Option<Scope>| scope.map(|scope| scope.release);
        if release(self.scope) != release(scope) {
            self.tests = Tests::default();
        }
        if self.scope != scope {
            (self.performance, self.guards) = Default::default();
            self.answers.clear();
        }
        self.scope = scope;
        if scope.is_none() {
            return;
        }
        self.tests.follow(&policy.tests);
        self.performance.follow(policy.performance.as_ref());
        self.guards.follow(&policy.guards);
        self.answers.retain(|name, _| policy.confirm.contains(name));
    }

    /// As if all that a policy asks for had been found good from an instant on.
    pub fn suppose(
        &mut self,
        at: Timestamp,
        (tests, members): (&BTreeSet<Subject>, &BTreeSet<IpAddr>),
        policy: &ReleasePolicy,
    ) {
        let good = || Finding::Good(String::new());
        for subject in tests {
            let Some(test) = policy.tests.get(subject.number) else { continue };
            let tested = Tested { at, latency: Duration::ZERO, finding: good() };
            self.tests.tested(subject.clone(), test, tested);
        }
        if let Some(performance) = &policy.performance {
            let members = members.clone();
            let measured = Measured { begun: at, members, finding: good() };
            self.performance.measured(performance, measured);
        }
        for guard in &policy.guards {
            let reading = Reading { at, value: None, old: None, finding: good() };
            (0..guard.count).for_each(|_| self.guards.read(guard, reading.clone()));
        }
        for name in &policy.confirm {
            let answer = Answer { at, result: Ok(()), detail: String::new() };
            self.answered(name.clone(), answer);
        }
    }

    /// Whether a step is measured and guarded as a policy says.
    pub fn is_of(&self, policy: &ReleasePolicy) -> bool {
        self.performance.are_of(policy.performance.as_ref()) && self.guards.are(&policy.guards)
    }

    /// Of what it is.
    pub fn scope(&self) -> Option<Scope> {
        self.scope
    }

    /// Somebody has answered.
    pub fn answered(&mut self, name: Label, answer: Answer) {
        self.answers.insert(name, answer);
    }

    /// What they have answered last, if they have.
    pub fn answer(&self, name: &Label) -> Option<&Answer> {
        self.answers.get(name)
    }

    /// Why there is nothing to judge a step by, if there is not.
    pub fn lacks_data(&self) -> Option<String> {
        self.guards.lacks_data().or_else(|| self.performance.lacks_data())
    }

    /// Whether something has been said that a step can be judged by, since we started.
    pub fn has_data(&self) -> bool {
        self.guards.have_data() && self.performance.has_data()
    }

    /// Why a release is to go back, if it is.
    pub fn trouble(&self) -> Option<Trouble> {
        let slow = || {
            let cause = "performance".to_owned();
            self.performance.trouble().map(|why| Trouble { cause, why })
        };
        self.guards.trouble().or_else(slow)
    }

    /// What a step that has been true since then still lacks, if it lacks something.
    pub fn lacks_since(&self, since: Timestamp) -> Option<String> {
        self.guards.lack_since(since).or_else(|| self.performance.lack_since(since))
    }
}
