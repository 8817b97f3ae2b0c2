//! Capabilities: what a dependency brings, as data.
//!
//! The types say what a capability can say; none of them knows a capability by name. Which ones there are is for the
//! [`catalogue`](super::catalogue) to say.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::version::Versions;
use moat_model::resource::{Builds, ImageRef, KnownFailure, RestartPolicy};

/// What a dependency brings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capability {
    /// The name to be used under `dependencies`.
    pub capability: String,
    /// One line for people.
    pub summary: String,
    /// Those that can be chosen with `@`. In all texts of the file `{version}` stands for the one that is; without a
    /// choice it is the newest.
    pub versions: Option<Versions>,
    /// What is chosen without a choice, where it is not the newest.
    pub default: Option<String>,
    /// The main container's image when the spec names none.
    pub image: Option<ImageRef>,
    /// How it gets into an image that moat makes.
    pub install: Option<Install>,
    #[serde(default)]
    pub sidecars: Vec<Sidecar>,
    #[serde(default)]
    pub main: MainPart,
    /// How builds are routed to a sidecar, and how that is checked.
    pub builds: Option<BuildsPart>,
}

/// What of an image is made for a dependency. Everything is on Debian.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Install {
    /// Of a runtime: the image that has it. The first runtime's is what the whole is based on.
    pub base: Option<ImageRef>,
    /// An image that has it and that nothing is based on, since it is no Debian.
    pub from: Option<ImageRef>,
    /// What of `from`, or of a `base` that the image is not based on, is taken into it. Absolute.
    #[serde(default)]
    pub paths: Vec<String>,
    /// Of Debian.
    #[serde(default)]
    pub packages: Vec<String>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// What the user `agent` is a member of.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Shell scripts, run as root.
    #[serde(default)]
    pub run: Vec<String>,
    /// A command that succeeds once it is there; without it the image is not made.
    pub check: Option<String>,
    /// The main container runs as root in the image, not as the agent's user.
    #[serde(default)]
    pub root: bool,
}

/// A container that comes along.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sidecar {
    /// Part of the container's name, its hostname and its alias on the network.
    pub name: String,
    pub image: ImageRef,
    /// Run in place of the image's own, with the command as its arguments.
    #[serde(default)]
    pub entrypoint: Vec<String>,
    #[serde(default)]
    pub command: Vec<String>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Variables whose values are shown nowhere. `{password}` in them stands for one that is made for the capability
    /// in this run, the same wherever it stands.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    #[serde(default)]
    pub privileged: bool,
    #[serde(default)]
    pub init: bool,
    #[serde(default)]
    pub volumes: Vec<VolumePart>,
    #[serde(default)]
    pub files: Vec<FilePart>,
    /// In seconds.
    pub stop_timeout: Option<u32>,
    #[serde(default)]
    pub restart: Restart,
    pub ready: Option<ProbePart>,
    /// Exit codes of the container that mean something a person can act on.
    #[serde(default)]
    pub failures: Vec<FailurePart>,
}

/// What is added to the main container.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MainPart {
    #[serde(default)]
    pub privileged: bool,
    #[serde(default)]
    pub init: bool,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// As those of a sidecar.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    #[serde(default)]
    pub volumes: Vec<VolumePart>,
    /// Paths of the engine's machine.
    #[serde(default)]
    pub mounts: Vec<MountPart>,
    #[serde(default)]
    pub files: Vec<FilePart>,
    /// Run in place of the image's entrypoint, with the spec's command as its arguments.
    #[serde(default)]
    pub entrypoint: Vec<String>,
    /// In seconds.
    pub stop_timeout: Option<u32>,
    pub ready: Option<ProbePart>,
    #[serde(default)]
    pub failures: Vec<FailurePart>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VolumePart {
    pub name: String,
    pub target: String,
    /// Goes with the run; otherwise a destroy keeps it.
    #[serde(default)]
    pub scratch: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MountPart {
    /// Absolute.
    pub path: String,
    pub target: String,
    #[serde(default)]
    pub read_only: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilePart {
    pub path: String,
    #[serde(default)]
    pub executable: bool,
    pub content: String,
}

/// A restart policy; by default the container is left as it is when it ends.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    #[default]
    No,
    UnlessStopped,
}

/// A command that exits 0 in the container once it does its job.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbePart {
    pub command: Vec<String>,
    /// In milliseconds.
    pub interval_ms: u64,
    /// In seconds, from the start.
    pub timeout: u64,
}

/// An exit code that a start script uses to say what it found.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailurePart {
    pub exit: i64,
    /// `{image}` stands for the container's image.
    pub message: String,
    pub hint: String,
}

/// How builds in the main container reach a sidecar.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuildsPart {
    /// The builder's name in the main container.
    pub builder: String,
    /// The sidecar that builds; the spec's settings for builds apply to it.
    pub sidecar: String,
    /// The volume of the sidecar that is its cache.
    pub cache: String,
    /// The sidecar's file that a spec may replace. `{cache_limit}` in it stands for a size that the builder can read.
    pub config: String,
    /// The size of the cache where the spec says nothing.
    pub cache_limit: String,
    /// Run in the main container. Exits 0 if the client can use the builder, and the builder answers. Otherwise it
    /// prints `version X.Y.Z`, if the client is there.
    pub check: Vec<String>,
    /// The oldest client that can use the sidecar.
    pub minimum: String,
    /// The client's name for people.
    pub client: String,
    /// What to do when the client is missing or too old.
    pub hint: String,
    /// Run in the sidecar; prints the size of the cache in bytes.
    pub usage: Vec<String>,
    /// Run in the main container; empties the cache as far as no build uses it.
    pub prune: Vec<String>,
}

impl Capability {
    /// Whether some of its variables are shown to nobody.
    pub fn has_secrets(&self) -> bool {
        !self.main.secrets.is_empty() || self.sidecars.iter().any(|sidecar| !sidecar.secrets.is_empty())
    }
}

impl From<Restart> for RestartPolicy {
    fn from(restart: Restart) -> Self {
        match restart {
            Restart::No => Self::No,
            Restart::UnlessStopped => Self::UnlessStopped,
        }
    }
}

impl From<&FailurePart> for KnownFailure {
    fn from(part: &FailurePart) -> Self {
        Self { exit: part.exit, message: part.message.clone(), hint: part.hint.clone() }
    }
}

impl From<&BuildsPart> for Builds {
    fn from(part: &BuildsPart) -> Self {
        Self {
            builder: part.builder.clone(),
            sidecar: part.sidecar.clone(),
            cache: part.cache.clone(),
            check: part.check.clone(),
            minimum: part.minimum.clone(),
            client: part.client.clone(),
            hint: part.hint.clone(),
            usage: part.usage.clone(),
            prune: part.prune.clone(),
        }
    }
}
