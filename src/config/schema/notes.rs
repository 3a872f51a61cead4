//! What an example file says of each key: the comment above it, and its default.
//!
//! It reads the forms that our own two examples have, and no others.

use std::collections::BTreeMap;

use serde_json::Value;
use toml::de::{DeTable, DeValue};

/// Tables behind which a name stands that people choose.
const OF_NAMES: [&str; 4] = ["services", "pools", "events", "confirm"];
/// Where the kinds of probe are told, each with its keys.
const KINDS_AT: &str = "services.*.probe";

/// What there is to say of one key or table.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::config) struct Note {
    pub(in crate::config) text: String,
    pub(in crate::config) default: Option<Value>,
}

/// All of it, by path: `services.*.release.ramp`, `records[].name`; what a kind of probe has is below
/// `kinds`.
pub(in crate::config) struct Notes(BTreeMap<String, Note>);

/// Where the reader is.
#[derive(Default)]
struct Reader {
    notes: BTreeMap<String, Note>,
    /// The table.
    at: String,
    /// The comment so far; it is of all keys that follow without another one.
    comment: Vec<String>,
    is_told: bool,
    /// The kind of probe, and the key of it, that a list in the comment has come to.
    kind: Option<String>,
    key: Option<String>,
}

impl Notes {
    pub(in crate::config) fn read(example: &str) -> Self {
        let mut reader = Reader::default();
        example.lines().for_each(|line| reader.line(line));
        let mut notes = reader.notes;
        for note in notes.values_mut() {
            // Without a list behind it.
            note.text = note.text.trim_end_matches(':').to_owned();
            note.default = note.default.take().or_else(|| default_in(&note.text));
        }
        Self(notes)
    }

    pub(in crate::config) fn get(&self, path: &str) -> Option<&Note> {
        self.0.get(path).filter(|note| !note.text.is_empty())
    }

    /// Of a key in a table; of a table of names it is said at the first of these. What is written in one
    /// line, `PATH {}`, is told in one piece with it.
    pub(super) fn of(&self, table: &str, key: &str) -> Option<Note> {
        if let Some(line) = table.strip_suffix(" {}") {
            return self.get(line).map(|note| Note { default: None, ..note.clone() });
        }
        let path = if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") };
        self.get(&path).or_else(|| self.get(&format!("{path}.*"))).cloned()
    }

    /// Of a key of `PATH {}` that has an item of its own in what is told there: `KEY  what it is`.
    pub(super) fn item(&self, table: &str, key: &str) -> Option<Note> {
        let note = self.get(table.strip_suffix(" {}")?)?;
        let text = note.text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix("  "))?;
        let text = text.trim().to_owned();
        Some(Note { default: default_in(&text), text })
    }
}

impl Reader {
    fn line(&mut self, line: &str) {
        let bare = line.trim_start_matches('#').trim_start();
        let indent = line.len() - line.trim_start_matches('#').trim_start().len();
        if line.is_empty() {
            self.comment.clear();
        } else if bare.is_empty() {
            self.comment.push(String::new());
        } else if let Some(header) = header(bare).filter(|_| indent <= 2) {
            let text = std::mem::take(&mut self.comment);
            self.at = path_of(header);
            self.note(self.at.trim_end_matches("[]").to_owned(), &text.join("\n"), None);
        } else if let Some((key, value)) = entry(bare).filter(|_| indent <= 2) {
            let path =
                if self.at.is_empty() { key.to_owned() } else { format!("{}.{key}", self.at) };
            let is_default = line.starts_with(&format!("#{key}"));
            self.is_told = true;
            self.note(path, &self.comment.join("\n"), Some(value).filter(|_| is_default));
        } else if self.at == KINDS_AT && indent > 2 {
            self.of_kinds(bare, indent);
        } else {
            if std::mem::take(&mut self.is_told) {
                self.comment.clear();
            }
            let is_item = indent > 2;
            match self.comment.last_mut().filter(|_| !is_item) {
                Some(last) if last.is_empty() => last.push_str(bare),
                Some(last) => last.extend([" ", bare]),
                None => self.comment.push(bare.to_owned()),
            }
        }
    }

    /// `KIND = { … }  what it is`, `  KEY  what it is`, or the rest of what that is.
    fn of_kinds(&mut self, bare: &str, indent: usize) {
        let (word, rest) = bare.split_once(' ').unwrap_or((bare, ""));
        let text = match indent {
            0..=4 => {
                (self.kind, self.key) = (Some(format!("kinds.{word}")), None);
                rest.split_once('}').map_or(rest, |(_, text)| text)
            }
            5..=7 => {
                self.key = self.kind.as_ref().map(|kind| format!("{kind}.{word}"));
                rest
            }
            _ => bare,
        };
        let Some(path) = self.key.as_ref().or(self.kind.as_ref()) else { return };
        let known = self.notes.entry(path.clone()).or_default();
        let blank = if known.text.is_empty() { "" } else { " " };
        known.text = format!("{}{blank}{}", known.text, text.trim());
    }

