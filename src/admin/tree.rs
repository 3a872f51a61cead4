//! The status document as a tree of text: for `cutover status`, and for whoever asks the HTTP listener
//! without being a browser.

use super::status::{
    AnsweredStatus, ClearingStatus, EndpointStatus, FreezeStatus, HookStatus, InstantStatus,
    NextStatus, PoolStatus, RollbackStatus, ServiceStatus, Status, StoreStatus, TargetStatus,
};

/// How many names of a service are shown that another one has: each endpoint may have one.
pub(super) const TAKEN_MAX: usize = 3;

/// The whole tree, ending with a line feed.
pub fn tree(status: &Status) -> String {
    let Status { zone, generation, serial, .. } = status;
    let mut lines = vec![format!("{zone}  generation {generation}  serial {serial}")];
    lines.extend(freeze_line(status));
    lines.extend(status.doubted_since.as_ref().map(|since| {
        format!(
            "EVERY PROBE FAILS since {since}: this daemon may be cut off; verdicts stay as they were"
        )
    }));
    lines.extend(zone_lines(status));
    lines.push(file_line(status));
    for error in &status.file.errors {
        let place = if error.line > 0 {
            format!("{}:{}: ", error.line, error.column)
        } else {
            String::new()
        };
        lines.push(format!("   {place}{}", error.message));
    }
    lines.extend(store_line(&status.store));
    lines.extend(status.events.iter().filter_map(|(name, hook)| hook_line(name, hook)));
    let services: Vec<Vec<String>> =
        status.services.iter().map(|(name, service)| service_lines(name, service)).collect();
    lines.extend(branches(services));
    lines.join("\n") + "\n"
}

fn freeze_line(status: &Status) -> Option<String> {
    let FreezeStatus { by, reason, since } = status.freeze.as_ref()?;
    let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    Some(format!("FROZEN since {since} by {by}{reason}; no release takes a step"))
}

/// The zones behind the first one, names that people read otherwise, and zone files that were refused.
fn zone_lines(status: &Status) -> Vec<String> {
    let mut lines = Vec::new();
    let also = |unicode: &Option<String>| {
        unicode.as_ref().map(|unicode| format!(" ({unicode})")).unwrap_or_default()
    };
    for (apex, zone) in &status.zones {
        if *apex != status.zone {
            lines.push(format!("{apex}{}  serial {}", also(&zone.unicode), zone.serial));
        } else if zone.unicode.is_some() {
            lines.push(format!("{apex} is{}", also(&zone.unicode)));
        }
    }
    lines.extend(
        status
            .zones_refused
            .as_ref()
            .map(|why| format!("ZONE FILE REFUSED: what is served is what was read before: {why}")),
    );
    lines
}

fn file_line(status: &Status) -> String {
    let file = &status.file;
    let path = &file.path;
    match (&file.loaded_at, file.accepted) {
        (Some(at), true) if file.waiting => {
            format!("{path} WAITS: good, read {at}, and carried out once that can be kept")
        }
        (Some(at), true) => format!("{path} accepted, read {at}"),
        (Some(at), false) => {
            format!("{path} REFUSED: what is served is what was read {at}")
        }
        (None, _) if status.ready => format!(
            "{path} REFUSED: what is served is what was kept; no good file has been read since the \
             start"
        ),
        (None, _) => format!("{path} REFUSED: no good one has been read since the start"),
    }
}

/// Nothing to say as long as all is well.
fn store_line(store: &StoreStatus) -> Option<String> {
    let StoreStatus { path, error, since, .. } = store;
    let (error, since) = (error.as_ref()?, since.as_deref().unwrap_or_default());
    Some(format!(
        "{path} CANNOT BE WRITTEN since {since}: {error}\n   releases stand still until it can be; \
         answers go on"
    ))
}

/// Likewise.
fn hook_line(name: &str, hook: &HookStatus) -> Option<String> {
    let HookStatus { pending, error, since } = hook;
    let (error, since) = (error.as_ref()?, since.as_deref().unwrap_or_default());
    Some(format!("hook {name} TAKES NO EVENTS since {since}: {error} ({pending} waiting)"))
}

