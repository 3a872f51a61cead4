//! What saving a file, or an order, would do to a service, without doing it.
//!
//! The prediction is not a second description of how a release goes: a copy of the machine itself
//! is run ahead, on a clock of its own ([`Forecast`]). So what is
//! foretold is what the machine does, if the world does as is assumed: every endpoint passes its
//! probes from now on, and clients ask all the time.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use humantime::format_duration;

use super::{
    Cutover, Facts, Horizons, Order, Refusal, Rule,
    edge::Context,
    forecast::{Forecast, Foreseen},
    gate::{Gate, gate},
    phase::{Phase, Release},
    proof::{self, Proof},
    rules::Way,
    shares::whole_percents,
};
use crate::{
    health::{Count, ServiceHealth},
    model::{
        Binding, Check, Endpoint, Freeze, GroupName, Pass, Pool, PoolName, Prefix, ProbeSetting,
        ProbeSpec, RampStep, ReleasePolicy, ServiceName, ServiceSpec, TextRecord, Timestamp, Ttl,
        Weight,
    },
};

/// How many percent of the clients each pool is to answer, in whole numbers; verdicts change nothing of it.
pub type Shares = BTreeMap<PoolName, u8>;

/// What saving a file would do to one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The phase that it finds.
    pub phase: &'static str,
    /// The number of the release that it finds.
    pub release: Option<u64>,
    /// What is to be answered before.
    pub from: Shares,
    /// What is to be answered when all is done.
    pub to: Shares,
    /// What the file says otherwise than what is in force.
    pub changes: Vec<Change>,
    /// What its first step hangs on, as it is now.
    pub rules: Vec<Ruling>,
    /// What would happen.
    pub steps: Vec<Step>,
    /// What happens to the pools that would be left.
    pub left: Vec<Left>,
}

/// Something that the file says otherwise: what it says is `None` where it says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key in the file.
    pub key: String,
    /// What is in force.
    pub from: Option<String>,
    /// What the file asks for.
    pub to: Option<String>,
}

/// Something that the first step of a release hangs on, or the way back from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// The word for it; if it is a [`Rule`], the name by which that is broken.
    pub name: &'static str,
    /// Whether it is as it has to be, now.
    pub holds: bool,
    /// How things stand with it.
    pub why: String,
}

/// Something that would happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// The phase that is entered.
    pub phase: &'static str,
    /// What is to be answered from then on; what several steps at one instant change is changed in one
    /// store.
    pub shares: Shares,
    /// Why, as it will be told.
    pub why: String,
}

/// A pool that would be left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// The pool.
    pub pool: PoolName,
    /// When no cache that keeps to the TTL holds it any longer.
    pub horizon: Timestamp,
    /// From when it could be switched off.
    pub off_from: Timestamp,
}

/// A service that is looked at, and what is known of it now.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its machine.
    pub cutover: Cutover,
    /// The verdicts on its endpoints.
    pub health: ServiceHealth,
    /// What caches may hold of it.
    pub horizons: Horizons,
    /// What the file asks for; none if it says of it what it has said.
    pub wanted: Option<Arc<ServiceSpec>>,
}

/// What saving a file would do to some services; those that are released together are to be given
/// together. Nothing for those to which it would do nothing.
pub fn foretell(
    now: Timestamp,
    subjects: &[Subject],
    freeze: Option<&Freeze>,
) -> Vec<Option<Plan>> {
    let mut forecast = Forecast::new(now, subjects, freeze);
    forecast.save(subjects);
    plans(now, subjects, freeze, forecast)
}

