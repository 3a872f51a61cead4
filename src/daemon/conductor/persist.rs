//! Persist, then publish: what the machines decide is durable before a table shows it.
//!
//! Everything that one batch of events changed goes into one transaction. If it cannot be written,
//! the machines are put back to where they were, and what was asked of them is carried out once it
//! can be. Verdicts go on moving endpoints in and out of the answers, a service that is new is
//! answered, and what goes back goes back: to wait with a rollback would hold clients on a pool that
//! is bad. What is not kept is shown, and written as soon as that is possible.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use tracing::{info, warn};

use super::{Conductor, Service};
use crate::{
    cutover::{Record, Transition},
    daemon::{examiner::Job, keeper::Unwritten, metrics::Cause},
    model::{Desired, ServiceName, Timestamp},
    probe::Assignment,
    store::Batch,
};

/// As long as a write may take.
const NEAR: Duration = Duration::from_secs(1);

/// What has happened since the last write, and what waits for the next one.
#[derive(Default)]
pub(in crate::daemon) struct Unkept {
    /// Services that something happened to.
    changed: BTreeSet<ServiceName>,
    /// What their machines told.
    news: BTreeMap<ServiceName, Vec<News>>,
    /// Services that the file takes out.
    pub(super) removing: BTreeMap<ServiceName, Service>,
    /// The file that is being carried out.
    carrying: Option<Arc<Desired>>,
    /// A file that is to be carried out once that can be kept.
    waiting: Option<Arc<Desired>>,
    /// Services whose machines were put back since this was last asked.
    put_back: BTreeSet<ServiceName>,
    /// Those that are to be looked at again once that can be kept.
    held_up: BTreeSet<ServiceName>,
    /// Those of which something is not kept.
    ahead: BTreeSet<ServiceName>,
    /// Those of which the file may hold something else than it should: a write that is given up may still
    /// come to its end.
    doubtful: BTreeSet<ServiceName>,
    /// Who begins releases now.
    pub(super) by: Option<String>,
    /// How much of what is to be told is kept, or goes on without.
    told_for_sure: usize,
    /// Whether something was kept that cannot be understood.
    pub(super) has_gaps: bool,
    pub(super) freeze: FreezeIs,
}

/// How far it is kept that there is a freeze, or that there is none.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum FreezeIs {
    /// It is.
    #[default]
    Kept,
    /// It is to be kept now.
    New,
    /// It could not be kept.
    Ahead,
}

struct News {
    at: Timestamp,
    transition: Transition,
    by: Option<String>,
}

impl Unkept {
    pub(super) fn note(&mut self, now: Timestamp, name: &ServiceName, told: &[Transition]) {
        self.changed.insert(name.clone());
        if !told.is_empty() {
            let news = told.iter().map(|transition| News {
                at: now,
                transition: transition.clone(),
                by: self.by.clone(),
            });
            self.news.entry(name.clone()).or_default().extend(news);
        }
    }

    /// A file begins to be carried out, in place of one that waited.
    pub(super) fn begin_file(&mut self, desired: &Arc<Desired>) {
        self.waiting = None;
        self.carrying = Some(desired.clone());
        self.by = Some("the release file".to_owned());
    }

    /// Whether there is anything that has not been looked at.
    pub(super) fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.removing.is_empty() && self.freeze != FreezeIs::New
    }

    /// Whether a file is to be carried out once that can be kept.
    pub(in crate::daemon) fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    /// The services of which something is not kept.
    pub(in crate::daemon) fn ahead(&self) -> &BTreeSet<ServiceName> {
        &self.ahead
    }

    /// Whether a service's machine was put back since [`Unkept::take_put_back`] was asked.
    pub(super) fn is_put_back(&self, name: &ServiceName) -> bool {
        self.put_back.contains(name)
    }

    /// The services whose machines were put back since this was last asked.
    pub(super) fn take_put_back(&mut self) -> BTreeSet<ServiceName> {
        self.told_for_sure = 0;
        mem::take(&mut self.put_back)
    }
}

impl Conductor {
    /// Makes durable what has happened, or undoes it.
    pub(super) async fn persist(&mut self) {
        // What has been held up happens once the store works again, and is to be kept too.
        loop {
            self.write().await;
            if self.unkept.is_empty() {
                return;
            }
        }
    }

