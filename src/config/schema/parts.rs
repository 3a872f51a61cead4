//! What a schema is made of: tables with their keys, and the forms that values have.
//!
//! A form takes all that its reader takes, and refuses what has another type. Where it refuses more than
//! that, it is what a mistyped value mostly is: another unit, a word that there is not.

use std::ops::RangeInclusive;

use serde_json::{Map, Value, json};

use super::Notes;

/// What humantime reads, which is what durations are read by.
const DURATION: &str = r"^(0|\s*([0-9][0-9\s]*(\.[0-9\s]+)?(nanos|nsec|ns|usec|us|µs|millis|msec|ms|seconds|second|secs|sec|s|minutes|minute|mins|min|m|hours|hour|hrs|hr|h|days|day|d|weeks|week|wks|wk|w|months|month|M|years|year|yrs|yr|y)\s*)+)$";
/// With letters of other scripts; in ASCII letters, digits, `-` and `_`.
const NAME: &str = r"[^\x00-,./:-@\[-^`{-\x7F]{1,63}(\.[^\x00-,./:-@\[-^`{-\x7F]{1,63})*";
/// Labels that begin with an underscore.
const PREFIX: &str = r"^_[^\x00-,./:-@\[-^`{-\x7F]{0,62}(\._[^\x00-,./:-@\[-^`{-\x7F]{0,62})*$";
const LABEL: &str = "^[A-Za-z0-9_-]{1,63}$";

/// A table whose keys are known.
pub(in crate::config) struct Keys<'n> {
    notes: &'n Notes,
    /// Where there is something to say of its keys; the first counts that has.
    at: Vec<String>,
    keys: Map<String, Value>,
    required: Vec<&'static str>,
    needs: Map<String, Value>,
}

impl<'n> Keys<'n> {
    pub(in crate::config) fn at<const N: usize>(notes: &'n Notes, at: [&str; N]) -> Self {
        Self {
            notes,
            at: at.map(str::to_owned).into(),
            keys: Map::new(),
            required: Vec::new(),
            needs: Map::new(),
        }
    }

    /// A key that may be absent.
    pub(in crate::config) fn optional(mut self, key: &'static str, mut value: Value) -> Self {
        let item = self.at.iter().find_map(|at| self.notes.item(at, key));
        let told = || self.at.iter().find_map(|at| self.notes.of(at, key));
        if let Some(note) = item.or_else(told) {
            describe(&mut value, &note.text);
            if let Some(default) = &note.default {
                value["default"] = default.clone();
            }
        }
        self.keys.insert(key.to_owned(), value);
        self
    }

    /// A key that must be there.
    pub(in crate::config) fn required(mut self, key: &'static str, value: Value) -> Self {
        self.required.push(key);
        self.optional(key, value)
    }

    /// Keys that may be absent.
    pub(in crate::config) fn each(
        self,
        keys: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Self {
        keys.into_iter().fold(self, |all, (key, value)| all.optional(key, value))
    }

    /// Where one of these keys is there the table has to be so too: a list of keys, or a schema.
    pub(in crate::config) fn needs<const N: usize>(
        mut self,
        keys: [&str; N],
        of_table: &Value,
    ) -> Self {
        self.needs.extend(keys.map(|key| (key.to_owned(), of_table.clone())));
        self
    }

    /// No other keys.
    pub(in crate::config) fn table(self) -> Value {
        let mut table =
            json!({ "type": "object", "properties": self.keys, "additionalProperties": false });
        if !self.required.is_empty() {
            table["required"] = json!(self.required);
        }
        if !self.needs.is_empty() {
            table["dependencies"] = Value::Object(self.needs);
        }
        table
    }
}

/// What `kinds` has.
pub(in crate::config) fn reference(definition: &str) -> Value {
    json!({ "$ref": format!("#/definitions/{definition}") })
}

/// At least one of these keys has to be there.
pub(in crate::config) fn with_any<'k>(table: &mut Value, keys: impl IntoIterator<Item = &'k str>) {
    demand(table, "anyOf", keys);
}

/// Exactly one of these keys has to be there.
pub(in crate::config) fn with_one<'k>(table: &mut Value, keys: impl IntoIterator<Item = &'k str>) {
    demand(table, "oneOf", keys);
}

/// Where this key is not there these have to be.
pub(in crate::config) fn without<const N: usize>(table: &mut Value, key: &str, these: [&str; N]) {
    table["if"] = json!({ "not": { "required": [key] } });
    table["then"] = json!({ "required": these.as_slice() });
}

/// Behind a condition that always holds: editors would offer the table once for each of the keys.
fn demand<'k>(table: &mut Value, which: &str, keys: impl IntoIterator<Item = &'k str>) {
    table["if"] = json!(true);
    let each = keys.into_iter().map(|key| json!({ "required": [key] }));
    table["then"][which] = each.collect();
}

/// Says what a value is for.
pub(in crate::config) fn describe(value: &mut Value, text: &str) {
    // What stands beside a reference is not looked at.
    if value.get("$ref").is_none() {
        value["description"] = json!(text);
    }
}

/// A table whose keys are names of this form.
pub(in crate::config) fn names(form: &str, each: Value) -> Value {
    json!({ "type": "object", "propertyNames": { "pattern": form }, "additionalProperties": each })
}

