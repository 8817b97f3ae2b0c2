//! Where a log stands: its end, and what was begun and not closed. Reading it and adding to it is for others.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::AuditError;
use super::chain::Link;
use super::entry::{Entry, Phase};
use super::read;

/// The log as it stands, under the lock.
pub(super) struct Standing {
    pub log: File,
    pub link: Link,
    pub bytes: u64,
    /// Intents without an outcome, by their numbers.
    pub open: BTreeMap<u64, Open>,
}

/// Where the log stood after the last append of this process.
pub(super) struct Known {
    /// Device and inode: another file is another log.
    pub file: (u64, u64),
    pub link: Link,
    pub bytes: u64,
    pub open: BTreeMap<u64, Open>,
}

/// An intent without an outcome.
#[derive(Clone)]
pub(super) enum Open {
    /// Of this very process, which knows itself what comes of it.
    Own,
    /// Its number is known, from a head.
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
    /// Finds what is not known yet of the intents of others.
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
