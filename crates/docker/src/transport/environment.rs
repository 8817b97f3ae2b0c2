//! The environment variables and files that decide which engine is used.

use std::io;
use std::path::{Path, PathBuf};

/// Environment variables and files.
pub trait Environment {
    /// An environment variable; an empty one counts as unset.
    fn variable(&self, name: &str) -> Option<String>;
    fn read(&self, path: &Path) -> io::Result<String>;
    fn exists(&self, path: &Path) -> bool;
}

/// The environment and the files of this process.
#[derive(Debug, Clone, Copy)]
pub struct ProcessEnv;

/// Docker's configuration directory; `None` without a home directory.
pub fn config_dir(around: &impl Environment) -> Option<PathBuf> {
    let home = || around.variable("HOME").map(|home| Path::new(&home).join(".docker"));
    around.variable("DOCKER_CONFIG").map(PathBuf::from).or_else(home)
}

impl Environment for ProcessEnv {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        std::fs::read_to_string(path)
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }
}

/// An environment for tests.
#[cfg(test)]
#[derive(Debug, Clone, Default)]
pub struct FakeEnv {
    pub variables: std::collections::BTreeMap<String, String>,
    pub files: std::collections::BTreeMap<PathBuf, String>,
}

#[cfg(test)]
impl Environment for FakeEnv {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).filter(|value| !value.is_empty()).cloned()
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        self.files.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn exists(&self, path: &Path) -> bool {
        self.files.contains_key(path)
    }
}
