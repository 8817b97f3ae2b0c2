//! The observed state: a snapshot of an engine, reduced to what moat uses.
//!
//! Facts only, independent of the desired state. `observe` reads them from the engine.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ipnet::Ipv4Net;
use serde::Serialize;

use crate::resource::Platform;
use crate::resource::label::Ownership;
use crate::resource::{ContainerId, ImageDigest, ImageId, ImageRef, Limits, NetworkId, ResourceId, RestartPolicy};

/// The resources of one run on an engine, and the images that the run needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observed {
    /// The images that were looked up; `None` if one is not on the engine.
    pub images: BTreeMap<ImageRef, Option<ImageFacts>>,
    /// Sorted by creation time, then id.
    pub networks: Vec<NetworkFacts>,
    /// Sorted by name.
    pub volumes: Vec<VolumeFacts>,
    /// Sorted by creation time, then id.
    pub containers: Vec<ContainerFacts>,
    /// Address ranges of all networks of the engine. Only known if a network has to be created.
    pub taken: Option<Vec<Ipv4Net>>,
    /// Ports of the Docker host that containers of other runs use. Only known if a port has to be chosen.
    pub ports_taken: Option<BTreeSet<u16>>,
    /// Folders of the Docker host that containers of other runs can write to, each with its agent. Only known if a
    /// container that mounts a path may be created.
    pub writable: Option<Vec<(String, String)>>,
    /// All volumes of the engine. Only known if a container that mounts a foreign volume may be created.
    pub all_volumes: Option<BTreeSet<String>>,
    /// The current values that can be changed in place, of the inspected containers: the main one, and those that were
    /// created with limits.
    pub live: BTreeMap<ContainerId, Live>,
    /// What is in force in the queried gateways.
    pub policies: BTreeMap<ContainerId, PolicyFacts>,
    /// Containers that were removed between the list and their inspection.
    pub vanished: BTreeSet<ContainerId>,
    /// Containers that the kernel killed for lack of memory.
    pub out_of_memory: BTreeSet<ContainerId>,
}

/// The values of a container that can be changed in place, and its restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Live {
    pub limits: Limits,
    /// `None` for a policy that moat does not know.
    pub restart: Option<RestartPolicy>,
    pub privileged: bool,
    /// The number of automatic restarts since the last start by a user.
    pub restarts: i64,
    /// The time of its start, in nanoseconds since 1970; `None` if it is not running, or if the engine is on another
    /// machine, whose clock and files cannot be compared.
    pub started: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFacts {
    pub id: ImageId,
    /// Its digests in registries; empty for an image that was built here and never pushed.
    pub digests: BTreeSet<ImageDigest>,
    /// `None`: the engine does not report it.
    pub platform: Option<Platform>,
}

/// The rules that a gateway has in force.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PolicyFacts {
    /// `None`: no readable rules, or no answer. The gateway then denies everything.
    pub digest: Option<String>,
    /// The rules; `None` if they are not known.
    pub text: Option<String>,
    /// The grants of these rules, by name.
    pub grants: BTreeMap<String, GrantFacts>,
}

/// A grant in a gateway. Never a value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GrantFacts {
    /// The gateway has no value.
    pub locked: bool,
    /// A user took the value away.
    pub revoked: bool,
    /// The keyed digest of the value, with its key (see `Secret::tag`).
    pub digest: Option<String>,
    /// Requests with the credential since the start of the gateway.
    pub uses: u64,
    /// When the last one was, as RFC 3339.
    pub last_used: Option<String>,
    /// When a server last refused the credential since the start of the gateway.
    pub refused: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkFacts {
    pub id: NetworkId,
    pub name: String,
    pub owner: Option<Ownership>,
    /// Comparable within one engine, otherwise opaque.
    pub created: String,
    pub subnets: Vec<Ipv4Net>,
    /// It has no route to other networks.
    pub internal: bool,
    /// The host has no address on it.
    pub without_host: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeFacts {
    pub name: String,
    pub owner: Option<Ownership>,
}

/// A container as in a list, without inspection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerFacts {
    pub id: ContainerId,
    /// Without the leading slash.
    pub name: String,
    pub owner: Option<Ownership>,
    /// The image that it was created from.
    pub image: ImageId,
    pub state: ContainerState,
    /// The uptime in seconds; `None` if it is a minute or longer, or the container is not running.
    pub up_seconds: Option<u64>,
    pub health: Health,
    /// The exit code of the last start, for an exited container.
    pub exit_code: Option<i64>,
    /// The network that it was created on. Without this network it cannot start again, whatever networks it was
    /// connected to since. `None` if no network was given by id.
    pub home: Option<NetworkId>,
    /// The networks that it is connected to, sorted by name.
    pub networks: Vec<Endpoint>,
    /// Names of the volumes mounted into it, sorted.
    pub volumes: Vec<String>,
    /// The published ports of the Docker host, sorted.
    pub published: Vec<u16>,
    /// In seconds since 1970.
    pub created: i64,
}

