//! The inputs of a plan besides the desired and the observed state.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ipnet::Ipv4Net;

use moat_model::resource::{ContainerId, ImageDigest, ImageRef, ResourceId, Retention, SubnetRange};

/// The inputs of a plan besides the desired and the observed state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Options {
    /// Containers that were proven ready in this apply: they need no second proof.
    pub proven: BTreeSet<ContainerId>,
    /// Existing containers whose probe timed out in this apply. They get their files again
    /// and are restarted, unless they were proven since.
    pub unready: BTreeSet<ContainerId>,
    /// Containers that were updated in this apply: limits that they still lack are dropped by the engine.
    pub updated: BTreeSet<ContainerId>,
    /// Resources whose replacement failed: the older one is restored.
    pub restore: BTreeSet<ResourceId>,
    /// The fate of volumes that are not in the graph.
    pub volumes: Volumes,
    /// Whether removals are the rollback of a failed apply.
    pub undo: bool,
    /// The pool of network addresses.
    pub range: SubnetRange,
    /// Ranges that cannot be used, though no network of the engine has them: the host's routes, and those that the
    /// engine has refused.
    pub avoid: Vec<Ipv4Net>,
    /// Resources that stay unchanged for now, with all that depends on them.
    pub leave: BTreeSet<ResourceId>,
    /// Whether the run should be running.
    pub power: Power,
    /// Containers whose requested restart is still due.
    pub restart: BTreeSet<ContainerId>,
    /// Ports of the Docker host that turned out to be in use.
    pub avoid_ports: BTreeSet<u16>,
    /// Revoked grants to restore.
    pub restored: BTreeSet<ResourceId>,
    /// The digests of tags in their registries, only for images to refresh.
    pub registry: BTreeMap<ImageRef, ImageDigest>,
    /// Overrides the timeout of each probe.
    pub wait_timeout: Option<Duration>,
    /// Overrides the stop timeout of each container. In seconds.
    pub grace: Option<u32>,
}

/// Whether a run should be running.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Power {
    /// As the user left it: stopped if the stop mark exists, otherwise running.
    #[default]
    Unchanged,
    /// Stopped from now on.
    Stop,
    /// Running from now on.
    Start,
}

/// Which surplus volumes may be removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Volumes {
    /// None.
    #[default]
    Keep,
    /// Those that are removed with the run. For volumes in the spec, the spec overrides the volume's label.
    Scratch(BTreeMap<ResourceId, Retention>),
    /// All.
    All,
}
