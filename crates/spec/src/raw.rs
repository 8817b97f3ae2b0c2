//! The serde types of a document: texts that have not been interpreted yet.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::ports::Ports;
use moat_model::resource::{AgentName, BuildNetwork, ImageRef, LogConfig, RestartPolicy};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "they are the keys of the language")]
pub(super) struct File {
    pub agent: AgentName,
    pub version: Option<String>,
    pub image: Option<ImageRef>,
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

fn yes() -> bool {
    true
}

/// A short form in one text, or its parts.
#[derive(Debug)]
pub(super) enum OneOf<T> {
    Text(String),
    Parts(T),
}

/// A program with its arguments; a text is a shell command line.
#[derive(Debug)]
pub(super) struct Command(pub Vec<String>);

/// Like [`Command`]; empty: none, not even the image's own.
#[derive(Debug)]
pub(super) struct Entrypoint(pub Vec<String>);

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Restart {
    No,
    OnFailure,
    UnlessStopped,
    Always,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Build {
    pub context: Option<String>,
    pub dockerfile: Option<String>,
    pub target: Option<String>,
    #[serde(default)]
    pub args: BTreeMap<String, String>,
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
    pub oom_score_adj: Option<String>,
    pub logging: Option<LogConfig>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Network {
    pub subnet: Option<String>,
    #[serde(default)]
    pub internal: bool,
    pub build: Option<BuildNetwork>,
    #[serde(default)]
    pub extra_hosts: BTreeMap<String, String>,
}

/// A command, or a mapping that contains one.
#[derive(Debug)]
pub(super) enum CommandOr<T> {
    Command(Command),
    Parts(T),
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
    pub cache: super::CacheRetention,
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

/// Runs a command line. Required by POSIX, so it exists in every practical image.
const SHELL: [&str; 2] = ["sh", "-c"];

impl Command {
    pub fn of_line(line: &str) -> Self {
        Self(SHELL.iter().copied().chain([line]).map(str::to_owned).collect())
    }
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

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOf<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextOrParts(PhantomData))
    }
}

struct TextOrParts<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for TextOrParts<T> {
    type Value = OneOf<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one text, or its parts")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<OneOf<T>, E> {
        Ok(OneOf::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<OneOf<T>, A::Error> {
        T::deserialize(SeqAccessDeserializer::new(items)).map(OneOf::Parts)
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<OneOf<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(entries)).map(OneOf::Parts)
    }
}

impl<'de> Deserialize<'de> for Command {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match OneOf::<Vec<String>>::deserialize(deserializer)? {
            OneOf::Text(line) => Self::of_line(&line),
            OneOf::Parts(words) => Self(words),
        })
    }
}

impl<'de> Deserialize<'de> for Entrypoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match OneOf::<Vec<String>>::deserialize(deserializer)? {
            OneOf::Text(line) if line.is_empty() => Self(Vec::new()),
            OneOf::Text(line) => Self(Command::of_line(&line).0),
            OneOf::Parts(words) => Self(words),
        })
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for CommandOr<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CommandOrParts(PhantomData))
    }
}

struct CommandOrParts<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for CommandOrParts<T> {
    type Value = CommandOr<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a command, or a mapping")
    }

    fn visit_str<E: serde::de::Error>(self, line: &str) -> Result<CommandOr<T>, E> {
        Ok(CommandOr::Command(Command::of_line(line)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, words: A) -> Result<CommandOr<T>, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(words)).map(|words| CommandOr::Command(Command(words)))
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<CommandOr<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(entries)).map(CommandOr::Parts)
    }
}
