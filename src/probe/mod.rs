//! Floor 2: probes, run against the endpoints' addresses.
//!
//! [`run_once`] makes one try, of all checks at once; each kind of check is one file. [`mod@verdict`] says
//! what they mean together. [`schedule`] decides purely when the next try of each endpoint is due;
//! [`Prober`] is the task that runs what is due. What a try means for an endpoint is decided by
//! `health`. [`measure()`] and [`smoke_test`] make checks for a release instead.
//!
//! A probe goes straight to the address: no proxy, no resolver, no redirect.

mod dns;
mod exec;
mod file;
mod grpc;
mod http;
mod measure;
mod prober;
mod schedule;
mod tcp;
mod tls;
mod trust;
mod verdict;

#[cfg(test)]
mod battery;
#[cfg(all(test, target_os = "linux"))]
mod commands;
#[cfg(test)]
mod pki;
#[cfg(test)]
mod secured;
#[cfg(test)]
mod servers;

use std::{net::IpAddr, sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

pub use exec::{Command, run_command};
pub use measure::{measure, smoke_test};
pub use prober::{Assignment, Prober, Tried};
use trust::Trust;

use crate::{
    health::Outcome,
    model::{Check, Permit, ProbeKind, ProbeSpec},
};
use verdict::{in_time, verdict};

/// How long a command waits for others.
const TURN_MAX: Duration = Duration::from_secs(5);
/// How much longer than a command the wait for it is.
const EXEC_GRACE: Duration = Duration::from_secs(1);

/// Why a check did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The endpoint's doing, in one sentence.
    Endpoint(String),
    /// Our own: no descriptor, no port, no memory was left. Says nothing about the endpoint.
    Ours(String),
}

/// That a check passed, with what is to be said all the same; or why not.
type Passed = Result<Option<String>, Failure>;

/// What came of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// How long it took.
    pub latency: Duration,
    /// Whether it passed, with what is to be said all the same; or why not.
    pub result: Result<Option<String>, Failure>,
}

/// What came of one try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Try {
    /// Of each check, in the order of the probe.
    pub checks: Vec<Checked>,
    /// What they mean together. `Err` says that the try could not be made, which is no verdict on
    /// the endpoint.
    pub outcome: Result<Outcome, String>,
}

impl Try {
    /// Not made, and never will be: as good as failed.
    fn refused(why: String) -> Self {
        let outcome = Outcome { latency: Duration::ZERO, result: Err(why), warning: None };
        Self { checks: Vec::new(), outcome: Ok(outcome) }
    }

    fn broken() -> Self {
        let why = "the probe itself broke; this is a fault of the daemon";
        Self { checks: Vec::new(), outcome: Err(why.to_owned()) }
    }
}

/// What probes may do, and what they keep from try to try.
#[derive(Debug)]
pub struct Means {
    permit: Permit,
    trust: Trust,
    /// One for each command that may run beside others.
    commands: Arc<Semaphore>,
    /// One for each file that may be read beside others: a hung file system is to hold no more.
    files: Arc<Semaphore>,
}

impl Means {
    /// For what is permitted.
    pub fn new(permit: Permit) -> Self {
        let [commands, files] = [exec::AT_ONCE_MAX, file::AT_ONCE_MAX].map(Semaphore::new);
        let (commands, files) = (Arc::new(commands), Arc::new(files));
        Self { permit, trust: Trust::default(), commands, files }
    }

    /// Waits until another command may run; not within the time of a check.
    async fn turn(&self) -> Result<OwnedSemaphorePermit, Failure> {
        let turn = timeout(TURN_MAX, self.commands.clone().acquire_owned()).await;
        let busy =
            || Failure::Ours(format!("{} commands of probes run already", exec::AT_ONCE_MAX));
        turn.ok().and_then(Result::ok).ok_or_else(busy)
    }
}

/// Makes one try: all checks at once.
pub async fn run_once(spec: &ProbeSpec, address: IpAddr, means: &Means) -> Try {
    if let Some(refusal) = means.permit.refusal_of_address(address) {
        return Try::refused(refusal);
    }
    let checks = spec.checks.iter().map(|check| run_check(check, spec.timeout, address, means));
    let checks = join_all(checks).await;
    let outcome = verdict(spec, &checks);
    Try { checks, outcome }
}

async fn run_check(check: &Check, limit: Duration, address: IpAddr, means: &Means) -> Checked {
    let trust = &means.trust;
    if let Some(tls) = check.kind.tls() {
        trust.look(tls.ca.as_deref()).await;
    }
    let (turn, grace) = match &check.kind {
        // It says itself that it was not done in time, with what it said until then.
        ProbeKind::Exec(_) => (means.turn().await.map(Some), EXEC_GRACE),
        _ => (Ok(None), Duration::ZERO),
    };
    let begun = Instant::now();
    let attempt = async {
        match &check.kind {
            ProbeKind::Tcp(probe) => tcp::attempt(probe, address).await,
            ProbeKind::Http(probe) => http::attempt(probe, address).await,
            ProbeKind::Https(probe) => http::attempt_secured(probe, address, trust).await,
            ProbeKind::Grpc(probe) => grpc::attempt(probe, address, trust).await,
            ProbeKind::Dns(probe) => dns::attempt(probe, address).await,
            ProbeKind::Exec(probe) => exec::attempt(probe, address, limit, means, turn?).await,
            ProbeKind::StatusFile(probe) => file::attempt(probe, address, means).await,
            ProbeKind::Tls(probe) => tls::attempt(probe, address, trust).await,
        }
    };
    let result = match timeout(limit + grace, attempt).await {
        Ok(result) => result,
        Err(_) => {
            let limit = humantime::format_duration(limit);
            Err(Failure::Endpoint(format!("no answer within {limit}")))
        }
    };
    in_time(check, Checked { latency: begun.elapsed(), result })
}
