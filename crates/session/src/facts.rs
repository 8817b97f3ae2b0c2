//! What is known of a session: a record that its holder writes, and whether the holder answers.

use serde::{Deserialize, Serialize};

/// The record of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    pub name: String,
    /// The first word of the command.
    pub program: String,
    /// In seconds since 1970.
    pub started: u64,
    /// The number of attached clients.
    pub attached: usize,
    pub ended: Option<Ended>,
    /// A client was told of the end.
    #[serde(default)]
    pub seen: bool,
}

/// The end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    pub code: i32,
    /// In seconds since 1970.
    pub at: u64,
}

/// The state of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Running,
    Ended,
    /// Neither runs nor has an end: the holder was killed, or its container stopped.
    Lost,
}

/// A session in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    pub facts: Facts,
    pub state: State,
}
