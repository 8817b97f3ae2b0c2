//! Resolves local paths of a copy to sources and targets. The rules are those of `docker cp`, except that a link at the
//! end of a target is not followed: a sandbox may have created it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use super::folder::{Folder, kind};
use super::{CopyError, Source, Target};

impl Source {
    /// Returns the source at a path and its name; the name is `None` if the path means the contents of a directory.
    ///
    /// # Errors
    /// If the path does not exist or cannot be opened.
    pub fn find(path: &Path) -> Result<(Self, Option<OsString>), CopyError> {
        let refused = |source| CopyError::Read { path: path.to_owned(), source };
        let opened = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => CopyError::Missing { path: path.to_owned() },
            _ => refused(error),
        };
        if names_contents(path) {
            return Ok((Self::Folder(Folder::open(path).map_err(opened)?), None));
        }
        let missing = || CopyError::Missing { path: path.to_owned() };
        let own = path.file_name().ok_or_else(missing)?.to_owned();
        if ends_with_slash(path) {
            return Ok((Self::Folder(Folder::open(path).map_err(opened)?), Some(own)));
        }
        let parent = Folder::open(path.parent().unwrap_or(Path::new(""))).map_err(opened)?;
        let source = match parent.stat(&own).map_err(refused)?.as_ref().map(kind) {
            None => return Err(missing()),
            Some(FileType::Directory) => Self::Folder(parent.enter(&own).map_err(refused)?),
            Some(FileType::RegularFile | FileType::Symlink) => Self::Entry(parent, own.clone()),
            Some(_) => return Err(CopyError::Special { path: path.to_owned() }),
        };
        Ok((source, Some(own)))
    }

    pub fn is_folder(&self) -> bool {
        matches!(self, Self::Folder(_))
    }
}

impl Target {
    /// Returns the target for a copy from a container; `own` is the name there, if it has one.
    ///
    /// # Errors
    /// If the parent directory is missing, or an existing entry must not be replaced.
    pub fn find(path: &Path, own: Option<&OsStr>, is_folder: bool) -> Result<Self, CopyError> {
        let refused = |source| CopyError::Write { path: path.to_owned(), source };
        let into = |folder| Self { folder, name: own.map(OsStr::to_owned), path: path.to_owned() };
        let must_be_folder = ends_with_slash(path) || names_contents(path);
        if must_be_folder {
            match Folder::open(path) {
                Ok(folder) => return Ok(into(folder)),
                Err(error) if error.kind() == io::ErrorKind::NotFound && is_folder => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(CopyError::Missing { path: path.to_owned() });
                }
                Err(error) => return Err(refused(error)),
            }
        }
        let name = path.file_name().ok_or_else(|| CopyError::Missing { path: path.to_owned() })?;
        let parent_path = path.parent().unwrap_or(Path::new(""));
        let parent = Folder::open(parent_path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => CopyError::Missing { path: parent_path.to_owned() },
            _ => CopyError::Write { path: parent_path.to_owned(), source: error },
        })?;
        match parent.stat(name).map_err(refused)?.as_ref().map(kind) {
            Some(FileType::Directory) => Ok(into(parent.enter(name).map_err(refused)?)),
            Some(FileType::Symlink) => {
                let target = parent.target_of(name).map(PathBuf::from).unwrap_or_default();
                Err(CopyError::Link { path: path.to_owned(), target })
            }
            Some(FileType::RegularFile) if is_folder => {
                Err(CopyError::Kind { path: path.to_owned(), found: "a file", new: "a directory" })
            }
            None | Some(FileType::RegularFile) => {
                Ok(Self { folder: parent, name: Some(name.to_owned()), path: parent_path.to_owned() })
            }
            Some(_) => Err(CopyError::Special { path: path.to_owned() }),
        }
    }
}

/// Whether a path ends with a slash, so that a link before the slash is followed.
pub fn ends_with_slash(path: impl AsRef<OsStr>) -> bool {
    path.as_ref().as_bytes().ends_with(b"/")
}

/// Whether a path means the contents of a directory, not the directory itself.
pub fn names_contents(path: impl AsRef<OsStr>) -> bool {
    let bytes = path.as_ref().as_bytes();
    let last = bytes.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    last == b"." || last == b".." || bytes.iter().all(|byte| *byte == b'/')
}
