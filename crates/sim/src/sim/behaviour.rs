//! What the programs in an image do, as data: how long they boot, how they end, what they need.
//!
//! The simulator runs no program. It only keeps the times and answers that a program would have given.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A program that runs until it is stopped, and is ready at once, is the default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a way of its own in which a program behaves")]
pub struct Behaviour {
    /// From the start until a probe is answered with yes. In milliseconds.
    #[serde(skip_serializing_if = "is_default")]
    pub boot_ms: u64,
    /// It ends by itself.
    #[serde(skip_serializing_if = "is_default")]
    pub exits: Option<Exit>,
    /// The engine finds nothing to run, and refuses to start it.
    #[serde(skip_serializing_if = "is_default")]
    pub cannot_start: bool,
    /// It runs, and no probe is ever answered with yes.
    #[serde(skip_serializing_if = "is_default")]
    pub never_ready: bool,
    /// The image has a health check, which says what a probe would be answered.
    #[serde(skip_serializing_if = "is_default")]
    pub has_check: bool,
    /// Commands that the image does not have.
    #[serde(skip_serializing_if = "is_default")]
    pub missing: Vec<String>,
    /// What it writes when it starts.
    #[serde(skip_serializing_if = "is_default")]
    pub log: Vec<String>,
    /// Without privilege it runs, and never gets ready.
    #[serde(skip_serializing_if = "is_default")]
    pub needs_privilege: bool,
    /// What it is asked goes by its own name on its network: off it, it is not ready.
    #[serde(skip_serializing_if = "is_default")]
    pub needs_network: bool,
    /// Files that must be there when it starts; otherwise it ends with [`NO_FILE`] at once.
    #[serde(skip_serializing_if = "is_default")]
    pub needs_files: Vec<String>,
    /// The place of a volume whose content only one daemon may use. A second one ends with
    /// [`LOCKED`] for as long as the first one runs.
    #[serde(skip_serializing_if = "is_default")]
    pub locks: Option<String>,
    /// From the request to stop until it ends, unless it is killed first. In milliseconds.
    #[serde(skip_serializing_if = "is_default")]
    pub stop_ms: u64,
    /// With which code it ends when it is asked to.
    #[serde(skip_serializing_if = "is_default")]
    pub stop_code: i64,
    /// Answers to commands, by their words joined with a space. Any other command is a probe.
    #[serde(skip_serializing_if = "is_default")]
    pub answers: BTreeMap<String, Answer>,
}

/// An end that nobody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exit {
    /// From the start. In milliseconds.
    pub after_ms: u64,
    pub code: i64,
}

/// What a command in the container gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    pub code: i64,
    pub output: String,
}

/// The code of a program that misses a file.
pub const NO_FILE: i64 = 78;
/// The code of a daemon that finds its state in use.
pub const LOCKED: i64 = 1;
/// The code of a program that was killed.
pub const KILLED: i64 = 137;
/// The code of a command that is not there.
pub const NO_COMMAND: i64 = 127;

impl Behaviour {
    /// Ends by itself.
    pub fn exits_after(after: Duration, code: i64) -> Self {
        Self { exits: Some(Exit { after_ms: millis(after), code }), ..Self::default() }
    }

    pub fn boot(&self) -> Duration {
        Duration::from_millis(self.boot_ms)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
