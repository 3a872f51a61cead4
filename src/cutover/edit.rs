//! The edges that an edit of the release file takes.

use std::time::Duration;

use super::{
    Bond, Schedule,
    edge::{Context, Edge},
    phase::{Baking, Draining, Failed, Phase, Probing, Release, Shifting},
    ramp::{Judging, Settling},
    rolling_back::RollingBack,
    side::Side,
    waiting::Waiting,
};
use crate::model::Percent;

/// The service was edited in the file: where to from here. `number` is the next release's.
pub(super) fn edited(phase: Phase, cx: &Context<'_>, number: u64) -> Edge {
    let phase = match phase {
        Phase::Paused(paused) => {
            return paused.within(cx.now, |phase| edited(phase, cx, number));
        }
        phase => phase,
    };
    let live = &cx.spec.live;
    if live == phase.serving().split() {
        return stay_where_we_are(phase, cx);
    }
    let main_can_answer = phase.main().tally(cx.health).all.eligible > 0;
    if phase.share() < Percent::ALL && live == phase.main().split() && main_can_answer {
        return give_back(phase, cx);
    }
    match phase {
        // The same release with other endpoints or limits: it gets its whole deadline again.
        Phase::Probing(mut probing) if live == probing.release.to.split() => {
            probing.deadline = cx.now + cx.spec.release.deadline;
            probing.release.schedule = Schedule::renewed(&probing.release, cx);
            Edge::Stay(Phase::Probing(probing))
        }
        Phase::Waiting(mut waiting) if live == waiting.release.to.split() => {
            waiting.release.schedule = Schedule::renewed(&waiting.release, cx);
            Edge::Stay(Phase::Waiting(waiting))
        }
        // Of a release that replaced a baking one, only the baking one ever answered.
        Phase::Probing(Probing { release, .. })
        | Phase::Waiting(Waiting { release, share: None, .. })
            if can_go_back(&release, cx) =>
        {
            go_back(Release { to: release.from.clone(), ..release }, cx)
        }
        // While it shifts, the new pool may or may not be seen yet: taken as if it were.
        Phase::Shifting(Shifting { release, .. })
        | Phase::Settling(Settling { release, .. })
        | Phase::Judging(Judging { release, .. })
        | Phase::Waiting(Waiting { release, .. })
        | Phase::Baking(Baking { release, .. })
        | Phase::Draining(Draining { release, .. })
            if can_go_back(&release, cx) =>
        {
            go_back(release, cx)
        }
        other => begin(other, cx, number),
    }
}

/// The file asks for what answers: end what was being prepared.
fn stay_where_we_are(phase: Phase, cx: &Context<'_>) -> Edge {
    let previous = phase.fallback().cloned();
    match phase {
        Phase::Probing(Probing { release, .. })
        | Phase::Waiting(Waiting { release, share: None, .. }) => withdraw(release, cx),
        Phase::RollingBack(mut back) => {
            back.failure = None;
            Edge::Stay(Phase::RollingBack(back))
        }
        // It failed to replace a pool that was still baking: that one has yet to finish.
        Phase::Failed(Failed { release, serving, .. })
            if serving.split() != release.safe.split() =>
        {
            withdraw(release, cx)
        }
        Phase::Failed(failed) => {
            let why = format!("the file asks for {} again", failed.serving);
            Edge::Go(Phase::steady(failed.serving, previous), why)
        }
        // Another probe has judged nothing yet: it gets the whole bake.
        Phase::Baking(baking) if !cx.health.is_judged_by(&cx.spec.probe) => {
            Edge::Stay(Phase::Baking(Baking::begin(baking.release, cx)))
        }
        Phase::Baking(mut baking) => {
            baking.bake = cx.spec.release.bake;
            Edge::Stay(Phase::Baking(baking))
        }
        Phase::Judging(judging) if !cx.health.is_judged_by(&cx.spec.probe) => {
            Edge::Stay(Phase::Judging(Judging::begin(judging.release, judging.share, cx)))
        }
        Phase::Waiting(Waiting { release, share: Some(share), .. })
            if !cx.health.is_judged_by(&cx.spec.probe)
                || !cx.health.evidence.is_of(&cx.spec.release) =>
        {
            let why = format!("by what the file says now {share} is judged anew");
            Edge::Go(Phase::Judging(Judging::begin(release, share, cx)), why)
        }
        Phase::Judging(mut judging) => {
            judging.bake = cx.spec.release.bake_at(judging.share);
            Edge::Stay(Phase::Judging(judging))
        }
        rest @ (Phase::Steady(_)
        | Phase::Waiting(_)
        | Phase::Shifting(_)
        | Phase::Settling(_)
        | Phase::Paused(_)
        | Phase::Draining(_)) => Edge::Stay(rest),
    }
}

