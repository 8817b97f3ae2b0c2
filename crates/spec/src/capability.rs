//! The file format of capabilities: what a dependency provides, as data.
//!
//! No type refers to a capability by name. The [`catalogue`](super::catalogue) lists the capabilities.

use std::collections::{BTreeMap, BTreeSet};

use moat_policy::{InvalidRule, Rule};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::package::PackagePart;
use super::version::Versions;
use moat_model::resource::{Builds, Device, ImageRef, KnownFailure, Protection, RestartPolicy, Rights};

/// What a dependency provides.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capability {
    /// The name that `dependencies` uses.
    pub capability: String,
    /// A description in one line.
    pub summary: String,
    /// The versions that can be selected with `@`. `{version}` in the file is replaced with the selected one, by
    /// default the newest.
    pub versions: Option<Versions>,
    /// The default version, if it is not the newest.
    pub default: Option<String>,
    /// The dependencies that it needs. Each is added, unless the spec names it, possibly in another version.
    #[serde(default)]
    pub needs: Vec<String>,
    /// For a family of packages, whose name ends with a colon: `{package}` and `{version}` in the file are replaced with
    /// those of a dependency such as `npm:NAME@VERSION`.
    pub package: Option<PackagePart>,
    /// The presets of network rules that its programs need; `moat init` writes them.
    #[serde(default, deserialize_with = "presets")]
    pub presets: Vec<Rule>,
    /// The providers of grants that it can use, the preferred one first; `moat agent` writes the first one whose credential
    /// is on this machine.
    #[serde(default, deserialize_with = "grants")]
    pub grants: Vec<String>,
    /// The coding agent that it installs.
    pub agent: Option<AgentPart>,
    /// The main container's image when the spec names none.
    pub image: Option<ImageRef>,
    /// How it is installed in an image that moat builds.
    pub install: Option<Install>,
    #[serde(default)]
    pub sidecars: Vec<Sidecar>,
    #[serde(default)]
    pub main: MainPart,
    /// How builds are sent to a sidecar, and how that is checked.
    pub builds: Option<BuildsPart>,
    /// Changes to this file by [`Isolation`](super::Isolation): mappings are merged, and lists whose items have a `name` or
    /// a `path` by item; `!replace` replaces a value as a whole. Applied before the file is read.
    #[serde(default)]
    pub variants: BTreeMap<String, Variant>,
    /// The end of the tags of its images, and of images of the same repositories that a spec names instead.
    pub tag_suffix: Option<String>,
}

/// The changes of a variant, as they were written.
pub type Variant = serde_yaml::Value;

/// The part of an image for a dependency. All images are based on Debian.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Install {
    /// For a runtime: its image. The image of the first runtime is the base of the whole.
    pub base: Option<ImageRef>,
    /// An image that contains it and cannot be a base, because it is not Debian.
    pub from: Option<ImageRef>,
    /// Absolute paths to copy from `from`, or from a `base` that is not the base of the image.
    #[serde(default)]
    pub paths: Vec<String>,
    /// Debian packages.
    #[serde(default)]
    pub packages: Vec<String>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Groups of the user `agent`.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Shell scripts, run as root.
    #[serde(default)]
    pub run: Vec<String>,
    /// A command that succeeds if the installation works; otherwise the build fails.
    pub check: Option<String>,
    /// Whether the image's user is root instead of the user `agent`.
    #[serde(default)]
    pub root: bool,
}

/// An additional container.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sidecar {
    /// Part of the container's name, its hostname and its alias on the network.
    pub name: String,
    pub image: ImageRef,
    /// Replaces the image's entrypoint; the command is its arguments.
    #[serde(default)]
    pub entrypoint: Vec<String>,
    #[serde(default)]
    pub command: Vec<String>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Variables whose values are never shown. `{password}` is replaced with a password generated for the capability in
    /// this run.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// `None`: the image's own.
    pub user: Option<String>,
    #[serde(default)]
    pub privileged: bool,
    #[serde(default)]
    pub rights: RightsPart,
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
    /// The step of main that requires it to be ready.
    #[serde(default)]
    pub ready_before: ReadyBefore,
    /// Exit codes of the container with a known meaning.
    #[serde(default)]
    pub failures: Vec<FailurePart>,
}

/// What is added to the main container.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MainPart {
    /// `None`: the spec's or the image's own.
    pub user: Option<String>,
    /// Runtimes that cannot run it, with the reason.
    #[serde(default)]
    pub unsupported_runtimes: BTreeMap<String, String>,
    #[serde(default)]
    pub privileged: bool,
    #[serde(default)]
    pub rights: RightsPart,
    #[serde(default)]
    pub init: bool,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Like those of a sidecar.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    #[serde(default)]
    pub volumes: Vec<VolumePart>,
    /// Paths of the Docker host.
    #[serde(default)]
    pub mounts: Vec<MountPart>,
    #[serde(default)]
    pub files: Vec<FilePart>,
    /// Replaces the image's entrypoint; the spec's command is its arguments.
    #[serde(default)]
    pub entrypoint: Vec<String>,
    /// In seconds.
    pub stop_timeout: Option<u32>,
    pub ready: Option<ProbePart>,
    #[serde(default)]
    pub failures: Vec<FailurePart>,
}

