//! Desired configurations of resources, and the canonical form in which they are hashed and stored.
//!
//! Only values that moat sets: defaults of the engine or an image are never desired, so never a
//! difference. Fields refer to other resources by their logical ids, so that a configuration means the
//! same in every run. An unset optional field is omitted from the canonical form, so that a
//! later version of moat with more fields still computes the same hash.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use ipnet::Ipv4Net;
use serde::Serialize;

use super::build::{BuildContext, BuildNetwork};
use super::digest::sha256;
use super::extras::Extras;
use super::health::{HealthConfig, ImageCheck};
use super::id::{ImageRef, ResourceId};
use super::limit::{Limits, Size, Ulimit};
use super::logging::LogConfig;
use super::mount::{self, Mount};
use super::platform::Platform;
use super::port::PortConfig;
use super::rights::{Protection, Rights};
use super::secret::Secret;

/// The desired configuration of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Config {
    Image(ImageConfig),
    Network(NetworkConfig),
    Volume(VolumeConfig),
    Container(Box<ContainerConfig>),
    Policy(PolicyConfig),
    Grant(GrantConfig),
}

/// An image that has to exist on the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageConfig {
    pub reference: ImageRef,
    /// The Dockerfile, if it is built here. Otherwise it is pulled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dockerfile: Option<String>,
    /// The build context, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<Box<BuildContext>>,
    /// The network of its build steps.
    #[serde(skip_serializing_if = "is_default")]
    pub network: BuildNetwork,
    /// Whether it is moat's own program, which is imported from this machine.
    #[serde(skip_serializing_if = "is_default")]
    pub program: bool,
    /// `None`: the engine's own, or that of an image that is here already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

/// A bridge network of the run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct NetworkConfig {
    /// Containers on it cannot reach outside networks.
    #[serde(skip_serializing_if = "is_default")]
    pub internal: bool,
    /// `None`: a free one from moat's range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet: Option<Ipv4Net>,
    /// The way out is a gateway at the second address (see [`gateway_address`](super::subnet::gateway_address)): the
    /// host has no address on the network, and the engine assigns only addresses of the upper half.
    #[serde(skip_serializing_if = "is_default")]
    pub gateway: bool,
}

/// A named volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VolumeConfig {
    /// Not part of the canonical form: whether a volume survives `destroy` depends on the desired state at
    /// that moment, and changing it must not replace the volume.
    #[serde(skip)]
    pub retention: Retention,
}

/// The retention of a volume on `destroy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// Kept and reported, unless the removal of volumes is requested.
    Keep,
    /// Removed with the run.
    Scratch,
}

/// A container as it is created.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContainerConfig {
    pub image: ImageRef,
    /// The platform that its image must have. `None`: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Empty: the image's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entrypoint: Vec<String>,
    /// Empty: the image's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Environment variables of which only digests are shown.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, Secret>,
    /// `None`: the image's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// `None`: the image's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workdir: Option<String>,
    /// Whether it has a terminal and an open standard input.
    #[serde(skip_serializing_if = "is_default")]
    pub interactive: bool,
    /// The user's labels, besides those of moat.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub privileged: bool,
    /// An init process reaps orphans and forwards signals.
    #[serde(skip_serializing_if = "is_default")]
    pub init: bool,
    pub network: NetworkAttachment,
    /// A second network, only of a gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uplink: Option<ResourceId>,
    /// Kernel parameters of its network namespace.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub sysctls: BTreeMap<String, String>,
    /// Names that resolve to the given address, or to the Docker host (`host-gateway`).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub hosts: BTreeMap<String, String>,
    /// DNS servers instead of the engine's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<IpAddr>,
    /// Keyed by port in the canonical form, so that a difference names the port.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "by_port")]
    pub ports: Vec<PortConfig>,
    /// Keyed by target in the canonical form, so that a difference names the mount.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "mount::by_target")]
    pub mounts: Vec<Mount>,
    /// Written into the container between creation and start. They are lost with the container, so their
    /// content is part of the hash; keyed by path in the canonical form, so that a difference names the file.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "by_path")]
    pub files: Vec<FileConfig>,
    /// Changed in place: the engine's current values count, not those at creation.
    #[serde(skip_serializing_if = "Limits::is_empty")]
    pub limits: Limits,
    /// Keyed by name, such as `nofile`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub ulimits: BTreeMap<String, Ulimit>,
    /// The size of `/dev/shm`. `None`: the engine's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shm: Option<Size>,
    #[serde(flatten)]
    pub rights: Rights,
    /// The priority of the kernel's out-of-memory killer, from -1000 (never) to 1000. `None`: moat's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom_score_adj: Option<i32>,
    /// `None`: the engine's default driver, with moat's size limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logging: Option<LogConfig>,
    /// Changed in place, like the limits.
    pub restart: RestartPolicy,
    /// The stop timeout before a kill. In seconds; `None`: the engine's default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<u32>,
    /// The engine's health check for the steady state, while moat is not running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthConfig>,
    /// Not part of the canonical form: it follows from the command, and a container created before moat
    /// disabled such checks is not replaced for it.
    #[serde(skip)]
    pub image_check: ImageCheck,
    /// Moat's additions at the creation of a container: never a reason to recreate one.
    #[serde(skip_serializing_if = "Extras::is_empty")]
    pub extras: Extras,
}

