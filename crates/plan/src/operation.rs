//! Operations: changes of an engine, each with exactly the data that its call needs.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;
use serde::Serialize;

use super::cause::Cause;
use moat_model::engine::{
    Change, ContainerCreate, ContainerUpdate, ImageBuild, NetworkCreate, PortBinding, VolumeCreate, VolumeMount,
};
use moat_model::resource::KnownFailure;
use moat_model::resource::{
    ContainerConfig, ContainerId, FileConfig, ImageDigest, ImageRef, NetworkId, Platform, Probe, ResourceId, Secret,
};

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    pub id: OpId,
    pub resource: ResourceId,
    /// The name of the resource on the engine, for people.
    pub name: String,
    pub action: Action,
    pub cause: Cause,
    /// The required operations. Sorted; all smaller than `id`.
    pub after: Vec<OpId>,
}

/// The index of an operation in its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct OpId(pub usize);

/// A resource that exists, or that an earlier operation of the same plan creates.
///
/// Always an id, never a name: by the time it is used, the name could belong to another resource.
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
        platform: Option<Platform>,
        /// The expected digest, if the registry was queried; a tag may move between the plan and the pull.
        digest: Option<ImageDigest>,
    },
    BuildImage {
        build: ImageBuild,
    },
    /// Imports moat's own program.
    ImportImage {
        reference: ImageRef,
        labels: BTreeMap<String, String>,
    },
    CreateNetwork {
        labels: BTreeMap<String, String>,
        internal: bool,
        subnet: Option<Ipv4Net>,
        gateway: bool,
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
        /// Its fixed address.
        address: Option<Ipv4Addr>,
        /// The gateway as its name server.
        resolver: Option<Ipv4Addr>,
    },
    UploadFiles {
        container: Handle<ContainerId>,
        files: Vec<FileConfig>,
    },
    /// Puts the rules of a gateway in force.
    SetPolicy {
        container: Handle<ContainerId>,
        command: Vec<String>,
        policy: String,
    },
    /// Gives a gateway the value of a grant.
    UnlockGrant {
        container: Handle<ContainerId>,
        command: Vec<String>,
        grant: String,
        value: Secret,
        /// Also if a user has revoked the grant.
        restore: bool,
    },
    StartContainer {
        container: Handle<ContainerId>,
    },
    /// The only action that makes many calls: it repeats the probe until that succeeds.
    AwaitReady {
        container: Handle<ContainerId>,
        probe: Probe,
        /// For messages.
        image: ImageRef,
        /// Known meanings of its exit codes.
        failures: Vec<KnownFailure>,
        /// Exiting with 0 also counts as success.
        may_complete: bool,
        /// A command of the container to run meanwhile, whatever its outcome: a later question then has its answer.
        beside: Option<Vec<String>>,
    },
    /// Changes limits and the restart policy, and nothing else.
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
        container: Handle<ContainerId>,
        aliases: Vec<String>,
        address: Option<Ipv4Addr>,
    },
    /// Disconnects a container from a network that is not the run's.
    DisconnectNetwork {
        network: NetworkId,
        container: ContainerId,
    },
    RemoveContainer {
        container: ContainerId,
    },
    RemoveNetwork {
        network: NetworkId,
    },
    RemoveVolume,
}

/// How long the engine waits before it kills a container. In seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grace {
    /// The timeout that the container was created with.
    Own(u32),
    /// The timeout that the user requested.
    Asked(u32),
}

