//! What is wrong with a source, and where.
//!
//! Only the finding: how it looks on a screen is the business of `ui`.

use std::fmt;

use serde::Serialize;

use super::source::{Source, Span, floor_char_boundary};

/// All that is wrong with one source; never empty when returned as an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics {
    pub source: Source,
    /// In the order of the text.
    pub items: Vec<Diagnostic>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    /// Lowercase, names in backticks, no full stop.
    pub message: String,
    /// The place in the text; an empty span points between two characters.
    pub span: Span,
    /// What to do about it.
    pub hint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
}

/// Nobody reads more at once, and a hostile file must not turn one megabyte into a hundred.
pub const DIAGNOSTICS_MAX: usize = 100;

/// What the user wrote is repeated in a message up to this many characters: enough to recognise it.
const QUOTED_MAX: usize = 60;

impl Diagnostics {
    /// All findings on a source: sorted as the text is, bounded by [`DIAGNOSTICS_MAX`], with spans that are
    /// sure to be in the text.
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

    /// One error at one place of a source.
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

    /// The same finding with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// One line for each finding; for logs and for callers that have no screen.
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

/// A text of the user's in backticks, cut and made harmless for a terminal.
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
    fn findings_come_in_the_order_of_the_text() {
        let items = vec![Diagnostic::error(5..6, "later"), Diagnostic::error(0..1, "sooner")];
        let found = Diagnostics::new(&source("one\ntwo\n"), items);
        assert_eq!(found.to_string(), "agent.yaml:1:1: sooner\nagent.yaml:2:2: later");
    }

    #[test]
    fn spans_are_brought_into_the_text() {
        let found = Diagnostics::at(&source("aé"), 2..99, "m", "h");
        assert_eq!(found.items[0].span, 1..3);
    }

    #[test]
    fn there_are_never_more_than_can_be_read() {
        let many = (0..500).map(|_| Diagnostic::error(0..0, "m")).collect();
        let found = Diagnostics::new(&source("a"), many);
        assert_eq!(found.items.len(), DIAGNOSTICS_MAX + 1);
        assert_eq!(found.items[DIAGNOSTICS_MAX].message, "400 more problems not shown");
    }

    #[test]
    fn what_is_quoted_cannot_move_a_cursor() {
        assert_eq!(quoted("a\u{1b}[2J"), "`a\\u{1b}[2J`");
        assert_eq!(quoted(&"x".repeat(1000)).chars().count(), QUOTED_MAX + 3);
    }
}
