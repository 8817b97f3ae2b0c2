//! Operations: what can be done to an engine, each with exactly the data that the call needs.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use ipnet::Ipv4Net;
use serde::Serialize;

use super::cause::Cause;
use moat_model::engine::{ContainerUpdate, ImageBuild, PortBinding, VolumeMount};
use moat_model::resource::KnownFailure;
use moat_model::resource::{
    ContainerConfig, ContainerId, FileConfig, ImageDigest, ImageRef, NetworkId, Probe, ResourceId,
};

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    pub id: OpId,
    pub resource: ResourceId,
    /// The engine's name of what is acted on, for people.
    pub name: String,
    pub action: Action,
    pub cause: Cause,
    /// What must have succeeded before. Sorted; all smaller than `id`.
    pub after: Vec<OpId>,
}

/// The place of an operation in its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct OpId(pub usize);

/// Something that exists already, or that an earlier operation of the same plan creates.
///
/// Always an id, never a name: a name could be somebody else's by the time it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handle<Id> {
    Known(Id),
    From(OpId),
}

/// One engine call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    PullImage {
        reference: ImageRef,
        /// What must have come, if that was asked before; a tag may move between the plan and the pull.
        digest: Option<ImageDigest>,
    },
    BuildImage {
        build: ImageBuild,
    },
    CreateNetwork {
        labels: BTreeMap<String, String>,
        internal: bool,
        subnet: Option<Ipv4Net>,
    },
    CreateVolume {
        labels: BTreeMap<String, String>,
    },
    CreateContainer {
        labels: BTreeMap<String, String>,
        config: Box<ContainerConfig>,
        network: Handle<NetworkId>,
        mounts: Vec<VolumeMount>,
        ports: Vec<PortBinding>,
    },
    UploadFiles {
        container: Handle<ContainerId>,
        files: Vec<FileConfig>,
    },
    StartContainer {
        container: Handle<ContainerId>,
    },
    /// The one action that is many calls: it asks again and again until the answer is yes.
    AwaitReady {
        container: Handle<ContainerId>,
        probe: Probe,
        /// For messages.
        image: ImageRef,
        /// What its exit codes mean.
        failures: Vec<KnownFailure>,
        /// An end with 0 is as good as a yes.
        may_complete: bool,
    },
    /// Changes limits and the restart policy, and leaves everything else as it is.
    UpdateContainer {
        container: ContainerId,
        update: ContainerUpdate,
    },
    UnpauseContainer {
        container: ContainerId,
    },
    RestartContainer {
        container: ContainerId,
    },
    StopContainer {
        container: ContainerId,
        grace: Grace,
    },
    RenameContainer {
        container: Handle<ContainerId>,
        to: String,
    },
    ConnectNetwork {
        network: Handle<NetworkId>,
        container: ContainerId,
        aliases: Vec<String>,
    },
    RemoveContainer {
        container: ContainerId,
    },
    RemoveNetwork {
        network: NetworkId,
    },
    RemoveVolume,
}

/// How long the engine waits before it kills. In seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grace {
    /// What the container was created with.
    Own(u32),
    /// What the user wants this time.
    Asked(u32),
}

impl Grace {
    fn seconds(self) -> u32 {
        let (Self::Own(seconds) | Self::Asked(seconds)) = self;
        seconds
    }

    /// In place of the container's own, if there is one.
    pub fn asked(self) -> Option<u32> {
        match self {
            Self::Own(_) => None,
            Self::Asked(seconds) => Some(seconds),
        }
    }
}

impl fmt::Display for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0 + 1)
    }
}

/// A call that only asks or notes something. An engine under load answers within seconds; a minute is a fault.
const QUICK: Duration = Duration::from_secs(60);
/// Creating and starting copy image layers and set up namespaces.
const SLOW: Duration = Duration::from_secs(120);
/// A pull may be gigabytes over a slow line; it is bounded so that nothing hangs for ever.
const PULL: Duration = Duration::from_secs(30 * 60);
/// A build pulls its base, and then runs whatever the user wrote into it.
const BUILD: Duration = Duration::from_secs(60 * 60);
/// What a stop may take beyond its grace: the kill, and the clean-up.
const AFTER_GRACE: Duration = Duration::from_secs(30);
/// A wait's own timeout ends it; this only catches one whose last call hangs.
const AFTER_WAIT: Duration = Duration::from_secs(30);

/// As many runs of a container as a wait may see before it is given up, and one to spare.
const RUNS: u32 = 5;

impl Action {
    /// The verb for people and scripts.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::PullImage { .. } => "pull",
            Self::BuildImage { .. } => "build",
            Self::CreateNetwork { .. } | Self::CreateVolume { .. } | Self::CreateContainer { .. } => "create",
            Self::UploadFiles { .. } => "upload",
            Self::StartContainer { .. } => "start",
            Self::AwaitReady { .. } => "await",
            Self::UpdateContainer { .. } => "update",
            Self::UnpauseContainer { .. } => "unpause",
            Self::RestartContainer { .. } => "restart",
            Self::StopContainer { .. } => "stop",
            Self::RenameContainer { .. } => "rename",
            Self::ConnectNetwork { .. } => "connect",
            Self::RemoveContainer { .. } | Self::RemoveNetwork { .. } | Self::RemoveVolume => "remove",
        }
    }

    /// Whether the engine is different afterwards.
    pub fn changes(&self) -> bool {
        !matches!(self, Self::AwaitReady { .. })
    }

    /// Whether it ends what runs in a container.
    pub fn interrupts(&self) -> bool {
        matches!(self, Self::StopContainer { .. } | Self::RestartContainer { .. } | Self::RemoveContainer { .. })
    }

    /// The longest that the call may take.
    pub fn deadline(&self) -> Duration {
        match self {
            Self::PullImage { .. } => PULL,
            Self::BuildImage { .. } => BUILD,
            Self::CreateContainer { .. } | Self::StartContainer { .. } | Self::RemoveContainer { .. } => SLOW,
            Self::RestartContainer { .. } => SLOW + AFTER_GRACE,
            Self::StopContainer { grace, .. } => Duration::from_secs(grace.seconds().into()) + AFTER_GRACE,
            Self::AwaitReady { probe, .. } => {
                AFTER_WAIT
                    + match probe {
                        Probe::Exec { timeout, settle, .. } => *timeout + *settle,
                        Probe::Idle { timeout, .. } => *timeout,
                        // It may end and be started again some times before it is given up.
                        Probe::Running { settle, check } => *settle * RUNS + check.unwrap_or_default(),
                    }
            }
            _ => QUICK,
        }
    }
}
