//! What an edit of the file means for services that are released together.
//!
//! The file is followed by looking at what it asks for, and not at how it came to that: members are
//! edited one after the other, in one file or in several.
//!
//! - Those of whom it asks something new begin one release, together with those whose release has
//!   failed. Before the first step of it, more can join.
//! - Once a step has been taken, something new waits until the release is over.
//! - Whoever takes one back takes all back: those of whom the file still asks what they were to become
//!   have failed, and stay so.

use super::{Group, Waits, given_up};
use crate::cutover::{
    edge::{Context, Edge},
    edit,
    phase::{Failed, Phase},
};

/// A service that is released with others was edited. What cannot be done without them is done by
/// [`Group::follow_file`].
pub(in crate::cutover) fn edited(phase: Phase, cx: &Context<'_>, number: u64) -> Edge {
    let live = &cx.spec.live;
    let is_together = phase.together().is_some();
    let fallback = phase.fallback().cloned();
    match phase {
        Phase::Failed(Failed { release, serving, .. })
            if live != serving.split() && serving.split() == release.safe.split() =>
        {
            let why = format!("the file was edited: {live} may be tried again");
            Edge::Go(Phase::steady(serving, fallback), why)
        }
        Phase::RollingBack(mut back) if live != back.release.safe.split() => {
            back.failure = None;
            Edge::Stay(Phase::RollingBack(back))
        }
        phase @ (Phase::Failed(_) | Phase::RollingBack(_)) => edit::edited(phase, cx, number),
        phase => match phase.release() {
            Some(release) if live == release.to.split() => edit::edited(phase, cx, number),
            Some(release) if live == release.safe.split() && !is_together => {
                edit::edited(phase, cx, number)
            }
            _ => Edge::Stay(phase),
        },
    }
}

impl Group<'_, '_> {
    /// Does what the file asks of some of them, if that can be done now. Says whether it was.
    pub(super) fn follow_file(&mut self) -> bool {
        let before = self.told.len();
        self.take_back();
        self.begin();
        self.told.len() > before
    }

    fn take_back(&mut self) {
        let together = self.together();
        let is_taken_back = |at: &usize| {
            let live = &self.members[*at].cutover.spec.live;
            let release = self.phase(*at).together();
            release.is_some_and(|r| live == r.safe.split() && live != r.to.split())
        };
        let wanting: Vec<usize> = together.iter().copied().filter(is_taken_back).collect();
        let Some(first) = wanting.first() else { return };
        let name = self.name(*first).clone();
        let is_moved = |at: usize| !self.phase(at).is_before_first_step();
        let lost = together.iter().copied().filter(|at| is_moved(*at)).find_map(|at| {
            let safe = &self.phase(at).together()?.safe;
            let is_lost = safe.tally(self.members[at].health).all.eligible == 0;
            is_lost.then(|| format!("nothing of {safe} of {} is up", self.name(at)))
        });
        if let Some(lost) = lost {
            let why = format!("the file takes {name} back, but {lost}");
            self.let_wait(&wanting, &why);
            return;
        }
        let why = format!("the file takes {name} back, of the same group");
        for at in together {
            let (phase, cx) = (self.phase(at).clone(), self.cx(at));
            let edge = match wanting.contains(&at) {
                true => edit::edited(phase, &cx, self.members[at].cutover.releases + 1),
                false if phase.is_before_first_step() => {
                    given_up(phase, format!("{why}: nothing was moved"), &cx)
                }
                false => given_up(phase, why.clone(), &cx),
            };
            self.take(at, edge);
        }
    }

    fn begin(&mut self) {
        let all = 0..self.members.len();
        let asks_for_more = |at: &usize| {
            let cutover = &self.members[*at].cutover;
            cutover.spec.live != *cutover.phase.serving().split()
        };
        let wants = |at: &usize| matches!(self.phase(*at), Phase::Steady(_)) && asks_for_more(at);
        let wanting: Vec<usize> = all.clone().filter(wants).collect();
        if wanting.is_empty() {
            return;
        }
        let is_of_group = |at: &usize| self.members[*at].cutover.spec.release.group.is_some();
        let (mut wanting, alone): (Vec<usize>, Vec<usize>) =
            wanting.into_iter().partition(is_of_group);
        if let Some(why) = self.is_busy() {
            self.let_wait(&wanting, &why);
            wanting.clear();
        } else if !wanting.is_empty() {
            let failed = |at: &usize| matches!(self.phase(*at), Phase::Failed(_));
            let again = all.filter(|at| failed(at) && is_of_group(at) && asks_for_more(at));
            let again: Vec<usize> = again.collect();
            wanting.extend(again);
            self.renew_deadlines();
        }
        for at in wanting.into_iter().chain(alone) {
            let number = self.members[at].cutover.releases + 1;
            let edge = edit::begin(self.phase(at).clone(), &self.cx(at), number);
            self.take(at, edge);
        }
    }

    /// Why a release of the group cannot begin now, if it cannot.
    pub(super) fn is_busy(&self) -> Option<String> {
        let is_busy = |at: &usize| match self.phase(*at) {
            Phase::Steady(_) | Phase::Failed(_) => false,
            Phase::Probing(_) | Phase::Waiting(_) => {
                self.phase(*at).together().is_none() || !self.phase(*at).is_before_first_step()
            }
            _ => true,
        };
        let busy = (0..self.members.len()).find(is_busy)?;
        let (name, phase) = (self.name(busy), self.phase(busy).name());
        Some(format!("it begins when the release of {name}, now in {phase}, is over"))
    }

    /// Others join: those who are there already have their whole time once more.
    fn renew_deadlines(&mut self) {
        let now = self.now;
        for member in self.members.iter_mut() {
            let allowed = member.cutover.spec.release.deadline;
            if let Phase::Probing(probing) = &mut member.cutover.phase {
                probing.deadline = now + allowed;
            }
        }
    }

    fn let_wait(&mut self, wanting: &[usize], why: &str) {
        for at in wanting {
            let waits = Waits { why: why.to_owned(), is_ready: false };
            self.members[*at].cutover.waits = Some(waits);
        }
    }
}
