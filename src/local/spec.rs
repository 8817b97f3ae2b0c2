//! A spec file for somebody who has none yet.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

/// Writes a new file, and never over one that is there.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`], or whatever else is in the way.
pub fn create(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())
}
