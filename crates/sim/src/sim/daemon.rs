//! The state of the simulated engine, and lookups of its objects.
//!
//! Receives the time from its callers. The effects of calls are in the sibling modules.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ipnet::Ipv4Net;
use sha2::{Digest, Sha256};

use super::behaviour::Behaviour;
use super::journal::{Journal, Violation};
use super::latency::Latencies;
use super::seen::Notices;
use super::subnet::first_free;
use super::{Api, DuplicateNetworks, Settings};
use moat_model::engine::call::Call;
use moat_model::engine::{EngineError, Fault, Filter, PortBinding, VolumeMount};
use moat_model::resource::label::{self, Origin, Ownership};
use moat_model::resource::{
    ContainerConfig, ContainerId, FileConfig, ImageDigest, ImageId, ImageRef, NetworkId, Platform,
};
use moat_model::state::ContainerState;

/// Seconds since 1970 at the start of every simulation.
pub(super) const EPOCH: i64 = 1_700_000_000;

#[derive(Debug)]
pub(super) struct Daemon {
    /// The time since the start of the simulation.
    pub now: Duration,
    /// The end of the current outage.
    pub down_until: Duration,
    /// The number of restarts; a call that spans a restart loses its answer.
    pub restarts: u32,
    /// Names on internal networks do not reach the gateway, as on some versions of Docker.
    pub drops_names: bool,
    pub duplicates: DuplicateNetworks,
    pub api: Api,
    pub latencies: Latencies,
    pub containers: BTreeMap<ContainerId, Container>,
    pub networks: BTreeMap<NetworkId, Network>,
    pub volumes: BTreeMap<String, Volume>,
    /// The images of references on this engine.
    pub images: BTreeMap<ImageRef, ImageId>,
    /// The images in registries.
    pub registry: BTreeMap<ImageRef, ImageId>,
    /// The number of changes of a registry's manifest list for an unchanged image.
    pub editions: BTreeMap<ImageRef, u32>,
    /// The registry digests of each image.
    pub digests: BTreeMap<ImageId, BTreeSet<ImageDigest>>,
    pub programs: BTreeMap<ImageId, Behaviour>,
    /// The platforms of images, where it is not [`NATIVE`](super::storage::NATIVE).
    pub platforms: BTreeMap<ImageId, Platform>,
    /// The labels of images, which containers inherit.
    pub image_labels: BTreeMap<ImageId, BTreeMap<String, String>>,
    /// Removed images that containers were created from.
    pub images_gone: BTreeSet<ImageId>,
    pub journal: Journal,
    pub notices: Notices,
    serial: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Container {
    pub id: ContainerId,
    /// In the order of creation.
    pub serial: u64,
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub config: ContainerConfig,
    pub image: ImageId,
    pub program: Behaviour,
    pub state: ContainerState,
    /// During its creation only its name is visible.
    pub hidden: bool,
    /// The network that it was created on. Docker pins it by id: without this network it never starts
    /// again, whatever networks it is connected to since.
    pub home: NetworkId,
    pub endpoints: Vec<Attachment>,
    pub mounts: Vec<VolumeMount>,
    pub ports: Vec<PortBinding>,
    pub files: BTreeMap<String, FileConfig>,
    /// The rules that were set in it.
    pub policy: Option<String>,
    /// The grants that have a value since its start, each with the definition and the digest of its value.
    pub unlocked: BTreeMap<String, (String, String)>,
    /// The revoked grants.
    pub revoked: BTreeSet<String>,
    pub created: Duration,
    pub started: Option<Duration>,
    pub exit: i64,
    pub error: String,
    pub restarts: i64,
    /// A stop was requested, so the restart policy does not apply.
    pub stopped_by_hand: bool,
    /// Its probe fails until its next start.
    pub sick: bool,
    pub log: Vec<String>,
    /// The number of exec sessions of other users.
    pub sessions: u32,
    pub due: Option<Due>,
    /// The pending event when it was paused.
    pub frozen: Option<Next>,
}

impl Container {
    /// A new container on one network, without anything optional.
    pub fn new(
        (serial, id): (u64, String),
        name: &str,
        image: ImageId,
        config: ContainerConfig,
        endpoint: Attachment,
        created: Duration,
    ) -> Self {
        Self {
            id: ContainerId::new(id),
            serial,
            name: name.to_owned(),
            labels: BTreeMap::new(),
            config,
            image,
            program: Behaviour::default(),
            state: ContainerState::Created,
            hidden: false,
            home: endpoint.network.clone(),
            endpoints: vec![endpoint],
            mounts: Vec::new(),
            ports: Vec::new(),
            files: BTreeMap::new(),
            policy: None,
            unlocked: BTreeMap::new(),
            revoked: BTreeSet::new(),
            created,
            started: None,
            exit: 0,
            error: String::new(),
            restarts: 0,
            stopped_by_hand: false,
            sick: false,
            log: Vec::new(),
            sessions: 0,
            due: None,
            frozen: None,
        }
    }
}

/// A container's endpoint on a network. The id of a removed network stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attachment {
    pub network: NetworkId,
    /// The network's name when it was attached.
    pub name: String,
    /// It was started on the network: only then does Docker show the network's id.
    pub used: bool,
    pub aliases: Vec<String>,
}