    async fn write(&mut self) {
        let now = self.now();
        let is_due = self.keeper.next_try().is_some_and(|at| at <= now);
        if is_due {
            let Unkept { changed, ahead, doubtful, .. } = &mut self.unkept;
            changed.extend(ahead.iter().chain(&*doubtful).cloned());
            if self.unkept.freeze == FreezeIs::Ahead {
                self.unkept.freeze = FreezeIs::New;
            }
        }
        let mut batch = self.batch();
        self.give_way(now);
        batch.events = self.outbox.batch(now, is_due, !batch.is_empty());
        let batch = Arc::new(batch);
        if batch.is_empty() && !is_due {
            self.unkept.carrying = None;
            self.outbox.kept(None);
            return;
        }
        let begun = Instant::now();
        let written = self.keeper.write(now, batch.clone()).await;
        match written {
            Ok(written) => {
                self.metrics.state_written(begun.elapsed());
                if written.anew {
                    self.nothing_is_kept();
                }
                self.kept(&batch);
                if written.anew && batch.events.as_ref().is_none_or(|events| !events.is_whole) {
                    self.outbox.nothing_is_kept(now);
                }
                if written.again {
                    self.go_on(now);
                }
            }
            Err(why) => {
                if let Unwritten::Broken(_) = why {
                    self.metrics.state_not_written();
                }
                self.put_back(&batch, &why);
            }
        }
    }

    /// No machine waits for a write that is not its own.
    fn give_way(&mut self, now: Timestamp) {
        if let Some((at, _)) = self.deadlines.first()
            && *at < now + NEAR
        {
            self.outbox.give_way(*at + NEAR);
        }
    }

    /// A service stands elsewhere than it did, because the daemon was restarted. Whatever is put back,
    /// this is not: its machine has never been anywhere else.
    pub(super) fn note_restored(&mut self, now: Timestamp, name: &ServiceName, told: Transition) {
        let Some(service) = self.services.get_mut(name) else { return };
        let news = News { at: now, transition: told.clone(), by: None };
        service.record = records(service, vec![news]).pop().or(service.record.take());
        self.unkept.ahead.insert(name.clone());
        self.outbox.note_certain(now, (&self.zone_of(name), name), &told);
        self.told.push((name.clone(), Cause::Start, told));
    }

    /// What stands elsewhere than is kept.
    pub(super) fn batch(&mut self) -> Batch {
        let mut batch = Batch::default();
        batch.removed.extend(self.unkept.removing.keys().cloned());
        if self.unkept.freeze == FreezeIs::New {
            batch.freeze = Some(self.around.freeze.clone());
            self.unkept.freeze = FreezeIs::Ahead;
        }
        let mut news = mem::take(&mut self.unkept.news);
        for name in mem::take(&mut self.unkept.changed) {
            let Some(service) = self.services.get_mut(&name) else { continue };
            let kept = service.take_stock(&self.around.caches);
            let mut records = records(service, news.remove(&name).unwrap_or_default());
            let is_doubtful = self.unkept.doubtful.contains(&name);
            let is_ahead = service.kept.is_none() || self.unkept.ahead.contains(&name);
            if records.is_empty() && (is_ahead || is_doubtful) {
                records.extend(service.record.clone());
            }
            let is_kept = service.kept.as_ref() == Some(&kept) && records.is_empty();
            if is_kept && !is_doubtful {
                service.before = None;
                continue;
            }
            batch.history.extend(records.into_iter().map(|record| (name.clone(), record)));
            batch.services.push((name, kept));
        }
        batch
    }

    fn kept(&mut self, batch: &Batch) {
        if batch.freeze.is_some() {
            self.unkept.freeze = FreezeIs::Kept;
        }
        for (name, kept) in &batch.services {
            let Some(service) = self.services.get_mut(name) else { continue };
            (service.kept, service.before) = (Some(kept.clone()), None);
            self.unkept.ahead.remove(name);
        }
        // Whatever was given up has ended before this was begun, and all that was doubtful is in this.
        self.unkept.doubtful.clear();
        self.install(batch, |_| true);
        self.outbox.kept(batch.events.as_ref());
        self.unkept.told_for_sure = self.told.len();
        for (name, service) in mem::take(&mut self.unkept.removing) {
            self.gone(&name, &service);
        }
        if !batch.removed.is_empty() {
            self.targets.follow(&mut self.services);
        }
        self.unkept.carrying = None;
    }

    /// The last release of each service is at hand.
    fn install(&mut self, batch: &Batch, is_so: impl Fn(&ServiceName) -> bool) {
        for (name, record) in batch.history.iter().filter(|(name, _)| is_so(name)) {
            if let Some(service) = self.services.get_mut(name) {
                let before = service.record.replace(record.clone());
                self.metrics.release(before.as_ref(), record);
            }
        }
    }

