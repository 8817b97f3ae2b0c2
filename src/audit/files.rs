//! Where the files of an audit log are, and the lock of whoever appends.

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

/// An append takes milliseconds. Whoever holds the lock for longer has been stopped, and is not waited for.
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

    /// Keeps all others from appending until it is dropped.
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

    /// A name under which a log is put aside.
    pub(super) fn aside(&self, name: &str, stamp: &str) -> PathBuf {
        self.folder.join(format!("{stamp}.{name}"))
    }
}

pub(super) fn refused(path: &Path, source: io::Error) -> AuditError {
    AuditError::File { path: path.to_owned(), source }
}
