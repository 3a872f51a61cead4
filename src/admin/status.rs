//! The status document: written by the daemon, read by people, pipelines and `cutover status`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::proof::ProofStatus;
use crate::model::Freeze;

/// How things are.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq)]
pub struct Status {
    /// When this was so, by the daemon's clock (RFC 3339).
    pub now: String,
    /// The version of the daemon.
    pub version: String,
    /// The number of the record table that is being answered from.
    pub generation: u64,
    /// The SOA serial of the first zone.
    pub serial: u32,
    /// The apex of the first zone.
    pub zone: String,
    /// Every zone, by its apex.
    #[serde(default)]
    pub zones: BTreeMap<String, ZoneStatus>,
    /// Why the zone files on disk are not what is answered from, if they are not.
    #[serde(default)]
    pub zones_refused: Option<String>,
    /// Whether services can be answered: a valid release file has been read since the start, or
    /// what was answered before the start is answered again.
    pub ready: bool,
    /// The global stop, if it is in force.
    #[serde(default)]
    pub freeze: Option<FreezeStatus>,
    /// Since when every probe of every pool fails, if they do (RFC 3339): then no failure counts.
    #[serde(default)]
    pub doubted_since: Option<String>,
    /// What the release file on disk is.
    pub file: FileStatus,
    /// What survives a restart.
    pub store: StoreStatus,
    /// The hooks, to whom transitions are told, by name.
    #[serde(default)]
    pub events: BTreeMap<String, HookStatus>,
    /// The services by name.
    pub services: BTreeMap<String, ServiceStatus>,
}

/// One zone.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq)]
pub struct ZoneStatus {
    /// Its SOA serial.
    pub serial: u32,
    /// Its apex as people of other scripts read it, if that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unicode: Option<String>,
}

/// The global stop: no release takes a step.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq)]
pub struct FreezeStatus {
    /// Who said so.
    pub by: String,
    /// Why, if they said.
    pub reason: Option<String>,
    /// Since when (RFC 3339).
    pub since: String,
}

impl From<&Freeze> for FreezeStatus {
    fn from(freeze: &Freeze) -> Self {
        let Freeze { by, reason, since } = freeze;
        let reason = reason.as_ref().map(|reason| reason.as_str().to_owned());
        Self { by: by.clone(), reason, since: since.to_string() }
    }
}

/// How things are, in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// The number of the record table that is being answered from.
    pub generation: u64,
    /// Whether services can be answered.
    pub ready: bool,
    /// Whether what happens survives a restart.
    pub is_kept: bool,
    /// Whether what is on disk is what is being carried out.
    pub file_accepted: bool,
    /// How many services are answered.
    pub services: usize,
    /// A few services that are not `Steady`, and their phases.
    pub busy: Vec<(String, &'static str)>,
}

/// What the release file on disk is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq)]
pub struct FileStatus {
    /// Whether what is on disk is what is being carried out.
    pub accepted: bool,
    /// Where it stands.
    pub path: String,
    /// When it was last read and found good (RFC 3339).
    pub loaded_at: Option<String>,
    /// Whether it is to be carried out once that can be kept.
    pub waiting: bool,
    /// Of what was last read: the first half of the checksum of its plan; none if nothing could be.
    pub checksum: Option<String>,
    /// Why what is on disk is not being carried out.
    pub errors: Vec<FileError>,
}

/// What survives a restart.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema, PartialEq)]
pub struct StoreStatus {
    /// Where it is kept.
    pub path: String,
    /// Why it cannot be written, if it cannot.
    pub error: Option<String>,
    /// Since when (RFC 3339).
    pub since: Option<String>,
    /// How many services stand elsewhere than is kept.
    pub unkept: usize,
}

/// One hook.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq, Eq)]
pub struct HookStatus {
    /// How many events it has not been told yet.
    pub pending: usize,
    /// Why it did not take the first of them when that was last tried, if it was.
    pub error: Option<String>,
    /// Since when it does not (RFC 3339).
    pub since: Option<String>,
}