    /// The first thing that is said of it counts: later ones are further examples.
    fn note(&mut self, path: String, text: &str, default: Option<Value>) {
        let known = self.notes.entry(path).or_default();
        if known.text.is_empty() {
            known.text = text.to_owned();
        }
        known.default = known.default.take().or(default);
    }
}

fn header(line: &str) -> Option<&str> {
    (line.starts_with('[') && line.ends_with(']')).then_some(line)
}

/// `[services.api.pools.v41]` as `services.*.pools.*`.
fn path_of(header: &str) -> String {
    let names = header.trim_matches(['[', ']']).split('.');
    let mut path: Vec<&str> = Vec::new();
    for name in names {
        let is_chosen = path.last().is_some_and(|before| OF_NAMES.contains(before));
        path.push(if is_chosen { "*" } else { name });
    }
    let each = if header.starts_with("[[") { "[]" } else { "" };
    path.join(".") + each
}

/// `key = value`, and nothing more in its line.
fn entry(line: &str) -> Option<(&str, Value)> {
    let key = line.split(" = ").next()?;
    let is_key = key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let table = DeTable::parse(line).ok().filter(|_| is_key)?;
    Some((key, json(table.get_ref().get(key)?.get_ref())))
}

/// What a comment calls the default.
fn default_in(text: &str) -> Option<Value> {
    let (_, rest) = text.rsplit_once("default ")?;
    let ends = ["; ", ", ", ". "].iter().filter_map(|end| rest.find(end)).min();
    let value = ends.map_or(rest.trim_end_matches('.'), |end| &rest[..end]);
    entry(&format!("x = {value}")).map(|(_, value)| value)
}

/// A value as JSON has it; instants are texts there.
fn json(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Integer(integer) => {
            i64::from_str_radix(integer.as_str(), integer.radix()).map_or(Value::Null, Value::from)
        }
        DeValue::Float(float) => float.as_str().parse::<f64>().map_or(Value::Null, Value::from),
        DeValue::Boolean(boolean) => (*boolean).into(),
        DeValue::Datetime(instant) => instant.to_string().into(),
        DeValue::Array(items) => items.iter().map(|item| json(item.get_ref())).collect(),
        DeValue::Table(entries) => {
            let entry = |(key, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
                let key: &std::borrow::Cow<'_, str> = key.get_ref();
                (key.to_string(), json(value.get_ref()))
            };
            Value::Object(entries.iter().map(entry).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_said_of_a_key_is_the_comment_above_it() {
        let notes = Notes::read(
            "# About the file.\n\n# Of one. Required.\none = 1\n\n[listen]\n# Of two, which\n# goes on:\n\
             #   \"a\": an item\n#two = [\"a\"]\n# three = true\n# Of four; default \"5s\", or less.\n\
             # four = \"1s\"\n\n# Hooks.\n# [events.chat]\n# Where.\n# url = \"x\"\n\n\
             # Some.\n#\n# More.\n[[records]]\nname = \"ns1\"\n",
        );
        let of = |path: &str| notes.0.get(path).cloned().expect(path);
        assert_eq!(of("one"), Note { text: "Of one. Required.".to_owned(), default: None });
        let two = Note {
            text: "Of two, which goes on:\n\"a\": an item".to_owned(),
            default: Some(json!(["a"])),
        };
        assert_eq!(of("listen.two"), two);
        assert_eq!(of("listen.three"), Note { default: None, ..two }, "one comment is of both");
        assert_eq!(of("listen.four").default, Some(json!("5s")));
        assert_eq!(notes.of("", "events").map(|note| note.text).as_deref(), Some("Hooks."));
        assert_eq!(of("events.*.url").text, "Where.");
        assert_eq!(
            (of("records").text.as_str(), of("records[].name").text.as_str()),
            ("Some.\nMore.", "")
        );
    }

    #[test]
    fn the_keys_of_a_kind_stand_in_a_list() {
        let notes = Notes::read(
            "[services.api.probe]\n# Its checks:\n#   tcp = { port = 80 }   passes when:\n\
             #     port    1 to 65535; default 53\n#     name    what it is,\n#             and more\n\
             tcp = { port = 80 }\n",
        );
        let of = |path: &str| notes.get(path).cloned().expect(path);
        assert_eq!(of("services.*.probe.tcp").text, "Its checks");
        assert_eq!(of("kinds.tcp").text, "passes when");
        assert_eq!(of("kinds.tcp.port").default, Some(json!(53)));
        assert_eq!(of("kinds.tcp.name").text, "what it is, and more");
    }
}
