//! Services that are released together: in one store, or not at all.
//!
//! Each member has a machine of its own; here they are looked at together, until none of them would
//! go on. A step forward, and the end of a release, are *joint* edges: a member takes one only when
//! all of them would take it in the same pass, so that the gate, the caches and the watch of each of
//! them hold all. The way back is taken by all as soon as one takes it, unless one of them has nothing
//! to go back to: then all are held. Everything else is each one's own.
//!
//! Members that do not change take no part. Who has begun a release with the others ends it with them,
//! wherever the file has gone since. What an edit means is in `edits`, what a person asks in `ask`.

mod ask;
mod edits;

use siphasher::sip::SipHasher13;

pub use ask::{ask, possible};
pub(super) use edits::edited;

use super::{
    Cutover, Facts, Horizons, Transition,
    edge::{Context, Edge},
    gate::{Gate, gate},
    phase::{Failed, Phase, Probing, Release, Shifting},
    proof::{self, Proof},
    rolling_back::RollingBack,
    side::lack,
    waiting::Waiting,
    watch::Held,
};
use crate::{
    health::ServiceHealth,
    model::{Freeze, GroupName, Percent, ServiceName, Timestamp},
};

/// What makes a release one of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bond {
    /// Who is in it.
    pub group: GroupName,
    /// Which clients a share of it is: the same ones of every member.
    pub salt: u64,
}

/// Why a member does not go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waits {
    /// For whom, and what that one lacks.
    pub why: String,
    /// Whether it would go on if it were alone: the clock has no more to tell it.
    pub(super) is_ready: bool,
}

/// One service of a group, and what is known of it.
pub struct Member<'m> {
    /// Its machine.
    pub cutover: &'m mut Cutover,
    /// The verdicts on its endpoints.
    pub health: &'m ServiceHealth,
    /// What caches may hold of it.
    pub horizons: Horizons,
}

/// What the members told, in the order in which it happened.
pub type Told = Vec<(ServiceName, Transition)>;

/// Lets the members of a group go on after something has happened to some of them. They are to be
/// kept, and stored in a table, together.
pub fn go_on(now: Timestamp, members: &mut [Member<'_>], freeze: Option<&Freeze>) -> Told {
    let mut group = Group { now, freeze, members, told: Vec::new() };
    group.settle();
    group.told
}

/// A look at all members at once.
struct Group<'g, 'm> {
    now: Timestamp,
    freeze: Option<&'g Freeze>,
    members: &'g mut [Member<'m>],
    told: Told,
}

impl Phase {
    /// The release, while the group can go on with it or go back.
    fn together(&self) -> Option<&Release> {
        match self.awake() {
            Self::Steady(_) | Self::RollingBack(_) | Self::Failed(_) => None,
            phase => phase.release().filter(|release| release.bond.is_some()),
        }
    }
}

impl Group<'_, '_> {
    fn settle(&mut self) {
        self.renew_ready();
        loop {
            self.members.iter_mut().for_each(|member| member.cutover.waits = None);
            let is_edited = self.follow_file();
            self.align();
            if !self.advance() && !is_edited {
                break;
            }
        }
        self.members.iter_mut().for_each(|Member { cutover, .. }| {
            cutover.phase.forget(&cutover.spec);
        });
    }

    fn phase(&self, at: usize) -> &Phase {
        &self.members[at].cutover.phase
    }

    fn name(&self, at: usize) -> &ServiceName {
        &self.members[at].cutover.spec.name
    }

