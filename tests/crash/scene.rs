//! One seed: a zone whose daemon is killed again and again while its services are released.

use std::{
    collections::BTreeMap,
    fmt,
    time::{Duration, Instant},
};

use cutover::{
    admin::{client, orders},
    cutover::Verb,
    daemon::failpoint::Place,
    model::Timestamp,
};
use tokio::time::sleep;

use crate::{
    chance::Chance,
    committed::Committed,
    common::{PATIENCE, pause},
    hosts::Hosts,
    process::{Addresses, End, Process},
    promises::{
        Known, freeze_is_kept, groups_are_together, nothing_is_lost, nothing_was_told_too_early,
    },
    seen::{Timed, Watching, ask, ask_everybody},
    steps,
    town::{Files, LEARNS_NOTHING_FOR, SETTLES_FOR, TOWNS, addresses},
};

/// What the log of a daemon that was killed must not say.
const NEVER_LOGGED: [&str; 4] =
    ["panicked", "cannot be understood", "cannot be used", "cannot be written"];
/// What it logs where a disk is busy with others: then it shows what is not kept, and goes back.
const BUSY_DISK: &str = "no answer within";
/// Passing a place so often takes a release or two.
const TIMES_MAX: u64 = 4;
/// Places that a daemon passes without a successor: the first ones.
const PLACES_ALONE: usize = 8;

/// What came of it.
#[derive(Default)]
pub(crate) struct Played {
    pub(crate) killed: u64,
    /// Those that killed themselves, by place.
    pub(crate) by_place: BTreeMap<&'static str, u64>,
    /// From before the start of the process to the first answer.
    pub(crate) first_answers: Vec<Duration>,
    /// How many of these were compared with what was committed.
    pub(crate) compared: u64,
    pub(crate) releases: u64,
    pub(crate) steps: u64,
    pub(crate) judged: u64,
    pub(crate) rolled_back: u64,
    pub(crate) done: u64,
}

pub(crate) struct Scene {
    chance: Chance,
    hosts: Hosts,
    files: Files,
    committed: Committed,
    known: Known,
    starts: Vec<Timestamp>,
    /// What the last daemon answered in the end.
    last_seen: Timed,
    /// Whether people were told of a freeze; none if they were told nothing in the end.
    frozen: Option<bool>,
    /// Whether the daemon was started without a release file.
    has_no_file: bool,
    /// Whether all hosts have been well in this life: then nobody stands in for another.
    is_quiet: bool,
    /// Whether the disk has taken all of this life in time.
    is_kept: bool,
    played: Played,
    story: Vec<String>,
}

/// Plays so many lives of a daemon; with what came of it and what has happened.
pub(crate) async fn play(seed: u64, lives: u64) -> (Result<Played, String>, Vec<String>) {
    let hosts = Hosts::start(&addresses()).await;
    let mut scene = Scene {
        chance: Chance::new(seed),
        files: Files::new(hosts.port),
        hosts,
        committed: Committed::default(),
        known: Known::default(),
        starts: Vec::new(),
        last_seen: Timed::new(),
        frozen: Some(false),
        has_no_file: false,
        is_quiet: true,
        is_kept: true,
        played: Played::default(),
        story: Vec::new(),
    };
    let mut ended = Ok(());
    for life in 0..lives {
        scene.tell(format_args!("life {life}"));
        ended = scene.live().await;
        if ended.is_err() {
            break;
        }
    }
    if ended.is_ok() {
        ended = scene.come_to_rest().await;
    }
    let Scene { mut played, story, committed, .. } = scene;
    played.count(&committed);
    (ended.map(|()| played), story)
}

impl Scene {
    fn tell(&mut self, what: fmt::Arguments<'_>) {
        self.story.push(what.to_string());
    }

    /// A daemon is started, looked at, made to do something, and killed.
    async fn live(&mut self) -> Result<(), String> {
        if self.chance.once_in(2) {
            self.hosts.mend_all();
        }
        (self.is_quiet, self.is_kept) = (self.hosts.are_well(), true);
        let is_succeeded = self.chance.once_in(4);
        let end = self.chance.once_in(2).then(|| self.end(is_succeeded));
        let mut process = self.start(end).await;
        let (mut successor, mut watching) = (None, None);
        match self.first_answer(&mut process).await? {
            Some(addresses) => {
                let lasts = self.lasts(is_succeeded || end.is_some());
                let seen = Watching::start(addresses);
                if is_succeeded {
                    successor = Some(self.succeed(lasts).await);
                }
                let mut processes: Vec<&mut Process> =
                    successor.iter_mut().map(|(successor, _)| successor).collect();
                processes.push(&mut process);
                self.act(&seen, lasts, &mut processes).await;
                watching = Some(seen);
            }
            None => self.tell(format_args!("it died before it answered")),
        }
        for (mut process, end) in [(process, end)].into_iter().chain(successor) {
            let was_alive = process.kill().await;
            self.bury(&process, end.filter(|_| !was_alive))?;
        }
        self.hosts.set_open(true);
        self.look(watching.as_ref())
    }