    /// A service is not to be answered any longer, and that is kept.
    fn gone(&mut self, name: &ServiceName, service: &Service) {
        info!(service = %name, "removed: no longer answered");
        let (gone, again) = self.names.forget(name, &service.cutover.spec().owner);
        self.removed.extend(gone);
        self.answer_anew(again);
        self.plane.counters.retain(name, |_| false);
        if let Some(at) = service.scheduled {
            self.deadlines.remove(&(at, name.clone()));
        }
        self.touched.remove(name);
        self.unkept.ahead.remove(name);
        self.doubt.assign(name, None, &BTreeSet::new());
        let (addresses, awaited) = Default::default();
        let stop = Assignment { service: name.clone(), spec: None, addresses, awaited };
        // The prober ends only with the daemon, and so does the examiner.
        let _ = self.assignments.send(stop);
        let _ = self.jobs.send(Job::none(service.cutover.spec().clone()));
    }

    /// What was kept was kept in another file.
    fn nothing_is_kept(&mut self) {
        self.unkept.freeze = FreezeIs::New;
        for (name, service) in &mut self.services {
            if service.kept.take().is_some() {
                self.unkept.changed.insert(name.clone());
            }
        }
    }

    /// After a time in which nothing could be kept.
    fn go_on(&mut self, now: Timestamp) {
        for name in mem::take(&mut self.unkept.held_up) {
            self.unkept.put_back.remove(&name);
            self.observe(now, name);
        }
        if let Some(desired) = self.unkept.waiting.take() {
            info!("the release file that has been waiting is being carried out");
            self.carry_out(now, &desired, false);
        }
    }

    pub(super) fn put_back(&mut self, batch: &Batch, why: &Unwritten) {
        // While another daemon decides, it goes back where that is needed.
        let may_go_back = matches!(why, Unwritten::Broken(_));
        // They may have taken a step before they were removed.
        self.services.extend(mem::take(&mut self.unkept.removing));
        if !batch.removed.is_empty() {
            self.targets.follow(&mut self.services);
        }
        let (written, removed) = (batch.services.iter().map(|(name, _)| name), &batch.removed);
        if may_go_back {
            self.unkept.doubtful.extend(written.clone().chain(removed).cloned());
        }
        let mut put_back = BTreeSet::new();
        for name in written.chain(removed) {
            let Some(service) = self.services.get_mut(name) else { continue };
            match service.before.take() {
                Some(before) if service.cutover.snapshot() != before.snapshot() => {
                    if may_go_back && service.cutover.has_gone_back(&before) {
                        warn!(service = %name, "it goes back although that cannot be kept");
                        self.unkept.ahead.insert(name.clone());
                        continue;
                    }
                    let now = self.plane.clock.now();
                    service.put_back(now, before);
                    // Where names lead is no decision of ours.
                    self.targets.tell(now, service, &self.around);
                    self.touched.insert(name.clone());
                    put_back.insert(name.clone());
                }
                _ => drop(self.unkept.ahead.insert(name.clone())),
            }
        }
        self.install(batch, |name| !put_back.contains(name));
        let unsure = self.told.split_off(self.unkept.told_for_sure);
        self.told.extend(unsure.into_iter().filter(|(name, ..)| !put_back.contains(name)));
        // What is left goes on, whatever is put back after it.
        self.unkept.told_for_sure = self.told.len();
        match may_go_back {
            true => self.outbox.not_kept(&put_back),
            false => self.outbox.not_ours(&put_back),
        }
        let is_held_up = !put_back.is_empty() || !removed.is_empty();
        self.unkept.held_up.extend(put_back.iter().cloned());
        self.unkept.put_back.extend(put_back);
        let carrying = self.unkept.carrying.take();
        self.unkept.waiting = carrying.filter(|_| is_held_up).or(self.unkept.waiting.take());
    }
}

/// What has become of a service's releases; the last one is the present one.
fn records(service: &Service, news: Vec<News>) -> Vec<Record> {
    let mut records: Vec<Record> = service.record.iter().cloned().collect();
    let mut is_changed = false;
    let phase = service.cutover.phase();
    for News { at, transition, by } in news {
        let Some(id) = transition.release else { continue };
        is_changed = true;
        if records.last().is_none_or(|record| record.id != id) {
            if let Some(replaced) = records.last_mut() {
                replaced.replace(at);
            }
            let names = phase.release().filter(|release| release.id == id);
            let names = names.map(|release| (release.from.split(), release.to.split()));
            let before = service.before.as_ref().unwrap_or(&service.cutover);
            let (from, to) = names
                .unwrap_or_else(|| (before.phase().main().split(), &service.cutover.spec().live));
            let by = by.unwrap_or_else(|| "the daemon".to_owned());
            records.push(Record::begin(id, from.to_string(), to.to_string(), by, at));
        }
        if let Some(record) = records.last_mut() {
            record.note(at, &transition);
        }
    }
    let evidence = &service.health.evidence;
    if let (Some(record), Some(scope)) = (records.last_mut(), evidence.scope())
        && record.id == scope.release
    {
        record.note_tests(evidence.tests.records());
    }
    if is_changed { records } else { Vec::new() }
}
