//! The history and the last state of each run.
//!
//! Fails open: an error in these files is a warning, and the command continues. A lost record is rebuilt from the labels
//! on the engine; a lost history cannot be rebuilt. Each run on each engine has a record, which is replaced as a whole,
//! and a history, which gets a line for each command.

pub mod line;
pub mod read;
pub mod record;
pub mod recorder;

use std::fs::{File, OpenOptions, TryLockError, metadata, rename};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde::Deserialize;

pub use line::Line;
pub use record::RunRecord;
pub use recorder::Recorder;

use crate::local::private;
use moat_model::resource::RunId;
use moat_model::resource::digest::short_sha256;

/// The version of both formats.
pub(crate) const VERSION: u32 = 1;

/// The files of a run on an engine.
#[derive(Debug, Clone)]
pub struct Place {
    pub record: PathBuf,
    pub history: PathBuf,
}

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error("`{}` cannot be used: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("`{}` was written by a newer version of moat and is left unchanged", path.display())]
    Newer { path: PathBuf },
    #[error("`{}` is locked by another process", path.display())]
    Held { path: PathBuf },
    #[error("`{}` could not be read and was recreated", path.display())]
    Corrupt { path: PathBuf },
}

/// The maximum size of a history in bytes, enough for some hundred commands. One older file is kept.
const HISTORY_MAX: u64 = 1 << 20;

/// The digits of the digest of an engine's address: a host uses few engines.
const ENGINE_DIGEST_LEN: usize = 8;

/// The timeout for the lock: a history is not worth a long wait.
const PATIENCE: Duration = Duration::from_millis(500);

const INTERVAL: Duration = Duration::from_millis(5);

/// The field that every version has.
#[derive(Deserialize)]
struct Versioned {
    v: u32,
}

impl Place {
    pub fn of(state_dir: &Path, run: &RunId, engine: &str) -> Self {
        let engine = short_sha256(engine, ENGINE_DIGEST_LEN);
        let file = |kind: &str, extension: &str| state_dir.join(kind).join(&engine).join(format!("{run}.{extension}"));
        Self { record: file("runs", "json"), history: file("history", "jsonl") }
    }

    /// Returns the path of the older history.
    pub(super) fn older(&self) -> PathBuf {
        self.history.with_extension("1.jsonl")
    }

    /// Adds a line to the history.
    ///
    /// # Errors
    /// If the line was not added.
    pub fn add(&self, line: &Line) -> Result<(), HistoryError> {
        let path = &self.history;
        let refused = |source| HistoryError::File { path: path.clone(), source };
        private::folder(path.parent().unwrap_or(path)).map_err(refused)?;
        let opened = private::open(OpenOptions::new().create(true).read(true).append(true), path);
        let mut file = opened.map_err(refused)?;
        lock(&file, path)?;
        if version_of(&mut file).map_err(refused)? > VERSION {
            return Err(HistoryError::Newer { path: path.clone() });
        }
        let text = line.to_line();
        // A line cut short by a crash is terminated first.
        let length = metadata(path).map_err(refused)?.len();
        let torn = length > 0 && !ends_with_line_feed(path, length).map_err(refused)?;
        file.write_all(format!("{}{text}", if torn { "\n" } else { "" }).as_bytes()).map_err(refused)?;
        if length + text.len() as u64 > HISTORY_MAX {
            rename(path, self.older()).map_err(refused)?;
        }
        Ok(())
    }
}

fn lock(file: &File, path: &Path) -> Result<(), HistoryError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(source)) => return Err(HistoryError::File { path: path.to_owned(), source }),
            Err(TryLockError::WouldBlock) if Instant::now() > deadline => {
                return Err(HistoryError::Held { path: path.to_owned() });
            }
            Err(TryLockError::WouldBlock) => sleep(INTERVAL),
        }
    }
}

/// Returns the version of the first line; 0 if it is unreadable, as such a file cannot be damaged further.
fn version_of(file: &mut File) -> io::Result<u32> {
    let mut start = Vec::new();
    file.take(4096).read_to_end(&mut start)?;
    let first = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    // A long line is truncated here, but its version comes first.
    let text = String::from_utf8_lossy(first);
    let version = text.strip_prefix("{\"v\":").and_then(|rest| rest.split([',', '}']).next()?.parse().ok());
    Ok(version.unwrap_or(0))
}

fn ends_with_line_feed(path: &Path, length: u64) -> io::Result<bool> {
    use std::os::unix::fs::FileExt;
    let mut last = [0];
    File::open(path)?.read_exact_at(&mut last, length - 1)?;
    Ok(last == *b"\n")
}
