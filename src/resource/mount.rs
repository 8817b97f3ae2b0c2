//! What a container sees that is not its own: volumes, paths of the engine's machine, emptiness.

use std::collections::BTreeMap;

use super::id::ResourceId;

/// What is seen at a place in a container's file system that is not the container's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    pub source: MountSource,
    /// Absolute.
    pub target: String,
    pub read_only: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountSource {
    /// A volume of the run.
    Volume(ResourceId),
    /// A volume that is somebody else's, by the engine's name.
    Foreign(String),
    /// An absolute path of the engine's machine.
    Path(String),
    /// Nothing at first, in memory, gone when the container stops: hides what lies below.
    Empty,
}

impl Mount {
    /// A volume of the run.
    pub fn volume(volume: ResourceId, target: impl Into<String>) -> Self {
        Self { source: MountSource::Volume(volume), target: target.into(), read_only: false }
    }

    /// The volume of the run, if it is one.
    pub fn own_volume(&self) -> Option<&ResourceId> {
        match &self.source {
            MountSource::Volume(id) => Some(id),
            _ => None,
        }
    }
}

impl MountSource {
    /// In the canonical form; a run's own volume is the form that was there first.
    fn canonical(&self) -> String {
        match self {
            Self::Volume(id) => id.to_string(),
            Self::Foreign(name) => format!("foreign:{name}"),
            Self::Path(path) => format!("path:{path}"),
            Self::Empty => "empty".to_owned(),
        }
    }
}

/// In the canonical form: by target, so that a difference names the mount.
pub(super) fn by_target<S: serde::Serializer>(mounts: &[Mount], serializer: S) -> Result<S::Ok, S::Error> {
    let described = |mount: &Mount| {
        let mode = if mount.read_only { ":ro" } else { "" };
        format!("{}{mode}", mount.source.canonical())
    };
    serializer.collect_map(mounts.iter().map(|mount| (&mount.target, described(mount))).collect::<BTreeMap<_, _>>())
}
