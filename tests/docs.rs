//! The README and the pages in `config/` tell the truth, as far as a machine can tell: links lead
//! somewhere, commands are understood, metrics and files exist.

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use clap::error::ErrorKind;
use common::scrape::{ELSEWHERE, metrics, named, names};
use cutover::{cli, delegation};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Each page, by its path.
fn pages() -> BTreeMap<PathBuf, String> {
    let config = fs::read_dir(root().join("config")).expect("a folder");
    let config = config.map(|entry| entry.expect("an entry").path());
    let pages = config.filter(|path| path.extension().is_some_and(|end| end == "md"));
    let pages = pages.chain([root().join("README.md")]);
    let read = |path: PathBuf| (path.clone(), fs::read_to_string(path).expect("readable"));
    let pages: BTreeMap<PathBuf, String> = pages.map(read).collect();
    assert!(pages.len() >= 3, "they were not found");
    pages
}

/// The lines of a page, each with the language of the code block in which it stands, if it does.
fn lines(page: &str) -> Vec<(Option<&str>, &str)> {
    let mut block = None;
    let mut lines = Vec::new();
    for line in page.lines() {
        match (line.trim_start().strip_prefix("```"), block) {
            (Some(language), None) => block = Some(language),
            (Some(_), Some(_)) => block = None,
            (None, _) => lines.push((block, line)),
        }
    }
    assert_eq!(block, None, "a code block has no end");
    lines
}

/// The text outside of code blocks.
fn prose(page: &str) -> String {
    let prose = lines(page).into_iter().filter(|(block, _)| block.is_none());
    prose.map(|(_, line)| format!("{line}\n")).collect()
}

/// What stands between `open` and `close`, each time.
fn between<'t>(text: &'t str, open: &str, close: char) -> Vec<&'t str> {
    text.split(open).skip(1).filter_map(|rest| rest.split(close).next()).collect()
}

/// What stands in backticks, which may begin in one line and end in the next.
fn spans(prose: &str) -> Vec<&str> {
    assert!(prose.matches('`').count().is_multiple_of(2), "a backtick has no other");
    prose.split('`').skip(1).step_by(2).collect()
}

