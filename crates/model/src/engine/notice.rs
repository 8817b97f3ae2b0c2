//! Events of an engine's objects.
//!
//! Hints only: the reader of an event observes the engine again. Events can be lost, late
//! or duplicated.

use crate::resource::{ContainerId, NetworkId, RunId};

/// An item of the event stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The stream is connected: later events are included. Earlier ones are not, unless requested.
    Listening,
    Happened(EngineEvent),
}

/// An event of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineEvent {
    /// The time on the engine's clock, in nanoseconds since 1970.
    pub at: i64,
    pub subject: Actor,
    pub what: EventAction,
}

/// The object of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    Container {
        id: ContainerId,
        name: String,
        /// The run in its label.
        run: Option<RunId>,
    },
    /// Network events have no labels.
    Network {
        id: NetworkId,
        name: String,
        /// The connected or disconnected container.
        container: Option<ContainerId>,
    },
    /// Volume events have no labels.
    Volume { name: String },
}

/// The event actions that moat may have to react to. The engine has more, which are not requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventAction {
    Created,
    Started,
    /// Its main process exited, for any reason.
    Died,
    /// The kernel killed one of its processes for lack of memory.
    OutOfMemory,
    Paused,
    Unpaused,
    Renamed,
    Updated,
    /// Its health check started to fail.
    Unhealthy,
    Connected,
    Disconnected,
    Removed,
    /// An exec session in it ended.
    CommandEnded,
}

impl EventAction {
    /// The stable name, for scripts.
    pub fn code(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Started => "started",
            Self::Died => "died",
            Self::OutOfMemory => "out-of-memory",
            Self::Paused => "paused",
            Self::Unpaused => "unpaused",
            Self::Renamed => "renamed",
            Self::Updated => "updated",
            Self::Unhealthy => "unhealthy",
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
            Self::Removed => "removed",
            Self::CommandEnded => "command-ended",
        }
    }
}
