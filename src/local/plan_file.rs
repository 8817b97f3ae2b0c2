//! The file of a plan that is kept for a later apply.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use super::atomic;

/// Writes the file, also over another plan (`is_plan`), and never over anything else: a slip must not cost a spec.
///
/// # Errors
/// [`ErrorKind::AlreadyExists`], or whatever else is in the way.
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
