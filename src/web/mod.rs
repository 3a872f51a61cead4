//! Floor 2: HTTP to others, as a client.
//!
//! [`Client`] sends one request and reads the reply, within one limit of time and octets.
//! [`signature`] lets a receiver know who has sent it, with what stands in a [`mod@file`].
//! [`prometheus`] asks for values, [`confirm`] whether a step may be taken. Left out: proxies,
//! redirects, cookies, connections that are kept for the next request. Probes have clients of their
//! own, which tell the doing of an endpoint from ours.

mod client;
pub mod confirm;
pub mod file;
pub mod prometheus;
pub mod signature;
#[cfg(test)]
mod tests;
mod trust;

pub use client::{Client, Reply, request};
