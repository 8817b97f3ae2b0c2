//! Errors and warnings about a source, with locations.
//!
//! Data only: `ui` renders it.

use std::fmt;

use serde::Serialize;

use super::source::{Source, Span, floor_char_boundary};

/// The diagnostics of one source; never empty when returned as an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics {
    pub source: Source,
    /// In the order of the text.
    pub items: Vec<Diagnostic>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    /// Lowercase, with names in backticks and no full stop.
    pub message: String,
    /// The location; an empty span points between two characters.
    pub span: Span,
    /// How to fix it.
    pub hint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
}

/// Longer reports are not useful, and a hostile file must not turn one megabyte into a hundred.
pub const DIAGNOSTICS_MAX: usize = 100;

/// In characters: user input is truncated in messages, but long enough to recognise.
const QUOTED_MAX: usize = 60;

impl Diagnostics {
    /// Sorts diagnostics by location, limits them to [`DIAGNOSTICS_MAX`], and clamps their spans to the text.
    pub fn new(source: &Source, mut items: Vec<Diagnostic>) -> Self {
        for item in &mut items {
            let start = floor_char_boundary(&source.text, item.span.start);
            let end = floor_char_boundary(&source.text, item.span.end).max(start);
            item.span = start..end;
        }
        items.sort_by_key(|item| item.span.start);
        if items.len() > DIAGNOSTICS_MAX {
            let more = items.len() - DIAGNOSTICS_MAX;
            items.truncate(DIAGNOSTICS_MAX + 1);
            if let Some(last) = items.last_mut() {
                *last = Diagnostic::error(last.span.clone(), format!("{more} more problems not shown"))
                    .hint("fix the ones above first");
            }
        }
        Self { source: source.clone(), items }
    }

    /// A single error.
    pub fn at(source: &Source, span: Span, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(source, vec![Diagnostic::error(span, message).hint(hint)])
    }
}

impl Diagnostic {
    pub fn error(span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, message: message.into(), span, hint: None }
    }

    pub fn warning(span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(span, message) }
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// One line per diagnostic, for logs and tests.
impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, item) in self.items.iter().enumerate() {
            let at = self.source.position(item.span.start);
            let separator = if i == 0 { "" } else { "\n" };
            write!(f, "{separator}{}:{}:{}: {}", self.source.name_at(item.span.start), at.line, at.col, item.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

/// User input in backticks, truncated and with control characters escaped.
pub fn quoted(text: &str) -> String {
    let mut out = String::from("`");
    for (i, c) in text.chars().enumerate() {
        if i == QUOTED_MAX {
            out.push('…');
            break;
        }
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out.push('`');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::new("agent.yaml", "/agent.yaml", text)
    }

    #[test]
    fn diagnostics_are_sorted_by_location() {
        let items = vec![Diagnostic::error(5..6, "later"), Diagnostic::error(0..1, "sooner")];
        let found = Diagnostics::new(&source("one\ntwo\n"), items);
        assert_eq!(found.to_string(), "agent.yaml:1:1: sooner\nagent.yaml:2:2: later");
    }

    #[test]
    fn spans_are_clamped_to_the_text() {
        let found = Diagnostics::at(&source("aé"), 2..99, "m", "h");
        assert_eq!(found.items[0].span, 1..3);
    }

    #[test]
    fn the_number_of_diagnostics_is_limited() {
        let many = (0..500).map(|_| Diagnostic::error(0..0, "m")).collect();
        let found = Diagnostics::new(&source("a"), many);
        assert_eq!(found.items.len(), DIAGNOSTICS_MAX + 1);
        assert_eq!(found.items[DIAGNOSTICS_MAX].message, "400 more problems not shown");
    }

    #[test]
    fn quoted_text_has_no_control_characters() {
        assert_eq!(quoted("a\u{1b}[2J"), "`a\\u{1b}[2J`");
        assert_eq!(quoted(&"x".repeat(1000)).chars().count(), QUOTED_MAX + 3);
    }
}
