//! Mounts of a container: volumes, paths of the Docker host, and empty file systems.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::id::ResourceId;

/// A mount at a path in a container's file system.
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
    /// A volume of another owner, by its name on the engine.
    Foreign(String),
    /// An absolute path of the Docker host.
    Path(String),
    /// An empty file system in memory, discarded when the container stops; hides the files below.
    Empty,
    /// As [`MountSource::Empty`], with the user's options; omitted ones are the engine's defaults.
    Memory { options: String },
}

/// A regular file of the host that is mounted. A container keeps the file that it was started with, even
/// if another file takes its place. Times are in nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostFile {
    pub device: u64,
    pub inode: u64,
    /// The creation time; `None` if the file system does not store it.
    pub born: Option<i64>,
    pub modified: i64,
    /// The time of the last change of its content, mode or name.
    pub changed: i64,
    /// The creation time of the newest link in its path; `None` if there is no link.
    pub linked: Option<i64>,
}

impl HostFile {
    /// The identity of the file, stable as long as it is the same file.
    pub fn identity(&self) -> String {
        format!("{}:{}", self.device, self.inode)
    }

    /// Whether it appeared at its path after `started`; `noted`: the file's identity when the container was created.
    ///
    /// A file created after the start is another one. An older one was moved or linked there since, if it is not
    /// the noted one: a move only changes the change time, while a write and `touch` set both times to
    /// the same value.
    pub fn is_newer_than(&self, started: i64, noted: Option<&str>) -> bool {
        let is_moved = self.changed > started && self.changed != self.modified;
        let is_linked = self.linked.is_some_and(|linked| linked > started);
        let is_other = noted.is_some_and(|noted| noted != self.identity());
        self.born.is_some_and(|born| born > started) || (is_other && (is_moved || is_linked))
    }
}

impl Mount {
    /// A volume of the run.
    pub fn volume(volume: ResourceId, target: impl Into<String>) -> Self {
        Self { source: MountSource::Volume(volume), target: target.into(), read_only: false }
    }

    /// The path of the Docker host, if the source is one.
    pub fn path(&self) -> Option<&Path> {
        match &self.source {
            MountSource::Path(path) => Some(Path::new(path)),
            _ => None,
        }
    }

    /// The place of the host's `path` in the mount, if it contains the path.
    pub fn shows(&self, path: &Path) -> Option<PathBuf> {
        Some(shown(path.strip_prefix(self.path()?).ok()?, Path::new(&self.target)))
    }

    /// The volume of the run, if the source is one.
    pub fn own_volume(&self) -> Option<&ResourceId> {
        match &self.source {
            MountSource::Volume(id) => Some(id),
            _ => None,
        }
    }
}

impl MountSource {
    /// The canonical form; a run's own volume has no prefix, for compatibility.
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

/// The canonical form, keyed by target, so that a difference names the mount.
pub(super) fn by_target<S: serde::Serializer>(mounts: &[Mount], serializer: S) -> Result<S::Ok, S::Error> {
    let described = |mount: &Mount| {
        let mode = if mount.read_only { ":ro" } else { "" };
        format!("{}{mode}", mount.source.canonical())
    };
    serializer.collect_map(mounts.iter().map(|mount| (&mount.target, described(mount))).collect::<BTreeMap<_, _>>())
}

/// Drops read-only mounts that show a path which another mount shows at the same place, from mounts in the
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

/// A path below a target, without a trailing slash for the target itself.
fn shown(rest: &Path, target: &Path) -> PathBuf {
    if rest.as_os_str().is_empty() { target.to_owned() } else { target.join(rest) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_file_is_distinguished_from_an_edit() {
        let old = HostFile { device: 1, inode: 7, born: Some(10), modified: 10, changed: 10, linked: None };
        let edited = HostFile { modified: 200, changed: 200, ..old };
        let saved = HostFile { inode: 8, born: Some(200), modified: 200, changed: 201, ..old };
        let moved = HostFile { inode: 8, changed: 200, ..old };
        let retargeted = HostFile { inode: 8, linked: Some(200), ..old };
        let table = [
            ("as it was", old, Some("1:7"), false),
            ("edited in place, or touched", edited, Some("1:7"), false),
            ("edited after a restart with another file", edited, Some("1:6"), false),
            ("its mode is another", HostFile { changed: 200, ..old }, Some("1:7"), false),
            ("its link was made again", HostFile { linked: Some(200), ..old }, Some("1:7"), false),
            ("saved by rename", saved, Some("1:7"), true),
            ("saved by rename, and nothing was noted", saved, None, true),
            ("created again with the same inode", HostFile { inode: 7, ..saved }, Some("1:7"), true),
            ("an older file moved there", moved, Some("1:7"), true),
            ("an older file moved there, and nothing was noted", moved, None, false),
            ("moved there before the start", HostFile { changed: 50, ..moved }, Some("1:7"), false),
            ("a link leads to an older file", retargeted, Some("1:7"), true),
            ("a link did so before the start", HostFile { linked: Some(50), ..retargeted }, Some("1:7"), false),
            ("no birth time, an older file moved there", HostFile { born: None, ..moved }, Some("1:7"), true),
        ];
        for (what, file, noted, expected) in table {
            assert_eq!(file.is_newer_than(100, noted), expected, "{what}");
        }
    }
}
