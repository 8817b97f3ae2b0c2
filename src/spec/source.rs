//! A spec file's text, and places in it.

use std::ops::Range;
use std::path::PathBuf;

/// A spec file that has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// As the user named it; shown in diagnostics.
    pub name: String,
    /// Canonical; part of the run's identity.
    pub path: PathBuf,
    pub text: String,
}

/// A range of bytes in a source's text.
pub type Span = Range<usize>;

/// A value, and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    pub value: T,
    pub span: Span,
}
