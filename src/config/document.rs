//! Walks a TOML document with the position of every value, and goes on after a mistake, so that
//! all of them are shown at once.

use std::{cell::RefCell, ops::Range, path::Path, str::FromStr, time::Duration};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::finding::{Mistake, Rejected};
use crate::model::Timestamp;
pub(super) use crate::model::nearest;

/// The year 2100: what is later is a slip.
const INSTANT_END_SECS: u64 = 4_102_444_800;

/// Collects the mistakes of one document.
#[derive(Default)]
pub(super) struct Mistakes(RefCell<Vec<Mistake>>);

impl Mistakes {
    pub(super) fn add(&self, span: Range<usize>, message: impl Into<String>) {
        self.push(span, message.into(), None);
    }

    pub(super) fn add_with_hint(
        &self,
        span: Range<usize>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.push(span, message.into(), Some(hint.into()));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.borrow().is_empty()
    }

    pub(super) fn into_inner(self) -> Vec<Mistake> {
        self.0.into_inner()
    }

    fn push(&self, span: Range<usize>, message: String, hint: Option<String>) {
        self.0.borrow_mut().push(Mistake { span, message, hint });
    }
}

/// Parses `text` and hands its top table to `walk`; gives what `walk` made if there was no
/// mistake at all.
pub(super) fn parse<T>(
    path: &Path,
    text: &str,
    walk: impl FnOnce(Table<'_>) -> Option<T>,
) -> Result<T, Rejected> {
    let (root, errors) = DeTable::parse_recoverable(text);
    let mistakes = Mistakes::default();
    for error in &errors {
        mistakes.add(error.span().unwrap_or(0..0), error.message());
    }
    // After a syntax error the values are guesses; complaining about them would mislead.
    let made = match errors.is_empty() {
        true => walk(Table::new(root.get_ref(), 0..0, &mistakes)),
        false => None,
    };
    match (made, mistakes.0.into_inner()) {
        (Some(made), mistakes) if mistakes.is_empty() => Ok(made),
        (_, mistakes) => Err(Rejected::new(path, text, mistakes)),
    }
}

/// A table whose keys are asked for by name; those never asked for are mistakes.
pub(super) struct Table<'a> {
    entries: &'a DeTable<'a>,
    span: Range<usize>,
    asked: Vec<&'static str>,
    pub(super) mistakes: &'a Mistakes,
}

impl<'a> Table<'a> {
    fn new(entries: &'a DeTable<'a>, span: Range<usize>, mistakes: &'a Mistakes) -> Self {
        Self { entries, span, asked: Vec::new(), mistakes }
    }

    /// Where the table begins.
    pub(super) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The value of a key that may be absent.
    pub(super) fn optional(&mut self, key: &'static str) -> Option<Value<'a>> {
        self.asked.push(key);
        let (key, value) = self.entries.get_key_value(key)?;
        Some(Value { value, key: key.span(), mistakes: self.mistakes })
    }

    /// The value of a key that must be there.
    pub(super) fn required(&mut self, key: &'static str, example: &str) -> Option<Value<'a>> {
        let value = self.optional(key);
        if value.is_none() {
            let hint = format!("write for example: {key} = {example}");
            self.mistakes.add_with_hint(self.span(), format!("the key `{key}` is missing"), hint);
        }
        value
    }

    /// `version = 1`, at the top of each file.
    pub(super) fn version(&mut self) {
        let Some(value) = self.required("version", "1") else { return };
        if value.integer().is_some_and(|version| version != 1) {
            let hint = "this program reads version 1";
            self.mistakes.add_with_hint(value.span(), "unknown version of the file", hint);
        }
    }

    /// All entries, for tables whose keys are names.
    pub(super) fn entries(&self) -> impl Iterator<Item = (Name<'a>, Value<'a>)> {
        let mistakes = self.mistakes;
        self.entries.iter().map(move |(key, value)| {
            let name = Name { text: key.get_ref(), span: key.span(), mistakes };
            (name, Value { value, key: key.span(), mistakes })
        })
    }

    /// Complains about every key that was not asked for. Call it last.
    pub(super) fn finish(self) {
        for (key, _) in self.entries {
            if !self.asked.contains(&key.get_ref().as_ref()) {
                let hint = nearest(key.get_ref(), &self.asked)
                    .map(|near| format!("did you mean `{near}`?"))
                    .unwrap_or_else(|| format!("the keys here are: {}", self.asked.join(", ")));
                let message = format!("unknown key `{}`", key.get_ref());
                self.mistakes.add_with_hint(key.span(), message, hint);
            }
        }
    }
}

/// A key that is a name.
pub(super) struct Name<'a> {
    text: &'a str,
    span: Range<usize>,
    mistakes: &'a Mistakes,
}

impl Name<'_> {
    pub(super) fn mistakes(&self) -> &Mistakes {
        self.mistakes
    }

