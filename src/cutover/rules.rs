//! What may stand in the way of a step forward. Never of a way back.
//!
//! The rules are there to be broken by a person who knows better, each by its name. That a release
//! waits for its own instant is no rule: `promote` takes its first step at once.

use std::{fmt, str::FromStr};

use humantime::format_duration;

use super::{
    edge::Context,
    gate::{Gate, gate},
    phase::Release,
    proof::{self, Proof},
};
use crate::model::{Percent, Timestamp};

/// A rule that a person can break by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// Nothing moves in a freeze.
    Freeze,
    /// Steps are taken in release windows.
    Window,
    /// From one step to the next some time has to pass.
    Interval,
    /// Clients are given what is up.
    Health,
    /// What must be proven before is, and whoever must say yes has.
    Gate,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Freeze, Self::Window, Self::Interval, Self::Health, Self::Gate];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Freeze => "freeze",
            Self::Window => "window",
            Self::Interval => "interval",
            Self::Health => "health",
            Self::Gate => "gate",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// There is no rule of that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no rule `{0}`; the rules are freeze, window, interval, health and gate")]
pub struct UnknownRule(String);

impl FromStr for Rule {
    type Err = UnknownRule;

    fn from_str(text: &str) -> Result<Self, UnknownRule> {
        let mut rules = Self::ALL.into_iter();
        rules.find(|rule| rule.name() == text).ok_or_else(|| UnknownRule(text.to_owned()))
    }
}

/// What stands in the way of the next step, and until when the clock does.
pub(super) struct Way {
    pub(super) obstacles: Vec<Obstacle>,
    /// The earliest instant at which the clock lets the step be taken.
    due: Timestamp,
}

/// One thing that stands in the way.
pub(super) struct Obstacle {
    /// None where it is the release's own instant.
    pub(super) rule: Option<Rule>,
    pub(super) sort: Sort,
    pub(super) why: String,
}

/// What takes an obstacle out of the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// Time.
    Clock,
    /// A person, or whoever is asked.
    Word,
    /// That something is up, or is proven.
    Proof,
    /// Nothing: it has been found bad.
    Bad,
}

impl Way {
    /// The way to the step after `share`; before the first step that is none. The first step has
    /// the release's instant. Of windows, one must be open when the clock is out of the way.
    /// Who has said yes has done so since the wait began, if one has begun.
    pub(super) fn ahead(
        release: &Release,
        share: Option<Percent>,
        waits_since: Option<Timestamp>,
        cx: &Context<'_>,
    ) -> Self {
        let mut way = Self::standing(release, (share, waits_since), cx);
        let at = release.schedule.ahead().filter(|at| share.is_none() && *at > cx.now);
        if let Some(at) = at {
            let why = match release.schedule.put_off_from() {
                Some(asked) => format!("until caches are clean, put off from {asked}"),
                None => "as `at` says".to_owned(),
            };
            way.until(at, None, format!("it waits for {at}, {why}"));
        }
        way.through_window(way.due, cx);
        way
    }

    /// The way to a step that is taken now.
    pub(super) fn at_once(
        release: &Release,
        share: Option<Percent>,
        waits_since: Option<Timestamp>,
        cx: &Context<'_>,
    ) -> Self {
        let mut way = Self::standing(release, (share, waits_since), cx);
        way.through_window(cx.now, cx);
        way
    }

    fn standing(
        release: &Release,
        (share, waits_since): (Option<Percent>, Option<Timestamp>),
        cx: &Context<'_>,
    ) -> Self {
        let policy = &cx.spec.release;
        let mut way = Self { obstacles: Vec::new(), due: cx.now };
        if let Some(freeze) = cx.freeze {
            way.add(Some(Rule::Freeze), Sort::Word, freeze.to_string());
        }
        if let Gate::Closed(missing) = gate(release, cx) {
            way.add(Some(Rule::Health), Sort::Proof, missing);
        }
        let lack = match share {
            None => match proof::before_first(release, cx) {
                Proof::Given(_) => None,
                Proof::Missing(why) => Some((Sort::Proof, why)),
                Proof::Refuted(why) => Some((Sort::Bad, why)),
            },
            Some(share) => proof::trouble(release, share, cx).map(|found| (Sort::Bad, found.why)),
        };
        let unconfirmed = proof::unconfirmed(release, share, waits_since, cx);
        let unconfirmed = unconfirmed.into_iter().map(|why| (Sort::Word, why));
        for (sort, why) in lack.into_iter().chain(unconfirmed) {
            way.add(Some(Rule::Gate), sort, why);
        }
        let (interval, last) = (policy.min_change_interval, cx.last_step);
        if let Some(next) = last.map(|last| last + interval).filter(|next| *next > cx.now) {
            let interval = format_duration(interval);
            let why = format!("{interval} must pass after the last step, until {next}");
            way.until(next, Some(Rule::Interval), why);
        }
        way
    }

    fn through_window(&mut self, instant: Timestamp, cx: &Context<'_>) {
        let opens = cx.spec.release.windows.next_opening(instant);
        if opens > instant {
            let why = format!("the release window opens at {opens}");
            self.until(opens, Some(Rule::Window), why);
        }
    }

    pub(super) fn is_free(&self) -> bool {
        self.obstacles.is_empty()
    }

    /// Whether something is to be proven, and neither the clock nor a freeze to be waited for beside it.
    pub(super) fn is_to_be_proven(&self) -> bool {
        let is_later = |it: &Obstacle| it.sort == Sort::Clock || it.rule == Some(Rule::Freeze);
        self.obstacles.iter().any(|it| it.sort == Sort::Proof)
            && !self.obstacles.iter().any(is_later)
    }

    /// When the clock is out of the way, if it stands there.
    pub(super) fn clock(&self) -> Option<Timestamp> {
        let is_clock = |obstacle: &Obstacle| obstacle.sort == Sort::Clock;
        self.obstacles.iter().any(is_clock).then_some(self.due)
    }

    /// Whether only the clock stands in the way.
    pub(super) fn is_only_clock(&self) -> bool {
        self.obstacles.iter().all(|obstacle| obstacle.sort == Sort::Clock)
    }

    /// What stands in the way, in one sentence.
    pub(super) fn why(&self) -> String {
        let whys: Vec<&str> = self.obstacles.iter().map(|obstacle| obstacle.why.as_str()).collect();
        whys.join("; ")
    }

    fn until(&mut self, instant: Timestamp, rule: Option<Rule>, why: String) {
        self.due = self.due.max(instant);
        self.add(rule, Sort::Clock, why);
    }

    fn add(&mut self, rule: Option<Rule>, sort: Sort, why: String) {
        self.obstacles.push(Obstacle { rule, sort, why });
    }
}