/// The network rules of a gateway: put in force in its running container, and outside of the container's configuration,
/// so that other rules replace nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyConfig {
    /// The gateway's container.
    pub gateway: ResourceId,
    /// The rules as JSON, the same text for the same rules.
    pub text: String,
}

/// A credential that a gateway puts into requests. Its value is given to the running gateway, and is in no label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantConfig {
    /// The gateway's container.
    pub gateway: ResourceId,
    /// The grant as in the gateway's rules, as JSON: what gets the credential.
    pub definition: String,
    /// Where the value comes from, for people.
    pub source: String,
    pub value: Secret,
}

/// The network connection of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NetworkAttachment {
    pub network: ResourceId,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
}

/// A file that is uploaded into a container before its start. Owned by root.
#[derive(Clone, PartialEq, Eq)]
pub struct FileConfig {
    /// Absolute.
    pub path: String,
    /// Permission bits, such as `0o755`.
    pub mode: u32,
    /// Represented by its digest in the canonical form: labels must not contain files.
    pub content: String,
}

/// The restart policy of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    No,
    /// After an exit code other than 0.
    OnFailure,
    UnlessStopped,
    /// Always, also after a manual stop and an engine restart.
    Always,
}

/// A versioned digest of a canonical configuration, such as `v1:9f86d0…`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigHash(String);

/// The version of the canonical form. A change of the form that changes hashes of unchanged
/// configurations must raise it and know how to compare the older ones.
const HASH_VERSION: &str = "v1";

impl ContainerConfig {
    /// A container of an image on a network, with defaults for all else.
    pub fn new(image: ImageRef, network: NetworkAttachment) -> Self {
        Self {
            image,
            platform: None,
            entrypoint: Vec::new(),
            command: Vec::new(),
            env: BTreeMap::new(),
            secrets: BTreeMap::new(),
            user: None,
            workdir: None,
            interactive: false,
            labels: BTreeMap::new(),
            hostname: None,
            privileged: false,
            init: false,
            network,
            uplink: None,
            sysctls: BTreeMap::new(),
            hosts: BTreeMap::new(),
            dns: Vec::new(),
            ports: Vec::new(),
            mounts: Vec::new(),
            files: Vec::new(),
            limits: Limits::default(),
            ulimits: BTreeMap::new(),
            shm: None,
            rights: Rights::default(),
            oom_score_adj: None,
            logging: None,
            restart: RestartPolicy::No,
            stop_timeout: None,
            health: None,
            image_check: ImageCheck::Kept,
            extras: Extras::default(),
        }
    }
}

impl PolicyConfig {
    /// The digest of the text, as the gateway computes it.
    pub fn digest(&self) -> String {
        sha256(self.text.as_bytes())
    }
}

impl ContainerConfig {
    /// The networks that it is connected to, its own first.
    pub fn networks(&self) -> impl Iterator<Item = &ResourceId> {
        [&self.network.network].into_iter().chain(&self.uplink)
    }

    /// Whether root of the host could run in it, without masked system paths: this gives it the host, whatever its
    /// capabilities. What the name of a user means is up to the image.
    pub fn opens_host(&self) -> bool {
        let uid = self.user.as_deref().and_then(|user| user.split(':').next()?.parse::<u32>().ok());
        self.rights.without.contains(&Protection::SystemPaths) && uid.is_none_or(|uid| uid == 0)
    }
}

impl RestartPolicy {
    /// The engine's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::OnFailure => "on-failure",
            Self::UnlessStopped => "unless-stopped",
            Self::Always => "always",
        }
    }
}

impl Retention {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Scratch => "scratch",
        }
    }
}

impl Config {
    /// The canonical text: JSON with fields in the order of the types and maps sorted by key.
    pub fn canonical(&self) -> String {
        let text = match self {
            Self::Image(config) => serde_json::to_string(config),
            Self::Network(config) => serde_json::to_string(config),
            Self::Volume(config) => serde_json::to_string(config),
            Self::Container(config) => serde_json::to_string(config),
            Self::Policy(config) => return config.text.clone(),
            Self::Grant(config) => return config.definition.clone(),
        };
        text.unwrap_or_else(|error| unreachable!("plain structs with text for keys always serialise: {error}"))
    }

    pub fn hash(&self) -> ConfigHash {
        ConfigHash::of(&self.canonical())
    }
}

impl ConfigHash {
    /// The hash of a canonical text.
    pub fn of(canonical: &str) -> Self {
        Self(format!("{HASH_VERSION}:{}", sha256(canonical.as_bytes())))
    }

    /// Wraps a hash from a label.
    pub fn from_label(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ConfigHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// A file may contain secrets that must not be logged; its digest identifies it as well.
impl fmt::Debug for FileConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let content = sha256(self.content.as_bytes());
        f.debug_struct("FileConfig")
            .field("path", &self.path)
            .field("mode", &self.mode)
            .field("content", &content)
            .finish()
    }
}

fn by_port<S: serde::Serializer>(ports: &[PortConfig], serializer: S) -> Result<S::Ok, S::Error> {
    let ports: BTreeMap<_, _> = ports.iter().map(|port| (port.container, port.published())).collect();
    serializer.collect_map(ports)
}

fn by_path<S: serde::Serializer>(files: &[FileConfig], serializer: S) -> Result<S::Ok, S::Error> {
    let described = |file: &FileConfig| format!("{:o} sha256:{}", file.mode, sha256(file.content.as_bytes()));
    serializer.collect_map(files.iter().map(|file| (&file.path, described(file))).collect::<BTreeMap<_, _>>())
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
