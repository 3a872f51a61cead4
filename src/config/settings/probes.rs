//! `[probes]`: what probes may do.

use super::rrl::networks;
use crate::{config::document::Value, model::Reach};

pub(super) fn probes(value: &Value<'_>) -> Option<Reach> {
    let mut table = value.table()?;
    let allowed = table
        .optional("allow")
        .map_or(Some(Vec::new()), |value| networks(&value, Reach::ALLOWED_MAX, "be allowed"));
    table.finish();
    Some(Reach { allowed: allowed? })
}
