//! Response rate limiting: nobody is flooded with our answers in another's name.
//!
//! Whoever forges a sender's address makes us answer to someone who has not asked. So each client
//! network has a token bucket for each class of answer; what is over the limit is sent truncated,
//! for a real client to ask again over TCP, or dropped.
//!
//! Truncated replies alone only bring a flood down to its own size, and the full answers that the
//! bucket lets pass come on top. So each network has an account in octets: a full answer puts it
//! into debt by what it is longer than its question, and while it owes something, limited answers
//! are dropped instead of truncated, each paying the length of its question. As long as the
//! questions come in at least as fast, in octets, as the bucket lets answers out, no more is sent
//! than was received, but for what passes until the bucket is first empty, and that is soon paid;
//! nor is more dropped than that takes. A slower flood gets what the bucket lets out and no more.
//!
//! Each worker has a [`Limiter`] of its own, so nothing is shared, locked or atomic, and each gets
//! its part of the rate: the kernel spreads the ports of a network over the workers. Left out:
//! clients with a valid cookie and TCP, which are never asked about, and sending.

mod table;
#[cfg(test)]
mod tests;

use std::{net::Ipv6Addr, time::Duration};

use super::response::Code;
use crate::model::{Network, RrlSettings};
pub(super) use table::NetworkHash;
use table::{Entry, Key, Pace, Table};

/// Kinds of answer, each with a bucket of its own: a flood of one does not keep a network from
/// the others. No more than a set of the table can hold, or a network could push out itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Records.
    Positive,
    /// The name exists, the type does not.
    NoData,
    /// The name does not exist.
    NxDomain,
    /// Everything else: REFUSED, FORMERR, NOTIMP, BADVERS, SERVFAIL.
    Error,
}

impl Class {
    #[cfg(test)]
    pub(super) const ALL: [Self; 4] = [Self::Positive, Self::NoData, Self::NxDomain, Self::Error];

    /// The class of an answer with this RCODE, and with or without records in its answer section.
    #[inline]
    pub(super) const fn of(code: Code, has_records: bool) -> Self {
        match (code, has_records) {
            (Code::NO_ERROR, true) => Self::Positive,
            (Code::NO_ERROR, false) => Self::NoData,
            (Code::NX_DOMAIN, _) => Self::NxDomain,
            _ => Self::Error,
        }
    }
}

/// Lengths of messages, in octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lengths {
    /// Of the question.
    pub(super) asked: u16,
    /// Of the whole answer.
    pub(super) answer: u16,
    /// Of what would be sent instead if it were to be truncated. Longer than the question when it
    /// carries a cookie that the question did not.
    pub(super) truncated: u16,
}

impl Lengths {
    /// From lengths of messages, none of which has more than 65,535 octets.
    pub(super) fn new(asked: usize, answer: usize, truncated: usize) -> Self {
        let len = |len| u16::try_from(len).unwrap_or(u16::MAX);
        Self { asked: len(asked), answer: len(answer), truncated: len(truncated) }
    }
}

/// What is to become of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limited {
    /// Send it.
    Pass,
    /// Send header, question and OPT alone, with TC set. An error keeps its code.
    Truncate,
    /// Send nothing.
    Drop,
}

/// The buckets of one worker.
pub(super) struct Limiter {
    table: Table,
    pace: Pace,
    slip: u32,
    log_only: bool,
    exempt: Box<[Network]>,
}

impl Limiter {
    /// The limiter of one of `workers` workers, or nothing if nothing is to be limited. `key`
    /// must be drawn at random: with it, nobody can choose networks that share a place.
    pub(super) fn new(settings: &RrlSettings, workers: usize, key: (u64, u64)) -> Option<Self> {
        let prefixes = (settings.ipv4_prefix, settings.ipv6_prefix);
        settings.enabled.then(|| Self {
            table: Table::new(settings.table_entries, Key::new(key, prefixes)),
            pace: pace(settings.responses_per_second, settings.window, workers),
            slip: u32::from(settings.slip).min(table::COUNT_MAX),
            log_only: settings.log_only,
            exempt: settings.exempt.as_slice().into(),
        })
    }

    /// What [`Self::check`] finds a client by, whatever the class of its answer; and makes the
    /// processor fetch what it finds. Worth it for a whole batch, before the first is answered.
    #[inline]
    pub(super) fn prefetch(&self, client: Ipv6Addr) -> NetworkHash {
        let network = self.table.hash(client);
        self.table.touch(network);
        network
    }

    /// Counts an answer, and says what is to become of it, at a time in milliseconds that wraps.
    /// What to do is what [`Self::enforced`] makes of it; this is what to count.
    #[inline(always)]
    pub(super) fn check(
        &mut self,
        now_millis: u32,
        (client, network): (Ipv6Addr, NetworkHash),
        class: Class,
        lengths: Lengths,
    ) -> Limited {
        let entry = self.table.entry(now_millis, network, class, &self.pace);
        if entry.take(&self.pace) {
            entry.owe(i32::from(lengths.answer) - i32::from(lengths.asked));
            return Limited::Pass;
        }
        over_the_limit(entry, self.slip, &self.exempt, client, lengths)
    }

    /// What is to be done: what was found, or nothing if it was only to be counted.
    #[inline]
    pub(super) const fn enforced(&self, found: Limited) -> Limited {
        if self.log_only { Limited::Pass } else { found }
    }
}

/// What is to become of an answer for which nothing is left in the bucket. Who is exempt is looked
/// at here, so that others do not pay for it.
#[inline]
fn over_the_limit(
    entry: &mut Entry,
    slip: u32,
    exempt: &[Network],
    client: Ipv6Addr,
    lengths: Lengths,
) -> Limited {
    if !exempt.is_empty() && is_exempt(exempt, client) {
        return Limited::Pass;
    }
    let asked = i32::from(lengths.asked);
    let due = entry.count_to(slip);
    if due && !entry.owes() {
        entry.begin_count();
        entry.owe(i32::from(lengths.truncated) - asked);
        return Limited::Truncate;
    }
    entry.owe(-asked);
    Limited::Drop
}

#[inline(never)]
fn is_exempt(exempt: &[Network], client: Ipv6Addr) -> bool {
    exempt.iter().any(|network| network.contains(client.to_canonical()))
}

/// One answer costs `1000 * workers`, and each millisecond gives back as much as there are answers
/// per second for all workers: so each worker has exactly its part of the rate, in whole numbers.
fn pace(responses_per_second: u32, window: Duration, workers: usize) -> Pace {
    const MILLIS: u32 = 1_000;
    const WORKERS_MAX: u32 = 4_096;
    let workers = u32::try_from(workers).unwrap_or(WORKERS_MAX).clamp(1, WORKERS_MAX);
    // At least one answer per second and worker.
    let refill = responses_per_second.max(workers);
    let window_secs = u32::try_from(window.as_secs()).unwrap_or(u32::MAX).max(1);
    let capacity = refill.saturating_mul(window_secs).saturating_mul(MILLIS);
    Pace { cost: workers * MILLIS, refill, capacity }
}
