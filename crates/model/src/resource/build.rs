//! The inputs of a build besides the Dockerfile.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::secret::Secret;

/// The context of a build as it was read, and the build's options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BuildContext {
    /// An absolute path of this machine.
    pub folder: PathBuf,
    /// A folder that is always excluded: moat's own files, which include keys and are
    /// written during the build. `None` if they are elsewhere.
    #[serde(skip)]
    pub without: Option<PathBuf>,
    /// Relative to the folder.
    pub dockerfile: String,
    /// The target stage; `None`: the last one.
    pub target: Option<String>,
    pub args: BTreeMap<String, String>,
    /// The secrets that its steps can mount, by id.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, Secret>,
    /// The digest of all included files. A context with another digest is not built.
    pub digest: String,
}

/// The network of a build's steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BuildNetwork {
    /// The engine's default network.
    #[default]
    Default,
    /// No network.
    None,
}
