//! An authoritative DNS server that releases software.
//!
//! A release means: new hosts are probed while they take no traffic, then the answers move to
//! them in one atomic swap, are watched, and go back by themselves when something breaks.
//!
//! # The map
//!
//! Four floors; a floor knows only those below it (`tests/tidy.rs` keeps it so). Read from the
//! bottom up:
//!
//! - Floor 0, [`model`]: the words as types. An invalid value cannot be built.
//! - Floor 1, pure, with time and chance as arguments:
//!   - [`health`]: outcomes of probes become verdicts, and what releases must prove evidence.
//!   - [`cutover`]: the release machine of one service, phase by phase.
//!   - [`table`]: the immutable record table; [`table::Table::answer`] decides every answer.
//!   - [`delegation`]: what is wrong with the delegation of the zone, from what others answer.
//!   - [`target`]: what the replies about a name that a pool points at mean, and when it is looked up.
//! - Floor 2, the edges; they never know each other:
//!   - [`config`]: the two files, their mistakes, and their changes.
//!   - [`probe`]: tries of endpoints, one file per kind; smoke tests and measurements.
//!   - [`dns`]: packets in, packets out.
//!   - [`admin`]: the page, metrics, status and the operator's verbs over HTTP, and the verbs over a
//!     Unix socket.
//!   - [`resolver`]: questions to DNS servers of others.
//!   - [`store`]: what is kept over restarts.
//!   - [`web`]: HTTP to others (Prometheus, hooks, who must say yes), and signatures of what is sent.
//! - Floor 3, the wiring:
//!   - [`daemon`]: the one writer of the state, the tasks, events out, and the handover to a
//!     successor.
//!   - [`cli`]: the verbs, and the demo.
//!
//! # The two planes
//!
//! The control plane is one task, the conductor. It takes events, lets the machines decide, and
//! stores a new [`table::Table`] in one `ArcSwap`. The data plane loads it once per question and
//! never waits for anything above: it answers the last good table whatever happens there.

pub mod admin;
pub mod cli;
pub mod config;
pub mod cutover;
pub mod daemon;
pub mod delegation;
pub mod dns;
pub mod health;
pub mod model;
pub mod probe;
pub mod resolver;
pub mod store;
pub mod table;
pub mod target;
pub mod web;