    pub(super) fn parse<T: FromStr<Err: ToString>>(&self) -> Option<T> {
        self.text.parse().map_err(|error: T::Err| self.wrong(error.to_string())).ok()
    }

    /// As it stands there.
    pub(super) fn text(&self) -> &str {
        self.text
    }

    /// As the DNS compares it.
    pub(super) fn lower_case(&self) -> String {
        self.text.to_ascii_lowercase()
    }

    pub(super) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Complains about this name.
    pub(super) fn wrong(&self, message: impl Into<String>) {
        self.mistakes.add(self.span.clone(), message);
    }

    /// Complains about this name, with advice.
    pub(super) fn wrong_with_hint(&self, message: impl Into<String>, hint: impl Into<String>) {
        self.mistakes.add_with_hint(self.span.clone(), message, hint);
    }
}

/// A value and where it stands.
#[derive(Clone)]
pub(super) struct Value<'a> {
    value: &'a Spanned<DeValue<'a>>,
    key: Range<usize>,
    mistakes: &'a Mistakes,
}

impl<'a> Value<'a> {
    pub(super) fn span(&self) -> Range<usize> {
        self.value.span()
    }

    /// Complains about this value.
    pub(super) fn wrong(&self, message: impl Into<String>) {
        self.mistakes.add(self.span(), message);
    }

    /// Complains about this value, with advice.
    pub(super) fn wrong_with_hint(&self, message: impl Into<String>, hint: impl Into<String>) {
        self.mistakes.add_with_hint(self.span(), message, hint);
    }

