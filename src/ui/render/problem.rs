//! Errors that keep a command from its work, for people and scripts.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::ui::Colour;
use crate::ui::render::diagnostic::{self, Finding};
use crate::ui::terminal::style::{BAD, CARE, notice};
use moat_model::resource::Run;
use moat_plan::event::Code;
use moat_spec::Diagnostics;

/// An error.
#[derive(Debug, Clone, Copy)]
pub struct Problem<'a> {
    pub code: Code,
    /// Lowercase, names in backticks, no full stop.
    pub message: &'a str,
    pub hint: Option<&'a str>,
    /// The diagnostics, if the spec is invalid.
    pub findings: Option<&'a Diagnostics>,
}

/// An error for scripts.
#[derive(Debug, Serialize)]
pub struct Document {
    /// The code of the first error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// The document in place of a command's normal output.
#[derive(Debug, Serialize)]
struct InPlace<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'a str>,
    error: Document,
    exit_code: u8,
}

/// Renders all errors, separated by empty lines; ends with a line feed.
pub fn text(problems: &[Problem<'_>], colour: Colour) -> String {
    problems.iter().map(|problem| problem.text(colour)).collect::<Vec<_>>().join("\n")
}

/// Renders a warning; ends with a line feed.
pub fn warning(message: &str, hint: &str, colour: Colour) -> String {
    notice("warning", CARE, message, Some(hint), colour)
}

/// Returns the document in place of the normal output; `run` is set if it concerns one agent of several.
pub fn json(run: Option<&Run>, context: Option<&str>, problems: &[Problem<'_>], exit_code: u8) -> String {
    let (run, agent) = (run.map(|run| run.id.as_str()), run.map(|run| run.agent.as_str()));
    crate::ui::encode::json(&InPlace { run, agent, context, error: Document::of(problems), exit_code })
}

impl Problem<'_> {
    /// Ends with a line feed.
    fn text(&self, colour: Colour) -> String {
        match self.findings {
            Some(diagnostics) => diagnostic::text(diagnostics, colour),
            None => notice("error", BAD, self.message, self.hint, colour),
        }
    }
}

impl Document {
    /// Combines all errors into one document.
    pub fn of(problems: &[Problem<'_>]) -> Self {
        let messages: Vec<&str> = problems.iter().map(|problem| problem.message).collect();
        let hints: BTreeSet<&str> = problems.iter().filter_map(|problem| problem.hint).collect();
        let hints: Vec<&str> = hints.into_iter().collect();
        let findings = problems.iter().filter_map(|problem| problem.findings);
        Self {
            code: problems.first().map(|problem| problem.code),
            message: messages.join("; "),
            hint: Some(hints.join("; ")).filter(|hint| !hint.is_empty()),
            findings: findings.flat_map(diagnostic::findings).collect(),
        }
    }
}
