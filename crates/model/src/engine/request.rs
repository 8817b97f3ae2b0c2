//! What is asked of an engine, and the answers that are not facts about the world.
//!
//! Complete in themselves: an engine needs no other knowledge to carry out a request.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::Ipv4Net;

use crate::resource::{
    BuildContext, BuildNetwork, ContainerConfig, ImageRef, Limits, NetworkId, Port, RestartPolicy, RunId,
};
use crate::state::{ContainerState, Health};

/// What a list is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// Whatever belongs to one run.
    Run(RunId),
    /// Whatever belongs to any run.
    Ours,
    /// Whatever there is.
    All,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkCreate {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub internal: bool,
    /// `None`: the engine takes one from its own pools.
    pub subnet: Option<Ipv4Net>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeCreate {
    pub name: String,
    pub labels: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerCreate {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    /// Its references to a network and to volumes are resolved below; its files come later, by an upload.
    pub config: ContainerConfig,
    pub network: NetworkId,
    /// The volumes; what else is mounted is in the configuration.
    pub mounts: Vec<VolumeMount>,
    /// The ports of the configuration, each with a port of the engine's machine.
    pub ports: Vec<PortBinding>,
}

/// A port of a container, and where it is reached on the engine's machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortBinding {
    pub container: Port,
    pub address: IpAddr,
    pub host: u16,
}

/// What of a container can be changed while it is there. What is not given stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContainerUpdate {
    pub limits: Limits,
    pub restart: Option<RestartPolicy>,
}

/// A volume by the engine's name, and where it is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeMount {
    pub volume: String,
    pub target: String,
    pub read_only: bool,
    /// What a volume of that name is labelled with if there is none and the engine makes it: without them it would
    /// be nobody's, and in our way for ever.
    pub labels: BTreeMap<String, String>,
}

/// A container in detail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    pub state: ContainerState,
    pub health: Health,
    /// The command of its health check, whoever wrote that; `None`: there is none, or it is switched off.
    pub check: Option<Vec<String>>,
    /// Of the last run; 0 while it runs.
    pub exit_code: i64,
    pub oom_killed: bool,
    /// The engine's own words on why it could not be started; usually empty.
    pub error: String,
    /// How often the restart policy has started it again since somebody started it.
    pub restarts: i64,
    /// When it was started, in nanoseconds since 1970; `None`: it does not run, or the engine's clock and files are not
    /// this machine's.
    pub started: Option<i64>,
    /// It is on no network at all: nothing finds it, and its own name leads nowhere.
    pub disconnected: bool,
    /// What an update can change, as it is now.
    pub limits: Limits,
    /// `None`: one that moat does not know.
    pub restart: Option<RestartPolicy>,
}

/// What a command in a container gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOutput {
    pub exit_code: i64,
    /// Both streams, bounded by [`EXEC_OUTPUT_MAX`]: the end of it.
    pub output: String,
}

/// An image that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageBuild {
    /// What it is called once it is made.
    pub reference: ImageRef,
    pub dockerfile: String,
    /// The files beside it; `None`: it is complete in itself.
    pub context: Option<BuildContext>,
    pub labels: BTreeMap<String, String>,
    /// What its steps reach.
    pub network: BuildNetwork,
}

/// How far a pull has come, summed over the layers known so far. In bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PullProgress {
    pub current: u64,
    pub total: u64,
    /// How many of the layers known so far are there whole.
    pub layers_done: u32,
    pub layers: u32,
}

/// The output of a probe is for a person to read when it fails: in bytes, a screen or two.
pub const EXEC_OUTPUT_MAX: usize = 16 * 1024;
