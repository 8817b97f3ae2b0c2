//! What an image is built from, where it is more than a Dockerfile.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The context of a build as it was looked at, and how it is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BuildContext {
    /// Absolute, on this machine.
    pub folder: PathBuf,
    /// A folder that is no part of it, whatever the list says: moat's own files, which have its keys among them and are
    /// written while it builds. `None`: they lie elsewhere.
    #[serde(skip)]
    pub without: Option<PathBuf>,
    /// Seen from the folder.
    pub dockerfile: String,
    /// The stage that is built; `None`: the last one.
    pub target: Option<String>,
    pub args: BTreeMap<String, String>,
    /// Of all files that count. What has another one is not built.
    pub digest: String,
}

/// What the steps of a build reach.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BuildNetwork {
    /// Whatever the engine's default network reaches.
    #[default]
    Default,
    /// Nothing.
    None,
}
