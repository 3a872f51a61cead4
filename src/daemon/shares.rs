//! What a service answers, as the table has it.

use crate::{
    cutover::{Answered, Answering, PREVIEW_TTL},
    model::{ClientRange, DnsName, PoolName, Timing, Ttl},
    table::{NamedRecords, Part, Preview, ServiceRecords, Shares, Shift, Tally, targets},
};

/// Shows which pools answer whom; `tally` says what the answers of each count for.
pub(super) fn show<T>(
    answering: &Answering,
    tally: impl Fn(&PoolName) -> Option<Tally>,
    look: impl FnOnce(&Shares<'_>) -> T,
) -> T {
    let Answering { parts, ttl, moved, timed, spread, shown, .. } = answering;
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
    let shown = shown.as_ref().map(|shown| {
        let ttl = PREVIEW_TTL.min(*ttl);
        let to: Vec<Part<'_>> = shown.parts.iter().map(|it| self::part(it, ttl, tally)).collect();
        (shown.networks.iter().filter_map(ClientRange::of).collect::<Vec<_>>(), to)
    });
    let preview = shown.as_ref().map(|(clients, to)| Preview { clients, to });
    look(&Shares { parts: &main, shift, preview, spread: *spread })
}

fn part<'a>(
    answered: &'a Answered,
    ttl: Ttl,
    tally: &impl Fn(&PoolName) -> Option<Tally>,
) -> Part<'a> {
    let Answered { pool, weight, endpoints, cname, texts, ttl_max: _, lost } = answered;
    let (weight, cname, tally) = (*weight, cname.as_ref(), tally(pool));
    Part { weight, cname, texts, lost, tally, ..Part::new(pool, ttl, endpoints) }
}

/// All that the service at `owner` answers, name by name. `together` says what answers count for that
/// name several pools.
pub(super) fn records(
    owner: &DnsName,
    answering: &Answering,
    tally: impl Fn(&PoolName) -> Option<Tally>,
    together: impl Fn(&[&PoolName]) -> Option<Tally>,
) -> NamedRecords {
    let Answering { kinds, by_name, named, ttl, .. } = answering;
    let short = PREVIEW_TTL.min(*ttl);
    let of_pool = |answered: &Answered| {
        let name = kinds.previews.get(&answered.pool)?;
        // Nobody has to wait for those who look at a pool by its own name.
        let ttl = answered.ttl_max.map_or(short, |most| most.min(short));
        let part = [part(answered, ttl, &|_| None)];
        Some((name.clone(), ServiceRecords::new(name, &Shares::new(&part))))
    };
    let mut records: NamedRecords = by_name.iter().filter_map(of_pool).collect();
    // Asked for just before the SRV records expire, they are in caches for longer than these.
    records.extend(targets(owner, named.iter().map(|pool| &**pool), short));
    let all = |shares: &Shares<'_>| ServiceRecords::all(owner, kinds, shares, together);
    records.extend(show(answering, tally, all));
    records
}
