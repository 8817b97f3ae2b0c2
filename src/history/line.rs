//! One command on one run, as a line of its history.

use serde::{Deserialize, Serialize};

/// What was done, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub v: u32,
    /// When it ended: RFC 3339 in UTC.
    pub time: String,
    pub run: String,
    pub agent: String,
    pub engine: String,
    /// What it was done for: the command, as in `apply`, or what a watcher has seen.
    pub trigger: String,
    pub pid: u32,
    pub rounds: Vec<Round>,
    /// As in `docs/reference/events.md`: `converged`, `failed`, …
    pub outcome: String,
    pub exit_code: u8,
    /// How the run stood then; `None`: the engine could not be asked.
    pub state: Option<String>,
    pub took_ms: u64,
    /// Why it failed, the first reason first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<Fault>,
}

/// A plan that was carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Round {
    /// From 1; of an undoing 0.
    pub round: u32,
    pub operations: Vec<Step>,
}

/// An operation, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub action: String,
    pub resource: String,
    pub name: String,
    /// The code of its cause, as in `docs/reference/plan.md`.
    pub cause: String,
    /// `done`, `failed`, `skipped` or `left`.
    pub result: String,
    pub took_ms: Option<u64>,
}

/// A failure, as a person needs it later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    pub resource: String,
    pub name: String,
    pub action: String,
    /// As in `docs/reference/failures.md`; not there in lines of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    pub message: String,
    pub hint: Option<String>,
}

impl Line {
    /// Ends with a line feed.
    pub(super) fn to_line(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|error| unreachable!("plain values: {error}")) + "\n"
    }

    /// The operations of all rounds that were done.
    pub fn done(&self) -> usize {
        self.rounds.iter().flat_map(|round| &round.operations).filter(|step| step.result == "done").count()
    }
}
