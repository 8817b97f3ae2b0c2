//! Verifies a log from its first byte to its head, and finds the first broken entry.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use super::chain::Link;
use super::files::{Files, refused};
use super::head::Head;
use super::key::SecretKey;
use super::{AuditError, PublicKey};

/// An intact log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    pub entries: u64,
    /// Intents without an outcome.
    pub open: usize,
    /// The bytes of a partial line left by a crash; the next append removes it.
    pub torn: u64,
    pub key: PublicKey,
}

/// The first broken entry of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The number of the entry; 0 for the head.
    pub entry: u64,
    pub why: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.entry {
            0 => f.write_str(&self.why),
            entry => write!(f, "entry {entry}: {}", self.why),
        }
    }
}

/// Verifies the log below `state_dir` with `key`, or with its own key.
///
/// # Errors
/// [`AuditError::Broken`] with the first broken entry; another error if the log cannot be read.
pub fn verify(state_dir: &Path, key: Option<&PublicKey>) -> Result<Verified, AuditError> {
    let files = Files::below(state_dir);
    let key = match key {
        Some(key) => key.clone(),
        None => SecretKey::read(&files.key)?.public(),
    };
    // A concurrent append would look like a partial line.
    let _lock = files.lock()?;
    let head = Head::text(&files.head)?;
    let log = match File::open(&files.log) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        log => Some(log.map_err(|source| refused(&files.log, source))?),
    };
    let Some(log) = log else { return Err(AuditError::Broken(cut(1))) };
    check(BufReader::new(log), head.as_deref(), &key).map_err(|error| match error {
        VerifyError::Broken(broken) => AuditError::Broken(broken),
        VerifyError::Read(source) => refused(&files.log, source),
    })
}

/// Why the verification of a reader failed.
#[derive(Debug)]
pub(super) enum VerifyError {
    Broken(Broken),
    Read(io::Error),
}

/// Verifies a log against its head.
pub(super) fn check(mut log: impl BufRead, head: Option<&str>, key: &PublicKey) -> Result<Verified, VerifyError> {
    let broken = |entry, why: &str| VerifyError::Broken(Broken { entry, why: why.to_owned() });
    let parsed = head.map(|text| Head::parse(text, key));
    let (mut end, mut bytes, mut torn) = (Link::start(), 0_u64, 0);
    let mut open = std::collections::BTreeSet::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = log.read_until(b'\n', &mut line).map_err(VerifyError::Read)?;
        if read == 0 {
            break;
        }
        if line.last() != Some(&b'\n') {
            torn = read as u64;
            break;
        }
        let (entry, next) =
            end.check(&line[..read - 1], key).map_err(|fault| broken(end.seq + 1, &fault.to_string()))?;
        bytes += read as u64;
        match (entry.body.phase, entry.body.of) {
            (super::Phase::Intent, _) => {
                open.insert(entry.seq);
            }
            (super::Phase::Outcome, Some(intent)) => {
                open.remove(&intent);
            }
            _ => {}
        }
        if let Some(Some(head)) = &parsed
            && head.seq == next.seq
            && (head.hash != next.hash || head.bytes != bytes)
        {
            return Err(broken(next.seq, "not the entry that the head names"));
        }
        end = next;
    }
    match parsed {
        Some(Some(head)) if head.seq > end.seq => Err(VerifyError::Broken(cut(end.seq + 1))),
        Some(None) => Err(broken(0, "the head was changed, or signed by another key")),
        None if end.seq > 1 => Err(broken(0, "the head of the log is missing")),
        _ => Ok(Verified { entries: end.seq, open: open.len(), torn, key: key.clone() }),
    }
}

fn cut(entry: u64) -> Broken {
    Broken { entry, why: "missing: the log is truncated here, its head lists more entries".to_owned() }
}
