//! The state of the agents of a watch, for other commands: one file for each run on each engine.
//!
//! A watch holds a separate lock while it runs, so that its file is known to be outdated after it ends.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::atomic;
use super::lock::{Holder, Lock, LockError};
use moat_model::resource::RunId;
use moat_model::resource::digest::short_sha256;

/// The state of an agent in a watch.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Note {
    /// The time of the last state change, RFC 3339 in UTC.
    pub since: String,
    /// For example `settled`, `working`, `backing-off`, `stuck`, `no-engine`.
    pub work: String,
    /// Requests that wait for an approval.
    #[serde(default)]
    pub held: Vec<String>,
    /// Why the current spec is not used.
    #[serde(default)]
    pub problem: Option<String>,
    /// The number of sessions that a change waits for.
    #[serde(default)]
    pub sessions: usize,
    #[serde(default)]
    pub last_error: Option<String>,
    /// Resources whose repair is suspended.
    #[serde(default)]
    pub left: Vec<String>,
}

/// The files of a watch for one run.
#[derive(Debug, Clone)]
pub struct Watching {
    note: PathBuf,
    lock: PathBuf,
}

/// The maximum size of a file. It is usually small, but a spec can have many diagnostics.
const SIZE_MAX: u64 = 1 << 20;

impl Watching {
    pub fn of(dir: &Path, run: &RunId, engine: &str) -> Self {
        let name = format!("{run}@{}", short_sha256(engine, 8));
        let dir = dir.join("watch");
        Self { note: dir.join(format!("{name}.json")), lock: dir.join(format!("{name}.lock")) }
    }

    /// Takes the lock of the watch.
    ///
    /// # Errors
    /// If another watch holds it.
    pub fn begin(&self, run: &RunId, holder: &Holder) -> Result<Lock, LockError> {
        Lock::at(&self.lock, run, holder)
    }

    /// Writes the state.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, note: &Note) -> io::Result<()> {
        atomic::write(&self.note, &serde_json::to_string(note).map_err(io::Error::other)?)
    }

    /// Returns the running watch and its state; `None` if no watch runs.
    pub fn read(&self) -> Option<(Holder, Note)> {
        let holder = Lock::holder_at(&self.lock)?;
        let size = fs::metadata(&self.note).ok()?.len();
        let text = if size <= SIZE_MAX { fs::read_to_string(&self.note).ok()? } else { return None };
        Some((holder, serde_json::from_str(&text).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_outdated_when_the_watch_ends() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunId::from_label("a-1");
        let place = Watching::of(dir.path(), &run, "unix:///x");
        assert_eq!(place.read(), None);
        let holder = Holder { pid: 7, command: "watch".to_owned(), since: "2026-01-01T00:00:00Z".to_owned() };
        let lock = place.begin(&run, &holder).unwrap();
        let note = Note { work: "settled".to_owned(), held: vec!["more".to_owned()], ..Note::default() };
        place.write(&note).unwrap();
        assert_eq!(place.read(), Some((holder.clone(), note)));
        let second = place.begin(&run, &holder).unwrap_err();
        assert!(matches!(second, LockError::Held { holder: Some(_), .. }), "{second}");
        drop(lock);
        assert_eq!(place.read(), None);
    }
}
