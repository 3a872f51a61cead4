//! The conductor's state as a status document.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

mod outlook;
mod proof;

pub(super) use outlook::course;

use super::{
    caches::Caches, conductor::Unkept, courses::Courses, drafts::mistakes, file::FileState,
    keeper::Keeper, names::Names, service::Service, targets::Targets,
};
use crate::{
    admin::{
        history::{Past, PastStep},
        status::{
            EndpointStatus, FileStatus, InstantStatus, PoolStatus, Pulse, ReleaseStatus,
            ServiceStatus, Status, StoreStatus, ZoneStatus,
        },
    },
    cutover::{
        Answering, Basis, Horizons, InstantState, Record, Side, Step, course::Course,
        phase::Release,
    },
    health::{ServiceHealth, Tracker},
    model::{DnsName, Endpoint, Pool, PoolName, ServiceName, Timestamp},
    table::Table,
};

/// Busy services that a pulse names.
const BUSY_MAX: usize = 3;

pub(super) fn status(
    now: Timestamp,
    table: &Table,
    file: &FileState,
    services: &BTreeMap<ServiceName, Service>,
    (caches, courses, targets): (&Caches, &Courses, &Targets),
    (keeper, unkept): (&Keeper, &Unkept),
    names: &Names,
) -> Status {
    let taken = names.taken();
    let is_ahead = |name: &ServiceName| services.get(name).is_some_and(Service::is_ahead);
    Status {
        now: now.to_string(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        generation: table.generation(),
        serial: table.serial(),
        zone: table.apex().to_string(),
        zones: table.zones().map(zone_status).collect(),
        zones_refused: None,
        ready: is_ready(file, services),
        freeze: None,
        doubted_since: None,
        events: BTreeMap::new(),
        file: file_status(file, unkept),
        store: StoreStatus {
            path: keeper.path().display().to_string(),
            error: keeper.trouble().map(|trouble| trouble.error.clone()),
            since: keeper.trouble().map(|trouble| trouble.since.to_string()),
            unkept: unkept.ahead().iter().filter(|name| is_ahead(name)).count(),
        },
        services: services
            .iter()
            .map(|(name, service)| {
                let unkept = unkept.ahead().contains(name) && service.is_ahead();
                let status = service_status(now, service, (caches, courses.open(name), targets));
                let taken = taken.get(name).into_iter().flatten();
                let taken = taken.map(|(name, other)| (name.to_string(), other.to_string()));
                (name.to_string(), ServiceStatus { unkept, taken: taken.collect(), ..status })
            })
            .collect(),
    }
}

fn zone_status((apex, serial): (&DnsName, u32)) -> (String, ZoneStatus) {
    (apex.to_string(), ZoneStatus { serial, unicode: apex.unicode() })
}

fn is_ready(file: &FileState, services: &BTreeMap<ServiceName, Service>) -> bool {
    file.loaded_at.is_some() || !services.is_empty()
}

pub(super) fn pulse(
    table: &Table,
    file: &FileState,
    services: &BTreeMap<ServiceName, Service>,
    keeper: &Keeper,
) -> Pulse {
    let phases = services.iter().map(|(name, service)| (name, service.cutover.phase().name()));
    let busy = phases.filter(|(_, phase)| *phase != "Steady").take(BUSY_MAX);
    Pulse {
        generation: table.generation(),
        ready: is_ready(file, services),
        is_kept: keeper.trouble().is_none(),
        file_accepted: file.is_accepted(),
        services: services.len(),
        busy: busy.map(|(name, phase)| (name.to_string(), phase)).collect(),
    }
}

pub(super) fn past(service: &str, record: &Record) -> Past {
    let Record { id, from, to, by, begun, ended, steps, omitted, tests } = record;
    let step = |Step { at, from, to, why }: &Step| PastStep {
        at: at.to_string(),
        from: from.clone(),
        to: to.clone(),
        why: why.clone(),
    };
    Past {
        service: service.to_owned(),
        id: *id,
        from: from.clone(),
        to: to.clone(),
        by: by.clone(),
        begun: begun.to_string(),
        ended: ended.map(|(at, _)| at.to_string()),
        result: ended.map(|(_, ending)| ending.name().to_owned()),
        steps: steps.iter().map(step).collect(),
        omitted: *omitted,
        tests: tests.iter().map(proof::test).collect(),
    }
}

pub(super) fn file_status(file: &FileState, unkept: &Unkept) -> FileStatus {
    FileStatus {
        accepted: file.is_accepted(),
        path: file.path.display().to_string(),
        loaded_at: file.loaded_at.map(|at| at.to_string()),
        waiting: unkept.is_waiting(),
        checksum: file.checksum.map(|checksum| checksum.to_string()),
        errors: file.rejected.as_ref().map(mistakes).unwrap_or_default(),
    }
}

fn service_status(
    now: Timestamp,
    service: &Service,
    (caches, course, targets): (&Caches, Option<&Course>, &Targets),
) -> ServiceStatus {
    let cutover = &service.cutover;
    let phase = cutover.phase();
    let answering = cutover.answering(&service.health);
    let horizons = caches.horizons(now, service);
    let waits = cutover.waits().map(|waits| waits.why.clone());
    let policy = &cutover.spec().release;
    let share = |release: &Release| match &answering.moved {
        Some(moved) => moved.share.get(),
        None if answering.split == *release.to.split() => 100,
        None => 0,
    };
    let taken = |share| policy.ramp.iter().filter(|step| step.share.get() < share).count();
    let release = phase.release().map(|release| ReleaseStatus {
        id: release.id,
        step: taken(share(release)) + 1,
        steps: policy.ramp.len() + 1,
        share: share(release),
        from: release.from.to_string(),
        to: release.to.to_string(),
        started_at: release.started_at.to_string(),
        reason: phase
            .trouble()
            .map(Cow::into_owned)
            .or_else(|| waits.clone())
            .or_else(|| cutover.gate_closed(now, &service.health)),
        instant: instant(release, &horizons),
        proof: proof::proof(cutover, &service.health),
    });
    ServiceStatus {
        owner: cutover.spec().owner.to_string(),
        unicode: cutover.spec().owner.unicode(),
        serving: by_name(answering.shares()),
        desired: by_name(cutover.desired()),
        live: cutover.spec().live.to_string(),
        phase: phase.name().to_owned(),
        // What is past, others of its group keep it from.
        until: phase
            .until()
            .filter(|at| waits.is_none() || *at > now)
            .map(|at| at.rounded_up().to_string()),
        next: outlook::next(now, cutover),
        rollback: outlook::rollback(now, service, &horizons),
        clients: course.and_then(Course::clients),
        health: health(service, &answering).to_owned(),
        ttl: answering.ttl_max(now).secs(),
        orphaned: cutover.is_orphaned(),
        group: cutover.group().map(ToString::to_string),
        waits,
        unkept: false,
        taken: BTreeMap::new(),
        release,
        pools: pools(now, service, &answering, (caches, &horizons), (course, targets)),
    }
}

fn by_name(shares: BTreeMap<PoolName, u8>) -> BTreeMap<String, u8> {
    shares.into_iter().map(|(pool, share)| (pool.to_string(), share)).collect()
}

/// The instant of a release, if it has one.
fn instant(release: &Release, horizons: &Horizons) -> Option<InstantStatus> {
    let (at, state) = match release.schedule.state {
        InstantState::None => return None,
        InstantState::Ahead(at) => (at, "ahead"),
        InstantState::Missed(at) => (at, "missed"),
        InstantState::Met(at) => (at, "met"),
    };
    let smears_until = release.smears_until(horizons);
    Some(InstantStatus {
        at: at.to_string(),
        state: state.to_owned(),
        put_off_from: release.schedule.put_off_from().map(|asked| asked.to_string()),
        smears_until: smears_until.map(|end| end.to_string()),
    })
}

fn health(service: &Service, answering: &Answering) -> &'static str {
    let tally = service.cutover.phase().main().tally(&service.health);
    match answering.basis {
        Basis::Live if tally.all.eligible == tally.all.total => "healthy",
        Basis::Live => "degraded",
        fallen => fallen.name(),
    }
}