/// Nothing was moved yet. A pool whose bake was interrupted begins it anew.
fn withdraw(release: Release, cx: &Context<'_>) -> Edge {
    let why = format!("the file asks for {} again; nothing was moved", release.from);
    if release.from.split() == release.safe.split() {
        return Edge::Go(Phase::steady(release.from, release.fallback), why);
    }
    bake_again(release, why, cx)
}

/// Back to a release that another one would have replaced, and that has not finished its bake.
fn bake_again(release: Release, why: String, cx: &Context<'_>) -> Edge {
    let release = Release { to: release.from, from: release.safe.clone(), ..release };
    Edge::Go(Phase::Baking(Baking::begin(release, cx)), why)
}

/// The file asks for what answers all but a share of the clients: that share goes back.
fn give_back(phase: Phase, cx: &Context<'_>) -> Edge {
    match phase.release().cloned() {
        Some(release) if release.from.split() == release.safe.split() => go_back(release, cx),
        Some(release) => {
            let (from, to) = (&release.from, &release.to);
            let why = format!("the file asks for {from} again: {to} gives its share back");
            bake_again(release, why, cx)
        }
        None => Edge::Stay(phase),
    }
}

/// Whether the file asks for the last good side while another one answers, and that side can take
/// the clients back. If it cannot, it has to pass its probes like any other.
fn can_go_back(release: &Release, cx: &Context<'_>) -> bool {
    cx.spec.live == *release.safe.split() && release.safe.tally(cx.health).all.eligible > 0
}

fn go_back(release: Release, cx: &Context<'_>) -> Edge {
    let why = format!("the file asks for {} again: rolled back", release.safe);
    Edge::Go(Phase::RollingBack(RollingBack::begin(release, None, cx)), why)
}

/// A new release from wherever we stand. Its rollback goes to the last side that was proven.
pub(super) fn begin(phase: Phase, cx: &Context<'_>, number: u64) -> Edge {
    // What is to have its clients back but is down: until it is proven, the new side has them.
    let is_main = cx.spec.live == *phase.main().split();
    let from = if is_main { phase.serving() } else { phase.main() }.clone();
    let safe = match (&phase, phase.release()) {
        (Phase::Draining(_) | Phase::RollingBack(_), _) | (_, None) => from.clone(),
        (_, Some(release)) => release.safe.clone(),
    };
    let schedule = Schedule::new(phase.pools(), &from, cx);
    // What replaces a bake has a way back of its own: it is released alone.
    let group = cx.spec.release.group.clone().filter(|_| from.split() == safe.split());
    let with = group.as_ref().map(|group| format!(", with {group}")).unwrap_or_default();
    let release = Release {
        id: number,
        to: Side::live_beside(cx.spec, &from),
        fallback: phase.fallback().filter(|side| side.split() != safe.split()).cloned(),
        bond: group.map(|group| Bond { group, salt: 0 }),
        is_forced: false,
        from,
        safe,
        started_at: cx.now,
        stood: Duration::ZERO,
        schedule,
    };
    let (to, from, told) = (&release.to, &release.from, release.tell_instant(cx));
    let at_once = match release.is_of_two_kinds() && !cx.spec.release.ramp.is_empty() {
        true => "; all clients at once, for names and addresses cannot share them",
        false => "",
    };
    let why = format!("the file asks for {to} instead of {from}{with}{told}{at_once}");
    let deadline = cx.now + cx.spec.release.deadline;
    Edge::Go(Phase::Probing(Probing { release, deadline }), why)
}
