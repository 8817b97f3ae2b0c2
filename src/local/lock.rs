//! The lock of a run on an engine: only one command changes a run at a time.
//!
//! A lock of the operating system on an open file, which is released when its process ends for any reason. It separates
//! commands of one machine. Commands of two machines conflict on the engine, and observe again after a conflict.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use super::private;
use moat_model::resource::RunId;
use moat_model::resource::digest::short_sha256;

/// A held lock, released on drop.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

/// The holder of a lock, as written by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holder {
    pub pid: u32,
    /// For example `apply`.
    pub command: String,
    /// RFC 3339, UTC.
    pub since: String,
}

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("`{run}` is locked by {}", holder.as_ref().map_or("another moat process".to_owned(), described))]
    Held { run: RunId, holder: Option<Holder> },
    #[error("the lock file `{}` cannot be used: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
}

/// The polling interval for a held lock: not noticeable and cheap.
const INTERVAL: Duration = Duration::from_millis(50);

/// The maximum size of a holder's description; a larger file is not from moat.
const HOLDER_MAX: u64 = 4096;

impl Lock {
    /// Takes the lock of `run` on the engine at `engine`, waiting for at most `patience`.
    ///
    /// # Errors
    /// [`LockError::Held`] if the lock is still held after `patience`; [`LockError::File`] if the file cannot be used.
    pub async fn take(
        dir: &Path,
        run: &RunId,
        engine: &str,
        holder: &Holder,
        patience: Duration,
    ) -> Result<Self, LockError> {
        let (path, deadline) = (path(dir, run, engine), Instant::now() + patience);
        loop {
            match Self::at(&path, run, holder) {
                Err(LockError::Held { .. }) if Instant::now() < deadline => sleep(INTERVAL).await,
                done => return done,
            }
        }
    }
}

impl Lock {
    /// Takes the lock file at `path`, if it is free.
    pub(super) fn at(path: &Path, run: &RunId, holder: &Holder) -> Result<Self, LockError> {
        let refused = |source: io::Error| LockError::File { path: path.to_owned(), source };
        let mut file = open(path).map_err(refused)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(refused(error)),
            Err(TryLockError::WouldBlock) => {
                return Err(LockError::Held { run: run.clone(), holder: read(&mut file) });
            }
        }
        write(&mut file, holder).map_err(refused)?;
        Ok(Self { _file: file })
    }

    /// Returns the holder of the lock file at `path`; `None` if it is free.
    pub(super) fn holder_at(path: &Path) -> Option<Holder> {
        let mut file = File::open(path).ok()?;
        // A shared lock, so that two readers do not take each other for a holder.
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => read(&mut file),
            Ok(()) | Err(TryLockError::Error(_)) => None,
        }
    }
}

/// The address of an engine can contain any characters; its digest is always a valid file name.
fn path(dir: &Path, run: &RunId, engine: &str) -> PathBuf {
    let engine = short_sha256(engine, 8);
    dir.join("locks").join(format!("{run}@{engine}.lock"))
}

/// The file is never removed: otherwise two processes could lock two files of the same name.
fn open(path: &Path) -> io::Result<File> {
    if let Some(dir) = path.parent() {
        private::folder(dir)?;
    }
    private::open(OpenOptions::new().read(true).write(true).create(true).truncate(false), path)
}

fn write(file: &mut File, holder: &Holder) -> io::Result<()> {
    let text = serde_json::to_string(holder).map_err(io::Error::other)?;
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(text.as_bytes())
}

fn read(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.take(HOLDER_MAX).read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn described(holder: &Holder) -> String {
    format!("`moat {}` (process {}) since {}", holder.command, holder.pid, holder.since)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(command: &str) -> Holder {
        Holder { pid: 7, command: command.to_owned(), since: "2026-01-01T00:00:00Z".to_owned() }
    }

    async fn take(dir: &Path, run: &str, engine: &str, patience: Duration) -> Result<Lock, LockError> {
        Lock::take(dir, &RunId::from_label(run), engine, &holder("apply"), patience).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_held_lock_names_its_holder_and_is_released_on_drop() {
        let dir = tempfile::tempdir().unwrap();
        let held = take(dir.path(), "a-1", "unix:///x", Duration::ZERO).await.unwrap();
        let error = take(dir.path(), "a-1", "unix:///x", Duration::from_secs(3)).await.unwrap_err();
        let text = "`a-1` is locked by `moat apply` (process 7) since 2026-01-01T00:00:00Z";
        assert_eq!(error.to_string(), text);
        drop(held);
        take(dir.path(), "a-1", "unix:///x", Duration::ZERO).await.unwrap();
    }

    #[tokio::test]
    async fn other_runs_and_engines_are_not_locked() {
        let dir = tempfile::tempdir().unwrap();
        let _one = take(dir.path(), "a-1", "unix:///x", Duration::ZERO).await.unwrap();
        let _two = take(dir.path(), "a-2", "unix:///x", Duration::ZERO).await.unwrap();
        let _three = take(dir.path(), "a-1", "unix:///y", Duration::ZERO).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_lock_that_is_released_in_time_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let held = take(dir.path(), "a-1", "e", Duration::ZERO).await.unwrap();
        let (taken, ()) = tokio::join!(take(dir.path(), "a-1", "e", Duration::from_secs(5)), async {
            sleep(Duration::from_secs(2)).await;
            drop(held);
        });
        taken.unwrap();
    }

    #[tokio::test]
    async fn an_unusable_lock_file_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("locks"), "in the way").unwrap();
        let error = take(dir.path(), "a-1", "e", Duration::ZERO).await.unwrap_err();
        assert!(matches!(error, LockError::File { .. }), "{error}");
    }
}
