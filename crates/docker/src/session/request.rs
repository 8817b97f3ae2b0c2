//! The request to run a command in a container with the user's streams, and its result.

use std::collections::BTreeMap;

use super::detach::DetachKeys;

/// A command and its options.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AttachRequest {
    pub command: Vec<String>,
    /// Added to the container's environment.
    pub env: BTreeMap<String, String>,
    /// A name or number, with an optional group after a colon; `None` for the container's user.
    pub user: Option<String>,
    /// `None` for the container's directory.
    pub workdir: Option<String>,
    /// Allocates a terminal; this process's terminal, if any, is raw meanwhile.
    pub tty: bool,
    /// Passes standard input.
    pub stdin: bool,
    /// Keys that detach.
    pub detach_keys: Option<DetachKeys>,
    /// Kills the command when this process exits for any reason.
    pub kill_on_exit: bool,
}

/// How an attachment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attached {
    /// The command exited with this code.
    Ended(i64),
    /// The user detached; the command continues.
    Left,
}
