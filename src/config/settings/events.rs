//! `[events.NAME]`: hooks, to whom each transition is told.

use std::{collections::BTreeMap, ops::RangeInclusive, path::Path, time::Duration};

use serde_json::json;

use super::{
    outside::path,
    probes::{absolute_path, arguments, arguments_schema},
};
use crate::{
    config::{
        document::{Table, Value},
        schema::{Notes, parts},
    },
    model::{Hook, HookKind, Label},
};

const TIMEOUT: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);

pub(super) fn events(value: &Value<'_>, beside: &Path) -> Option<Vec<Hook>> {
    let table = value.table()?;
    let mut hooks = BTreeMap::new();
    let mut count = 0;
    for (name, value) in table.entries() {
        count += 1;
        if count == Hook::COUNT_MAX + 1 {
            name.wrong(format!("at most {} hooks", Hook::COUNT_MAX));
        }
        let (parsed, hook) = (name.parse::<Label>(), hook(&value, beside));
        let (Some(parsed), Some((kind, timeout))) = (parsed, hook) else { continue };
        let hook = Hook { name: parsed.clone(), kind, timeout };
        if hooks.insert(parsed, hook).is_some() {
            name.wrong("another hook has this name: case does not count");
        }
    }
    // A mistake above refuses the file.
    Some(hooks.into_values().collect())
}

fn hook(value: &Value<'_>, beside: &Path) -> Option<(HookKind, Duration)> {
    let mut table = value.table()?;
    let timeout =
        table.optional("timeout").map_or(Some(Hook::TIMEOUT), |value| value.duration_in(TIMEOUT));
    let kind = kind(&mut table, beside);
    table.finish();
    Some((kind?, timeout?))
}

fn kind(table: &mut Table<'_>, beside: &Path) -> Option<HookKind> {
    let (url, command) = (table.optional("url"), table.optional("command"));
    match (url, command) {
        (Some(url), None) => {
            let url = url.parse();
            let secret_file = path(table, "secret_file")?.map(|file| beside.join(file));
            Some(HookKind::Web { url: url?, secret_file })
        }
        (None, Some(command)) => {
            let (command, arguments) = (absolute_path(&command), arguments(table));
            Some(HookKind::Command { command: command?, arguments: arguments? })
        }
        (Some(_), Some(command)) => {
            forgive(table);
            command.wrong("a hook has a `url` or a `command`, not both: make two of it");
            None
        }
        (None, None) => {
            forgive(table);
            table.mistakes.add_with_hint(
                table.span(),
                "a hook has a `url` or a `command`",
                r#"write for example: url = "https://hooks.example.test/cutover""#,
            );
            None
        }
    }
}

/// One mistake is enough.
fn forgive(table: &mut Table<'_>) {
    for key in ["secret_file", "arguments"] {
        let _ = table.optional(key);
    }
}

pub(super) fn schema(notes: &Notes) -> serde_json::Value {
    let mut hook = parts::Keys::at(notes, ["events.*"])
        .optional("url", parts::url())
        .optional("secret_file", parts::some_text())
        .optional("command", parts::absolute_path())
        .optional("arguments", arguments_schema())
        .optional("timeout", parts::duration())
        .needs(["secret_file"], &json!(["url"]))
        .needs(["arguments"], &json!(["command"]))
        .table();
    parts::with_one(&mut hook, ["url", "command"]);
    let mut hooks = parts::names(parts::label_form(), hook);
    hooks["maxProperties"] = json!(Hook::COUNT_MAX);
    hooks
}