fn service_lines(name: &str, service: &ServiceStatus) -> Vec<String> {
    let ServiceStatus { phase, health, ttl, .. } = service;
    let name = match &service.unicode {
        Some(unicode) => format!("{name} ({unicode})"),
        None => name.to_owned(),
    };
    let until = service.until.as_ref().map(|at| format!(" until {at}")).unwrap_or_default();
    let orphaned = if service.orphaned { "  ORPHANED: no longer in the file" } else { "" };
    let unkept = if service.unkept { "  NOT KEPT: a restart would forget this" } else { "" };
    let group = service.group.as_ref().map(|group| format!("  group {group}")).unwrap_or_default();
    let mut lines =
        vec![format!("{name}  {phase}{until}  {health}  ttl {ttl} s{group}{orphaned}{unkept}")];
    if let Some(release) = &service.release {
        let (id, from, to, at) = (release.id, &release.from, &release.to, &release.started_at);
        let (step, steps, share) = (release.step, release.steps, release.share);
        let ramp =
            if steps > 1 { format!(", step {step} of {steps}: {share} %") } else { String::new() };
        lines.push(format!("│  release {id}: {from} → {to}{ramp}, begun {at}"));
        lines.extend(release.reason.iter().map(|reason| format!("│  because {reason}")));
        lines.extend(release.instant.iter().map(|instant| format!("│  {}", instant_line(instant))));
        lines.extend(release.proof.lines().into_iter().map(|line| format!("│  {line}")));
    }
    lines.extend(service.next.as_ref().map(|next| format!("│  {}", next_line(next))));
    lines.extend(service.rollback.as_ref().map(|back| format!("│  {}", rollback_line(back))));
    lines.extend(service.clients.map(|clients| {
        format!("│  answers stray like those of {clients:.0} equally busy client networks")
    }));
    lines.extend(service.taken.iter().take(TAKEN_MAX).map(|(name, other)| {
        format!("│  {name} IS ANSWERED AS A NAME OF {other}, until that has it no longer")
    }));
    if let Some(more) = service.taken.len().checked_sub(TAKEN_MAX).filter(|more| *more > 0) {
        lines.push(format!("│  and {more} more of its names"));
    }
    // With a release it is the reason, unless something worse is.
    if service.release.is_none() {
        lines.extend(service.waits.iter().map(|waits| format!("│  waits: {waits}")));
    }
    let pools: Vec<Vec<String>> =
        service.pools.iter().map(|(name, pool)| pool_lines(name, pool)).collect();
    lines.extend(branches(pools));
    lines
}

fn instant_line(instant: &InstantStatus) -> String {
    let InstantStatus { at, state, put_off_from, smears_until } = instant;
    let put_off = put_off_from.as_ref().map(|asked| format!(", put off from {asked}"));
    let smears = smears_until.as_ref().map(|end| format!(": caches smear it until {end}"));
    let whole_ttl = (state == "missed").then(|| ": the new pool had not passed".to_owned());
    let more: String = [put_off, smears, whole_ttl].into_iter().flatten().collect();
    format!("instant {at} {state}{more}")
}

fn next_line(NextStatus { what, at }: &NextStatus) -> String {
    let at = at.as_ref().map(|at| format!(", {at}")).unwrap_or_default();
    format!("next{at}: {what}")
}

/// What a rollback would do, and how long caches would take.
pub(super) fn rollback_line(back: &RollbackStatus) -> String {
    let RollbackStatus { to, refused, clears_in_secs, .. } = back;
    match refused {
        Some(why) => format!("no way back to {to}: {why}"),
        None => format!("if rolled back to {to} now, caches clear in {clears_in_secs} s"),
    }
}

fn answered(AnsweredStatus { share, deviation, answers }: &AnsweredStatus) -> String {
    let deviation = deviation.map(|it| format!(" ± {it:.1}")).unwrap_or_default();
    format!("  answered {share:.1} %{deviation} of {answers}")
}