/// A container that has been up for this long is not crash-looping: after this time an engine resets its pauses
/// between restarts.
pub const STABLE_RUN: Duration = Duration::from_secs(10);

impl ContainerFacts {
    /// Whether it was killed: by a user, by an engine after the stop timeout, or by the kernel.
    pub fn was_killed(&self) -> bool {
        const KILLED: i64 = 137;
        matches!(self.state, ContainerState::Exited | ContainerState::Restarting) && self.exit_code == Some(KILLED)
    }

    /// Whether its command exited with 0. A stopped or killed container has another code, unless its program exits with
    /// 0 on a signal.
    pub fn has_completed(&self) -> bool {
        self.state == ContainerState::Exited && self.exit_code == Some(0)
    }
}

/// A container's endpoint on a network, as stored in the container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// The network's name; its id in a container that was created with the id and never started.
    pub network: String,
    /// `None` before the first start. A stopped container may refer to a removed network.
    pub id: Option<NetworkId>,
}

/// The engine's states of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ContainerState {
    Created,
    Running,
    Paused,
    Restarting,
    Removing,
    Exited,
    Dead,
    /// A state that this version of moat does not know.
    Unknown,
}

/// The result of the engine's health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// The container has no check.
    None,
    /// The check has not passed since the start.
    Starting,
    Healthy,
    Unhealthy,
}

impl ContainerState {
    /// Parses the engine's value.
    pub fn parse(word: &str) -> Self {
        match word {
            "created" => Self::Created,
            "running" => Self::Running,
            "paused" => Self::Paused,
            "restarting" => Self::Restarting,
            "removing" => Self::Removing,
            "exited" => Self::Exited,
            "dead" => Self::Dead,
            _ => Self::Unknown,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Removing => "removing",
            Self::Exited => "exited",
            Self::Dead => "dead",
            Self::Unknown => "unknown",
        }
    }
}

impl Observed {
    /// The number of restarts, if the engine restarted the container a moment ago or is about to.
    pub fn crashes(&self, facts: &ContainerFacts) -> Option<i64> {
        let restarts = self.live.get(&facts.id)?.restarts;
        let lately = match facts.state {
            ContainerState::Restarting => true,
            ContainerState::Running => facts.up_seconds.is_some_and(|seconds| seconds < STABLE_RUN.as_secs()),
            _ => false,
        };
        (restarts > 0 && lately).then_some(restarts)
    }

    /// The containers labelled as `resource`, oldest first. Several mean an interrupted replacement.
    pub fn containers_of<'a>(&'a self, resource: &'a ResourceId) -> impl Iterator<Item = &'a ContainerFacts> {
        self.containers.iter().filter(move |c| owned_as(c.owner.as_ref(), resource))
    }

    /// The networks labelled as `resource`, oldest first.
    pub fn networks_of<'a>(&'a self, resource: &'a ResourceId) -> impl Iterator<Item = &'a NetworkFacts> {
        self.networks.iter().filter(move |n| owned_as(n.owner.as_ref(), resource))
    }

    /// The volumes labelled as `resource`.
    pub fn volumes_of<'a>(&'a self, resource: &'a ResourceId) -> impl Iterator<Item = &'a VolumeFacts> {
        self.volumes.iter().filter(move |v| owned_as(v.owner.as_ref(), resource))
    }

    /// Whether a user stopped the run and has not started it since.
    pub fn is_stopped(&self) -> bool {
        self.volumes_of(&ResourceId::stop_mark()).next().is_some()
    }

    /// Whether the main container was created for a one-shot command, which exited with 0.
    pub fn has_completed(&self) -> bool {
        self.ended_runs().any(ContainerFacts::has_completed)
    }

    /// Whether the main container was created for a one-shot command, which exited with another code.
    pub fn has_failed(&self) -> bool {
        self.ended_runs().any(|it| it.exit_code.is_some_and(|code| code != 0))
    }

    fn ended_runs(&self) -> impl Iterator<Item = &ContainerFacts> {
        let is_main = |owner: &Ownership| owner.resource == ResourceId::main() && owner.is_of_a_run();
        let ended = self.containers.iter().filter(|it| it.state == ContainerState::Exited);
        ended.filter(move |it| it.owner.as_ref().is_some_and(is_main))
    }

    /// Whether no resource of the run exists. Images do not count.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty() && self.volumes.is_empty() && self.containers.is_empty()
    }
}

fn owned_as(owner: Option<&Ownership>, resource: &ResourceId) -> bool {
    owner.is_some_and(|owner| owner.resource == *resource)
}
