//! Errors in files of variables, reported with locations in these files and not in the spec.

use std::path::{Path, PathBuf};

use super::diagnostic::Diagnostic;
use super::envfile::BadFile;
use super::source::{Source, Span};

/// A file of variables with errors.
pub(super) struct EnvFileErrors {
    /// The path as written in the spec, and its location there.
    pub written: String,
    pub at: Span,
    pub path: PathBuf,
    pub bad: BadFile,
}

impl EnvFileErrors {
    /// Its errors. Appends its lines to the source, without their values.
    pub fn diagnostics(self, source: &mut Source) -> Vec<Diagnostic> {
        let Self { written, at, path, bad: BadFile { shown, faults } } = self;
        let name = if written.starts_with('~') {
            written
        } else {
            Path::new(source.name_at(at.start)).with_file_name(written).display().to_string()
        };
        let start = source.append(name, path, &shown);
        let starts: Vec<usize> = std::iter::once(0).chain(shown.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let place = |line: usize| source.line_at(start + starts.get(line).copied().unwrap_or(shown.len()));
        faults.into_iter().map(|(line, fault)| Diagnostic::error(place(line), fault.message).hint(fault.hint)).collect()
    }
}
