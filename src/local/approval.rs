//! What a person has approved of a run: one file for each run, in the state directory, whichever engine it is applied to.
//!
//! Kept when the sandbox is destroyed, so that a spec that was edited meanwhile is compared with something. Says what was
//! approved, and decides nothing.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::atomic;
use moat_model::resource::RunId;
use moat_spec::Proposal;

/// The place of what is approved of one run.
#[derive(Debug, Clone)]
pub struct Approval {
    path: PathBuf,
}

/// What the file says.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Record {
    /// The canonical text that was approved last.
    text: String,
    /// Every path of the host that the sandbox could write at some time.
    #[serde(default)]
    writable: BTreeSet<PathBuf>,
    /// Paths of the host that a person was asked about by name, and that are still mounted.
    #[serde(default)]
    named: BTreeSet<String>,
}

/// The folder of all of them.
const FOLDER: &str = "approvals";

/// A spec has at most 1 MiB; with what it builds on, a text is no larger than a few of these.
const SIZE_MAX: u64 = 16 << 20;

impl Approval {
    pub fn of(dir: &Path, run: &RunId) -> Self {
        Self { path: dir.join(FOLDER).join(run.as_str()) }
    }

    /// The file, to be watched.
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

    /// Approves `proposal` in place of what was approved before. `is_named`: a person has seen what it asks for.
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

    /// What is approved; `None`: nothing, or it cannot be read.
    pub fn read(&self) -> Option<Proposal> {
        Proposal::parse(&read(&self.path)?.text)
    }

    /// The paths of the host that a person was asked about by name.
    pub fn named(&self) -> BTreeSet<String> {
        read(&self.path).map(|record| record.named).unwrap_or_default()
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

/// Every path of the host that some sandbox can write, or could, with the run that it belongs to; sorted.
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
    fn an_approval_is_of_one_run_until_it_is_forgotten() {
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
    fn what_a_sandbox_could_write_is_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let approval = Approval::of(dir.path(), &RunId::from_label("a-1"));
        approval.give(&proposal("workspace: .\nmounts: ['/etc:/etc:ro']\n"), true).unwrap();
        assert_eq!(approval.named(), ["/etc".to_owned(), "/p".to_owned()].into());
        approval.give(&proposal(""), false).unwrap();
        assert_eq!(writable(dir.path()), [("a-1".to_owned(), PathBuf::from("/p"))]);
        assert_eq!(approval.named(), BTreeSet::new(), "it is mounted no more");
    }

    #[test]
    fn what_cannot_be_read_approves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let approval = Approval::of(dir.path(), &RunId::from_label("a-1"));
        approval.prepare().unwrap();
        for text in ["", "0123\n", "{\"text\":\"{}\"}", "{\"text\":\"{\\\"moat\\\":\\\"2\\\"}\"}"] {
            fs::write(approval.path(), text).unwrap();
            assert_eq!(approval.read(), None, "{text}");
        }
    }
}
