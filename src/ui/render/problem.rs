//! Why a command could not do its work at all, for people and for scripts.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::ui::Colour;
use crate::ui::render::diagnostic::{self, Finding};
use crate::ui::terminal::style::{BAD, CARE, notice};
use moat_model::resource::Run;
use moat_plan::event::Code;
use moat_spec::Diagnostics;

/// What is in the way.
#[derive(Debug, Clone, Copy)]
pub struct Problem<'a> {
    pub code: Code,
    /// Lowercase, names in backticks, no full stop.
    pub message: &'a str,
    pub hint: Option<&'a str>,
    /// The findings on the spec, if it is that.
    pub findings: Option<&'a Diagnostics>,
}

/// As scripts get it.
#[derive(Debug, Serialize)]
pub struct Document {
    /// Of several the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Code>,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// In place of what a command could not find out.
#[derive(Debug, Serialize)]
struct InPlace<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<&'a str>,
    error: Document,
    exit_code: u8,
}

/// All of them, with an empty line between; ends with a line feed.
pub fn text(problems: &[Problem<'_>], colour: Colour) -> String {
    problems.iter().map(|problem| problem.text(colour)).collect::<Vec<_>>().join("\n")
}

/// What does not keep a command from its work; ends with a line feed.
pub fn warning(message: &str, hint: &str, colour: Colour) -> String {
    notice("warning", CARE, message, Some(hint), colour)
}

/// In place of the document that was asked for; of one agent of several, if `run` is given.
pub fn json(run: Option<&Run>, problems: &[Problem<'_>], exit_code: u8) -> String {
    let (run, agent) = (run.map(|run| run.id.as_str()), run.map(|run| run.agent.as_str()));
    crate::ui::json::stream::json(&InPlace { run, agent, error: Document::of(problems), exit_code })
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
    /// Of several, in one: a script is told of all of them.
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
