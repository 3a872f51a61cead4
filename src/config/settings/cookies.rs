//! `[cookies]`: where the secrets of DNS cookies stand.

use std::path::PathBuf;

use crate::config::{
    document::Value,
    schema::{Notes, parts},
};

#[derive(Default)]
pub(super) struct Cookies {
    pub(super) secret_file: Option<PathBuf>,
}

pub(super) fn cookies(value: &Value<'_>) -> Option<Cookies> {
    let mut table = value.table()?;
    let secret_file = match table.optional("secret_file") {
        Some(value) => secret_file(&value).map(Some),
        None => Some(None),
    };
    table.finish();
    Some(Cookies { secret_file: secret_file? })
}

fn secret_file(value: &Value<'_>) -> Option<PathBuf> {
    let text = value.text()?;
    if text.is_empty() {
        let hint = "leave the key out to draw a secret at each start";
        value.wrong_with_hint("the file has no name", hint);
        return None;
    }
    Some(text.into())
}

pub(super) fn schema(notes: &Notes) -> serde_json::Value {
    parts::Keys::at(notes, ["cookies"]).optional("secret_file", parts::some_text()).table()
}
