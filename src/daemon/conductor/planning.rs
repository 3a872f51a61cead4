//! What saving a file would do: which services it would touch is found out between events, and what
//! would become of each on a thread of its own, so that nothing has to wait for it.

use std::{collections::BTreeMap, sync::Arc};

use tokio::{sync::oneshot, task::spawn_blocking};

use super::Conductor;
use crate::{
    admin::plan::{Change, Left, Plan, Rule, ServicePlan, Step},
    cutover::{Cutover, Facts, Horizons, plan as foretold},
    health::ServiceHealth,
    model::{Checksum, Desired, Freeze, PlanChecksum, ServiceName, ServiceSpec, Timestamp},
};

/// A service that the file would change, as it is now.
struct Touched {
    cutover: Cutover,
    health: ServiceHealth,
    horizons: Horizons,
    wanted: Arc<ServiceSpec>,
}

impl Conductor {
    /// Says what saving this file would do.
    pub(super) fn plan(
        &self,
        desired: Arc<Desired>,
        text: Arc<String>,
        reply: oneshot::Sender<Box<Plan>>,
    ) {
        let now = self.now();
        let mut touched = BTreeMap::new();
        let mut plan = Plan {
            checksum: String::new(),
            nothing: false,
            path: self.file.path.display().to_string(),
            at: now.to_string(),
            changed: BTreeMap::new(),
            new: BTreeMap::new(),
            orphaned: Vec::new(),
            removed: Vec::new(),
        };
        for (name, spec) in &desired.services {
            match self.services.get(name) {
                Some(service) if service.cutover.differs_from(spec) => {
                    let (cutover, health) = (service.cutover.clone(), service.health.clone());
                    let horizons = self.around.caches.horizons(now, service);
                    let wanted = spec.clone();
                    touched.insert(name.clone(), Touched { cutover, health, horizons, wanted });
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
        let freeze = self.around.freeze.clone();
        spawn_blocking(move || {
            // Whoever asked may have gone.
            let _ = reply.send(Box::new(foretell(now, plan, &touched, freeze.as_ref(), &text)));
            // Which takes its time as well when it is large.
            drop(desired);
        });
    }
}

/// Completes a plan.
fn foretell(
    now: Timestamp,
    mut plan: Plan,
    touched: &BTreeMap<ServiceName, Touched>,
    freeze: Option<&Freeze>,
    text: &str,
) -> Plan {
    let mut state = Vec::new();
    for (name, Touched { cutover, health, horizons, wanted }) in touched {
        let Some(plan_of_one) = cutover.plan(now, wanted, Facts { health, horizons, freeze })
        else {
            continue;
        };
        let foretold::Plan { phase, release, from, changes, .. } = &plan_of_one;
        state.push(format!("{name} {phase} {release:?} {from:?} {changes:?}"));
        plan.changed.insert(name.to_string(), service_plan(now, plan_of_one));
    }
    let Plan { changed, new, orphaned, removed, .. } = &plan;
    state.push(format!("{new:?} {orphaned:?} {removed:?}"));
    plan.nothing =
        changed.is_empty() && new.is_empty() && orphaned.is_empty() && removed.is_empty();
    let (file, state) = (Checksum::of([text]), Checksum::of(state));
    plan.checksum = PlanChecksum { file, state }.to_string();
    plan
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
