//! The steps of releases, as the history tells them: in order, none left out, each judged once and for
//! its whole time by one daemon.

use std::time::Duration;

use cutover::{
    cutover::{Record, Step},
    model::Timestamp,
};

use crate::{committed::Committed, town::TOWNS, town::Town};

/// Looks at all of them; `starts` are the instants at which daemons were started.
pub(crate) fn are_in_order(committed: &Committed, starts: &[Timestamp]) -> Result<(), String> {
    for town in &TOWNS {
        for record in committed.records(town.name) {
            Walk { town, starts, record, shifts: 0, judged: None, may_shift: true, seen: &[] }
                .through()
                .map_err(|why| format!("{} {}: {why}: {record:#?}", town.name, record.id))?;
        }
    }
    Ok(())
}

/// A way through a release.
struct Walk<'w> {
    town: &'w Town,
    starts: &'w [Timestamp],
    record: &'w Record,
    /// How many steps have been taken.
    shifts: usize,
    /// The last share that was judged.
    judged: Option<u8>,
    /// Whether the step before is judged, or was cut short by a person.
    may_shift: bool,
    /// What is behind us.
    seen: &'w [Step],
}

impl Walk<'_> {
    fn through(mut self) -> Result<(), String> {
        for (place, step) in self.record.steps.iter().enumerate() {
            self.seen = &self.record.steps[..place];
            if let Some(before) = self.seen.last()
                && before.at > step.at
            {
                return Err(format!("{step:?} is before {before:?}"));
            }
            self.may_shift |= step.why.contains("promote by");
            if (step.from.as_str(), step.to.as_str()) == ("Waiting", "Settling") {
                // A restart before the next step: the last one is judged anew.
                (self.judged, self.may_shift) = (None, false);
            }
            if let Some(share) = percent_before(&step.why, "was good at ", " for ") {
                self.judge(share, step)?;
            }
            if step.to == "Shifting" {
                self.shift(step)?;
            }
            if let Some(share) = percent_before(&step.why, "", " of the clients moved")
                && self.town.ramp.get(self.shifts.wrapping_sub(1)).map(|it| it.0) != Some(share)
            {
                return Err(format!("{share}% is not step {}", self.shifts));
            }
            let is_baked = step.why.contains(" baked for ");
            if step.to == "Draining" && !is_baked && !step.why.contains("promote by") {
                return Err(format!("{step:?} was not judged"));
            }
            if is_baked {
                let bake = self.town.bake;
                self.was_watched("Baking", bake, step)?;
            }
        }
        Ok(())
    }

    fn shift(&mut self, step: &Step) -> Result<(), String> {
        if !std::mem::take(&mut self.may_shift) {
            return Err(format!("{step:?} was not judged"));
        }
        self.shifts += 1;
        if self.shifts > self.town.ramp.len() + 1 {
            return Err(format!("{step:?} is one step more than there are"));
        }
        Ok(())
    }

    fn judge(&mut self, share: u8, step: &Step) -> Result<(), String> {
        let (planned, bake) =
            *self.town.ramp.get(self.shifts.wrapping_sub(1)).ok_or("no step to judge")?;
        if planned != share || self.judged.is_some_and(|before| before >= share) {
            return Err(format!("{share}% was judged, the step was {planned}%: {step:?}"));
        }
        (self.judged, self.may_shift) = (Some(share), true);
        let entered = self.was_watched("Judging", Duration::from_millis(bake), step)?;
        match self.starts.iter().find(|start| entered < **start && **start <= step.at) {
            Some(start) => Err(format!("restarted at {start} and not judged anew: {step:?}")),
            None => Ok(()),
        }
    }

    /// For how long before a step the release was in a phase, within one life of a daemon; says when it
    /// came there.
    fn was_watched(&self, phase: &str, least: Duration, step: &Step) -> Result<Timestamp, String> {
        let entries = || self.seen.iter().rev().filter(|it| it.to == phase && it.from != phase);
        let entry = entries().find(|it| it.from != "Paused").or(entries().next());
        let entered = entry.ok_or(format!("never in {phase}: {step:?}"))?.at;
        let starts = self.starts.iter().copied().filter(|start| *start <= step.at);
        let since = starts.chain([entered]).max().expect("there is one");
        if step.at.since(since) < least {
            return Err(format!("watched since {since} alone: {step:?}"));
        }
        Ok(entered)
    }
}

/// The percentage that stands before a text, and behind another one.
fn percent_before(text: &str, behind: &str, before: &str) -> Option<u8> {
    let (rest, _) = text.split_once(before)?;
    let rest = if behind.is_empty() { rest } else { rest.rsplit_once(behind)?.1 };
    rest.strip_suffix('%')?.parse().ok()
}
