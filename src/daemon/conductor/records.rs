//! What a service answers, as the table has it.

use crate::{
    cutover::{Answered, Answering},
    dns::Plane,
    model::{DnsName, PoolName, ServiceName, Timing, Ttl},
    table::{Part, ServiceRecords, Shares, Shift, Tally},
};

/// The records of a service at `owner`.
pub(super) fn records(
    owner: &DnsName,
    name: &ServiceName,
    answering: &Answering,
    plane: &Plane,
) -> ServiceRecords {
    let Answering { parts, ttl, moved, timed, spread, .. } = answering;
    let tally = |pool: &PoolName| plane.counters.tally(name, pool);
    let part = |timing| move |it| Part { timing, ..part(it, *ttl, tally(&it.pool)) };
    // Those whose answers change at an instant are those whom a step moves, before it and after it.
    let apart = match (moved, timed) {
        (Some(moved), _) => Some((&moved.parts, moved.share, moved.salt)),
        (None, timed) => timed.map(|timed| (parts, timed.share, timed.salt)),
    };
    let timing = timed.map(|timed| timed.timing).unwrap_or_default();
    let main: Vec<Part<'_>> = parts.iter().map(part(Timing::Lasting)).collect();
    let to: Option<Vec<Part<'_>>> =
        apart.map(|(parts, ..)| parts.iter().map(part(timing)).collect());
    let shift = apart.zip(to.as_ref());
    let shift = shift.map(|((_, share, salt), to)| Shift { to, share: share.into(), salt });
    ServiceRecords::new(owner, &Shares { parts: &main, shift, spread: *spread })
}

fn part(answered: &Answered, ttl: Ttl, tally: Tally) -> Part<'_> {
    let Answered { pool, weight, endpoints, lost } = answered;
    Part { weight: *weight, lost, tally: Some(tally), ..Part::new(pool, ttl, endpoints) }
}