    /// A text, if it is one; never complains.
    pub(super) fn as_text(&self) -> Option<&'a str> {
        self.value.get_ref().as_str()
    }

    pub(super) fn text(&self) -> Option<&'a str> {
        self.expect(self.as_text(), "a text in quotes")
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        self.expect(self.value.get_ref().as_bool(), "true or false")
    }

    pub(super) fn integer(&self) -> Option<u64> {
        let integer = self.value.get_ref().as_integer();
        let parsed = integer.and_then(|i| u64::from_str_radix(i.as_str(), i.radix()).ok());
        self.expect(parsed, "a whole number, 0 or more")
    }

    /// A number within a range, with a point or without.
    pub(super) fn number_in(&self, range: std::ops::RangeInclusive<f64>) -> Option<f64> {
        let number = match self.value.get_ref() {
            DeValue::Float(float) => float.as_str().parse().ok(),
            DeValue::Integer(integer) => integer.to_string().parse::<f64>().ok(),
            _ => None,
        };
        let number = self.expect(number, "a number")?;
        if !range.contains(&number) {
            self.wrong(match *range.start() >= 0.0 {
                true => format!("must be from {} to {}", range.start(), range.end()),
                false => "must be a finite number".to_owned(),
            });
            return None;
        }
        Some(number)
    }

    /// An integer within a range.
    pub(super) fn integer_in(&self, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
        let integer = self.integer()?;
        if !range.contains(&integer) {
            self.wrong(format!("must be from {} to {}", range.start(), range.end()));
            return None;
        }
        Some(integer)
    }

    pub(super) fn array(&self) -> Option<Vec<Value<'a>>> {
        let array = self.expect(self.value.get_ref().as_array(), "a list in brackets")?;
        Some(array.iter().map(|value| self.inner(value)).collect())
    }

    pub(super) fn table(&self) -> Option<Table<'a>> {
        let entries = self.expect(self.as_table(), "a table")?;
        Some(Table::new(entries, self.table_span(), self.mistakes))
    }

    /// Whether it is a list; never complains.
    pub(super) fn is_array(&self) -> bool {
        self.value.get_ref().is_array()
    }

    /// Whether it is a table; never complains.
    pub(super) fn is_table(&self) -> bool {
        self.as_table().is_some()
    }

    /// A text of a type that can be read from text.
    pub(super) fn parse<T: FromStr<Err: ToString>>(&self) -> Option<T> {
        self.text()?.parse().map_err(|error: T::Err| self.wrong(error.to_string())).ok()
    }

    /// A duration within a range: `"500ms"`, `"5s"`, `"1h 30m"`.
    pub(super) fn duration_in(
        &self,
        range: std::ops::RangeInclusive<Duration>,
    ) -> Option<Duration> {
        const HINT: &str = r#"write a number and a unit: "500ms", "5s", "10m", "1h 30m", "2d""#;
        let text = match self.value.get_ref() {
            DeValue::String(text) => text,
            other => {
                let message = format!("expected a duration, found {}", describe(other));
                self.wrong_with_hint(message, HINT);
                return None;
            }
        };
        let duration = match humantime::parse_duration(text) {
            Ok(duration) => duration,
            Err(error) => {
                self.wrong_with_hint(format!("not a duration: {error}"), HINT);
                return None;
            }
        };
        if !range.contains(&duration) {
            let [least, most] =
                [range.start(), range.end()].map(|d| humantime::format_duration(*d));
            self.wrong(format!("must be from {least} to {most}"));
            return None;
        }
        Some(duration)
    }

    /// An instant, to the second: `2026-12-01T02:00:00Z`, or with an offset in place of `Z`.
    pub(super) fn instant(&self) -> Option<Timestamp> {
        const HINT: &str =
            "write it without quotes: 2026-12-01T02:00:00Z, or 2026-12-01T03:00:00+01:00";
        let wrong = |message: &str| {
            self.wrong_with_hint(message, HINT);
            None
        };
        let DeValue::Datetime(datetime) = self.value.get_ref() else {
            let found = describe(self.value.get_ref());
            return wrong(&format!("expected an instant, found {found}"));
        };
        let (Some(_), Some(time), Some(_)) = (datetime.date, datetime.time, datetime.offset) else {
            return wrong("an instant has a date, a time, and `Z` or an offset from UTC");
        };
        if time.nanosecond.is_some_and(|fraction| fraction > 0) {
            return wrong("an instant is a whole second");
        }
        let instant = datetime.to_string().parse::<jiff::Timestamp>();
        match instant.ok().and_then(|instant| u64::try_from(instant.as_second()).ok()) {
            Some(secs @ 0..INSTANT_END_SECS) => {
                Some(Timestamp::default() + Duration::from_secs(secs))
            }
            _ => wrong("an instant lies between 1970 and 2100"),
        }
    }

    fn as_table(&self) -> Option<&'a DeTable<'a>> {
        self.value.get_ref().as_table()
    }

    /// A `[section]` has no place of its own in the text: its key stands for it.
    fn table_span(&self) -> Range<usize> {
        let span = self.value.span();
        if span.is_empty() { self.key.clone() } else { span }
    }

    fn inner(&self, value: &'a Spanned<DeValue<'a>>) -> Value<'a> {
        Value { value, key: value.span(), mistakes: self.mistakes }
    }

    fn expect<T>(&self, got: Option<T>, wanted: &str) -> Option<T> {
        if got.is_none() {
            self.wrong(format!("expected {wanted}, found {}", describe(self.value.get_ref())));
        }
        got
    }
}

fn describe(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
