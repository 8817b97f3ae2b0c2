//! Packs local files. Links stay links: their targets can be any file of this machine.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Stat, fstat};
use tar::{Builder, EntryType, Header};

use super::folder::{Folder, kind};
use super::{Copied, CopyError, Reason, shown};

/// The source of an archive.
#[derive(Debug)]
pub enum Source {
    /// A directory with its contents.
    Folder(Folder),
    /// An entry of a directory that is not a directory.
    Entry(Folder, OsString),
}

/// The maximum nesting of directories: more than a path can express, and within the limit of open files.
const DEPTH_MAX: usize = 900;

/// The state of the packing.
struct Packing<'a, W: Write> {
    archive: Builder<W>,
    copied: Copied,
    /// The path that the user gave, for messages.
    path: &'a Path,
}

/// Packs `source` into `to` under `name`. Without a name, the contents of a directory go to the top of the archive.
/// `path` is the path that the user gave.
///
/// # Errors
/// If a file cannot be read, or `to` cannot be written.
pub fn pack(source: &Source, path: &Path, name: Option<&OsStr>, to: impl Write) -> Result<Copied, CopyError> {
    let mut packing = Packing { archive: Builder::new(to), copied: Copied::default(), path };
    let top = name.map(PathBuf::from).unwrap_or_default();
    match source {
        Source::Folder(folder) => {
            if name.is_some() {
                let stat = fstat_of(folder, path)?;
                packing.append(&stat, &top, EntryType::Directory, io::empty())?;
            }
            packing.inside(folder, &top, 0)?;
        }
        Source::Entry(folder, own) => packing.entry(folder, own, &top, 0)?,
    }
    packing.archive.into_inner().and_then(|mut to| to.flush()).map_err(CopyError::Send)?;
    Ok(packing.copied)
}

impl<W: Write> Packing<'_, W> {
    fn inside(&mut self, folder: &Folder, at: &Path, depth: usize) -> Result<(), CopyError> {
        if depth > DEPTH_MAX {
            return Err(CopyError::TooDeep { path: self.path.to_owned(), max: DEPTH_MAX });
        }
        for name in folder.names().map_err(|source| self.unreadable(at, source))? {
            self.entry(folder, &name, &at.join(&name), depth + 1)?;
        }
        Ok(())
    }

    fn entry(&mut self, folder: &Folder, name: &OsStr, at: &Path, depth: usize) -> Result<(), CopyError> {
        let stat = folder.stat(name).map_err(|source| self.unreadable(at, source))?;
        // It was removed after it was listed.
        let Some(stat) = stat else { return Ok(()) };
        match kind(&stat) {
            FileType::Directory => {
                let inner = folder.enter(name).map_err(|source| self.unreadable(at, source))?;
                self.append(&fstat_of(&inner, at)?, at, EntryType::Directory, io::empty())?;
                self.inside(&inner, at, depth)
            }
            FileType::RegularFile => self.file(folder, name, at),
            FileType::Symlink => {
                let target = folder.target_of(name).map_err(|source| self.unreadable(at, source))?;
                let mut header = header(&stat, EntryType::Symlink);
                header.set_size(0);
                self.archive.append_link(&mut header, at, Path::new(&target)).map_err(CopyError::Send)
            }
            other => {
                self.copied.skipped.add(shown(at.as_os_str().as_bytes()), reason(other));
                Ok(())
            }
        }
    }

    fn file(&mut self, folder: &Folder, name: &OsStr, at: &Path) -> Result<(), CopyError> {
        let file = folder.read(name).map_err(|source| self.unreadable(at, source))?;
        // The metadata of the opened file: the name may refer to another one now.
        let stat = fstat(&file).map_err(|error| self.unreadable(at, error.into()))?;
        if kind(&stat) != FileType::RegularFile {
            self.copied.skipped.add(shown(at.as_os_str().as_bytes()), reason(kind(&stat)));
            return Ok(());
        }
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        self.copied.files += 1;
        self.copied.bytes += size;
        self.append(&stat, at, EntryType::Regular, Exactly { file, left: size })
    }

    fn append(&mut self, stat: &Stat, at: &Path, entry: EntryType, content: impl Read) -> Result<(), CopyError> {
        let mut header = header(stat, entry);
        let appended = self.archive.append_data(&mut header, at, content);
        appended.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => CopyError::Send(error),
            _ => self.unreadable(at, error),
        })
    }

    fn unreadable(&self, at: &Path, source: io::Error) -> CopyError {
        // The top of the archive is the path that the user gave.
        let rest: PathBuf = at.components().skip(1).collect();
        let path = if rest.as_os_str().is_empty() { self.path.to_owned() } else { self.path.join(rest) };
        CopyError::Read { path, source }
    }
}

fn fstat_of(folder: &Folder, path: &Path) -> Result<Stat, CopyError> {
    folder.own_stat().map_err(|source| CopyError::Read { path: path.to_owned(), source })
}

fn header(stat: &Stat, entry: EntryType) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(entry);
    header.set_mode(stat.st_mode & 0o7777);
    header.set_uid(u64::from(stat.st_uid));
    header.set_gid(u64::from(stat.st_gid));
    // Archives cannot express times before 1970.
    header.set_mtime(u64::try_from(stat.st_mtime).unwrap_or(0));
    header.set_size(if entry == EntryType::Regular { u64::try_from(stat.st_size).unwrap_or(0) } else { 0 });
    header
}

fn reason(kind: FileType) -> Reason {
    match kind {
        FileType::Fifo => Reason::Fifo,
        FileType::Socket => Reason::Socket,
        FileType::CharacterDevice | FileType::BlockDevice => Reason::Device,
        _ => Reason::Unknown,
    }
}

/// Reads exactly the size in the header: a file that grows is truncated, one that shrinks is an error.
struct Exactly<R> {
    file: R,
    left: u64,
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        let count = self.file.read(&mut buffer[..wanted])?;
        if count == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file shrank during the copy"));
        }
        self.left -= count as u64;
        Ok(count)
    }
}
