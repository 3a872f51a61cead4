//! The page in a real browser: Debian's Chromium, driven over WebDriver, in front of the real daemon.
//!
//! `apt-get install chromium chromium-driver`, and `npm` for what axe-core says of accessibility; what is not
//! there is said to be skipped. Pictures of each phase are put into `target/browser/`, to be looked at.
//! Nothing here depends on how long something takes; what is measured is printed.

#![cfg(target_os = "linux")] // All of 127.0.0.0/8 is there.

mod acts;
mod again;
#[path = "../common/mod.rs"]
mod common;
mod driver;
mod hostile;
mod many;
mod plain;
mod release;
mod scene;
