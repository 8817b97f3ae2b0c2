//! The labels that identify moat's resources, and that store the last applied configuration.
//!
//! Ownership is by these labels only: objects without them are never changed, whatever their name. A container inherits
//! the labels of its image, which anyone can set: labels from the image do not count.

use std::collections::{BTreeMap, BTreeSet};

use super::applied::Applied;
use super::config::{Config, ConfigHash, Retention};
use super::defaults::Defaults;
use super::id::ResourceId;
use super::port::Port;
use super::run::{Run, RunId};
use super::secret::{KeyId, Secret};

/// The run that a resource belongs to.
pub const RUN: &str = "moat.run";
/// The agent's name, for users of other tools.
pub const AGENT: &str = "moat.agent";
/// The canonical path of the spec file.
pub const SPEC: &str = "moat.spec";
/// The logical id of the resource within its run.
pub const RESOURCE: &str = "moat.resource";
/// The hash of the applied configuration.
pub const HASH: &str = "moat.hash";
/// The applied canonical configuration.
pub const CONFIG: &str = "moat.config";
/// On containers only: the chosen ports of the Docker host, by container port.
pub const PORTS: &str = "moat.ports";
/// On containers only: the default limits that it got, and those that the engine did not support.
pub const DEFAULTS: &str = "moat.defaults";
/// On containers only: the single files of the host mounted at its creation, by path.
pub const FILES: &str = "moat.files";
/// On images only: the agent that it was built for. An image belongs to no run.
pub const IMAGE: &str = "moat.image";
/// On images only: that it is moat's own program.
pub const PROGRAM: &str = "moat.program";
/// On volumes only: its retention if no spec sets one.
pub const RETENTION: &str = "moat.retention";

/// On containers only: the key id of the digests in their configuration.
pub const KEY: &str = "moat.key";
/// On containers only: the digest of the approved text at its creation.
pub const APPROVED: &str = "moat.approved";
/// On the main container only: the approved text.
pub const APPROVED_TEXT: &str = "moat.approved.text";

/// The suffix of a replacement's temporary name, followed by a number.
pub const NEXT: &str = ".next";

/// The labels of containers, networks and volumes, which no image may have. Add new ones here.
const OWN: [&str; 12] =
    [RUN, AGENT, SPEC, RESOURCE, HASH, CONFIG, PORTS, FILES, RETENTION, KEY, APPROVED, APPROVED_TEXT];

/// Whether a container's labels may come from its image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The image has none of moat's labels: the container's creator set them.
    Plain,
    /// The image has such labels: they do not identify the container.
    Claiming,
    /// The image is no longer on the engine, so it is unknown.
    Gone,
}

/// Whether an image has labels reserved for moat's containers, networks and volumes.
pub fn are_claimed<'a>(keys: impl IntoIterator<Item = &'a String>) -> bool {
    keys.into_iter().any(|key| OWN.contains(&key.as_str()))
}

/// An approval, as it is stored with the resources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved {
    /// The hexadecimal SHA-256 of the text.
    pub digest: String,
    pub text: String,
    /// Paths of the host that a user approved by name. Not stored in labels.
    pub named: BTreeSet<String>,
}

/// The labels of a resource, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ownership {
    pub run: RunId,
    pub agent: String,
    pub spec: String,
    pub resource: ResourceId,
    pub hash: ConfigHash,
    /// Canonical JSON, possibly of an older version of moat.
    pub config: String,
    /// `config`, parsed.
    pub applied: Applied,
    /// The chosen ports of a container, so that a replacement gets the same ones.
    pub ports: BTreeMap<Port, u16>,
    /// The identities of the host's files that a container was created with, by path.
    pub files: BTreeMap<String, String>,
    /// The default limits of a container. Empty if an earlier version created it.
    pub defaults: Defaults,
    /// The retention of a volume; `Keep` unless labelled as scratch.
    pub retention: Retention,
    /// The key of the digests in `config`; `None` if there are none, or if moat 0.1.0 created the resource.
    pub key: Option<KeyId>,
    /// The digest of the text approved at the creation.
    pub approved: Option<String>,
    /// The approved text; only of the main container.
    pub approved_text: Option<String>,
}

/// The labels of a new resource.
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
    .chain(key_of(config).map(|key| (KEY, key.to_string())))
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}

/// The labels of a container's approval.
pub fn approved(resource: &ResourceId, approved: &Approved) -> BTreeMap<String, String> {
    let text = (*resource == ResourceId::main()).then(|| (APPROVED_TEXT.to_owned(), approved.text.clone()));
    [(APPROVED.to_owned(), approved.digest.clone())].into_iter().chain(text).collect()
}

/// The key of a configuration's digests.
fn key_of(config: &Config) -> Option<&KeyId> {
    let Config::Container(container) = config else { return None };
    container.secrets.values().find_map(Secret::key)
}

/// The text of the label [`PORTS`].
pub fn ports(chosen: &BTreeMap<Port, u16>) -> String {
    serde_json::to_string(chosen).unwrap_or_else(|error| unreachable!("ports serialise as text and numbers: {error}"))
}

/// The text of the label [`FILES`].
pub fn files(mounted: &BTreeMap<&str, String>) -> String {
    serde_json::to_string(mounted).unwrap_or_else(|error| unreachable!("text serialises: {error}"))
}

/// The text of the label [`DEFAULTS`].
pub fn defaults(given: &Defaults) -> String {
    serde_json::to_string(given).unwrap_or_else(|error| unreachable!("limits serialise as text and numbers: {error}"))
}

impl Ownership {
    /// Whether a container named `name` is moat's. The labels decide, unless they may be the image's: then a container
    /// is moat's only under the name that moat assigned, and never if they certainly are the image's.
    pub fn holds(&self, name: &str, image: Origin) -> bool {
        match image {
            Origin::Plain => true,
            Origin::Claiming => false,
            Origin::Gone => self.is_named(name),
        }
    }

