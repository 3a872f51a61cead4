//! Floor 2: questions to DNS servers of others, for `cutover check --delegation` and for names that pools
//! point at.
//!
//! One question to one server, by UDP and TCP, in a limited time; or both questions for the addresses of
//! a name, to one resolver after the other. Nothing is cached, nothing is followed, and nothing is
//! validated: what the answers mean is decided by `delegation` and by `target`.

mod exchange;
mod look_up;
mod system;

#[cfg(test)]
mod tests;

pub use exchange::{By, Question, ask};
pub use look_up::look_up;
pub use system::resolvers;