/// One mistake in the file.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq, Eq)]
pub struct FileError {
    /// From 1; 0 when the whole file is meant.
    pub line: usize,
    /// From 1; 0 when the whole file is meant.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// The values of [`ServiceStatus::health`].
pub const HEALTH: [&str; 5] = ["healthy", "degraded", "previous", "open", "closed"];

/// One service.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq)]
pub struct ServiceStatus {
    /// Its name in the DNS.
    #[serde(default)]
    pub owner: String,
    /// The same as people of other scripts read it, if that differs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unicode: Option<String>,
    /// What is answered now: percent of clients by pool, in whole numbers; at least 1 for a pool that
    /// has clients.
    pub serving: BTreeMap<String, u8>,
    /// What the file asks for: likewise.
    pub desired: BTreeMap<String, u8>,
    /// What the file asks for, as it is written there: `v41`, or `v41:90+v42:10`.
    pub live: String,
    /// The phase of the release machine.
    pub phase: String,
    /// Until when the phase lasts, if the clock ends it (RFC 3339).
    pub until: Option<String>,
    /// What happens next, if anything does by itself.
    pub next: Option<NextStatus>,
    /// What a rollback would do now, if it would move anybody.
    pub rollback: Option<RollbackStatus>,
    /// How many equally busy clients stand behind the answers, while it is being counted and can be
    /// told.
    pub clients: Option<f64>,
    /// `healthy`, `degraded` (something of the serving pool is down), or the fail policy in
    /// force: `previous`, `open`, `closed`.
    pub health: String,
    /// The TTL of the answers, in seconds.
    pub ttl: u32,
    /// Whether the file no longer names the service.
    pub orphaned: bool,
    /// The group with which it is released, if it is not released alone.
    pub group: Option<String>,
    /// Why it does not go on, where others of the group keep it from that.
    pub waits: Option<String>,
    /// Whether a restart would forget where it stands.
    pub unkept: bool,
    /// Its names that are answered as those of another service: of which one.
    pub taken: BTreeMap<String, String>,
    /// The release in progress, or the one that failed.
    pub release: Option<ReleaseStatus>,
    /// The pools by name.
    pub pools: BTreeMap<String, PoolStatus>,
}

/// What happens next, if nothing breaks and nobody says otherwise.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq, Eq)]
pub struct NextStatus {
    /// In words.
    pub what: String,
    /// When, if the clock decides it (RFC 3339, rounded up).
    pub at: Option<String>,
}

/// What a rollback would do now.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq, Eq)]
pub struct RollbackStatus {
    /// The pool that would answer everyone, or the split, as in [`ServiceStatus::live`].
    pub to: String,
    /// Why it would be refused.
    pub refused: Option<String>,
    /// Until when caches that keep to the TTL would hold what was answered before (RFC 3339, rounded
    /// up).
    pub clears_at: String,
    /// How many seconds that is from now, rounded up.
    pub clears_in_secs: u64,
}

/// One release.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq)]
pub struct ReleaseStatus {
    /// Its number within the service.
    pub id: u64,
    /// The pool it started from, or the split, as in [`ServiceStatus::live`].
    pub from: String,
    /// The pool it goes to, or the split.
    pub to: String,
    /// Which step it is at, from 1.
    pub step: usize,
    /// How many steps it has; the last one is all clients.
    pub steps: usize,
    /// The percentage of the clients that are answered with what it goes to.
    pub share: u8,
    /// When it began (RFC 3339).
    pub started_at: String,
    /// Why it failed, is being rolled back, or is held.
    pub reason: Option<String>,
    /// When its first step is to be taken, if the file names an instant that had not passed.
    pub instant: Option<InstantStatus>,
    /// What was found out besides verdicts.
    pub proof: ProofStatus,
}

/// The instant of a release.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq)]
pub struct InstantStatus {
    /// The instant (RFC 3339).
    pub at: String,
    /// `ahead`; `missed`, if it came before the new pool had passed; `met`, if the first step was
    /// taken at it.
    pub state: String,
    /// The instant that the file names, if that one was put off until caches are clean (RFC 3339).
    pub put_off_from: Option<String>,
    /// Until when caches that keep to the TTL hold what was answered before the instant was known,
    /// if it is nearer than that (RFC 3339, rounded up).
    pub smears_until: Option<String>,
}

/// One pool.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq)]
pub struct PoolStatus {
    /// The percentage of clients that are answered with it.
    pub share: u8,
    /// Whether it is in the file, as it is held.
    pub in_file: bool,
    /// The latest instant at which a cache that keeps to the TTL can hold an answer that names it
    /// (RFC 3339, rounded up); none if no answer has.
    pub horizon: Option<String>,
    /// How often it has been answered, since the daemon started or since it came into the file.
    pub answers: u64,
    /// The share of the answers that it has had lately, while it is being counted.
    pub answered: Option<AnsweredStatus>,
    /// How it leaves caches, if it is leaving them.
    pub clearing: Option<ClearingStatus>,
    /// Whether it is not of what serves, nor stands in for it, and its horizon has passed.
    pub drained: bool,
    /// From when it can be switched off: its horizon, the pin allowance and the drain grace
    /// (RFC 3339, rounded up); none while it has a share, or would have one if it were up.
    pub off_from: Option<String>,
    /// Whether it can be switched off.
    pub off: bool,
    /// The name to which it points, if its endpoints do not stand in the file.
    pub target: Option<TargetStatus>,
    /// Its endpoints.
    pub endpoints: Vec<EndpointStatus>,
}

/// A name that a pool points to. Its addresses are the endpoints of the pool.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq)]
pub struct TargetStatus {
    /// `alias`, if clients are answered with its addresses; `cname`, if with the name itself.
    pub kind: String,
    /// The name.
    pub name: String,
    /// For how many seconds what was found last is known.
    pub ttl: Option<u32>,
    /// When it was found (RFC 3339), if that was since the daemon started.
    pub found_at: Option<String>,
    /// Why it cannot be looked up, if it cannot: what was found last stays.
    pub trouble: Option<String>,
    /// Since when (RFC 3339).
    pub trouble_since: Option<String>,
}

/// The share of the answers that a pool has had.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema, PartialEq)]
pub struct AnsweredStatus {
    /// In percent.
    pub share: f64,
    /// How far it may stray from the share of the clients: one standard deviation, in points; none
    /// while it is not known who asks.
    pub deviation: Option<f64>,
    /// Of how many answers.
    pub answers: u64,
}

/// How a pool without clients leaves caches that keep to the TTL.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq)]
pub struct ClearingStatus {
    /// Since when it has had no clients (RFC 3339).
    pub since: String,
    /// Its horizon (RFC 3339, rounded up).
    pub until: String,
    /// Which part of what caches held then they may still hold, if clients have asked evenly: from 1
    /// to 0, in a straight line.
    pub remaining: f64,
}

/// One endpoint.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema, PartialEq)]
pub struct EndpointStatus {
    /// Its address.
    pub address: String,
    /// Its weight within the pool.
    pub weight: u32,
    /// Whether it is in the answers now.
    pub answered: bool,
    /// `joining`: in the file, but not taken into the pool yet, because that would leave clients
    /// with less; `leaving`: no longer in the file, but kept until then.
    pub change: Option<String>,
    /// `up`, `down`, `unproven`, `presumed`, `unprobed`.
    pub verdict: String,
    /// Since when (RFC 3339).
    pub since: Option<String>,
    /// Why the last try failed, or could not be made, if so.
    pub reason: Option<String>,
    /// What the last try said though it passed: a certificate that expires soon.
    pub warning: Option<String>,
    /// How long the last try took, in milliseconds.
    pub latency_ms: Option<f64>,
}
