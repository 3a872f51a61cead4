//! `[probes]`: what probes may do.

use std::path::{Component, PathBuf};

use super::rrl::networks;
use crate::{
    config::{
        document::{Table, Value},
        schema::{Notes, parts},
    },
    model::Permit,
};

const ARGUMENTS_MAX: usize = 64;

pub(super) fn probes(value: &Value<'_>) -> Option<Permit> {
    let mut table = value.table()?;
    let networks = table
        .optional("allow")
        .map_or(Some(Vec::new()), |value| networks(&value, Permit::EACH_MAX, "be allowed"));
    let commands = paths(&mut table, "commands");
    let folders = paths(&mut table, "folders");
    table.finish();
    Some(Permit { networks: networks?, commands: commands?, folders: folders? })
}

fn paths(table: &mut Table<'_>, key: &'static str) -> Option<Vec<PathBuf>> {
    let Some(value) = table.optional(key) else { return Some(Vec::new()) };
    let items = value.array()?;
    if items.len() > Permit::EACH_MAX {
        value.wrong(format!("at most {} of them", Permit::EACH_MAX));
    }
    items.iter().map(absolute_path).collect()
}

/// What a command is given.
pub(in crate::config) fn arguments(table: &mut Table<'_>) -> Option<Vec<String>> {
    let Some(value) = table.optional("arguments") else { return Some(Vec::new()) };
    let items = value.array()?;
    if items.len() > ARGUMENTS_MAX {
        value.wrong(format!("a command has at most {ARGUMENTS_MAX} arguments"));
    }
    let argument = |item: &Value<'_>| {
        let text = item.text()?;
        if text.contains('\0') {
            item.wrong("an argument has no NUL");
        }
        Some(text.to_owned())
    };
    items.iter().map(argument).collect()
}

/// A path that says where it leads: without `.` and `..`.
pub(in crate::config) fn absolute_path(value: &Value<'_>) -> Option<PathBuf> {
    let path = PathBuf::from(value.text()?);
    let is_plain = |part| matches!(part, Component::RootDir | Component::Normal(_));
    if !path.is_absolute() || !path.components().all(is_plain) {
        value.wrong("not an absolute path: it begins with / and goes nowhere by ..");
    }
    Some(path)
}

pub(super) fn schema(notes: &Notes) -> serde_json::Value {
    let paths = || parts::list(parts::absolute_path(), 0..=Permit::EACH_MAX);
    parts::Keys::at(notes, ["probes"])
        .optional("allow", parts::networks(Permit::EACH_MAX))
        .optional("commands", paths())
        .optional("folders", paths())
        .table()
}

pub(in crate::config) fn arguments_schema() -> serde_json::Value {
    parts::list(parts::text(), 0..=ARGUMENTS_MAX)
}
