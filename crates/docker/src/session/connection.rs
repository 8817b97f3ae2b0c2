//! The connection of this process's streams to a process in a container.

use super::detach::DetachKeys;
use super::exec::ExecId;
use moat_model::resource::ContainerId;

/// The process that streams belong to.
pub(crate) enum Process<'a> {
    Exec(&'a ExecId),
    Main(&'a ContainerId),
}

/// How this process's streams are connected.
pub(crate) struct StreamOptions<'a> {
    pub(crate) tty: bool,
    pub(crate) stdin: bool,
    pub(crate) detach_keys: Option<&'a DetachKeys>,
}

/// The detach keys given to the engine, a sequence that is never typed: moat detects detach keys itself, and the default
/// keys would hold back every Ctrl-P, which shells need.
pub(crate) const DETACH_KEYS: &str = "ctrl-^,ctrl-@,ctrl-^";
