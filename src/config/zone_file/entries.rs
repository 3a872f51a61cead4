//! Cuts a zone file into its entries (RFC 1035 §5.1): a line each, or more where parentheses say so.
//! After a mistake the next entry begins on the next line, so that all mistakes are found at once.

use std::ops::Range;

/// One entry, with its comments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Octets of the file.
    pub(super) span: Range<usize>,
    /// What its end shows to be wrong with it.
    pub(super) fault: Option<&'static str>,
}

/// So many `(` that are not closed are looked for to the end of the text; behind them it is not read.
const UNCLOSED_MAX: usize = 16;

const UNCLOSED: &str = "a `(` is not closed";

/// Where the reader stands.
#[derive(Default)]
struct State {
    depth: usize,
    is_quoted: bool,
    is_comment: bool,
    is_escaped: bool,
}

/// A `)` closes nothing.
struct ClosesNothing;

impl State {
    fn step(&mut self, octet: u8) -> Result<(), ClosesNothing> {
        let was_escaped = std::mem::take(&mut self.is_escaped);
        match octet {
            b'\n' => self.is_comment = false,
            _ if self.is_comment || was_escaped => {}
            b'\\' => self.is_escaped = true,
            b'"' => self.is_quoted = !self.is_quoted,
            _ if self.is_quoted => {}
            b';' => self.is_comment = true,
            b'(' => self.depth += 1,
            b')' => self.depth = self.depth.checked_sub(1).ok_or(ClosesNothing)?,
            _ => {}
        }
        Ok(())
    }
}

/// The entries of a text; empty lines are some too.
pub(super) fn entries(text: &str) -> impl Iterator<Item = Entry> {
    let (mut begin, mut unclosed) = (0, 0);
    std::iter::from_fn(move || {
        let rest = text.get(begin..).filter(|rest| !rest.is_empty())?;
        let (mut len, fault) = first(rest);
        if fault == Some(UNCLOSED) {
            unclosed += 1;
            if unclosed == UNCLOSED_MAX {
                len = rest.len();
            }
        }
        let span = begin..begin + len;
        begin = (span.end + 1).min(text.len());
        Some(Entry { span, fault })
    })
}

/// How long the first entry is, without the end of its line.
fn first(rest: &str) -> (usize, Option<&'static str>) {
    let mut at = State::default();
    let mut first_line = None;
    for (index, octet) in rest.bytes().enumerate() {
        match octet {
            b'\n' if at.is_quoted => return (index, Some("a text in quotes does not end")),
            b'\n' if at.depth == 0 => return (index, None),
            b'\n' => drop(first_line.get_or_insert(index)),
            _ => {}
        }
        if at.step(octet).is_err() {
            let end = rest[index..].find('\n').map_or(rest.len(), |len| index + len);
            return (end, Some("a `)` closes nothing"));
        }
    }
    match first_line {
        // What follows may be good: the next entry is on the next line.
        Some(end) if at.depth > 0 => (end, Some(UNCLOSED)),
        _ if at.depth > 0 => (rest.len(), Some(UNCLOSED)),
        _ if at.is_quoted => (rest.len(), Some("a text in quotes does not end")),
        _ => (rest.len(), None),
    }
}

/// How many parentheses are open at the end of the beginning of an entry.
pub(super) fn depth(beginning: &str) -> usize {
    let mut at = State::default();
    // The entry has no fault, or else nobody would ask.
    beginning.bytes().for_each(|octet| drop(at.step(octet)));
    at.depth
}

/// Whether a text is one entry, and all of it.
pub(super) fn is_one(text: &str) -> bool {
    entries(text).next().is_none_or(|entry| entry.fault.is_none() && entry.span.end == text.len())
}

/// Whether some of a text is a comment.
pub(in crate::config) fn has_comment(text: &str) -> bool {
    let mut at = State::default();
    text.bytes().any(|octet| at.step(octet).is_ok() && at.is_comment)
}

