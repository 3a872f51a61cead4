//! `[prometheus]` and `[confirm.NAME]`: whom releases may ask.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use crate::{
    config::{
        document::{Table, Value},
        schema::{Notes, parts},
    },
    model::{Confirmer, Label, Outside, Prometheus},
};

const SECOND: Duration = Duration::from_secs(1);

/// Reads both; paths are as they stand there.
pub(super) fn outside(root: &mut Table<'_>) -> Option<Outside> {
    let prometheus = root.optional("prometheus");
    let prometheus = prometheus.map_or(Some(None), |value| prometheus_of(&value).map(Some));
    let confirm = root.optional("confirm");
    let confirm = confirm.map_or(Some(BTreeMap::new()), |value| confirm_of(&value));
    Some(Outside { metrics: prometheus?, confirm: confirm?, ..Outside::default() })
}

fn prometheus_of(value: &Value<'_>) -> Option<Prometheus> {
    let mut table = value.table()?;
    let url = table.required("url", r#""http://127.0.0.1:9090""#);
    let url = url.and_then(|value| value.parse());
    let token_file = path(&mut table, "token_file");
    let timeout = table.optional("timeout");
    let timeout =
        timeout.map_or(Some(Prometheus::TIMEOUT), |value| value.duration_in(SECOND..=60 * SECOND));
    table.finish();
    Some(Prometheus { url: url?, token_file: token_file?, timeout: timeout? })
}

fn confirm_of(value: &Value<'_>) -> Option<BTreeMap<Label, Confirmer>> {
    let table = value.table()?;
    let mut confirmers = Some(BTreeMap::new());
    for (key, value) in table.entries() {
        match (&mut confirmers, key.parse::<Label>(), confirmer(&value)) {
            (Some(confirmers), Some(name), Some(confirmer)) => {
                drop(confirmers.insert(name, confirmer))
            }
            _ => confirmers = None,
        }
    }
    confirmers
}

fn confirmer(value: &Value<'_>) -> Option<Confirmer> {
    let mut table = value.table()?;
    let url = table.required("url", r#""https://change.example.com/cutover""#);
    let url = url.and_then(|value| value.parse());
    let secret_file = path(&mut table, "secret_file");
    let duration = |value: Option<Value<'_>>, default, most| {
        value.map_or(Some(default), |value: Value<'_>| value.duration_in(SECOND..=most))
    };
    let timeout = duration(table.optional("timeout"), Confirmer::TIMEOUT, 60 * SECOND);
    let interval = duration(table.optional("interval"), Confirmer::INTERVAL, 3_600 * SECOND);
    table.finish();
    Some(Confirmer { url: url?, secret_file: secret_file?, timeout: timeout?, interval: interval? })
}

/// The name of a file, if there is one.
pub(super) fn path(table: &mut Table<'_>, key: &'static str) -> Option<Option<PathBuf>> {
    let Some(value) = table.optional(key) else { return Some(None) };
    file(&value).map(Some)
}

/// The name of a file.
pub(super) fn file(value: &Value<'_>) -> Option<PathBuf> {
    let path = PathBuf::from(value.text()?);
    if path.as_os_str().is_empty() {
        value.wrong("not the name of a file");
        return None;
    }
    Some(path)
}

/// Of `prometheus`, and of `confirm`.
pub(super) fn schema(notes: &Notes) -> [serde_json::Value; 2] {
    let prometheus = parts::Keys::at(notes, ["prometheus"])
        .required("url", parts::url())
        .optional("token_file", parts::some_text())
        .optional("timeout", parts::duration())
        .table();
    let confirmer = parts::Keys::at(notes, ["confirm.*"])
        .required("url", parts::url())
        .optional("secret_file", parts::some_text())
        .optional("timeout", parts::duration())
        .optional("interval", parts::duration())
        .table();
    [prometheus, parts::names(parts::label_form(), confirmer)]
}
