//! What a person has approved, and nobody has made use of yet: one file for each run on each engine.
//!
//! Written by `moat approve`, read and removed by a watch. It names one desired state by its digest, so that whatever
//! the spec says later is approved by nobody.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::atomic;
use crate::resource::RunId;
use crate::resource::digest::short_sha256;

/// A digest and a line feed; more in the file is not from moat.
const SIZE_MAX: u64 = 256;

/// Where the approvals of one run on one engine are.
#[derive(Debug, Clone)]
pub struct Approval {
    path: PathBuf,
}

impl Approval {
    pub fn of(dir: &Path, run: &RunId, engine: &str) -> Self {
        Self { path: dir.join("approvals").join(format!("{run}@{}", short_sha256(engine, 8))) }
    }

    /// The file, for whoever waits for it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the folder, so that it can be watched before there is anything in it.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn prepare(&self) -> io::Result<()> {
        self.path.parent().map_or(Ok(()), atomic::folder)
    }

    /// # Errors
    /// If it cannot be written.
    pub fn give(&self, digest: &str) -> io::Result<()> {
        atomic::write(&self.path, &format!("{digest}\n"))
    }

    /// What is approved; `None`: nothing, or nobody can tell.
    pub fn read(&self) -> Option<String> {
        let size = fs::metadata(&self.path).ok()?.len();
        let text = if size <= SIZE_MAX { fs::read_to_string(&self.path).ok()? } else { return None };
        Some(text.trim().to_owned())
    }

    /// # Errors
    /// If it cannot be removed.
    pub fn forget(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_approval_is_of_one_state_and_for_one_time() {
        let dir = tempfile::tempdir().unwrap();
        let of = |run: &str, engine: &str| Approval::of(dir.path(), &RunId::from_label(run), engine);
        let approval = of("a-1", "unix:///x");
        assert_eq!(approval.read(), None);
        approval.forget().unwrap();
        approval.give("0123").unwrap();
        assert_eq!(approval.read().as_deref(), Some("0123"));
        assert_eq!(of("a-1", "unix:///y").read(), None);
        assert_eq!(of("a-2", "unix:///x").read(), None);
        approval.forget().unwrap();
        assert_eq!(approval.read(), None);
    }
}
