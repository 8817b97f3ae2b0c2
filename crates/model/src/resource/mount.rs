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

/// A regular file of this machine at a path that is mounted. A container keeps the file that it was started with, even
/// when another one takes its place. Times are in nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostFile {
    pub device: u64,
    pub inode: u64,
    /// When it was created; `None`: the file system does not say.
    pub born: Option<i64>,
    pub modified: i64,
    /// When its content, its mode or its name changed last.
    pub changed: i64,
    /// When the newest link on the way to it was made; `None`: there is no link.
    pub linked: Option<i64>,
}

impl HostFile {
    /// What it is known by as long as it is the same file.
    pub fn identity(&self) -> String {
        format!("{}:{}", self.device, self.inode)
    }

    /// Whether it took its place after `started`; `noted`: the identity of the file when the container was created.
    ///
    /// A file that is younger than the start is another one. An older one was moved or linked there since, if it is not
    /// the one that was noted: a move changes the time of the change alone, while a write and `touch` set both times to
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_file_is_told_from_an_edit() {
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
