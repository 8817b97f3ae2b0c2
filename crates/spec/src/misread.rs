//! Files of variables with faults of their own: what is wrong with one is told with places in it, not in the spec.

use std::path::{Path, PathBuf};

use super::diagnostic::Diagnostic;
use super::envfile::BadFile;
use super::source::{Source, Span};

/// A file of variables that has faults of its own.
pub(super) struct Misread {
    /// As it is named, and where.
    pub written: String,
    pub at: Span,
    pub path: PathBuf,
    pub bad: BadFile,
}

impl Misread {
    /// What is wrong with it. Its lines are added to the source, without their values.
    pub fn told(self, source: &mut Source) -> Vec<Diagnostic> {
        let Self { written, at, path, bad: BadFile { shown, faults } } = self;
        let name = if written.starts_with('~') {
            written
        } else {
            Path::new(source.name_at(at.start)).with_file_name(written).display().to_string()
        };
        let start = source.append(name, path, &shown);
        let begins: Vec<usize> = std::iter::once(0).chain(shown.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let place = |line: usize| source.line_at(start + begins.get(line).copied().unwrap_or(shown.len()));
        faults.into_iter().map(|(line, fault)| Diagnostic::error(place(line), fault.message).hint(fault.hint)).collect()
    }
}
