//! Files that are whole at every moment: written beside their place and moved there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::process;

use super::private;
pub use super::private::folder;

/// Replaces a file. Two writers at once leave the text of one of them.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    if let Some(dir) = path.parent() {
        folder(dir)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", process::id()));
    let beside = path.with_file_name(name);
    let written = fill(&beside, text).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // The first error is the one to be told.
        let _ = fs::remove_file(&beside);
    }
    written
}

fn fill(path: &Path, text: &str) -> io::Result<()> {
    let mut file: File = private::open(OpenOptions::new().write(true).create(true).truncate(true), path)?;
    file.write_all(text.as_bytes())
}
