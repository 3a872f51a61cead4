//! What saving a file, or an order, would do: which services it would touch is found out between events,
//! and what would become of each on a thread of its own, so that nothing has to wait for it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tokio::{sync::oneshot, task::spawn_blocking};

use super::Conductor;
use crate::{
    admin::{
        orders::{Refused, Stands, Undone},
        plan::{Change, Left, Plan, Rule, ServicePlan, Step},
    },
    cutover::{
        self, Cutover, Order, Refusal, Verb,
        plan::{self as foretold, Of, Subject},
    },
    daemon::service::Service,
    model::{
        Checksum, Desired, Freeze, GroupName, PlanChecksum, ServiceName, ServiceSpec, Timestamp,
    },
};

impl Conductor {
    /// Says what saving this file would do.
    pub(super) fn plan(
        &self,
        desired: Arc<Desired>,
        text: Arc<String>,
        reply: oneshot::Sender<Box<Plan>>,
    ) {
        let now = self.now();
        let mut subjects = BTreeMap::new();
        let mut plan = self.empty_plan(now);
        for (name, spec) in &desired.services {
            let spec = &self.targets.filled(spec);
            match self.services.get(name) {
                Some(service) if service.cutover.differs_from(spec) => {
                    let wanted = Some(spec.clone());
                    subjects.insert(name.clone(), self.subject(now, service, wanted));
                }
                Some(_) => {}
                None => drop(plan.new.insert(name.to_string(), spec.live.to_string())),
            }
        }
        for (name, service) in &self.services {
            if desired.removed.contains(name) {
                plan.removed.push(name.to_string());
            } else if !desired.services.contains_key(name) && !service.cutover.is_orphaned() {
                plan.orphaned.push(name.to_string());
            }
        }
        self.add_companions(now, &mut subjects);
        let freeze = self.around.freeze.clone();
        spawn_blocking(move || {
            let plan = foretell(now, plan, subjects, freeze.as_ref(), &text);
            // Whoever asked may have gone.
            let _ = reply.send(Box::new(plan));
            // Which takes its time as well when it is large.
            drop(desired);
        });
    }

    /// Says what an order would do, or why it would be refused.
    pub(super) fn foretell_order(
        &self,
        name: &ServiceName,
        order: Order,
        reply: oneshot::Sender<Result<Box<Plan>, Undone>>,
    ) {
        let now = self.now();
        let group = self.groups.named(name).filter(|_| !self.services.contains_key(name));
        let named = match &group {
            Some(group) => self.groups.members_of(group),
            None => BTreeSet::from([name.clone()]),
        };
        let services = named.iter().filter_map(|name| self.services.get_key_value(name));
        let mut subjects: BTreeMap<ServiceName, Subject> = services
            .map(|(name, service)| (name.clone(), self.subject(now, service, None)))
            .collect();
        if subjects.is_empty() {
            let _ = reply.send(Err(self.unknown(name)));
            return;
        }
        let stands = self.stands(name);
        // Nothing else goes without being kept.
        if let Some(why) = self.keeper.refusal().filter(|_| order.verb != Verb::Rollback) {
            let _ = reply.send(Err(Undone::Refused(Refused { why, stands, rules: Vec::new() })));
            return;
        }
        self.add_companions(now, &mut subjects);
        let (mut plan, freeze) = (self.empty_plan(now), self.around.freeze.clone());
        let name = name.clone();
        spawn_blocking(move || {
            let (names, subjects): (Vec<_>, Vec<_>) = subjects.into_iter().unzip();
            let of = group.as_ref().map_or(Of::Service(&name), Of::Group);
            let foretold = foretold::foretell_order(now, &subjects, freeze.as_ref(), &order, &of);
            let answer = match foretold {
                Ok(foretold) => {
                    let mut state = BTreeMap::new();
                    note(now, &mut plan, &mut state, names.into_iter().zip(foretold).zip(subjects));
                    complete(&mut plan, state, &format!("{order:?}"));
                    Ok(Box::new(plan))
                }
                Err(refusal) => Err(Undone::Refused(refused(&refusal, stands))),
            };
            // Whoever asked may have gone.
            let _ = reply.send(answer);
        });
    }

