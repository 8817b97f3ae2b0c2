//! What moat did with each run, and how the run was left: for people who ask later.
//!
//! Fails open: whatever is wrong with these files is a warning, and the work goes on. What is lost of a run's record is
//! made again from the engine's labels; what is lost of its history is lost. Each run on each engine has a record,
//! which is replaced whole, and a history, to which a line is added for each command.

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

/// The version of both forms.
pub(crate) const VERSION: u32 = 1;

/// Where the files of one run on one engine are.
#[derive(Debug, Clone)]
pub struct Place {
    pub record: PathBuf,
    pub history: PathBuf,
}

/// Why something was not written, or could not be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error("`{}` cannot be used: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("`{}` is of a newer version of moat, and was left as it is", path.display())]
    Newer { path: PathBuf },
    #[error("`{}` is held by another process", path.display())]
    Held { path: PathBuf },
    #[error("`{}` cannot be read, and was made anew", path.display())]
    Corrupt { path: PathBuf },
}

/// In bytes. Some hundreds of commands; older ones are kept in one more file of that size.
const HISTORY_MAX: u64 = 1 << 20;

/// Digits of the engine's address's digest: a machine uses a few.
const ENGINE_DIGEST_LEN: usize = 8;

/// Nobody waits for a history.
const PATIENCE: Duration = Duration::from_millis(500);

const INTERVAL: Duration = Duration::from_millis(5);

/// What any version has.
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

    /// The history before the one that is being written.
    pub(super) fn older(&self) -> PathBuf {
        self.history.with_extension("1.jsonl")
    }

    /// Adds a line to the history.
    ///
    /// # Errors
    /// If it was not added.
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
        // A line that was cut short by a crash stays a line of its own.
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

/// Of the first line; what cannot be read is of no version that could be spoiled.
fn version_of(file: &mut File) -> io::Result<u32> {
    let mut start = Vec::new();
    file.take(4096).read_to_end(&mut start)?;
    let first = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    // A long line is cut here, but its version comes first.
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