    fn cx(&self, at: usize) -> Context<'_> {
        let Member { cutover, health, horizons } = &self.members[at];
        cutover.context(self.now, Facts { health, horizons, freeze: self.freeze })
    }

    /// The members that are in the release of the group.
    fn together(&self) -> Vec<usize> {
        (0..self.members.len()).filter(|at| self.phase(*at).together().is_some()).collect()
    }

    fn take(&mut self, at: usize, edge: Edge) {
        let (now, freeze) = (self.now, self.freeze);
        let Member { cutover, health, horizons } = &mut self.members[at];
        let (mut told, number) = (Vec::new(), cutover.releases + 1);
        cutover.go(&mut told, |_, _| edge, now, Facts { health, horizons, freeze });
        cutover.count_release(number);
        let name = cutover.spec.name.clone();
        self.told.extend(told.into_iter().map(|transition| (name.clone(), transition)));
    }

    /// Each member takes one edge, as far as the others let it. Says whether there was any.
    fn advance(&mut self) -> bool {
        let before = self.told.len();
        let together = self.together();
        self.stand_together(&together);
        let mut edges: Vec<Edge> = (0..self.members.len())
            .map(|at| self.phase(at).clone().advance(&self.cx(at)))
            .collect();
        if let Some(cause) =
            together.iter().find_map(|at| setback(&edges[*at]).map(|why| (*at, why)))
        {
            match self.hindrance(&together, &edges) {
                None => {
                    self.go_back(&together, cause, edges);
                    return true;
                }
                Some(why) => edges = self.held(&together, edges, &why),
            }
        }
        let agreed = agreed(together.iter().map(|at| &edges[*at]));
        let laggard = together.iter().copied().find(|at| !is_joint(&edges[*at]));
        let laggard = laggard.or(together.first().copied());
        for (at, edge) in edges.into_iter().enumerate() {
            match (together.contains(&at) && is_joint(&edge), agreed) {
                (true, None) => self.stand_by(at, laggard.unwrap_or(at)),
                (true, Some(share)) => self.take(at, shared(edge, share)),
                (false, _) => self.take(at, edge),
            }
        }
        self.told.len() > before
    }

    /// What was ready has waited for others: its own time begins again if it is ready no longer.
    fn renew_ready(&mut self) {
        let now = self.now;
        for at in 0..self.members.len() {
            let waits = self.members[at].cutover.waits.as_ref();
            let was_ready = waits.is_some_and(|waits| waits.is_ready);
            let is_ready = self.lacks_proof(at).is_none();
            let cutover = &mut *self.members[at].cutover;
            let allowed = cutover.spec.release.deadline;
            if let (Phase::Probing(probing), true, false) =
                (&mut cutover.phase, was_ready, is_ready)
            {
                probing.deadline = probing.deadline.max(now + allowed);
            }
        }
    }

    /// Time in which one of them waits, or stands still, is no lack of progress of the others.
    fn stand_together(&mut self, together: &[usize]) {
        let now = self.now;
        let stood = |at: &usize| {
            let phase = self.phase(*at);
            let since = match phase {
                Phase::Waiting(waiting) => Some(waiting.since),
                Phase::Paused(paused) => Some(paused.since),
                _ => None,
            };
            let release = phase.release()?;
            Some(release.stood + since.map(|since| now.since(since)).unwrap_or_default())
        };
        let Some(most) = together.iter().filter_map(stood).max() else { return };
        for at in together {
            let phase = &mut self.members[*at].cutover.phase;
            if !matches!(phase, Phase::Waiting(_) | Phase::Paused(_))
                && let Some(release) = phase.release_mut()
            {
                release.stood = release.stood.max(most);
            }
        }
    }

    /// All go back, because of one of them.
    fn go_back(&mut self, together: &[usize], (cause, why): (usize, String), edges: Vec<Edge>) {
        let why = format!("{}, of the same group: {why}", self.name(cause));
        for (at, edge) in edges.into_iter().enumerate() {
            let is_dragged = together.contains(&at) && setback(&edge).is_none();
            let edge = match is_dragged {
                true => given_up(self.phase(at).clone(), why.clone(), &self.cx(at)),
                false => edge,
            };
            self.take(at, edge);
        }
    }

    /// Which of those that have no trouble themselves cannot go back, and why.
    fn hindrance(&self, together: &[usize], edges: &[Edge]) -> Option<String> {
        let dragged = together.iter().filter(|at| setback(&edges[**at]).is_none());
        dragged.copied().find_map(|at| {
            let release = self.phase(at).together()?;
            let is_moved = !self.phase(at).is_before_first_step();
            let lack = lack(&release.safe, &release.to, &self.cx(at)).filter(|_| is_moved)?;
            Some(format!("of {} {lack}", self.name(at)))
        })
    }

    /// Those that would go back are held instead.
    fn held(&self, together: &[usize], edges: Vec<Edge>, hindrance: &str) -> Vec<Edge> {
        let held = |(at, edge): (usize, Edge)| {
            let trouble = setback(&edge).filter(|_| together.contains(&at));
            let Some(trouble) = trouble else { return edge };
            let mut phase = self.phase(at).clone();
            let share = phase.share();
            let found = phase.release().and_then(|it| proof::trouble(it, share, &self.cx(at)));
            let found = found.filter(|found| found.why == trouble).map(|found| found.cause);
            let cause = found.unwrap_or_else(|| trouble.clone());
            let held = phase.held_mut();
            let news = held.and_then(|held| Held::note(held, &cause, &trouble, hindrance));
            Edge::told(phase, news)
        };
        edges.into_iter().enumerate().map(held).collect()
    }

    /// One that would go on does not, because another would not. An instant may pass by meanwhile.
    fn stand_by(&mut self, at: usize, laggard: usize) {
        let (group, name) = (self.group_of(at), self.name(laggard));
        let why = format!("{group} waits for {name}: {}", self.lacks(laggard));
        let now = self.now;
        let cutover = &mut *self.members[at].cutover;
        cutover.waits = Some(Waits { why, is_ready: true });
        if let Phase::Waiting(Waiting { share: None, clock, .. }) = &mut cutover.phase {
            *clock = clock.filter(|instant| *instant > now);
        }
        let is_first = cutover.phase.is_before_first_step();
        if let Some(release) = cutover.phase.release_mut().filter(|_| is_first) {
            let _ = release.schedule.miss(now);
        }
    }

    /// What a member has yet to prove before its first step.
    fn lacks_proof(&self, at: usize) -> Option<String> {
        let (phase, cx) = (self.phase(at), self.cx(at));
        let release = phase.together().filter(|_| phase.is_before_first_step())?;
        match (gate(release, &cx), proof::before_first(release, &cx)) {
            (Gate::Closed(missing), _) | (_, Proof::Missing(missing)) => Some(missing),
            _ => None,
        }
    }

    /// Why a member does not go on by itself.
    fn lacks(&self, at: usize) -> String {
        if let Some(missing) = self.lacks_proof(at) {
            return missing;
        }
        let phase = self.phase(at);
        match (phase.trouble(), phase.until()) {
            (Some(trouble), _) => trouble.into_owned(),
            (None, Some(until)) => format!("{} until {until}", phase.name()),
            (None, None) => phase.name().to_owned(),
        }
    }

    fn group_of(&self, at: usize) -> String {
        self.members[at].cutover.group().map(ToString::to_string).unwrap_or_default()
    }

    /// Before the first step, what decides when it is taken, and whom it moves, is made the same for
    /// all: the latest counts.
    fn align(&mut self) {
        let together = self.together();
        if !together.iter().all(|at| self.phase(*at).is_before_first_step()) {
            return;
        }
        let Some(salt) = self.salt(&together) else { return };
        let releases = || together.iter().filter_map(|at| self.phase(*at).release());
        let in_caches = releases().map(|release| release.schedule.in_caches).max();
        let instant = releases().filter_map(|release| release.schedule.ahead()).max();
        let last_step = together.iter().filter_map(|at| self.members[*at].cutover.last_step).max();
        let deadlines = together.iter().filter_map(|at| match self.phase(*at).awake() {
            Phase::Probing(probing) => Some(probing.deadline),
            _ => None,
        });
        let latest = deadlines.max();
        for at in together {
            let cutover = &mut *self.members[at].cutover;
            cutover.last_step = last_step;
            if let (Phase::Probing(Probing { deadline, .. }), Some(latest)) =
                (cutover.phase.awake_mut(), latest)
            {
                *deadline = latest;
            }
            let Some(release) = cutover.phase.release_mut() else { continue };
            release.bond.iter_mut().for_each(|bond| bond.salt = salt);
            if let (true, Some(in_caches)) = (release.schedule.clean, in_caches) {
                release.schedule.put_off(instant, in_caches);
            }
        }
    }

    /// Drawn for each release anew, and by every name server of the zone alike.
    fn salt(&self, together: &[usize]) -> Option<u64> {
        let group = self.phase(*together.first()?).together()?.bond.as_ref()?.group.clone();
        let mut release = group.as_str().as_bytes().to_vec();
        for at in together {
            let Release { from, to, .. } = self.phase(*at).release()?;
            let owner = &self.members[*at].cutover.spec.owner;
            let (from, to) = (from.to_string(), to.to_string());
            release.extend([owner.wire(), from.as_bytes(), &[0], to.as_bytes(), &[0]].concat());
        }
        Some(SipHasher13::new_with_keys(0, 3).hash(&release))
    }
}

