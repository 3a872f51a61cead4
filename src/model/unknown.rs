//! A name that there is not, and which one was meant.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many names are shown when none is near.
const SHOWN_MAX: usize = 10;
/// How many are looked at: whoever waits for it must not wait long, however many there are.
const LOOKED_AT_MAX: usize = 20_000;

/// There is none of this name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
pub struct Unknown {
    /// What was looked for: `service`, `pool`.
    pub what: String,
    /// The name.
    pub name: String,
    /// The one that was meant, if one is near enough.
    pub meant: Option<String>,
    /// Otherwise those that there are, or the first of them.
    pub known: Vec<String>,
    /// Whether there are more.
    pub and_more: bool,
}

impl Unknown {
    /// A name that is not among those that are known.
    pub fn of<'k>(what: &str, name: &str, known: impl IntoIterator<Item = &'k str>) -> Self {
        let known: Vec<&str> = known.into_iter().take(LOOKED_AT_MAX).collect();
        let meant = nearest(name, &known).map(str::to_owned);
        let shown = if meant.is_some() { 0 } else { SHOWN_MAX };
        Self {
            what: what.to_owned(),
            name: name.to_owned(),
            and_more: shown > 0 && known.len() > shown,
            known: known.into_iter().take(shown).map(str::to_owned).collect(),
            meant,
        }
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, name, meant, known, and_more } = self;
        write!(f, "there is no {what} `{name}`")?;
        match (meant, known.as_slice()) {
            (Some(meant), _) => write!(f, "; did you mean `{meant}`?"),
            (None, []) => Ok(()),
            (None, known) => {
                let more = if *and_more { " and others" } else { "" };
                write!(f, "; there are: {}{more}", known.join(", "))
            }
        }
    }
}

/// The known word that is meant by a mistyped one, if one is near enough.
pub fn nearest<'k>(typed: &str, known: &[&'k str]) -> Option<&'k str> {
    const NEAR: f64 = 0.8;
    known
        .iter()
        .map(|&word| (strsim::jaro_winkler(typed, word), word))
        .filter(|(similarity, _)| *similarity >= NEAR)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_is_named_or_else_those_that_there_are() {
        let of = |name: &str, known: &[&str]| {
            Unknown::of("pool", name, known.iter().copied()).to_string()
        };
        assert_eq!(of("blu", &["green", "blue"]), "there is no pool `blu`; did you mean `blue`?");
        assert_eq!(of("v9", &["blue", "green"]), "there is no pool `v9`; there are: blue, green");
        assert_eq!(of("v9", &[]), "there is no pool `v9`");
        let many: Vec<String> = (10..30).map(|n| format!("w{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(of("x", &many).ends_with("w18, w19 and others"), "{}", of("x", &many));
    }
}