/// A pending event of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    pub at: Duration,
    pub what: Next,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Appear,
    Exit {
        code: i64,
    },
    /// The end of a requested stop, and whether a start follows.
    Stop {
        code: i64,
        again: bool,
    },
    Restart {
        by_policy: bool,
    },
    Vanish,
}

#[derive(Debug, Clone)]
pub(super) struct Network {
    pub id: NetworkId,
    pub serial: u64,
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub internal: bool,
    pub gateway: bool,
    pub subnet: Option<Ipv4Net>,
    pub created: Duration,
}

#[derive(Debug, Clone)]
pub(super) struct Volume {
    pub labels: BTreeMap<String, String>,
    /// Whether a program has written to it.
    pub data: bool,
}

impl Daemon {
    pub fn new(settings: &Settings) -> Self {
        let mut daemon = Self {
            now: Duration::ZERO,
            down_until: Duration::ZERO,
            restarts: 0,
            drops_names: false,
            duplicates: settings.duplicate_networks,
            api: settings.api,
            latencies: settings.latencies,
            containers: BTreeMap::new(),
            networks: BTreeMap::new(),
            volumes: BTreeMap::new(),
            images: BTreeMap::new(),
            registry: BTreeMap::new(),
            editions: BTreeMap::new(),
            digests: BTreeMap::new(),
            programs: BTreeMap::new(),
            platforms: BTreeMap::new(),
            image_labels: BTreeMap::new(),
            images_gone: BTreeSet::new(),
            journal: Journal::default(),
            notices: Notices::default(),
            serial: 0,
        };
        for (name, subnet) in [("bridge", first_free(&[])), ("host", None), ("none", None)] {
            daemon.add_network(name, BTreeMap::new(), false, subnet);
        }
        daemon
    }

    /// The next id: 64 hexadecimal digits in no particular order.
    pub fn next_id(&mut self) -> (u64, String) {
        self.serial += 1;
        let digest = Sha256::digest(format!("object {}", self.serial));
        (self.serial, digest.iter().fold(String::new(), |id, byte| id + &format!("{byte:02x}")))
    }

    pub fn add_network(
        &mut self,
        name: &str,
        labels: BTreeMap<String, String>,
        internal: bool,
        subnet: Option<Ipv4Net>,
    ) -> NetworkId {
        let (serial, id) = self.next_id();
        let id = NetworkId::new(id);
        let (name, created) = (name.to_owned(), self.now);
        let network = Network { id: id.clone(), serial, name, labels, internal, gateway: false, subnet, created };
        self.networks.insert(id.clone(), network);
        id
    }

    pub fn container(&mut self, id: &ContainerId) -> Result<&mut Container, EngineError> {
        self.containers
            .get_mut(id)
            .filter(|c| !c.hidden)
            .ok_or_else(|| EngineError::new(Fault::NotFound, format!("no such container: {id}")))
    }

    /// The owner of a container. Labels of its image do not count.
    pub fn owner(&self, container: &Container) -> Option<Ownership> {
        let labels = self.image_labels.get(&container.image);
        let origin = match labels {
            Some(labels) if label::are_claimed(labels.keys()) => Origin::Claiming,
            _ if self.images_gone.contains(&container.image) => Origin::Gone,
            _ => Origin::Plain,
        };
        Ownership::read(&container.labels).filter(|owner| owner.holds(&container.name, origin))
    }