/// Why a member goes back, if it does.
fn setback(edge: &Edge) -> Option<String> {
    match edge {
        Edge::Go(Phase::RollingBack(back), why) => {
            Some(back.failure.clone().unwrap_or_else(|| why.clone()))
        }
        Edge::Go(Phase::Failed(failed), _) => Some(failed.reason.clone()),
        Edge::Go(..) | Edge::Stay(_) => None,
    }
}

/// Whether a member may take an edge only when all do.
fn is_joint(edge: &Edge) -> bool {
    matches!(edge, Edge::Go(Phase::Shifting(_) | Phase::Draining(_) | Phase::Steady(_), _))
}

/// Whether all would take the same joint edge; with the share that they agree on. It is the least, if
/// the file has come to say different ones.
fn agreed<'e>(edges: impl Iterator<Item = &'e Edge>) -> Option<Percent> {
    let mut agreed: Option<(&'static str, Percent)> = None;
    for edge in edges {
        let Edge::Go(phase, _) = edge else { return None };
        let (name, least) = agreed.unwrap_or((phase.name(), Percent::ALL));
        if !is_joint(edge) || phase.name() != name {
            return None;
        }
        agreed = Some((name, least.min(phase.share())));
    }
    agreed.map(|(_, share)| share)
}

fn shared(edge: Edge, share: Percent) -> Edge {
    edge.map(|phase| match phase {
        Phase::Shifting(Shifting { release, .. }) => Phase::Shifting(Shifting { release, share }),
        phase => phase,
    })
}

/// One goes back with the others: before the first step nothing was moved.
fn given_up(phase: Phase, why: String, cx: &Context<'_>) -> Edge {
    let phase = match phase {
        Phase::Paused(paused) => paused.resumed(cx.now),
        phase => phase,
    };
    let Some(release) = phase.release().cloned() else { return Edge::Stay(phase) };
    if phase.is_before_first_step() {
        let (serving, reason) = (release.from.clone(), why.clone());
        return Edge::Go(Phase::Failed(Failed { release, serving, reason }), why);
    }
    RollingBack::after(why, release, cx)
}