    /// Compares what is on disk with what was there and with what has been seen.
    fn look(&mut self, watching: Option<&Watching>) -> Result<(), String> {
        let after = Committed::read(&self.files.state())?;
        nothing_is_lost(&self.committed, &after)?;
        groups_are_together(&after)?;
        freeze_is_kept(self.frozen, &after)?;
        steps::are_in_order(&after, &self.starts)?;
        self.last_seen.clear();
        if let Some(watching) = watching.filter(|_| self.is_kept) {
            let mut seen = watching.seen();
            if !self.is_quiet {
                seen.answers.clear();
            }
            nothing_was_told_too_early(&seen, &after)?;
            self.last_seen.clone_from(&seen.answers);
            self.played.done += seen.done.len() as u64;
        }
        self.frozen = Some(after.freeze.is_some());
        self.committed = after;
        Ok(())
    }

    fn end(&mut self, is_handover: bool) -> End {
        let (alone, between) = Place::ALL.split_at(PLACES_ALONE);
        let places = if is_handover && !self.chance.once_in(4) { between } else { alone };
        match self.chance.pick(places) {
            once @ (Place::Restored | Place::StateOpened) => (once, 1),
            place if is_handover => (place, 1),
            place => (place, 1 + self.chance.below(TIMES_MAX)),
        }
    }

    /// Most are short, for most of what can go wrong does so at once; some come to judge.
    fn lasts(&mut self, is_longer: bool) -> Duration {
        let millis = Duration::from_millis;
        match self.chance.below(10) {
            0..=4 if !is_longer => millis(5) + self.chance.within(millis(400)),
            0..=7 => millis(100) + self.chance.within(millis(900)),
            _ => SETTLES_FOR + self.chance.within(2 * SETTLES_FOR),
        }
    }

    /// No probe returns and, where something was kept, there may be no file, until it has answered.
    async fn start(&mut self, end: Option<End>) -> Process {
        self.hosts.set_open(false);
        let is_all_kept = self.committed.services.len() == TOWNS.len();
        self.has_no_file = is_all_kept && !self.chance.once_in(4);
        if self.has_no_file {
            self.files.remove();
        }
        let without = if self.has_no_file { " without its file" } else { "" };
        self.tell(format_args!("started{without}, to end at {end:?}"));
        let process = Process::start(&self.files.settings(), end);
        self.starts.push(process.begun_at);
        process
    }

    async fn first_answer(&mut self, process: &mut Process) -> Result<Option<Addresses>, String> {
        let addresses = process.until_answers().await;
        let mut first = None;
        if let Some(Addresses { dns, .. }) = addresses {
            let is_answered = ask(dns, TOWNS[0].name, 0).await.transpose()?.is_some();
            self.played.first_answers.extend(is_answered.then(|| process.begun.elapsed()));
            first = ask_everybody(dns).await.transpose()?;
        }
        let took = process.begun.elapsed();
        self.hosts.set_open(true);
        self.files.save();
        let (Some(addresses), Some(first)) = (addresses, first) else { return Ok(None) };
        self.is_quiet &= took < LEARNS_NOTHING_FOR;
        if self.has_no_file && took < LEARNS_NOTHING_FOR {
            self.played.compared += 1;
            self.known.is_what_was_committed(&first, &self.last_seen, &self.committed)?;
        }
        Ok(Some(addresses))
    }

    /// Another daemon begins to take the place of this one.
    async fn succeed(&mut self, lasts: Duration) -> (Process, Option<End>) {
        let end = self.chance.once_in(2).then(|| self.end(true));
        sleep(self.chance.within(lasts / 2)).await;
        self.tell(format_args!("a successor, to end at {end:?}"));
        (Process::start(&self.files.settings(), end), end)
    }

    /// Edits, verbs and broken hosts at random, until the time is over or nobody is alive.
    async fn act(&mut self, watching: &Watching, lasts: Duration, processes: &mut [&mut Process]) {
        let until = Instant::now() + lasts;
        let mut next = Instant::now();
        // In a long life there is to be time enough for a step to be judged.
        let pace = if lasts < SETTLES_FOR { lasts / 3 } else { lasts };
        while Instant::now() < until && !processes.iter_mut().all(|process| process.has_ended()) {
            if Instant::now() < next {
                pause().await;
                continue;
            }
            next += self.chance.within(pace);
            match self.chance.below(13) {
                0..=4 => {
                    let edit = self.files.edit(&mut self.chance);
                    self.story.push(edit);
                }
                5..=10 => self.order(watching).await,
                11 => self.freeze_or_thaw().await,
                _ => self.break_or_mend(),
            }
        }
    }

