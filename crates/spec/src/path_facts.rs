//! Facts about the host paths that a spec mounts: symbolic links, git repositories and private files.
//!
//! Facts only. The command line collects them; the compiler draws the conclusions.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use moat_model::resource::HostFile;

/// The facts. By default there are none, and every path resolves to itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PathFacts {
    /// By path: the real location of each link that it goes through, and last the path that it resolves to.
    pub resolutions: BTreeMap<PathBuf, Vec<PathBuf>>,
    /// The regular files among the mounted paths.
    pub files: BTreeMap<PathBuf, HostFile>,
    pub private: Vec<Private>,
    /// By the mounted folder.
    pub repositories: BTreeMap<PathBuf, Repository>,
}

/// Files of the user that a sandbox must not see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Private {
    pub path: PathBuf,
    pub kind: PrivateKind,
    /// Like [`PathFacts::resolutions`].
    pub locations: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrivateKind {
    /// moat's own state: keys, the audit log and approvals.
    State,
    /// Keys of the user, which must not be mounted as part of a larger folder.
    Keys,
}

/// The repository that git finds in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repository {
    /// A whole repository.
    Whole { hooks: HooksFolder },
    /// A linked work tree: `.git` is a file that names a git directory, which refers back to it.
    Worktree(Worktree),
    /// A subfolder of the repository in a parent folder.
    Part { root: PathBuf },
    /// `.git` names a git directory that does not refer back to this folder.
    Elsewhere { git_dir: PathBuf },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worktree {
    /// The git directory of this work tree, as written in the file `.git`.
    pub named: PathBuf,
    /// The git directory shared by all work trees.
    pub common: PathBuf,
    pub hooks: HooksFolder,
}

/// The entry `hooks` of a git directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HooksFolder {
    Folder,
    Missing,
    /// A link or another file that cannot be mounted over itself.
    Other,
}

impl PathFacts {
    /// All locations that a path goes through, including itself.
    pub fn locations<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = &'a Path> {
        let found = self.resolutions.get(path).into_iter().flatten().map(PathBuf::as_path);
        std::iter::once(path).chain(found)
    }

    /// The path that a path resolves to.
    pub fn real<'a>(&'a self, path: &'a Path) -> &'a Path {
        self.resolutions.get(path).and_then(|locations| locations.last()).map_or(path, PathBuf::as_path)
    }
}
