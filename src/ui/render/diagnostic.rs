//! Diagnostics of a spec for people (location, line, caret, hint) and for scripts.
//!
//! Renders only; `moat-spec` finds the problems.

use std::borrow::Cow;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use serde::Serialize;

use crate::ui::Colour;
use moat_spec::source::Position;
use moat_spec::{Diagnostic, Diagnostics, Severity, Source, Span};

/// A diagnostic for scripts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub col: usize,
    /// The position after the last character.
    pub end: End,
    pub severity: Severity,
    pub message: String,
    pub hint: Option<String>,
}

/// A position. Lines and columns start at 1; columns are in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct End {
    pub line: usize,
    pub col: usize,
}

/// The maximum length of a fully shown line, in bytes. Longer lines are not readable, and slow to render.
const LINE_MAX: usize = 1024;

/// The excerpt of a long line before and after the start of a span, in bytes.
const CONTEXT: usize = LINE_MAX / 2;

/// Renders all diagnostics, separated by empty lines; ends with a line feed.
pub fn text(diagnostics: &Diagnostics, colour: Colour) -> String {
    let renderer = match colour {
        Colour::Never => Renderer::plain(),
        Colour::Always => Renderer::styled(),
    };
    let one = |item| render(&renderer, &diagnostics.source, item) + "\n";
    diagnostics.items.iter().map(one).collect::<Vec<_>>().join("\n")
}

/// Returns all diagnostics as serialisable values.
pub fn findings(diagnostics: &Diagnostics) -> Vec<Finding> {
    let source = &diagnostics.source;
    let finding = |item: &Diagnostic| {
        let Position { line, col } = source.position(item.span.start);
        let end = source.position(item.span.end);
        Finding {
            file: source.name_at(item.span.start).to_owned(),
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
    let name = source.name_at(item.span.start);
    let snippet = Snippet::source(harmless(&source.text[shown.clone()]))
        .line_start(line)
        .annotation(AnnotationKind::Primary.span(within(&item.span, &shown)));
    let title = level.primary_title(item.message.as_str());
    let mut group = if shown == source.line_at(item.span.start) {
        title.element(snippet.path(name))
    } else {
        // The renderer would count columns from the start of the excerpt.
        title.element(Origin::path(name).line(line).char_column(col)).element(snippet)
    };
    if let Some(hint) = &item.hint {
        group = group.element(Level::HELP.message(hint.as_str()));
    }
    renderer.render(&[group])
}

/// The replacement for control characters that the renderer does not replace. It has the same length in UTF-8 as they
/// have, so that spans stay valid.
const REPLACEMENT: &str = "¤";

/// Replaces the control characters U+0080 to U+009F, which terminals interpret (ECMA-48).
fn harmless(line: &str) -> Cow<'_, str> {
    if line.contains(is_c1) { Cow::Owned(line.replace(is_c1, REPLACEMENT)) } else { Cow::Borrowed(line) }
}

fn is_c1(c: char) -> bool {
    matches!(c, '\u{80}'..='\u{9f}')
}

/// Returns the line where a span starts, or an excerpt of a long line.
fn shown(source: &Source, span: &Span) -> Span {
    let line = source.line_at(span.start);
    if line.len() <= LINE_MAX {
        return line;
    }
    let from = source.char_boundary(span.start.saturating_sub(CONTEXT)).max(line.start);
    let to = source.char_boundary(span.start + CONTEXT).min(line.end);
    from..to
}

/// Returns the shown part of a span, relative to the start of the excerpt.
fn within(span: &Span, shown: &Span) -> Span {
    span.start - shown.start..span.end.min(shown.end).max(span.start) - shown.start
}

#[cfg(test)]
#[expect(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]
mod tests {
    use expect_test::expect;

    use super::*;

    fn example() -> Diagnostics {
        let source = Source::new("agent.yaml", "/agent.yaml", "agent: ü\nenv: { é: 1 }\n");
        let warning = Diagnostic::warning(16..18, "`é` is unusual").hint("use ASCII");
        Diagnostics::new(&source, vec![Diagnostic::error(7..9, "`ü` cannot be"), warning])
    }

    #[test]
    fn columns_for_scripts_are_in_characters() {
        let json = serde_json::to_string_pretty(&findings(&example())).expect("plain values");
        expect![[r#"
            [
              {
                "file": "agent.yaml",
                "line": 1,
                "col": 8,
                "end": {
                  "line": 1,
                  "col": 9
                },
                "severity": "error",
                "message": "`ü` cannot be",
                "hint": null
              },
              {
                "file": "agent.yaml",
                "line": 2,
                "col": 7,
                "end": {
                  "line": 2,
                  "col": 8
                },
                "severity": "warning",
                "message": "`é` is unusual",
                "hint": "use ASCII"
              }
            ]"#]]
        .assert_eq(&json);
    }

    #[test]
    fn severities_and_optional_hints_are_shown() {
        expect![[r#"
            error: `ü` cannot be
             --> agent.yaml:1:8
              |
            1 | agent: ü
              |        ^

            warning: `é` is unusual
             --> agent.yaml:2:7
              |
            2 | env: { é: 1 }
              |       ^
              |
              = help: use ASCII
        "#]]
        .assert_eq(&text(&example(), Colour::Never));
    }

    #[test]
    fn colours_do_not_change_the_text() {
        let coloured = text(&example(), Colour::Always);
        assert!(coloured.contains("\u{1b}["));
        assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), text(&example(), Colour::Never));
    }

    #[test]
    fn a_long_line_is_shown_as_an_excerpt_with_its_real_column() {
        let before = "ü".repeat(LINE_MAX);
        let source = Source::new("agent.yaml", "/agent.yaml", format!("a\n{before}WRONG{before}\n"));
        let start = 2 + before.len();
        let shown = text(&Diagnostics::at(&source, start..start + 5, "m", "h"), Colour::Never);
        assert!(shown.contains(&format!("agent.yaml:2:{}", LINE_MAX + 1)), "{shown}");
        assert!(shown.contains("üWRONGü") && shown.contains("^^^^^"), "{shown}");
        assert!(shown.len() < 2 * LINE_MAX, "{}", shown.len());
    }

    #[test]
    fn control_characters_are_replaced() {
        let source = Source::new("agent.yaml", "/agent.yaml", "a\u{9b}31m\u{1b}[2Jb\u{7}");
        let shown = text(&Diagnostics::at(&source, 0..1, "m", "h"), Colour::Never);
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
    }
}
