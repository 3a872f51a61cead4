//! What is promised whatever happens, and how it is looked after.
//!
//! After each event that the conductor has taken: what moved and why, and who is answered with
//! what. What single answers promise is in [`super::answers`], what is promised of caches in
//! [`super::held`].

use std::{collections::BTreeMap, time::Duration};

use cutover::{
    cutover::{Basis, Side, Timed, Transition, Verb, phase::Release},
    health::ServiceHealth,
    model::{ClientNetwork, Percent, Split, Spread, Timestamp},
};

use super::{answers::picked, caches::Cache, conductor::Conductor, proof::Log};

/// A promise was kept, or which one was not.
pub(crate) type Checked = Result<(), String>;

/// So many clients' answers are compared from table to table.
const PANEL_MAX: usize = 64;

/// The number of the pool that each of them is given.
type Picks = Vec<Option<u8>>;

/// Why the conductor was handed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    Clock,
    Lookup,
    Verdict,
    Edit,
    Asked { verb: Verb, force: bool },
}

/// Where a service stands.
#[derive(Clone, Debug)]
pub(crate) struct Stand {
    pub(crate) phase: &'static str,
    pub(crate) stores: u64,
    pub(crate) main: Split,
    pub(crate) serving: Split,
    pub(crate) share: Percent,
    /// Of the clients that have moved in the stored table.
    pub(crate) salt: Option<u64>,
    /// What is known of when answers change.
    pub(crate) timed: Option<Timed>,
    pub(crate) deadline: Option<Timestamp>,
    pub(crate) release: Option<Release>,
}

impl PartialEq for Stand {
    fn eq(&self, other: &Self) -> bool {
        self.phase == other.phase
            && self.stores == other.stores
            && self.split() == other.split()
            && self.deadline == other.deadline
    }
}

impl Stand {
    pub(crate) fn of(conductor: &Conductor) -> Self {
        let phase = conductor.cutover.phase();
        let published = conductor.published.as_ref();
        Self {
            phase: phase.name(),
            stores: conductor.stores,
            main: phase.main().split().clone(),
            serving: phase.serving().split().clone(),
            share: phase.share(),
            salt: published.and_then(|it| it.moved.as_ref()).map(|it| it.salt),
            timed: published.and_then(|it| it.timed),
            deadline: conductor.cutover.next_deadline(),
            release: phase.release().cloned(),
        }
    }

    fn split(&self) -> (&Split, &Split, Percent) {
        (&self.main, &self.serving, self.share)
    }
}

/// What has to be remembered.
pub(crate) struct Promises {
    panel: Vec<ClientNetwork>,
    /// What clients are given where nothing is released.
    alone: BTreeMap<String, Picks>,
    /// By the two sides of a release: what clients are given at which share.
    moved: BTreeMap<(String, String), BTreeMap<Percent, Picks>>,
    /// Since when the step, or the bake, that is under way has been watched.
    watched_since: Timestamp,
    /// Since when it stands still, if it does.
    paused_since: Option<Timestamp>,
    /// What was found out of the step.
    pub(crate) log: Log,
}

impl Promises {
    pub(crate) fn new(caches: &[Cache]) -> Self {
        let panel = caches.iter().map(|cache| cache.network).take(PANEL_MAX).collect();
        let (alone, moved, watched_since, paused_since, log) = Default::default();
        Self { panel, alone, moved, watched_since, paused_since, log }
    }

    /// Looks at the machine and the table after an event.
    pub(crate) fn check(
        &mut self,
        now: Timestamp,
        cause: Cause,
        before: &Stand,
        told: &[Transition],
        conductor: &Conductor,
    ) -> Checked {
        let after = Stand::of(conductor);
        if after.deadline.is_some_and(|deadline| deadline <= now) {
            return Err(format!("the next deadline of {} has passed", after.phase));
        }
        // Afterwards `to` may be what was left, wherever that was from.
        let is_going = !matches!(after.phase, "RollingBack" | "Failed");
        let is_idle = |release: &Release| release.from.split() == release.to.split();
        if is_going && after.release.as_ref().is_some_and(is_idle) {
            return Err(format!("a release from a pool to itself: {after:?}"));
        }
        self.moved_for_a_reason(now, cause, before, &after, told, conductor)?;
        if told.iter().any(|t| t.to == "RollingBack") {
            // By force a person may have moved clients to what is left again at once.
            let forward = told.iter().any(|t| t.from == "Shifting").into();
            is_one_store(before, &after, forward)?;
        }
        if after.stores > before.stores {
            self.look_at_table(&after, conductor)?;
        }
        let stood = self.paused_since.map(|since| now.since(since)).unwrap_or_default();
        let since = self.watched_since + stood;
        let is_promoted = matches!(cause, Cause::Asked { verb: Verb::Promote, .. });
        self.log.check(since, is_promoted, told, before, conductor)?;
        self.watch(now, told);
        Ok(())
    }