fn pool_lines(name: &str, pool: &PoolStatus) -> Vec<String> {
    let moving = pool.endpoints.iter().any(|endpoint| endpoint.change.is_some());
    let in_file = match (pool.in_file, moving) {
        (true, _) => "",
        (false, true) => "  follows the file once as many endpoints are proven",
        (false, false) => "  not in the file",
    };
    let answered = pool.answered.as_ref().map(answered).unwrap_or_default();
    let (share, caches) = (pool.share, caches(pool));
    let mut lines = vec![format!("{name}  {share:>3} %{answered}{caches}{in_file}")];
    let stem = if pool.endpoints.is_empty() { "   " } else { "│  " };
    lines.extend(pool.target.iter().map(|target| format!("{stem}{}", target_line(target))));
    lines.extend(branches(pool.endpoints.iter().map(|endpoint| vec![endpoint_line(endpoint)])));
    lines
}

/// Where a pool points to, and how far that is known.
pub(super) fn target_line(target: &TargetStatus) -> String {
    let TargetStatus { kind, name, ttl, found_at, trouble, trouble_since } = target;
    let ttl = ttl.map(|ttl| format!(", known for {ttl} s")).unwrap_or_default();
    let found = match (found_at, trouble) {
        (Some(at), _) => format!("found at {at}{ttl}"),
        (None, Some(_)) => "not found since the start".to_owned(),
        (None, None) => "being looked up".to_owned(),
    };
    let trouble = trouble.as_ref().zip(trouble_since.as_ref());
    let trouble = trouble.map(|(why, since)| format!("; since {since}: {why}")).unwrap_or_default();
    format!("{kind} {name}: {found}{trouble}")
}

/// Whether caches may still hold a pool that has no share, and what follows from that.
fn caches(pool: &PoolStatus) -> String {
    let Some(horizon) = pool.horizon.as_ref().filter(|_| pool.share == 0) else {
        return String::new();
    };
    let Some(off_from) = &pool.off_from else {
        return "  needed: it serves, or a release or its way back may give it clients".to_owned();
    };
    match (pool.drained, pool.off) {
        (_, true) => format!("  can be switched off since {off_from}"),
        (true, false) => format!("  drained since {horizon}, can be switched off from {off_from}"),
        (false, _) => {
            let left = pool.clearing.as_ref().map(left).unwrap_or_default();
            format!("  in caches until {horizon}{left}, can be switched off from {off_from}")
        }
    }
}

fn left(clearing: &ClearingStatus) -> String {
    format!(" (about {:.0} % of what they held)", clearing.remaining * 100.0)
}

fn endpoint_line(endpoint: &EndpointStatus) -> String {
    let answered = if endpoint.answered { "answered" } else { "" };
    let mut line = format!("{:<15}  {:<8}  {answered:<8}", endpoint.address, endpoint.verdict);
    if let Some(change) = &endpoint.change {
        line.push_str(&format!("  {change}"));
    }
    if let Some(since) = &endpoint.since {
        line.push_str(&format!("  since {since}"));
    }
    if let Some(latency) = endpoint.latency_ms {
        line.push_str(&format!("  {latency:.1} ms"));
    }
    if let Some(reason) = endpoint.reason.as_ref().or(endpoint.warning.as_ref()) {
        line.push_str(&format!("  {reason}"));
    }
    line.trim_end().to_owned()
}

/// Draws blocks of lines as the branches of what stands above them.
fn branches(blocks: impl IntoIterator<Item = Vec<String>>) -> Vec<String> {
    let mut blocks = blocks.into_iter().peekable();
    let mut lines = Vec::new();
    while let Some(block) = blocks.next() {
        let (first, rest) =
            if blocks.peek().is_some() { ("├─ ", "│  ") } else { ("└─ ", "   ") };
        for (at, line) in block.into_iter().enumerate() {
            lines.push(format!("{}{line}", if at == 0 { first } else { rest }));
        }
    }
    lines
}
