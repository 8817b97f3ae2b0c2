//! A directory handle. Entries are accessed by single names, and links are never followed.
//!
//! A concurrent rename or a new link cannot redirect an access: the handle stays with its directory.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_OMIT, fchmod, fstat, futimens, linkat,
    mkdirat, openat, readlinkat, statat, symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;

/// An open directory.
#[derive(Debug)]
pub struct Folder(OwnedFd);

/// The temporary mode of new directories, before they get their final mode.
const OWN_ONLY: Mode = Mode::RWXU;

impl Folder {
    /// Opens a directory at a path that the user gave. Links in this path are trusted and followed.
    ///
    /// # Errors
    /// If it cannot be opened, or is not a directory.
    pub fn open(path: &Path) -> io::Result<Self> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        Ok(Self(openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?))
    }

    /// Opens a subdirectory; fails for a link.
    pub(super) fn enter(&self, name: &OsStr) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Self(openat(&self.0, single(name)?, flags, Mode::empty())?))
    }

    /// Returns the metadata of the directory itself.
    pub(super) fn own_stat(&self) -> io::Result<Stat> {
        Ok(fstat(&self.0)?)
    }

    /// Returns the metadata of an entry; `None` if it does not exist.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn stat(&self, name: &OsStr) -> io::Result<Option<Stat>> {
        match statat(&self.0, single(name)?, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Creates a subdirectory; returns false if the name exists.
    pub(super) fn make(&self, name: &OsStr) -> io::Result<bool> {
        match mkdirat(&self.0, single(name)?, OWN_ONLY) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Creates a new file; fails if the name exists.
    pub(super) fn create(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(openat(&self.0, single(name)?, flags, Mode::RUSR | Mode::WUSR)?))
    }

    /// Opens a file for reading. Does not block if it was replaced by a pipe.
    pub(super) fn read(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        Ok(File::from(openat(&self.0, single(name)?, flags, Mode::empty())?))
    }

    /// Removes a file or a link, not what it points to.
    pub(super) fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&self.0, single(name)?, AtFlags::empty())?)
    }

    pub(super) fn symlink(&self, name: &OsStr, target: &[u8]) -> io::Result<()> {
        Ok(symlinkat(OsStr::from_bytes(target), &self.0, single(name)?)?)
    }

    pub(super) fn target_of(&self, name: &OsStr) -> io::Result<OsString> {
        Ok(OsString::from_vec(readlinkat(&self.0, single(name)?, Vec::new())?.into_bytes()))
    }

    /// Creates a hard link to `old` in another directory.
    pub(super) fn link(&self, name: &OsStr, from: &Self, old: &OsStr) -> io::Result<()> {
        Ok(linkat(&from.0, single(old)?, &self.0, single(name)?, AtFlags::empty())?)
    }

    pub(super) fn touch_link(&self, name: &OsStr, modified: u64) -> io::Result<()> {
        Ok(utimensat(&self.0, single(name)?, &times(Some(modified)), AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Sets the mode and time of the directory itself.
    pub(super) fn finish(&self, mode: u32, modified: Option<u64>) -> io::Result<()> {
        finish(&self.0, mode, modified)
    }

    /// Returns the names of the entries, sorted.
    pub(super) fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.0)? {
            let name = entry?.file_name().to_bytes().to_vec();
            if name != b"." && name != b".." {
                names.push(OsString::from_vec(name));
            }
        }
        names.sort();
        Ok(names)
    }
}

/// Sets the mode and time of an open file. The set-user-id, set-group-id and sticky bits are dropped.
pub(super) fn finish(file: impl rustix::fd::AsFd, mode: u32, modified: Option<u64>) -> io::Result<()> {
    fchmod(&file, Mode::from_raw_mode((mode & 0o777) as rustix::fs::RawMode))?;
    Ok(futimens(&file, &times(modified))?)
}

/// Returns the file type.
pub(super) fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Checks that a name refers to an entry of the directory itself, not above or below it.
fn single(name: &OsStr) -> io::Result<&OsStr> {
    let bytes = name.as_bytes();
    let leads_away = bytes.is_empty() || bytes == b"." || bytes == b".." || bytes.contains(&b'/');
    if leads_away { Err(Errno::INVAL.into()) } else { Ok(name) }
}

fn times(modified: Option<u64>) -> Timestamps {
    let omitted = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    // Times beyond the range are clamped.
    let at = |seconds| Timespec { tv_sec: i64::try_from(seconds).unwrap_or(i64::MAX), tv_nsec: 0 };
    Timestamps { last_access: omitted, last_modification: modified.map_or(omitted, at) }
}
