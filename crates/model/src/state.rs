//! One snapshot of the world: what an engine says there is, reduced to what moat acts on.
//!
//! Facts only. Nothing here knows what is wanted, and nothing is read from anywhere: `observe` fills it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ipnet::Ipv4Net;
use serde::Serialize;

use crate::resource::label::Ownership;
use crate::resource::{ContainerId, ImageDigest, ImageId, ImageRef, Limits, NetworkId, ResourceId, RestartPolicy};

/// Everything of one run that an engine holds, and the images that the run needs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Observed {
    /// The images that were asked for; `None`: not on the engine.
    pub images: BTreeMap<ImageRef, Option<ImageFacts>>,
    /// Sorted by creation time, then id.
    pub networks: Vec<NetworkFacts>,
    /// Sorted by name.
    pub volumes: Vec<VolumeFacts>,
    /// Sorted by creation time, then id.
    pub containers: Vec<ContainerFacts>,
    /// Address ranges that networks of the engine use, whoever they belong to. Only known when a network is missing.
    pub taken: Vec<Ipv4Net>,
    /// Ports of the engine's machine that containers of other runs hold. Only known when one is to be chosen.
    pub ports_taken: BTreeSet<u16>,
    /// Folders of the engine's machine that containers of other runs can write, each with its agent. Only known when a
    /// container that mounts a path is to be created.
    pub writable: Vec<(String, String)>,
    /// The volumes that the engine has. Only known when a container that mounts one of somebody else's is to be created.
    pub all_volumes: Option<BTreeSet<String>>,
    /// What an update has made of containers, as far as it was asked for: of the main one, and of those that were
    /// created with limits.
    pub live: BTreeMap<ContainerId, Live>,
    /// Containers that have ended because they were out of memory.
    pub out_of_memory: BTreeSet<ContainerId>,
}

/// What of a container can be changed in place, as it is now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Live {
    pub limits: Limits,
    /// `None`: one that moat does not know.
    pub restart: Option<RestartPolicy>,
    /// How often the engine has started it again by itself since somebody started it.
    pub restarts: i64,
    /// When it was started, in nanoseconds since 1970; `None`: it does not run, or the engine's files are not this
    /// machine's, so that nothing can be compared with it.
    pub started: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFacts {
    pub id: ImageId,
    /// What registries call it: it came from there, or went there. None of one that was only made here.
    pub digests: BTreeSet<ImageDigest>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkFacts {
    pub id: NetworkId,
    pub name: String,
    pub owner: Option<Ownership>,
    /// Comparable within one engine, otherwise opaque.
    pub created: String,
    pub subnets: Vec<Ipv4Net>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeFacts {
    pub name: String,
    pub owner: Option<Ownership>,
}

/// A container as a list gives it, without asking for each one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerFacts {
    pub id: ContainerId,
    /// Without the leading slash.
    pub name: String,
    pub owner: Option<Ownership>,
    /// The image that it was made from.
    pub image: ImageId,
    pub state: ContainerState,
    /// For how many seconds it has been up; `None`: for a minute or longer, or it is not.
    pub up_seconds: Option<u64>,
    pub health: Health,
    /// Of the last run, for a container that has ended.
    pub exit_code: Option<i64>,
    /// The network that it was created on. Without that very network it never starts again, whatever it has been
    /// connected to since. `None`: none that was named by id.
    pub home: Option<NetworkId>,
    /// The networks that it is on, sorted by name.
    pub networks: Vec<Endpoint>,
    /// Names of the volumes mounted into it, sorted.
    pub volumes: Vec<String>,
    /// Ports of the engine's machine that lead to it now, sorted.
    pub published: Vec<u16>,
    /// In seconds since 1970.
    pub created: i64,
}

/// What has been up for so long does not crash again and again: the measure by which an engine's own pauses between two
/// restarts begin anew.
pub const RAN_WELL: Duration = Duration::from_secs(10);

impl ContainerFacts {
    /// Whether it was killed, by whom ever: a user, an engine that waited in vain for a stop, or the kernel.
    pub fn was_killed(&self) -> bool {
        const KILLED: i64 = 137;
        matches!(self.state, ContainerState::Exited | ContainerState::Restarting) && self.exit_code == Some(KILLED)
    }

    /// Whether its command has ended with 0. One that was stopped or killed has another code, unless its program ends with
    /// 0 when it is asked to.
    pub fn has_completed(&self) -> bool {
        self.state == ContainerState::Exited && self.exit_code == Some(0)
    }
}

/// A container's place on a network, as the container remembers it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// The network's name, or its id in a container that was created with that and never started.
    pub network: String,
    /// `None` before the first start. A stopped container may hold an id that is dead.
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
    /// A state that this version of moat has not heard of.
    Unknown,
}

/// What the engine's own health check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// There is no check.
    None,
    /// The check has not passed since the start.
    Starting,
    Healthy,
    Unhealthy,
}

impl ContainerState {
    /// Reads the engine's word.
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
    /// How often the engine has started a container again, if it has done so a moment ago or is about to.
    pub fn crashes(&self, facts: &ContainerFacts) -> Option<i64> {
        let restarts = self.live.get(&facts.id)?.restarts;
        let lately = match facts.state {
            ContainerState::Restarting => true,
            ContainerState::Running => facts.up_seconds.is_some_and(|seconds| seconds < RAN_WELL.as_secs()),
            _ => false,
        };
        (restarts > 0 && lately).then_some(restarts)
    }

    /// The containers that claim to be `resource`, oldest first. More than one means a replacement that was cut short.
    pub fn containers_of<'a>(&'a self, resource: &'a ResourceId) -> impl Iterator<Item = &'a ContainerFacts> {
        self.containers.iter().filter(move |c| owned_as(c.owner.as_ref(), resource))
    }

    /// The networks that claim to be `resource`, oldest first.
    pub fn networks_of<'a>(&'a self, resource: &'a ResourceId) -> impl Iterator<Item = &'a NetworkFacts> {
        self.networks.iter().filter(move |n| owned_as(n.owner.as_ref(), resource))
    }

    /// The volumes that claim to be `resource`.
    pub fn volumes_of<'a>(&'a self, resource: &'a ResourceId) -> impl Iterator<Item = &'a VolumeFacts> {
        self.volumes.iter().filter(move |v| owned_as(v.owner.as_ref(), resource))
    }

    /// Whether a user has stopped the run, and not started it since.
    pub fn is_stopped(&self) -> bool {
        self.volumes_of(&ResourceId::stop_mark()).next().is_some()
    }

    /// Whether the command of the main container has ended with 0, and was to end when it was created.
    pub fn has_completed(&self) -> bool {
        self.ended_runs().any(ContainerFacts::has_completed)
    }

    /// Whether the command of the main container has ended with another code, and was to end when it was created.
    pub fn has_failed(&self) -> bool {
        self.ended_runs().any(|it| it.exit_code.is_some_and(|code| code != 0))
    }

    fn ended_runs(&self) -> impl Iterator<Item = &ContainerFacts> {
        let is_main = |owner: &Ownership| owner.resource == ResourceId::main() && owner.is_of_a_run();
        let ended = self.containers.iter().filter(|it| it.state == ContainerState::Exited);
        ended.filter(move |it| it.owner.as_ref().is_some_and(is_main))
    }

    /// Whether the engine holds nothing of the run. Images are nobody's.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty() && self.volumes.is_empty() && self.containers.is_empty()
    }
}

fn owned_as(owner: Option<&Ownership>, resource: &ResourceId) -> bool {
    owner.is_some_and(|owner| owner.resource == *resource)
}
