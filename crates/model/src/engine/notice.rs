//! What an engine tells by itself: that something has happened to one of its objects.
//!
//! A hint to look, and no more: whoever hears of something asks the engine how things are. Notices can be lost, come
//! late, or come twice.

use crate::resource::{ContainerId, NetworkId, RunId};

/// Something that an engine tells a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// From now on everything is told. What happened before was not, unless it was asked for.
    Listening,
    Happened(EngineEvent),
}

/// Something that has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineEvent {
    /// By the engine's clock. In nanoseconds since 1970.
    pub at: i64,
    pub subject: Actor,
    pub what: EventAction,
}

/// What it has happened to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    Container {
        id: ContainerId,
        name: String,
        /// The run whose label it bears.
        run: Option<RunId>,
    },
    /// The engine does not tell the labels of a network.
    Network {
        id: NetworkId,
        name: String,
        /// The container that was connected or disconnected.
        container: Option<ContainerId>,
    },
    /// The engine does not tell the labels of a volume.
    Volume { name: String },
}

/// The happenings that may call for something to be done. The engine has more; those are not asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventAction {
    Created,
    Started,
    /// Its processes have ended, for whatever reason.
    Died,
    /// The kernel has ended a process of it for want of memory.
    OutOfMemory,
    Paused,
    Unpaused,
    Renamed,
    Updated,
    /// Its own health check has begun to say no.
    Unhealthy,
    Connected,
    Disconnected,
    Removed,
    /// A command that was run in it has ended.
    CommandEnded,
}

impl EventAction {
    /// The word for scripts.
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
