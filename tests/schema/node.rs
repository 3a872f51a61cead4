//! A TOML document as a tree that can be changed at one place, and written as TOML and as JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use toml::de::{DeTable, DeValue};

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    Text(String),
    Integer(i64),
    Float(String),
    Flag(bool),
    Instant(String),
    List(Vec<Node>),
    Table(BTreeMap<String, Node>),
}

/// One step from a value to one within it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    Key(String),
    Item(usize),
}

pub(crate) type Place = Vec<Step>;

impl Node {
    /// The whole of a document.
    pub(crate) fn read(text: &str) -> Self {
        let table = DeTable::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        Self::table(table.get_ref())
    }

    /// One value.
    pub(crate) fn value(text: &str) -> Self {
        match Self::read(&format!("x = {text}")) {
            Self::Table(mut table) => table.remove("x").expect("there"),
            _ => unreachable!("a document is a table"),
        }
    }

    fn table(table: &DeTable<'_>) -> Self {
        let entry = |(key, value): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
            let key: &std::borrow::Cow<'_, str> = key.get_ref();
            (key.to_string(), Self::of(value.get_ref()))
        };
        Self::Table(table.iter().map(entry).collect())
    }

    fn of(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Integer(integer) => {
                let parsed = i64::from_str_radix(integer.as_str(), integer.radix());
                Self::Integer(parsed.expect("it fits"))
            }
            DeValue::Float(float) => Self::Float(float.as_str().to_owned()),
            DeValue::Boolean(flag) => Self::Flag(*flag),
            DeValue::Datetime(instant) => Self::Instant(instant.to_string()),
            DeValue::Array(items) => {
                Self::List(items.iter().map(|item| Self::of(item.get_ref())).collect())
            }
            DeValue::Table(table) => Self::table(table),
        }
    }

    pub(crate) fn of_json(value: &Value) -> Self {
        match value {
            Value::String(text) => Self::Text(text.clone()),
            Value::Bool(flag) => Self::Flag(*flag),
            Value::Number(number) => match number.as_i64() {
                Some(integer) => Self::Integer(integer),
                None => Self::Float(number.to_string()),
            },
            Value::Array(items) => Self::List(items.iter().map(Self::of_json).collect()),
            Value::Object(table) => {
                Self::Table(table.iter().map(|(k, v)| (k.clone(), Self::of_json(v))).collect())
            }
            Value::Null => panic!("TOML has no null"),
        }
    }

    /// As editors see it.
    pub(crate) fn json(&self) -> Value {
        match self {
            Self::Text(text) | Self::Instant(text) => json!(text),
            Self::Integer(integer) => json!(integer),
            Self::Float(float) => json!(float.parse::<f64>().expect("a float")),
            Self::Flag(flag) => json!(flag),
            Self::List(items) => items.iter().map(Self::json).collect(),
            Self::Table(table) => Value::Object(
                table.iter().map(|(key, value)| (key.clone(), value.json())).collect(),
            ),
        }
    }

    /// The document, with a value in each line: what is shown of mistakes is short.
    pub(crate) fn document(&self) -> String {
        let mut lines = String::new();
        self.lines("", &mut lines);
        lines
    }

    fn lines(&self, path: &str, lines: &mut String) {
        match self {
            Self::Table(table) if !table.is_empty() => {
                let dot = if path.is_empty() { "" } else { "." };
                table.iter().for_each(|(key, value)| {
                    value.lines(&format!("{path}{dot}{}", json!(key)), lines);
                });
            }
            _ => lines.extend([path, " = ", &self.toml(), "\n"]),
        }
    }

    fn toml(&self) -> String {
        match self {
            Self::Text(text) => json!(text).to_string(),
            Self::Integer(integer) => integer.to_string(),
            Self::Float(text) | Self::Instant(text) => text.clone(),
            Self::Flag(flag) => flag.to_string(),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(Self::toml).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Table(table) => {
                let entry =
                    |(key, value): (&String, &Self)| format!("{} = {}", json!(key), value.toml());
                format!("{{ {} }}", table.iter().map(entry).collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// Every place in it but the whole.
    pub(crate) fn places(&self) -> Vec<Place> {
        let within: Vec<(Step, &Self)> = match self {
            Self::Table(table) => table.iter().map(|(k, v)| (Step::Key(k.clone()), v)).collect(),
            Self::List(items) => {
                items.iter().enumerate().map(|(i, v)| (Step::Item(i), v)).collect()
            }
            _ => Vec::new(),
        };
        let mut places = Vec::new();
        for (step, value) in within {
            places.push(vec![step.clone()]);
            let deeper = value.places().into_iter();
            places.extend(deeper.map(|place| [vec![step.clone()], place].concat()));
        }
        places
    }

    pub(crate) fn at(&mut self, place: &[Step]) -> &mut Self {
        let Some((step, rest)) = place.split_first() else { return self };
        let within = match (self, step) {
            (Self::Table(table), Step::Key(key)) => table.get_mut(key),
            (Self::List(items), Step::Item(at)) => items.get_mut(*at),
            _ => None,
        };
        within.unwrap_or_else(|| panic!("no {step:?}")).at(rest)
    }

    pub(crate) fn with(&self, place: &[Step], value: Self) -> Self {
        let mut changed = self.clone();
        *changed.at(place) = value;
        changed
    }

    /// Without the key or the item at a place.
    pub(crate) fn without(&self, place: &[Step]) -> Self {
        let (last, before) = place.split_last().expect("not the whole");
        let mut changed = self.clone();
        match (changed.at(before), last) {
            (Self::Table(table), Step::Key(key)) => drop(table.remove(key)),
            (Self::List(items), Step::Item(at)) => drop(items.remove(*at)),
            _ => panic!("no {last:?}"),
        }
        changed
    }
}
