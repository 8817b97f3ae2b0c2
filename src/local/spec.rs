//! Creates a spec file for `moat init`.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

/// Writes a new file. Never replaces an existing one.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`], or another I/O error.
pub fn create(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())
}
