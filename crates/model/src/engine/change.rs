//! Changes of an engine as values, each with all data that its call needs.
//!
//! A change is data, so that a layer between a caller and the engine (the audit log, a test that injects faults)
//! has one method to implement.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::call::Call;
use super::request::{ContainerCreate, ContainerUpdate, ImageBuild, NetworkCreate, PullProgress, VolumeCreate};
use crate::resource::{ContainerId, FileConfig, ImageRef, NetworkId, Platform, Secret};

/// One changing call.
///
/// `C` and `N` refer to containers and networks: by id for an engine; in a plan also to those that it creates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<C = ContainerId, N = NetworkId> {
    /// Pulls an image from its registry, with the user's credentials.
    Pull {
        reference: ImageRef,
        /// `None`: the engine's own.
        platform: Option<Platform>,
    },
    /// Builds an image, and pulls its base if that is missing. A failing step is a [`Fault::Engine`], with the last
    /// lines of its output.
    ///
    /// [`Fault::Engine`]: super::Fault::Engine
    Build(ImageBuild),
    /// Imports moat's own program as an image.
    Import {
        reference: ImageRef,
        labels: BTreeMap<String, String>,
    },
    CreateNetwork(NetworkCreate),
    RemoveNetwork {
        network: N,
    },
    Connect {
        network: N,
        container: C,
        aliases: Vec<String>,
        /// `None`: the engine assigns one.
        address: Option<Ipv4Addr>,
    },
    Disconnect {
        network: N,
        container: C,
    },
    /// Creates a volume. An engine silently returns an existing one: one without the requested labels is a
    /// [`Fault::Conflict`].
    ///
    /// [`Fault::Conflict`]: super::Fault::Conflict
    CreateVolume(VolumeCreate),
    RemoveVolume {
        name: String,
    },
    /// Creates a container. An image with labels reserved for moat is a [`Fault::Refused`].
    ///
    /// [`Fault::Refused`]: super::Fault::Refused
    CreateContainer(Box<ContainerCreate<N>>),
    /// Writes files, owned by root, into a container, running or not.
    Upload {
        container: C,
        files: Vec<FileConfig>,
    },
    /// Runs a command in a gateway that puts the rules on its standard input in force. A refusal is a
    /// [`Fault::Refused`].
    ///
    /// [`Fault::Refused`]: super::Fault::Refused
    SetPolicy {
        container: C,
        command: Vec<String>,
        policy: String,
    },
    /// Runs a command in a gateway that takes the value of a grant on its standard input. A refusal is a
    /// [`Fault::Refused`].
    ///
    /// [`Fault::Refused`]: super::Fault::Refused
    UnlockGrant {
        container: C,
        command: Vec<String>,
        grant: String,
        value: Secret,
        /// Also if a user has revoked the grant.
        restore: bool,
    },
    /// Runs a command in a gateway that takes the value of a grant away.
    RevokeGrant {
        container: C,
        command: Vec<String>,
        grant: String,
    },
    Start {
        container: C,
    },
    /// Stops a container, and kills it after `grace` seconds. `None`: after the container's own stop timeout.
    Stop {
        container: C,
        grace: Option<u32>,
    },
    Restart {
        container: C,
    },
    Unpause {
        container: C,
    },
    /// Changes limits and the restart policy of a container in any state, without a restart.
    Update {
        container: C,
        update: ContainerUpdate,
    },
    Rename {
        container: C,
        name: String,
    },
    /// Kills and removes a container, with its anonymous volumes.
    RemoveContainer {
        container: C,
    },
}

/// What a change has created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    Nothing,
    Network(NetworkId),
    /// By its name.
    Volume(String),
    Container(ContainerId),
}

/// The progress of a change that takes long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress<'a> {
    /// Of a pull.
    Pulled(PullProgress),
    /// The start of a step of a build, in the engine's words.
    Step(&'a str),
}

impl<C, N> Change<C, N> {
    /// The name of its call.
    pub fn call(&self) -> Call {
        match self {
            Self::Pull { .. } => Call::Pull,
            Self::Build(_) => Call::Build,
            Self::Import { .. } => Call::Import,
            Self::CreateNetwork(_) => Call::CreateNetwork,
            Self::RemoveNetwork { .. } => Call::RemoveNetwork,
            Self::Connect { .. } => Call::Connect,
            Self::Disconnect { .. } => Call::Disconnect,
            Self::CreateVolume(_) => Call::CreateVolume,
            Self::RemoveVolume { .. } => Call::RemoveVolume,
            Self::CreateContainer(_) => Call::CreateContainer,
            Self::Upload { .. } => Call::Upload,
            Self::SetPolicy { .. } => Call::SetPolicy,
            Self::UnlockGrant { .. } => Call::UnlockGrant,
            Self::RevokeGrant { .. } => Call::RevokeGrant,
            Self::Start { .. } => Call::Start,
            Self::Stop { .. } => Call::Stop,
            Self::Restart { .. } => Call::Restart,
            Self::Unpause { .. } => Call::Unpause,
            Self::Update { .. } => Call::Update,
            Self::Rename { .. } => Call::Rename,
            Self::RemoveContainer { .. } => Call::RemoveContainer,
        }
    }
}
