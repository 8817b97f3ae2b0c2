//! Normal forms of paths.

use std::path::{Component, Path, PathBuf};

/// Removes `.` and `..`: the engine rejects both, and two spellings of one path must not differ.
pub(super) fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

/// Removes trailing and repeated slashes.
pub(super) fn trimmed(target: &str) -> String {
    let parts: Vec<&str> = target.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    format!("/{}", parts.join("/"))
}
