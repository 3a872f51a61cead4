//! What a simulation has seen: that it was not idle, and what is counted apart.

use std::{collections::BTreeMap, fmt};

use cutover::cutover::{Transition, Verb};

/// Counts, of one seed or of many.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) seeds: u64,
    pub(crate) releases: u64,
    pub(crate) answers: u64,
    pub(crate) stores: u64,
    /// Names that were looked up.
    pub(crate) lookups: u64,
    /// Tables that answered with another pool than was to answer, because that one was down.
    pub(crate) fallbacks: u64,
    /// Caches that still held a pool when it was said to be drained: those that stretch TTLs, and
    /// browsers.
    pub(crate) stretched: u64,
    pub(crate) pinned: u64,
    /// From a phase to a phase.
    pub(crate) edges: BTreeMap<(&'static str, &'static str), u64>,
    /// Verbs by phase that were done, and that were refused.
    pub(crate) asked: BTreeMap<(&'static str, &'static str, bool), u64>,
}

impl Seen {
    pub(crate) fn transition(&mut self, transition: &Transition) {
        // They are numbered from 1.
        self.releases = self.releases.max(transition.release.unwrap_or_default());
        *self.edges.entry((transition.from, transition.to)).or_default() += 1;
    }

    pub(crate) fn asked(&mut self, verb: Verb, phase: &'static str, done: bool) {
        *self.asked.entry((verb.name(), phase, done)).or_default() += 1;
    }

    /// Both together.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.seeds += other.seeds;
        self.releases += other.releases;
        self.answers += other.answers;
        self.stores += other.stores;
        self.lookups += other.lookups;
        self.fallbacks += other.fallbacks;
        self.stretched += other.stretched;
        self.pinned += other.pinned;
        for (edge, count) in other.edges {
            *self.edges.entry(edge).or_default() += count;
        }
        for (asked, count) in other.asked {
            *self.asked.entry(asked).or_default() += count;
        }
        self
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seeds, releases, answers, stores, lookups, .. } = self;
        let Self { fallbacks, stretched, pinned, edges, asked, .. } = self;
        writeln!(f, "{seeds} seeds: {releases} releases, {stores} tables, {answers} answers")?;
        writeln!(f, "{lookups} times a name was looked up")?;
        writeln!(f, "{fallbacks} tables with another pool in place of one that was down")?;
        writeln!(f, "{stretched} answers stretched and {pinned} pinned beyond a horizon")?;
        edges.iter().try_for_each(|((from, to), count)| writeln!(f, "{from} to {to}: {count}"))?;
        asked.iter().try_for_each(|((verb, phase, is_done), count)| {
            let outcome = if *is_done { "done" } else { "refused" };
            writeln!(f, "{verb} in {phase}, {outcome}: {count}")
        })
    }
}
