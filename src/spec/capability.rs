//! Capabilities: what a dependency brings, as data under `specs/`, compiled into the binary.
//!
//! The types say what a capability can say; none of them knows a capability by name.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::suggest::suggest;
use crate::resource::{ImageRef, RestartPolicy};

/// The capabilities that a spec can ask for, by name.
#[derive(Debug, Clone)]
pub struct Capabilities(BTreeMap<String, Capability>);

/// What a dependency brings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capability {
    /// The name to be used under `dependencies`.
    pub capability: String,
    /// One line for people.
    pub summary: String,
    /// The main container's image when the spec names none.
    pub image: Option<ImageRef>,
    #[serde(default)]
    pub sidecars: Vec<Sidecar>,
    #[serde(default)]
    pub main: MainPart,
    /// How builds are routed to a sidecar, and how that is checked.
    pub builds: Option<Builds>,
}

/// A container that comes along.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sidecar {
    /// Part of the container's name, its hostname and its alias on the network.
    pub name: String,
    pub image: ImageRef,
    #[serde(default)]
    pub command: Vec<String>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
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
    pub failures: Vec<KnownFailure>,
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
    #[serde(default)]
    pub volumes: Vec<VolumePart>,
    #[serde(default)]
    pub files: Vec<FilePart>,
    /// Run in place of the image's entrypoint, with the spec's command as its arguments.
    #[serde(default)]
    pub entrypoint: Vec<String>,
    /// In seconds.
    pub stop_timeout: Option<u32>,
    pub ready: Option<ProbePart>,
    #[serde(default)]
    pub failures: Vec<KnownFailure>,
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
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownFailure {
    pub exit: i64,
    /// `{image}` stands for the container's image.
    pub message: String,
    pub hint: String,
}

/// How builds in the main container reach a sidecar.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Builds {
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

/// The files under `specs/` that are capabilities, by the name that their dependency has.
const BUILTIN: &[(&str, &str)] = &[("docker:dind", include_str!("../../specs/docker-dind.yaml"))];

impl Capabilities {
    /// Those that are compiled in.
    #[expect(clippy::missing_panics_doc, reason = "a test reads every builtin capability")]
    pub fn builtin() -> Self {
        let read = |(name, text): &(&str, &str)| {
            let capability = serde_yaml::from_str(text).expect("a test reads every builtin capability");
            ((*name).to_owned(), capability)
        };
        Self(BUILTIN.iter().map(read).collect())
    }

    pub fn get(&self, name: &str) -> Option<&Capability> {
        self.0.get(name)
    }

    /// Sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The capability that an unknown name is most likely a slip of.
    pub fn similar_to(&self, name: &str) -> Option<&str> {
        suggest(name, self.names())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_builtin_is_well_formed() {
        for (name, text) in BUILTIN {
            let capability: Capability = serde_yaml::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(capability.capability, *name);
            let Some(builds) = &capability.builds else { continue };
            let sidecar = capability.sidecars.iter().find(|sidecar| sidecar.name == builds.sidecar);
            let sidecar = sidecar.unwrap_or_else(|| panic!("{name}: no sidecar `{}`", builds.sidecar));
            let config = sidecar.files.iter().find(|file| file.path == builds.config);
            assert!(config.is_some_and(|file| file.content.contains("{cache_limit}")), "{name}: {}", builds.config);
            assert!(
                sidecar.volumes.iter().any(|volume| volume.name == builds.cache),
                "{name}: no volume `{}`",
                builds.cache
            );
        }
    }

    #[test]
    fn names_are_found_and_slips_are_understood() {
        let capabilities = Capabilities::builtin();
        assert!(capabilities.get("docker:dind").is_some());
        assert!(capabilities.get("docker:dnd").is_none());
        assert_eq!(capabilities.names().collect::<Vec<_>>(), ["docker:dind"]);
        assert_eq!(capabilities.similar_to("docker:dnd"), Some("docker:dind"));
        assert_eq!(capabilities.similar_to("Docker:DinD"), Some("docker:dind"));
        assert_eq!(capabilities.similar_to("postgres"), None);
    }
}
