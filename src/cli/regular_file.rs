//! Opens the files of a spec: regular files only, and never through a link that a sandbox could have created.
//!
//! Below a directory that a sandbox can write, or could, each path component is opened separately without following
//! links, which also excludes races. Elsewhere links belong to the user and are followed.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags, open, openat};
use rustix::io::Errno;

use crate::cli::state_directory::state_directory;
use crate::local::approval;

/// Opens the regular file at `path`.
///
/// # Errors
/// If the file is missing, not regular, or behind a link below a directory that a sandbox can write.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let writable = state_directory().map(|dir| approval::writable(&dir)).unwrap_or_default();
    open_among(path, writable.into_iter().map(|(_, folder)| folder))
}

fn open_among(path: &Path, writable: impl Iterator<Item = PathBuf>) -> io::Result<File> {
    let below = writable.filter_map(|folder| {
        let real = folder.canonicalize().ok()?;
        let rest = path.strip_prefix(&folder).or_else(|_| path.strip_prefix(&real)).ok()?.to_owned();
        Some((real, rest))
    });
    // The innermost directory: the sandbox cannot change its parents.
    let file = match below.min_by_key(|(_, rest)| rest.components().count()) {
        Some((folder, rest)) => open_beneath(&folder, &rest)?,
        // Non-blocking, since opening a pipe without a writer would block.
        None => File::from(open(path, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty())?),
    };
    if file.metadata()?.is_file() { Ok(file) } else { Err(refused("not a regular file")) }
}

/// Opens `rest` relative to `folder` without following links.
fn open_beneath(folder: &Path, rest: &Path) -> io::Result<File> {
    let steps: Vec<Component<'_>> = rest.components().collect();
    let mut here = File::open(folder)?;
    for (i, step) in steps.iter().enumerate() {
        let Component::Normal(name) = step else { return Err(refused("the path leaves its directory")) };
        let kind = if i + 1 == steps.len() { OFlags::NONBLOCK } else { OFlags::DIRECTORY };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | kind;
        here = match openat(&here, *name, flags, Mode::empty()) {
            Ok(next) => File::from(next),
            // Reported for a link and for a link to a directory.
            Err(Errno::LOOP | Errno::NOTDIR) => {
                return Err(refused("the path has a link in a directory that a sandbox can write"));
            }
            Err(error) => return Err(error.into()),
        };
    }
    Ok(here)
}

fn refused(why: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, why)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_not_followed_where_a_sandbox_can_write() {
        let dir = tempfile::tempdir().unwrap();
        let (work, outside) = (dir.path().join("work"), dir.path().join("outside"));
        fs::create_dir_all(work.join("sub")).unwrap();
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("f"), "").unwrap();
        fs::write(work.join("sub/f"), "").unwrap();
        symlink(outside.join("f"), work.join("file")).unwrap();
        symlink(&outside, work.join("folder")).unwrap();
        symlink("sub/f", work.join("inside")).unwrap();
        let link = dir.path().join("link");
        symlink(&work, &link).unwrap();
        let opens =
            |path: &Path, writable: &[&Path]| open_among(path, writable.iter().map(|path| path.to_path_buf())).is_ok();
        for (path, writable, expected) in [
            ("work/sub/f", true, true),
            ("work/file", true, false),
            ("work/folder/f", true, false),
            ("work/inside", true, false),
            ("work/sub/../sub/f", true, false),
            ("work/none", true, false),
            ("work/sub", true, false),
            ("work/file", false, true),
            ("work/folder/f", false, true),
            ("outside/f", true, true),
            // The user's own link, above what the sandbox can write.
            ("link/sub/f", true, true),
        ] {
            let folders: &[&Path] = if writable { &[&work, &link] } else { &[] };
            assert_eq!(opens(&dir.path().join(path), folders), expected, "{path}");
        }
    }

    #[test]
    fn pipes_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        for writable in [None, Some(dir.path().to_owned())] {
            let error = open_among(&pipe, writable.into_iter()).unwrap_err();
            assert_eq!(error.to_string(), "not a regular file");
        }
    }
}
