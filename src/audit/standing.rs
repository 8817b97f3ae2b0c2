//! The state of a log: its end and its open intents. Other modules read and append.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::AuditError;
use super::chain::Link;
use super::entry::{Entry, Phase};
use super::read;

/// The state of the log, while the lock is held.
pub(super) struct Standing {
    pub log: File,
    pub link: Link,
    pub bytes: u64,
    /// Intents without an outcome, by their numbers.
    pub open: BTreeMap<u64, Open>,
}

/// The state of the log after the last append of this process.
pub(super) struct Known {
    /// Device and inode, to detect a replaced file.
    pub file: (u64, u64),
    pub link: Link,
    pub bytes: u64,
    pub open: BTreeMap<u64, Open>,
}

/// An intent without an outcome.
#[derive(Clone)]
pub(super) enum Open {
    /// An intent of this process, which will log the outcome.
    Own,
    /// Only the number is known, from the head.
    Unread,
    Read(Box<Entry>),
}

impl Known {
    pub fn of(standing: Standing) -> Option<Self> {
        let Standing { log, link, bytes, open } = standing;
        let facts = log.metadata().ok()?;
        Some(Self { file: (facts.dev(), facts.ino()), link, bytes, open })
    }
}

impl Open {
    pub fn entry(&self) -> Option<&Entry> {
        match self {
            Self::Read(entry) => Some(entry),
            Self::Own | Self::Unread => None,
        }
    }
}

impl Standing {
    /// Reads the intents of which only the number is known.
    pub fn read(&mut self, log: &Path) -> Result<(), AuditError> {
        let unread = self.open.iter().filter(|(_, open)| matches!(open, Open::Unread)).map(|(seq, _)| *seq);
        for entry in read::these(log, &unread.collect())? {
            self.open.insert(entry.seq, Open::Read(Box::new(entry)));
        }
        Ok(())
    }

    pub fn note(&mut self, seq: u64, phase: Phase, of: Option<u64>, entry: Open) {
        match (phase, of) {
            (Phase::Intent, _) => {
                self.open.insert(seq, entry);
            }
            (Phase::Outcome, Some(intent)) => {
                self.open.remove(&intent);
            }
            _ => {}
        }
    }
}
