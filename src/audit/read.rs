//! Reads entries for display, without verification.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use super::files::{Files, refused};
use super::{AuditError, Entry};

/// Returns all readable entries in order; none if no log exists. Invalid lines are skipped.
///
/// # Errors
/// If the log cannot be read.
pub fn entries(state_dir: &Path) -> Result<Vec<Entry>, AuditError> {
    let path = Files::below(state_dir).log;
    let mut all = Vec::new();
    each(&path, |entry| {
        all.push(entry);
        true
    })?;
    Ok(all)
}

/// Returns the entries with the given numbers, if they exist.
pub(super) fn these(path: &Path, numbers: &BTreeSet<u64>) -> Result<Vec<Entry>, AuditError> {
    let Some(last) = numbers.last() else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    each(path, |entry| {
        let goes_on = entry.seq < *last;
        if numbers.contains(&entry.seq) {
            found.push(entry);
        }
        goes_on
    })?;
    Ok(found)
}

/// Calls `look` for each entry until it returns false.
fn each(path: &Path, mut look: impl FnMut(Entry) -> bool) -> Result<(), AuditError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file.map_err(|source| refused(path, source))?,
    };
    for line in BufReader::new(file).split(b'\n') {
        let line = line.map_err(|source| refused(path, source))?;
        if let Ok(entry) = serde_json::from_slice(&line)
            && !look(entry)
        {
            break;
        }
    }
    Ok(())
}
