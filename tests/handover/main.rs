//! A daemon takes the place of another under load: no question is lost and no connection reset.

#[path = "../common/mod.rs"]
mod common;
mod failures;
mod load;
mod process;
mod successions;
mod systemd;
