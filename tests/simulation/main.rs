//! Releases by the thousand, in front of simulated caches.
//!
//! The pure record table and the pure machine on a simulated clock, with what the daemon does
//! between them in a few lines ([`conductor`]); in front, caches that clients ask at random
//! ([`caches`]). One seed is one service in a [`world`] of its own, and a person who edits, orders
//! and breaks things ([`scene`]). After each event everything is compared with what was promised
//! ([`promises`], [`proof`]). Where there is a formula, it is compared with that ([`formulas`]).
//!
//! `CUTOVER_SEEDS` in the environment says how many seeds, and `CUTOVER_FIRST_SEED` from which on;
//! `CUTOVER_SEED` plays one alone and tells its story (with `--nocapture`).

mod answers;
mod caches;
mod chance;
mod conductor;
mod formulas;
mod held;
mod promises;
mod proof;
mod scene;
mod seen;
mod wanted;
mod world;

use std::{
    panic::catch_unwind,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    thread,
};

use scene::{Played, play};
use seen::Seen;

/// So many that a run without optimisation takes some seconds.
const SEEDS: u64 = 800;
/// The end of a story is what is told of a seed that failed.
const LINES_MAX: usize = 60;
/// So many of the seeds that failed are named.
const SHOWN_MAX: usize = 10;

#[test]
fn whatever_happens_every_promise_is_kept() {
    if let Some(seed) = number("CUTOVER_SEED") {
        let Played { ended, story } = play(seed, true);
        say(&story.join("\n"));
        assert_eq!(ended.err(), None, "seed {seed}");
        return;
    }
    let first = number("CUTOVER_FIRST_SEED").unwrap_or(0);
    let seeds = number("CUTOVER_SEEDS").unwrap_or(SEEDS);
    let (seen, broken) = play_all(first..first + seeds);
    say(&seen.to_string());
    if let Some((seed, _)) = broken.first() {
        let some: Vec<String> =
            broken.iter().take(SHOWN_MAX).map(|(seed, why)| format!("{seed}: {why}")).collect();
        let (count, some) = (broken.len(), some.join("\n"));
        panic!(
            "{count} of {seeds} seeds broke a promise\n{some}\nCUTOVER_SEED={seed}:\n{}",
            story(*seed)
        );
    }
    assert_eq!(seen.seeds, seeds);
    if seeds >= SEEDS {
        everything_happened(&seen);
    }
}

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[allow(clippy::print_stdout, reason = "shown with --nocapture alone")]
fn say(text: &str) {
    println!("{text}");
}

/// Plays seeds on all cores; says what was seen, and which of them broke a promise.
fn play_all(seeds: std::ops::Range<u64>) -> (Seen, Vec<(u64, String)>) {
    let next = AtomicU64::new(seeds.start);
    let run = || {
        let (mut seen, mut broken) = (Seen::default(), Vec::new());
        loop {
            let seed = next.fetch_add(1, Relaxed);
            if seed >= seeds.end {
                return (seen, broken);
            }
            match catch_unwind(|| play(seed, false).ended) {
                Ok(Ok(one)) => seen = seen.and(one),
                Ok(Err(why)) => broken.push((seed, why)),
                Err(_) => broken.push((seed, "a panic".to_owned())),
            }
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
        let ended = running.into_iter().map(|thread| thread.join().expect("panics are caught"));
        let (mut seen, mut broken) = (Seen::default(), Vec::new());
        for (other, others) in ended {
            seen = seen.and(other);
            broken.extend(others);
        }
        broken.sort_unstable();
        (seen, broken)
    })
}

/// What led to the promise that a seed breaks, and which it is.
fn story(seed: u64) -> String {
    let Played { ended, mut story } = play(seed, true);
    story.push(format!("{:?}", ended.err()));
    let from = story.len().saturating_sub(LINES_MAX);
    story[from..].join("\n")
}

/// There was something to see in each phase and by each way out of it.
fn everything_happened(seen: &Seen) {
    let Seen { seeds, releases, answers, lookups, fallbacks, stretched, pinned, .. } = *seen;
    assert!(lookups > seeds / 4, "{seen}");
    assert!(releases > seeds * 2 && answers > seeds * 100, "{seen}");
    assert!(fallbacks > seeds / 20 && stretched > 0 && pinned > 0, "{seen}");
    for phase in cutover::cutover::phase::Phase::NAMES {
        assert!(seen.edges.keys().any(|(_, to)| *to == phase), "never {phase}: {seen}");
    }
    // Shifting never outlasts an event: the table is stored at once.
    for phase in ["Probing", "Waiting", "Settling", "Judging", "Paused", "Baking", "Draining"] {
        let is_rolled_back = seen.asked.contains_key(&("rollback", phase, true));
        assert!(is_rolled_back, "no rollback in {phase}: {seen}");
    }
}
