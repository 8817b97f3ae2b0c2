//! An entry of the audit log.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The content of an entry, without its position in the chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// RFC 3339 in UTC.
    pub time: String,
    /// For example `container_created`.
    pub event: String,
    pub phase: Phase,
    /// The number of the intent; for outcomes only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<u64>,
    /// The result; for outcomes only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Verdict>,
    /// The run that the entry is about, if any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The address of the engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    /// The moat command, for example `apply`.
    pub command: String,
    /// The process that wrote the entry.
    pub pid: u32,
    /// Further data of the event.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub data: Map<String, Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// A change is about to be made.
    Intent,
    /// The result of an intent.
    Outcome,
    /// A statement without a change.
    Fact,
}

/// The result of an intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Done,
    Failed,
    /// The intent was logged with its plan and not started.
    Skipped,
    /// The process exited before it logged the outcome.
    Unknown,
}

/// An entry with its position in the chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The version of the format.
    pub v: u32,
    /// The number of the entry, from 1.
    pub seq: u64,
    #[serde(flatten)]
    pub body: Body,
    /// The hash of the previous entry; zeros for the first one.
    pub prev: String,
    #[serde(skip_serializing)]
    pub hash: String,
    #[serde(skip_serializing)]
    pub sig: String,
}

impl Phase {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Outcome => "outcome",
            Self::Fact => "fact",
        }
    }
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Unknown => "unknown",
        }
    }
}
