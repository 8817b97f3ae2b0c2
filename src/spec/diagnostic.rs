//! What is wrong with a source, and where.
//!
//! Only the finding: how it looks on a screen is the business of `ui`.

use serde::Serialize;

use super::source::{Source, Span};

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

impl Diagnostics {
    /// One finding.
    pub fn of(source: &Source, item: Diagnostic) -> Self {
        Self { source: source.clone(), items: vec![item] }
    }
}

impl Diagnostic {
    pub fn error(message: impl Into<String>, span: Span) -> Self {
        Self { severity: Severity::Error, message: message.into(), span, hint: None }
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}
