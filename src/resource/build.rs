//! What an image is built from, where it is more than a Dockerfile.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

/// The context of a build as it was looked at, and how it is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BuildContext {
    /// Absolute, on this machine.
    pub folder: PathBuf,
    /// Seen from the folder.
    pub dockerfile: String,
    /// The stage that is built; `None`: the last one.
    pub target: Option<String>,
    pub args: BTreeMap<String, String>,
    /// Of all files that count. What has another one is not built.
    pub digest: String,
}
