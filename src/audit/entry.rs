//! One entry of the audit log, as it is written and as it is read back.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What an entry says, apart from its place in the chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// RFC 3339 in UTC.
    pub time: String,
    /// As in `container_created`.
    pub event: String,
    pub phase: Phase,
    /// Of an outcome: the number of its intent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<u64>,
    /// Of an outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<Verdict>,
    /// The run that it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The engine's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    /// The command of moat's, as in `apply`.
    pub command: String,
    /// The process that wrote it.
    pub pid: u32,
    /// What else belongs to the event.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub data: Map<String, Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// It is about to be tried.
    Intent,
    /// What came of an intent.
    Outcome,
    /// It is so, and there was nothing to try.
    Fact,
}

/// What came of an intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Done,
    Failed,
    /// It was on record with its plan, and never tried.
    Skipped,
    /// The process that tried it has ended before it could say.
    Unknown,
}

/// An entry in its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The version of the format.
    pub v: u32,
    /// Its number, from 1.
    pub seq: u64,
    #[serde(flatten)]
    pub body: Body,
    /// The hash of the entry before; of the first one, zeros.
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
