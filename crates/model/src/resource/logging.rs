//! The log of a container: which driver keeps it, and how. The engine's own words, which moat does not know.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Where the engine keeps what a container writes to its standard output and error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogConfig {
    /// `None`: the engine's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}
