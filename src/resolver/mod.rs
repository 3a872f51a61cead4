//! Floor 2: questions to DNS servers of others, for `cutover check --delegation`.
//!
//! One question to one server, by UDP and TCP, in a limited time. Nothing is cached, nothing is
//! followed, and nothing is validated: what the answers mean is decided by `delegation`.

mod exchange;
mod system;

#[cfg(test)]
mod tests;

pub use exchange::{By, Question, ask};
pub use system::resolvers;