/// One of these forms. What is said of texts, tables, lists and numbers holds of these alone, so one schema
/// has them all; with several, tools would not say which of them a wrong value is nearest to.
pub(in crate::config) fn either<const N: usize>(forms: [Value; N]) -> Value {
    let (mut types, mut all): (Vec<Value>, Map<String, Value>) = (Vec::new(), Map::new());
    for form in forms {
        let Value::Object(form) = form else { continue };
        for (key, value) in form {
            match (key.as_str(), all.get_mut(&key)) {
                ("type", _) if types.contains(&value) => {}
                ("type", _) => types.push(value),
                ("pattern", Some(Value::String(known))) => {
                    *known = format!("({known})|({})", value.as_str().unwrap_or_default());
                }
                _ => drop(all.insert(key, value)),
            }
        }
    }
    let one = if types.len() == 1 { types.pop() } else { None };
    all.insert("type".to_owned(), one.unwrap_or(Value::Array(types)));
    Value::Object(all)
}

pub(in crate::config) fn text() -> Value {
    json!({ "type": "string" })
}

pub(in crate::config) fn matching(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern })
}

/// Text that is not empty: a path, say.
pub(in crate::config) fn some_text() -> Value {
    json!({ "type": "string", "minLength": 1 })
}

pub(in crate::config) fn absolute_path() -> Value {
    matching("^/")
}

/// Of the file's format.
pub(in crate::config) fn version() -> Value {
    json!({ "const": 1 })
}

pub(in crate::config) fn flag() -> Value {
    json!({ "type": "boolean" })
}

pub(in crate::config) fn whole(range: RangeInclusive<u64>) -> Value {
    json!({ "type": "integer", "minimum": range.start(), "maximum": range.end() })
}

pub(in crate::config) fn number(range: RangeInclusive<f64>) -> Value {
    let mut number = json!({ "type": "number" });
    if *range.start() > f64::MIN {
        number["minimum"] = json!(range.start());
    }
    if *range.end() < f64::MAX {
        number["maximum"] = json!(range.end());
    }
    number
}

pub(in crate::config) fn port() -> Value {
    whole(1..=u16::MAX.into())
}

/// One of these words.
pub(in crate::config) fn word<'w>(words: impl IntoIterator<Item = &'w str>) -> Value {
    json!({ "type": "string", "enum": words.into_iter().collect::<Vec<_>>() })
}

/// So many of these.
pub(in crate::config) fn list(each: Value, count: RangeInclusive<usize>) -> Value {
    let mut list = json!({ "type": "array", "items": each });
    if *count.start() > 0 {
        list["minItems"] = json!(count.start());
    }
    if *count.end() < usize::MAX {
        list["maxItems"] = json!(count.end());
    }
    list
}

/// How long may be read in the comment of each; it depends on others for some.
pub(in crate::config) fn duration() -> Value {
    matching(DURATION)
}

/// `"10%"`.
pub(in crate::config) fn percent() -> Value {
    matching(r"^\+?0*(100|[1-9][0-9]?)\s*%$")
}

/// `"0.1%"`.
pub(in crate::config) fn part() -> Value {
    matching(r"^\s*[+-]?[0-9.]+([eE][+-]?[0-9]+)?\s*%$")
}

/// `"1.2x"`.
pub(in crate::config) fn ratio() -> Value {
    matching(r"^[0-9]+(\.[0-9]{1,3})?x$")
}

/// An absolute name, with or without its final dot.
pub(in crate::config) fn name() -> Value {
    matching(&format!(r"^{NAME}\.?$"))
}

/// The owner of a record: a name in the zone, or `@`; a wildcard may be in front.
pub(in crate::config) fn owner() -> Value {
    matching(&format!(r"^(\*|(\*\.)?(@|{NAME}\.?))$"))
}

/// `_http._tcp`.
pub(in crate::config) fn prefix() -> Value {
    matching(PREFIX)
}

/// As zone files name them; which there are is for the parser to know.
pub(in crate::config) fn record_type() -> Value {
    matching("^[A-Z][A-Z0-9-]*$")
}

/// `hostmaster@example.test`.
pub(in crate::config) fn mailbox() -> Value {
    matching(&format!(r"^[^@.]+@{NAME}\.?$"))
}

/// The form of a service's name.
pub(in crate::config) fn service_form() -> String {
    format!("^{NAME}$")
}

/// The form of a label.
pub(in crate::config) const fn label_form() -> &'static str {
    LABEL
}

pub(in crate::config) fn label() -> Value {
    matching(LABEL)
}

pub(in crate::config) fn url() -> Value {
    matching("^[Hh][Tt][Tt][Pp][Ss]?://[^/?#@]+([/?][^#]*)?$")
}

/// `"192.0.2.1"` or `"2001:db8::1"`.
pub(in crate::config) fn address() -> Value {
    matching("^([0-9]+(\\.[0-9]+){3}|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*)$")
}

/// The same with a port.
pub(in crate::config) fn address_and_port() -> Value {
    matching("^([0-9]+(\\.[0-9]+){3}|\\[[0-9A-Fa-f:.%]+\\]):[0-9]+$")
}

/// Either.
pub(in crate::config) fn address_with_or_without_port() -> Value {
    matching(
        "^([0-9]+(\\.[0-9]+){3}(:[0-9]+)?|[0-9A-Fa-f:]*:[0-9A-Fa-f:.]*|\\[[0-9A-Fa-f:.%]+\\]:[0-9]+)$",
    )
}

/// Networks, at most so many.
pub(in crate::config) fn networks(most: usize) -> Value {
    list(matching("^[0-9A-Fa-f.:]+(/[0-9]+)?$"), 0..=most)
}
