//! Colours, on a terminal alone: what is red is trouble, what is yellow waits or is less than it should be,
//! what is green is well. The words say it too, and are what decides: text is read as it would be
//! printed, field by field. What is piped is never touched.

use std::{
    env,
    ffi::OsStr,
    io::{self, IsTerminal, Write},
};

use anstyle::{AnsiColor, Style};

const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default();
const GREEN: Style = AnsiColor::Green.on_default();
const BLUE: Style = AnsiColor::BrightBlue.on_default();

/// Fields that begin so.
const BEGINNINGS: [(&str, Style); 15] = [
    ("Failed", RED),
    ("RollingBack", RED),
    ("FROZEN", RED),
    ("EVERY PROBE FAILS", RED),
    ("ORPHANED", RED),
    ("NOT KEPT", RED),
    ("error:", RED),
    ("Waiting", YELLOW),
    ("Paused", YELLOW),
    ("waits:", YELLOW),
    ("releases stand still", YELLOW),
    ("Steady", GREEN),
    ("can be switched off since", GREEN),
    ("= help", BLUE),
    ("--> ", BLUE),
];
/// Fields that are this and nothing else.
const WORDS: [(&str, Style); 10] = [
    ("down", RED),
    ("open", RED),
    ("closed", RED),
    ("fail", RED),
    ("error", RED),
    ("degraded", YELLOW),
    ("previous", YELLOW),
    ("unproven", YELLOW),
    ("up", GREEN),
    ("healthy", GREEN),
];
/// Fields that say so anywhere.
const WITHIN: [(&str, Style); 8] = [
    (" REFUSED: ", RED),
    (" CANNOT BE WRITTEN ", RED),
    (" TAKES NO EVENTS ", RED),
    (" DOES NOT HOLD: ", RED),
    (": failed 2", RED),
    (": rolled back 2", RED),
    (": released 2", GREEN),
    (": good", GREEN),
];

/// Whether what is written there may be coloured: <https://no-color.org>.
pub(super) fn is_coloured(out: &impl IsTerminal) -> bool {
    let is_told = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = env::var_os("TERM").as_deref() == Some(OsStr::new("dumb"));
    out.is_terminal() && !is_told("NO_COLOR") && !is_dumb
}

/// Writes text that is meant for the standard output.
pub(super) fn write(text: &str, out: &mut impl Write) -> io::Result<()> {
    match is_coloured(&io::stdout()) {
        true => out.write_all(painted(text).as_bytes()),
        false => out.write_all(text.as_bytes()),
    }
}

/// Text with colours.
pub(super) fn painted(text: &str) -> String {
    text.split_inclusive('\n').map(painted_line).collect()
}

/// Fields stand at least two blanks apart.
fn painted_line(line: &str) -> String {
    let mut painted = String::with_capacity(line.len());
    for part in line.split_inclusive("  ") {
        // The branches of a tree are no part of what they lead to.
        let field = part.trim_matches([' ', '\n', '│', '├', '└', '─', '|']);
        match style_of(field).and_then(|style| Some((style, part.split_once(field)?))) {
            Some((style, (before, behind))) => {
                painted.push_str(&format!("{before}{style}{field}{style:#}{behind}"));
            }
            None => painted.push_str(part),
        }
    }
    painted
}

fn style_of(field: &str) -> Option<Style> {
    let is_mark = !field.is_empty() && field.chars().all(|c| c == '^');
    let of = |(_, style): &(&str, Style)| *style;
    let beginning = || {
        let is_word = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric());
        let begins = |word: &str| field.strip_prefix(word).is_some_and(is_word);
        BEGINNINGS
            .iter()
            .find(|(word, _)| begins(word) || (word.ends_with(' ') && field.starts_with(word)))
    };
    is_mark
        .then_some(RED)
        .or_else(|| WORDS.iter().find(|(word, _)| field == *word).map(of))
        .or_else(|| beginning().map(of))
        .or_else(|| WITHIN.iter().find(|(words, _)| field.contains(words)).map(of))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With `<r …>` for what is red, and so on.
    fn marked(text: &str) -> String {
        let mut marked = painted(text);
        for (style, mark) in [(RED, "<r "), (YELLOW, "<y "), (GREEN, "<g "), (BLUE, "<b ")] {
            marked = marked.replace(&style.to_string(), mark);
        }
        marked.replace(&format!("{RED:#}"), ">")
    }

    #[test]
    fn a_tree_is_coloured_field_by_field() {
        for (line, shown) in [
            ("├─ api  Steady  healthy  ttl 60 s\n", "├─ api  <g Steady>  <g healthy>  ttl 60 s\n"),
            ("└─ web  Failed  degraded", "└─ web  <r Failed>  <y degraded>"),
            ("│  │  └─ 192.0.2.1   down   x", "│  │  └─ 192.0.2.1   <r down>   x"),
            ("│  waits: for web", "│  <y waits: for web>"),
            ("├─ api  Waiting until 2026-12-01", "├─ api  <y Waiting until 2026-12-01>"),
            ("FROZEN since 2026 by user 0", "<r FROZEN since 2026 by user 0>"),
            ("/a REFUSED: what is served is old", "<r /a REFUSED: what is served is old>"),
            ("│  because 1 of 2 endpoints are up", "│  because 1 of 2 endpoints are up"),
            ("└─ Failedover  100 %", "└─ Failedover  100 %"),
        ] {
            assert_eq!(marked(line), shown);
        }
    }

    #[test]
    fn so_are_mistakes_plans_and_histories() {
        for (line, shown) in [
            ("error: unknown key `x`\n", "<r error: unknown key `x`>\n"),
            ("  |        ^^^^\n", "  |        <r ^^^^>\n"),
            ("  --> release.toml:3:8\n", "  <b --> release.toml:3:8>\n"),
            ("  = help: did you mean `v1`?", "  <b = help: did you mean `v1`?>"),
            ("   health DOES NOT HOLD: 1 of 2", "   <r health DOES NOT HOLD: 1 of 2>"),
            (
                "api  release 1: v1 → v2: rolled back 2026",
                "api  <r release 1: v1 → v2: rolled back 2026>",
            ),
            ("/etc/cutover.toml: good, services: 1", "<g /etc/cutover.toml: good, services: 1>"),
        ] {
            assert_eq!(marked(line), shown);
        }
    }

    #[test]
    fn nothing_but_colours_is_added() {
        let text = "zone.test  generation 3\n├─ api  Failed  open\n\n   x  \n└─ up  up\n";
        let mut bare = painted(text);
        for style in [RED, YELLOW, GREEN, BLUE] {
            bare = bare.replace(&style.to_string(), "").replace(&format!("{style:#}"), "");
        }
        assert_eq!(bare, text);
        let nobody = std::fs::File::open("/dev/null").expect("it opens");
        assert!(!is_coloured(&nobody), "what is no terminal is never coloured");
    }
}