/// As GitHub makes them of headings.
fn anchors(page: &str) -> BTreeSet<String> {
    let prose = prose(page);
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let (mut dead, mut seen) = (Vec::new(), 0);
    for (path, page) in pages() {
        for link in between(&prose(&page), "](", ')') {
            if link.starts_with("https://") {
                continue;
            }
            seen += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let folder = path.parent().expect("a folder");
            let target = if file.is_empty() { path.clone() } else { folder.join(file) };
            let is_there = target.exists() && {
                let text = fs::read_to_string(&target).unwrap_or_default();
                anchor.is_empty() || anchors(&text).contains(anchor)
            };
            if !is_there {
                dead.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(dead.is_empty() && seen > 30, "{seen} links, of which are dead:\n{}", dead.join("\n"));
}

/// The words of a command as a shell has them, as far as the pages need it.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in command.trim().chars().chain([' ']) {
        match (c, quote) {
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (' ', None) if !word.is_empty() => words.push(std::mem::take(&mut word)),
            (' ', None) => {}
            (c, _) => word.push(c),
        }
    }
    words
}

/// The commands of ours in the code blocks of a page: in `sh` each line, in `console` what is typed.
fn commands(page: &str) -> Vec<Vec<String>> {
    let typed = lines(page).into_iter().filter_map(|(block, line)| match block {
        Some("sh") => Some(line),
        Some("console") => line.trim_start().strip_prefix("$ "),
        _ => None,
    });
    let parts = typed.flat_map(|line| {
        let line = line.split(" #").next().unwrap_or_default();
        let parts = line.split("&&").flat_map(|part| part.split('|'));
        // Where the output goes is the shell's business.
        let parts = parts.map(|part| part.split(" > ").next().unwrap_or_default());
        parts.map(words).collect::<Vec<_>>()
    });
    parts.filter(|words| words.first().is_some_and(|first| first == "cutover")).collect()
}

#[test]
fn every_command_is_understood() {
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for (path, page) in pages() {
        for words in commands(&page) {
            seen += 1;
            // A word in capitals stands for what the reader has.
            let is_open = words
                .iter()
                .any(|word| word.len() > 3 && !word.contains(|c: char| !c.is_ascii_uppercase()));
            match cli::command().try_get_matches_from(&words) {
                Err(error) if is_open && error.kind() == ErrorKind::ValueValidation => {}
                Err(error) => wrong.push(format!("{}: {words:?}\n{error}", path.display())),
                Ok(_) => {}
            }
        }
    }
    assert!(wrong.is_empty() && seen > 30, "{seen} commands, of which:\n{}", wrong.join("\n"));
}

#[test]
fn every_verb_in_the_text_is_one() {
    let command = cli::command();
    let verbs: BTreeSet<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
    let mut wrong = Vec::new();
    for (path, page) in pages() {
        let prose = prose(&page);
        let named = spans(&prose).into_iter().filter_map(|span| {
            span.strip_prefix("cutover").filter(|rest| rest.starts_with(char::is_whitespace))
        });
        let verb = |text: &str| text.split_whitespace().next().unwrap_or_default().to_owned();
        let unknown = named.map(verb).filter(|verb| !verbs.contains(verb.as_str()));
        wrong.extend(unknown.map(|verb| format!("{}: {verb}", path.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Those in backticks; one with a word in capitals stands for many.
#[test]
fn every_file_that_is_named_is_there() {
    let (mut missing, mut seen) = (Vec::new(), 0);
    for (path, page) in pages() {
        let prose = prose(&page);
        let ours =
            |span: &&str| ["tests/", "src/", "systemd/"].iter().any(|it| span.starts_with(it));
        for span in spans(&prose).into_iter().filter(ours) {
            let file = span.split_whitespace().next().unwrap_or_default();
            let is_open = file.contains(|c: char| c.is_ascii_uppercase());
            // Other projects have a `src/` too.
            let is_other = file.starts_with("src/resolve/") || file.starts_with("src/java.base/");
            seen += 1;
            if !is_open && !is_other && !root().join(file).exists() {
                missing.push(format!("{}: {file}", path.display()));
            }
        }
    }
    assert!(
        missing.is_empty() && seen > 50,
        "{seen}, of which are missing:\n{}",
        missing.join("\n")
    );
}

#[test]
fn the_runbooks_know_everything_that_can_be_wrong_with_a_delegation() {
    let page = fs::read_to_string(root().join("config/runbooks.md")).expect("readable");
    let prose = prose(&page);
    let spans = spans(&prose);
    let silent: Vec<&&str> =
        delegation::CODES.iter().filter(|code| !spans.contains(code)).collect();
    assert!(silent.is_empty(), "{silent:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_that_is_named_exists() {
    let metrics = metrics().await;
    let exist = names(&metrics);
    for (path, page) in pages() {
        let unknown: Vec<&str> = named(&page).difference(&exist).copied().collect();
        let unknown: Vec<&str> = unknown.into_iter().filter(|it| !ELSEWHERE.contains(it)).collect();
        assert!(unknown.is_empty(), "{}: {unknown:?}", path.display());
    }
}

#[test]
fn what_is_looked_for_is_found() {
    let page = "# A `b`, c\n[x](#a-b-c) `cutover\nstatus`\n```sh\ncutover wait --drained api \"v 1\" && rm x # no\n```\n";
    assert_eq!(anchors(page), ["a-b-c".to_owned()].into());
    assert_eq!(commands(page), [["cutover", "wait", "--drained", "api", "v 1"]]);
    assert_eq!(spans(&prose(page)), ["b", "cutover\nstatus"]);
    assert_eq!(between(page, "](", ')'), ["#a-b-c"]);
    assert_eq!(named("`cutover_ready` and cutover_dns_…"), ["cutover_ready"].into());
}