/// The words of an entry, with their places in it; parentheses and comments are none.
pub(super) fn words(entry: &str) -> impl Iterator<Item = Range<usize>> {
    let octets = entry.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            match octets.get(at)? {
                b';' => at += entry[at..].find('\n').unwrap_or(entry.len() - at),
                b' ' | b'\t' | b'\r' | b'\n' | b'(' | b')' => at += 1,
                _ => break,
            }
        }
        let begin = at;
        let (mut is_quoted, mut is_escaped) = (false, false);
        while let Some(octet) = octets.get(at) {
            match octet {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                // Also in the midst of a word: of SVCB records only a value is quoted.
                b'"' => {
                    is_quoted = !is_quoted;
                    if !is_quoted && octets[begin] == b'"' {
                        at += 1;
                        break;
                    }
                }
                b' ' | b'\t' | b'\r' | b'\n' | b'(' | b')' | b';' if !is_quoted => break,
                _ => {}
            }
            at += 1;
        }
        Some(begin..at)
    })
}

/// A word without quotes within it (RFC 9460 §2.1), which the reader of records does not take; what
/// they have hidden is written as numbers.
pub(super) fn unquoted(word: &str) -> String {
    if word.starts_with('"') || !word.contains('"') {
        return word.to_owned();
    }
    let (mut plain, mut is_escaped) = (String::new(), false);
    for c in word.chars() {
        match c {
            '"' if !is_escaped => {}
            ' ' | '\t' | '(' | ')' | ';' if !is_escaped => {
                plain.push_str(&format!("\\{:03}", u32::from(c)));
            }
            c => plain.push(c),
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(text: &str) -> Vec<(&str, Option<&'static str>)> {
        entries(text).map(|entry| (&text[entry.span], entry.fault)).collect()
    }

    #[test]
    fn parentheses_join_lines_and_comments_hide_them() {
        let text = "a A 1 ; (\nb SOA ( 1 ; )\n 2 )\nc TXT \"(\" \\( \";\"\n\n d";
        let expected = ["a A 1 ; (", "b SOA ( 1 ; )\n 2 )", "c TXT \"(\" \\( \";\"", "", " d"];
        assert_eq!(cut(text), expected.map(|entry| (entry, None)));
    }

    #[test]
    fn after_a_mistake_the_next_line_begins_anew() {
        let open = Some("a `(` is not closed");
        assert_eq!(cut("a (\nb"), [("a (", open), ("b", None)]);
        let quoted = Some("a text in quotes does not end");
        assert_eq!(cut("a \"x\nb"), [("a \"x", quoted), ("b", None)]);
        assert_eq!(cut("a ) x\nb"), [("a ) x", Some("a `)` closes nothing")), ("b", None)]);
    }

    #[test]
    fn a_text_that_is_not_closed_again_and_again_is_given_up() {
        let text = "a (\n".repeat(100_000);
        let found = cut(&text);
        assert_eq!(found.len(), UNCLOSED_MAX);
        assert!(found.iter().all(|(_, fault)| fault.is_some()));
    }

    #[test]
    fn words_are_what_stands_between_blanks() {
        let entry = "a.b 1h ( \"x \\\" y\" ; no\n z) \\; q k=\"v; w\" \"a\"\"b\"";
        let found: Vec<&str> = words(entry).map(|word| &entry[word]).collect();
        let expected =
            ["a.b", "1h", "\"x \\\" y\"", "z", "\\;", "q", "k=\"v; w\"", "\"a\"", "\"b\""];
        assert_eq!(found, expected);
    }

    proptest! {
        #[test]
        fn every_octet_is_in_an_entry_or_ends_one(text in "[a( )\";\\\\\n]{0,60}") {
            let mut end = 0;
            for entry in entries(&text) {
                prop_assert!(entry.span.start == end && entry.span.end >= end);
                for word in words(&text[entry.span.clone()]) {
                    prop_assert!(!word.is_empty());
                }
                end = (entry.span.end + 1).min(text.len());
            }
            prop_assert_eq!(end, text.len());
        }
    }
}
