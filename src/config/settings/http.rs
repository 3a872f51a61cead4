//! `[http]`: under which names the daemon is asked over HTTP, and by whom.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::{Path, PathBuf},
};

use serde_json::json;

use super::outside;
use crate::{
    config::{
        document::Value,
        schema::{Notes, parts},
    },
    model::{DnsName, HttpAccess, Label, Readers, nearest},
};

pub(super) fn http(value: &Value<'_>, beside: &Path) -> Option<HttpAccess> {
    let mut table = value.table()?;
    let hosts = table.optional("hosts").map_or(Some(Vec::new()), |value| hosts(&value));
    let readers = table.optional("readers");
    let readers = readers.map_or(Some(Readers::default()), |value| readers_of(&value));
    let tokens = table.optional("tokens");
    let tokens = tokens.map_or(Some(BTreeMap::new()), |value| tokens_of(&value));
    table.finish();
    let mut tokens = tokens?;
    tokens.values_mut().for_each(|path| *path = beside.join(&*path));
    Some(HttpAccess { hosts: hosts?, readers: readers?, tokens })
}

fn hosts(value: &Value<'_>) -> Option<Vec<DnsName>> {
    let items = value.array()?;
    if items.len() > HttpAccess::HOSTS_MAX {
        value.wrong(format!("at most {} names", HttpAccess::HOSTS_MAX));
        return None;
    }
    // Each that is wrong is told.
    let hosts: Vec<Option<DnsName>> = items.iter().map(host).collect();
    hosts.into_iter().collect()
}

fn host(value: &Value<'_>) -> Option<DnsName> {
    const HINT: &str = r#"write a name alone: "cutover.example.com""#;
    let text = value.text()?;
    if text.parse::<IpAddr>().is_ok() {
        value.wrong_with_hint("an address is always allowed", "write names here, or leave it out");
        return None;
    }
    if text.contains([':', '/']) {
        value.wrong_with_hint("a name without a port and without http://", HINT);
        return None;
    }
    let name = text.parse();
    name.map_err(|error| value.wrong_with_hint(format!("{error}"), HINT)).ok()
}

fn readers_of(value: &Value<'_>) -> Option<Readers> {
    let text = value.text()?;
    let known = Readers::ALL.into_iter().find(|readers| readers.name() == text);
    if known.is_none() {
        let near = nearest(text, &Readers::ALL.map(Readers::name));
        let hint = near.map_or_else(
            || "write \"loopback\" or \"all\"".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        value.wrong_with_hint("nobody is called so who may read", hint);
    }
    known
}

fn tokens_of(value: &Value<'_>) -> Option<BTreeMap<Label, PathBuf>> {
    let table = value.table()?;
    let mut tokens = BTreeMap::new();
    for (at, (name, value)) in table.entries().enumerate() {
        if at == HttpAccess::TOKENS_MAX {
            name.wrong(format!("at most {} tokens", HttpAccess::TOKENS_MAX));
        }
        let (parsed, path) = (name.parse::<Label>(), outside::file(&value));
        let (Some(parsed), Some(path)) = (parsed, path) else { continue };
        if tokens.insert(parsed, path).is_some() {
            name.wrong("another token has this name: case does not count");
        }
    }
    // A mistake above refuses the file.
    Some(tokens)
}

pub(super) fn schema(notes: &Notes) -> serde_json::Value {
    let mut tokens = parts::names(parts::label_form(), parts::some_text());
    tokens["maxProperties"] = json!(HttpAccess::TOKENS_MAX);
    parts::Keys::at(notes, ["http"])
        .optional("hosts", parts::list(parts::name(), 0..=HttpAccess::HOSTS_MAX))
        .optional("readers", parts::word(Readers::ALL.map(Readers::name)))
        .optional("tokens", tokens)
        .table()
}
