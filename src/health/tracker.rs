//! The verdict on one endpoint: a count of tries in a row.

use std::time::Duration;

use crate::model::Timestamp;

/// What is held of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// New in the file, has not passed yet: gets no client.
    Unproven,
    /// Was in the serving pool when the daemon first saw the service: counts as up for answers,
    /// but not as proven, until its probes say otherwise. Without this, the first endpoint to
    /// pass after a start would get all clients.
    Presumed,
    /// Passed `rise` times in a row.
    Up,
    /// Failed `fall` times in a row.
    Down,
    /// Its service has no probe: counts as up.
    Unprobed,
}

impl Verdict {
    /// Whether it may be answered.
    pub const fn is_eligible(self) -> bool {
        matches!(self, Self::Up | Self::Presumed | Self::Unprobed)
    }

    /// Whether it has done what a release asks of it.
    pub const fn is_proven(self) -> bool {
        matches!(self, Self::Up | Self::Unprobed)
    }

    /// The word for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unproven => "unproven",
            Self::Presumed => "presumed",
            Self::Up => "up",
            Self::Down => "down",
            Self::Unprobed => "unprobed",
        }
    }
}

/// One try of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How long it took.
    pub latency: Duration,
    /// Pass, or why not, in one sentence.
    pub result: Result<(), String>,
    /// What will become a failure if nobody does anything.
    pub warning: Option<String>,
}

/// Follows one endpoint.
#[derive(Clone, Debug)]
pub struct Tracker {
    verdict: Verdict,
    since: Timestamp,
    /// Tries in a row with the same result as the last one.
    streak: u32,
    last: Option<Outcome>,
    /// Why no try could be made since.
    hindrance: Option<String>,
}

impl Tracker {
    /// An endpoint without any try.
    pub fn new(now: Timestamp, first: Verdict) -> Self {
        Self { verdict: first, since: now, streak: 0, last: None, hindrance: None }
    }

    /// Counts one try that ended at `now`; true when it changed the verdict.
    pub fn observe(&mut self, now: Timestamp, outcome: Outcome, rise: u32, fall: u32) -> bool {
        self.count(&outcome);
        let earned = match outcome.result {
            Ok(()) if self.streak >= rise => Verdict::Up,
            Err(_) if self.streak >= fall => Verdict::Down,
            _ => self.verdict,
        };
        let changed = earned != self.verdict;
        if changed {
            self.verdict = earned;
            self.since = now;
        }
        self.last = Some(outcome);
        changed
    }

    /// Counts a failure that is no reason for a verdict.
    pub fn doubt(&mut self, outcome: Outcome, fall: u32) {
        self.count(&outcome);
        self.streak = self.streak.min(fall.saturating_sub(1));
        self.last = Some(outcome);
    }

    /// Notes that a try could not be made.
    pub fn hindered(&mut self, why: String) {
        self.hindrance = Some(why);
    }

    fn count(&mut self, outcome: &Outcome) {
        self.hindrance = None;
        let same =
            self.last.as_ref().is_some_and(|last| last.result.is_ok() == outcome.result.is_ok());
        self.streak = if same { self.streak.saturating_add(1) } else { 1 };
    }

    /// The verdict.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// Since when it holds.
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// Why no try could be made since the last one, if none could.
    pub fn hindrance(&self) -> Option<&str> {
        self.hindrance.as_deref()
    }

    /// The last try.
    pub fn last(&self) -> Option<&Outcome> {
        self.last.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_failure_in_doubt_is_no_verdict_and_one_without_doubt_is_after_enough_of_them() {
        let failed = || Outcome {
            latency: Duration::ZERO,
            result: Err("refused".to_owned()),
            warning: None,
        };
        for fall in [1, 3] {
            let mut tracker = Tracker::new(Timestamp::default(), Verdict::Up);
            (0..10).for_each(|_| tracker.doubt(failed(), fall));
            assert_eq!(tracker.verdict(), Verdict::Up);
            assert_eq!(tracker.last(), Some(&failed()), "it is told all the same");
            assert!(tracker.observe(Timestamp::default(), failed(), 1, fall));
            assert_eq!(tracker.verdict(), Verdict::Down);
        }
    }

    #[test]
    fn what_could_not_be_tried_keeps_its_verdict_and_says_why_until_it_is_tried() {
        let mut tracker = Tracker::new(at(0), Verdict::Unproven);
        assert!(tracker.observe(at(1), outcome(true), 1, 1));
        tracker.hindered("no descriptor".to_owned());
        assert_eq!((tracker.verdict(), tracker.since()), (Verdict::Up, at(1)));
        assert_eq!(tracker.hindrance(), Some("no descriptor"));
        tracker.observe(at(2), outcome(true), 1, 1);
        assert_eq!(tracker.hindrance(), None);
    }

    fn at(second: usize) -> Timestamp {
        Timestamp::from_unix_micros(second as u64 * 1_000_000)
    }

    fn outcome(pass: bool) -> Outcome {
        Outcome {
            latency: Duration::from_millis(3),
            result: if pass { Ok(()) } else { Err("refused".to_owned()) },
            warning: None,
        }
    }

    #[test]
    fn up_after_rise_and_down_after_fall() {
        let mut tracker = Tracker::new(Timestamp::default(), Verdict::Unproven);
        let tries = [true, true, false, true, true, true, false, false, true, false, false, false];
        let verdicts: Vec<_> = (0..)
            .zip(tries)
            .map(|(second, pass)| {
                tracker.observe(at(second), outcome(pass), 3, 3);
                tracker.verdict()
            })
            .collect();
        let (unproven, up, down) = (Verdict::Unproven, Verdict::Up, Verdict::Down);
        assert_eq!(
            verdicts,
            [unproven, unproven, unproven, unproven, unproven, up, up, up, up, up, up, down]
        );
        assert_eq!(tracker.since(), at(11));
    }

    proptest! {
        /// The definition, written the slow way: the verdict is the last one earned by a run.
        #[test]
        fn agrees_with_the_definition(tries in prop::collection::vec(any::<bool>(), 0..60), rise in 1u32..5, fall in 1u32..5) {
            let mut tracker = Tracker::new(Timestamp::default(), Verdict::Unproven);
            let mut expected = Verdict::Unproven;
            for end in 0..tries.len() {
                tracker.observe(at(end), outcome(tries[end]), rise, fall);
                let run = tries[..=end].iter().rev().take_while(|&&t| t == tries[end]).count() as u32;
                if tries[end] && run >= rise { expected = Verdict::Up; }
                if !tries[end] && run >= fall { expected = Verdict::Down; }
                prop_assert_eq!(tracker.verdict(), expected);
            }
        }
    }
}
