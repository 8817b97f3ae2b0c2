//! The labels by which moat knows its own, and in which a resource remembers what was last applied.
//!
//! Ownership is by these labels only: what does not carry them is never changed, whatever its name.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::config::{Config, ConfigHash, Retention};
use super::id::ResourceId;
use super::port::Port;
use super::run::{Run, RunId};

/// The run that a resource belongs to.
pub const RUN: &str = "moat.run";
/// The agent's name, for people who look with other tools.
pub const AGENT: &str = "moat.agent";
/// The canonical path of the spec file.
pub const SPEC: &str = "moat.spec";
/// The logical id of the resource within its run.
pub const RESOURCE: &str = "moat.resource";
/// The hash of the configuration that was applied.
pub const HASH: &str = "moat.hash";
/// The canonical configuration that was applied.
pub const CONFIG: &str = "moat.config";
/// On containers only: the ports of the engine's machine that were chosen for it, by its own ports.
pub const PORTS: &str = "moat.ports";
/// On images only: the agent that one was made for. An image is nobody's, and belongs to no run.
pub const IMAGE: &str = "moat.image";
/// On volumes only: what a destroy does with it when no spec says otherwise.
pub const RETENTION: &str = "moat.retention";

/// What the labels of a resource say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ownership {
    pub run: RunId,
    pub agent: String,
    pub spec: String,
    pub resource: ResourceId,
    pub hash: ConfigHash,
    /// Canonical JSON. May be from an older version of moat.
    pub config: String,
    /// The ports that were chosen for a container, so that a replacement gets the same ones.
    pub ports: BTreeMap<Port, u16>,
    /// Of a volume. Kept unless it is said to be scratch.
    pub retention: Retention,
}

/// The labels of a resource that is about to be created.
pub fn labels(run: &Run, resource: &ResourceId, config: &Config) -> BTreeMap<String, String> {
    let canonical = config.canonical();
    let hash = ConfigHash::of(&canonical);
    let retention = match config {
        Config::Volume(volume) => Some((RETENTION, volume.retention.as_str().to_owned())),
        _ => None,
    };
    [
        (RUN, run.id.to_string()),
        (AGENT, run.agent.to_string()),
        (SPEC, run.spec.clone()),
        (RESOURCE, resource.to_string()),
        (HASH, hash.to_string()),
        (CONFIG, canonical),
    ]
    .into_iter()
    .chain(retention)
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}

/// The text of the label [`PORTS`].
pub fn ports(chosen: &BTreeMap<Port, u16>) -> String {
    serde_json::to_string(chosen).unwrap_or_else(|error| unreachable!("ports serialise as text and numbers: {error}"))
}

impl Ownership {
    /// Whether it was made as is wanted now, but for what can be changed in place.
    pub fn fits(&self, wanted: &Config) -> bool {
        self.hash == wanted.hash() || wanted.is_but_for_updates(&self.config)
    }

    /// Whether a container was created so that the engine lets it be once its command has ended with 0.
    pub fn is_of_a_run(&self) -> bool {
        #[derive(Deserialize)]
        struct Container {
            restart: String,
        }
        let config: Option<Container> = serde_json::from_str(&self.config).ok();
        config.is_some_and(|it| matches!(it.restart.as_str(), "no" | "on-failure"))
    }

    /// Reads the labels of something found on the engine; `None`: it is not ours.
    ///
    /// The run and the resource make it ours. A missing or foreign hash or configuration only means that
    /// it differs from whatever is wanted.
    pub fn read(labels: &BTreeMap<String, String>) -> Option<Self> {
        let text = |key: &str| labels.get(key).cloned().unwrap_or_default();
        Some(Self {
            run: RunId::from_label(labels.get(RUN)?),
            agent: text(AGENT),
            spec: text(SPEC),
            resource: labels.get(RESOURCE)?.parse().ok()?,
            hash: ConfigHash::from_label(text(HASH)),
            config: text(CONFIG),
            ports: serde_json::from_str(&text(PORTS)).unwrap_or_default(),
            retention: match labels.get(RETENTION).map(String::as_str) {
                Some("scratch") => Retention::Scratch,
                _ => Retention::Keep,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::resource::{AgentName, NetworkConfig};

    #[test]
    fn what_is_written_is_read_back() {
        let run = Run::derive(AgentName::parse("a").expect("valid"), Path::new("/x/agent.yaml"));
        let config = Config::Network(NetworkConfig::default());
        let resource = ResourceId::network("agent");
        let labels = labels(&run, &resource, &config);
        let read = Ownership::read(&labels).expect("ours");
        assert_eq!((read.run, read.resource, read.hash), (run.id, resource, config.hash()));
        assert_eq!(read.config, config.canonical());
    }

    #[test]
    fn a_namesake_without_labels_is_not_ours() {
        assert_eq!(Ownership::read(&BTreeMap::new()), None);
        let half = BTreeMap::from([(RUN.to_owned(), "a-12345678".to_owned())]);
        assert_eq!(Ownership::read(&half), None);
    }
}