/// Rights beyond the engine's default, and restrictions. Under the names of the engine's command line.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RightsPart {
    #[serde(default)]
    pub cap_add: BTreeSet<String>,
    #[serde(default)]
    pub cap_drop: BTreeSet<String>,
    /// Devices of the Docker host, at the same path in the container.
    #[serde(default)]
    pub devices: BTreeSet<String>,
    #[serde(default)]
    pub security_opt: BTreeSet<SecurityOption>,
}

/// A default protection that is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum SecurityOption {
    #[serde(rename = "seccomp=unconfined")]
    Seccomp,
    /// A filter that lets users make namespaces and mounts.
    #[serde(rename = "seccomp=namespaces")]
    SeccompForNamespaces,
    #[serde(rename = "apparmor=unconfined")]
    AppArmor,
    /// Only with a user other than root.
    #[serde(rename = "systempaths=unconfined")]
    SystemPaths,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VolumePart {
    pub name: String,
    pub target: String,
    #[serde(default)]
    pub read_only: bool,
    /// Whether a destroy removes it.
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

/// A step of the main container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReadyBefore {
    /// The start of the container.
    #[default]
    Start,
    /// The user's command: both containers start at the same time. The capability's own entrypoint of main must wait for
    /// the sidecar before it runs the command.
    Command,
}

/// A restart policy; the default is no restart.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    #[default]
    No,
    UnlessStopped,
}

/// A command that exits 0 in the container when it is ready.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbePart {
    pub command: Vec<String>,
    /// In milliseconds.
    pub interval_ms: u64,
    /// In seconds, since the start.
    pub timeout: u64,
}

/// An exit code by which a start script reports a known problem.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailurePart {
    pub exit: i64,
    /// `{image}` is replaced with the container's image.
    pub message: String,
    pub hint: String,
}

/// How builds in the main container reach a sidecar.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuildsPart {
    /// The builder's name in the main container.
    pub builder: String,
    /// The build sidecar, to which the spec's `buildkit` settings apply.
    pub sidecar: String,
    /// The sidecar's cache volume.
    pub cache: String,
    /// The sidecar's configuration file, into which that of a spec is merged. `{cache_limit}` is replaced with the size of the
    /// cache.
    pub config: String,
    /// The default size of the cache.
    pub cache_limit: String,
    /// Files in main: mirrors of Docker Hub, one in each line, and certificates of CAs. Written if the spec has any.
    pub mirrors: String,
    pub certificates: String,
    /// The file for the same certificates in the sidecar.
    pub sidecar_certificates: String,
    /// Runs in the main container. Exits 0 if the client can use the builder and the builder answers. Otherwise it
    /// prints `version X.Y.Z` if the client is installed.
    pub check: Vec<String>,
    /// The oldest supported version of the client.
    pub minimum: String,
    /// The client's name in messages.
    pub client: String,
    /// What to do when the client is missing or too old.
    pub hint: String,
    /// Runs in the sidecar; prints the size of the cache in bytes.
    pub usage: Vec<String>,
    /// Runs in the main container; removes the parts of the cache that no build uses.
    pub prune: Vec<String>,
}

/// A coding agent: what `moat agent` starts.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentPart {
    /// The name that `moat agent` uses.
    pub name: String,
    /// Its program, before the arguments of the user. Runs in main, in the directory of the workspace.
    pub command: Vec<String>,
    /// The file in which it looks for instructions, for moat's note of what it can reach. A file that moat has not written
    /// is kept.
    pub note: Option<String>,
}

/// Reads names of providers of grants.
fn grants<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    for name in &names {
        moat_policy::grant::find(name).map_err(|error| D::Error::custom(format!("{error}: {}", error.hint())))?;
    }
    Ok(names)
}

/// Reads names of presets, without the `@` of a rule.
fn presets<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Rule>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    let rule = |name: &String| format!("@{name}").parse();
    let unknown = |error: InvalidRule| D::Error::custom(format!("{error}: {}", error.hint()));
    names.iter().map(rule).collect::<Result<_, _>>().map_err(unknown)
}

impl Capability {
    /// Whether it has secret variables.
    pub fn has_secrets(&self) -> bool {
        !self.main.secrets.is_empty() || self.sidecars.iter().any(|sidecar| !sidecar.secrets.is_empty())
    }
}

impl RightsPart {
    /// Adds them to those of a spec.
    pub fn add_to(&self, rights: &mut Rights) {
        rights.cap_add.extend(self.cap_add.iter().cloned());
        rights.cap_drop.extend(self.cap_drop.iter().cloned());
        let device =
            |path: &String| Device { host: path.clone(), container: path.clone(), permissions: "rwm".to_owned() };
        let new: Vec<Device> = self.devices.iter().map(device).filter(|it| !rights.devices.contains(it)).collect();
        rights.devices.extend(new);
        rights.without.extend(self.security_opt.iter().map(|option| match option {
            SecurityOption::Seccomp => Protection::Seccomp,
            SecurityOption::SeccompForNamespaces => Protection::SeccompForNamespaces,
            SecurityOption::AppArmor => Protection::AppArmor,
            SecurityOption::SystemPaths => Protection::SystemPaths,
        }));
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
