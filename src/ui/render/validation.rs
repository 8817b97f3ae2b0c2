//! The result of a validation, for people and scripts.

use serde::Serialize;

use crate::ui::encode;
use crate::ui::render::diagnostic::{Finding, findings};
use crate::ui::render::problem::{Document as ProblemDocument, Problem};
use moat_model::resource::Run;
use moat_spec::{Diagnostics, Inputs};

/// A validation.
#[derive(Debug, Default)]
pub struct Checked {
    pub runs: Vec<Run>,
    pub warnings: Vec<Diagnostics>,
    pub inputs: Inputs,
}

#[derive(Debug, Serialize)]
struct Document {
    valid: bool,
    agents: Vec<AgentDocument>,
    warnings: Vec<Finding>,
    /// All files that the specs depend on.
    files: Vec<String>,
    /// Files that were looked for and do not exist.
    missing: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ProblemDocument>,
}

#[derive(Debug, Serialize)]
struct AgentDocument {
    run: String,
    agent: String,
    spec: String,
}

/// Returns one line for each agent.
pub fn text(checked: &Checked) -> String {
    checked.runs.iter().map(|run| format!("{} is valid\n", run.agent)).collect::<Vec<_>>().concat()
}

/// Returns the JSON document, which ends with a line feed.
pub fn json(checked: &Checked, problems: Option<&[Problem<'_>]>) -> String {
    let agent =
        |run: &Run| AgentDocument { run: run.id.to_string(), agent: run.agent.to_string(), spec: run.spec.clone() };
    let shown = |paths: &std::collections::BTreeSet<std::path::PathBuf>| {
        paths.iter().map(|path| path.display().to_string()).collect()
    };
    encode::json(&Document {
        valid: problems.is_none(),
        agents: checked.runs.iter().map(agent).collect(),
        warnings: checked.warnings.iter().flat_map(findings).collect(),
        files: shown(&checked.inputs.read),
        missing: shown(&checked.inputs.missing),
        error: problems.map(ProblemDocument::of),
    })
}
