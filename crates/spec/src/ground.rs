//! What this machine has at the paths that a spec mounts: links on the way, git repositories, what nobody is to see.
//!
//! Facts only. Whoever reads a spec looks for them; what they are worth is for the compiler to say.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use moat_model::resource::HostFile;

/// What was found. Without a look nothing is: then a path means itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ground {
    /// The way from a path to what it means: where each link on it really lies, and at last what it leads to.
    pub ways: BTreeMap<PathBuf, Vec<PathBuf>>,
    /// The regular files among the paths that are mounted.
    pub files: BTreeMap<PathBuf, HostFile>,
    pub private: Vec<Private>,
    /// By the folder that is mounted.
    pub repositories: BTreeMap<PathBuf, Repository>,
}

/// Files of the user that a sandbox is not to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Private {
    pub path: PathBuf,
    pub kind: PrivateKind,
    /// The way to it.
    pub way: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrivateKind {
    /// moat's own state: the keys, the audit log, what was approved.
    State,
    /// Keys of the user, which may be mounted by their own name only.
    Keys,
}

/// What git finds in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repository {
    /// All of a repository.
    Whole { hooks: HooksFolder },
    /// One of several work trees: `.git` is a file that names a folder elsewhere, and that folder names it.
    Worktree(Worktree),
    /// A part of the repository in a folder above.
    Part { root: PathBuf },
    /// `.git` names a folder that does not know of this one, or of which nothing is known.
    Elsewhere { git_dir: PathBuf },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Worktree {
    /// The folder of this work tree in the common one, as the file `.git` has it.
    pub named: PathBuf,
    /// What all work trees have in common.
    pub common: PathBuf,
    pub hooks: HooksFolder,
}

/// What is called `hooks` in a git directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HooksFolder {
    Folder,
    Missing,
    /// A link, or something else that cannot be mounted over itself.
    Other,
}

impl Ground {
    /// All places that a path leads through, itself included.
    pub fn way<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = &'a Path> {
        let found = self.ways.get(path).into_iter().flatten().map(PathBuf::as_path);
        std::iter::once(path).chain(found)
    }

    /// What a path means in the end.
    pub fn real<'a>(&'a self, path: &'a Path) -> &'a Path {
        self.ways.get(path).and_then(|way| way.last()).map_or(path, PathBuf::as_path)
    }
}
