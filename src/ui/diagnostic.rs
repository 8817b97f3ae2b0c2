//! Findings on a spec, for people (place, line, caret, hint) and for scripts.
//!
//! What is wrong has been found elsewhere; nothing is added here.

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use serde::Serialize;

use super::Colour;
use crate::spec::source::Position;
use crate::spec::{Diagnostic, Diagnostics, Severity, Source, Span};

/// A finding as scripts get it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub col: usize,
    /// The place behind the last character.
    pub end: End,
    pub severity: Severity,
    pub message: String,
    pub hint: Option<String>,
}

/// Lines and columns are counted from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct End {
    pub line: usize,
    pub col: usize,
}

/// A longer line is shown in part: nobody reads it, and the renderer's work grows with it. In bytes.
const LINE_MAX: usize = 1024;

/// How much of a long line is shown before a place and after its beginning. In bytes.
const CONTEXT: usize = LINE_MAX / 2;

/// All findings as text, one after the other with an empty line between; ends with a line feed.
pub fn text(diagnostics: &Diagnostics, colour: Colour) -> String {
    let renderer = match colour {
        Colour::Never => Renderer::plain(),
        Colour::Always => Renderer::styled(),
    };
    let one = |item| render(&renderer, &diagnostics.source, item) + "\n";
    diagnostics.items.iter().map(one).collect::<Vec<_>>().join("\n")
}

/// All findings as values to serialise.
pub fn findings(diagnostics: &Diagnostics) -> Vec<Finding> {
    let source = &diagnostics.source;
    let finding = |item: &Diagnostic| {
        let Position { line, col } = source.position(item.span.start);
        let end = source.position(item.span.end);
        Finding {
            file: source.name.clone(),
            line,
            col,
            end: End { line: end.line, col: end.col },
            severity: item.severity,
            message: item.message.clone(),
            hint: item.hint.clone(),
        }
    };
    diagnostics.items.iter().map(finding).collect()
}

fn render(renderer: &Renderer, source: &Source, item: &Diagnostic) -> String {
    let level = match item.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let Position { line, col } = source.position(item.span.start);
    let shown = shown(source, &item.span);
    let snippet = Snippet::source(&source.text[shown.clone()])
        .line_start(line)
        .annotation(AnnotationKind::Primary.span(within(&item.span, &shown)));
    let title = level.primary_title(item.message.as_str());
    let mut group = if shown == source.line_at(item.span.start) {
        title.element(snippet.path(source.name.as_str()))
    } else {
        // The renderer would count columns in what is shown.
        title.element(Origin::path(source.name.as_str()).line(line).char_column(col)).element(snippet)
    };
    if let Some(hint) = &item.hint {
        group = group.element(Level::HELP.message(hint.as_str()));
    }
    renderer.render(&[group])
}

/// The line where a span begins, or as much of it as is worth showing.
fn shown(source: &Source, span: &Span) -> Span {
    let line = source.line_at(span.start);
    if line.len() <= LINE_MAX {
        return line;
    }
    let from = source.char_boundary(span.start.saturating_sub(CONTEXT)).max(line.start);
    let to = source.char_boundary(span.start + CONTEXT).min(line.end);
    from..to
}

/// The part of a span that is shown, counted from where that begins.
fn within(span: &Span, shown: &Span) -> Span {
    span.start - shown.start..span.end.min(shown.end).max(span.start) - shown.start
}
