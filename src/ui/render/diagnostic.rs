//! Findings on a spec, for people (place, line, caret, hint) and for scripts.
//!
//! What is wrong has been found elsewhere; nothing is added here.

use std::borrow::Cow;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use serde::Serialize;

use crate::ui::Colour;
use moat_spec::source::Position;
use moat_spec::{Diagnostic, Diagnostics, Severity, Source, Span};

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
        // The renderer would count columns in what is shown.
        title.element(Origin::path(name).line(line).char_column(col)).element(snippet)
    };
    if let Some(hint) = &item.hint {
        group = group.element(Level::HELP.message(hint.as_str()));
    }
    renderer.render(&[group])
}

/// What stands for a control character that the renderer would let through. As long as any of these in UTF-8, so
/// that places stay where they are.
const STAND_IN: &str = "¤";

/// Without the control characters from U+0080 to U+009F, which terminals obey as well (ECMA-48).
fn harmless(line: &str) -> Cow<'_, str> {
    if line.contains(is_c1) { Cow::Owned(line.replace(is_c1, STAND_IN)) } else { Cow::Borrowed(line) }
}

fn is_c1(c: char) -> bool {
    matches!(c, '\u{80}'..='\u{9f}')
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
    fn scripts_get_places_in_characters() {
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
    fn warnings_look_like_warnings_and_a_hint_may_be_missing() {
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
    fn colours_add_nothing_but_colours() {
        let coloured = text(&example(), Colour::Always);
        assert!(coloured.contains("\u{1b}["));
        assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), text(&example(), Colour::Never));
    }

    #[test]
    fn a_long_line_is_shown_in_part_and_its_column_is_right() {
        let before = "ü".repeat(LINE_MAX);
        let source = Source::new("agent.yaml", "/agent.yaml", format!("a\n{before}WRONG{before}\n"));
        let start = 2 + before.len();
        let shown = text(&Diagnostics::at(&source, start..start + 5, "m", "h"), Colour::Never);
        assert!(shown.contains(&format!("agent.yaml:2:{}", LINE_MAX + 1)), "{shown}");
        assert!(shown.contains("üWRONGü") && shown.contains("^^^^^"), "{shown}");
        assert!(shown.len() < 2 * LINE_MAX, "{}", shown.len());
    }

    #[test]
    fn what_is_shown_cannot_command_a_terminal() {
        let source = Source::new("agent.yaml", "/agent.yaml", "a\u{9b}31m\u{1b}[2Jb\u{7}");
        let shown = text(&Diagnostics::at(&source, 0..1, "m", "h"), Colour::Never);
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
    }
}
