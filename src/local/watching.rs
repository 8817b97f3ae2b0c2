//! How the agents of a watch stand, for whoever asks meanwhile: one file for each run on each engine.
//!
//! A watch holds a lock of its own as long as it lives, so that what it wrote last is known to be old when it is gone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::atomic;
use super::lock::{Holder, Lock, LockError};
use moat_model::resource::RunId;
use moat_model::resource::digest::short_sha256;

/// What a watch says of one agent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Note {
    /// RFC 3339, UTC: since when it stands so.
    pub since: String,
    /// As in `settled`, `working`, `backing-off`, `stuck`, `no-engine`.
    pub work: String,
    /// What waits for an approval.
    #[serde(default)]
    pub held: Vec<String>,
    /// Why the spec as it is now is not what is wanted.
    #[serde(default)]
    pub problem: Option<String>,
    /// Sessions that something waits for.
    #[serde(default)]
    pub sessions: usize,
    #[serde(default)]
    pub last_error: Option<String>,
    /// Resources that are left alone for now.
    #[serde(default)]
    pub left: Vec<String>,
}

/// The place for what is said of one run.
#[derive(Debug, Clone)]
pub struct Watching {
    note: PathBuf,
    lock: PathBuf,
}

/// A note says a few lines; a spec's diagnostics may be many.
const SIZE_MAX: u64 = 1 << 20;

impl Watching {
    pub fn of(dir: &Path, run: &RunId, engine: &str) -> Self {
        let name = format!("{run}@{}", short_sha256(engine, 8));
        let dir = dir.join("watch");
        Self { note: dir.join(format!("{name}.json")), lock: dir.join(format!("{name}.lock")) }
    }

    /// Held by the watch as long as it lives.
    ///
    /// # Errors
    /// If another watch has it.
    pub fn begin(&self, run: &RunId, holder: &Holder) -> Result<Lock, LockError> {
        Lock::at(&self.lock, run, holder)
    }

    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, note: &Note) -> io::Result<()> {
        atomic::write(&self.note, &serde_json::to_string(note).map_err(io::Error::other)?)
    }

    /// What a watch that lives says, and who it is; `None`: there is none.
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
    fn what_a_watch_said_is_old_when_it_is_gone() {
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
