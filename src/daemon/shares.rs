//! What a service answers, as the table has it.

use crate::{
    cutover::{Answered, Answering},
    model::{PoolName, Timing, Ttl},
    table::{Part, Shares, Shift, Tally},
};

/// Shows which pools answer whom; `tally` says what the answers of each count for.
pub(super) fn show<T>(
    answering: &Answering,
    tally: impl Fn(&PoolName) -> Option<Tally>,
    look: impl FnOnce(&Shares<'_>) -> T,
) -> T {
    let Answering { parts, ttl, moved, timed, spread, .. } = answering;
    let tally = &tally;
    let part = |timing| move |it| Part { timing, ..part(it, *ttl, tally) };
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
    look(&Shares { parts: &main, shift, spread: *spread })
}

fn part<'a>(
    answered: &'a Answered,
    ttl: Ttl,
    tally: &impl Fn(&PoolName) -> Option<Tally>,
) -> Part<'a> {
    let Answered { pool, weight, endpoints, lost } = answered;
    Part { weight: *weight, lost, tally: tally(pool), ..Part::new(pool, ttl, endpoints) }
}