/// Of whom a person asks something.
#[derive(Clone, Copy, Debug)]
pub enum Of<'a> {
    /// A service; where it is released together with others, of these too.
    Service(&'a ServiceName),
    /// All that are released together.
    Group(&'a GroupName),
}

/// What an order would do, or why it would be refused. Those that are released together with whom it is
/// asked of are to be given too, by name.
pub fn foretell_order(
    now: Timestamp,
    subjects: &[Subject],
    freeze: Option<&Freeze>,
    order: &Order,
    of: &Of<'_>,
) -> Result<Vec<Option<Plan>>, Refusal> {
    let mut forecast = Forecast::new(now, subjects, freeze);
    forecast.ask(order, of)?;
    Ok(plans(now, subjects, freeze, forecast))
}

/// What comes of it, when something has been asked.
fn plans(
    now: Timestamp,
    subjects: &[Subject],
    freeze: Option<&Freeze>,
    mut forecast: Forecast<'_>,
) -> Vec<Option<Plan>> {
    let rules = subjects.iter().zip(&forecast.services);
    let rules: Vec<Vec<Ruling>> =
        rules.map(|(subject, saved)| subject.rules(now, saved, freeze)).collect();
    forecast.run();
    let each = subjects.iter().zip(rules).zip(forecast.services);
    each.map(|((subject, rules), foreseen)| subject.plan(rules, foreseen)).collect()
}

impl Subject {
    fn plan(&self, rules: Vec<Ruling>, foreseen: Foreseen) -> Option<Plan> {
        let phase = &self.cutover.phase;
        let spec = &foreseen.cutover.spec;
        let changes = changes(&self.cutover, spec);
        if changes.is_empty() && foreseen.steps.is_empty() {
            return None;
        }
        let (from, to) = (shares(phase), shares(&foreseen.cutover.phase));
        Some(Plan {
            phase: phase.name(),
            release: phase.release().map(|release| release.id),
            left: left(&foreseen, &from, &to, spec),
            from,
            to,
            changes,
            rules,
            steps: foreseen.steps,
        })
    }

    /// Of the release that saving the file has begun.
    fn rules(&self, now: Timestamp, saved: &Foreseen, freeze: Option<&Freeze>) -> Vec<Ruling> {
        let known = self.cutover.phase.release().map(|release| release.id);
        let begun = saved.cutover.phase.release().filter(|release| Some(release.id) != known);
        let (health, horizons) = (&saved.health, &self.horizons);
        let cx = Context {
            // Steps that have been foretold have not been taken.
            last_step: self.cutover.last_step,
            ..saved.cutover.context(now, Facts { health, horizons, freeze })
        };
        let mut rules = begun.map(|release| rules(release, &cx)).unwrap_or_default();
        if let Some(waits) = saved.cutover.waits() {
            rules.push(Ruling { name: "group", holds: false, why: waits.why.clone() });
        }
        rules
    }
}

impl Cutover {
    /// Whether asking for `spec` would change anything.
    pub fn differs_from(&self, spec: &Arc<ServiceSpec>) -> bool {
        let asks_like = |spec: &ServiceSpec| self.spec.asks_like(spec);
        self.orphaned || !(asks_like(spec) || asks_like(&self.keep_probe(spec.clone())))
    }
}

/// What each pool is to answer in a phase.
pub(super) fn shares(phase: &Phase) -> Shares {
    let share = phase.share().get();
    let moved = (phase.serving().split().clone(), share);
    let main = (share < 100).then(|| (phase.main().split().clone(), 100 - share));
    whole_percents([moved].into_iter().chain(main))
}

fn changes(cutover: &Cutover, wanted: &ServiceSpec) -> Vec<Change> {
    let known = &*cutover.spec;
    let [was, is] = ["no longer in the file", "in the file"].map(|text| Some(text.to_owned()));
    let again = cutover.orphaned.then(|| ("service".to_owned(), was, is));
    let value = |(key, of): &Value| (key.to_string(), Some(of(known)), Some(of(wanted)));
    let gone = known.pools.keys().filter(|name| !wanted.pools.contains_key(*name));
    let pools = wanted.pools.keys().chain(gone).map(|name| {
        let of = |spec: &ServiceSpec| spec.pools.get(name).map(|pool| endpoints(pool));
        (format!("pools.{name}"), of(known), of(wanted))
    });
    let all = again.into_iter().chain(VALUES.iter().map(value)).chain(pools);
    let mut changes: Vec<Change> = all
        .filter(|(_, from, to)| from != to)
        .map(|(key, from, to)| Change { key, from, to })
        .collect();
    if changes.is_empty() && *known != *wanted {
        changes.push(Change { key: "settings".to_owned(), from: None, to: None });
    }
    changes
}

/// Keys of a service, and what it says under them.
type Value = (&'static str, fn(&ServiceSpec) -> String);
const VALUES: [Value; 27] = [
    ("live", |spec| spec.live.to_string()),
    ("spread", |spec| spec.spread.name().to_owned()),
    ("ttl", |spec| seconds(spec.ttl)),
    ("fail_policy", |spec| spec.fail_policy.name().to_owned()),
    ("probe", |spec| probe(&spec.probe)),
    ("https", |spec| list(spec.kinds.https.as_slice())),
    ("svcb", |spec| {
        let of = |(prefix, binding): &(Prefix, Binding)| format!("{} {binding}", prefix.as_str());
        list(&spec.kinds.svcb.iter().map(of).collect::<Vec<_>>())
    }),
    ("txt", |spec| list(&texts(&spec.kinds.txt))),
    ("srv", |spec| list(&spec.kinds.srv)),
    ("previews", |spec| list(&spec.kinds.previews.values().collect::<Vec<_>>())),
    ("release.group", |spec| {
        spec.release.group.as_ref().map_or("none".to_owned(), ToString::to_string)
    }),
    ("release.ramp", |spec| ramp(&spec.release.ramp)),
    ("release.at", |spec| at(&spec.release)),
    ("release.windows", |spec| spec.release.windows.to_string()),
    ("release.min_change_interval", |spec| duration(spec.release.min_change_interval)),
    ("release.progress_deadline", |spec| {
        spec.release.progress_deadline.map_or("none".to_owned(), duration)
    }),
    ("release.ttl", |spec| spec.release.ttl.map_or("as ttl".to_owned(), seconds)),
    ("release.bake", |spec| duration(spec.release.bake)),
    ("release.deadline", |spec| duration(spec.release.deadline)),
    ("release.min_up", |spec| spec.release.needed()),
    ("release.pin_allowance", |spec| duration(spec.release.pin_allowance)),
    ("release.drain_grace", |spec| duration(spec.release.drain_grace)),
    ("release.preview", |spec| list(&spec.release.preview)),
    ("release.tests", |spec| list(&spec.release.tests)),
    ("release.performance", |spec| list(spec.release.performance.as_slice())),
    ("release.guards", |spec| list(&spec.release.guards)),
    ("release.confirm", |spec| list(&spec.release.confirm)),
];

fn list(items: &[impl ToString]) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    if items.is_empty() { "none".to_owned() } else { items.join("; ") }
}

fn duration(duration: Duration) -> String {
    format_duration(duration).to_string()
}

fn seconds(ttl: Ttl) -> String {
    duration(ttl.duration())
}

fn at(release: &ReleasePolicy) -> String {
    let clean = if release.clean { ", or when caches are clean" } else { "" };
    release.at.map_or("at once".to_owned(), |at| format!("{at}{clean}"))
}

fn probe(probe: &ProbeSetting) -> String {
    let Some(probe) = probe.spec() else { return "none".to_owned() };
    let checks: Vec<String> = probe.checks.iter().map(Check::to_string).collect();
    let checks = match probe.pass {
        Pass::All => checks.join(" and "),
        Pass::Any => checks.join(" or "),
    };
    let [interval, timeout] = [probe.interval, probe.timeout].map(format_duration);
    let ProbeSpec { rise, fall, jitter, .. } = &**probe;
    format!(
        "{checks} every {interval}, timeout {timeout}, rise {rise}, fall {fall}, jitter {jitter}"
    )
}

fn ramp(steps: &[RampStep]) -> String {
    let step = |step: &RampStep| format!("{} for {}", step.share, format_duration(step.bake));
    match steps {
        [] => "none".to_owned(),
        steps => steps.iter().map(step).collect::<Vec<_>>().join(", "),
    }
}

fn texts(texts: &[TextRecord]) -> Vec<String> {
    texts.iter().map(|text| format!("{:?}", text.as_str())).collect()
}

/// `192.0.2.10, 192.0.2.11 (port 8080, weight 2); "a text"`, or `alias lb.example.net`.
fn endpoints(pool: &Pool) -> String {
    let of = |endpoint: &Endpoint| {
        let port = endpoint.port().map(|port| format!("port {port}"));
        let weight = Some(endpoint.weight()).filter(|weight| *weight != Weight::ONE);
        let weight = weight.map(|weight| format!("weight {}", weight.get()));
        let more: Vec<String> = port.into_iter().chain(weight).collect();
        match more.as_slice() {
            [] => endpoint.address().to_string(),
            more => format!("{} ({})", endpoint.address(), more.join(", ")),
        }
    };
    let endpoints = match &pool.target {
        Some(target) => target.to_string(),
        None => pool.endpoints.iter().map(of).collect::<Vec<_>>().join(", "),
    };
    [vec![endpoints], texts(&pool.texts)].concat().join("; ")
}

/// Of a release that has yet to take a step.
fn rules(release: &Release, cx: &Context<'_>) -> Vec<Ruling> {
    let way = Way::ahead(release, None, None, cx);
    let obstacle = |rule| {
        let of_rule = way.obstacles.iter().filter(|obstacle| obstacle.rule == rule);
        let whys: Vec<&str> = of_rule.map(|obstacle| obstacle.why.as_str()).collect();
        (!whys.is_empty()).then(|| whys.join("; "))
    };
    let ruling = |rule: Rule| match obstacle(Some(rule)) {
        Some(why) => Ruling { name: rule.name(), holds: false, why },
        None => Ruling { name: rule.name(), holds: true, why: kept(rule, release, cx) },
    };
    let mut rules: Vec<Ruling> = Rule::ALL.into_iter().map(ruling).collect();
    rules.extend(obstacle(None).map(|why| Ruling { name: "at", holds: false, why }));
    if let Some(end) = release.smears_until(cx.horizons) {
        let why = format!("caches hold what was answered before until {end}: it smears until then");
        rules.push(Ruling { name: "clean", holds: false, why });
    }
    let Count { eligible, total, .. } = release.safe.tally(cx.health).all;
    let why = format!("{eligible} of {total} endpoints of {} could take it", release.safe);
    rules.push(Ruling { name: "way back", holds: eligible > 0, why });
    rules
}

/// Why a rule is kept.
fn kept(rule: Rule, release: &Release, cx: &Context<'_>) -> String {
    match (rule, gate(release, cx)) {
        (Rule::Freeze, _) => "nothing is frozen".to_owned(),
        (Rule::Window, _) => "no release window is to be waited for".to_owned(),
        (Rule::Interval, _) => "no earlier step is to be waited for".to_owned(),
        (Rule::Health, Gate::Open(why) | Gate::Closed(why)) => why,
        (Rule::Gate, _) => match proof::before_first(release, cx) {
            Proof::Given(why) if !why.is_empty() => why,
            _ => "nothing else is asked for before the first step".to_owned(),
        },
    }
}

fn left(foreseen: &Foreseen, from: &Shares, to: &Shares, spec: &ServiceSpec) -> Vec<Left> {
    let steps = foreseen.steps.iter().map(|step| &step.shares);
    let mut left: Vec<Left> = Vec::new();
    for pool in from.keys().chain(steps.flat_map(BTreeMap::keys)) {
        let is_new = left.iter().all(|known| known.pool != *pool);
        if is_new && !to.contains_key(pool) {
            let horizon = foreseen.horizons.of(pool);
            let off_from = horizon + spec.release.pin_allowance + spec.release.drain_grace;
            left.push(Left { pool: pool.clone(), horizon, off_from });
        }
    }
    left
}
