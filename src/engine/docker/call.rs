//! The calls that moat makes of an engine, and how long each may take.
//!
//! A deadline is for an engine that hangs, not for one that is slow: each is far above what was ever measured. It
//! covers the whole call, answer included. What streams (exec, logs, pull) is bounded by whoever asked for it.

use std::time::Duration;

/// What is asked, as far as time and the meaning of a refusal depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Ping,
    List,
    Image,
    Inspect,
    Pull,
    CreateNetwork,
    RemoveNetwork,
    Connect,
    CreateVolume,
    RemoveVolume,
    CreateContainer,
    Upload,
    Start,
    Stop,
    Restart,
    Unpause,
    Update,
    Rename,
    RemoveContainer,
    Exec,
    Events,
    Logs,
}

/// Reading what is in the engine's memory.
const QUICK: Duration = Duration::from_secs(10);

/// Changing something without a container's cooperation: a firewall or a busy machine may be slow.
const CHANGE: Duration = Duration::from_secs(60);

/// Waiting for a container to end by itself, or for a disk: a stop gives the longest grace that a specification
/// sensibly asks for, a removal may delete many gigabytes, a creation may copy an image's files into a new volume.
/// The engine kills when the container's own grace is over, so that this only cuts off an engine that hangs.
const LONG: Duration = Duration::from_secs(10 * 60);

/// The first answer of a pull comes when the engine has reached the registry, or has given up after its retries.
const REGISTRY: Duration = Duration::from_secs(5 * 60);

impl Call {
    pub(super) const fn deadline(self) -> Duration {
        match self {
            Self::Ping
            | Self::List
            | Self::Image
            | Self::Inspect
            | Self::Rename
            | Self::Exec
            | Self::Events
            | Self::Logs => QUICK,
            Self::CreateNetwork
            | Self::RemoveNetwork
            | Self::Connect
            | Self::CreateVolume
            | Self::Start
            | Self::Unpause
            | Self::Update => CHANGE,
            Self::CreateContainer
            | Self::Upload
            | Self::Stop
            | Self::Restart
            | Self::RemoveContainer
            | Self::RemoveVolume => LONG,
            Self::Pull => REGISTRY,
        }
    }

    /// The call as it is named in an error.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::List => "list",
            Self::Image => "image inspect",
            Self::Inspect => "inspect",
            Self::Pull => "pull",
            Self::CreateNetwork => "network create",
            Self::RemoveNetwork => "network remove",
            Self::Connect => "network connect",
            Self::CreateVolume => "volume create",
            Self::RemoveVolume => "volume remove",
            Self::CreateContainer => "container create",
            Self::Upload => "upload",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Unpause => "unpause",
            Self::Update => "update",
            Self::Rename => "rename",
            Self::RemoveContainer => "container remove",
            Self::Exec => "exec",
            Self::Events => "events",
            Self::Logs => "logs",
        }
    }
}
