//! Privileges that a sandbox gains: the last applied configuration compared with the desired one.
//!
//! Pure, so that the approval and the plan show the same. What follows from a gain is the caller's decision.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::reach::reach;
use moat_model::graph::Graph;
use moat_model::resource::{
    Applied, Config, ContainerConfig, HostPort, ImageRef, Mount, MountSource, PortConfig, ResourceId, Role, Run,
};
use moat_model::state::Observed;

/// A right that a resource gains.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Widening {
    pub resource: ResourceId,
    pub gain: Gain,
    /// Whether the resource was applied before, without the right. Otherwise the resource is new.
    pub known: bool,
}

/// A right. Paths are paths of the Docker host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gain {
    /// Full access to the Docker host.
    Privileged,
    /// The socket of an engine, which gives full access to its host.
    EngineSocket { path: String },
    /// All files of the Docker host.
    Root,
    /// A home directory, or all of them.
    Home { path: String },
    /// A path outside the spec's folder.
    Path { path: String },
    /// Write access to a path.
    Write { path: String },
    /// A volume of another agent.
    AgentVolume { name: String },
    /// A volume of another owner.
    ForeignVolume { name: String },
    /// A port open to other machines.
    Exposed { port: String },
    /// A secret; the name of its variable.
    Secret { name: String },
    /// An image from another registry or repository.
    Source { old: String, new: String },
    /// Root, or the image's user, instead of a named user.
    RootUser { old: String },
    /// A kernel capability beyond the default set.
    Capability { name: String },
    /// A device of the Docker host, with its access rights.
    Device { device: String },
    /// GPUs of the Docker host.
    Gpus { gpus: String },
    /// A port of a service, published on the Docker host.
    Published { port: String },
    /// Access to outside networks, from an internal network.
    Outside,
    /// Hosts that the rules in force in the gateway do not allow.
    Reach { target: String },
}

impl Gain {
    /// The stable code, for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Privileged => "privileged",
            Self::EngineSocket { .. } => "engine-socket",
            Self::Root => "root-directory",
            Self::Home { .. } => "home-directory",
            Self::Path { .. } => "path",
            Self::Write { .. } => "write",
            Self::AgentVolume { .. } => "agent-volume",
            Self::ForeignVolume { .. } => "foreign-volume",
            Self::Exposed { .. } => "exposed-port",
            Self::Secret { .. } => "secret",
            Self::Source { .. } => "image-source",
            Self::RootUser { .. } => "root-user",
            Self::Capability { .. } => "capability",
            Self::Device { .. } => "device",
            Self::Gpus { .. } => "gpus",
            Self::Published { .. } => "published-port",
            Self::Outside => "outside",
            Self::Reach { .. } => "reach",
        }
    }

    /// The mark in a plan, also for new resources; `None` for rights that are not worth a warning.
    pub fn mark(&self) -> Option<&'static str> {
        match self {
            Self::Privileged => Some("privileged"),
            Self::EngineSocket { .. } => Some("gives the engine"),
            Self::Root => Some("gives all files"),
            Self::Home { .. } => Some("gives a home directory"),
            Self::AgentVolume { .. } => Some("another agent's volume"),
            Self::Exposed { .. } => Some("reached from outside"),
            Self::Capability { .. } => Some("adds capabilities"),
            Self::Device { .. } => Some("gives devices"),
            Self::Gpus { .. } => Some("gives GPUs"),
            _ => None,
        }
    }
}

/// The rights that `graph`'s sandbox gains over the last applied state; sorted.
pub fn widening(graph: &Graph, observed: &Observed) -> Vec<Widening> {
    let mut all = beyond(graph, |id| {
        // The newest container has the last applied configuration.
        let container = observed.containers_of(id).filter_map(|facts| facts.owner.as_ref()).last();
        let network = || observed.networks_of(id).filter_map(|facts| facts.owner.as_ref()).last();
        container.or_else(network).map(|owner| owner.applied.clone())
    });
    // What a gateway has in force counts, not a label: rules change without it.
    let in_force = |gateway: &ResourceId| {
        let facts = observed.containers_of(gateway).filter_map(|facts| observed.policies.get(&facts.id)).last();
        facts.and_then(|facts| facts.text.clone())
    };
    all.extend(reach(graph, in_force).into_iter().map(wider));
    all.sort();
    all
}

/// The rights that `graph`'s sandbox gains over the desired state `before`; sorted.
pub fn widening_of(before: &Graph, graph: &Graph) -> Vec<Widening> {
    let mut all = beyond(graph, |id| before.node(id).map(|node| Applied::parse(&node.config.canonical())));
    let policy = |gateway: &ResourceId| {
        before.nodes().find_map(|node| match &node.config {
            Config::Policy(config) if config.gateway == *gateway => Some(config.text.clone()),
            _ => None,
        })
    };
    all.extend(reach(graph, policy).into_iter().map(wider));
    all.sort();
    all
}