    /// Says what it would do to forget a service, or why that would be refused.
    pub(super) fn foretell_forgetting(
        &self,
        name: &ServiceName,
        reply: oneshot::Sender<Result<Box<Plan>, Undone>>,
    ) {
        let answer = match self.cannot_forget(name) {
            Some(undone) => Err(undone),
            None => {
                let removed = vec![name.to_string()];
                let mut plan = Plan { removed, ..self.empty_plan(self.now()) };
                complete(&mut plan, BTreeMap::new(), "forget");
                Ok(Box::new(plan))
            }
        };
        let _ = reply.send(answer);
    }

    fn empty_plan(&self, now: Timestamp) -> Plan {
        Plan {
            checksum: String::new(),
            nothing: false,
            path: self.file.path.display().to_string(),
            at: now.to_string(),
            changed: BTreeMap::new(),
            new: BTreeMap::new(),
            orphaned: Vec::new(),
            removed: Vec::new(),
        }
    }

    fn subject(
        &self,
        now: Timestamp,
        service: &Service,
        wanted: Option<Arc<ServiceSpec>>,
    ) -> Subject {
        let (cutover, health) = (service.cutover.clone(), service.health.clone());
        Subject { cutover, health, horizons: self.around.caches.horizons(now, service), wanted }
    }

    /// Adds those of whom the file asks nothing new, but that are released together with others.
    fn add_companions(&self, now: Timestamp, subjects: &mut BTreeMap<ServiceName, Subject>) {
        loop {
            let groups: BTreeSet<GroupName> = subjects.values().flat_map(groups_of).collect();
            let is_companion = |(name, service): &(&ServiceName, &Service)| {
                let subject = group_of(&service.cutover);
                !subjects.contains_key(*name) && subject.iter().any(|group| groups.contains(group))
            };
            if groups.is_empty() {
                return;
            }
            let companions: Vec<(ServiceName, Subject)> = self
                .services
                .iter()
                .filter(is_companion)
                .map(|(name, service)| (name.clone(), self.subject(now, service, None)))
                .collect();
            if companions.is_empty() {
                return;
            }
            subjects.extend(companions);
        }
    }
}

/// The groups that a service is in, and that it is to be in.
fn groups_of(Subject { cutover, wanted, .. }: &Subject) -> Vec<GroupName> {
    let wanted = wanted.as_ref().and_then(|spec| spec.release.group.clone());
    group_of(cutover).into_iter().chain(wanted).collect()
}

fn group_of(cutover: &Cutover) -> Vec<GroupName> {
    let asked = cutover.spec().release.group.clone();
    cutover.group().cloned().into_iter().chain(asked).collect()
}

/// Completes a plan.
fn foretell(
    now: Timestamp,
    mut plan: Plan,
    subjects: BTreeMap<ServiceName, Subject>,
    freeze: Option<&Freeze>,
    text: &str,
) -> Plan {
    let mut state = BTreeMap::new();
    for (names, subjects) in released_together(subjects) {
        let foretold = foretold::foretell(now, &subjects, freeze);
        note(now, &mut plan, &mut state, names.into_iter().zip(foretold).zip(subjects));
    }
    complete(&mut plan, state, text);
    plan
}

/// How each service stands that is touched, for the checksum.
type State = BTreeMap<ServiceName, String>;

