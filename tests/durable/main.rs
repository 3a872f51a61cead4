//! What survives a restart, a crash and a disk that cannot be written: the real daemon.

#[path = "../common/mod.rs"]
mod common;
mod crash;
mod events;
mod full;
#[path = "../handover/process.rs"]
#[allow(dead_code, reason = "the tests of the handover use the rest of it")]
mod process;
mod restart;
mod scene;
mod succession;
mod unusable;