    /// The labels of a new container: its own, and the image's.
    pub fn inherited(&self, image: &ImageId, own: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let mut labels = self.image_labels.get(image).cloned().unwrap_or_default();
        labels.extend(own.clone());
        labels
    }

    pub fn network(&self, id: &NetworkId) -> Result<&Network, EngineError> {
        self.networks.get(id).ok_or_else(|| EngineError::new(Fault::NotFound, format!("network {id} not found")))
    }

    /// The subject of a call, for the journal.
    pub fn name_of_container(&self, id: &ContainerId) -> String {
        self.containers.get(id).map_or_else(|| format!("({})", short(id.as_str())), |c| c.name.clone())
    }

    pub fn name_of_network(&self, id: &NetworkId) -> String {
        self.networks.get(id).map_or_else(|| format!("({})", short(id.as_str())), |n| n.name.clone())
    }

    /// Records a violation if a call accesses a container that is not moat's.
    pub fn guard_container(&mut self, call: Call, id: &ContainerId) {
        if let Some(container) = self.containers.get(id) {
            let (name, is_own) = (container.name.clone(), self.owner(container).is_some());
            self.journal.guard(call, &name, is_own);
        }
    }

    pub fn guard_network(&mut self, call: Call, id: &NetworkId) {
        if let Some(network) = self.networks.get(id) {
            let is_own = Ownership::read(&network.labels).is_some();
            self.journal.guard(call, &network.name, is_own);
        }
    }

    pub fn guard_volume(&mut self, call: Call, name: &str) {
        if let Some(volume) = self.volumes.get(name) {
            let is_own = Ownership::read(&volume.labels).is_some();
            self.journal.guard(call, name, is_own);
        }
    }

    /// Whether a running container is attached to a network, including one being removed.
    pub fn has_endpoints(&self, network: &NetworkId) -> bool {
        use ContainerState::{Paused, Removing, Running};
        self.containers
            .values()
            .any(|c| matches!(c.state, Running | Paused | Removing) && c.is_on(network) && c.started.is_some())
    }

    /// Whether any container, running or not, has a volume mounted.
    pub fn is_mounted(&self, volume: &str) -> bool {
        self.containers.values().any(|c| c.mounts.iter().any(|mount| mount.volume == volume))
    }
}

impl Journal {
    fn guard(&mut self, call: Call, name: &str, is_own: bool) {
        if !is_own {
            self.violate(Violation::Foreign { call, name: name.to_owned() });
        }
    }
}

impl Container {
    pub fn is_on(&self, network: &NetworkId) -> bool {
        self.endpoints.iter().any(|endpoint| endpoint.network == *network)
    }

    /// The host ports that it binds; sorted.
    pub fn host_ports(&self) -> impl Iterator<Item = u16> {
        self.ports.iter().map(|port| port.host).collect::<std::collections::BTreeSet<_>>().into_iter()
    }

    /// Whether it has processes, paused or not.
    pub fn lives(&self) -> bool {
        matches!(self.state, ContainerState::Running | ContainerState::Paused)
    }

    /// Whether it is ready, which callers can only see by a probe.
    pub fn is_ready(&self, now: Duration) -> bool {
        let booted = self.started.is_some_and(|started| now >= started + self.program.boot());
        let allowed = self.config.privileged || !self.program.needs_privilege;
        let found = !self.endpoints.is_empty() || !self.program.needs_network;
        self.state == ContainerState::Running && booted && allowed && found && !self.program.never_ready && !self.sick
    }

    /// The volume that only one daemon may use.
    pub fn locked_volume(&self) -> Option<&str> {
        let target = self.program.locks.as_deref()?;
        self.mounts.iter().find(|mount| mount.target == target).map(|mount| mount.volume.as_str())
    }
}

/// Whether labels match the filter of a list.
pub(super) fn matches(filter: &Filter, labels: &BTreeMap<String, String>) -> bool {
    match filter {
        Filter::Run(run) => labels.get(label::RUN).is_some_and(|value| value == run.as_str()),
        Filter::Ours => labels.contains_key(label::RUN),
        Filter::All => true,
    }
}

/// A short id.
pub(super) fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

pub(super) fn unreachable(words: &str) -> EngineError {
    EngineError::new(Fault::Unreachable, format!("cannot reach the engine: {words}"))
}
