//! Additions of moat to a container: conveniences inside, and never a reason to recreate a container.

use std::collections::BTreeMap;

use serde::Serialize;

use super::mount::{self, Mount};

/// Additions that the spec does not contain.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Extras {
    /// Parts of mounted folders, mounted over themselves.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "mount::by_target")]
    pub mounts: Vec<Mount>,
    /// Environment variables; those of the container take precedence.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
}

impl Extras {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
