//! What a container sees that is not its own: volumes, paths of the engine's machine, emptiness.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

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
    /// As [`MountSource::Empty`], but with options of the user's; none are the engine's own.
    Memory { options: String },
}

impl Mount {
    /// A volume of the run.
    pub fn volume(volume: ResourceId, target: impl Into<String>) -> Self {
        Self { source: MountSource::Volume(volume), target: target.into(), read_only: false }
    }

    /// The path of the engine's machine, if it is one.
    pub fn path(&self) -> Option<&Path> {
        match &self.source {
            MountSource::Path(path) => Some(Path::new(path)),
            _ => None,
        }
    }

    /// Where it shows `path` of the engine's machine; `None`: it does not.
    pub fn shows(&self, path: &Path) -> Option<PathBuf> {
        Some(shown(path.strip_prefix(self.path()?).ok()?, Path::new(&self.target)))
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
            Self::Memory { options } => format!("memory:{options}"),
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

/// Leaves what shows in the place of something else what that shows anyway, to be read only, out of mounts in the
/// canonical form.
pub(super) fn without_repeated(mounts: &mut Map<String, Value>) {
    let path = |value: &Value| Some(value.as_str()?.strip_prefix("path:")?.to_owned());
    let all: Vec<(String, String)> =
        mounts.iter().filter_map(|(target, value)| Some((target.clone(), path(value)?))).collect();
    mounts.retain(|target, value| {
        let Some(part) = path(value).and_then(|path| path.strip_suffix(":ro").map(str::to_owned)) else { return true };
        let repeats = |(place, folder): &(String, String)| {
            let folder = folder.strip_suffix(":ro").unwrap_or(folder);
            let rest = Path::new(&part).strip_prefix(folder).ok().filter(|rest| rest.components().next().is_some());
            rest.is_some_and(|rest| shown(rest, Path::new(place)) == Path::new(target))
        };
        !all.iter().any(repeats)
    });
}

/// A place below a target; without a slash at the end where it is the target itself.
fn shown(rest: &Path, target: &Path) -> PathBuf {
    if rest.as_os_str().is_empty() { target.to_owned() } else { target.join(rest) }
}
