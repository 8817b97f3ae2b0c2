//! What moat adds to a container by itself: help for the work inside, and never a reason to create a container.

use std::collections::BTreeMap;

use serde::Serialize;

use super::mount::{self, Mount};

/// Nothing that the container would not have without it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Extras {
    /// Parts of what is mounted, mounted over themselves.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "mount::by_target")]
    pub mounts: Vec<Mount>,
    /// What the container's own environment has wins.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
}

impl Extras {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
