//! The approvals of a user: one file for each run in the state directory, independent of the engine.
//!
//! They are kept when a sandbox is destroyed, so that a later spec can be compared. This module stores approvals and makes
//! no decisions.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::atomic;
use moat_model::resource::RunId;
use moat_spec::Proposal;

/// The approval of a run.
#[derive(Debug, Clone)]
pub struct Approval {
    path: PathBuf,
}

/// The content of the file.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Record {
    /// The last approved canonical text.
    text: String,
    /// All host paths that the sandbox can write, or could earlier.
    #[serde(default)]
    writable: BTreeSet<PathBuf>,
    /// Mounted host paths that the user approved by name.
    #[serde(default)]
    named: BTreeSet<String>,
}

/// The directory of all approvals.
const FOLDER: &str = "approvals";

/// The maximum size of a file. A spec has at most 1 MiB, and few files contribute to a text.
const SIZE_MAX: u64 = 16 << 20;

impl Approval {
    pub fn of(dir: &Path, run: &RunId) -> Self {
        Self { path: dir.join(FOLDER).join(run.as_str()) }
    }

    /// Returns the path of the file, for a watch.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Creates the directory, so that it can be watched while it is empty.
    ///
    /// # Errors
    /// If it cannot be created.
    pub fn prepare(&self) -> io::Result<()> {
        self.path.parent().map_or(Ok(()), atomic::folder)
    }

    /// Approves `proposal` in place of the previous one. `is_named` means that the user saw the list of its requests.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn give(&self, proposal: &Proposal, is_named: bool) -> io::Result<()> {
        let text = proposal.text();
        let mut record = read(&self.path).unwrap_or_default();
        let (before, mounted) = ((record.writable.len(), record.named.len()), proposal.mounted());
        record.writable.extend(proposal.writable());
        if is_named {
            record.named.extend(mounted.iter().cloned());
        }
        record.named.retain(|path| mounted.contains(path));
        if record.text == text && (record.writable.len(), record.named.len()) == before {
            return Ok(());
        }
        atomic::write(&self.path, &serde_json::to_string(&Record { text, ..record }).map_err(io::Error::other)?)
    }

    /// Returns the approved proposal; `None` if there is none, or it is unreadable.
    pub fn read(&self) -> Option<Proposal> {
        Proposal::parse(&read(&self.path)?.text)
    }

    /// Returns the host paths that the user approved by name.
    pub fn named(&self) -> BTreeSet<String> {
        read(&self.path).map(|record| record.named).unwrap_or_default()
    }

    /// Removes the approval.
    ///
    /// # Errors
    /// If the file cannot be removed.
    pub fn forget(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// Returns all host paths that a sandbox can write, or could earlier, with their run; sorted.
pub fn writable(dir: &Path) -> Vec<(String, PathBuf)> {
    let Ok(entries) = fs::read_dir(dir.join(FOLDER)) else { return Vec::new() };
    let mut all = Vec::new();
    for entry in entries.map_while(Result::ok) {
        let run = entry.file_name().to_string_lossy().into_owned();
        let paths = read(&entry.path()).map(|record| record.writable).unwrap_or_default();
        all.extend(paths.into_iter().map(|path| (run.clone(), path)));
    }
    all.sort();
    all
}

fn read(path: &Path) -> Option<Record> {
    let size = fs::metadata(path).ok()?.len();
    let text = if size <= SIZE_MAX { fs::read_to_string(path).ok()? } else { return None };
    serde_json::from_str(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use moat_spec::{Capabilities, Source, agent};

    fn proposal(text: &str) -> Proposal {
        let spec = agent::parse(Source::new("agent.yaml", "/p/agent.yaml", format!("agent: a\nimage: b\n{text}")));
        Proposal::of(&spec.expect("valid"), &Capabilities::builtin())
    }

    #[test]
    fn an_approval_is_for_one_run_until_it_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let of = |run: &str| Approval::of(dir.path(), &RunId::from_label(run));
        let approval = of("a-1");
        assert_eq!(approval.read(), None);
        approval.forget().unwrap();
        approval.give(&proposal(""), false).unwrap();
        assert_eq!(approval.read(), Some(proposal("")));
        assert_eq!(of("a-2").read(), None);
        approval.forget().unwrap();
        assert_eq!(approval.read(), None);
    }

    #[test]
    fn writable_paths_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let approval = Approval::of(dir.path(), &RunId::from_label("a-1"));
        approval.give(&proposal("workspace: .\nmounts: ['/etc:/etc:ro']\n"), true).unwrap();
        assert_eq!(approval.named(), ["/etc".to_owned(), "/p".to_owned()].into());
        approval.give(&proposal(""), false).unwrap();
        assert_eq!(writable(dir.path()), [("a-1".to_owned(), PathBuf::from("/p"))]);
        assert_eq!(approval.named(), BTreeSet::new(), "no longer mounted");
    }

    #[test]
    fn an_unreadable_file_approves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let approval = Approval::of(dir.path(), &RunId::from_label("a-1"));
        approval.prepare().unwrap();
        for text in ["", "0123\n", "{\"text\":\"{}\"}", "{\"text\":\"{\\\"moat\\\":\\\"2\\\"}\"}"] {
            fs::write(approval.path(), text).unwrap();
            assert_eq!(approval.read(), None, "{text}");
        }
    }
}
