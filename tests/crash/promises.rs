//! What must be so after each crash: nothing that was committed, or that somebody was told, is lost;
//! whoever was seen to have moved has moved; and what is answered is what was committed.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use crate::{
    committed::{Committed, Given, release},
    seen::{Answers, Seen, Timed, everybody},
    town::{TOWNS, Town, address},
};

/// What was committed before is committed still, and leads to where the releases stand.
pub(crate) fn nothing_is_lost(before: &Committed, after: &Committed) -> Result<(), String> {
    for (service, old) in &before.services {
        let new = after.services.get(service).ok_or(format!("{service} is gone"))?;
        if new.releases < old.releases {
            return Err(format!("{service}: {} releases of {}", new.releases, old.releases));
        }
        let (old, new): (Vec<_>, Vec<_>) =
            (before.steps(service).collect(), after.steps(service).collect());
        if !new.starts_with(&old) {
            return Err(format!("{service}: {old:#?}\nwas committed, and is now\n{new:#?}"));
        }
    }
    for (service, snapshot) in &after.services {
        let ids: Vec<u64> = after.records(service).iter().map(|record| record.id).collect();
        if ids != (1..=snapshot.releases).collect::<Vec<_>>() {
            return Err(format!("{service}: releases {ids:?} of {}", snapshot.releases));
        }
        let mut phase = "Steady";
        for (id, step) in after.steps(service) {
            if step.from != phase {
                let all: Vec<_> = after.steps(service).collect();
                return Err(format!(
                    "{service}: release {id} was in {phase}, and then: {step:?}; all: {all:#?}"
                ));
            }
            phase = &step.to;
        }
        if phase != snapshot.stage.name() {
            let stage = snapshot.stage.name();
            return Err(format!("{service} stands in {stage}, but its history ends in {phase}"));
        }
    }
    Ok(())
}

/// Who is released together stands at the same share of the same pools.
pub(crate) fn groups_are_together(after: &Committed) -> Result<(), String> {
    for one in TOWNS.iter().filter(|town| town.group.is_some()) {
        for other in TOWNS.iter().filter(|other| other.group == one.group) {
            let stands = |town: &Town| after.given(town.name).map(Given::without_number);
            if stands(one) != stands(other) {
                let stages = [one, other].map(|town| after.services.get(town.name));
                return Err(format!("{} and {} are apart: {stages:#?}", one.name, other.name));
            }
        }
    }
    Ok(())
}

/// No step is taken in a freeze, and it is as people were told.
pub(crate) fn freeze_is_kept(told: Option<bool>, after: &Committed) -> Result<(), String> {
    let freeze = after.freeze.as_ref();
    if told.is_some_and(|frozen| frozen != freeze.is_some()) {
        return Err(format!("frozen: {told:?} was told, and committed is {freeze:?}"));
    }
    let Some(freeze) = freeze else { return Ok(()) };
    for town in &TOWNS {
        let steps = after.steps(town.name).map(|(_, step)| step);
        let mut taken = steps.filter(|step| step.to == "Shifting" && step.at > freeze.since);
        if let Some(step) = taken.next() {
            return Err(format!("{}: {step:?} in the freeze since {}", town.name, freeze.since));
        }
    }
    Ok(())
}

/// What people and clients were told is committed.
pub(crate) fn nothing_was_told_too_early(seen: &Seen, after: &Committed) -> Result<(), String> {
    if let Some(wrong) = &seen.wrong {
        return Err(wrong.clone());
    }
    for (service, told) in &seen.done {
        // Of several, it is told whose it is.
        let (service, why) = match told.why.split_once(": ") {
            Some((name, why)) if after.services.contains_key(name) => (name, why),
            _ => (*service, told.why.as_str()),
        };
        let is_it = |step: &cutover::cutover::Step| {
            (&step.from, &step.to, step.why.as_str()) == (&told.from, &told.to, why)
        };
        if !after.steps(service).any(|(_, step)| is_it(step)) {
            return Err(format!("{service}: somebody was told {told:?}, which is not committed"));
        }
    }
    for (service, id, phase) in &seen.phases {
        if !after.steps(service).any(|(of, step)| of == *id && step.to == *phase) {
            return Err(format!("{service}: release {id} was shown in {phase}: not committed"));
        }
    }
    for ((service, client), (host, _)) in &seen.answers {
        not_too_early(service, *client, *host, after)?;
    }
    Ok(())
}

