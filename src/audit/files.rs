//! The files of an audit log, and the lock for appending.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::AuditError;
use crate::local::private;

/// The files of one audit log.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub log: PathBuf,
    pub head: PathBuf,
    pub key: PathBuf,
    lock: PathBuf,
    folder: PathBuf,
}

/// The timeout for the lock. An append takes milliseconds, so a longer holder is suspended.
const PATIENCE: Duration = Duration::from_secs(5);

const INTERVAL: Duration = Duration::from_millis(1);

impl Files {
    pub(super) fn below(state_dir: &Path) -> Self {
        let folder = state_dir.join("audit");
        let file = |name: &str| folder.join(name);
        Self { log: file("log.jsonl"), head: file("head.json"), key: file("key"), lock: file("lock"), folder }
    }

    pub(super) fn create_folder(&self) -> Result<(), AuditError> {
        private::folder(&self.folder).map_err(|source| refused(&self.folder, source))
    }

    /// Locks the log for appending until the returned file is dropped.
    pub(super) fn lock(&self) -> Result<File, AuditError> {
        let open = private::open(OpenOptions::new().create(true).truncate(false).write(true), &self.lock);
        let file = open.map_err(|source| refused(&self.lock, source))?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(source)) => return Err(refused(&self.lock, source)),
                Err(TryLockError::WouldBlock) if Instant::now() > deadline => {
                    return Err(AuditError::Held { path: self.lock.clone() });
                }
                Err(TryLockError::WouldBlock) => sleep(INTERVAL),
            }
        }
    }

    /// Returns the path for a file that is set aside.
    pub(super) fn aside(&self, name: &str, stamp: &str) -> PathBuf {
        self.folder.join(format!("{stamp}.{name}"))
    }
}

pub(super) fn refused(path: &Path, source: io::Error) -> AuditError {
    AuditError::File { path: path.to_owned(), source }
}