    /// Notes since when what is watched has been watched; time in which it stood still does not count.
    fn watch(&mut self, now: Timestamp, told: &[Transition]) {
        for Transition { from, to, .. } in told {
            if *from == "Paused" && *to != "Paused" {
                let stood = self.paused_since.take().map(|since| now.since(since));
                self.watched_since = self.watched_since + stood.unwrap_or_default();
            } else if matches!(*to, "Judging" | "Baking") && from != to {
                self.watched_since = now;
            }
            if *to == "Paused" {
                self.paused_since.get_or_insert(now);
            }
        }
    }

    /// Weights move only by a judged step, the gate, a rollback, an edit or a person's word.
    fn moved_for_a_reason(
        &self,
        now: Timestamp,
        cause: Cause,
        before: &Stand,
        after: &Stand,
        told: &[Transition],
        conductor: &Conductor,
    ) -> Checked {
        let policy = &conductor.cutover.spec().release;
        let is_ready = after.release.as_ref().is_none_or(|release| is_ready(release, conductor));
        let mut serving = conductor.cutover.phase().serving().pools();
        let is_failing = serving.any(|pool| conductor.health.tally(pool).is_failing(policy));
        let stood = self.paused_since.map(|since| now.since(since)).unwrap_or_default();
        let watched_since = self.watched_since + stood;
        let is_watched = |bake| before.phase != "Settling" && now >= watched_since + bake;
        let is_promoted = matches!(cause, Cause::Asked { verb: Verb::Promote, .. });
        let is_left = told.iter().any(|t| t.to == "RollingBack");
        let before_step = Some(before.share).filter(|share| *share < Percent::ALL);
        for Transition { from, to, why, .. } in told {
            let is_judged = |bake: Duration| bake.is_zero() || is_watched(bake) && !is_failing;
            let is_due = match (*from, *to) {
                (_, "Shifting" | "Draining") if conductor.health.lacks_data().is_some() => false,
                ("Probing" | "Waiting", "Shifting") => is_ready && conductor.freeze.is_none(),
                ("Judging", "Shifting" | "Waiting") => is_judged(policy.bake_at(before.share)),
                ("Settling" | "Paused", "Shifting") => false,
                ("Baking", "Draining") => {
                    let was_baking = matches!(before.phase, "Baking" | "Paused");
                    policy.bake.is_zero() || was_baking && is_judged(policy.bake)
                }
                _ => continue,
            };
            if !is_due && !is_promoted {
                return Err(format!("too early, {from} to {to}: {why}"));
            }
            let is_new = *from == "Probing";
            let share = policy.share_after(before_step.filter(|_| !is_new));
            if *to == "Shifting" && after.share != share && !is_left {
                return Err(format!("a step to {} instead of {share}: {why}", after.share));
            }
        }
        // What a release was to replace may be given up for the safe side, and the release goes on.
        let moves = |t: &Transition| {
            matches!(t.to, "Shifting" | "RollingBack") || t.why.contains("rolled back to")
        };
        if before.split() != after.split() && cause != Cause::Edit && !told.iter().any(moves) {
            return Err(format!("moved without a word from {before:?} to {after:?}"));
        }
        Ok(())
    }

    /// Clients get what the phase says, unless it is down; and each client changes once on the way
    /// from one side to the other, at a share of its own.
    fn look_at_table(&mut self, after: &Stand, conductor: &Conductor) -> Checked {
        let answering = conductor.published.as_ref().ok_or("nothing was ever stored")?;
        let phase = conductor.cutover.phase();
        let is_live = is_able(phase.main(), &conductor.health);
        let is_main = answering.split == after.main;
        if is_live != (answering.basis == Basis::Live) || is_live && !is_main {
            return Err(format!("{:?} with {} in {after:?}", answering.basis, answering.split));
        }
        let has_moved = after.share < Percent::ALL && is_able(phase.serving(), &conductor.health);
        let stands_in = !is_live && answering.split == after.serving;
        let wanted = (has_moved && !stands_in).then_some(after.share);
        let moved = answering.moved.as_ref().map(|moved| moved.share);
        if moved != wanted {
            return Err(format!("moved {moved:?} instead of {wanted:?}"));
        }
        if answering.spread == Spread::Random {
            return Ok(());
        }
        let pick = |&client: &ClientNetwork| picked(conductor, client);
        let picks = self.panel.iter().map(pick).collect::<Result<Picks, _>>()?;
        let are_all_up = answering.out().next().is_none()
            && answering
                .moved
                .as_ref()
                .is_none_or(|it| it.parts.len() == after.serving.pools().count());
        if is_live && are_all_up { self.compare(after, moved, picks) } else { Ok(()) }
    }

