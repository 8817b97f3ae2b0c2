//! A run: one agent of one spec file on one engine, and the names of its resources.
//!
//! Names are derived, never stored: every apply of the same file finds the same resources.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::digest::short_sha256;
use super::id::{EGRESS, Kind, ResourceId};

/// An agent's name: lowercase letters, digits, `-`, `_` and `.`, starting with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AgentName(String);

/// The stable id of a run, such as `builder-1f2e3d4c`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(String);

/// One agent of one spec file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub id: RunId,
    pub agent: AgentName,
    /// The canonical path of the spec file at the time of derivation.
    pub spec: String,
}

/// Why a text is no agent's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AgentNameError {
    #[error("an agent's name cannot be empty")]
    Empty,
    #[error("an agent's name has at most {AGENT_NAME_MAX} characters")]
    TooLong,
    #[error(
        "`{0}` is not a valid agent name: use lowercase letters, digits, `-`, `_` and `.`, and start with a letter or digit"
    )]
    Characters(String),
}

/// Leaves room for `moat-`, a sidecar's name and the run's digest within the 63 characters of a DNS label.
pub const AGENT_NAME_MAX: usize = 32;

/// Hexadecimal digits of the digest in a run id: 32 bits keep the checkouts of one machine apart.
const RUN_DIGEST_LEN: usize = 8;

/// The main container has the run's name without a suffix.
const MAIN: &str = "main";

impl AgentName {
    /// Parses a name.
    ///
    /// # Errors
    /// If it is empty, too long, or has a character that the engine rejects in names.
    pub fn parse(text: &str) -> Result<Self, AgentNameError> {
        if text.is_empty() {
            return Err(AgentNameError::Empty);
        }
        if text.len() > AGENT_NAME_MAX {
            return Err(AgentNameError::TooLong);
        }
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if !text.starts_with(plain) || !text.chars().all(|c| plain(c) || "-_.".contains(c)) {
            return Err(AgentNameError::Characters(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for AgentName {
    type Error = AgentNameError;

    fn try_from(text: String) -> Result<Self, AgentNameError> {
        Self::parse(&text)
    }
}

impl From<AgentName> for String {
    fn from(name: AgentName) -> Self {
        name.0
    }
}

impl fmt::Display for AgentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl RunId {
    /// Wraps a run id from a label.
    pub fn from_label(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Run {
    /// Derives the run of an agent from its name and the canonical path of its spec file.
    pub fn derive(agent: AgentName, spec: &Path) -> Self {
        let spec = spec.to_string_lossy().into_owned();
        let digest = short_sha256(format!("{agent}\0{spec}"), RUN_DIGEST_LEN);
        Self { id: RunId(format!("{agent}-{digest}")), agent, spec }
    }

    /// The name of a resource of this run on the engine.
    pub fn name_of(&self, resource: &ResourceId) -> String {
        self.id.name_of(resource)
    }
}

impl RunId {
    /// As [`Run::name_of`], from the run's id alone.
    pub fn name_of(&self, resource: &ResourceId) -> String {
        let run = self;
        match (resource.kind, resource.name.as_str()) {
            (Kind::Image, reference) => reference.to_owned(),
            (Kind::Volume, name) if name.starts_with('.') => format!("moat-{}-{run}", &name[1..]),
            (Kind::Policy | Kind::Grant, name) => name.to_owned(),
            (Kind::Network, EGRESS) => format!("moat-{EGRESS}-{run}"),
            (Kind::Network, _) | (Kind::Container, MAIN) => format!("moat-{run}"),
            (Kind::Volume, name) => format!("moat-{run}-{name}"),
            (Kind::Container, name) => format!("moat-{name}-{run}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_checkouts_never_share_a_name() {
        let agent = || AgentName::parse("builder").expect("valid");
        let one = Run::derive(agent(), Path::new("/a/agent.yaml"));
        let two = Run::derive(agent(), Path::new("/b/agent.yaml"));
        assert_ne!(one.id, two.id);
        assert_eq!(one, Run::derive(agent(), Path::new("/a/agent.yaml")));
    }

    #[test]
    fn names_have_the_documented_form() {
        let run = Run::derive(AgentName::parse("builder").expect("valid"), Path::new("/a/agent.yaml"));
        let id = run.id.as_str();
        assert_eq!(run.name_of(&ResourceId::main()), format!("moat-{id}"));
        assert_eq!(run.name_of(&ResourceId::network("agent")), format!("moat-{id}"));
        assert_eq!(run.name_of(&ResourceId::egress()), format!("moat-egress-{id}"));
        assert_eq!(run.name_of(&ResourceId::gateway()), format!("moat-gateway-{id}"));
        assert_eq!(run.name_of(&ResourceId::container("buildkit")), format!("moat-buildkit-{id}"));
        assert_eq!(run.name_of(&ResourceId::volume("docker")), format!("moat-{id}-docker"));
        assert_eq!(run.name_of(&ResourceId::stop_mark()), format!("moat-stopped-{id}"));
    }

    #[test]
    fn agent_names_are_accepted_by_the_engine() {
        for good in ["a", "builder", "a-b_c.d", "0x"] {
            assert!(AgentName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "Builder", "-a", "a b", "a/b", &"a".repeat(AGENT_NAME_MAX + 1)] {
            assert!(AgentName::parse(bad).is_err(), "{bad}");
        }
    }
}