/// The pools of the file, and those that are still held though the file has dropped them.
fn pools(
    now: Timestamp,
    service: &Service,
    answering: &Answering,
    (caches, horizons): (&Caches, &Horizons),
    (course, targets): (Option<&Course>, &Targets),
) -> BTreeMap<String, PoolStatus> {
    let in_file = &service.cutover.spec().pools;
    let mut pools: BTreeMap<&PoolName, &Arc<Pool>> = in_file.iter().collect();
    // Those that are served are shown as they are served, not as the file wants them.
    let phase = service.cutover.phase();
    let serving = phase.serving().pools();
    let answered_pools = service.cutover.answered_pools(&service.health);
    pools.extend(serving.chain(answered_pools).map(|pool| (&pool.name, pool)));
    if let Some(release) = phase.release() {
        for pool in [&release.from, &release.to, &release.safe].into_iter().flat_map(Side::pools) {
            pools.entry(&pool.name).or_insert(pool);
        }
    }
    let answered: BTreeSet<IpAddr> = answering.endpoints().map(Endpoint::address).collect();
    let shares = answering.shares();
    let policy = &service.cutover.spec().release;
    let answers = caches.answers(service);
    // What is counted of the step before is no answer to this one.
    let course = course.filter(|course| course.is_at(&shares));
    let show = |(name, held): (&PoolName, &Arc<Pool>)| {
        let horizon = horizons.of(name);
        let off_from = horizon + policy.off_after();
        let share = shares.get(name).copied().unwrap_or_default();
        // Others may answer in its place: it has its clients again as soon as it is up.
        let is_left = share == 0 && !phase.needs(name);
        let wanted = in_file.get(name);
        let endpoints =
            members(held, wanted).into_iter().map(|(endpoint, change)| EndpointStatus {
                answered: share > 0 && answered.contains(&endpoint.address()),
                change: change.map(str::to_owned),
                ..endpoint_status(&service.health, endpoint)
            });
        let status = PoolStatus {
            share,
            in_file: wanted.is_some_and(|wanted| wanted == held),
            horizon: (horizon > Timestamp::default()).then(|| horizon.rounded_up().to_string()),
            answers: answers.get(name).copied().unwrap_or_default(),
            answered: course.and_then(|course| outlook::answered(course, name)),
            clearing: outlook::clearing(now, service.left.get(name).copied(), horizon),
            drained: is_left && now >= horizon,
            off_from: is_left.then(|| off_from.rounded_up().to_string()),
            off: is_left && now >= off_from,
            target: held.target.as_ref().map(|target| outlook::target(target, targets)),
            endpoints: endpoints.collect(),
        };
        (name.to_string(), status)
    };
    pools.into_iter().map(show).collect()
}