impl Operation {
    /// The change that it makes, with each handle resolved; `None` for a wait, which changes nothing.
    ///
    /// # Errors
    /// If a handle cannot be resolved.
    pub fn change<C, N, E>(
        &self,
        container: impl Fn(Handle<ContainerId>) -> Result<C, E>,
        network: impl Fn(Handle<NetworkId>) -> Result<N, E>,
    ) -> Result<Option<Change<C, N>>, E> {
        let name = || self.name.clone();
        let known = |id| container(Handle::Known(id));
        Ok(Some(match self.action.clone() {
            Action::AwaitReady { .. } => return Ok(None),
            Action::PullImage { reference, platform, .. } => Change::Pull { reference, platform },
            Action::BuildImage { build } => Change::Build(build),
            Action::ImportImage { reference, labels } => Change::Import { reference, labels },
            Action::CreateNetwork { labels, internal, subnet, gateway } => {
                Change::CreateNetwork(NetworkCreate { name: name(), labels, internal, subnet, gateway })
            }
            Action::CreateVolume { labels } => Change::CreateVolume(VolumeCreate { name: name(), labels }),
            Action::CreateContainer { labels, config, network: home, mounts, ports, address, resolver } => {
                let (config, network) = (*config, network(home)?);
                Change::CreateContainer(Box::new(ContainerCreate {
                    name: name(),
                    labels,
                    config,
                    network,
                    mounts,
                    ports,
                    address,
                    resolver,
                }))
            }
            Action::UploadFiles { container: into, files } => Change::Upload { container: container(into)?, files },
            Action::SetPolicy { container: it, command, policy } => {
                Change::SetPolicy { container: container(it)?, command, policy }
            }
            Action::UnlockGrant { container: it, command, grant, value, restore } => {
                Change::UnlockGrant { container: container(it)?, command, grant, value, restore }
            }
            Action::StartContainer { container: it } => Change::Start { container: container(it)? },
            Action::UpdateContainer { container, update } => Change::Update { container: known(container)?, update },
            Action::UnpauseContainer { container } => Change::Unpause { container: known(container)? },
            Action::RestartContainer { container } => Change::Restart { container: known(container)? },
            Action::StopContainer { container, grace } => {
                Change::Stop { container: known(container)?, grace: grace.asked() }
            }
            Action::RenameContainer { container: it, to } => Change::Rename { container: container(it)?, name: to },
            Action::ConnectNetwork { network: to, container: it, aliases, address } => {
                Change::Connect { network: network(to)?, container: container(it)?, aliases, address }
            }
            Action::DisconnectNetwork { network: from, container } => {
                Change::Disconnect { network: network(Handle::Known(from))?, container: known(container)? }
            }
            Action::RemoveContainer { container } => Change::RemoveContainer { container: known(container)? },
            Action::RemoveNetwork { network: it } => Change::RemoveNetwork { network: network(Handle::Known(it))? },
            Action::RemoveVolume => Change::RemoveVolume { name: name() },
        }))
    }
}

impl Grace {
    fn seconds(self) -> u32 {
        let (Self::Own(seconds) | Self::Asked(seconds)) = self;
        seconds
    }

    /// The timeout that overrides the container's own.
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

/// A call that does little work. An engine under load answers within seconds; a minute is a fault.
const QUICK: Duration = Duration::from_secs(60);
/// Creating and starting copy image layers and set up namespaces.
const SLOW: Duration = Duration::from_secs(120);
/// A pull may be gigabytes over a slow link; the bound keeps it from hanging forever.
const PULL: Duration = Duration::from_secs(30 * 60);
/// A build pulls its base, and then runs arbitrary commands of the user.
const BUILD: Duration = Duration::from_secs(60 * 60);
/// The time for the kill and the cleanup after the grace period.
const AFTER_GRACE: Duration = Duration::from_secs(30);
/// A wait has its own timeout; this margin only catches one whose last call hangs.
const AFTER_WAIT: Duration = Duration::from_secs(30);

/// The number of starts of a container that a wait tolerates, plus one.
const RUNS: u32 = 5;

impl Action {
    /// The verb, for people and scripts.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::PullImage { .. } => "pull",
            Self::BuildImage { .. } => "build",
            Self::ImportImage { .. } => "import",
            Self::CreateNetwork { .. } | Self::CreateVolume { .. } | Self::CreateContainer { .. } => "create",
            Self::UploadFiles { .. } => "upload",
            Self::SetPolicy { .. } => "set",
            Self::UnlockGrant { .. } => "unlock",
            Self::StartContainer { .. } => "start",
            Self::AwaitReady { .. } => "await",
            Self::UpdateContainer { .. } => "update",
            Self::UnpauseContainer { .. } => "unpause",
            Self::RestartContainer { .. } => "restart",
            Self::StopContainer { .. } => "stop",
            Self::RenameContainer { .. } => "rename",
            Self::ConnectNetwork { .. } => "connect",
            Self::DisconnectNetwork { .. } => "disconnect",
            Self::RemoveContainer { .. } | Self::RemoveNetwork { .. } | Self::RemoveVolume => "remove",
        }
    }

    /// Whether it changes the engine's state.
    pub fn changes(&self) -> bool {
        !matches!(self, Self::AwaitReady { .. })
    }

    /// Whether it ends processes in a container.
    pub fn interrupts(&self) -> bool {
        matches!(self, Self::StopContainer { .. } | Self::RestartContainer { .. } | Self::RemoveContainer { .. })
    }

    /// The maximum duration of the call.
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
                        // The container may be restarted several times before the wait gives up.
                        Probe::Running { settle, check } => *settle * RUNS + check.unwrap_or_default(),
                    }
            }
            _ => QUICK,
        }
    }
}