    /// Whether a name is the resource's own, or that of an unfinished replacement.
    pub fn is_named(&self, name: &str) -> bool {
        let own = self.run.name_of(&self.resource);
        let rest = name.strip_prefix(&own);
        rest.is_some_and(|rest| {
            let number = rest.strip_prefix(NEXT).unwrap_or_default();
            rest.is_empty() || (!number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
        })
    }

    /// Whether it matches the desired configuration, except for what can be changed in place.
    pub fn fits(&self, wanted: &Config) -> bool {
        self.hash == wanted.hash() || wanted.differs_only_in_place(&self.config)
    }

    /// The desired configuration, with recorded digests instead of those that cannot be compared: of values
    /// sealed with another key, or not fetched. `None` if all of it can be compared.
    pub fn comparable(&self, wanted: &Config) -> Option<Config> {
        let Config::Container(container) = wanted else { return None };
        let is_foreign = |secret: &Secret| match (secret.key(), &self.key) {
            (None, _) => true,
            (Some(ours), Some(theirs)) => ours != theirs,
            (Some(_), None) => false,
        };
        if !container.secrets.values().any(is_foreign) {
            return None;
        }
        let mut container = container.clone();
        for (name, secret) in &mut container.secrets {
            if let (true, Some(digest)) = (is_foreign(secret), self.applied.secrets.get(name)) {
                *secret = secret.recorded(digest, self.key.as_ref());
            }
        }
        Some(Config::Container(container))
    }

    /// Whether a container was created for a one-shot command, which the engine does not restart after exit code 0.
    pub fn is_of_a_run(&self) -> bool {
        matches!(self.applied.restart.as_deref(), Some("no" | "on-failure"))
    }

    /// Parses the labels of an object on the engine; `None` if it is not moat's.
    ///
    /// The run and the resource identify it. A missing or foreign hash or configuration only means that
    /// it differs from any desired one.
    pub fn read(labels: &BTreeMap<String, String>) -> Option<Self> {
        let text = |key: &str| labels.get(key).cloned().unwrap_or_default();
        Some(Self {
            run: RunId::from_label(labels.get(RUN)?),
            agent: text(AGENT),
            spec: text(SPEC),
            resource: labels.get(RESOURCE)?.parse().ok()?,
            hash: ConfigHash::from_label(text(HASH)),
            applied: Applied::parse(&text(CONFIG)),
            config: text(CONFIG),
            ports: serde_json::from_str(&text(PORTS)).unwrap_or_default(),
            files: serde_json::from_str(&text(FILES)).unwrap_or_default(),
            defaults: serde_json::from_str(&text(DEFAULTS)).unwrap_or_default(),
            retention: match labels.get(RETENTION).map(String::as_str) {
                Some("scratch") => Retention::Scratch,
                _ => Retention::Keep,
            },
            key: labels.get(KEY).map(KeyId::from_label),
            approved: labels.get(APPROVED).cloned(),
            approved_text: labels.get(APPROVED_TEXT).cloned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::resource::{AgentName, NetworkConfig};

    #[test]
    fn labels_round_trip() {
        let run = Run::derive(AgentName::parse("a").expect("valid"), Path::new("/x/agent.yaml"));
        let config = Config::Network(NetworkConfig::default());
        let resource = ResourceId::network("agent");
        let labels = labels(&run, &resource, &config);
        let read = Ownership::read(&labels).expect("ours");
        assert_eq!((read.run, read.resource, read.hash), (run.id, resource, config.hash()));
        assert_eq!(read.config, config.canonical());
    }

    #[test]
    fn labels_that_an_image_may_have_need_an_owned_name() {
        let run = Run::derive(AgentName::parse("a").expect("valid"), Path::new("/x/agent.yaml"));
        let labels = |resource: ResourceId| labels(&run, &resource, &Config::Network(NetworkConfig::default()));
        let main = Ownership::read(&labels(ResourceId::main())).expect("ours");
        let side = Ownership::read(&labels(ResourceId::container("buildkit"))).expect("ours");
        let id = run.id.as_str();
        let table = [
            (&main, format!("moat-{id}"), true),
            (&main, format!("moat-{id}.next1"), true),
            (&main, format!("moat-{id}.next"), false),
            (&main, format!("moat-{id}.nextx"), false),
            (&main, format!("moat-{id}-2"), false),
            (&main, "renamed".to_owned(), false),
            (&main, format!("moat-buildkit-{id}"), false),
            (&side, format!("moat-buildkit-{id}"), true),
        ];
        for (owner, name, own) in table {
            assert_eq!(owner.is_named(&name), own, "{name}");
            assert_eq!(owner.holds(&name, Origin::Gone), own, "{name}");
            assert!(owner.holds(&name, Origin::Plain) && !owner.holds(&name, Origin::Claiming), "{name}");
        }
    }

    #[test]
    fn labels_of_moats_resources_are_reserved() {
        let claims = |key: &str| are_claimed([&key.to_owned()]);
        for key in [RUN, AGENT, SPEC, RESOURCE, HASH, CONFIG, PORTS, FILES, RETENTION] {
            assert!(claims(key), "{key}");
        }
        for key in [IMAGE, "moat", "org.moat.run", "moat.lab", "maintainer"] {
            assert!(!claims(key), "{key}");
        }
    }

    #[test]
    fn a_resource_without_labels_is_not_owned() {
        assert_eq!(Ownership::read(&BTreeMap::new()), None);
        let half = BTreeMap::from([(RUN.to_owned(), "a-12345678".to_owned())]);
        assert_eq!(Ownership::read(&half), None);
    }
}
