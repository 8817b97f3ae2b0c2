//! The log of a container: its driver and options, in the engine's own terms, which moat does not interpret.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The destination of a container's standard output and error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogConfig {
    /// `None`: the engine's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}
