//! `agent.yaml` as meant: values that cannot be wrong any more.

use std::collections::BTreeMap;

use super::diagnostic::Diagnostics;
use super::source::{Located, Source};
use crate::resource::{AgentName, ImageRef};

/// One agent's sandbox, as its file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    pub source: Source,
    pub agent: AgentName,
    /// `None`: the one that a capability brings.
    pub image: Option<ImageRef>,
    /// Names of capabilities, each once; whether they exist is for the compiler to say.
    pub dependencies: Vec<Located<String>>,
    /// `None`: the sandbox stays up, idle. A string in the file means a shell's command line.
    pub command: Option<Vec<String>>,
    pub env: BTreeMap<String, String>,
    pub buildkit: BuilderSettings,
}

/// What a spec may say about the sidecar that builds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BuilderSettings {
    pub image: Option<ImageRef>,
    pub cache: CacheRetention,
}

/// Whether the build cache outlives a destroy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CacheRetention {
    #[default]
    Keep,
    Discard,
}

/// Reads a spec.
///
/// # Errors
/// Everything that is wrong with it, at once.
pub fn parse(source: Source) -> Result<Spec, Diagnostics> {
    let _ = source;
    todo!()
}