/// The endpoints of a pool as it is held, and those that the file has for it beyond; each with
/// what is to become of it.
fn members<'p>(
    held: &'p Pool,
    wanted: Option<&'p Arc<Pool>>,
) -> Vec<(&'p Endpoint, Option<&'static str>)> {
    let wanted = wanted.map(|wanted| wanted.endpoints.as_slice());
    let is_in = |endpoints: &[Endpoint], endpoint: &Endpoint| {
        endpoints.iter().any(|other| other.address() == endpoint.address())
    };
    let leaving = |endpoint: &Endpoint| wanted.is_some_and(|wanted| !is_in(wanted, endpoint));
    let stays = held.endpoints.iter().map(|e| (e, leaving(e).then_some("leaving")));
    let new = wanted.unwrap_or_default().iter().filter(|e| !is_in(&held.endpoints, e));
    stays.chain(new.map(|endpoint| (endpoint, Some("joining")))).collect()
}

/// Why the last try did not pass, or could not be made.
fn why_not(tracker: &Tracker) -> Option<String> {
    let hindrance = tracker.hindrance().map(|why| format!("could not be probed: {why}"));
    hindrance.or_else(|| tracker.last()?.result.clone().err())
}

fn endpoint_status(health: &ServiceHealth, endpoint: &Endpoint) -> EndpointStatus {
    let tracker = health.tracker(endpoint.address());
    let last = tracker.and_then(|tracker| tracker.last());
    EndpointStatus {
        address: endpoint.address().to_string(),
        weight: endpoint.weight().get(),
        answered: false,
        change: None,
        verdict: health.verdict(endpoint.address()).name().to_owned(),
        since: tracker.map(|tracker| tracker.since().to_string()),
        reason: tracker.and_then(why_not),
        warning: last.and_then(|outcome| outcome.warning.clone()),
        latency_ms: last.map(|outcome| outcome.latency.as_micros() as f64 / 1000.0),
    }
}
