//! The real binary, killed at random instants and at labelled places, a thousand times where asked.
//!
//! A seed is one zone ([`town`]) with a daemon that is killed again and again while people edit its
//! release file, say verbs and hand over ([`scene`]). After each death what is on disk ([`committed`])
//! is compared with what was there before and with what was [`seen`], and the next daemon's first
//! answers with what is on disk ([`promises`], [`steps`]): they are given before any probe has
//! returned, and where the file is gone.
//!
//! `CUTOVER_CRASHES` in the environment says how often to kill, and `CUTOVER_FIRST_SEED` from which
//! seed on; `CUTOVER_SEED` plays one alone and tells its story (with `--nocapture`). Times are not
//! simulated: a seed gives the same edits and verbs, but not to the microsecond at the same instant.

#![cfg(target_os = "linux")] // All of 127.0.0.0/8 is there.

#[path = "../simulation/chance.rs"]
#[allow(dead_code, reason = "the simulation uses the rest of it")]
mod chance;
mod committed;
#[path = "../common/mod.rs"]
mod common;
mod hosts;
mod process;
mod promises;
mod scene;
mod seen;
mod steps;
mod town;

use std::time::SystemTime;

use cutover::model::Timestamp;
use tokio::task::JoinSet;

use scene::{Played, play};

/// So many that a run takes some seconds.
const CRASHES: u64 = 30;
/// Of one seed.
const LIVES: u64 = 15;
/// Seeds that are played side by side: a daemon mostly waits.
const SIDE_BY_SIDE: usize = 4;
/// The end of a story is what is told of a seed that failed.
const LINES_MAX: usize = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whenever_it_is_killed_nothing_committed_is_lost_and_no_step_is_skipped() {
    if let Some(seed) = number("CUTOVER_SEED") {
        let (ended, story) = play(seed, LIVES).await;
        say(&story.join("\n"));
        say(&ended.unwrap_or_else(|why| panic!("seed {seed}: {why}")).to_string());
        return;
    }
    let crashes = number("CUTOVER_CRASHES").unwrap_or(CRASHES);
    let first = number("CUTOVER_FIRST_SEED").unwrap_or(0);
    let mut seeds = first..first + crashes.div_ceil(LIVES);
    let mut playing = JoinSet::new();
    let mut played = Played::default();
    loop {
        while playing.len() < SIDE_BY_SIDE
            && let Some(seed) = seeds.next()
        {
            playing.spawn(async move { (seed, play(seed, LIVES).await) });
        }
        let Some(one) = playing.join_next().await else { break };
        let (seed, (ended, story)) = one.expect("no panic");
        let from = story.len().saturating_sub(LINES_MAX);
        let one = ended.unwrap_or_else(|why| {
            panic!("seed {seed}\n{}\n{why}", story[from..].join("\n"));
        });
        played = played.and(one);
    }
    say(&played.to_string());
    assert!(played.killed >= crashes, "{played}");
    assert!(played.releases > 0 && played.steps > 0, "{played}");
    if crashes >= 10 * CRASHES {
        everything_happened(&played);
    }
}

/// Each place was one to die at, and steps were judged between deaths.
fn everything_happened(played: &Played) {
    use cutover::daemon::failpoint::Place;
    for place in Place::ALL.iter().filter(|_| cfg!(debug_assertions)) {
        assert!(played.by_place.contains_key(place.name()), "never {place:?}: {played}");
    }
    assert!(played.judged > 0 && played.rolled_back > 0 && played.done > 0, "{played}");
}

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

fn now() -> Timestamp {
    let since = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970");
    Timestamp::from_unix_micros(since.as_micros() as u64)
}

#[allow(clippy::print_stdout, reason = "shown with --nocapture alone")]
fn say(text: &str) {
    println!("{text}");
}
