//! Files and directories that only their user can read, since moat's files describe the user's work. Files of older
//! versions that others can read are restricted when they are opened.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::process::geteuid;

pub const MODE: u32 = 0o600;
const DIR_MODE: u32 = 0o700;

/// The permission bits of group and others.
const OTHERS: u32 = 0o077;

/// The sticky bit, set on shared directories such as `/tmp`.
const STICKY: u32 = 0o1000;

/// All names that moat creates in its state directory. New names must be added.
const OWN: [&str; 7] = ["approvals", "audit", "history", "locks", "runs", "secret.key", "watch"];

/// A depth limit that no directory of moat reaches.
const DEPTH_MAX: u32 = 8;

/// Creates a directory and its parents.
pub fn folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(DIR_MODE).create(path)
}

/// Opens a file with `options`, and restricts it to the user.
pub fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let file = options.mode(MODE).open(path)?;
    if file.metadata()?.mode() & OTHERS != 0 {
        // The mode of another user's file cannot be changed; the file is usable nevertheless.
        let _ = file.set_permissions(Permissions::from_mode(MODE));
    }
    Ok(file)
}

/// Restricts the state directory and moat's files in it to the user. A directory with other files keeps its mode, as
/// `MOAT_STATE_DIR` may name any directory.
pub fn close(dir: &Path) {
    let Ok(found) = fs::symlink_metadata(dir) else { return };
    if !found.is_dir() || found.uid() != geteuid().as_raw() || found.mode() & OTHERS == 0 {
        return;
    }
    let mut is_own = found.mode() & STICKY == 0;
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if OWN.iter().any(|own| entry.file_name() == *own) {
            close_all(&entry.path(), 0);
        } else {
            is_own = false;
        }
    }
    if is_own {
        let _ = fs::set_permissions(dir, Permissions::from_mode(DIR_MODE));
    }
}

/// Restricts a file or directory tree. Errors are ignored: moat works with unrestricted files as well.
fn close_all(path: &Path, depth: u32) {
    let Ok(found) = fs::symlink_metadata(path) else { return };
    if found.is_dir() && depth < DEPTH_MAX {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            close_all(&entry.path(), depth + 1);
        }
    }
    let mode = if found.is_dir() { DIR_MODE } else { MODE };
    if found.mode() & OTHERS != 0 && (found.is_dir() || found.is_file()) {
        let _ = fs::set_permissions(path, Permissions::from_mode(mode));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).expect("exists").mode() & 0o7777
    }

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("its owner may");
    }

    #[test]
    fn files_of_older_versions_are_restricted() {
        let dir = tempfile::tempdir().expect("a folder");
        let [state, history, line, audit] =
            ["state", "state/history", "state/history/a.jsonl", "state/audit"].map(|name| dir.path().join(name));
        for folder in [&history, &audit] {
            fs::create_dir_all(folder).expect("a folder");
        }
        fs::write(&line, "text").expect("a file");
        for (path, open) in [(&state, 0o755), (&history, 0o755), (&line, 0o644), (&audit, 0o750)] {
            set(path, open);
        }
        close(&state);
        assert_eq!([&state, &history, &line, &audit].map(|path| mode(path)), [0o700, 0o700, 0o600, 0o700]);
        // Opening a file restricts it as well.
        set(&line, 0o664);
        open(OpenOptions::new().read(true), &line).expect("a file");
        assert_eq!(mode(&line), 0o600);
    }

    #[test]
    fn a_directory_with_other_files_keeps_its_mode() {
        for (other, top) in [(Some("agent.yaml"), 0o755), (None, 0o1777)] {
            let dir = tempfile::tempdir().expect("a folder");
            let (locks, link) = (dir.path().join("locks"), dir.path().join("locks/link"));
            fs::create_dir(&locks).expect("a folder");
            set(&locks, 0o755);
            let outside = tempfile::NamedTempFile::new().expect("a file");
            set(outside.path(), 0o644);
            std::os::unix::fs::symlink(outside.path(), &link).expect("a link");
            if let Some(other) = other {
                fs::write(dir.path().join(other), "").expect("a file");
            }
            set(dir.path(), top);
            close(dir.path());
            assert_eq!((mode(dir.path()), mode(&locks), mode(outside.path())), (top, 0o700, 0o644));
        }
    }
}
