//! The behaviour of an image's programs, as data: boot time, exit, requirements.
//!
//! The simulator runs no programs. It only models their timing and results.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The default is a program that is ready at once and runs until it is stopped.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "the flags are independent")]
pub struct Behaviour {
    /// The time from the start until a probe succeeds. In milliseconds.
    #[serde(skip_serializing_if = "is_default")]
    pub boot_ms: u64,
    /// The program exits without a request.
    #[serde(skip_serializing_if = "is_default")]
    pub exits: Option<Exit>,
    /// The program does not exist, and the engine refuses to start it.
    #[serde(skip_serializing_if = "is_default")]
    pub cannot_start: bool,
    /// The program runs, and no probe ever succeeds.
    #[serde(skip_serializing_if = "is_default")]
    pub never_ready: bool,
    /// The image has a health check with the result of a probe.
    #[serde(skip_serializing_if = "is_default")]
    pub has_check: bool,
    /// Commands that are missing in the image.
    #[serde(skip_serializing_if = "is_default")]
    pub missing: Vec<String>,
    /// The output at the start.
    #[serde(skip_serializing_if = "is_default")]
    pub log: Vec<String>,
    /// Without privileges it runs, and never becomes ready.
    #[serde(skip_serializing_if = "is_default")]
    pub needs_privilege: bool,
    /// Probes use its own name on its network: it is only ready while connected.
    #[serde(skip_serializing_if = "is_default")]
    pub needs_network: bool,
    /// The names that prove a network policy resolve to another server than the gateway.
    #[serde(skip_serializing_if = "is_default")]
    pub bypasses_gateway: bool,
    /// Files required at the start; without them it exits with [`NO_FILE`] at once.
    #[serde(skip_serializing_if = "is_default")]
    pub needs_files: Vec<String>,
    /// The mount point of a volume that only one daemon may use. A second one exits with
    /// [`LOCKED`] while the first one is running.
    #[serde(skip_serializing_if = "is_default")]
    pub locks: Option<String>,
    /// The time from a stop request until it exits, unless it is killed first. In milliseconds.
    #[serde(skip_serializing_if = "is_default")]
    pub stop_ms: u64,
    /// The exit code after a stop request.
    #[serde(skip_serializing_if = "is_default")]
    pub stop_code: i64,
    /// Results of commands, by their arguments joined with spaces. Any other command is a probe.
    #[serde(skip_serializing_if = "is_default")]
    pub answers: BTreeMap<String, Answer>,
}

/// An exit without a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exit {
    /// The time after the start. In milliseconds.
    pub after_ms: u64,
    pub code: i64,
}

/// The result of a command in the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    pub code: i64,
    pub output: String,
}

/// The exit code for a missing file.
pub const NO_FILE: i64 = 78;
/// The exit code of a daemon whose state is in use.
pub const LOCKED: i64 = 1;
/// The exit code of a killed program.
pub const KILLED: i64 = 137;
/// The exit code of a missing command.
pub const NO_COMMAND: i64 = 127;

impl Behaviour {
    /// A program that exits without a request.
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
