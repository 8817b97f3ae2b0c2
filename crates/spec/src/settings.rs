//! Parts of a spec: volumes, the network and the build sidecar.

use std::collections::BTreeMap;

use ipnet::Ipv4Net;
use serde::Deserialize;

use moat_policy::{Mode, Policy};

use moat_model::resource::{BuildNetwork, ImageRef, Limits, LogConfig, SecretText, Size};

/// A named volume of the sandbox, and where it is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedVolume {
    pub name: String,
    pub target: String,
    pub read_only: bool,
}

/// The network settings of a spec.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetworkSettings {
    pub subnet: Option<Ipv4Net>,
    pub internal: bool,
    /// What the sandbox can reach, with presets expanded; `None`: everything, or nothing if `internal` is set.
    pub egress: Option<Policy>,
    /// Certificates of further authorities, in PEM: for servers whose requests the gateway reads.
    pub roots: Option<String>,
    /// The image of the gateway; `None`: made from moat's own program.
    pub gateway_image: Option<ImageRef>,
    /// `None`: chosen by the compiler from the build.
    pub build: Option<BuildNetwork>,
    /// Of the main container.
    pub extra_hosts: BTreeMap<String, String>,
}

impl NetworkSettings {
    /// Whether hosts that the spec does not name cannot be reached.
    pub fn is_closed(&self) -> bool {
        self.internal || self.egress.as_ref().is_some_and(|policy| policy.mode() == Mode::Strict)
    }
}

/// The settings of a spec for the build sidecar.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BuilderSettings {
    pub image: Option<ImageRef>,
    pub cache: CacheRetention,
    /// `None`: the capability's default.
    pub cache_limit: Option<Size>,
    /// A `buildkitd.toml` that is merged into the capability's.
    pub config: Option<String>,
    pub env: BTreeMap<String, String>,
    /// Variables from moat's environment, which may be secrets.
    pub concealed: BTreeMap<String, SecretText>,
    pub limits: Limits,
    pub oom_score_adj: Option<i32>,
    pub logging: Option<LogConfig>,
}

/// How long the build cache lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheRetention {
    /// A destroy keeps it.
    #[default]
    Keep,
    /// A destroy removes it.
    Discard,
    /// As `Discard`, and the cache starts empty; a kept cache stays unused.
    Run,
}
