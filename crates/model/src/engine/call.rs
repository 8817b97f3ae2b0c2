//! The calls of an engine by name, for counting, tracing and fault injection.
//!
//! Identifies the kind of a call, not its subject.

use std::fmt;

/// A method of [`Engine`](super::Engine), one for each kind of [`Change`](super::Change), or the initial connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Call {
    Ping,
    Containers,
    Networks,
    Volumes,
    Image,
    RegistryDigest,
    Inspect,
    Pull,
    Build,
    Import,
    CreateNetwork,
    RemoveNetwork,
    Connect,
    Disconnect,
    CreateVolume,
    RemoveVolume,
    CreateContainer,
    Upload,
    SetPolicy,
    UnlockGrant,
    RevokeGrant,
    Start,
    Stop,
    Restart,
    Unpause,
    Update,
    Rename,
    RemoveContainer,
    Exec,
    Commands,
    Events,
    LogTail,
}

impl Call {
    /// Whether the call may change the engine's state. A command in a container does not count:
    /// moat runs nothing but probes.
    pub fn changes(self) -> bool {
        !matches!(
            self,
            Self::Ping
                | Self::Containers
                | Self::Networks
                | Self::Volumes
                | Self::Image
                | Self::RegistryDigest
                | Self::Inspect
                | Self::Exec
                | Self::Commands
                | Self::Events
                | Self::LogTail
        )
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ping => "ping",
            Self::Containers => "list containers",
            Self::Networks => "list networks",
            Self::Volumes => "list volumes",
            Self::Image => "look up image",
            Self::RegistryDigest => "look up digest",
            Self::Inspect => "inspect",
            Self::Pull => "pull",
            Self::Build => "build",
            Self::Import => "import",
            Self::CreateNetwork => "create network",
            Self::RemoveNetwork => "remove network",
            Self::Connect => "connect",
            Self::Disconnect => "disconnect",
            Self::CreateVolume => "create volume",
            Self::RemoveVolume => "remove volume",
            Self::CreateContainer => "create container",
            Self::Upload => "upload",
            Self::SetPolicy => "set policy",
            Self::UnlockGrant => "unlock grant",
            Self::RevokeGrant => "revoke grant",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Unpause => "unpause",
            Self::Update => "update",
            Self::Rename => "rename",
            Self::RemoveContainer => "remove container",
            Self::Exec => "exec",
            Self::Commands => "list commands",
            Self::Events => "listen",
            Self::LogTail => "read log",
        })
    }
}