    /// At no share, at the shares so far and at all of it, in this order.
    fn compare(&mut self, after: &Stand, moved: Option<Percent>, picks: Picks) -> Checked {
        let (from, to) = (after.main.to_string(), after.serving.to_string());
        let Some(share) = moved else {
            let known = self.alone.entry(from).or_insert_with(|| picks.clone());
            return if *known == picks { Ok(()) } else { Err("shuffled".to_owned()) };
        };
        let known = self.moved.entry((from.clone(), to.clone())).or_default();
        if *known.entry(share).or_insert_with(|| picks.clone()) != picks {
            return Err(format!("others have moved at {share} than before"));
        }
        let [none, all] = [&from, &to].map(|side| self.alone.get(side));
        let rows: Vec<&Picks> = none.into_iter().chain(known.values()).chain(all).collect();
        for client in 0..self.panel.len() {
            let changes = rows.windows(2).filter(|pair| pair[0][client] != pair[1][client]);
            if changes.count() > 1 {
                return Err(format!("those who moved from {from} to {to} are not nested"));
            }
        }
        Ok(())
    }
}

/// Whether some pools of a side can answer for all of it.
fn is_able(side: &Side, health: &ServiceHealth) -> bool {
    let tallies = side.pools().map(|pool| health.tally(pool));
    let (up, down): (Vec<_>, Vec<_>) = tallies.partition(|tally| tally.can_answer());
    let missed = down.into_iter().sum();
    !up.is_empty() && up.iter().all(|tally| tally.covers(&missed))
}

/// Whether the pools that get clients by a release have passed.
fn is_ready(release: &Release, conductor: &Conductor) -> bool {
    let (from, to) = (release.from.split(), release.to.split());
    let policy = &conductor.cutover.spec().release;
    let mut gaining = release.to.pools().filter(|pool| to.gives_more(&pool.name, from));
    gaining.all(|pool| conductor.health.tally(pool).is_ready(policy))
}

/// A rollback from anywhere: everyone is answered with the safe pool, and it took one store.
fn is_one_store(before: &Stand, after: &Stand, forward: u64) -> Checked {
    let safe = after.release.as_ref().map(|release| release.safe.split());
    let is_back = safe.is_none_or(|safe| *safe == after.serving) && after.share == Percent::ALL;
    if !is_back || after.stores > before.stores + 1 + forward {
        return Err(format!("rolled back from {before:?} to {after:?}"));
    }
    Ok(())
}

/// Whether a person who asks for a rollback now is to get it: in every phase in which there is a way
/// back, unless it leads to a pool that is down.
pub(crate) fn rollback_is_done(conductor: &Conductor, force: bool) -> bool {
    let phase = conductor.cutover.phase();
    let Some(release) = phase.release() else { return false };
    let serves_safe = phase.serving().split() == release.safe.split();
    let is_back = serves_safe && phase.share() == Percent::ALL;
    let has_moved_nobody = phase.share() == Percent::ALL
        && phase.serving().split() == release.from.split()
        && release.from.split() != release.to.split();
    match phase.name() {
        "RollingBack" => false,
        "Failed" if is_back => false,
        "Failed" => force || release.safe.tally(&conductor.health).all.eligible > 0,
        _ if has_moved_nobody => true,
        _ => force || release.safe.tally(&conductor.health).all.eligible > 0,
    }
}

/// What is answered, for the story.
pub(crate) fn shown(conductor: &Conductor) -> String {
    let Some(answering) = &conductor.published else { return "nothing".to_owned() };
    let shares = answering.shares();
    let shares: Vec<String> =
        shares.iter().map(|(pool, share)| format!("{share}% {pool}")).collect();
    let (basis, ttl) = (answering.basis.name(), answering.ttl.secs());
    format!("table {}, {} ({basis}, TTL {ttl})", conductor.generation(), shares.join(", "))
}
