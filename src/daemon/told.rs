//! What a service tells of its release by DNS: `_release` below it, of type TXT.

use crate::{
    cutover::{Answering, phase::Phase},
    model::{DnsName, Ttl},
    table::ServiceRecords,
};

/// For how long caches may keep it.
const TTL: Ttl = Ttl::from_secs_const(5);
const LABEL: &str = "_release";

/// How a service stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    phase: &'static str,
    /// The percentage of the clients that each pool answers; or the one pool.
    split: String,
}

impl Told {
    pub(super) fn of(phase: &Phase, answering: &Answering) -> Self {
        let shares = answering.shares();
        let part = |(pool, share)| format!("{pool}:{share}");
        let split = match shares.first_key_value() {
            Some((pool, _)) if shares.len() == 1 => pool.to_string(),
            _ => shares.iter().map(part).collect::<Vec<_>>().join("+"),
        };
        Self { phase: phase.name(), split }
    }

    /// The record, and where it is; `generation` is that of the first table that tells it.
    pub(super) fn record(
        &self,
        owner: &DnsName,
        generation: u64,
        ttl: Ttl,
    ) -> Option<(DnsName, ServiceRecords)> {
        let name = DnsName::within(LABEL, owner).ok()?;
        let Self { phase, split } = self;
        let strings = [
            format!("generation={generation}"),
            format!("phase={phase}"),
            format!("split={split}"),
        ];
        let records = ServiceRecords::text(&name, TTL.min(ttl).secs(), &strings);
        Some((name, records))
    }
}
