//! Floor 2: probes, run against the endpoints' addresses.
//!
//! [`run_once`] makes one try of any kind; each kind is one file. [`schedule`] decides purely
//! when the next try of each endpoint is due; [`Prober`] is the task that runs what is due.
//! What a try means for an endpoint is decided by `health`.
//!
//! A probe goes straight to the address: no proxy, no resolver, no redirect.

mod http;
mod prober;
mod schedule;
mod tcp;

#[cfg(test)]
mod battery;

use std::{net::IpAddr, time::Instant};

pub use prober::{Assignment, Prober, Tried};

use crate::{
    health::Outcome,
    model::{ProbeKind, ProbeSpec},
};

/// Why a try did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The endpoint's doing, in one sentence.
    Endpoint(String),
    /// Our own: no descriptor, no port, no memory was left. Says nothing about the endpoint.
    Ours(String),
}

/// Makes one try. `Err` says that it could not be made, which is no verdict on the endpoint.
pub async fn run_once(spec: &ProbeSpec, address: IpAddr) -> Result<Outcome, String> {
    let begun = Instant::now();
    let attempt = async {
        match &spec.kind {
            ProbeKind::Tcp(probe) => tcp::attempt(probe, address).await,
            ProbeKind::Http(probe) => http::attempt(probe, address).await,
        }
    };
    let result = match tokio::time::timeout(spec.timeout, attempt).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(Failure::Endpoint(reason))) => Err(reason),
        Ok(Err(Failure::Ours(reason))) => return Err(reason),
        Err(_) => Err(format!("no answer within {}", humantime::format_duration(spec.timeout))),
    };
    Ok(Outcome { latency: begun.elapsed(), result })
}
