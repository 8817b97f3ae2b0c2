//! The file of a plan for a later apply.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::atomic;

/// Writes the file. Replaces another plan (`is_plan`), but no other file: a typo must not overwrite a spec.
///
/// # Errors
/// [`ErrorKind::AlreadyExists`] for another file, or an I/O error.
pub fn write(path: &Path, text: &str, is_plan: impl Fn(&str) -> bool) -> io::Result<()> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Ok(there) if is_plan(&there) => {}
        Ok(_) => return Err(ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == ErrorKind::InvalidData => return Err(ErrorKind::AlreadyExists.into()),
        Err(error) => return Err(error),
    }
    atomic::write(path, text)
}
