//! Requests to an engine, and answers other than observed facts.
//!
//! Requests are self-contained: an engine needs no other input to execute one.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;

use crate::resource::{
    BuildContext, BuildNetwork, ContainerConfig, ImageRef, Limits, NetworkId, Platform, Port, RestartPolicy, RunId,
};
use crate::state::{ContainerState, Health};

/// The filter of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// Objects of one run.
    Run(RunId),
    /// Objects of any run.
    Ours,
    /// All objects.
    All,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkCreate {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub internal: bool,
    /// `None`: the engine chooses one from its own pools.
    pub subnet: Option<Ipv4Net>,
    /// The host gets no address on it, and the engine assigns only addresses of the upper half.
    pub gateway: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeCreate {
    pub name: String,
    pub labels: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerCreate<N = NetworkId> {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    /// References to networks and volumes are resolved in the other fields; files are uploaded later.
    pub config: ContainerConfig,
    pub network: N,
    /// The volumes; all other mounts are in the configuration.
    pub mounts: Vec<VolumeMount>,
    /// The ports of the configuration, each with a port of the Docker host.
    pub ports: Vec<PortBinding>,
    /// Its address on the network, which the container also finds in [`ADDRESS`]. `None`: the engine assigns one.
    pub address: Option<Ipv4Addr>,
    /// The name server for names that the engine does not know. `None`: as in the configuration.
    pub resolver: Option<Ipv4Addr>,
}

/// A port of a container, and its address on the Docker host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortBinding {
    pub container: Port,
    pub address: IpAddr,
    pub host: u16,
}

/// Changes of an existing container. Omitted values stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContainerUpdate {
    pub limits: Limits,
    pub restart: Option<RestartPolicy>,
}

/// A volume by its name on the engine, and its mount point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeMount {
    pub volume: String,
    pub target: String,
    pub read_only: bool,
    /// The labels of the volume in case the engine has to create it: without them it would
    /// have no owner and block the name.
    pub labels: BTreeMap<String, String>,
}

/// A container in detail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    pub state: ContainerState,
    pub health: Health,
    /// The command of its health check, from the image or the spec; `None` if it has none, or it is disabled.
    pub check: Option<Vec<String>>,
    /// The exit code of the last start; 0 while it is running.
    pub exit_code: i64,
    pub oom_killed: bool,
    /// The engine's message about a failed start; usually empty.
    pub error: String,
    /// The number of automatic restarts since the last start by a user.
    pub restarts: i64,
    /// The time of its start, in nanoseconds since 1970; `None` if it is not running, or if the engine is on another
    /// machine.
    pub started: Option<i64>,
    /// It is on no network at all: nothing finds it, and its own name leads nowhere.
    pub disconnected: bool,
    /// The current limits.
    pub limits: Limits,
    /// `None` for a policy that moat does not know.
    pub restart: Option<RestartPolicy>,
    pub rights: Rights,
}

/// The rights of a container, as the engine reports them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rights {
    pub privileged: bool,
    /// Its user by name or number, with a group or without; empty for root.
    pub user: String,
    /// It has the users of the host on an engine that maps them.
    pub host_users: bool,
    /// Without the prefix `CAP_`.
    pub cap_add: Vec<String>,
    /// Without the prefix `CAP_`.
    pub cap_drop: Vec<String>,
    /// Empty if the engine does not report it.
    pub runtime: String,
}

/// The result of a command in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOutput {
    pub exit_code: i64,
    /// The end of both streams, at most [`EXEC_OUTPUT_MAX`] bytes.
    pub output: String,
}

/// An image to build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageBuild {
    /// The name of the built image.
    pub reference: ImageRef,
    pub dockerfile: String,
    /// The build context; `None` if the Dockerfile needs no files.
    pub context: Option<Box<BuildContext>>,
    pub labels: BTreeMap<String, String>,
    /// The network of its steps.
    pub network: BuildNetwork,
    /// `None`: the engine's own.
    pub platform: Option<Platform>,
}

/// The progress of a pull, summed over the layers known so far. In bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PullProgress {
    pub current: u64,
    pub total: u64,
    /// The number of complete layers.
    pub layers_done: u32,
    pub layers: u32,
}

/// The environment variable of a fixed address.
pub const ADDRESS: &str = "MOAT_ADDRESS";

/// The maximum of kept output, in bytes. It is for people to read after a failed probe: a screen or two.
pub const EXEC_OUTPUT_MAX: usize = 16 * 1024;