fn wider((resource, target): (ResourceId, String)) -> Widening {
    Widening { resource, gain: Gain::Reach { target }, known: true }
}

/// `last` returns the previous configuration of a resource, if it had one.
fn beyond(graph: &Graph, last: impl Fn(&ResourceId) -> Option<Applied>) -> Vec<Widening> {
    let mut all = BTreeSet::new();
    for node in graph.nodes() {
        let (gains, last) = match &node.config {
            Config::Container(config) => {
                let last = last(&node.id);
                let sealed = applied(last.as_ref());
                let was = |gain: &Gain| last.as_ref().is_some_and(|_| sealed.contains(gain));
                let all = gains(config).into_iter().chain(of_service(node.role, config));
                let new = all.filter(|gain| !was(gain) && !is_own(&graph.run, gain));
                let mut gains: Vec<Gain> = new.collect();
                gains.extend(last.as_ref().into_iter().flat_map(|last| changes(last, config)));
                (gains, last)
            }
            Config::Network(config) => {
                let last = last(&node.id);
                let was_internal = last.as_ref().is_some_and(|last| last.internal);
                (if was_internal && !config.internal { vec![Gain::Outside] } else { Vec::new() }, last)
            }
            Config::Image(_) | Config::Volume(_) | Config::Policy(_) | Config::Grant(_) => continue,
        };
        let known = last.is_some();
        all.extend(gains.into_iter().map(|gain| Widening { resource: node.id.clone(), gain, known }));
    }
    all.into_iter().collect()
}

/// The rights that only services give, besides those of any container.
fn of_service(role: Role, config: &ContainerConfig) -> Vec<Gain> {
    let own = config.ports.iter().filter(|port| role == Role::Sidecar && port.address.is_loopback());
    own.map(|port| Gain::Published { port: reached(port) }).collect()
}

/// The engine's default set. One of these beside `cap_drop: [ALL]` is no gain.
const DEFAULT_CAPABILITIES: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// All rights of a container, regardless of its previous state.
pub fn gains(config: &ContainerConfig) -> BTreeSet<Gain> {
    let mut gains = BTreeSet::new();
    if config.privileged {
        gains.insert(Gain::Privileged);
    }
    for mount in &config.mounts {
        match &mount.source {
            MountSource::Path(path) if is_shown_anyway(path, mount, config) => {}
            MountSource::Path(path) => {
                gains.insert(of_path(path));
                if !mount.read_only {
                    gains.insert(Gain::Write { path: path.clone() });
                }
            }
            MountSource::Foreign(name) => {
                gains.insert(of_volume(name));
            }
            MountSource::Volume(_) | MountSource::Empty | MountSource::Memory { .. } => {}
        }
    }
    gains.extend(config.ports.iter().filter(|port| !port.address.is_loopback()).map(exposed));
    gains.extend(config.secrets.keys().map(|name| Gain::Secret { name: name.clone() }));
    let rights = &config.rights;
    let beyond = rights.cap_add.iter().filter(|name| !DEFAULT_CAPABILITIES.contains(&name.as_str()));
    gains.extend(beyond.map(|name| Gain::Capability { name: name.clone() }));
    gains.extend(rights.devices.iter().map(|device| Gain::Device { device: device.given() }));
    gains.extend(rights.gpus.iter().map(|gpus| Gain::Gpus { gpus: gpus.to_string() }));
    gains
}

fn exposed(port: &PortConfig) -> Gain {
    Gain::Exposed { port: reached(port) }
}

fn reached(port: &PortConfig) -> String {
    let host = match port.host {
        HostPort::Fixed(host) => format!("{}:{host}", port.address),
        HostPort::Free => port.address.to_string(),
    };
    format!("{host} -> {}", port.container)
}

/// Whether another mount gives the same path at the same place with at least the same access.
fn is_shown_anyway(path: &str, mount: &Mount, config: &ContainerConfig) -> bool {
    let shows = |other: &Mount| {
        let MountSource::Path(folder) = &other.source else { return false };
        let rest = Path::new(path).strip_prefix(folder).ok().filter(|rest| rest.components().next().is_some());
        let place = rest.map(|rest| Path::new(&other.target).join(rest));
        place.is_some_and(|place| place == Path::new(&mount.target)) && (mount.read_only || !other.read_only)
    };
    config.mounts.iter().any(shows)
}

/// The right that a path of the host gives.
fn of_path(path: &str) -> Gain {
    let owned = path.to_owned();
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        Gain::Root
    } else if is_socket(&parts) {
        Gain::EngineSocket { path: owned }
    } else if matches!(parts[..], ["root" | "home" | "Users"] | ["home" | "Users", _]) {
        Gain::Home { path: owned }
    } else {
        Gain::Path { path: owned }
    }
}

/// Whether a right only concerns the spec's folder, which every sandbox may use.
fn is_own(run: &Run, gain: &Gain) -> bool {
    let (Gain::Path { path } | Gain::Write { path }) = gain else { return false };
    Path::new(&run.spec).parent().is_some_and(|folder| Path::new(path).starts_with(folder))
}

