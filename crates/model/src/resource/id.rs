//! Identities: the logical name of a resource in a graph, and the ids that an engine assigns.
//!
//! A [`ResourceId`] is the same in every run (`container/main`); names on the engine are derived by
//! [`Run`](super::Run); the engine's ids are only received, never invented.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The kind of a resource, in printing order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Image,
    Network,
    Volume,
    Container,
    /// The network rules of a gateway.
    Policy,
    /// A credential that a gateway puts into requests.
    Grant,
}

/// The role of a resource, shown to people and scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The container in which the agent works.
    Main,
    /// A container that a capability adds.
    Sidecar,
    /// Anything that containers need: images, networks, volumes.
    Support,
}

/// The logical identity of a resource within one run, printed as `kind/name`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceId {
    pub kind: Kind,
    pub name: String,
}

/// An image reference as in a spec: `docker:dind`, `registry:5000/team/tool@sha256:…`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageRef(String);

/// Why a text is not an identity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    #[error("`{0}` is not of the form kind/name")]
    Resource(String),
    #[error("`{0}` is not an image reference")]
    Image(String),
}

/// The name of the gateway and of its policy.
const GATEWAY: &str = "gateway";

/// The name of the gateway's second network.
pub(super) const EGRESS: &str = "egress";

/// No name in a spec may start with a dot.
const STOP_MARK: &str = ".stopped";

