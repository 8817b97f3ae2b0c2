//! A directory by its handle: what is in it is reached by one name at a time, and a link is never followed.
//!
//! So nothing that is renamed or replaced by a link meanwhile leads elsewhere: the handle stays with its directory.

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

/// Of what is made for a moment, before it gets its own mode.
const OWN_ONLY: Mode = Mode::RWXU;

impl Folder {
    /// Opens a directory by the path that the user gave, whose links are the user's own and are followed.
    ///
    /// # Errors
    /// If it cannot be opened, or is no directory.
    pub fn open(path: &Path) -> io::Result<Self> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        Ok(Self(openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?))
    }

    /// Opens a directory in it; a link to one is none.
    pub(super) fn enter(&self, name: &OsStr) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Self(openat(&self.0, single(name)?, flags, Mode::empty())?))
    }

    /// What it is itself.
    pub(super) fn own_stat(&self) -> io::Result<Stat> {
        Ok(fstat(&self.0)?)
    }

    /// What a name in it stands for; `None`: nothing.
    ///
    /// # Errors
    /// If it cannot be looked at.
    pub(super) fn stat(&self, name: &OsStr) -> io::Result<Option<Stat>> {
        match statat(&self.0, single(name)?, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a directory; gives whether it is new.
    pub(super) fn make(&self, name: &OsStr) -> io::Result<bool> {
        match mkdirat(&self.0, single(name)?, OWN_ONLY) {
            Ok(()) => Ok(true),
            Err(Errno::EXIST) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a file that was not there.
    pub(super) fn create(&self, name: &OsStr) -> io::Result<File> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(openat(&self.0, single(name)?, flags, Mode::RUSR | Mode::WUSR)?))
    }

    /// Opens a file to be read. One that has become a pipe since it was looked at does not block.
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

    /// Gives what is called `old` in another directory a second name here.
    pub(super) fn link(&self, name: &OsStr, from: &Self, old: &OsStr) -> io::Result<()> {
        Ok(linkat(&from.0, single(old)?, &self.0, single(name)?, AtFlags::empty())?)
    }

    pub(super) fn touch_link(&self, name: &OsStr, modified: u64) -> io::Result<()> {
        Ok(utimensat(&self.0, single(name)?, &times(Some(modified)), AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Gives the directory itself its mode and time.
    pub(super) fn finish(&self, mode: u32, modified: Option<u64>) -> io::Result<()> {
        finish(&self.0, mode, modified)
    }

    /// The names in it, sorted.
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

/// Gives an open file its mode and time. Bits that would run it as somebody else are left out.
pub(super) fn finish(file: impl rustix::fd::AsFd, mode: u32, modified: Option<u64>) -> io::Result<()> {
    fchmod(&file, Mode::from_raw_mode((mode & 0o777) as rustix::fs::RawMode))?;
    Ok(futimens(&file, &times(modified))?)
}

/// The kind of what was looked at.
pub(super) fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// A name that stands for something in the directory itself, and for nothing above or below.
fn single(name: &OsStr) -> io::Result<&OsStr> {
    let bytes = name.as_bytes();
    let leads_away = bytes.is_empty() || bytes == b"." || bytes == b".." || bytes.contains(&b'/');
    if leads_away { Err(Errno::INVAL.into()) } else { Ok(name) }
}

fn times(modified: Option<u64>) -> Timestamps {
    let omitted = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    // No file is from later than what fits.
    let at = |seconds| Timespec { tv_sec: i64::try_from(seconds).unwrap_or(i64::MAX), tv_nsec: 0 };
    Timestamps { last_access: omitted, last_modification: modified.map_or(omitted, at) }
}
