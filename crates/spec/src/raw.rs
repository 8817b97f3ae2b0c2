//! The serde types of a document: texts that have not been interpreted yet.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::isolation::Isolation;
use super::one_of::{Command, CommandOr, Entrypoint, OneOf};
use super::raw_ports::Ports;
use super::settings::CacheRetention;
use moat_model::resource::{AgentName, BuildNetwork, ImageRef, LogConfig, Platform, RestartPolicy};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "they are the keys of the language")]
pub(super) struct File {
    pub agent: AgentName,
    pub version: Option<String>,
    pub image: Option<ImageRef>,
    pub platform: Option<Platform>,
    pub build: Option<OneOf<Build>>,
    pub base_image: Option<ImageRef>,
    #[serde(default)]
    pub dependencies: Vec<String>,
    pub command: Option<Command>,
    pub entrypoint: Option<Entrypoint>,
    pub user: Option<String>,
    pub workdir: Option<String>,
    #[serde(default)]
    pub interactive: bool,
    pub restart: Option<Restart>,
    pub hostname: Option<String>,
    #[serde(default = "yes")]
    pub init: bool,
    pub stop_timeout: Option<String>,
    #[serde(default)]
    pub read_only: bool,
    pub tmpfs: Option<OneOf<Vec<String>>>,
    #[serde(default)]
    pub cap_add: Vec<String>,
    #[serde(default)]
    pub cap_drop: Vec<String>,
    #[serde(default)]
    pub devices: Vec<String>,
    pub gpus: Option<String>,
    #[serde(default = "privileged")]
    pub isolation: String,
    pub workspace: Option<OneOf<Workspace>>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    pub env_file: Option<OneOf<Vec<String>>>,
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    #[serde(default)]
    pub mounts: Vec<OneOf<Mount>>,
    #[serde(default)]
    pub volumes: Vec<OneOf<Volume>>,
    #[serde(default)]
    pub ports: Ports,
    #[serde(default)]
    pub container: Container,
    #[serde(default)]
    pub network: Network,
    #[serde(default)]
    pub grants: Vec<OneOf<BTreeMap<String, Grant>>>,
    pub healthcheck: Option<CommandOr<HealthParts>>,
    #[serde(default)]
    pub hooks: Hooks,
    #[serde(default)]
    pub services: BTreeMap<String, Service>,
    #[serde(default)]
    pub buildkit: Buildkit,
    #[serde(default)]
    pub registries: Registries,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

fn privileged() -> String {
    Isolation::Privileged.as_str().to_owned()
}

fn yes() -> bool {
    true
}

/// The options of a grant.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Grant {
    pub source: Option<String>,
    #[serde(default)]
    pub repos: Vec<String>,
    #[serde(default)]
    pub write: bool,
    pub host: Option<String>,
    pub header: Option<String>,
    pub format: Option<String>,
    pub placeholder: Option<String>,
    pub requests: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Restart {
    No,
    OnFailure,
    UnlessStopped,
    Always,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Build {
    pub context: Option<String>,
    pub dockerfile: Option<String>,
    pub target: Option<String>,
    #[serde(default)]
    pub args: BTreeMap<String, String>,
    #[serde(default)]
    pub secrets: BuildSecrets,
}

/// Secrets of a build: names of the spec's secrets, or names with sources of their own.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum BuildSecrets {
    Names(Vec<String>),
    Sources(BTreeMap<String, String>),
}

impl Default for BuildSecrets {
    fn default() -> Self {
        Self::Names(Vec::new())
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Workspace {
    pub path: Option<String>,
    pub target: Option<String>,
    #[serde(default)]
    pub mode: WorkspaceMode,
    #[serde(default)]
    pub exclude: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum WorkspaceMode {
    #[default]
    Bind,
    Volume,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mount {
    pub source: String,
    pub target: String,
    #[serde(default)]
    pub mode: MountMode,
    #[serde(default)]
    pub exclude: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum MountMode {
    Ro,
    #[default]
    Rw,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Volume {
    pub name: String,
    pub target: String,
    #[serde(default)]
    pub mode: MountMode,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Container {
    pub memory: Option<String>,
    pub cpus: Option<String>,
    pub pids: Option<String>,
    #[serde(default)]
    pub dns: Vec<String>,
    #[serde(default)]
    pub ulimits: BTreeMap<String, String>,
    pub shm: Option<String>,
    pub runtime: Option<String>,
    pub oom_score_adj: Option<String>,
    pub logging: Option<LogConfig>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Network {
    pub subnet: Option<String>,
    #[serde(default)]
    pub internal: bool,
    #[serde(default)]
    pub policy: NetworkPolicy,
    #[serde(default)]
    pub rules: Vec<OneOf<BTreeMap<String, Vec<String>>>>,
    #[serde(default)]
    pub host: Vec<String>,
    pub roots: Option<String>,
    pub gateway_image: Option<String>,
    pub build: Option<BuildNetwork>,
    #[serde(default)]
    pub extra_hosts: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum NetworkPolicy {
    #[default]
    Open,
    #[serde(alias = "permissive")]
    Learn,
    Strict,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HealthParts {
    pub command: Command,
    pub interval: Option<String>,
    pub timeout: Option<String>,
    pub start_period: Option<String>,
    pub retries: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Hooks {
    pub post_build_root: Option<OneOf<Vec<String>>>,
    pub post_build: Option<OneOf<Vec<String>>>,
    pub pre_run: Option<OneOf<Vec<String>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Service {
    pub image: ImageRef,
    pub platform: Option<Platform>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    pub command: Option<Command>,
    #[serde(default)]
    pub volumes: Vec<OneOf<Volume>>,
    #[serde(default)]
    pub resources: Resources,
    #[serde(default)]
    pub ports: Ports,
    #[serde(default)]
    pub depends_on: Vec<String>,
    pub logging: Option<LogConfig>,
    pub wait: Option<CommandOr<WaitParts>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WaitParts {
    pub command: Command,
    pub timeout: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Buildkit {
    pub image: Option<ImageRef>,
    #[serde(default)]
    pub cache: CacheRetention,
    pub cache_limit: Option<String>,
    pub config: Option<String>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    #[serde(default)]
    pub resources: Resources,
    pub logging: Option<LogConfig>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Registries {
    #[serde(default)]
    pub mirrors: BTreeMap<String, OneOf<Vec<String>>>,
    pub ca_certificates: Option<OneOf<Vec<String>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Resources {
    pub memory: Option<String>,
    pub cpus: Option<String>,
    pub pids: Option<String>,
    pub oom_score_adj: Option<String>,
}

impl From<Restart> for RestartPolicy {
    fn from(restart: Restart) -> Self {
        match restart {
            Restart::No => Self::No,
            Restart::OnFailure => Self::OnFailure,
            Restart::UnlessStopped => Self::UnlessStopped,
            Restart::Always => Self::Always,
        }
    }
}