/// Adds what is foretold of services.
fn note(
    now: Timestamp,
    plan: &mut Plan,
    state: &mut State,
    each: impl Iterator<Item = ((ServiceName, Option<foretold::Plan>), Subject)>,
) {
    for ((name, of_one), subject) in each {
        let Some(of_one) = of_one else { continue };
        let foretold::Plan { phase, release, from, changes, .. } = &of_one;
        state.insert(name.clone(), format!("{name} {phase} {release:?} {from:?} {changes:?}"));
        // Of companions, those that go on as they would have gone on are no news.
        if subject.wanted.is_some() || !of_one.steps.is_empty() {
            plan.changed.insert(name.to_string(), service_plan(now, of_one));
        }
    }
}

/// Adds whether it does anything, and the checksum with what is asked for.
fn complete(plan: &mut Plan, state: State, asked: &str) {
    let Plan { changed, new, orphaned, removed, .. } = &*plan;
    let others = format!("{new:?} {orphaned:?} {removed:?}");
    plan.nothing =
        changed.is_empty() && new.is_empty() && orphaned.is_empty() && removed.is_empty();
    let state = Checksum::of(state.into_values().chain([others]));
    plan.checksum = PlanChecksum { file: Checksum::of([asked]), state }.to_string();
}

/// Why an order is refused, and what there is to do instead.
pub(super) fn refused(refusal: &Refusal, stands: Option<Stands>) -> Refused {
    let rule = |(rule, why): &(cutover::Rule, String)| Rule {
        name: rule.name().to_owned(),
        holds: false,
        why: why.clone(),
    };
    let rules = refusal.rules().iter().map(rule).collect();
    Refused { why: refusal.to_string(), stands, rules }
}

/// Those that have a group in common, and those that have one with them; others alone.
fn released_together(
    mut subjects: BTreeMap<ServiceName, Subject>,
) -> Vec<(Vec<ServiceName>, Vec<Subject>)> {
    let mut members: BTreeMap<GroupName, Vec<ServiceName>> = BTreeMap::new();
    for (name, subject) in &subjects {
        for group in groups_of(subject) {
            members.entry(group).or_default().push(name.clone());
        }
    }
    let mut all = Vec::new();
    while let Some((first, _)) = subjects.first_key_value() {
        let (mut waiting, mut names, mut together) = (vec![first.clone()], Vec::new(), Vec::new());
        while let Some(name) = waiting.pop() {
            let Some(subject) = subjects.remove(&name) else { continue };
            for group in groups_of(&subject) {
                waiting.extend(members.remove(&group).unwrap_or_default());
            }
            names.push(name);
            together.push(subject);
        }
        all.push((names, together));
    }
    all
}

fn service_plan(now: Timestamp, plan: foretold::Plan) -> ServicePlan {
    let after_secs = |at: Timestamp| at.since(now).as_nanos().div_ceil(1_000_000_000) as u64;
    let at = |at: Timestamp| at.rounded_up().to_string();
    let shares = |shares: foretold::Shares| {
        shares.into_iter().map(|(pool, share)| (pool.to_string(), share)).collect()
    };
    let change = |change: foretold::Change| {
        let foretold::Change { key, from, to } = change;
        Change { key, from, to }
    };
    let rule = |ruling: foretold::Ruling| {
        let foretold::Ruling { name, holds, why } = ruling;
        Rule { name: name.to_owned(), holds, why }
    };
    let step = |step: foretold::Step| Step {
        after_secs: after_secs(step.at),
        at: at(step.at),
        phase: step.phase.to_owned(),
        shares: shares(step.shares),
        why: step.why,
    };
    let left = |left: foretold::Left| Left {
        pool: left.pool.to_string(),
        drained_after_secs: after_secs(left.horizon),
        horizon: at(left.horizon),
        off_after_secs: after_secs(left.off_from),
        off_from: at(left.off_from),
    };
    ServicePlan {
        phase: plan.phase.to_owned(),
        from: shares(plan.from),
        to: shares(plan.to),
        changes: plan.changes.into_iter().map(change).collect(),
        rules: plan.rules.into_iter().map(rule).collect(),
        steps: plan.steps.into_iter().map(step).collect(),
        left: plan.left.into_iter().map(left).collect(),
    }
}
