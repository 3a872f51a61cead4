//! `Waiting`: the new pool has passed its probes, and the next step may not be taken yet.
//!
//! The gate is watched meanwhile. Before the first step nothing has been moved: a pool that goes
//! down is not moved until it is up again, and if it is not when nothing else is waited for, it is
//! probed anew, with its whole deadline. After a step the guards watch as in any other phase.

use super::{
    Cutover,
    edge::{Context, Edge},
    phase::{Failed, Phase, Probing, Release, Shifting, give_up_replaced},
    proof::{self, Proof},
    rolling_back::RollingBack,
    rules::Way,
    schedule::missed_instant,
    watch::{Held, Watched, watch},
};
use crate::model::{Percent, Timestamp};

/// The next step may not be taken yet.
#[derive(Clone, Debug)]
pub struct Waiting {
    pub(super) release: Release,
    /// The share that the step before has given the new pool; none before the first step.
    pub(super) share: Option<Percent>,
    pub(super) since: Timestamp,
    /// When the clock is out of the way, if it stands there.
    pub(super) clock: Option<Timestamp>,
    /// Whether that is all that it waits for.
    pub(super) is_only_clock: bool,
    /// What it waits for.
    pub(super) reason: String,
    /// Why it should be rolled back but cannot be.
    pub(super) held: Option<Held>,
}

/// Takes the step after `share`, or waits for what stands in its way. `why` it comes next.
pub(super) fn step(
    release: Release,
    share: Option<Percent>,
    mut why: String,
    cx: &Context<'_>,
) -> Edge {
    let way = Way::ahead(&release, share, None, cx);
    if way.is_free() {
        if let Some(at) = cx.spec.release.at.filter(|_| share.is_none()) {
            why.push_str(&format!("; {at}, the instant that `at` names, has passed: at once"));
        }
        return take(release, share, why, cx);
    }
    let (clock, is_only_clock, reason) = (way.clock(), way.is_only_clock(), way.why());
    why.push_str(&format!("; {reason}"));
    let since = cx.now;
    let waiting = Waiting { release, share, since, clock, is_only_clock, reason, held: None };
    Edge::Go(Phase::Waiting(waiting), why)
}

/// Takes the step after `share`.
pub(super) fn take(
    release: Release,
    share: Option<Percent>,
    why: String,
    cx: &Context<'_>,
) -> Edge {
    let share = release.share_after(&cx.spec.release, share);
    Edge::Go(Phase::Shifting(Shifting { release, share }), why)
}

impl Cutover {
    /// The instant at which it takes its first step, if it waits for nothing else.
    pub fn steps_at(&self) -> Option<Timestamp> {
        match &self.phase {
            Phase::Waiting(Waiting { share: None, is_only_clock: true, clock, .. }) => *clock,
            _ => None,
        }
    }
}

impl Waiting {
    /// The release that waits no longer, and the share of the step before.
    pub(super) fn over(mut self, now: Timestamp) -> (Release, Option<Percent>) {
        self.release.stood += now.since(self.since);
        (self.release, self.share)
    }

    pub(super) fn advance(mut self, cx: &Context<'_>) -> Edge {
        let mut news = None;
        if self.share.is_none() {
            if let Some(why) = give_up_replaced(&mut self.release, cx) {
                if self.release.is_way_back() {
                    return RollingBack::instead(self.over(cx.now).0, why, cx);
                }
                news = Some(format!("{why}; {} is still waiting", self.release.to));
            }
            if let Proof::Refuted(why) = proof::before_first(&self.release, cx) {
                return Failed::unmoved(self.over(cx.now).0, why);
            }
        } else if let Some(share) = self.share {
            match watch(&self.release, share, &mut self.held, &cx.standing_still()) {
                Watched::Back(trouble) => return RollingBack::after(trouble, self.release, cx),
                Watched::Held(None) => return Edge::Stay(Phase::Waiting(self)),
                Watched::Held(Some(why)) => return Edge::Go(Phase::Waiting(self), why),
                Watched::Healthy(healed) => news = healed,
            }
        }
        self.look_ahead(news, cx)
    }

    fn look_ahead(mut self, news: Option<String>, cx: &Context<'_>) -> Edge {
        let way = Way::ahead(&self.release, self.share, Some(self.since), cx);
        if way.is_free() && !cx.stands_still {
            let met = self.clock.filter(|clock| self.share.is_none() && *clock <= cx.now);
            met.into_iter().for_each(|instant| self.release.schedule.meet(instant));
            let why = format!("{}the wait is over ({})", before(news), self.reason);
            let (release, share) = self.over(cx.now);
            return take(release, share, why, cx);
        }
        // Without a clock that is still to be waited for, the instant passes by.
        let is_passed_by = self.share.is_none() && way.clock().is_none();
        let missed = if is_passed_by { self.release.schedule.miss(cx.now) } else { None };
        let missed = missed.map(missed_instant);
        if self.share.is_none() && way.is_to_be_proven() && !cx.stands_still {
            let missed = missed.unwrap_or_default();
            let (news, lack) = (before(news), way.why());
            let why = format!("{news}{missed}the wait is over, but {lack}: probed again");
            let ((release, _), deadline) = (self.over(cx.now), cx.now + cx.spec.release.deadline);
            return Edge::Go(Phase::Probing(Probing { release, deadline }), why);
        }
        let reason = if way.is_free() { "nothing stands in the way".to_owned() } else { way.why() };
        let is_new = self.reason != reason || missed.is_some();
        (self.clock, self.is_only_clock) = (way.clock(), way.is_only_clock());
        self.reason.clone_from(&reason);
        let told = || missed.unwrap_or_default() + &reason;
        match news.or_else(|| is_new.then(told)) {
            Some(why) => Edge::Go(Phase::Waiting(self), why),
            None => Edge::Stay(Phase::Waiting(self)),
        }
    }
}

/// What has happened meanwhile, said first.
fn before(news: Option<String>) -> String {
    news.map(|news| format!("{news}; ")).unwrap_or_default()
}