macro_rules! engine_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Wraps an id from the engine.
            pub fn new(id: impl Into<String>) -> Self {
                Self(id.into())
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

engine_id!(
    /// The engine's id of a container.
    ContainerId
);
engine_id!(
    /// The engine's id of a network.
    NetworkId
);
engine_id!(
    /// The engine's id of an image: the digest of its configuration or manifest.
    ImageId
);
engine_id!(
    /// A registry's digest of a reference: of a manifest, or of a manifest list for several platforms.
    ImageDigest
);

/// The number of digits that docker shows of a digest.
const DIGITS_SHOWN: usize = 12;

impl ImageDigest {
    /// The algorithm and the first digits, for people.
    pub fn short(&self) -> &str {
        let digits = self.0.find(':').map_or(0, |colon| colon + 1);
        self.0.get(..digits + DIGITS_SHOWN).unwrap_or(&self.0)
    }
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Network => "network",
            Self::Volume => "volume",
            Self::Container => "container",
            Self::Policy => "policy",
            Self::Grant => "grant",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ResourceId {
    pub fn new(kind: Kind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into() }
    }

    pub fn image(reference: &ImageRef) -> Self {
        Self::new(Kind::Image, reference.as_str())
    }

    pub fn network(name: impl Into<String>) -> Self {
        Self::new(Kind::Network, name)
    }

    pub fn volume(name: impl Into<String>) -> Self {
        Self::new(Kind::Volume, name)
    }

    pub fn container(name: impl Into<String>) -> Self {
        Self::new(Kind::Container, name)
    }

    /// The container in which the agent works.
    pub fn main() -> Self {
        Self::container("main")
    }

    /// The container that all connections to the outside go through, under a network policy.
    pub fn gateway() -> Self {
        Self::container(GATEWAY)
    }

    /// The rules of the gateway.
    pub fn policy() -> Self {
        Self::new(Kind::Policy, GATEWAY)
    }

    /// A grant of the gateway, by its name.
    pub fn grant(name: impl Into<String>) -> Self {
        Self::new(Kind::Grant, name)
    }

    /// The network that only the gateway is connected to.
    pub fn egress() -> Self {
        Self::network(EGRESS)
    }

    /// The mark of a stopped run: an empty volume, since labels of existing objects cannot be changed.
    /// No spec can define a volume of this name.
    pub fn stop_mark() -> Self {
        Self::volume(STOP_MARK)
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

impl FromStr for ResourceId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let wrong = || IdError::Resource(text.to_owned());
        let (kind, name) = text.split_once('/').ok_or_else(wrong)?;
        let kind = match kind {
            "image" => Kind::Image,
            "network" => Kind::Network,
            "volume" => Kind::Volume,
            "container" => Kind::Container,
            "policy" => Kind::Policy,
            "grant" => Kind::Grant,
            _ => return Err(wrong()),
        };
        if name.is_empty() {
            return Err(wrong());
        }
        Ok(Self::new(kind, name))
    }
}

impl Serialize for ResourceId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ResourceId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The engine's limit for a reference, from the distribution specification.
const IMAGE_REF_MAX: usize = 255 + 1 + 128 + 1 + 71;

impl ImageRef {
    /// Parses a reference.
    ///
    /// Accepts a superset of the distribution grammar, and leaves the rest to the registry: it ensures that
    /// no text with a space, a quote or a control character ever reaches a URL.
    ///
    /// # Errors
    /// [`IdError::Image`] if the text cannot be a reference.
    pub fn parse(text: &str) -> Result<Self, IdError> {
        let wrong = || IdError::Image(text.to_owned());
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
        if text.is_empty() || text.len() > IMAGE_REF_MAX || !text.chars().all(plain) {
            return Err(wrong());
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (text, None),
        };
        if digest.is_some_and(|d| !d.contains(':') || d.contains('@') || d.contains('/')) {
            return Err(wrong());
        }
        // A colon after the last slash starts the tag; one before it belongs to the registry's port.
        let last_slash = name.rfind('/').map_or(0, |at| at + 1);
        let (path, tag) = match name[last_slash..].split_once(':') {
            Some((last, tag)) => (&name[..last_slash + last.len()], Some(tag)),
            None => (name, None),
        };
        let tag_is_wrong = tag.is_some_and(|t| t.is_empty() || t.contains(':') || t.starts_with(['.', '-']));
        let mut parts = path.split('/');
        let first_has_port = path.contains('/');
        let part_is_wrong = |i: usize, part: &str| {
            let may_have_upper = i == 0 && first_has_port;
            part.is_empty()
                || !part.starts_with(|c: char| c.is_ascii_alphanumeric())
                || (!may_have_upper && part.chars().any(|c| c.is_ascii_uppercase() || c == ':'))
        };
        if tag_is_wrong || parts.by_ref().enumerate().any(|(i, part)| part_is_wrong(i, part)) {
            return Err(wrong());
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it has a digest, and so always resolves to the same image.
    pub fn is_pinned(&self) -> bool {
        self.0.contains('@')
    }

    /// The repository and the tag or digest; `latest` if neither is given.
    pub fn repository_and_tag(&self) -> (&str, &str) {
        if let Some((name, digest)) = self.0.split_once('@') {
            return (name, digest);
        }
        let last_slash = self.0.rfind('/').map_or(0, |at| at + 1);
        match self.0[last_slash..].split_once(':') {
            Some((last, tag)) => (&self.0[..last_slash + last.len()], tag),
            None => (&self.0, "latest"),
        }
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ImageRef {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        Self::parse(&text)
    }
}

impl From<ImageRef> for String {
    fn from(reference: ImageRef) -> Self {
        reference.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_split_as_by_a_registry() {
        let table = [
            ("docker", "docker", "latest"),
            ("docker:dind", "docker", "dind"),
            ("moby/buildkit:v0.32.2", "moby/buildkit", "v0.32.2"),
            ("host:5000/team/tool", "host:5000/team/tool", "latest"),
            ("host:5000/team/tool:1", "host:5000/team/tool", "1"),
            ("tool@sha256:abc", "tool", "sha256:abc"),
        ];
        for (text, repository, tag) in table {
            let reference = ImageRef::parse(text).expect(text);
            assert_eq!(reference.repository_and_tag(), (repository, tag), "{text}");
        }
    }

    #[test]
    fn invalid_references_are_rejected() {
        for text in ["", "a b", "Docker:dind", "a::b", "a:", "/a", "a//b", "a@b", "-a", "a:\"x\"", "a?x=1", "a:.b"] {
            assert!(ImageRef::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn resource_ids_round_trip() {
        for id in [ResourceId::main(), ResourceId::volume("cache"), ResourceId::new(Kind::Image, "a/b:c")] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        assert!("container/".parse::<ResourceId>().is_err());
        assert!("pod/main".parse::<ResourceId>().is_err());
    }
}
