//! Reads histories. Unreadable parts are skipped and reported as warnings.

use std::fs::{File, read_dir};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::{HistoryError, Line, RunRecord, VERSION};

/// The readable histories.
#[derive(Debug, Default)]
pub struct Found {
    /// Sorted by time.
    pub lines: Vec<Line>,
    /// Problems of files.
    pub warnings: Vec<String>,
}

/// Returns all lines of the runs whose ids `is_wanted` accepts.
pub fn lines(state_dir: &Path, is_wanted: impl Fn(&str) -> bool) -> Found {
    let mut found = Found::default();
    for path in files(&state_dir.join("history"), &mut found.warnings) {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let run = name.strip_suffix(".jsonl").map(|run| run.strip_suffix(".1").unwrap_or(run));
        if run.is_some_and(&is_wanted) {
            read(&path, &mut found);
        }
    }
    found.lines.sort_by(|a, b| a.time.cmp(&b.time));
    found
}

/// Returns the records of all runs, and warnings.
pub fn records(state_dir: &Path) -> (Vec<RunRecord>, Vec<String>) {
    let (mut records, mut warnings) = (Vec::new(), Vec::new());
    for path in files(&state_dir.join("runs"), &mut warnings) {
        match RunRecord::read(&path) {
            Ok(record) => records.extend(record),
            Err(HistoryError::Corrupt { path }) => warnings.push(format!("`{}` cannot be read", path.display())),
            Err(error) => warnings.push(error.to_string()),
        }
    }
    (records, warnings)
}

/// Returns the files of all engines, sorted.
fn files(folder: &Path, warnings: &mut Vec<String>) -> Vec<PathBuf> {
    let mut entries = |folder: &Path| -> Vec<PathBuf> {
        match read_dir(folder) {
            Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).collect(),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Vec::new(),
            Err(error) => {
                warnings.push(format!("`{}` cannot be read: {error}", folder.display()));
                Vec::new()
            }
        }
    };
    let engines = entries(folder);
    let mut files: Vec<PathBuf> = engines.iter().flat_map(|engine| entries(engine)).collect();
    files.retain(|path| path.extension().is_some_and(|it| it == "json" || it == "jsonl"));
    files.sort();
    files
}

fn read(path: &Path, found: &mut Found) {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) => return found.warnings.push(format!("`{}` cannot be read: {error}", path.display())),
    };
    let mut unread = 0;
    for line in BufReader::new(file).split(b'\n') {
        match line {
            Ok(line) if line.is_empty() => {}
            Ok(line) => match serde_json::from_slice::<Line>(&line) {
                Ok(line) if line.v <= VERSION => found.lines.push(line),
                _ => unread += 1,
            },
            Err(error) => return found.warnings.push(format!("`{}` cannot be read: {error}", path.display())),
        }
    }
    if unread > 0 {
        let lines = if unread == 1 { "1 line".to_owned() } else { format!("{unread} lines") };
        found.warnings.push(format!("skipped {lines} of `{}` that cannot be read", path.display()));
    }
}