    async fn order(&mut self, watching: &Watching) {
        let service = self.chance.pick(&TOWNS.each_ref().map(|town| town.name));
        let verb = self.chance.pick(&[
            Verb::Promote,
            Verb::Promote,
            Verb::Promote,
            Verb::Rollback,
            Verb::Retry,
            Verb::Pause,
            Verb::Resume,
        ]);
        match orders::ask(&self.files.admin(), service, verb, &[]).await {
            Ok(done) => {
                self.tell(format_args!("{} {service}: {:?}", verb.name(), done.transitions));
                let told = done.transitions.into_iter().map(|told| (service, told));
                watching.seen().done.extend(told);
            }
            Err(why) => self.tell(format_args!("{} {service}: {why}", verb.name())),
        }
    }

    /// Freezes seldom, and not for long: little happens meanwhile.
    async fn freeze_or_thaw(&mut self) {
        let socket = self.files.admin();
        let frozen = self.frozen == Some(false) && self.chance.once_in(3);
        let done = match frozen {
            true => orders::ask_to_freeze(&socket, None).await,
            false => orders::ask_to_unfreeze(&socket).await,
        };
        self.tell(format_args!("frozen: {frozen}: {:?}", done.as_ref().err()));
        self.frozen = match done {
            Ok(_) => Some(frozen),
            // It may have died in the middle of it.
            Err(_) => None,
        };
    }

    fn break_or_mend(&mut self) {
        if self.chance.once_in(2) {
            let host = self.chance.pick(&addresses());
            self.tell(format_args!("{host} breaks"));
            self.hosts.set_broken(host, true);
            self.is_quiet = false;
        } else {
            self.hosts.mend_all();
        }
    }

    /// What it has logged is looked at, and how it died is counted.
    fn bury(&mut self, process: &Process, end: Option<End>) -> Result<(), String> {
        let log = &process.log;
        let is_busy = |line: &String| line.contains(BUSY_DISK);
        self.is_kept &= !log.iter().any(is_busy);
        let is_wrong =
            |line: &&String| !is_busy(line) && NEVER_LOGGED.iter().any(|text| line.contains(text));
        if let Some(line) = log.iter().find(is_wrong) {
            return Err(format!("it logged {line}"));
        }
        self.played.killed += 1;
        if let Some((place, _)) = end
            && log.last().is_some_and(|line| line.contains("this is the place"))
        {
            self.tell(format_args!("it died at {}", place.name()));
            *self.played.by_place.entry(place.name()).or_default() += 1;
        }
        Ok(())
    }

    /// After all that, every release can still be brought to its end.
    async fn come_to_rest(&mut self) -> Result<(), String> {
        self.hosts.mend_all();
        self.tell(format_args!("the last life"));
        let mut process = self.start(None).await;
        let addresses = self.first_answer(&mut process).await?.ok_or("it died by itself")?;
        let _ = orders::ask_to_unfreeze(&self.files.admin()).await;
        let begun = Instant::now();
        loop {
            let status = client::status(addresses.http).await.map_err(|why| why.to_string())?;
            let is_done = |phase: &str| phase == "Steady" || phase == "Failed";
            if status.services.values().all(|service| is_done(&service.phase)) {
                break;
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("it does not come to rest: {status:#?}"));
            }
            for service in status.services.keys() {
                let _ = orders::ask(&self.files.admin(), service, Verb::Promote, &[]).await;
            }
            pause().await;
        }
        process.kill().await;
        self.committed = Committed::read(&self.files.state())?;
        steps::are_in_order(&self.committed, &self.starts)
    }
}

impl Played {
    fn count(&mut self, committed: &Committed) {
        for town in &TOWNS {
            self.releases += committed.records(town.name).len() as u64;
            for (_, step) in committed.steps(town.name) {
                self.steps += u64::from(step.to == "Shifting");
                self.judged += u64::from(step.why.contains("was good at"));
                self.rolled_back += u64::from(step.to == "RollingBack");
            }
        }
    }

    pub(crate) fn and(mut self, other: Self) -> Self {
        self.killed += other.killed;
        for (place, count) in other.by_place {
            *self.by_place.entry(place).or_default() += count;
        }
        self.first_answers.extend(other.first_answers);
        self.compared += other.compared;
        self.releases += other.releases;
        self.steps += other.steps;
        self.judged += other.judged;
        self.rolled_back += other.rolled_back;
        self.done += other.done;
        self
    }
}

impl fmt::Display for Played {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { killed, by_place, releases, steps, judged, rolled_back, done, .. } = self;
        let mut times = self.first_answers.clone();
        times.sort_unstable();
        let at = |part: usize| {
            let place = (times.len() * part / 100).min(times.len().saturating_sub(1));
            times.get(place).copied().unwrap_or_default()
        };
        writeln!(f, "{killed} daemons killed, of these by themselves: {by_place:?}")?;
        writeln!(
            f,
            "{releases} releases, {steps} steps, {judged} of them judged, {rolled_back} ways back, \
             {done} changes by hand"
        )?;
        let (median, most, count) = (at(50), at(100), times.len());
        writeln!(f, "{count} began to answer, {} of them without their file", self.compared)?;
        writeln!(f, "first answer: median {median:?}, 95 of 100 {:?}, most {most:?}", at(95))
    }
}
