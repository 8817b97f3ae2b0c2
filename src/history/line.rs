//! A line of the history: one command on one run.

use serde::{Deserialize, Serialize};

/// A command and its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub v: u32,
    /// The end time, RFC 3339 in UTC.
    pub time: String,
    pub run: String,
    pub agent: String,
    pub engine: String,
    /// The command, for example `apply`, or the trigger of a watch.
    pub trigger: String,
    pub pid: u32,
    pub rounds: Vec<Round>,
    /// An outcome of `docs/reference/events.md`: `converged`, `failed`, …
    pub outcome: String,
    pub exit_code: u8,
    /// The state of the run at the end; `None` if the engine could not be reached.
    pub state: Option<String>,
    pub took_ms: u64,
    /// The errors, in order of occurrence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Fault>,
}

/// An executed plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// From 1; 0 for a rollback.
    pub round: u32,
    pub operations: Vec<Step>,
}

/// An operation and its result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub action: String,
    pub resource: String,
    pub name: String,
    /// The code of the cause, see `docs/reference/plan.md`.
    pub cause: String,
    /// `done`, `failed`, `skipped` or `left`.
    pub result: String,
    pub took_ms: Option<u64>,
}

/// A failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    pub resource: String,
    pub name: String,
    pub action: String,
    /// A code of `docs/reference/failures.md`; missing in lines of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    pub message: String,
    pub hint: Option<String>,
}

impl Line {
    /// Returns the JSON line, which ends with a line feed.
    pub(super) fn to_line(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|error| unreachable!("plain values: {error}")) + "\n"
    }

    /// Returns the number of completed operations of all rounds.
    pub fn done(&self) -> usize {
        self.rounds.iter().flat_map(|round| &round.operations).filter(|step| step.result == "done").count()
    }
}