/// Whoever was answered with the new pool has been moved to it, unless that is committed to have been
/// undone.
fn not_too_early(service: &str, client: u8, host: IpAddr, after: &Committed) -> Result<(), String> {
    let Some(snapshot) = after.services.get(service) else { return Ok(()) };
    let is_of = |pools: &str| {
        let pools = pools.split([' ', '+']).map(|pool| pool.split(':').next().unwrap_or(pool));
        pools.filter(|pool| pool.starts_with('v')).any(|pool| address(service, pool) == host)
    };
    let told = || format!("{service}: client {client} was answered with {host}");
    let Some(release) = release(&snapshot.stage) else {
        // What answers at the beginning is of no release.
        let is_known = snapshot.releases == 0 || is_of(&after.known(service));
        return if is_known { Ok(()) } else { Err(format!("{}, of no release", told())) };
    };
    let is_first = |side: &cutover::cutover::Side| is_of(&side.to_string());
    if !is_of(&after.known(service)) && !is_first(&release.from) && !is_first(&release.safe) {
        return Err(format!("{}, of no release", told()));
    }
    let steps = || after.steps(service).filter(|(id, _)| *id == release.id);
    let is_earlier = after.records(service).iter().rev().skip(1).take(2);
    let is_earlier = is_earlier.flat_map(|record| [&record.from, &record.to]).any(|it| is_of(it));
    if steps().all(|(_, step)| step.to != "Shifting")
        && is_first(&release.to)
        && !is_first(&release.from)
        && !is_first(&release.safe)
        && !is_earlier
    {
        return Err(format!("{}, and no step is committed", told()));
    }
    Ok(())
}

/// Who is answered by what, as it was found out until now: each is to stay as it was.
#[derive(Default)]
pub(crate) struct Known(BTreeMap<(&'static str, String), Answers>);

impl Known {
    /// What is answered first after a crash is what was committed; before it the daemon cannot have
    /// learned anything.
    pub(crate) fn is_what_was_committed(
        &mut self,
        first: &Answers,
        last: &Timed,
        committed: &Committed,
    ) -> Result<(), String> {
        for town in &TOWNS {
            let Some(given) = committed.given(town.name) else { continue };
            let of_town = everybody().filter(|(service, _)| *service == town.name);
            let answers: Answers = of_town.filter_map(|it| Some((it, *first.get(&it)?))).collect();
            let may_be: BTreeSet<IpAddr> =
                pools(&given).map(|pool| address(town.name, pool)).collect();
            if answers.values().any(|host| !may_be.contains(host)) {
                return Err(format!("{}: {given:?} is committed, not {answers:?}", town.name));
            }
            let known = self.0.entry((town.name, format!("{given:?}")));
            let known = known.or_insert_with(|| answers.clone());
            if *known != answers {
                return Err(format!("{}: {given:?} was {known:?}, is {answers:?}", town.name));
            }
            self.are_nested(town.name, &given, &answers)?;
            stay_moved(town.name, &given, &answers, last, committed)?;
        }
        Ok(())
    }

    /// Whoever has moved at one share has moved at each greater one.
    fn are_nested(&self, service: &str, given: &Given, answers: &Answers) -> Result<(), String> {
        let Given::Apart { release, share, from, to } = given else { return Ok(()) };
        for other in (1..100).filter(|other| other != share) {
            let (release, from, to) = (*release, from.clone(), to.clone());
            let at = Given::Apart { release, share: other, from, to };
            let town = TOWNS.iter().find(|town| town.name == service).expect("a service");
            let Some(others) = self.0.get(&(town.name, format!("{at:?}"))) else { continue };
            let (few, many) = if other < *share { (others, answers) } else { (answers, others) };
            let (few, many) = (moved(few, given), moved(many, given));
            if !few.is_subset(&many) {
                return Err(format!("{service}: {few:?} at less, {many:?} at more: {given:?}"));
            }
        }
        Ok(())
    }
}

/// Whoever had moved when the last daemon died has moved now. What was answered before the last change
/// of phase, or before the first step, may be another release's.
fn stay_moved(
    service: &str,
    given: &Given,
    first: &Answers,
    last: &Timed,
    committed: &Committed,
) -> Result<(), String> {
    let Given::Apart { release, .. } = given else { return Ok(()) };
    let steps = || committed.steps(service).filter(|(id, _)| id == release);
    let shifts = steps().filter(|(_, step)| step.to == "Shifting").count();
    let Some((_, newest)) = steps().last() else { return Ok(()) };
    if shifts <= 1 && newest.to == "Shifting" {
        return Ok(());
    }
    let last = last.iter().filter(|((of, _), (_, at))| *of == service && *at > newest.at);
    let last = moved(&last.map(|(who, (host, _))| (*who, *host)).collect(), given);
    let now = moved(first, given);
    match last.is_subset(&now) {
        true => Ok(()),
        false => Err(format!("{service}: {last:?} had moved, and now {now:?}: {given:?}")),
    }
}

/// Whoever is answered by what the rest cannot be answered by.
fn moved(answers: &Answers, given: &Given) -> BTreeSet<u8> {
    let Given::Apart { from, .. } = given else { return BTreeSet::new() };
    let is_of_rest = |service: &str, host: IpAddr| {
        from.iter().any(|pool| address(service, pool_name(pool)) == host)
    };
    let moved = answers.iter().filter(|((service, _), host)| !is_of_rest(service, **host));
    moved.map(|((_, client), _)| *client).collect()
}

fn pools(given: &Given) -> impl Iterator<Item = &str> {
    let (some, more) = match given {
        Given::All(pools) => (pools.as_slice(), [].as_slice()),
        Given::Apart { from, to, .. } => (from.as_slice(), to.as_slice()),
    };
    some.iter().chain(more).map(|pool| pool_name(pool))
}

fn pool_name(pool: &str) -> &str {
    pool.split(':').next().unwrap_or(pool)
}