/// Whether a path is a socket of an engine, or a folder that contains one.
fn is_socket(parts: &[&str]) -> bool {
    let is_run = matches!(parts, ["run" | "var"] | ["var", "run"]);
    let last = parts.last().copied().unwrap_or_default();
    is_run || ["docker.sock", "podman.sock", "containerd.sock", "buildkitd.sock"].contains(&last)
}

fn of_volume(name: &str) -> Gain {
    let name = name.to_owned();
    if name.starts_with("moat-") { Gain::AgentVolume { name } } else { Gain::ForeignVolume { name } }
}

/// The rights that only a comparison with the previous configuration shows.
fn changes(last: &Applied, config: &ContainerConfig) -> Vec<Gain> {
    let mut gains = Vec::new();
    let old = last.image.as_deref().and_then(|text| ImageRef::parse(text).ok());
    if let Some(old) = old.filter(|old| old.repository_and_tag().0 != config.image.repository_and_tag().0) {
        gains.push(Gain::Source { old: old.to_string(), new: config.image.to_string() });
    }
    let root = |user: Option<&str>| user.is_none_or(|user| matches!(user.split(':').next(), Some("root" | "0")));
    let old = last.user.as_deref();
    if !root(old) && root(config.user.as_deref()) {
        gains.push(Gain::RootUser { old: old.unwrap_or_default().to_owned() });
    }
    gains
}

/// The rights of the last applied configuration, as far as it is recorded.
fn applied(last: Option<&Applied>) -> BTreeSet<Gain> {
    let mut gains = BTreeSet::new();
    let Some(last) = last else { return gains };
    if last.privileged {
        gains.insert(Gain::Privileged);
    }
    for text in last.mounts.values() {
        let (source, read_only) = text.strip_suffix(":ro").map_or((text.as_str(), false), |source| (source, true));
        if let Some(path) = source.strip_prefix("path:") {
            let path = path.to_owned();
            if !read_only {
                gains.insert(Gain::Write { path: path.clone() });
            }
            let all = [
                Gain::EngineSocket { path: path.clone() },
                Gain::Home { path: path.clone() },
                Gain::Path { path: path.clone() },
            ];
            gains.extend(all);
            if path == "/" {
                gains.insert(Gain::Root);
            }
        } else if let Some(name) = source.strip_prefix("foreign:") {
            gains.insert(of_volume(name));
        }
    }
    for (port, published) in &last.ports {
        let published = published.trim_end_matches(":free");
        gains.insert(Gain::Exposed { port: format!("{published} -> {port}") });
        gains.insert(Gain::Published { port: format!("{published} -> {port}") });
    }
    gains.extend(last.cap_add.iter().map(|name| Gain::Capability { name: name.clone() }));
    gains.extend(last.devices.values().map(|device| Gain::Device { device: device.clone() }));
    gains.extend(last.gpus.iter().map(|gpus| Gain::Gpus { gpus: gpus.clone() }));
    gains.extend(last.secrets.keys().map(|name| Gain::Secret { name: name.clone() }));
    gains
}

impl fmt::Display for Gain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Privileged => f.write_str("full access to the Docker host"),
            Self::EngineSocket { path } => write!(f, "access to the engine through {path}"),
            Self::Root => f.write_str("all files of the Docker host"),
            Self::Home { path } => write!(f, "the home directory {path}"),
            Self::Path { path } => write!(f, "access to {path}, outside the spec's folder"),
            Self::Write { path } => write!(f, "write access to {path}"),
            Self::AgentVolume { name } => write!(f, "another agent's volume {name}"),
            Self::ForeignVolume { name } => write!(f, "the volume {name} of another owner"),
            Self::Exposed { port } => write!(f, "a port open to other machines, {port}"),
            Self::Secret { name } => write!(f, "the secret {name}"),
            Self::Source { old, new } => write!(f, "an image from another source, {new} instead of {old}"),
            Self::RootUser { old } => write!(f, "the user root instead of {old}"),
            Self::Capability { name } => write!(f, "the capability {name}"),
            Self::Device { device } => write!(f, "the device {device}"),
            Self::Gpus { gpus } => write!(f, "GPUs of the Docker host, {gpus}"),
            Self::Published { port } => write!(f, "a port published on the Docker host, {port}"),
            Self::Outside => f.write_str("access to outside networks"),
            Self::Reach { target } => write!(f, "a network that may reach {target}"),
        }
    }
}

impl fmt::Display for Widening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} gets {}", self.resource, self.gain)
    }
}

impl Serialize for Widening {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut all = serializer.serialize_struct("Widening", 4)?;
        all.serialize_field("resource", &self.resource)?;
        all.serialize_field("code", self.gain.code())?;
        all.serialize_field("text", &self.gain.to_string())?;
        all.serialize_field("known", &self.known)?;
        all.end()
    }
}
