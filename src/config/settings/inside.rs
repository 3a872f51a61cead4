//! `[inside]`: what this server tells of itself and of its releases, to those who ask it by DNS.

use crate::config::{
    document::Value,
    schema::{Notes, parts},
};

/// What can be said in one string of a TXT record.
const TEXT_LEN_MAX: usize = 255;

/// What is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inside {
    /// Whether services tell of their releases; if nothing is said, they do if everybody who can ask is on
    /// this host, which is known once there are sockets.
    pub releases: Option<bool>,
    /// What is answered to `id.server` and `hostname.bind` (RFC 4892), if something is.
    pub id: Option<String>,
    /// What is answered to `version.server` and `version.bind`, if something is.
    pub version: Option<String>,
}

/// What `inside` says; where it says nothing of it, the ID is that of [NSID](super::Settings::nsid).
pub(super) fn inside(value: Option<&Value<'_>>, nsid: Option<&str>) -> Option<Inside> {
    let default = Inside { releases: None, id: nsid.map(str::to_owned), version: None };
    let Some(value) = value else { return Some(default) };
    let mut table = value.table()?;
    let releases = table.optional("releases").map_or(Some(None), |value| value.boolean().map(Some));
    let id = table.optional("id").map_or(Some(default.id), |value| text(&value));
    let version = table.optional("version").map_or(Some(None), |value| text(&value));
    table.finish();
    Some(Inside { releases: releases?, id: id?, version: version? })
}

/// A text, or none if it is empty.
fn text(value: &Value<'_>) -> Option<Option<String>> {
    let text = value.text()?;
    if text.len() > TEXT_LEN_MAX || text.chars().any(char::is_control) {
        value
            .wrong(format!("a text has at most {TEXT_LEN_MAX} octets, without control characters"));
        return None;
    }
    Some((!text.is_empty()).then(|| text.to_owned()))
}

pub(super) fn schema(notes: &Notes) -> serde_json::Value {
    parts::Keys::at(notes, ["inside"])
        .optional("releases", parts::flag())
        .optional("id", parts::text())
        .optional("version", parts::text())
        .table()
}
