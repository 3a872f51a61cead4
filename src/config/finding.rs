//! Mistakes in a file, shown the way a compiler does: all of them, each with its place.

use std::{
    ops::Range,
    path::{Path, PathBuf},
};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::read::ReadError;

/// One mistake, before it has a line and a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    /// Octets of the file.
    pub(super) span: Range<usize>,
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

/// One mistake with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// From 1; 0 when the file as a whole is meant.
    pub line: usize,
    /// From 1, in characters; 0 when the file as a whole is meant.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// A file that cannot be used, and why: the first reasons, if there are many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Which one.
    pub path: PathBuf,
    /// What is wrong, in the order of the file; at least one.
    pub findings: Vec<Finding>,
    rendered: String,
}

/// As many mistakes as are worth showing: behind so many there is one cause.
const SHOWN_MAX: usize = 50;

impl Rejected {
    pub(super) fn new(path: &Path, text: &str, mut mistakes: Vec<Mistake>) -> Self {
        mistakes.sort_by_key(|mistake| (mistake.span.start, mistake.span.end));
        mistakes.dedup();
        let hidden = mistakes.len().saturating_sub(SHOWN_MAX);
        mistakes.truncate(SHOWN_MAX);
        let mut rendered: Vec<String> =
            mistakes.iter().map(|mistake| render(path, text, mistake)).collect();
        if hidden > 0 {
            rendered.push(format!("and {hidden} more"));
        }
        let findings = mistakes.into_iter().map(|mistake| locate(text, mistake)).collect();
        Self { path: path.to_owned(), findings, rendered: rendered.join("\n\n") }
    }

    /// A file that could not even be read.
    pub(super) fn unreadable(path: &Path, error: &ReadError) -> Self {
        let finding =
            Finding { line: 0, column: 0, message: error.to_string(), hint: error.hint() };
        let hint = finding.hint.as_ref().map(|hint| format!("\n  = help: {hint}"));
        let rendered = format!("error: {}: {error}{}", path.display(), hint.unwrap_or_default());
        Self { path: path.to_owned(), findings: vec![finding], rendered }
    }

    /// A file whose text is not shown with what is wrong in it.
    pub fn hidden(path: &Path, place: (usize, usize), message: String) -> Self {
        let rendered = format!("error: {}: {message}", path.display());
        let (line, column) = place;
        let findings = vec![Finding { line, column, message, hint: None }];
        Self { path: path.to_owned(), findings, rendered }
    }

    /// The first mistake in one line, for logs.
    pub fn summary(&self) -> String {
        let Some(first) = self.findings.first() else { return String::new() };
        let place = match first.line {
            0 => String::new(),
            line => format!("line {line}, column {}: ", first.column),
        };
        match self.findings.len() {
            1 => format!("{place}{}", first.message),
            count => format!("{place}{} (and {} more)", first.message, count - 1),
        }
    }
}

impl std::fmt::Display for Rejected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.rendered)
    }
}

impl std::error::Error for Rejected {}

fn render(path: &Path, text: &str, mistake: &Mistake) -> String {
    let path = path.display().to_string();
    let snippet = Snippet::source(text)
        .path(path)
        .annotation(AnnotationKind::Primary.span(whole_characters(text, &mistake.span)));
    let mut group = Level::ERROR.primary_title(mistake.message.as_str()).element(snippet);
    if let Some(hint) = &mistake.hint {
        group = group.element(Level::HELP.message(hint.as_str()));
    }
    Renderer::plain().render(&[group])
}

/// The span, cut to the text and to the borders of characters.
fn whole_characters(text: &str, span: &Range<usize>) -> Range<usize> {
    let floor = |at: usize| (0..=at.min(text.len())).rev().find(|&at| text.is_char_boundary(at));
    let start = floor(span.start).unwrap_or(0);
    start..floor(span.end).unwrap_or(start).max(start)
}

fn locate(text: &str, mistake: Mistake) -> Finding {
    let before = &text[..whole_characters(text, &mistake.span).start];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Finding {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
        message: mistake.message,
        hint: mistake.hint,
    }
}
