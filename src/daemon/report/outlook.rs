//! What lies ahead of a service, and which shares of the answers its pools have.

use crate::{
    admin::{
        course::{CourseStatus, PointShare, PointStatus},
        status::{AnsweredStatus, ClearingStatus, NextStatus, RollbackStatus, TargetStatus},
    },
    cutover::{
        Cutover, Horizons, Next, WayBack,
        course::{Course, Point, Share},
    },
    daemon::{
        service::Service,
        targets::{Known, Targets},
    },
    model::{PoolName, Target, Timestamp},
};

pub(super) fn next(now: Timestamp, cutover: &Cutover) -> Option<NextStatus> {
    let Next { what, at } = cutover.next()?;
    // What is past, others of its group keep it from.
    let at = at.filter(|at| cutover.waits().is_none() || *at > now);
    Some(NextStatus { what, at: at.map(|at| at.rounded_up().to_string()) })
}

pub(super) fn rollback(
    now: Timestamp,
    service: &Service,
    horizons: &Horizons,
) -> Option<RollbackStatus> {
    let WayBack { to, clears_at, refused } = service.cutover.way_back(&service.health, horizons)?;
    Some(RollbackStatus {
        to: to.to_string(),
        refused,
        clears_at: clears_at.max(now).rounded_up().to_string(),
        clears_in_secs: clears_at.since(now).as_nanos().div_ceil(1_000_000_000) as u64,
    })
}

pub(super) fn answered(course: &Course, pool: &PoolName) -> Option<AnsweredStatus> {
    let Share { share, deviation, answers } = course.share(pool)?;
    Some(AnsweredStatus { share, deviation, answers })
}

/// Where a pool points to, and how far that is known.
pub(super) fn target(target: &Target, targets: &Targets) -> TargetStatus {
    let known = targets.of(&target.name);
    let resolution = known.and_then(|known| known.resolution.as_ref());
    let found_at = known.and_then(|known| known.found_at);
    let since = known.and_then(|known| known.trouble.as_ref()).map(|(_, since)| *since);
    TargetStatus {
        kind: target.kind.name().to_owned(),
        name: target.name.to_string(),
        ttl: resolution.filter(|_| found_at.is_some()).map(|resolution| resolution.ttl.secs()),
        found_at: found_at.map(|at| at.to_string()),
        trouble: known.and_then(Known::failure),
        trouble_since: since.map(|since| since.to_string()),
    }
}

/// A pool has had no clients since an instant, and is in caches until another.
pub(super) fn clearing(
    now: Timestamp,
    since: Option<Timestamp>,
    horizon: Timestamp,
) -> Option<ClearingStatus> {
    let since = since.filter(|since| *since < horizon && now < horizon)?;
    let remaining = horizon.since(now).as_secs_f64() / horizon.since(since).as_secs_f64();
    let until = horizon.rounded_up().to_string();
    Some(ClearingStatus { since: since.to_string(), until, remaining: remaining.min(1.0) })
}

pub(in crate::daemon) fn course(course: &Course) -> CourseStatus {
    let points = course.points().iter().map(point).collect();
    CourseStatus { release: course.release(), points }
}

fn point(point: &Point) -> PointStatus {
    let show = |pool: &PoolName| {
        let share = point.share(pool);
        let shown = PointShare {
            target: point.target.get(pool).copied().unwrap_or_default(),
            answered: share.map(|share| share.share),
            deviation: share.and_then(|share| share.deviation),
            answers: point.answers.get(pool).copied().unwrap_or_default(),
        };
        (pool.to_string(), shown)
    };
    let shares = point.pools().into_iter().map(show).collect();
    PointStatus { at: point.at.to_string(), shares, clients: point.clients() }
}
